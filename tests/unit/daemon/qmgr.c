/*
 * What the queue promises: the real qmgr, sandbox included, with the test in the
 * place of smtpd, lookup, both delivery agents and the administrator.
 */
#include <criterion/criterion.h>
#include <event2/event.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/channel_admin.h"
#include "common/channel_delivery.h"
#include "common/channel_lookup.h"
#include "common/channel_queue.h"
#include "common/clock.h"
#include "common/drop.h"
#include "tests/unit/daemon/daemon.h"

enum { DELIVERIES_MAX = 8192, OPEN_MAX_FILES = 16, UNANSWERED_MAX = 4 };

static struct daemon d;
static char root[64], conf[1024];
static struct channel *smtpd, *lookup, *maildir, *smtp;
static bool smtpd_is_gone;

/* One recipient of a job that an agent was given. */
struct delivery {
	char address[128];
	char mailbox[128];
	char sender[128];
	char content[4096];
	bool redeliver;
	uint32_t attempt;
	message_id id;
};

static struct delivery deliveries[DELIVERIES_MAX];
static unsigned delivery_count, jobs, no_more, flushes;
static bool agents_are_deferring; /* what they else refuse at great length */
static bool agents_are_mute;      /* jobs are taken and not answered, or later */
static struct {
	struct channel *channel;
	uint64_t job;
	struct delivery_recipient_result result;
} unanswered[UNANSWERED_MAX];
static unsigned unanswered_count;
static bool lookup_is_mute, lookup_is_slow;
static uint32_t slow_question;

/* --- lookup ------------------------------------------------------------------------- */

static struct lookup_delivery mailbox(const char *address)
{
	return (struct lookup_delivery){.kind = LOOKUP_MAILBOX,
	    .address = slice_string(address),
	    .place = slice_string(address)};
}

/*
 * "here.test" has mailboxes, a list and nobody called "nobody", is unsure about
 * "unsure" and silent about "slow"; all else is elsewhere.
 */
static bool on_lookup(struct channel *channel, struct message *m, void *context)
{
	struct reader r = message_reader(m);
	struct slice address = read_slice(&r);
	struct lookup_delivery found[3] = {{.kind = LOOKUP_MAILBOX}};
	struct lookup_expansion expansion = {1, found};

	(void)context;
	cr_assert_eq(m->type, LOOKUP_EXPAND);
	cr_assert(reader_finished(&r));
	if (slice_equal(address, SLICE("slow@here.test")) && lookup_is_slow)
		slow_question = m->request;
	if (lookup_is_mute || (lookup_is_slow && slice_equal(address, SLICE("slow@here.test"))))
		return true;
	if (slice_equal(address, SLICE("list@here.test"))) {
		found[0] = mailbox("alice@here.test");
		found[1] = mailbox("bob@here.test");
		found[2] = mailbox("alice@here.test");
		expansion.count = 3;
	} else if (slice_equal(address, SLICE("nobody@here.test"))) {
		found[0] = (struct lookup_delivery){.kind = LOOKUP_ERROR,
		    .address = address,
		    .status = SLICE("5.1.1"),
		    .text = SLICE("no such user here")};
	} else if (slice_equal(address, SLICE("unsure@here.test"))) {
		found[0] = (struct lookup_delivery){.kind = LOOKUP_ERROR,
		    .address = address,
		    .temporary = true,
		    .status = SLICE("4.3.0"),
		    .text = SLICE("ask again")};
	} else if (slice_ends_with(address, SLICE("@here.test"))) {
		found[0] = (struct lookup_delivery){
		    .kind = LOOKUP_MAILBOX, .address = address, .place = address};
	} else {
		found[0] = (struct lookup_delivery){.kind = LOOKUP_REMOTE,
		    .address = address,
		    .place = slice_ends_with(address, SLICE("down.test")) ? SLICE("mx:down.test")
									  : SLICE("mx:there.test")};
	}
	lookup_expansion_write(channel_begin(channel, LOOKUP_EXPANSION, m->request), &expansion);
	return channel_end(channel);
}

/* --- agents -------------------------------------------------------------------------- */

static void note_delivery(
    const struct delivery_job *job, const struct delivery_recipient *recipient, int fd)
{
	struct delivery *delivery = &deliveries[delivery_count++];
	size_t wanted = sizeof delivery->content - 1;
	ssize_t got;

	cr_assert_lt(delivery_count, DELIVERIES_MAX);
	if (job->size < wanted)
		wanted = (size_t)job->size;
	got = pread(fd, delivery->content, wanted, (off_t)job->offset);
	cr_assert_eq(got, (ssize_t)wanted);
	delivery->content[got] = '\0';
	cr_assert_lt(write(fd, "x", 1), 0, "an agent cannot write to the queue's file");
	slice_copy(recipient->address, delivery->address, sizeof delivery->address);
	slice_copy(recipient->mailbox, delivery->mailbox, sizeof delivery->mailbox);
	slice_copy(job->sender, delivery->sender, sizeof delivery->sender);
	delivery->redeliver = job->redeliver;
	delivery->attempt = job->attempt;
	delivery->id = job->id;
}

/*
 * "later" is told to come back, "never" is refused, "verbose" at great length, down.test
 * cannot be reached.
 */
static struct delivery_recipient_result judge(const struct delivery_recipient *recipient)
{
	static char words[DELIVERY_TEXT_MAX];
	struct delivery_recipient_result result = {
	    recipient->index, DELIVERY_DELIVERED, SLICE("2.0.0"), SLICE("250 2.0.0 Ok")};

	if (slice_starts_with(recipient->address, SLICE("later")) ||
	    slice_ends_with(recipient->address, SLICE("@down.test"))) {
		result.outcome = DELIVERY_DEFERRED;
		result.status = SLICE("4.2.0");
		result.text = SLICE("450 4.2.0 come back later");
	} else if (slice_starts_with(recipient->address, SLICE("never"))) {
		result.outcome = DELIVERY_FAILED;
		result.status = SLICE("5.1.1");
		result.text = SLICE("550 5.1.1 <never> is nobody we know");
	} else if (slice_starts_with(recipient->address, SLICE("verbose"))) {
		memset(words, 'w', sizeof words);
		memcpy(words, "550 ", 4);
		result.outcome = agents_are_deferring ? DELIVERY_DEFERRED : DELIVERY_FAILED;
		result.status = agents_are_deferring ? SLICE("4.1.1") : SLICE("5.1.1");
		result.text = slice_of(words, sizeof words);
	}
	return result;
}

static bool smtp_passes_dsn;

static void answer_job(struct channel *channel, const struct delivery_job *job)
{
	struct delivery_recipient_result *results = calloc(job->recipient_count, sizeof *results);
	struct delivery_result result = {
	    .job = job->job,
	    .reuse = channel == smtp,
	    .passes_dsn = channel == smtp && smtp_passes_dsn,
	    .remote = channel == smtp ? SLICE("mx.there.test[192.0.2.1]:25") : SLICE(""),
	    .count = job->recipient_count,
	    .recipients = results,
	};

	for (uint32_t i = 0; i < job->recipient_count; i++) {
		results[i] = judge(&job->recipients[i]);
		if (slice_ends_with(job->recipients[i].address, SLICE("@down.test"))) {
			result.site_failed = true;
			result.reuse = false;
		}
	}
	delivery_result_write(channel_begin(channel, DELIVERY_RESULT, 0), &result);
	channel_end(channel);
	free(results);
}

