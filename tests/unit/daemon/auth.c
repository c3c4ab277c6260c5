/* What auth promises to its askers: the real process, sandbox and threads included. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <unistd.h>

#include "auth/credentials.h"
#include "auth/scram.h"
#include "common/channel_auth.h"
#include "common/clock.h"
#include "message/encoding.h"
#include "tests/unit/daemon/daemon.h"

static char directory[] = "/tmp/petrel-auth-XXXXXX";
static char path[64], secret[64], conf[512];
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
	snprintf(secret, sizeof secret, "%s/decoy-secret", directory);
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
	unlink(secret);
	rmdir(directory);
}

TestSuite(auth_daemon, .init = setup, .fini = teardown, .timeout = 30);

static struct auth_question question(const char *name, const char *password)
{
	return (struct auth_question){
	    .type = AUTH_PASSWORD,
	    .service = SERVICE_SUBMISSION,
	    .connection = 7,
	    .mechanism = "PLAIN",
	    .client = "192.0.2.1",
	    .tls = true,
	    .name = slice_string(name),
	    .password = slice_string(password),
	};
}

static void ask(struct channel *channel, const struct auth_question *q, struct reply *reply)
{
	*reply = (struct reply){0};
	auth_question_write(channel_call(channel, AUTH_PASSWORD, daemon_reply, reply, NULL), q);
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

static enum auth_verdict ask_and_wait(struct channel *channel, const struct auth_question *q)
{
	struct reply reply;

	ask(channel, q, &reply);
	daemon_run_until(&d, &reply.came);
	return verdict(&reply, "alice@example.org");
}

Test(auth_daemon, the_right_password_is_taken_with_and_without_the_domain)
{
	struct auth_question q = question("alice@example.org", "pencil");

	cr_assert_eq(ask_and_wait(smtpd, &q), AUTH_OK);
	q = question("ALICE", "pencil");
	cr_assert_eq(ask_and_wait(smtpd, &q), AUTH_OK);
	cr_assert_eq(d.sessions, 0);
}

static void refused(struct auth_question q)
{
	uint64_t before = clock_monotonic_us();

	cr_assert_eq(ask_and_wait(smtpd, &q), AUTH_REFUSED);
	cr_assert(clock_monotonic_us() - before > 900000, "the refusal came too soon");
}

Test(auth_daemon, all_else_is_refused_after_a_delay)
{
	struct auth_question q;

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
	struct auth_question q = question("alice@example.org", "pencil");

	q.tls = false;
	refused(q);
}

Test(auth_daemon, a_readers_login_asks_master_for_the_session)
{
	struct auth_question q = question("alice", "pencil");

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
	struct auth_question q = question("alice", "wrong");

	q.service = SERVICE_IMAPS;
	cr_assert_eq(ask_and_wait(imapd, &q), AUTH_REFUSED);
	cr_assert_eq(d.sessions, 0);
}

/* A front daemon that asks for what is not its own is broken into: it loses its channel, and it alone. */
Test(auth_daemon, a_peer_asks_about_its_own_services_only)
{
	struct auth_question q = question("alice", "pencil");
	struct reply reply;

	ask(imapd, &q, &reply);
	daemon_run_until(&d, &imapd_end.closed);
	cr_assert(reply.lost);
	cr_assert_eq(ask_and_wait(smtpd, &q), AUTH_OK);
}

Test(auth_daemon, who_knows_the_password_does_not_wait_for_those_who_guess)
{
	struct auth_question q = question("alice", "pencil"), guess = question("alice", "guess");
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
	struct auth_question old = question("alice", "pencil"), new = question("alice", "crayon");

	cr_assert_eq(ask_and_wait(smtpd, &old), AUTH_OK);
	put("alice@example.org", "crayon");
	daemon_run_for(&d, 1100);
	cr_assert_eq(ask_and_wait(smtpd, &new), AUTH_OK);
	cr_assert_eq(ask_and_wait(smtpd, &old), AUTH_REFUSED);
}

Test(auth_daemon, without_credentials_the_answer_is_temporary)
{
	struct auth_question q = question("alice", "pencil");

	channel_free(smtpd);
	channel_free(imapd);
	cr_assert_eq(daemon_stop(&d), 0);
	unlink(path);
	daemon_start(&d, "auth/auth", ROLE_AUTH, conf);
	smtpd = daemon_peer(&d, ROLE_SMTPD, 0, NULL);
	imapd = daemon_peer(&d, ROLE_IMAPD, 3, &imapd_end);
	cr_assert_eq(ask_and_wait(smtpd, &q), AUTH_TEMPORARY);
}

