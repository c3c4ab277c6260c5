/*
 * threads.h - threads that do what would keep the event loop waiting.
 *
 * The event loop hands tasks over and has them back, done, through a handler that
 * is called from the loop.  What a task needs is in it, or is never changed.
 */
#ifndef PETREL_COMMON_THREADS_H
#define PETREL_COMMON_THREADS_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stddef.h>

struct event_base;

/* The first part of the owner's own structure; the threads have it between submission and `done`. */
struct task {
	STAILQ_ENTRY(task) entry;
};

/*
 * Start threads.  False (errno set) where not even one can be had.
 *
 * stack  octets, for each
 * run    does a task, in one of the threads
 * done   has it back, in the loop
 */
bool threads_start(struct event_base *, unsigned count, size_t stack, void (*run)(struct task *),
    void (*done)(struct task *));
void threads_submit(struct task *);
/* Submitted, and not done. */
size_t threads_busy(void);
/* Wait for the threads' present tasks and end them; what was not begun is not done. */
void threads_stop(void);

#endif
