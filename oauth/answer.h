/*
 * answer.h - what a server says of a token (RFC 7662, 2.2).  Pure functions.
 */
#ifndef PETREL_OAUTH_ANSWER_H
#define PETREL_OAUTH_ANSWER_H

#include "common/channel_oauth.h"
#include "common/conf.h"

enum {
	ANSWER_MAX = 65536,       /* octets */
	ANSWER_SKEW_SECONDS = 30, /* by which its clock may be ahead of ours */
};

/* What of it counts. */
struct answer {
	struct oauth_answer said;
	int64_t expires; /* seconds since 1970; 0: it does not say */
};

/*
 * Read it: JSON, no member twice.  False where it is no such answer; *fault is a
 * sentence for the log then, which repeats nothing of it.
 *
 * now  seconds since 1970
 */
bool answer_read(struct slice text, const struct settings *wanted, int64_t now, struct answer *out,
    const char **fault);

#endif
