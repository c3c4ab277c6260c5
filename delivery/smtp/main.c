/*
 * main.c - delivery/smtp, which sends mail to other hosts.
 *
 * It runs as the network user in an empty root directory: all that it can touch
 * is what it is given, a message's content as an open descriptor at a time.  qmgr
 * gives it jobs, as many as it has room for; the resolver finds the hosts.
 */
#include <event2/event.h>
#include <sysexits.h>

#include "common/channel_delivery.h"
#include "common/process.h"
#include "delivery/smtp/connection.h"
#include "delivery/smtp/delivery.h"
#include "delivery/smtp/pool.h"

enum {
	STOP_SECONDS = 10, /* how long transactions under way may take at an orderly stop */
	STOP_LOOK_MICROSECONDS = 50000
};

static struct event *stop_event;
static unsigned stop_looks; /* left until nothing is waited for any more */
static unsigned slots_told;

static void want(struct channel *qmgr, uint32_t slots)
{
	write_u32(channel_begin(qmgr, DELIVERY_WANT, 0), slots);
	channel_end(qmgr);
}

static void on_qmgr_opened(struct channel *channel)
{
	if (process_is_stopping())
		return;
	slots_told = delivery_slots();
	want(channel, slots_told);
}

static bool read_job_number(struct message *m, uint64_t *job)
{
	struct reader r = message_reader(m);

	*job = read_u64(&r);
	return reader_finished(&r);
}

static bool on_qmgr_message(struct channel *channel, struct message *m, void *context)
{
	uint64_t job;

	(void)context;
	switch (m->type) {
	case DELIVERY_JOB:
		/* An order to stop means that what comes now is left to the next start. */
		return process_is_stopping() || delivery_take(channel, m);
	case DELIVERY_NO_MORE:
		if (!read_job_number(m, &job))
			return false;
		pool_no_more(job);
		return true;
	case DELIVERY_CANCEL:
		if (!read_job_number(m, &job))
			return false;
		delivery_cancel(channel, job);
		return true;
	default:
		return false;
	}
}

static void on_qmgr_closed(struct channel *channel, void *context)
{
	(void)context;
	delivery_forget(channel);
}

static const struct process_peer peers[] = {
    {.role = ROLE_QMGR,
     .opened = on_qmgr_opened,
     .message = on_qmgr_message,
     .closed = on_qmgr_closed},
    {.role = ROLE_RESOLVER}, /* only answers */
    {.role = ROLE_NONE			 },
};

static void reload(void)
{
	struct channel *qmgr = process_peer(ROLE_QMGR);
	unsigned slots = delivery_slots();

	/* Room that was offered cannot be taken back; less takes effect at the next start. */
	if (qmgr == NULL || slots <= slots_told)
		return;
	want(qmgr, slots - slots_told);
	slots_told = slots;
}

static void on_stop_look(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	(void)context;
	if ((delivery_count() == 0 && connection_count() == 0) || --stop_looks == 0)
		process_exit(EX_OK);
}

static bool start(struct event_base *base)
{
	delivery_start(base);
	stop_event = event_new(base, -1, EV_PERSIST, on_stop_look, NULL);
	return stop_event != NULL && channel_send(process_master(), CONTROL_READY, 0);
}

static void stop(void)
{
	delivery_stop();
	pool_end_all();
	stop_looks = STOP_SECONDS * 1000000 / STOP_LOOK_MICROSECONDS;
	if (event_add(stop_event, &(struct timeval){0, STOP_LOOK_MICROSECONDS}) == -1)
		process_exit(EX_OK);
}

int main(int argc, char **argv)
{
	static const struct process process = {
	    .role = ROLE_DELIVERY_SMTP,
	    .peers = peers,
	    .prepare = connection_prepare,
	    .start = start,
	    .reload = reload,
	    .stop = stop,
	};

	return process_main(&process, argc, argv);
}