/* What was not answered while agents were mute. */
static void answer_all(void)
{
	for (unsigned i = 0; i < unanswered_count; i++) {
		struct delivery_result result = {.job = unanswered[i].job,
		    .remote = SLICE("host"),
		    .count = 1,
		    .recipients = &unanswered[i].result};

		delivery_result_write(
		    channel_begin(unanswered[i].channel, DELIVERY_RESULT, 0), &result);
		channel_end(unanswered[i].channel);
	}
	unanswered_count = 0;
}

static bool on_agent(struct channel *channel, struct message *m, void *context)
{
	struct reader r = message_reader(m);
	struct delivery_job job;

	(void)context;
	switch (m->type) {
	case DELIVERY_NO_MORE:
		no_more++;
		return true;
	case DELIVERY_CHECKPOINT:
		flushes++;
		write_bool(channel_begin(channel, DELIVERY_FLUSHED, m->request), true);
		return channel_end(channel);
	case DELIVERY_JOB:
		break;
	default:
		return false;
	}
	cr_assert(delivery_job_read(&r, &job));
	cr_assert_eq(m->descriptor_count, 1);
	jobs++;
	for (uint32_t i = 0; i < job.recipient_count; i++)
		note_delivery(&job, &job.recipients[i], m->descriptors[0]);
	if (!agents_are_mute) {
		answer_job(channel, &job);
	} else if (job.recipient_count == 1 && unanswered_count < UNANSWERED_MAX) {
		unanswered[unanswered_count].channel = channel;
		unanswered[unanswered_count].job = job.job;
		unanswered[unanswered_count++].result = judge(&job.recipients[0]);
	}
	delivery_job_free(&job);
	return true;
}

static bool on_smtpd(struct channel *channel, struct message *m, void *context)
{
	(void)channel;
	(void)m;
	(void)context;
	return false;
}

static void on_closed(struct channel *channel, void *context)
{
	*(struct channel **)context = NULL;
	if (context == &smtpd)
		smtpd_is_gone = true;
	(void)channel;
}

static const struct channel_handlers lookup_handlers = {on_lookup, on_closed, NULL};
static const struct channel_handlers agent_handlers = {on_agent, on_closed, NULL};
static const struct channel_handlers smtpd_handlers = {on_smtpd, on_closed, NULL};

static void open_peer(
    struct channel **channel, enum role role, const struct channel_handlers *handlers)
{
	*channel = daemon_peer_with(&d, role, 0, handlers, channel);
	if (handlers == &agent_handlers) {
		write_u32(channel_begin(*channel, DELIVERY_WANT, 0), 10);
		channel_end(*channel);
	}
}

/* --- the suite around it --------------------------------------------------------------- */

static void start(void)
{
	daemon_start(&d, "qmgr/qmgr", ROLE_QMGR, conf);
	open_peer(&lookup, ROLE_LOOKUP, &lookup_handlers);
	open_peer(&maildir, ROLE_DELIVERY_MAILDIR, &agent_handlers);
	open_peer(&smtp, ROLE_DELIVERY_SMTP, &agent_handlers);
	open_peer(&smtpd, ROLE_SMTPD, &smtpd_handlers);
}

static void close_peers(void)
{
	channel_free(lookup);
	channel_free(maildir);
	channel_free(smtp);
	channel_free(smtpd);
	lookup = maildir = smtp = smtpd = NULL;
}

/* Its last words want an answer from the agents, so they stay until it is gone. */
static void stop(void)
{
	channel_send(d.control, CONTROL_STOP, 0);
	daemon_run_until(&d, &d.is_gone);
	close_peers();
	cr_assert_eq(daemon_stop(&d), 0);
}

static void kill_it(void)
{
	kill(d.pid, SIGKILL);
	waitpid(d.pid, NULL, 0);
	close_peers();
	channel_free(d.control);
	event_base_free(d.base);
}

static void configure(const char *more)
{
	snprintf(conf, sizeof conf,
	    "hostname mail.here.test\ndomains { here.test }\ndirectory.spool %s\n"
	    "queue.journal-segment 1M\nqueue.journal-segments 2\nlog.level error\n%s",
	    root, more);
}

