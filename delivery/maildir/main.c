/*
 * main.c - delivery/maildir, which writes mail into virtual users' mailboxes.
 *
 * It runs as the user that owns all mailboxes, with the mail root as its root
 * directory, and has no network.  qmgr gives it jobs: a message's content as an
 * open descriptor, and recipients with the path of each one's mailbox.  imapd is
 * told of what was delivered, and a checkpoint of qmgr's journal has the mail
 * file system flushed.
 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sysexits.h>

#include "common/channel_delivery.h"
#include "common/log.h"
#include "common/process.h"
#include "delivery/maildir/checkpoint.h"
#include "delivery/maildir/homes.h"
#include "delivery/maildir/jobs.h"
#include "delivery/maildir/watches.h"

enum { STOP_SECONDS = 10 /* how long an orderly stop may wait for jobs under way */ };

static int root = -1;
static struct event *stop_event;

/* Half of the descriptors are for jobs, a quarter is for homes, the rest for all else. */
static uint64_t descriptors(void)
{
	struct rlimit files;

	return getrlimit(RLIMIT_NOFILE, &files) == -1 || files.rlim_cur == RLIM_INFINITY
		   ? UINT32_MAX
		   : files.rlim_cur;
}

/* As many as the settings say, and as there is room for: each job holds a descriptor. */
static uint32_t slots(void)
{
	uint64_t wanted = (uint64_t)settings->delivery.maildir_jobs, room = descriptors() / 2;

	return (uint32_t)(wanted < room ? wanted : room);
}

static void on_qmgr_opened(struct channel *channel)
{
	if (process_is_stopping())
		return;
	write_u32(channel_begin(channel, DELIVERY_WANT, 0), slots());
	channel_end(channel);
}

static bool on_cancel(struct channel *channel, struct message *m)
{
	struct reader r = message_reader(m);
	uint64_t job = read_u64(&r);

	if (!reader_finished(&r))
		return false;
	jobs_cancel(channel, job);
	return true;
}

static bool on_qmgr_message(struct channel *channel, struct message *m, void *context)
{
	(void)context;
	switch (m->type) {
	case DELIVERY_JOB:
		/* An order to stop means that what comes now is left to the next start. */
		return process_is_stopping() || jobs_take(channel, m);
	case DELIVERY_CANCEL:
		return on_cancel(channel, m);
	case DELIVERY_CHECKPOINT:
		if (m->request == 0)
			return false;
		checkpoint_take(channel, m->request);
		return true;
	default:
		return false;
	}
}

static void on_qmgr_closed(struct channel *channel, void *context)
{
	(void)context;
	jobs_forget(channel);
	checkpoint_forget(channel);
	if (process_is_stopping())
		process_exit(EX_OK);
}

static const struct process_peer peers[] = {
    {.role = ROLE_QMGR,
     .opened = on_qmgr_opened,
     .message = on_qmgr_message,
     .closed = on_qmgr_closed},
    {.role = ROLE_IMAPD, .message = watches_message, .closed = watches_closed},
    {.role = ROLE_NONE			 },
};

static bool prepare(void)
{
	/* Before the root directory changes: in either world this descriptor is the mail root. */
	root = open(settings->directory.mail, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root == -1)
		log_error("cannot-open-mail-root",
		    log_string("directory", settings->directory.mail), log_errno(errno));
	return root != -1;
}

static void on_idle(void)
{
	if (process_is_stopping())
		process_exit(EX_OK);
}

static void on_stop_timeout(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	(void)context;
	process_exit(EX_OK);
}

static bool start(struct event_base *base)
{
	uint64_t room = descriptors() / 4;
	struct homes *homes = homes_new(root, room < HOMES_MAX ? (size_t)room : HOMES_MAX);

	stop_event = evtimer_new(base, on_stop_timeout, NULL);
	return homes != NULL && stop_event != NULL && jobs_start(base, homes, on_idle) &&
	       checkpoint_start(base, root) && channel_send(process_master(), CONTROL_READY, 0);
}

static void stop(void)
{
	if (jobs_are_done())
		process_exit(EX_OK);
	else
		event_add(stop_event, &(struct timeval){STOP_SECONDS, 0});
}

int main(int argc, char **argv)
{
	static const struct process process = {
	    .role = ROLE_DELIVERY_MAILDIR,
	    .peers = peers,
	    .prepare = prepare,
	    .start = start,
	    .stop = stop,
	};

	return process_main(&process, argc, argv);
}
