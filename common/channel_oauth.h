/*
 * channel_oauth.h - is this token good, and whose is it?  Asked of oauth by auth.
 */
#ifndef PETREL_COMMON_CHANNEL_OAUTH_H
#define PETREL_COMMON_CHANNEL_OAUTH_H

#include "common/codec.h"

enum oauth_type {
	OAUTH_TOKEN = 1, /* call: slice, the token, AUTH_TOKEN_MAX at most.  Answer OAUTH_ANSWER */
	OAUTH_ANSWER     /* struct oauth_answer */
};

enum oauth_verdict {
	OAUTH_GOOD,
	OAUTH_INACTIVE,   /* expired, revoked, or none of that server's */
	OAUTH_NO_SCOPE,   /* not good for what oauth.scope asks for */
	OAUTH_ELSEWHERE,  /* meant for none of oauth.audience */
	OAUTH_NO_ACCOUNT, /* the answer does not say whose it is */
	OAUTH_UNKNOWN,    /* cannot tell now */
	OAUTH_VERDICT_COUNT
};

struct oauth_answer {
	uint8_t verdict;   /* enum oauth_verdict */
	char account[321]; /* OAUTH_GOOD: as the server calls it; not looked at otherwise */
};

void oauth_answer_write(struct writer *w, const struct oauth_answer *answer);
bool oauth_answer_read(struct reader *r, struct oauth_answer *answer);

#endif