/* --- SCRAM ------------------------------------------------------------------------ */

static char challenge[AUTH_CHALLENGE_MAX + 1]; /* the last */

static enum auth_verdict converse(
    struct channel *channel, enum auth_type type, uint64_t connection, const char *message)
{
	struct auth_question q = question("", "");
	struct reply reply = {0};
	struct auth_result result;
	struct reader r;

	q.type = type;
	q.connection = connection;
	q.message = slice_string(message);
	slice_copy(SLICE("SCRAM-SHA-256"), q.mechanism, sizeof q.mechanism);
	if (channel == imapd)
		q.service = SERVICE_IMAPS;
	auth_question_write(
	    channel_call(channel, (uint16_t)type, daemon_reply, &reply, NULL), &q);
	cr_assert(channel_end(channel));
	daemon_run_until(&d, &reply.came);
	cr_assert_not(reply.lost);
	r = reader_over(slice_of(reply.body, reply.len));
	cr_assert(auth_result_read(&r, &result) && reader_finished(&r));
	cr_assert(slice_copy(result.challenge, challenge, sizeof challenge));
	return (enum auth_verdict)result.verdict;
}

static void begin(struct channel *channel, uint64_t connection, const char *name)
{
	char message[256];

	snprintf(message, sizeof message, "n,,n=%s,r=client", name);
	cr_assert_eq(converse(channel, AUTH_SCRAM, connection, message), AUTH_CONTINUE);
}

/* The client's final message for the challenge that came last. */
static const char *prove(const char *name, const char *password)
{
	static char message[512];
	struct buf text = buf_with_limit(1024), salt = buf_with_limit(128),
		   proof = buf_with_limit(64);
	struct cursor in = cursor_over(slice_string(challenge));
	struct slice nonce = cursor_take_until(&in, ','), iterations;
	uint8_t salted[SCRAM_KEY], client_key[SCRAM_KEY], stored_key[SCRAM_KEY],
	    signature[SCRAM_KEY];
	uint64_t count;

	cursor_skip(&in, 3);
	cr_assert(base64_decode(cursor_take_until(&in, ','), &salt));
	cursor_skip(&in, 3);
	iterations = cursor_rest(&in);
	cr_assert(slice_number(iterations, SCRAM_ITERATIONS_MAX, &count));
	PKCS5_PBKDF2_HMAC(password, (int)strlen(password), (const unsigned char *)salt.data,
	    (int)salt.len, (int)count, EVP_sha256(), SCRAM_KEY, salted);
	scram_hmac(salted, SLICE("Client Key"), client_key);
	SHA256(client_key, sizeof client_key, stored_key);
	buf_printf(&text, "n=%s,r=client,%s,c=biws,%.*s", name, challenge, SLICE_PRINTF(nonce));
	scram_hmac(stored_key, buf_slice(&text), signature);
	for (size_t i = 0; i < SCRAM_KEY; i++)
		client_key[i] ^= signature[i];
	base64_encode(slice_of(client_key, sizeof client_key), &proof);
	snprintf(message, sizeof message, "c=biws,%.*s,p=%.*s", SLICE_PRINTF(nonce),
	    SLICE_PRINTF(buf_slice(&proof)));
	buf_free(&text);
	buf_free(&salt);
	buf_free(&proof);
	return message;
}

Test(auth_daemon, a_scram_conversation_ends_in_a_session)
{
	begin(imapd, 5, "alice");
	cr_assert_eq(converse(imapd, AUTH_RESPONSE, 5, prove("alice", "pencil")), AUTH_CONTINUE);
	cr_assert_eq(strncmp(challenge, "v=", 2), 0);
	cr_assert_eq(d.sessions, 0, "the client has not said that it believes us");
	cr_assert_eq(converse(imapd, AUTH_RESPONSE, 5, ""), AUTH_OK);
	daemon_run_for(&d, 20);
	cr_assert_eq(d.sessions, 1);
	cr_assert_eq(d.session.connection, 5);
	cr_assert_str_eq(d.session.mailbox, "example.org/alice");
	/* It is over. */
	cr_assert_eq(converse(imapd, AUTH_RESPONSE, 5, ""), AUTH_TEMPORARY);
	cr_assert_eq(d.sessions, 1);
}

