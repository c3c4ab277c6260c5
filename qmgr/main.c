/*
 * main.c - qmgr: the queue.
 *
 * The one process that owns the spool.  It takes messages from smtpd, makes them
 * durable, has lookup say who they are for, gives work to the delivery agents
 * that ask for it, and tells senders what failed.
 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/conf.h"
#include "common/log.h"
#include "common/process.h"
#include "qmgr/queue.h"
#include "qmgr/recovery.h"

enum {
	COMMITS_WAITING_MAX = 10000,
	LINGER_MS = 1000,
	JOURNAL_WORKERS = 4, /* flush large messages and the spool */
	FILE_WORKERS = 16,   /* where every message is flushed as a file */
	ADDED_AT_ONCE = 5000,
	STOP_SECONDS = 3, /* for deliveries that are running when we are told to stop */
	STOP_CHECK_MS = 50,
	LOCK_SECONDS = 15, /* for another queue to be gone from the spool */
};

static struct {
	int root;
	struct recovery recovery;
	size_t added;
	bool may_be_delivered; /* the last life did not end in order */
	uint64_t doubtful_us;  /* see struct mail */
	struct event *adding;
	struct event *finished;
	struct event *stopping;
	uint64_t stop_us;
} self = {.root = -1};

/*
 * A spool has one queue.  Where master was killed, the queue of before may still be
 * on its way out when the next suite starts, with a commit in its hands.
 */
static bool lock_spool(void)
{
	uint64_t end = clock_monotonic_us() + (uint64_t)LOCK_SECONDS * 1000000;
	const struct timespec moment = {.tv_nsec = 20 * 1000000};

	while (flock(self.root, LOCK_EX | LOCK_NB) != 0) {
		if (errno != EWOULDBLOCK || clock_monotonic_us() > end)
			return false;
		nanosleep(&moment, NULL);
	}
	return true;
}

