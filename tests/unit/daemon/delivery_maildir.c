/*
 * What delivery/maildir promises: the real process, sandbox included, with the
 * test in qmgr's and imapd's place.
 */
#include <criterion/criterion.h>

#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/channel_mailbox.h"
#include "tests/unit/daemon/delivery.h"

#define MESSAGE "Subject: hello\r\n\r\none\r\n"

static struct daemon d;
static struct qmgr qmgr;
static char root[] = "/tmp/petrel-delivery-XXXXXX";
static struct delivery_recipient recipients[2] = {
    {.index = 7, .address = {"alice@example.org", 17}, .mailbox = {"example.org/alice", 17}},
    {.index = 8, .address = {"bob@example.org", 15},   .mailbox = {"example.org/bob", 15}  }
};

/* What each of two imapd workers was told. */
static struct told {
	struct channel *channel;
	unsigned count;
	char accounts[512];
} told[2];

static bool on_notice(struct channel *channel, struct message *m, void *context)
{
	struct told *t = context;
	struct reader r = message_reader(m);
	char account[321];

	(void)channel;
	cr_assert_eq(m->type, MAILBOX_NEW);
	read_string(&r, account, sizeof account);
	cr_assert(reader_finished(&r));
	t->count++;
	strlcat(t->accounts, account, sizeof t->accounts);
	strlcat(t->accounts, " ", sizeof t->accounts);
	return true;
}

static void on_closed(struct channel *channel, void *context)
{
	(void)channel;
	(void)context;
}

static const struct channel_handlers imapd_handlers = {on_notice, on_closed, NULL};

static void start(void)
{
	char conf[256];

	cr_assert_not_null(mkdtemp(root));
	snprintf(conf, sizeof conf,
	    "hostname mail.example.org\ndirectory.mail %s\ndelivery.maildir-jobs 50\n", root);
	daemon_start(&d, "delivery/delivery-maildir", ROLE_DELIVERY_MAILDIR, conf);
	for (unsigned i = 0; i < 2; i++)
		told[i].channel = daemon_peer_with(&d, ROLE_IMAPD, i, &imapd_handlers, &told[i]);
	qmgr_open(&qmgr, &d);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *walk)
{
	(void)st;
	(void)type;
	(void)walk;
	return remove(path);
}