static void setup(void)
{
	snprintf(root, sizeof root, "/tmp/petrel-qmgr-XXXXXX");
	cr_assert_not_null(mkdtemp(root));
	configure("");
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void teardown(void)
{
	nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

TestSuite(qmgr_daemon, .init = setup, .fini = teardown, .timeout = 60);

static unsigned files_in(const char *place)
{
	char command[256], text[32] = "";
	FILE *pipe;

	snprintf(command, sizeof command, "find %s/%s -type f | wc -l", root, place);
	pipe = popen(command, "r");
	cr_assert_not_null(fgets(text, sizeof text, pipe));
	pclose(pipe);
	return (unsigned)atoi(text);
}

static unsigned queued(void)
{
	return files_in("new") + files_in("cur");
}

/* Run until `*count` reaches `wanted`; says so where it does not within five seconds. */
static void run_until(const unsigned *count, unsigned wanted)
{
	uint64_t last = clock_monotonic_us() + 5000000;

	while (*count < wanted && clock_monotonic_us() < last)
		daemon_run_for(&d, 10);
	cr_assert_geq(*count, wanted);
}

static void run_until_empty(void)
{
	uint64_t last = clock_monotonic_us() + 8000000;

	while (queued() > 0 && clock_monotonic_us() < last)
		daemon_run_for(&d, 50);
	cr_assert_eq(queued(), 0, "%u files are left", queued());
}

/* --- as smtpd ----------------------------------------------------------------------------- */

static message_id opened_ids[OPEN_MAX_FILES];
static int opened_files[OPEN_MAX_FILES];
static unsigned opened_count, verdicts[QUEUE_VERDICT_COUNT], answers;

static bool on_opened(struct message *answer, void *context)
{
	struct reader r;

	(void)context;
	if (answer == NULL)
		return true;
	r = message_reader(answer);
	cr_assert_eq(answer->type, QUEUE_OPENED);
	opened_count = read_u32(&r);
	cr_assert_eq(opened_count, answer->descriptor_count);
	for (unsigned i = 0; i < opened_count; i++) {
		opened_ids[i] = read_u64(&r);
		opened_files[i] = message_take_descriptor(answer, i);
	}
	return reader_finished(&r);
}

static void open_files(unsigned count)
{
	opened_count = 0;
	write_u32(channel_call(smtpd, QUEUE_OPEN, on_opened, NULL, NULL), count);
	channel_end(smtpd);
	run_until(&opened_count, count);
}

static bool on_committed(struct message *answer, void *context)
{
	struct reader r;
	uint8_t verdict;

	(void)context;
	if (answer == NULL)
		return true;
	r = message_reader(answer);
	verdict = read_u8(&r);
	cr_assert_eq(answer->type, QUEUE_COMMITTED);
	cr_assert_lt(verdict, QUEUE_VERDICT_COUNT);
	verdicts[verdict]++;
	answers++;
	return true;
}

/* What the next messages ask for of reports. */
static uint8_t notify, ret;
/* And of its way. */
static struct slice hold;
static uint64_t release_us;
static int8_t priority;
static uint8_t tls;

static void commit_to(
    unsigned which, const char *content, const char *sender, const char *const *recipients)
{
	struct envelope_recipient list[8] = {{.notify = 0}};
	bool asks = notify != 0 || ret != 0;
	struct envelope envelope = {.arrived_us = clock_wall_us(),
	    .sender = slice_string(sender),
	    .prepend = SLICE("Received: by mail.here.test\r\n"),
	    .client = SLICE("client.test[192.0.2.9]"),
	    .envid = asks ? SLICE("envelope=17") : SLICE(""),
	    .ret = ret,
	    .hold = hold,
	    .release_us = release_us,
	    .priority = priority,
	    .tls = tls,
	    .recipients = list};
	struct writer *w;

	for (; recipients[envelope.recipient_count] != NULL; envelope.recipient_count++)
		list[envelope.recipient_count] = (struct envelope_recipient){
		    .address = slice_string(recipients[envelope.recipient_count]),
		    .original = asks ? SLICE("rfc822;First@Choice.test") : SLICE(""),
		    .notify = notify,
		};
	cr_assert_eq(
	    write(opened_files[which], content, strlen(content)), (ssize_t)strlen(content));
	close(opened_files[which]);
	w = channel_call(smtpd, QUEUE_COMMIT, on_committed, NULL, NULL);
	write_u64(w, opened_ids[which]);
	write_u64(w, strlen(content));
	envelope_write(w, &envelope);
	channel_end(smtpd);
}

static const char text[] = "Subject: hello\r\n\r\nTwo lines\r\nof text\r\n";

static message_id send_mail(const char *sender, const char *recipient)
{
	const char *const recipients[] = {recipient, NULL};
	unsigned before = answers;

	open_files(1);
	commit_to(0, text, sender, recipients);
	run_until(&answers, before + 1);
	cr_assert_eq(verdicts[QUEUE_ACCEPTED], answers);
	return opened_ids[0];
}

/* --- the administrator ------------------------------------------------------------------------------ */

static struct channel *admin;
static unsigned entries, dones;
static uint64_t affected;
static char detail[65536], hold_reason[256];
static uint8_t entry_state;

static bool on_admin(struct channel *channel, struct message *m, void *context)
{
	struct reader r = message_reader(m);
	struct admin_entry entry;

	(void)channel;
	(void)context;
	switch (m->type) {
	case ADMIN_GO:
		dones++;
		return true;
	case ADMIN_QUEUE_ENTRY:
		cr_assert(admin_entry_read(&r, &entry));
		entries++;
		snprintf(detail, sizeof detail, "%.*s>%.*s %.*s", SLICE_PRINTF(entry.sender),
		    SLICE_PRINTF(entry.recipients[0].address),
		    SLICE_PRINTF(entry.recipients[0].reason));
		slice_copy(entry.hold, hold_reason, sizeof hold_reason);
		entry_state = entry.state;
		admin_entry_free(&entry);
		return true;
	case ADMIN_QUEUE_DETAIL:
		slice_copy(read_slice(&r), detail, sizeof detail);
		return true;
	case ADMIN_DONE:
		read_u8(&r);
		affected = read_u64(&r);
		dones++;
		return true;
	default:
		return false;
	}
}

static const struct channel_handlers admin_handlers = {on_admin, on_closed, NULL};

static void open_admin(void)
{
	struct control_client who = {.request = CONTROL_REQUEST_QUEUE, .user = "root"};
	int sockets[2];

	cr_assert_eq(channel_pair(sockets), 0);
	control_client_write(channel_begin(d.control, CONTROL_CLIENT, 0), &who);
	channel_attach(d.control, sockets[1]);
	channel_end(d.control);
	admin = channel_new(d.base, sockets[0], &admin_handlers, &admin);
	run_until(&dones, 1);
}

static uint64_t command(enum admin_type type, struct admin_filter filter)
{
	unsigned before = dones;

	entries = 0;
	admin_filter_write(channel_begin(admin, type, 0), &filter);
	channel_end(admin);
	run_until(&dones, before + 1);
	return affected;
}

/* --- promises -------------------------------------------------------------------------------- */

Test(qmgr_daemon, a_message_reaches_its_mailbox_and_leaves_the_spool)
{
	start();
	send_mail("eve@there.test", "alice@here.test");
	run_until(&delivery_count, 1);
	cr_assert_str_eq(deliveries[0].mailbox, "alice@here.test");
	cr_assert_str_eq(deliveries[0].sender, "eve@there.test");
	cr_assert_str_eq(deliveries[0].content, text);
	cr_assert_not(deliveries[0].redeliver);
	cr_assert_eq(deliveries[0].attempt, 1);
	run_until_empty();
	stop();
	start();
	daemon_run_for(&d, 200);
	cr_assert_eq(delivery_count, 1, "once");
	stop();
}

Test(qmgr_daemon, a_list_reaches_each_member_once)
{
	const char *const recipients[] = {"list@here.test", "bob@here.test", NULL};

	start();
	open_files(1);
	commit_to(0, text, "eve@there.test", recipients);
	run_until(&delivery_count, 2);
	run_until_empty();
	cr_assert_eq(delivery_count, 2);
	cr_assert_eq(jobs, 1, "one job for all mailboxes");
	stop();
}

Test(qmgr_daemon, many_messages_for_one_site_share_connections)
{
	static const char *const recipients[] = {"x@there.test", NULL};

	start();
	for (int i = 0; i < 5; i++) {
		open_files(10);
		for (unsigned j = 0; j < 10; j++)
			commit_to(j, text, "eve@here.test", recipients);
	}
	run_until(&delivery_count, 50);
	run_until_empty();
	run_until(&no_more, 1);
	cr_assert_lt(no_more, 50);
	stop();
}

Test(qmgr_daemon, an_unknown_user_bounces_to_the_sender)
{
	start();
	send_mail("alice@here.test", "nobody@here.test");
	run_until(&delivery_count, 1);
	cr_assert_str_eq(deliveries[0].address, "alice@here.test");
	cr_assert_str_eq(deliveries[0].sender, "");
	cr_assert_not_null(strstr(deliveries[0].content, "nobody@here.test"));
	cr_assert_not_null(strstr(deliveries[0].content, "no such user here"));
	cr_assert_not_null(strstr(deliveries[0].content, "Subject: hello"));
	run_until_empty();
	cr_assert_eq(delivery_count, 1);
	stop();
}

Test(qmgr_daemon, a_refusal_by_another_host_bounces_with_what_it_said)
{
	start();
	send_mail("alice@here.test", "never@there.test");
	run_until(&delivery_count, 2);
	cr_assert_str_eq(deliveries[1].address, "alice@here.test");
	cr_assert_not_null(strstr(deliveries[1].content, "is nobody we know"));
	run_until_empty();
	stop();
}

Test(qmgr_daemon, the_null_sender_is_never_answered_and_the_postmaster_is_told_once)
{
	configure("postmaster never-postmaster@there.test\n");
	start();
	send_mail("", "never@there.test");
	run_until(&delivery_count, 2);
	cr_assert_str_eq(deliveries[1].address, "never-postmaster@there.test");
	run_until_empty();
	daemon_run_for(&d, 200);
	cr_assert_eq(delivery_count, 2, "his failure is not reported any further");
	stop();
}

Test(qmgr_daemon, a_failure_that_cannot_be_reported_is_not_forgotten)
{
	char path[128];

	configure("queue.retry-first 2s\n");
	start();
	agents_are_mute = true;
	send_mail("alice@here.test", "never@there.test");
	run_until(&delivery_count, 1);
	/* No file can be made any more. */
	snprintf(path, sizeof path, "%s/tmp", root);
	cr_assert_eq(rmdir(path), 0);
	channel_free(smtp);
	agents_are_mute = false;
	open_peer(&smtp, ROLE_DELIVERY_SMTP, &agent_handlers);
	run_until(&delivery_count, 2);
	daemon_run_for(&d, 1300);
	cr_assert_eq(files_in("cur"), 1);
	stop();
	start();
	run_until(&delivery_count, 4);
	cr_assert_str_eq(deliveries[3].address, "alice@here.test", "and she is told at last");
	run_until_empty();
	stop();
}

Test(qmgr_daemon, what_is_deferred_is_tried_again_until_it_expires_and_then_bounces)
{
	configure("queue.retry-first 1s\nqueue.expire 3s\n");
	start();
	send_mail("alice@here.test", "later@there.test");
	run_until(&delivery_count, 1);
	daemon_run_for(&d, 100);
	run_until(&delivery_count, 2);
	cr_assert_eq(deliveries[1].attempt, 2);
	cr_assert_eq(files_in("new"), 0);
	run_until_empty();
	cr_assert_str_eq(deliveries[delivery_count - 1].address, "alice@here.test");
	cr_assert_not_null(strstr(deliveries[delivery_count - 1].content, "come back later"));
	stop();
}

/* The only delivery to the sender is this report. */
static const char *the_report(void)
{
	const struct delivery *last = &deliveries[delivery_count - 1];

	cr_assert_str_eq(last->address, "alice@here.test");
	cr_assert_str_eq(last->sender, "");
	return last->content;
}

static void is_in_report(const char *wanted)
{
	cr_assert_not_null(strstr(the_report(), wanted), "%s is not in\n%s", wanted, the_report());
}

Test(qmgr_daemon, who_asks_for_it_is_told_that_a_mailbox_has_the_message)
{
	start();
	notify = NOTIFY_SUCCESS;
	ret = RETURN_FULL;
	send_mail("alice@here.test", "bob@here.test");
	run_until(&delivery_count, 2);
	is_in_report("\r\nAction: delivered\r\n");
	is_in_report("\r\nOriginal-Recipient: rfc822;First@Choice.test\r\n");
	is_in_report("\r\nFinal-Recipient: rfc822; bob@here.test\r\n");
	is_in_report("\r\nOriginal-Envelope-Id: envelope=17\r\n");
	is_in_report("\r\nSubject: hello\r\n");
	cr_assert_null(
	    strstr(the_report(), "Two lines"), "who is told of no failure gets the header");
	run_until_empty();
	cr_assert_eq(delivery_count, 2);
	notify = 0;
	send_mail("alice@here.test", "bob@here.test");
	run_until(&delivery_count, 3);
	run_until_empty();
	notify = NOTIFY_SUCCESS;
	send_mail("", "bob@here.test");
	run_until(&delivery_count, 4);
	run_until_empty();
	cr_assert_eq(delivery_count, 4, "who does not ask, and the null sender, are not told");
	stop();
}

Test(qmgr_daemon, who_asks_for_it_is_told_where_the_trace_of_a_message_ends)
{
	start();
	notify = NOTIFY_SUCCESS;
	send_mail("alice@here.test", "carol@there.test");
	run_until(&delivery_count, 2);
	is_in_report("\r\nAction: relayed\r\n");
	run_until_empty();
	smtp_passes_dsn = true;
	send_mail("alice@here.test", "carol@there.test");
	run_until(&delivery_count, 3);
	run_until_empty();
	cr_assert_eq(delivery_count, 3, "the next host will tell");
	stop();
}

Test(qmgr_daemon, a_success_that_cannot_be_reported_is_not_delivered_twice)
{
	char path[128];

	start();
	notify = NOTIFY_SUCCESS;
	agents_are_mute = true;
	send_mail("alice@here.test", "carol@there.test");
	run_until(&delivery_count, 1);
	snprintf(path, sizeof path, "%s/tmp", root);
	cr_assert_eq(rmdir(path), 0);
	channel_free(smtp);
	agents_are_mute = false;
	open_peer(&smtp, ROLE_DELIVERY_SMTP, &agent_handlers);
	run_until(&delivery_count, 2);
	run_until_empty();
	cr_assert_eq(delivery_count, 2);
	stop();
}

Test(qmgr_daemon, a_stop_beside_the_report_of_a_success_repeats_neither)
{
	unsigned to_carol = 0, to_alice = 0;

	start();
	notify = NOTIFY_SUCCESS;
	send_mail("alice@here.test", "carol@there.test");
	run_until(&delivery_count, 1);
	stop();
	start();
	run_until_empty();
	for (unsigned i = 0; i < delivery_count; i++) {
		to_carol += strcmp(deliveries[i].address, "carol@there.test") == 0;
		to_alice += strcmp(deliveries[i].address, "alice@here.test") == 0;
	}
	cr_assert_eq(to_carol, 1);
	cr_assert_eq(to_alice, 1);
	stop();
}

Test(qmgr_daemon, who_wants_no_report_of_failures_gets_none)
{
	start();
	notify = NOTIFY_NEVER;
	send_mail("alice@here.test", "never@there.test");
	run_until_empty();
	notify = NOTIFY_SUCCESS | NOTIFY_DELAY;
	send_mail("alice@here.test", "nobody@here.test");
	run_until_empty();
	daemon_run_for(&d, 200);
	cr_assert_eq(delivery_count, 1);
	notify = NOTIFY_FAILURE;
	ret = RETURN_FULL;
	send_mail("alice@here.test", "nobody@here.test");
	run_until(&delivery_count, 2);
	is_in_report("\r\nAction: failed\r\n");
	is_in_report("\r\nOriginal-Envelope-Id: envelope=17\r\n");
	is_in_report("\r\nTwo lines\r\n");
	run_until_empty();
	stop();
}

Test(qmgr_daemon, a_sender_is_told_once_that_a_message_is_late)
{
	configure("queue.retry-first 1s\nqueue.retry-longest 1s\nqueue.warn-after 1s\n");
	start();
	send_mail("alice@here.test", "later@there.test");
	run_until(&delivery_count, 1);
	cr_assert_eq(delivery_count, 1, "it is not late at once");
	while (strcmp(deliveries[delivery_count - 1].address, "alice@here.test") != 0)
		run_until(&delivery_count, delivery_count + 1);
	is_in_report("\r\nAction: delayed\r\n");
	is_in_report("\r\nWill-Retry-Until: ");
	is_in_report("450 4.2.0 come back later");
	stop();
	start();
	run_until(&delivery_count, delivery_count + 2);
	cr_assert_str_eq(deliveries[delivery_count - 1].address, "later@there.test");
	cr_assert_str_eq(deliveries[delivery_count - 2].address, "later@there.test");
	stop();
}

Test(qmgr_daemon, who_asks_for_failures_alone_is_not_told_of_delays)
{
	configure("queue.retry-first 1s\nqueue.retry-longest 1s\nqueue.warn-after 1s\n");
	start();
	notify = NOTIFY_FAILURE;
	send_mail("alice@here.test", "later@there.test");
	run_until(&delivery_count, 4);
	for (unsigned i = 0; i < delivery_count; i++)
		cr_assert_str_eq(deliveries[i].address, "later@there.test");
	stop();
}

Test(qmgr_daemon, a_deferred_message_keeps_its_time_over_a_restart)
{
	configure("queue.retry-first 2s\n");
	start();
	send_mail("alice@here.test", "later@there.test");
	run_until(&delivery_count, 1);
	daemon_run_for(&d, 1200);
	cr_assert_eq(files_in("cur"), 1);
	stop();
	start();
	run_until(&delivery_count, 2);
	cr_assert_eq(deliveries[1].attempt, 2);
	stop();
}

Test(qmgr_daemon, a_dead_site_is_not_hammered)
{
	static const char *const recipients[] = {"x@down.test", NULL};

	start();
	agents_are_mute = true;
	open_files(10);
	for (unsigned j = 0; j < 10; j++)
		commit_to(j, text, "eve@here.test", recipients);
	run_until(&answers, 10);
	daemon_run_for(&d, 200);
	cr_assert_eq(jobs, 5, "of a site that nobody knows yet");
	/* The connections fail; the rest is deferred without being tried. */
	channel_free(smtp);
	agents_are_mute = false;
	open_peer(&smtp, ROLE_DELIVERY_SMTP, &agent_handlers);
	daemon_run_for(&d, 500);
	cr_assert_leq(jobs, 10);
	daemon_run_for(&d, 1200);
	cr_assert_eq(files_in("cur"), 10);
	stop();
}

Test(qmgr_daemon, an_agents_death_gives_its_work_to_the_next_and_says_that_it_may_be_done)
{
	start();
	agents_are_mute = true;
	send_mail("eve@there.test", "alice@here.test");
	run_until(&delivery_count, 1);
	channel_free(maildir);
	agents_are_mute = false;
	daemon_run_for(&d, 50);
	open_peer(&maildir, ROLE_DELIVERY_MAILDIR, &agent_handlers);
	run_until(&delivery_count, 2);
	cr_assert(deliveries[1].redeliver);
	run_until_empty();
	stop();
}

Test(qmgr_daemon, a_message_that_kills_every_agent_is_deferred)
{
	start();
	agents_are_mute = true;
	send_mail("eve@there.test", "alice@here.test");
	for (unsigned i = 1; i <= 3; i++) {
		run_until(&delivery_count, i);
		channel_free(maildir);
		daemon_run_for(&d, 20);
		open_peer(&maildir, ROLE_DELIVERY_MAILDIR, &agent_handlers);
	}
	daemon_run_for(&d, 1500);
	cr_assert_eq(delivery_count, 3);
	cr_assert_eq(files_in("cur"), 1);
	agents_are_mute = false;
	open_admin();
	cr_assert_eq(command(ADMIN_QUEUE_FLUSH, (struct admin_filter){.id = 0}), 1);
	run_until(&delivery_count, 4);
	cr_assert(deliveries[3].redeliver, "one of them may have done it");
	channel_free(admin);
	stop();
}

Test(qmgr_daemon, lookup_may_go_away_and_come_back)
{
	start();
	lookup_is_mute = true;
	send_mail("eve@there.test", "alice@here.test");
	daemon_run_for(&d, 50);
	channel_free(lookup);
	daemon_run_for(&d, 50);
	lookup_is_mute = false;
	open_peer(&lookup, ROLE_LOOKUP, &lookup_handlers);
	run_until(&delivery_count, 1);
	run_until_empty();
	stop();
}

Test(qmgr_daemon, every_acknowledged_message_survives_a_kill)
{
	enum { COUNT = 300 };
	static const char *const recipients[] = {"alice@here.test", NULL};
	static bool has_arrived[COUNT];
	unsigned acknowledged;
	char content[64];

	start();
	agents_are_mute = true;
	for (unsigned i = 0; i < COUNT; i += 10) {
		open_files(10);
		for (unsigned j = 0; j < 10; j++) {
			snprintf(content, sizeof content, "Number: %u\r\n\r\n", i + j);
			commit_to(j, content, "eve@there.test", recipients);
		}
		if (i == 100)
			agents_are_mute = false;
	}
	run_until(&verdicts[QUEUE_ACCEPTED], COUNT / 2);
	acknowledged = verdicts[QUEUE_ACCEPTED];
	kill_it();
	agents_are_mute = false;
	start();
	run_until_empty();
	for (unsigned i = 0; i < delivery_count; i++) {
		unsigned number;

		cr_assert_eq(sscanf(deliveries[i].content, "Number: %u", &number), 1);
		has_arrived[number] = true;
	}
	for (unsigned i = 0; i < acknowledged; i++)
		cr_assert(has_arrived[i], "message %u of %u is lost", i, acknowledged);
	stop();
}

Test(qmgr_daemon, a_delivery_that_no_flush_covered_is_looked_at_again_after_a_kill)
{
	start();
	send_mail("eve@there.test", "alice@here.test");
	run_until(&delivery_count, 1);
	run_until_empty();
	daemon_run_for(&d, 1300);
	kill_it();
	start();
	run_until(&delivery_count, 2);
	cr_assert(deliveries[1].redeliver);
	cr_assert_str_eq(deliveries[1].content, text);
	run_until_empty();
	stop();
	cr_assert_geq(flushes, 1, "an orderly end has the mailboxes flushed");
	start();
	daemon_run_for(&d, 300);
	cr_assert_eq(delivery_count, 2, "and then nothing is left to look at");
	stop();
}

Test(qmgr_daemon, segments_are_used_again_after_checkpoints)
{
	static const char *const recipients[] = {"alice@here.test", NULL};
	static char content[3500];

	memset(content, 'x', sizeof content - 1);
	memcpy(content, "A: b\r\n\r\n", 8);
	start();
	for (int i = 0; i < 150; i++) {
		open_files(10);
		for (unsigned j = 0; j < 10; j++)
			commit_to(j, content, "eve@there.test", recipients);
		run_until(&answers, (unsigned)(i + 1) * 10);
	}
	run_until(&delivery_count, 1500);
	run_until_empty();
	cr_assert_gt(flushes, 0);
	cr_assert_eq(files_in("journal"), 2);
	stop();
}

Test(qmgr_daemon, a_large_message_is_kept_until_the_mailbox_is_flushed)
{
	configure("queue.journal-message-limit 0\n");
	start();
	send_mail("eve@there.test", "alice@here.test");
	run_until(&delivery_count, 1);
	daemon_run_for(&d, 1300);
	cr_assert_eq(queued(), 1);
	cr_assert_eq(flushes, 0);
	kill_it();
	start();
	run_until(&delivery_count, 2);
	cr_assert(deliveries[1].redeliver);
	run_until_empty();
	cr_assert_eq(flushes, 1);
	stop();
}

Test(qmgr_daemon, where_durability_is_file_the_agent_flushes_and_nothing_is_kept)
{
	configure("queue.durability file\n");
	start();
	send_mail("eve@there.test", "alice@here.test");
	run_until(&delivery_count, 1);
	daemon_run_for(&d, 300);
	cr_assert_eq(queued(), 0);
	cr_assert_eq(flushes, 0);
	stop();
}

/* --- what peers may not do ----------------------------------------------------------------------- */

Test(
    qmgr_daemon, an_identifier_that_was_not_opened_for_this_smtpd_ends_its_channel_and_nobody_elses)
{
	static const char *const recipients[] = {"alice@here.test", NULL};

	start();
	open_files(1);
	opened_ids[0]++;
	commit_to(0, text, "eve@there.test", recipients);
	daemon_run_until(&d, &smtpd_is_gone);
	daemon_run_for(&d, 50);
	cr_assert_eq(files_in("tmp"), 0, "what it had open is swept");
	open_peer(&smtpd, ROLE_SMTPD, &smtpd_handlers);
	send_mail("eve@there.test", "alice@here.test");
	run_until(&delivery_count, 1);
	stop();
}

Test(qmgr_daemon, an_aborted_file_goes_away)
{
	start();
	open_files(2);
	cr_assert_eq(files_in("tmp"), 2);
	write_u64(channel_begin(smtpd, QUEUE_ABORT, 0), opened_ids[0]);
	channel_end(smtpd);
	daemon_run_for(&d, 100);
	cr_assert_eq(files_in("tmp"), 1);
	stop();
}

static int read_file = -1;
static unsigned read_answers;

static bool on_readable(struct message *answer, void *context)
{
	(void)context;
	cr_assert_not_null(answer);
	cr_assert_eq(answer->type, QUEUE_READABLE);
	read_file = message_take_descriptor(answer, 0);
	read_answers++;
	return true;
}

Test(qmgr_daemon, what_is_being_received_can_be_read_and_not_written_by_who_is_to_read_it)
{
	char content[64];

	start();
	open_files(1);
	cr_assert_eq(write(opened_files[0], "some octets", 11), 11);
	write_u64(channel_call(smtpd, QUEUE_READ, on_readable, NULL, NULL), opened_ids[0]);
	channel_end(smtpd);
	run_until(&read_answers, 1);
	cr_assert_eq(read(read_file, content, sizeof content), 11);
	cr_assert_eq(write(read_file, "x", 1), -1);
	close(read_file);
	stop();
}

static void replace(message_id id, message_id other)
{
	struct writer *w = channel_begin(smtpd, QUEUE_REPLACE, 0);

	write_u64(w, id);
	write_u64(w, other);
	channel_end(smtpd);
}

Test(qmgr_daemon, what_replaces_a_content_is_delivered_under_the_first_ones_identifier)
{
	static const char other[] = "Subject: HELLO\r\n\r\nTWO LINES\r\nOF TEXT\r\n";
	const char *const recipients[] = {"alice@here.test", NULL};
	unsigned before = answers;

	start();
	open_files(2);
	cr_assert_eq(write(opened_files[1], other, strlen(other)), (ssize_t)strlen(other));
	replace(opened_ids[0], opened_ids[1]);
	commit_to(0, text, "eve@there.test", recipients);
	run_until(&answers, before + 1);
	cr_assert_eq(verdicts[QUEUE_ACCEPTED], answers);
	run_until(&delivery_count, 1);
	cr_assert_eq(deliveries[0].id, opened_ids[0]);
	cr_assert_not_null(strstr(deliveries[0].content, other));
	run_until_empty();
	cr_assert_eq(files_in("tmp"), 0);
	cr_assert_not(smtpd_is_gone);
	stop();
}

Test(qmgr_daemon, a_replaced_content_outlives_a_kill_after_its_acceptance)
{
	static const char other[] = "Subject: HELLO\r\n\r\nTWO LINES\r\nOF TEXT\r\n";
	const char *const recipients[] = {"alice@here.test", NULL};
	unsigned before = answers;

	start();
	agents_are_mute = true;
	open_files(2);
	cr_assert_eq(write(opened_files[1], other, strlen(other)), (ssize_t)strlen(other));
	replace(opened_ids[0], opened_ids[1]);
	commit_to(0, text, "eve@there.test", recipients);
	run_until(&answers, before + 1);
	kill_it();
	agents_are_mute = false;
	delivery_count = 0;
	start();
	run_until(&delivery_count, 1);
	cr_assert_not_null(strstr(deliveries[0].content, other));
	run_until_empty();
	stop();
}

static bool on_lost(struct message *answer, void *context)
{
	(void)context;
	cr_assert_null(answer);
	return true;
}

Test(qmgr_daemon, nobody_reads_or_replaces_what_is_not_its_own)
{
	for (int what = 0; what < 4; what++) {
		smtpd_is_gone = false;
		start();
		open_files(2);
		if (what == 0) {
			write_u64(channel_call(smtpd, QUEUE_READ, on_lost, NULL, NULL), opened_ids[1] + 99);
			channel_end(smtpd);
		} else {
			replace(opened_ids[0] + (what == 1 ? 99 : 0),
			    what == 2 ? opened_ids[1] + 99 : opened_ids[what == 3 ? 0 : 1]);
		}
		daemon_run_until(&d, &smtpd_is_gone);
		stop();
	}
}

Test(qmgr_daemon, a_full_queue_opens_no_files)
{
	configure("queue.messages-limit 1\n");
	start();
	agents_are_mute = true;
	send_mail("eve@there.test", "alice@here.test");
	opened_count = UINT32_MAX;
	write_u32(channel_call(smtpd, QUEUE_OPEN, on_opened, NULL, NULL), 3);
	channel_end(smtpd);
	daemon_run_for(&d, 200);
	cr_assert_eq(opened_count, 0);
	stop();
}

/* --- local submission while the suite is down ------------------------------------------------------ */

static void drop(message_id id, const char *content, bool is_torn)
{
	struct envelope_recipient recipient = {.address = SLICE("alice@here.test")};
	struct envelope envelope = {.arrived_us = 1,
	    .sender = SLICE("root@here.test"),
	    .login = SLICE("somebody-else@here.test"),
	    .recipient_count = 1,
	    .recipients = &recipient};
	struct buf out = buf_with_limit(65536);
	char name[DROP_NAME_MAX], path[256];
	FILE *file;

	buf_append_string(&out, content);
	cr_assert(drop_append_envelope(&out, &envelope));
	drop_format_name(id, strlen(content), name);
	snprintf(path, sizeof path, "%s/drop", root);
	mkdir(path, 0700);
	snprintf(path, sizeof path, "%s/drop/%s", root, name);
	file = fopen(path, "w");
	cr_assert_not_null(file);
	fwrite(out.data, 1, out.len - (is_torn ? 1 : 0), file);
	fclose(file);
	buf_free(&out);
}

static void drop_unfinished(void)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof path, "%s/drop/.0000000004711", root);
	file = fopen(path, "w");
	cr_assert_not_null(file);
	fclose(file);
}

