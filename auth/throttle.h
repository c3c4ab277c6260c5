/*
 * throttle.h - those who guess wait longer and longer.
 *
 * A subject is an account or a client's network.  After a failure it has to wait
 * before its next attempt, twice as long each time, up to a minute; of one
 * subject only a few attempts run at a time, so that guessing in parallel gains
 * nothing.  A subject is forgotten half an hour after its last failure.  Bounded:
 * where there are too many subjects, those that failed longest ago give way.
 *
 * Times are clock_monotonic_us().
 */
#ifndef PETREL_AUTH_THROTTLE_H
#define PETREL_AUTH_THROTTLE_H

#include "common/slice.h"

struct throttle;

enum {
	THROTTLE_SUBJECTS = 65536,
	THROTTLE_SECONDS_MAX = 60, /* the longest wait */
	THROTTLE_FORGET_SECONDS = 1800,
};

/* Accounts and networks are treated differently: behind one network are many people. */
struct throttle_rule {
	uint64_t first_us; /* the wait after the first failure that costs; 0: never any wait */
	unsigned free;     /* failures before that */
	unsigned parallel; /* attempts at a time; 0: as many as they like */
};

struct throttle *throttle_new(void);
void throttle_free(struct throttle *);

/* How long the subject has to wait before its next attempt may begin, microseconds; 0: not at all. */
uint64_t throttle_wait(
    struct throttle *, struct slice subject, const struct throttle_rule *, uint64_t now_us);
/* An attempt begins, and ends. */
void throttle_begin(struct throttle *, struct slice subject, uint64_t now_us);
void throttle_end(struct throttle *, struct slice subject);
/*
 * It failed: returns how long the subject has to wait now, microseconds.  Attempts
 * that ran side by side count once: a client with an old password opens several
 * connections at a time.
 *
 * began_us  when this attempt was let through
 */
uint64_t throttle_failed(struct throttle *, struct slice subject, const struct throttle_rule *,
    uint64_t began_us, uint64_t now_us);
/* It succeeded: the subject's failures are forgotten. */
void throttle_succeeded(struct throttle *, struct slice subject);

/*
 * The network of a client's address, as a subject: "192.0.2.0/24" or the like,
 * "2001:db8:1:2::/64".  What is no address stands for itself.
 */
enum { THROTTLE_NETWORK = 64 };
void throttle_network(const char *address, char network[THROTTLE_NETWORK]);

#endif