static void stop(void)
{
	cr_assert_eq(daemon_stop(&d), 0);
	nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

TestSuite(delivery_maildir_daemon, .init = start, .fini = stop, .timeout = 20);

static void give(uint64_t number, uint32_t recipient_count)
{
	const struct delivery_job job = {
	    .job = number,
	    .id = 1763700000000000 + number,
	    .size = sizeof MESSAGE - 1,
	    .sender = SLICE("carol@example.net"),
	    .prepend = SLICE("Received: x\r\n"),
	    .recipients = recipients,
	    .recipient_count = recipient_count,
	};
	int fd = content_of(SLICE(MESSAGE));

	qmgr_give(&qmgr, &job, fd);
	close(fd);
}

static size_t files(const char *pattern)
{
	char path[256];
	glob_t found;
	size_t count;

	snprintf(path, sizeof path, "%s/%s", root, pattern);
	count = glob(path, 0, NULL, &found) == 0 ? found.gl_pathc : 0;
	globfree(&found);
	return count;
}

/* A worker speaks of an account, and has been heard when this returns. */
static void say(struct told *t, enum mailbox_type type, const char *account)
{
	unsigned before = t->count;

	write_string(channel_begin(t->channel, (uint16_t)type, 0), account);
	channel_end(t->channel);
	for (int i = 0; i < 100 && t->count == before; i++)
		daemon_run_for(&d, type == MAILBOX_WATCH ? 10 : 1);
}

Test(delivery_maildir_daemon, an_imapd_is_told_of_new_mail_for_those_whom_it_watches)
{
	say(&told[0], MAILBOX_WATCH, "alice@example.org");
	say(&told[1], MAILBOX_WATCH, "alice@example.org");
	say(&told[1], MAILBOX_WATCH, "bob@example.org");
	/* Mail may have come before the worker was heard: it is told to look. */
	cr_assert_str_eq(told[0].accounts, "alice@example.org ");
	cr_assert_str_eq(told[1].accounts, "alice@example.org bob@example.org ");
	say(&told[1], MAILBOX_UNWATCH, "alice@example.org");
	give(1, 2);
	qmgr_await(&qmgr);
	daemon_run_for(&d, 100);
	cr_assert_str_eq(told[0].accounts, "alice@example.org alice@example.org ");
	cr_assert_str_eq(told[1].accounts, "alice@example.org bob@example.org bob@example.org ");
}

Test(delivery_maildir_daemon, an_imapd_that_ends_is_watched_for_no_more)
{
	say(&told[0], MAILBOX_WATCH, "alice@example.org");
	channel_free(told[0].channel);
	say(&told[1], MAILBOX_WATCH, "alice@example.org");
	give(1, 1);
	qmgr_await(&qmgr);
	cr_assert_eq(qmgr.outcomes[0].outcome, DELIVERY_DELIVERED);
	daemon_run_for(&d, 100);
	cr_assert_str_eq(told[1].accounts, "alice@example.org alice@example.org ");
}

Test(delivery_maildir_daemon, each_recipient_gets_a_copy)
{
	cr_assert_eq(qmgr.slots, 50);
	give(1, 2);
	qmgr_await(&qmgr);
	cr_assert_eq(qmgr.job, 1);
	cr_assert_eq(qmgr.count, 2);
	for (int i = 0; i < 2; i++)
		cr_assert_eq(
		    qmgr.outcomes[i].outcome, DELIVERY_DELIVERED, "%s", qmgr.outcomes[i].text);
	cr_assert_eq(files("example.org/alice/Maildir/new/*"), 1);
	cr_assert_eq(files("example.org/bob/Maildir/new/*"), 1);
	daemon_run_for(&d, 100);
	cr_assert_eq(told[0].count, 0, "nobody has asked to be told");
}

Test(delivery_maildir_daemon, many_messages_are_all_delivered)
{
	for (uint64_t i = 1; i <= 200; i++) {
		give(i, 1);
		if (i % qmgr.slots == 0)
			while (qmgr.results < i)
				qmgr_await(&qmgr);
	}
	cr_assert_eq(files("example.org/alice/Maildir/new/*"), 200);
	cr_assert_eq(files("example.org/alice/Maildir/tmp/*"), 0);
}

Test(delivery_maildir_daemon, a_mailbox_that_cannot_be_written_to_defers_and_says_no_more_than_that)
{
	char path[256];
	int fd;

	snprintf(path, sizeof path, "%s/example.org", root);
	fd = open(path, O_CREAT | O_WRONLY, 0600); /* a file in the place of a directory */
	close(fd);
	say(&told[0], MAILBOX_WATCH, "alice@example.org");
	give(1, 2);
	qmgr_await(&qmgr);
	cr_assert_eq(qmgr.outcomes[0].outcome, DELIVERY_DEFERRED);
	cr_assert_str_eq(qmgr.outcomes[0].status, "4.3.0");
	cr_assert_str_eq(qmgr.outcomes[0].text, "the mailbox cannot be written to");
	daemon_run_for(&d, 50);
	cr_assert_eq(told[0].count, 1, "nothing is new");
}

Test(delivery_maildir_daemon, a_checkpoint_is_answered_when_the_file_system_is_flushed)
{
	struct reply replies[3] = {0};

	give(1, 1);
	for (int i = 0; i < 3; i++) {
		channel_call(qmgr.channel, DELIVERY_CHECKPOINT, daemon_reply, &replies[i], NULL);
		channel_end(qmgr.channel);
	}
	for (int i = 0; i < 3; i++) {
		struct reader r;

		daemon_run_until(&d, &replies[i].came);
		cr_assert_not(replies[i].lost);
		cr_assert_eq(replies[i].type, DELIVERY_FLUSHED);
		r = reader_over(slice_of(replies[i].body, replies[i].len));
		cr_assert(read_bool(&r));
		cr_assert(reader_finished(&r));
	}
}

Test(delivery_maildir_daemon, every_job_has_one_result_whether_it_was_cancelled_or_not)
{
	for (uint64_t i = 1; i <= 40; i++)
		give(i, 2);
	for (uint64_t i = 1; i <= 40; i += 2) {
		write_u64(channel_begin(qmgr.channel, DELIVERY_CANCEL, 0), i);
		channel_end(qmgr.channel);
	}
	while (qmgr.results < 40)
		qmgr_await(&qmgr);
	daemon_run_for(&d, 100);
	cr_assert_eq(qmgr.results, 40);
}

Test(delivery_maildir_daemon, a_malformed_job_ends_the_channel_and_not_the_process)
{
	bool closed = false;

	write_u64(channel_begin(qmgr.channel, DELIVERY_JOB, 0), 1);
	channel_end(qmgr.channel);
	for (int i = 0; i < 100 && !closed; i++) {
		daemon_run_for(&d, 20);
		closed = qmgr.channel == NULL;
	}
	cr_assert(closed);
	qmgr_open(&qmgr, &d);
	give(1, 1);
	qmgr_await(&qmgr);
	cr_assert_eq(qmgr.outcomes[0].outcome, DELIVERY_DELIVERED);
}

Test(delivery_maildir_daemon, an_orderly_stop_finishes_what_it_was_given)
{
	for (uint64_t i = 1; i <= 50; i++)
		give(i, 1);
	daemon_run_for(&d, 1);
	channel_send(d.control, CONTROL_STOP, 0);
	daemon_run_until(&d, &d.is_gone);
	cr_assert_eq(files("example.org/alice/Maildir/tmp/*"), 0);
	cr_assert_eq(files("example.org/alice/Maildir/new/*"), qmgr.results);
}