Test(qmgr_daemon, what_was_submitted_while_it_was_down_is_taken_up_at_the_start)
{
	drop(4711, "Subject: from cron\r\n\r\n", false);
	drop(4712, "Subject: torn\r\n\r\n", true);
	drop_unfinished();
	start();
	run_until(&delivery_count, 1);
	cr_assert_str_eq(deliveries[0].content, "Subject: from cron\r\n\r\n");
	cr_assert_str_eq(deliveries[0].sender, "root@here.test");
	run_until_empty();
	cr_assert_eq(delivery_count, 1);
	cr_assert_eq(files_in("drop"), 1, "what is still being written is left alone");
	cr_assert_eq(files_in("bad"), 1, "what makes no sense is kept for a person");
	stop();
}

Test(qmgr_daemon, the_administrator_lists_shows_holds_releases_flushes_and_deletes)
{
	const struct admin_filter all = {.id = 0}, hers = {.sender = SLICE("alice@here.test")},
				  there = {.site = SLICE("there.test")};
	unsigned before;
	message_id id;

	start();
	id = send_mail("alice@here.test", "later@there.test");
	send_mail("bob@here.test", "later2@there.test");
	run_until(&delivery_count, 2);
	daemon_run_for(&d, 1300);
	open_admin();
	cr_assert_eq(command(ADMIN_QUEUE_LIST, all), 2);
	cr_assert_eq(entries, 2);
	cr_assert_eq(command(ADMIN_QUEUE_LIST, hers), 1);
	cr_assert_str_eq(detail, "alice@here.test>later@there.test 450 4.2.0 come back later");
	cr_assert_eq(command(ADMIN_QUEUE_LIST, there), 2);

	before = dones;
	write_u64(channel_begin(admin, ADMIN_QUEUE_SHOW, 0), id);
	channel_end(admin);
	run_until(&dones, before + 1);
	cr_assert_not_null(strstr(detail, "Subject: hello"));
	cr_assert_not_null(strstr(detail, "Sender: <alice@here.test>"));

	cr_assert_eq(command(ADMIN_QUEUE_HOLD, hers), 1);
	daemon_run_for(&d, 1300);
	cr_assert_eq(files_in("hold"), 1);
	before = delivery_count;
	cr_assert_eq(command(ADMIN_QUEUE_FLUSH, all), 1, "what is held is not flushed");
	run_until(&delivery_count, before + 1);
	daemon_run_for(&d, 1300);
	cr_assert_eq(delivery_count, before + 1);

	cr_assert_eq(command(ADMIN_QUEUE_RELEASE, hers), 1);
	run_until(&delivery_count, before + 2);
	daemon_run_for(&d, 1300);
	cr_assert_eq(files_in("hold"), 0);
	cr_assert_eq(command(ADMIN_QUEUE_DELETE, (struct admin_filter){.id = id}), 1);
	daemon_run_for(&d, 1300);
	cr_assert_eq(queued(), 1);
	cr_assert_eq(command(ADMIN_QUEUE_DELETE, all), 1);
	run_until_empty();
	channel_free(admin);
	stop();
}

