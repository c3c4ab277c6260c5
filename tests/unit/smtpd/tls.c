/* What a client under TLS may rely on (RFC 3207, RFC 8314). */
#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

#include "common/stream.h"
#include "keys/keyring.h"
#include "tests/unit/smtpd/dialogue.h"
#include "tests/unit/tls/pair.h"

static struct late_signer signer;
static struct stream *client; /* the test's side, once it speaks TLS */
static bool client_is_secured;

static void secured(struct stream *s, void *context)
{
	(void)s, (void)context;
	client_is_secured = true;
}

static void closed(struct stream *s, enum stream_end end, void *context)
{
	(void)s, (void)end, (void)context;
}

static const struct stream_handlers client_handlers = {.secured = secured, .closed = closed};

static void open_house(void)
{
	uint8_t id[KEYS_ID_OCTETS];
	struct buf key = buf_with_limit(65536), chain = buf_with_limit(65536),
		   error = buf_with_limit(512);

	cr_assert(tls_init());
	fake_open();
	make_certificate("EC", "hamburger.edu", &key, &chain);
	signer = (struct late_signer){.base = fake.base, .ring = keyring_new()};
	cr_assert(keyring_add(signer.ring, buf_slice(&key), id, &error));
	late_signer_use(&signer);
	fake.tls = tls_server_new(&(struct tls_settings){0});
	cr_assert(tls_server_add_certificate(fake.tls, buf_slice(&chain), &error), "%.*s",
	    SLICE_PRINTF(buf_slice(&error)));
	buf_free(&key);
	buf_free(&chain);
}

static void close_house(void)
{
	stream_free(client);
	client = NULL;
	fake.client = -1;
	fake_close();
	tls_server_free(fake.tls);
	keyring_free(signer.ring);
}

TestSuite(tls, .init = open_house, .fini = close_house);

static void shake_hands(void)
{
	struct buf error = buf_with_limit(512);
	struct tls_client *trust = tls_client_new(&(struct tls_settings){0}, SLICE(""), &error);
	int fd = fake.client;

	fake.client = -1;
	client_is_secured = false;
	client = stream_new(fake.base, fd, &client_handlers, NULL);
	cr_assert(stream_start_tls_client(client, trust, NULL, TLS_VERIFY_NONE));
	tls_client_free(trust);
	for (int i = 0; i < 200 && !client_is_secured; i++) {
		event_base_loop(fake.base, EVLOOP_NONBLOCK);
		usleep(1000);
	}
	cr_assert(client_is_secured);
}

/* Like expect(), under TLS. */
static void expect_secret(const char *text, const char *expected)
{
	char heard[8192] = "";
	size_t len;

	stream_write(client, slice_string(text));
	fake_run();
	fake_run();
	len = evbuffer_get_length(stream_input(client));
	cr_assert(len < sizeof heard);
	evbuffer_remove(stream_input(client), heard, len);
	heard[len] = '\0';
	expect_heard(text, heard, expected);
}

Test(tls, starttls_forgets_what_was_said_before_and_what_was_sent_behind_it)
{
	fake_connect(SERVICE_MX, "192.0.2.1");
	PLAY({"", "220 \n"},
	    {"EHLO x\r\n", "250-\n250-\n250-SIZE\n250-STARTTLS\n250-8BITMIME\n250-CHUNKING\n250-DSN\n250-SMTPUTF8\n250-LIMITS RCPTMAX=\n250 \n"},
	    {"MAIL FROM:<a@b.example>\r\n", "250 2.1.0\n"},
	    /* what somebody on the way has put behind the command (CVE-2011-0411) */
	    {"STARTTLS\r\nEHLO evil\r\nMAIL FROM:<evil@b.example>\r\nRCPT "
	     "TO:<bob@hamburger.edu>\r\n",
		"220 2.0.0\n"});
	shake_hands();
	cr_assert_eq(fake.recipients_asked, 0);
	expect_secret("MAIL FROM:<a@b.example>\r\n", "503 5.5.1\n");
	expect_secret(
	    "EHLO x\r\n", "250-\n250-\n250-SIZE\n250-AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN\n250-8BITMIME\n250-CHUNKING\n250-DSN\n250-SMTPUTF8\n250-LIMITS RCPTMAX=\n250-REQUIRETLS\n250 \n");
	expect_secret("STARTTLS\r\n", "503 5.5.1\n");
	expect_secret("MAIL FROM:<a@b.example>\r\nRCPT TO:<bob@hamburger.edu>\r\nDATA\r\n",
	    "250 \n250 \n354 \n");
	expect_secret("Subject: x\r\n\r\n..\r\n.\r\n", "250 2.0.0\n");
	cr_assert_str_eq(fake.commits[0].content, "Subject: x\r\n\r\n.\r\n");
	cr_assert_not_null(
	    strstr(fake.commits[0].prepend, "with ESMTPS"), "%s", fake.commits[0].prepend);
	cr_assert_not_null(
	    strstr(fake.commits[0].prepend, "TLSv1.3"), "%s", fake.commits[0].prepend);
	expect_secret("QUIT\r\n", "221 2.0.0\n");
}

