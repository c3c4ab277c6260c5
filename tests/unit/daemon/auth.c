/* What auth promises to its askers: the real process, sandbox and threads included. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "auth/credentials.h"
#include "common/channel_auth.h"
#include "common/clock.h"
#include "tests/unit/daemon/daemon.h"

static char directory[] = "/tmp/petrel-auth-XXXXXX";
static char path[64], conf[512];
static struct daemon d;
static struct channel *smtpd, *imapd;
static struct peer_end imapd_end;

static void put(const char *account, const char *password)
{
	struct buf text = buf_with_limit(4096);
	int file;

	buf_printf(&text, "%s ", account);
	cr_assert(credential_make(slice_string(password), 4096, &text));
	buf_append_octet(&text, '\n');
	unlink(path);
	file = open(path, O_WRONLY | O_CREAT, 0600);
	cr_assert_eq(write(file, text.data, text.len), (ssize_t)text.len);
	close(file);
	buf_free(&text);
}

static void start(const char *more)
{
	cr_assert_not_null(mkdtemp(directory));
	snprintf(path, sizeof path, "%s/credentials", directory);
	snprintf(conf, sizeof conf, "domains example.org\ndirectory.auth %s\n%s", directory, more);
	put("alice@example.org", "pencil");
	daemon_start(&d, "auth/auth", ROLE_AUTH, conf);
	smtpd = daemon_peer(&d, ROLE_SMTPD, 0, NULL);
	imapd = daemon_peer(&d, ROLE_IMAPD, 3, &imapd_end);
}

static void setup(void)
{
	start("auth.failure-delay 1s\n");
}

static void teardown(void)
{
	channel_free(smtpd);
	if (!imapd_end.closed)
		channel_free(imapd);
	cr_assert_eq(daemon_stop(&d), 0);
	unlink(path);
	rmdir(directory);
}

TestSuite(auth_daemon, .init = setup, .fini = teardown, .timeout = 30);

static struct auth_password question(const char *name, const char *password)
{
	return (struct auth_password){
	    .service = SERVICE_SUBMISSION,
	    .connection = 7,
	    .mechanism = "PLAIN",
	    .client = "192.0.2.1",
	    .tls = true,
	    .name = slice_string(name),
	    .password = slice_string(password),
	};
}

static void ask(struct channel *channel, const struct auth_password *q, struct reply *reply)
{
	*reply = (struct reply){0};
	auth_password_write(channel_call(channel, AUTH_PASSWORD, daemon_reply, reply, NULL), q);
	cr_assert(channel_end(channel));
}

static enum auth_verdict verdict(const struct reply *reply, const char *account)
{
	struct reader r = reader_over(slice_of(reply->body, reply->len));
	struct auth_result result;

	cr_assert_not(reply->lost);
	cr_assert_eq(reply->type, AUTH_RESULT);
	cr_assert(auth_result_read(&r, &result) && reader_finished(&r));
	cr_assert_str_eq(result.account, result.verdict == AUTH_OK ? account : "");
	return result.verdict;
}

static enum auth_verdict ask_and_wait(struct channel *channel, const struct auth_password *q)
{
	struct reply reply;

	ask(channel, q, &reply);
	daemon_run_until(&d, &reply.came);
	return verdict(&reply, "alice@example.org");
}

Test(auth_daemon, the_right_password_is_taken_with_and_without_the_domain)
{
	struct auth_password q = question("alice@example.org", "pencil");

	cr_assert_eq(ask_and_wait(smtpd, &q), AUTH_OK);
	q = question("ALICE", "pencil");
	cr_assert_eq(ask_and_wait(smtpd, &q), AUTH_OK);
	cr_assert_eq(d.sessions, 0);
}

static void refused(struct auth_password q)
{
	uint64_t before = clock_monotonic_us();

	cr_assert_eq(ask_and_wait(smtpd, &q), AUTH_REFUSED);
	cr_assert(clock_monotonic_us() - before > 900000, "the refusal came too soon");
}

Test(auth_daemon, all_else_is_refused_after_a_delay)
{
	struct auth_password q;

	refused(question("alice@example.org", "Pencil"));
	refused(question("carol@example.org", "pencil"));
	refused(question("dave@example.com", ""));
	refused(question("line\nbreak", "pencil"));
	q = question("erin@example.org", "pencil");
	q.authorize = SLICE("alice@example.org");
	refused(q);
}

Test(auth_daemon, a_password_in_the_clear_is_refused)
{
	struct auth_password q = question("alice@example.org", "pencil");

	q.tls = false;
	refused(q);
}

Test(auth_daemon, a_readers_login_asks_master_for_the_session)
{
	struct auth_password q = question("alice", "pencil");

	q.service = SERVICE_IMAPS;
	q.connection = 99;
	cr_assert_eq(ask_and_wait(imapd, &q), AUTH_OK);
	daemon_run_for(&d, 20);
	cr_assert_eq(d.sessions, 1);
	cr_assert_eq(d.session.service, SERVICE_IMAP);
	cr_assert_eq(d.session.instance, 3);
	cr_assert_eq(d.session.connection, 99);
	cr_assert_str_eq(d.session.account, "alice@example.org");
	cr_assert_str_eq(d.session.mailbox, "example.org/alice");
}

Test(auth_daemon, a_failed_login_gets_no_session)
{
	struct auth_password q = question("alice", "wrong");

	q.service = SERVICE_IMAPS;
	cr_assert_eq(ask_and_wait(imapd, &q), AUTH_REFUSED);
	cr_assert_eq(d.sessions, 0);
}

/* A front daemon that asks for what is not its own is broken into: it loses its channel, and it alone. */
Test(auth_daemon, a_peer_asks_about_its_own_services_only)
{
	struct auth_password q = question("alice", "pencil");
	struct reply reply;

	ask(imapd, &q, &reply);
	daemon_run_until(&d, &imapd_end.closed);
	cr_assert(reply.lost);
	cr_assert_eq(ask_and_wait(smtpd, &q), AUTH_OK);
}