/* What `petrel queue show` says of it, into `detail`. */
static void show(message_id id)
{
	unsigned before = dones;

	write_u64(channel_begin(admin, ADMIN_QUEUE_SHOW, 0), id);
	channel_end(admin);
	run_until(&dones, before + 1);
}

Test(qmgr_daemon, what_is_to_be_held_when_it_arrives_is_durable_and_delivered_when_it_is_released)
{
	const struct admin_filter all = {.id = 0};
	message_id id;

	start();
	hold = SLICE("milter rspamd: looks odd");
	id = send_mail("eve@there.test", "alice@here.test");
	hold = SLICE("");
	daemon_run_for(&d, 1300);
	cr_assert_eq(files_in("hold"), 1);
	cr_assert_eq(delivery_count, 0);
	open_admin();
	cr_assert_eq(command(ADMIN_QUEUE_FLUSH, all), 0, "what is held is not flushed");
	cr_assert_eq(command(ADMIN_QUEUE_LIST, all), 1);
	cr_assert_eq(entry_state, ADMIN_HELD);
	cr_assert_str_eq(hold_reason, "milter rspamd: looks odd");
	show(id);
	cr_assert_not_null(strstr(detail, "Held-At-Arrival: milter rspamd: looks odd\n"));
	cr_assert_eq(command(ADMIN_QUEUE_RELEASE, all), 1);
	run_until(&delivery_count, 1);
	cr_assert_str_eq(deliveries[0].mailbox, "alice@here.test");
	run_until_empty();
	channel_free(admin);
	stop();
}