Test(tls, submissions_speaks_tls_from_the_start_and_takes_passwords)
{
	fake_connect(SERVICE_SUBMISSIONS, "192.0.2.1");
	cr_assert_str_eq(fake_heard(), "", "nothing is said in the clear");
	shake_hands();
	expect_secret("", "220 hamburger.edu\n");
	expect_secret(
	    "EHLO x\r\n", "250-\n250-\n250-SIZE\n250-AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN\n250-8BITMIME\n250-CHUNKING\n250-DSN\n250-SMTPUTF8\n"
	    "250-LIMITS RCPTMAX=\n250-FUTURERELEASE 2592000 2\n250-MT-PRIORITY MIXER\n250-REQUIRETLS\n250 \n");
	expect_secret("MAIL FROM:<alice@hamburger.edu>\r\n", "530 5.7.0 Authentication required\n");
	expect_secret("AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n", "235 2.7.0\n");
	expect_secret(
	    "MAIL FROM:<alice@hamburger.edu>\r\nRCPT TO:<x@elsewhere.example>\r\nDATA\r\n",
	    "250 \n250 \n354 \n");
	expect_secret("Subject: x\r\n\r\nx\r\n.\r\n", "250 2.0.0\n");
	cr_assert_not_null(
	    strstr(fake.commits[0].prepend, "with ESMTPSA"), "%s", fake.commits[0].prepend);
}

Test(tls, who_comes_over_tls_may_ask_for_tls_on_the_further_way)
{
	fake_connect(SERVICE_MX, "192.0.2.1");
	PLAY({"", "220 \n"}, {"EHLO x\r\n", "250-\n250-\n250-\n250-STARTTLS\n250-\n250-\n250-\n250-\n250-\n250 \n"},
	    {"MAIL FROM:<a@b.example> REQUIRETLS\r\n", "523 5.7.10\n"},
	    {"STARTTLS\r\n", "220 2.0.0\n"});
	shake_hands();
	expect_secret("EHLO x\r\n", "250-\n250-\n250-\n250-AUTH\n250-\n250-\n250-\n250-\n250-\n250-REQUIRETLS\n250 \n");
	expect_secret("MAIL FROM:<a@b.example> REQUIRETLS=yes\r\n", "501 5.5.4\n");
	expect_secret("MAIL FROM:<a@b.example> REQUIRETLS\r\nRCPT TO:<bob@hamburger.edu>\r\nDATA\r\n",
	    "250 2.1.0\n250 \n354 \n");
	/* What MAIL says goes before what the header says. */
	expect_secret("TLS-Required: No\r\n\r\nx\r\n.\r\n", "250 2.0.0\n");
	cr_assert_eq(fake.commits[0].tls, TLS_REQUIRED);
	expect_secret("MAIL FROM:<a@b.example>\r\nRCPT TO:<bob@hamburger.edu>\r\nDATA\r\n",
	    "250 2.1.0\n250 \n354 \n");
	expect_secret("Subject: x\r\n\r\nx\r\n.\r\n", "250 2.0.0\n");
	cr_assert_eq(fake.commits[1].tls, TLS_AS_SET, "it is said of one message");
}

Test(tls, a_login_does_not_outlive_starttls)
{
	fake_set("auth.cleartext always");
	fake_connect(SERVICE_SUBMISSION, "192.0.2.1");
	PLAY({"", "220 \n"},
	    {"EHLO x\r\n", "250-\n250-\n250-\n250-STARTTLS\n250-AUTH\n250-\n250-\n250-\n250-\n250-LIMITS\n250-FUTURE\n250-MT-\n250 \n"},
	    {"AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n", "235 2.7.0\n"},
	    {"STARTTLS\r\n", "220 2.0.0\n"});
	shake_hands();
	expect_secret("EHLO x\r\n", "250-\n250-\n250-\n250-AUTH\n250-\n250-\n250-\n250-\n250-LIMITS\n250-FUTURE\n250-MT-\n250-REQUIRE\n250 \n");
	expect_secret("MAIL FROM:<alice@hamburger.edu>\r\n", "530 5.7.0\n");
}

Test(tls, starttls_takes_no_arguments)
{
	fake_connect(SERVICE_MX, "192.0.2.1");
	PLAY({"", "220 \n"}, {"STARTTLS now\r\n", "501 5.5.4\n"}, {"NOOP\r\n", "250 2.0.0\n"});
}