/* The spool is opened before the root directory changes: its path means nothing afterwards. */
static bool prepare(void)
{
	self.root = open(settings->directory.spool, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (self.root >= 0 && lock_spool())
		return true;
	log_error(self.root < 0 ? "cannot-open" : "cannot-lock",
	    log_string("directory", settings->directory.spool), log_errno(errno));
	return false;
}

/* --- what an earlier life left ------------------------------------------------------------- */

static void report(void *context, const char *what, const char *place, const char *name)
{
	(void)context;
	/* That the journal is the copy of what was not flushed is its business; the sum is logged. */
	if (strcmp(what, "rebuilt") == 0)
		log_debug("recovery", log_string("what", what), log_string("place", place),
		    log_string("name", name));
	else
		log_warning("recovery", log_string("what", what), log_string("place", place),
		    log_string("name", name));
}

static uint64_t next_attempt(const struct spool_file *file)
{
	char name[SPOOL_NAME_MAX];
	struct stat st;

	spool_format_name(file->id, file->size, name);
	if (file->place != SPOOL_CUR ||
	    fstatat(queue.spool.directory[SPOOL_CUR], name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return 0;
	return (uint64_t)st.st_mtim.tv_sec * 1000000 + (uint64_t)st.st_mtim.tv_nsec / 1000;
}

/* Some of what recovery found becomes known; mail flows meanwhile. */
static void add_some(int fd, short what, void *context)
{
	struct timeval at_once = {0, 0};

	(void)fd;
	(void)what;
	(void)context;
	for (int i = 0; i < ADDED_AT_ONCE && self.added < self.recovery.file_count; i++) {
		const struct spool_file *file = &self.recovery.files[self.added++];
		struct mail *mail = mail_new(file);

		if (mail == NULL) {
			log_error("out-of-memory", log_id(file->id));
			continue;
		}
		mail->may_be_there = self.may_be_delivered;
		mail->doubtful_us = self.doubtful_us;
		queue_add(mail);
		if (mail->state == MAIL_WAITING)
			attempt_wait(mail, next_attempt(file));
	}
	attempt_pump();
	if (self.added < self.recovery.file_count) {
		event_add(self.adding, &at_once);
		return;
	}
	free(self.recovery.files);
	self.recovery.files = NULL;
}

static bool recover(void)
{
	struct journal_options options = {
	    .segment_size = (uint64_t)settings->queue.journal_segment,
	    .segments = (unsigned)settings->queue.journal_segments,
	};
	uint64_t began = clock_monotonic_us();
	struct recovery *r = &self.recovery;

	/* Also where durability is `file` now: there may be a journal from before. */
	queue.journal = journal_open(queue.spool.directory[SPOOL_JOURNAL], &options);
	if (queue.journal == NULL) {
		log_error("cannot-open-journal", log_errno(errno));
		return false;
	}
	self.may_be_delivered =
	    journal_live_octets(queue.journal) > 0 || settings->queue.durability == DURABILITY_FILE;
	/* Where durability is `file` the agents flush, and what is delivered is. */
	if (journal_live_octets(queue.journal) > 0)
		self.doubtful_us = clock_wall_us();
	if (recovery_run(&queue.spool, queue.journal, report, NULL, r) != 0) {
		log_error("cannot-recover", log_errno(errno));
		return false;
	}
	queue.last_id = r->high_water;
	if (settings->queue.durability == DURABILITY_FILE) {
		journal_finish(queue.journal);
		journal_close(queue.journal);
		queue.journal = NULL;
	}
	log_info("recovered", log_number("messages", r->file_count),
	    log_number("rebuilt", r->rebuilt), log_number("completed", r->completed),
	    log_number("unsettled", r->unsettled), log_number("removed", r->removed),
	    log_number("swept", r->swept), log_number("set_aside", r->set_aside),
	    log_number("missing", r->missing),
	    log_number("ms", (clock_monotonic_us() - began) / 1000));
	return true;
}

/* --- running ------------------------------------------------------------------------------------ */

static void on_finished(int fd, short what, void *context)
{
	(void)fd;
	(void)what;
	(void)context;
	committer_collect(queue.committer);
	checkpoint_review();
}

static bool start_committer(void)
{
	struct committer_options options = {
	    .message_limit = (uint64_t)settings->queue.journal_message_limit,
	    .workers = queue.journal == NULL ? FILE_WORKERS : JOURNAL_WORKERS,
	    .linger_ms = LINGER_MS,
	    .waiting_max = COMMITS_WAITING_MAX,
	};

	queue.committer = committer_new(&queue.spool, queue.journal, &options);
	if (queue.committer == NULL)
		return false;
	self.finished = event_new(queue.base, committer_descriptor(queue.committer),
	    EV_READ | EV_PERSIST, on_finished, NULL);
	return self.finished != NULL && event_add(self.finished, NULL) == 0;
}

static bool start(struct event_base *base)
{
	queue.base = base;
	RB_INIT(&queue.mails);
	if (spool_open(&queue.spool, self.root) != 0) {
		log_error("cannot-open-spool", log_errno(errno));
		return false;
	}
	if (!recover())
		return false;
	self.adding = evtimer_new(base, add_some, NULL);
	if (self.adding == NULL || !start_committer() || !expand_init() || !delivery_init() ||
	    !checkpoint_init() || !drop_init()) {
		log_error("cannot-start", log_errno(errno));
		return false;
	}
	add_some(-1, 0, NULL);
	channel_send(process_master(), CONTROL_READY, 0);
	return true;
}

static void reload(void)
{
	delivery_reload();
	attempt_pump();
}

/* --- stopping ------------------------------------------------------------------------------------- */

/* The mailboxes are flushed, or will not be: end with an empty journal where that is true. */
static void finish(bool is_complete)
{
	event_del(self.finished);
	attempt_save_all();
	committer_free(queue.committer);
	/*
	 * What is still under way has to be looked for at the next start, and what no file
	 * knows to be written then: the journal says so.
	 */
	if (delivery_may_be_in_mailbox() || !attempt_is_all_saved())
		is_complete = false;
	if (queue.journal != NULL && is_complete && spool_flush_all(&queue.spool) == 0 &&
	    journal_finish(queue.journal) != 0)
		log_error("cannot-finish-journal", log_errno(errno));
	log_info("stopped", log_number("messages", queue.count));
	process_exit(0);
}

/* Deliveries that run may end; then all that happened is written, and the journal closed. */
static void wait_for_deliveries(int fd, short what, void *context)
{
	struct timeval again = {0, STOP_CHECK_MS * 1000};

	(void)fd;
	(void)what;
	(void)context;
	if (delivery_running() > 0 &&
	    clock_monotonic_us() - self.stop_us < (uint64_t)STOP_SECONDS * 1000000) {
		event_add(self.stopping, &again);
		return;
	}
	attempt_save_all();
	queue.is_closed = true;
	checkpoint_final(finish);
}

static void stop(void)
{
	self.stop_us = clock_monotonic_us();
	self.stopping = evtimer_new(queue.base, wait_for_deliveries, NULL);
	if (self.stopping == NULL)
		process_exit(1);
	else
		wait_for_deliveries(-1, 0, NULL);
}

static const struct process_peer peers[] = {
    {.role = ROLE_SMTPD,         .message = incoming_message, .closed = incoming_closed},
    {.role = ROLE_LOOKUP,
     .opened = expand_opened,
     .message = expand_message,
     .drained = expand_drained},
    {.role = ROLE_DELIVERY_MAILDIR,
     .opened = delivery_opened,
     .message = delivery_message,
     .closed = delivery_closed,
     .drained = delivery_drained},
    {.role = ROLE_DELIVERY_SMTP,
     .opened = delivery_opened,
     .message = delivery_message,
     .closed = delivery_closed,
     .drained = delivery_drained},
    {.role = ROLE_NONE			 },
};

static const struct process qmgr = {
    .role = ROLE_QMGR,
    .peers = peers,
    .prepare = prepare,
    .start = start,
    .reload = reload,
    .stop = stop,
    .control = control_message,
};

int main(int argc, char **argv)
{
	return process_main(&qmgr, argc, argv);
}