Test(qmgr_daemon, what_is_to_be_held_is_held_although_qmgr_dies_in_between)
{
	start();
	channel_free(lookup);
	lookup = NULL;
	hold = SLICE("by a rule");
	send_mail("eve@there.test", "later@there.test");
	hold = SLICE("");
	kill_it();
	start();
	daemon_run_for(&d, 1300);
	cr_assert_eq(files_in("hold"), 1);
	cr_assert_eq(delivery_count, 0);
	open_admin();
	cr_assert_eq(command(ADMIN_QUEUE_RELEASE, (struct admin_filter){.id = 0}), 1);
	run_until(&delivery_count, 1);
	daemon_run_for(&d, 1300);
	kill_it();
	channel_free(admin);
	start();
	daemon_run_for(&d, 500);
	cr_assert_eq(files_in("hold"), 0, "what was released once is not held again");
	stop();
}

Test(qmgr_daemon, nothing_is_delivered_before_the_time_that_the_sender_wants)
{
	const struct admin_filter all = {.id = 0};
	uint64_t until = clock_wall_us() + 5000000;
	message_id id;

	start();
	release_us = until;
	id = send_mail("eve@there.test", "alice@here.test");
	release_us = 0;
	daemon_run_for(&d, 300);
	kill_it();
	start();
	daemon_run_for(&d, 1300);
	cr_assert_eq(files_in("cur"), 1);
	open_admin();
	cr_assert_eq(command(ADMIN_QUEUE_LIST, all), 1);
	cr_assert_eq(entry_state, ADMIN_SCHEDULED);
	show(id);
	cr_assert_not_null(strstr(detail, "\nNot-Before: "));
	cr_assert_eq(command(ADMIN_QUEUE_FLUSH, all), 0, "what is scheduled is not flushed");
	daemon_run_for(&d, 300);
	cr_assert_eq(delivery_count, 0, "neither a restart nor a flush is the time");
	channel_free(admin);
	stop();
	start();
	run_until(&delivery_count, 1);
	cr_assert_geq(clock_wall_us(), until);
	cr_assert_eq(deliveries[0].attempt, 1);
	run_until_empty();
	stop();
}

