/*
 * What a front daemon can make auth believe of a client's certificate: the real
 * auth, and a test in the place of a smtpd, honest or broken into.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "auth/credentials.h"
#include "common/channel_auth.h"
#include "tests/unit/daemon/daemon.h"
#include "tests/unit/tls/witnessed.h"

static char directory[] = "/tmp/petrel-auth-XXXXXX";
static struct daemon d;
static struct channel *smtpd;
static uint8_t beacon[TLS_BEACON];
static bool has_beacon;
static struct pair_of_key host, other_host, alice, bob, stranger;

/* --- files ------------------------------------------------------------------------ */

static const char *path(const char *name)
{
	static char text[128];

	snprintf(text, sizeof text, "%s/%s", directory, name);
	return text;
}

static void put(const char *name, struct slice text)
{
	int file = open(path(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	cr_assert_eq(write(file, text.data, text.len), (ssize_t)text.len);
	close(file);
}

static void list(struct buf *out, const char *account, X509 *certificate)
{
	uint8_t digest[32];
	unsigned len = sizeof digest;

	X509_digest(certificate, EVP_sha256(), digest, &len);
	buf_printf(out, "%s certificate ", account);
	for (size_t i = 0; i < sizeof digest; i++)
		buf_printf(out, "%02x", digest[i]);
	buf_append_octet(out, '\n');
}

static void put_files(void)
{
	struct buf text = buf_with_limit(65536);

	buf_append_string(&text, "alice@example.org ");
	credential_make(SLICE("pencil"), 4096, &text);
	buf_append_string(&text, "\nbob@example.org ");
	credential_make(SLICE("crayon"), 4096, &text);
	put("credentials", buf_slice(&text));
	buf_clear(&text);
	list(&text, "alice@example.org", alice.certificate);
	list(&text, "bob@example.org", bob.certificate);
	list(&text, "alice@example.org", stranger.certificate);
	put("certificates", buf_slice(&text));
	/* Who certifies them: themselves, but for the stranger. */
	buf_clear(&text);
	buf_append_slice(&text, buf_slice(&alice.pem));
	buf_append_slice(&text, buf_slice(&bob.pem));
	put("authorities", buf_slice(&text));
	buf_free(&text);
}

/* --- auth -------------------------------------------------------------------------- */

static bool on_message(struct channel *channel, struct message *m, void *context)
{
	struct reader r = message_reader(m);
	struct slice octets = read_slice(&r);

	(void)channel, (void)context;
	cr_assert_eq(m->type, AUTH_BEACON);
	cr_assert_eq(octets.len, sizeof beacon);
	memcpy(beacon, octets.data, sizeof beacon);
	has_beacon = true;
	return true;
}

static void on_closed(struct channel *channel, void *context)
{
	(void)channel, (void)context;
	cr_assert_fail("auth closed the channel");
}

static const struct channel_handlers handlers = {on_message, on_closed, NULL};

static void setup(void)
{
	char conf[256];

	cr_assert_not_null(mkdtemp(directory));
	pair_of_key_make(&host, "EC");
	pair_of_key_make(&other_host, "EC");
	pair_of_key_make(&alice, "EC");
	pair_of_key_make(&bob, "RSA");
	pair_of_key_make(&stranger, "EC");
	put_files();
	snprintf(conf, sizeof conf,
	    "domains example.org\ndirectory.auth %s\nauth.failure-delay 0\n"
	    "tls.client-authorities %s/authorities\n",
	    directory, directory);
	daemon_start(&d, "auth/auth", ROLE_AUTH, conf);
	smtpd = daemon_peer_with(&d, ROLE_SMTPD, 0, &handlers, NULL);
	daemon_send_certificate(&d, buf_slice(&host.pem));
	daemon_send_file(&d, CONTROL_FILE_CLIENT_AUTHORITIES, "authorities",
	    open(path("authorities"), O_RDONLY));
	daemon_run_until(&d, &has_beacon);
	cr_assert(has_beacon);
}

static void teardown(void)
{
	static const char *const names[] = {
	    "credentials", "certificates", "authorities", "decoy-secret"};

	channel_free(smtpd);
	cr_assert_eq(daemon_stop(&d), 0);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		unlink(path(names[i]));
	rmdir(directory);
	pair_of_key_free(&host);
	pair_of_key_free(&other_host);
	pair_of_key_free(&alice);
	pair_of_key_free(&bob);
	pair_of_key_free(&stranger);
}

TestSuite(auth_external, .init = setup, .fini = teardown, .timeout = 30);

static char account[321];

static enum auth_verdict ask(const struct witnessed *w, const char *authorize)
{
	struct auth_question q = {
	    .type = AUTH_EXTERNAL,
	    .service = SERVICE_SUBMISSION,
	    .connection = 7,
	    .mechanism = "EXTERNAL",
	    .client = "192.0.2.1",
	    .tls = true,
	    .authorize = slice_string(authorize),
	    .transcript = buf_slice(&w->transcript),
	    .verify = buf_slice(&w->verify),
	};
	struct reply reply = {0};
	struct auth_result result;
	struct reader r;

	auth_question_write(channel_call(smtpd, AUTH_EXTERNAL, daemon_reply, &reply, NULL), &q);
	cr_assert(channel_end(smtpd));
	daemon_run_until(&d, &reply.came);
	cr_assert_not(reply.lost);
	r = reader_over(slice_of(reply.body, reply.len));
	cr_assert(auth_result_read(&r, &result) && reader_finished(&r));
	strcpy(account, result.account);
	return (enum auth_verdict)result.verdict;
}

static void shake(struct witnessed *w, const struct pair_of_key *server,
    const struct pair_of_key *client, const uint8_t *with)
{
	witnessed_shake(
	    w, &(struct witnessed_how){.server = server, .client = client, .beacon = with});
}

Test(auth_external, a_client_that_was_there_is_who_its_certificate_says)
{
	struct witnessed w;

	shake(&w, &host, &alice, beacon);
	cr_assert_eq(ask(&w, ""), AUTH_OK);
	cr_assert_str_eq(account, "alice@example.org");
	witnessed_free(&w);
	shake(&w, &host, &bob, beacon);
	cr_assert_eq(ask(&w, "bob"), AUTH_OK);
	cr_assert_str_eq(account, "bob@example.org");
	witnessed_free(&w);
}

Test(auth_external, what_was_used_once_is_worth_nothing_again)
{
	struct witnessed w;

	shake(&w, &host, &alice, beacon);
	cr_assert_eq(ask(&w, ""), AUTH_OK);
	cr_assert_eq(ask(&w, ""), AUTH_REFUSED);
	witnessed_free(&w);
}

Test(auth_external, a_beacon_that_auth_has_not_made_is_worth_nothing)
{
	uint8_t own[TLS_BEACON] = {0};
	struct witnessed w;

	shake(&w, &host, &alice, own);
	cr_assert_eq(ask(&w, ""), AUTH_REFUSED);
	witnessed_free(&w);
}

/* Somebody has a web site that alice shows her certificate to, and a smtpd that he has broken into. */
Test(auth_external, a_certificate_that_was_shown_to_another_host_is_worth_nothing_here)
{
	struct witnessed w;

	shake(&w, &other_host, &alice, beacon);
	cr_assert_eq(ask(&w, ""), AUTH_REFUSED);
	witnessed_free(&w);
}

Test(auth_external, a_client_is_nobody_else)
{
	struct witnessed w, other;

	shake(&w, &host, &bob, beacon);
	cr_assert_eq(ask(&w, "alice@example.org"), AUTH_REFUSED);
	witnessed_free(&w);
	/* What alice said, under what bob has signed. */
	shake(&w, &host, &alice, beacon);
	shake(&other, &host, &bob, beacon);
	buf_clear(&w.verify);
	buf_append_slice(&w.verify, buf_slice(&other.verify));
	cr_assert_eq(ask(&w, ""), AUTH_REFUSED);
	witnessed_free(&w);
	witnessed_free(&other);
}

Test(auth_external, whom_no_authority_stands_for_is_nobody_though_listed)
{
	struct witnessed w;

	shake(&w, &host, &stranger, beacon);
	cr_assert_eq(ask(&w, ""), AUTH_REFUSED);
	witnessed_free(&w);
}

Test(auth_external, what_is_no_handshake_is_refused_and_the_channel_lives_on)
{
	struct witnessed w = {.transcript = buf_with_limit(4096), .verify = buf_with_limit(4096)};

	cr_assert_eq(ask(&w, "alice@example.org"), AUTH_REFUSED);
	for (int i = 0; i < 4096; i++)
		buf_append_octet(&w.transcript, (char)(i * 7));
	cr_assert_eq(ask(&w, "alice@example.org"), AUTH_REFUSED);
	witnessed_free(&w);
	shake(&w, &host, &alice, beacon);
	cr_assert_eq(ask(&w, ""), AUTH_OK);
	witnessed_free(&w);
}
