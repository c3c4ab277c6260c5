/*
 * threads.c - threads that do what would keep the event loop waiting.
 *
 * Two lists under one lock: what is to be done, and what is done.  An eventfd
 * tells the event loop that the second is not empty.
 */
#include "common/threads.h"

#include <sys/eventfd.h>

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <unistd.h>

enum { THREADS_MAX = 64 };

STAILQ_HEAD(tasks, task);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t something_to_do = PTHREAD_COND_INITIALIZER;
static struct tasks to_do = STAILQ_HEAD_INITIALIZER(to_do);
static struct tasks finished = STAILQ_HEAD_INITIALIZER(finished);
static bool stopping;

static pthread_t threads[THREADS_MAX];
static unsigned thread_count;
static size_t busy;
static int notice = -1;
static struct event *noticed;
static void (*run)(struct task *);
static void (*tell)(struct task *);

static void ring(void)
{
	const uint64_t one = 1;
	ssize_t written;

	/* It only fails where the loop has been told 2^64 times and has not listened. */
	do
		written = write(notice, &one, sizeof one);
	while (written < 0 && errno == EINTR);
}

static void *work_on(void *nothing)
{
	struct task *t;

	pthread_mutex_lock(&lock);
	for (;;) {
		while (STAILQ_EMPTY(&to_do) && !stopping)
			pthread_cond_wait(&something_to_do, &lock);
		if (stopping)
			break;
		t = STAILQ_FIRST(&to_do);
		STAILQ_REMOVE_HEAD(&to_do, entry);
		pthread_mutex_unlock(&lock);
		run(t);
		pthread_mutex_lock(&lock);
		STAILQ_INSERT_TAIL(&finished, t, entry);
		ring();
	}
	pthread_mutex_unlock(&lock);
	return nothing;
}

static void on_noticed(evutil_socket_t fd, short what, void *context)
{
	struct tasks mine = STAILQ_HEAD_INITIALIZER(mine);
	struct task *t;
	uint64_t count;

	(void)what;
	(void)context;
	if (read(fd, &count, sizeof count) < 0)
		return;
	pthread_mutex_lock(&lock);
	STAILQ_CONCAT(&mine, &finished);
	pthread_mutex_unlock(&lock);
	while ((t = STAILQ_FIRST(&mine)) != NULL) {
		STAILQ_REMOVE_HEAD(&mine, entry);
		busy--;
		tell(t);
	}
}

bool threads_start(struct event_base *base, unsigned count, size_t stack,
    void (*to_run)(struct task *), void (*done)(struct task *))
{
	pthread_attr_t attributes;
	sigset_t all, before;

	run = to_run;
	tell = done;
	notice = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (notice == -1)
		return false;
	noticed = event_new(base, notice, EV_READ | EV_PERSIST, on_noticed, NULL);
	if (noticed == NULL || event_add(noticed, NULL) != 0)
		return false;
	/* Signals are for the thread of the event loop. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, stack);
	for (; thread_count < count && thread_count < THREADS_MAX; thread_count++) {
		int error = pthread_create(&threads[thread_count], &attributes, work_on, NULL);

		if (error != 0) {
			errno = error;
			break;
		}
	}
	pthread_attr_destroy(&attributes);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return thread_count > 0;
}

void threads_submit(struct task *t)
{
	busy++;
	pthread_mutex_lock(&lock);
	STAILQ_INSERT_TAIL(&to_do, t, entry);
	pthread_cond_signal(&something_to_do);
	pthread_mutex_unlock(&lock);
}

size_t threads_busy(void)
{
	return busy;
}

void threads_stop(void)
{
	pthread_mutex_lock(&lock);
	stopping = true;
	pthread_cond_broadcast(&something_to_do);
	pthread_mutex_unlock(&lock);
	while (thread_count > 0)
		pthread_join(threads[--thread_count], NULL);
	if (noticed != NULL)
		event_free(noticed);
	if (notice != -1)
		close(notice);
	noticed = NULL;
	notice = -1;
}
