/*
 * allowance.h - how much a user may send in an hour and in a day.
 *
 * lookup is the one process that all smtpd ask before a user's message and each of
 * its recipients; so it counts them.  It counts in memory: a restart forgets, which
 * costs the host no more than the same once again.
 *
 * What counts is what was asked for, whether or not a message came of it.  The
 * hour is a sliding one, kept as two numbers: what lies in the hour before weighs
 * as much as of it is less than an hour ago, as if it had been sent evenly.
 */
#ifndef PETREL_LOOKUP_ALLOWANCE_H
#define PETREL_LOOKUP_ALLOWANCE_H

#include <stdbool.h>

#include "common/slice.h"

enum {
	ALLOWANCE_LOGINS_MAX = 50000, /* who has sent nothing for the longest time is forgotten beyond */
	ALLOWANCE_TEXT_MAX = 200
};

enum allowance_of { ALLOWANCE_MESSAGES, ALLOWANCE_RECIPIENTS };

/*
 * May `login` send one more?  Then it is counted.  False with the reason, as the
 * user is to read it, in `text`; the first time of a row that is logged.
 *
 * now_us  of a clock that does not jump
 */
bool allowance_take(
    struct slice login, enum allowance_of of, uint64_t now_us, char text[ALLOWANCE_TEXT_MAX]);

/* Forget everybody. */
void allowance_forget(void);
/* How many logins are known (for tests). */
unsigned allowance_logins(void);

#endif