Test(auth_daemon, of_too_many_conversations_the_one_that_waited_longest_gives_way)
{
	begin(imapd, 1, "alice");
	for (uint64_t i = 1; i <= 1001; i++)
		begin(smtpd, i, "alice");
	cr_assert_eq(converse(smtpd, AUTH_RESPONSE, 1, "c=biws,r=x,p=eA=="), AUTH_TEMPORARY);
	cr_assert_eq(converse(smtpd, AUTH_RESPONSE, 2, "nonsense"), AUTH_MALFORMED);
	begin(smtpd, 2000, "alice");
	cr_assert_eq(converse(smtpd, AUTH_RESPONSE, 2000, prove("alice", "pencil")), AUTH_CONTINUE);
	cr_assert_eq(converse(smtpd, AUTH_RESPONSE, 2000, ""), AUTH_OK);
	cr_assert_eq(converse(imapd, AUTH_RESPONSE, 1, "nonsense"), AUTH_MALFORMED,
	    "another front daemon's is none of theirs");
}

static void is_refused_at_the_end(const char *name, const char *password)
{
	uint64_t before;

	begin(smtpd, 5, name);
	before = clock_monotonic_us();
	cr_assert_eq(converse(smtpd, AUTH_RESPONSE, 5, prove(name, password)), AUTH_REFUSED);
	cr_assert_eq(challenge[0], '\0');
	cr_assert(clock_monotonic_us() - before > 900000, "the refusal came too soon");
}

Test(auth_daemon, a_wrong_password_and_an_unknown_account_are_refused_alike_in_scram)
{
	is_refused_at_the_end("alice", "wrong");
	is_refused_at_the_end("nobody", "pencil");
}

Test(auth_daemon, the_salt_of_who_does_not_exist_outlives_a_restart)
{
	char before[sizeof challenge];
	const char *salt;

	begin(smtpd, 5, "nobody");
	strcpy(before, strchr(challenge, ','));
	channel_free(smtpd);
	channel_free(imapd);
	cr_assert_eq(daemon_stop(&d), 0);
	daemon_start(&d, "auth/auth", ROLE_AUTH, conf);
	smtpd = daemon_peer(&d, ROLE_SMTPD, 0, NULL);
	imapd = daemon_peer(&d, ROLE_IMAPD, 3, &imapd_end);
	begin(smtpd, 5, "nobody");
	salt = strchr(challenge, ',');
	cr_assert_str_eq(salt, before);
	begin(smtpd, 5, "somebody");
	cr_assert_str_neq(strchr(challenge, ','), before);
}

Test(auth_daemon, a_scram_conversation_begins_afresh_and_belongs_to_its_connection)
{
	const char *proof;

	begin(smtpd, 5, "alice");
	proof = prove("alice", "pencil");
	begin(smtpd, 5, "alice"); /* another nonce */
	cr_assert_eq(converse(smtpd, AUTH_RESPONSE, 5, proof), AUTH_REFUSED);
	begin(smtpd, 5, "alice");
	proof = prove("alice", "pencil");
	cr_assert_eq(converse(smtpd, AUTH_RESPONSE, 6, proof), AUTH_TEMPORARY);
	cr_assert_eq(converse(imapd, AUTH_RESPONSE, 5, proof), AUTH_TEMPORARY);
	cr_assert_eq(converse(smtpd, AUTH_RESPONSE, 5, proof), AUTH_CONTINUE);
	cr_assert_eq(converse(smtpd, AUTH_RESPONSE, 5, "x"), AUTH_MALFORMED);
}

Test(auth_daemon, a_cancelled_conversation_is_over)
{
	struct auth_question over = {.type = AUTH_CANCEL, .connection = 5};
	const char *proof;

	begin(smtpd, 5, "alice");
	proof = prove("alice", "pencil");
	auth_question_write(channel_begin(smtpd, AUTH_CANCEL, 0), &over);
	cr_assert(channel_end(smtpd));
	cr_assert_eq(converse(smtpd, AUTH_RESPONSE, 5, proof), AUTH_TEMPORARY);
}

Test(auth_daemon, a_password_that_changed_in_the_middle_of_scram_does_not_count)
{
	const char *proof;

	begin(smtpd, 5, "alice");
	proof = prove("alice", "pencil");
	put("alice@example.org", "crayon");
	cr_assert_eq(converse(smtpd, AUTH_RESPONSE, 5, proof), AUTH_REFUSED);
}

Test(auth_daemon, in_scram_too_nobody_acts_for_another)
{
	cr_assert_eq(
	    converse(smtpd, AUTH_SCRAM, 5, "n,a=bob,n=alice,r=client"), AUTH_REFUSED);
	cr_assert_eq(
	    converse(smtpd, AUTH_SCRAM, 5, "n,a=alice@example.org,n=alice,r=client"),
	    AUTH_CONTINUE);
	cr_assert_eq(converse(smtpd, AUTH_SCRAM, 5, "nonsense"), AUTH_MALFORMED);
}