Test(qmgr_daemon, the_age_of_a_message_counts_from_the_time_of_its_release)
{
	configure("queue.retry-first 1s\nqueue.retry-longest 1s\nqueue.warn-after 2s\nqueue.expire 3s\n");
	start();
	release_us = clock_wall_us() + 3500000;
	send_mail("alice@here.test", "later@there.test");
	release_us = 0;
	run_until(&delivery_count, 2);
	cr_assert_str_eq(deliveries[0].address, "later@there.test");
	cr_assert_str_eq(deliveries[1].address, "later@there.test", "neither warned of nor expired");
	stop();
}

Test(qmgr_daemon, a_message_that_is_held_before_lookup_has_answered_forgets_no_recipient)
{
	static const char *const recipients[] = {"unsure@here.test", "slow@here.test", NULL};
	struct admin_filter it = {.id = 0};

	start();
	open_admin();
	lookup_is_slow = true;
	open_files(1);
	commit_to(0, text, "eve@there.test", recipients);
	run_until(&answers, 1);
	daemon_run_for(&d, 100);
	it.id = opened_ids[0];
	cr_assert_eq(command(ADMIN_QUEUE_HOLD, it), 1);
	daemon_run_for(&d, 1300);
	cr_assert_eq(files_in("hold"), 1);
	lookup_is_slow = false;
	cr_assert_eq(command(ADMIN_QUEUE_RELEASE, it), 1);
	run_until(&delivery_count, 1);
	cr_assert_str_eq(deliveries[0].address, "slow@here.test");
	channel_free(admin);
	stop();
}

