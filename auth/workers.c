/*
 * workers.c - threads that hold passwords against credentials.
 */
#include "auth/workers.h"

#include <string.h>

enum { STACK = 256 * 1024 }; /* crypt(3) keeps what is large on the heap */

static void (*tell)(struct work *);

static void verify(struct task *task)
{
	struct work *w = (struct work *)task;

	w->right = credential_verify(&w->credential, slice_of(w->password, w->password_len));
	explicit_bzero(w->password, sizeof w->password);
	explicit_bzero(&w->credential, sizeof w->credential);
}

static void on_done(struct task *task)
{
	tell((struct work *)task);
}

bool workers_start(struct event_base *base, unsigned threads, void (*done)(struct work *))
{
	tell = done;
	return threads_start(base, threads, STACK, verify, on_done);
}

void workers_submit(struct work *w)
{
	w->right = false;
	threads_submit(&w->task);
}

size_t workers_busy(void)
{
	return threads_busy();
}

void workers_stop(void)
{
	threads_stop();
}