Test(auth_daemon, who_knows_the_password_does_not_wait_for_those_who_guess)
{
	struct auth_password q = question("alice", "pencil"), guess = question("alice", "guess");
	struct reply replies[20];
	uint64_t before;

	cr_assert_eq(ask_and_wait(smtpd, &q), AUTH_OK);
	for (int i = 0; i < 20; i++)
		ask(smtpd, &guess, &replies[i]);
	daemon_run_for(&d, 300);
	before = clock_monotonic_us();
	cr_assert_eq(ask_and_wait(smtpd, &q), AUTH_OK);
	cr_assert(clock_monotonic_us() - before < 500000);
	for (int i = 0; i < 20; i++)
		cr_assert_not(replies[i].came, "a guess was answered at once");
}

Test(auth_daemon, a_changed_password_counts_within_a_second)
{
	struct auth_password old = question("alice", "pencil"), new = question("alice", "crayon");

	cr_assert_eq(ask_and_wait(smtpd, &old), AUTH_OK);
	put("alice@example.org", "crayon");
	daemon_run_for(&d, 1100);
	cr_assert_eq(ask_and_wait(smtpd, &new), AUTH_OK);
	cr_assert_eq(ask_and_wait(smtpd, &old), AUTH_REFUSED);
}

Test(auth_daemon, without_credentials_the_answer_is_temporary)
{
	struct auth_password q = question("alice", "pencil");

	channel_free(smtpd);
	channel_free(imapd);
	cr_assert_eq(daemon_stop(&d), 0);
	unlink(path);
	daemon_start(&d, "auth/auth", ROLE_AUTH, conf);
	smtpd = daemon_peer(&d, ROLE_SMTPD, 0, NULL);
	imapd = daemon_peer(&d, ROLE_IMAPD, 3, &imapd_end);
	cr_assert_eq(ask_and_wait(smtpd, &q), AUTH_TEMPORARY);
}
