/*
 * What signing.h promises: a real smtpd shakes hands with the help of a real keys,
 * and only with it.
 */
#include <criterion/criterion.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/daemon/daemon.h"
#include "tests/unit/tls/pair.h"

static struct daemon keys, smtpd;
static struct buf key_pem, chain_pem, error;
static struct sockaddr_in address = {.sin_family = AF_INET};
static struct tls_client *trusting;
static struct side client;

static const char conf[] = "hostname mail.example.test\ndomains example.test\n";

static void give_key(struct daemon *d, const struct buf *pem)
{
	FILE *file = tmpfile();

	fwrite(pem->data, 1, pem->len, file);
	rewind(file);
	daemon_send_file(d, CONTROL_FILE_KEY, "test", dup(fileno(file)));
	daemon_end_files(d);
	fclose(file);
}

static void start_keys(void)
{
	daemon_start_beside(&keys, smtpd.base, "keys/keys", ROLE_KEYS, conf);
	give_key(&keys, &key_pem);
}

static void listen_on(enum service service)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof address;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	cr_assert_eq(bind(fd, (struct sockaddr *)&address, len), 0);
	cr_assert_eq(listen(fd, 5), 0);
	getsockname(fd, (struct sockaddr *)&address, &len);
	daemon_send_listener(&smtpd, service, fd);
}

static void setup(void)
{
	struct tls_settings defaults = {0};

	cr_assert(tls_init());
	key_pem = buf_with_limit(65536);
	chain_pem = buf_with_limit(65536);
	error = buf_with_limit(1024);
	make_certificate("RSA", "mail.example.test", &key_pem, &chain_pem);
	daemon_start(&smtpd, "smtpd/smtpd", ROLE_SMTPD, conf);
	start_keys();
	daemon_join(&smtpd, ROLE_SMTPD, &keys, ROLE_KEYS);
	daemon_send_certificate(&smtpd, buf_slice(&chain_pem));
	listen_on(SERVICE_SUBMISSIONS);
	trusting = tls_client_new(&defaults, buf_slice(&chain_pem), &error);
	cr_assert_not_null(trusting);
	daemon_run_for(&smtpd, 100);
}

static void teardown(void)
{
	stream_free(client.stream);
	daemon_stop(&keys);
	cr_assert_eq(daemon_stop(&smtpd), 0);
	tls_client_free(trusting);
	buf_free(&key_pem);
	buf_free(&chain_pem);
	buf_free(&error);
}

TestSuite(tls_daemon, .init = setup, .fini = teardown, .timeout = 30);

static void begin_handshake(void)
{
	struct stream_limits limits = stream_default_limits;

	limits.handshake_seconds = 5;
	client.stream = stream_connect(smtpd.base, (struct sockaddr *)&address, sizeof address,
	    NULL, 0, 5, &side_handlers, &client);
	cr_assert_not_null(client.stream);
	for (int i = 0; i < 100 && client.connected == 0; i++)
		daemon_run_for(&smtpd, 10);
	stream_set_limits(client.stream, &limits);
	cr_assert(
	    stream_start_tls_client(client.stream, trusting, "mail.example.test", TLS_VERIFY_NAME));
}

static void wait_until_greeted(void)
{
	char *text;

	for (int i = 0; i < 400 && client.readable == 0 && client.closed == 0; i++)
		daemon_run_for(&smtpd, 10);
	cr_assert_eq(client.closed, 0, "%s", client.error);
	cr_assert_eq(client.secured, 1);
	text = side_take(&client);
	cr_assert(strncmp(text, "220 mail.example.test ", 22) == 0, "%s", text);
	free(text);
}

Test(tls_daemon, a_handshake_is_signed_by_keys)
{
	begin_handshake();
	wait_until_greeted();
}

Test(tls_daemon, a_handshake_waits_while_keys_is_started_again)
{
	kill(keys.pid, SIGKILL);
	daemon_run_until(&keys, &keys.is_gone);
	daemon_stop(&keys);
	begin_handshake();
	daemon_run_for(&smtpd, 500);
	cr_assert_eq(client.secured, 0);
	cr_assert_eq(client.closed, 0);
	start_keys();
	daemon_run_for(&smtpd, 50);
	daemon_join(&smtpd, ROLE_SMTPD, &keys, ROLE_KEYS);
	wait_until_greeted();
}

Test(tls_daemon, a_signature_that_got_lost_is_asked_for_again)
{
	daemon_pause(&keys);
	begin_handshake();
	daemon_run_for(&smtpd, 200);
	cr_assert_eq(client.secured, 0);
	kill(keys.pid, SIGKILL);
	daemon_run_until(&keys, &keys.is_gone);
	daemon_stop(&keys);
	start_keys();
	daemon_run_for(&smtpd, 50);
	daemon_join(&smtpd, ROLE_SMTPD, &keys, ROLE_KEYS);
	wait_until_greeted();
}

Test(tls_daemon, a_certificate_whose_key_is_not_there_fails_the_handshake_and_no_more)
{
	struct buf other_key = buf_with_limit(65536), other_chain = buf_with_limit(65536);

	make_certificate("EC", "mail.example.test", &other_key, &other_chain);
	daemon_send_certificate(&smtpd, buf_slice(&other_chain));
	daemon_run_for(&smtpd, 100);
	begin_handshake();
	for (int i = 0; i < 200 && client.closed == 0; i++)
		daemon_run_for(&smtpd, 10);
	cr_assert_eq(client.end, STREAM_TLS_FAILED);
	buf_free(&other_key);
	buf_free(&other_chain);
	/* The right certificate again, and all is well. */
	stream_free(client.stream);
	client = (struct side){0};
	daemon_send_certificate(&smtpd, buf_slice(&chain_pem));
	daemon_run_for(&smtpd, 100);
	begin_handshake();
	wait_until_greeted();
}
