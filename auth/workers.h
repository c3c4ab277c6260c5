/*
 * workers.h - threads that hold passwords against credentials.
 *
 * Verifying takes milliseconds on purpose.  The event loop hands work over and
 * has it back, done, through a handler that is called from the loop.
 */
#ifndef PETREL_AUTH_WORKERS_H
#define PETREL_AUTH_WORKERS_H

#include "auth/credentials.h"
#include "common/channel_auth.h"
#include "common/threads.h"

struct event_base;

/* Part of the owner's own structure; the threads have it between submission and `done`. */
struct work {
	struct task task; /* first: the threads give back this */
	struct credential credential;
	size_t password_len;
	char password[AUTH_PASSWORD_MAX]; /* wiped before `done` is called */
	bool right;
};

/* Start `threads` threads.  False (errno set) where not even one can be had. */
bool workers_start(struct event_base *, unsigned threads, void (*done)(struct work *));
void workers_submit(struct work *);
/* Submitted, and not done. */
size_t workers_busy(void);
/* Wait for the threads' present work and end them; what was not begun is not done. */
void workers_stop(void);

#endif
