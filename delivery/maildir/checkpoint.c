/*
 * checkpoint.c - making everything that was delivered so far durable.
 *
 * One thread lives for one syncfs(2).  A checkpoint that is asked for meanwhile
 * waits for the next one: the flush under way may have passed by what was
 * delivered after it began.
 */
#include "delivery/maildir/checkpoint.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/channel_delivery.h"
#include "common/log.h"

enum {
	CALLS_MAX = 16
}; /* qmgr asks for one at a time; after a restart of it there may be another */

struct call {
	struct channel *channel; /* NULL: nobody waits for it any more */
	uint32_t request;
	bool under_way;
};

static int root = -1;
static int finished = -1; /* eventfd: the thread has done its work */
static struct event *finished_event;
static pthread_t thread;
static bool is_running;
static int flush_error; /* written by the thread before it signals, read after */
static struct call calls[CALLS_MAX];
static size_t call_count;

static void *flush(void *context)
{
	const uint64_t one = 1;

	(void)context;
	flush_error = syncfs(root) == 0 ? 0 : errno;
	while (write(finished, &one, sizeof one) == -1 && errno == EINTR)
		;
	return NULL;
}

static void answer(const struct call *call, bool flushed)
{
	if (call->channel == NULL)
		return;
	write_bool(channel_begin(call->channel, DELIVERY_FLUSHED, call->request), flushed);
	channel_end(call->channel);
}

/* Answer the calls that were under way and keep the others. */
static void answer_all_under_way(bool flushed)
{
	size_t kept = 0;

	for (size_t i = 0; i < call_count; i++)
		if (calls[i].under_way)
			answer(&calls[i], flushed);
		else
			calls[kept++] = calls[i];
	call_count = kept;
}

static void begin_flush(void)
{
	int error;

	for (size_t i = 0; i < call_count; i++)
		calls[i].under_way = true;
	error = pthread_create(&thread, NULL, flush, NULL);
	is_running = error == 0;
	if (!is_running) {
		log_error("cannot-flush-mail", log_errno(error));
		answer_all_under_way(false);
	}
}

static void on_finished(evutil_socket_t fd, short what, void *context)
{
	uint64_t count;

	(void)what;
	(void)context;
	if (read(fd, &count, sizeof count) != sizeof count)
		return;
	pthread_join(thread, NULL);
	is_running = false;
	if (flush_error != 0)
		log_error("cannot-flush-mail", log_errno(flush_error));
	answer_all_under_way(flush_error == 0);
	if (call_count > 0)
		begin_flush();
}

bool checkpoint_start(struct event_base *base, int root_fd)
{
	root = root_fd;
	finished = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (finished == -1)
		return false;
	finished_event = event_new(base, finished, EV_READ | EV_PERSIST, on_finished, NULL);
	return finished_event != NULL && event_add(finished_event, NULL) == 0;
}

void checkpoint_take(struct channel *channel, uint32_t request)
{
	if (call_count == CALLS_MAX) {
		answer(&(struct call){channel, request, false}, false);
		return;
	}
	calls[call_count++] = (struct call){channel, request, false};
	if (!is_running)
		begin_flush();
}

void checkpoint_forget(const struct channel *channel)
{
	for (size_t i = 0; i < call_count; i++)
		if (calls[i].channel == channel)
			calls[i].channel = NULL;
}