Test(qmgr_daemon, an_answer_to_an_earlier_attempts_question_is_no_answer_to_this_ones)
{
	static const char *const recipients[] = {
	    "unsure@here.test", "slow@here.test", "list@here.test", NULL};
	struct admin_filter it = {.id = 0};
	struct lookup_delivery late = mailbox("slow@here.test");

	start();
	open_admin();
	lookup_is_slow = true;
	open_files(1);
	commit_to(0, text, "eve@there.test", recipients);
	run_until(&answers, 1);
	daemon_run_for(&d, 100);
	it.id = opened_ids[0];
	cr_assert_eq(command(ADMIN_QUEUE_HOLD, it), 1);
	daemon_run_for(&d, 1300);
	/* The list is known by its members now, so the second question is another one. */
	lookup_is_slow = false;
	lookup_is_mute = true;
	cr_assert_eq(command(ADMIN_QUEUE_RELEASE, it), 1);
	daemon_run_for(&d, 1300);
	lookup_expansion_write(channel_begin(lookup, LOOKUP_EXPANSION, slow_question),
	    &(struct lookup_expansion){1, &late});
	channel_end(lookup);
	daemon_run_for(&d, 100);
	channel_free(lookup);
	lookup_is_mute = false;
	daemon_run_for(&d, 50);
	open_peer(&lookup, ROLE_LOOKUP, &lookup_handlers);
	run_until(&delivery_count, 3);
	channel_free(admin);
	stop();
}

Test(qmgr_daemon, a_spool_has_one_queue)
{
	int other = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	/* The queue of before is still there for a moment. */
	cr_assert_eq(flock(other, LOCK_EX), 0);
	if (fork() == 0) {
		usleep(300000);
		flock(other, LOCK_UN);
		_exit(0);
	}
	start();
	cr_assert_eq(flock(other, LOCK_EX | LOCK_NB), -1);
	send_mail("eve@there.test", "alice@here.test");
	run_until(&delivery_count, 1);
	stop();
	cr_assert_eq(flock(other, LOCK_EX | LOCK_NB), 0);
	close(other);
}

Test(qmgr_daemon, of_hold_and_release_the_last_word_counts)
{
	const struct admin_filter all = {.id = 0};

	start();
	open_admin();
	agents_are_mute = true;
	send_mail("alice@here.test", "later@there.test");
	run_until(&delivery_count, 1);
	/* It cannot be held before its attempt is over. */
	cr_assert_eq(command(ADMIN_QUEUE_HOLD, all), 1);
	cr_assert_eq(command(ADMIN_QUEUE_RELEASE, all), 1);
	channel_free(smtp);
	agents_are_mute = false;
	open_peer(&smtp, ROLE_DELIVERY_SMTP, &agent_handlers);
	run_until(&delivery_count, 3);
	daemon_run_for(&d, 1300);
	cr_assert_eq(files_in("cur"), 1);
	channel_free(admin);
	stop();
}

Test(qmgr_daemon, a_mailbox_that_was_being_written_at_a_stop_is_looked_at_after_the_start)
{
	start();
	agents_are_mute = true;
	send_mail("eve@there.test", "alice@here.test");
	run_until(&delivery_count, 1);
	stop();
	agents_are_mute = false;
	start();
	run_until(&delivery_count, 2);
	cr_assert(deliveries[1].redeliver);
	run_until_empty();
	stop();
}

Test(qmgr_daemon, failures_too_many_for_one_report_are_told_in_several)
{
	enum { COUNT = 1000, LONG = 300 };
	static struct envelope_recipient list[COUNT];
	static char addresses[COUNT][LONG + 1], original[ENVELOPE_TEXT_MAX], content[200000];
	struct envelope envelope = {.arrived_us = clock_wall_us(),
	    .sender = SLICE("alice@here.test"),
	    .client = SLICE("client.test[192.0.2.9]"),
	    .ret = RETURN_FULL,
	    .recipient_count = COUNT,
	    .recipients = list};
	struct writer *w;

	memset(original, 'o', sizeof original);
	memcpy(original, "rfc822;", 7);
	for (unsigned i = 0; i < COUNT; i++) {
		memset(addresses[i], 'l', LONG);
		memcpy(addresses[i] + LONG - 11, "@there.test", 11);
		snprintf(addresses[i], LONG, "verbose%u", i);
		addresses[i][strlen(addresses[i])] = '.';
		list[i] = (struct envelope_recipient){.address = slice_of(addresses[i], LONG),
		    .original = slice_of(original, sizeof original)};
	}
	start();
	open_files(1);
	for (size_t at = 0; at < sizeof content; at += 4)
		memcpy(content + at, "yz\r\n", 4);
	cr_assert_eq(write(opened_files[0], content, sizeof content), (ssize_t)sizeof content);
	close(opened_files[0]);
	w = channel_call(smtpd, QUEUE_COMMIT, on_committed, NULL, NULL);
	write_u64(w, opened_ids[0]);
	write_u64(w, sizeof content);
	envelope_write(w, &envelope);
	cr_assert(channel_end(smtpd));
	run_until(&answers, 1);
	run_until(&delivery_count, COUNT + 2);
	for (unsigned i = COUNT; i < delivery_count; i++)
		cr_assert_str_eq(deliveries[i].address, "alice@here.test");
	run_until_empty();
	stop();
}

Test(qmgr_daemon, what_cannot_be_written_now_is_written_later_and_not_done_again)
{
	static const char *const recipients[] = {"alice@here.test", "later@there.test", NULL};
	char command_line[256];

	start();
	agents_are_mute = true;
	open_files(1);
	commit_to(0, text, "eve@there.test", recipients);
	run_until(&answers, 1);
	run_until(&delivery_count, 2);
	/* The file cannot be opened any more while its outcomes come. */
	snprintf(command_line, sizeof command_line,
	    "cd %s/new && f=$(ls) && mv $f .. && ln -s nowhere $f", root);
	cr_assert_eq(system(command_line), 0);
	agents_are_mute = false;
	answer_all();
	daemon_run_for(&d, 1500);
	snprintf(command_line, sizeof command_line,
	    "cd %s && f=$(ls | grep ,S=) && mv $f $(ls -d */$f)", root);
	cr_assert_eq(system(command_line), 0);
	daemon_run_for(&d, 6500);
	open_admin();
	cr_assert_eq(command(ADMIN_QUEUE_FLUSH, (struct admin_filter){.id = 0}), 1);
	run_until(&delivery_count, 3);
	cr_assert_str_eq(deliveries[2].address, "later@there.test");
	daemon_run_for(&d, 100);
	cr_assert_eq(delivery_count, 3);
	channel_free(admin);
	stop();
}

Test(qmgr_daemon, a_message_with_more_recipients_than_a_listing_holds_is_listed)
{
	enum { COUNT = 4000 };
	static struct envelope_recipient list[COUNT];
	static char addresses[COUNT][ENVELOPE_ADDRESS_MAX + 1];
	struct envelope envelope = {.arrived_us = clock_wall_us(),
	    .sender = SLICE("alice@here.test"),
	    .client = SLICE("client.test[192.0.2.9]"),
	    .recipient_count = COUNT,
	    .recipients = list};
	struct writer *w;

	for (unsigned i = 0; i < COUNT; i++) {
		snprintf(addresses[i], sizeof addresses[i], "verbosely%0290u@there.test", i);
		list[i].address = slice_string(addresses[i]);
	}
	start();
	agents_are_deferring = true;
	open_files(1);
	cr_assert_eq(write(opened_files[0], text, strlen(text)), (ssize_t)strlen(text));
	close(opened_files[0]);
	w = channel_call(smtpd, QUEUE_COMMIT, on_committed, NULL, NULL);
	write_u64(w, opened_ids[0]);
	write_u64(w, strlen(text));
	envelope_write(w, &envelope);
	cr_assert(channel_end(smtpd));
	run_until(&delivery_count, COUNT);
	daemon_run_for(&d, 1500);
	open_admin();
	cr_assert_eq(command(ADMIN_QUEUE_LIST, (struct admin_filter){.id = 0}), 1);
	cr_assert_eq(entries, 1);
	channel_free(admin);
	stop();
}
