/* What stream.h and tls.h promise of streams under TLS. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <malloc.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/stream_private.h"
#include "common/tls_private.h"
#include "tests/unit/tls/pair.h"

static struct pair p;
static struct late_signer signer;
static struct buf key_pem, chain_pem, error;
static struct tls_server *server;
static struct tls_client *client;
static uint8_t id[KEYS_ID_OCTETS];

/* Keys with certificates that the client trusts, and a server that shows them. */
static void prepare(const char *kind, struct tls_settings settings)
{
	key_pem = buf_with_limit(65536);
	chain_pem = buf_with_limit(65536);
	error = buf_with_limit(1024);
	pair_open(&p);
	signer = (struct late_signer){.base = p.base, .ring = keyring_new(), .waiting = 5};
	late_signer_use(&signer);
	make_certificate(kind, "mail.example.test", &key_pem, &chain_pem);
	cr_assert(keyring_add(signer.ring, buf_slice(&key_pem), id, &error));
	server = tls_server_new(&settings);
	cr_assert(tls_server_add_certificate(server, buf_slice(&chain_pem), &error), "%.*s",
	    SLICE_PRINTF(buf_slice(&error)));
	client = tls_client_new(&settings, buf_slice(&chain_pem), &error);
	cr_assert_not_null(client);
}

static void setup(void)
{
	prepare("EC", (struct tls_settings){0});
}

static void teardown(void)
{
	pair_close(&p);
	tls_server_free(server);
	tls_client_free(client);
	keyring_free(signer.ring);
	buf_free(&key_pem);
	buf_free(&chain_pem);
	buf_free(&error);
}

static void secure(void)
{
	cr_assert(stream_start_tls_server(p.server.stream, server));
	cr_assert(
	    stream_start_tls_client(p.client.stream, client, "mail.example.test", TLS_VERIFY_NAME));
	pair_run_until(&p, both_secured);
}

TestSuite(tls, .init = setup, .fini = teardown, .timeout = 30);

/* A handshake, and octets both ways, with each kind of key and each version. */
static void shakes_hands(const char *kind, int version)
{
	struct tls_facts facts;
	char *text;

	prepare(kind, (struct tls_settings){.only_tls13 = version == TLS1_3_VERSION});
	if (version == TLS1_2_VERSION)
		SSL_CTX_set_max_proto_version(client->context, TLS1_2_VERSION);
	secure();
	cr_assert_eq(signer.asked, 1);
	stream_tls_facts(p.server.stream, &facts);
	cr_assert_str_eq(facts.protocol, version == TLS1_3_VERSION ? "TLSv1.3" : "TLSv1.2");
	cr_assert(facts.bits >= 128);
	cr_assert_not(facts.resumed);
	cr_assert_str_eq(facts.server_name, "mail.example.test");
	stream_tls_facts(p.client.stream, &facts);
	cr_assert(facts.verified);
	stream_write(p.client.stream, SLICE("hello"));
	stream_write(p.server.stream, SLICE("world"));
	pair_run_until(&p, server_read);
	pair_run_until(&p, client_read);
	text = side_take(&p.server);
	cr_assert_str_eq(text, "hello");
	free(text);
	text = side_take(&p.client);
	cr_assert_str_eq(text, "world");
	free(text);
	teardown();
}

Test(tls_handshake, rsa_tls12)
{
	shakes_hands("RSA", TLS1_2_VERSION);
}

Test(tls_handshake, rsa_tls13)
{
	shakes_hands("RSA", TLS1_3_VERSION);
}

Test(tls_handshake, ec_tls12)
{
	shakes_hands("EC", TLS1_2_VERSION);
}

Test(tls_handshake, ec_tls13)
{
	shakes_hands("EC", TLS1_3_VERSION);
}

Test(tls_handshake, ed25519_tls12)
{
	shakes_hands("ED25519", TLS1_2_VERSION);
}

Test(tls_handshake, ed25519_tls13)
{
	shakes_hands("ED25519", TLS1_3_VERSION);
}

/* OpenSSL falls back to PKCS#1 v1.5 where a TLS 1.2 client knows no PSS. */
Test(tls_handshake, rsa_pkcs1)
{
	prepare("RSA", (struct tls_settings){0});
	SSL_CTX_set_max_proto_version(client->context, TLS1_2_VERSION);
	SSL_CTX_set1_sigalgs_list(client->context, "RSA+SHA256");
	secure();
	teardown();
}

Test(tls_handshake, both_an_rsa_and_an_ec_certificate)
{
	prepare("EC", (struct tls_settings){0});
	buf_clear(&key_pem);
	buf_clear(&chain_pem);
	make_certificate("RSA", "mail.example.test", &key_pem, &chain_pem);
	cr_assert(keyring_add(signer.ring, buf_slice(&key_pem), id, &error));
	cr_assert(tls_server_add_certificate(server, buf_slice(&chain_pem), &error));
	SSL_CTX_set1_sigalgs_list(client->context, "RSA-PSS+SHA256:RSA+SHA256");
	cr_assert(stream_start_tls_server(p.server.stream, server));
	cr_assert(stream_start_tls_client(p.client.stream, client, NULL, TLS_VERIFY_NONE));
	pair_run_until(&p, both_secured);
	teardown();
}

Test(tls, the_event_loop_turns_while_a_signature_is_awaited)
{
	signer.waiting = 200;
	stream_start_tls_server(p.server.stream, server);
	stream_start_tls_client(p.client.stream, client, "mail.example.test", TLS_VERIFY_NAME);
	pair_run_for(&p, 100);
	cr_assert_eq(signer.asked, 1);
	cr_assert_eq(p.server.secured, 0);
	pair_run_until(&p, both_secured);
}

Test(tls, a_connection_that_goes_while_its_signature_is_awaited_is_wound_up)
{
	signer.silent = true;
	stream_start_tls_server(p.server.stream, server);
	stream_start_tls_client(p.client.stream, client, "mail.example.test", TLS_VERIFY_NAME);
	pair_run_for(&p, 50);
	cr_assert_eq(signer.asked, 1);
	stream_free(p.server.stream);
	p.server.stream = NULL;
	cr_assert_eq(signer.cancelled, 1);
	pair_run_until(&p, client_closed);
	cr_assert_eq(p.client.end, STREAM_TLS_FAILED);
}

/* A signer that answers nobody until it is told to. */
enum { CROWD = 1200 };
static struct {
	struct tls_pending *pending[CROWD];
	struct keys_sign question[CROWD];
	char digest[CROWD][64];
	unsigned asked, answered;
} hoard;

static bool hoard_sign(void *context, struct tls_pending *pending, const struct keys_sign *question)
{
	unsigned n = hoard.asked++;

	(void)context;
	cr_assert(n < CROWD && question->input.len <= 64);
	hoard.pending[n] = pending;
	hoard.question[n] = *question;
	memcpy(hoard.digest[n], question->input.data, question->input.len);
	hoard.question[n].input = slice_of(hoard.digest[n], question->input.len);
	return true;
}

static void hoard_cancel(void *context, struct tls_pending *pending)
{
	(void)context;
	(void)pending;
	cr_assert_fail("nobody gives up");
}

static void hoard_answer(void)
{
	for (; hoard.answered < hoard.asked; hoard.answered++) {
		struct buf signature = buf_with_limit(KEYS_SIGNATURE_MAX);

		cr_assert(keyring_sign(signer.ring, &hoard.question[hoard.answered], &signature));
		tls_signed(hoard.pending[hoard.answered], buf_slice(&signature));
		buf_free(&signature);
	}
}

Test(tls, a_crowd_of_handshakes_waits_for_its_turn)
{
	static const struct tls_signer slow = {hoard_sign, hoard_cancel, NULL};
	static struct pair crowd[CROWD];
	unsigned secured = 0;

	tls_set_signer(&slow);
	for (size_t i = 0; i < CROWD; i++) {
		int sockets[2];

		cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0, "%zu", i);
		crowd[i].base = p.base;
		crowd[i].server.stream = stream_new(p.base, sockets[0], &side_handlers, &crowd[i].server);
		crowd[i].client.stream = stream_new(p.base, sockets[1], &side_handlers, &crowd[i].client);
		cr_assert(stream_start_tls_server(crowd[i].server.stream, server));
		cr_assert(stream_start_tls_client(crowd[i].client.stream, client, "mail.example.test", TLS_VERIFY_NAME));
	}
	for (int i = 0; i < 1000 && hoard.asked < 1024; i++)
		pair_run_for(&p, 10);
	pair_run_for(&p, 100);
	cr_assert_eq(hoard.asked, 1024, "%u: so many stacks there are", hoard.asked);
	for (int i = 0; i < 1000 && secured < CROWD; i++) {
		hoard_answer();
		pair_run_for(&p, 10);
		secured = 0;
		for (size_t n = 0; n < CROWD; n++)
			secured += crowd[n].client.secured;
	}
	cr_assert_eq(secured, CROWD, "%u", secured);
	for (size_t i = 0; i < CROWD; i++) {
		stream_free(crowd[i].server.stream);
		stream_free(crowd[i].client.stream);
	}
}

Test(tls, without_a_signature_the_handshake_fails)
{
	keyring_free(signer.ring);
	signer.ring = keyring_new();
	stream_start_tls_server(p.server.stream, server);
	stream_start_tls_client(p.client.stream, client, "mail.example.test", TLS_VERIFY_NAME);
	pair_run_until(&p, server_closed);
	cr_assert_eq(p.server.end, STREAM_TLS_FAILED);
	cr_assert_str_eq(p.server.error, "no signature was to be had from keys");
	pair_run_until(&p, client_closed);
	cr_assert_eq(p.client.end, STREAM_TLS_FAILED);
}

Test(tls, a_handshake_that_takes_too_long_times_out)
{
	struct stream_limits limits = stream_default_limits;

	limits.handshake_seconds = 1;
	stream_set_limits(p.server.stream, &limits);
	signer.silent = true;
	stream_start_tls_server(p.server.stream, server);
	stream_start_tls_client(p.client.stream, client, NULL, TLS_VERIFY_NONE);
	pair_run_until(&p, server_closed);
	cr_assert_eq(p.server.end, STREAM_TIMED_OUT);
}

static void answer_starttls(struct side *side)
{
	if (side->readable > 1)
		return;
	stream_write(side->stream, SLICE("220 go ahead\r\n"));
	cr_assert(stream_start_tls_server(side->stream, server));
	cr_assert_eq(evbuffer_get_length(stream_input(side->stream)), 0);
	stream_write(side->stream, SLICE("250 under TLS\r\n"));
}

/* CVE-2011-0411: the injected command is in the same segment as STARTTLS. */
Test(tls, what_was_sent_in_the_clear_behind_starttls_is_thrown_away)
{
	char *text;

	p.server.on_readable = answer_starttls;
	stream_write(p.client.stream, SLICE("STARTTLS\r\nRCPT TO:<victim@example.test>\r\n"));
	pair_run_until(&p, client_read);
	text = side_take(&p.client);
	cr_assert_str_eq(text, "220 go ahead\r\n", "the 220 goes out in the clear, and it alone");
	free(text);
	cr_assert(
	    stream_start_tls_client(p.client.stream, client, "mail.example.test", TLS_VERIFY_NAME));
	p.client.readable = 0;
	pair_run_until(&p, both_secured);
	stream_write(p.client.stream, SLICE("NOOP\r\n"));
	p.server.readable = 1;
	pair_run_until(&p, client_read);
	pair_run_for(&p, 30);
	text = side_take(&p.server);
	cr_assert_str_eq(text, "NOOP\r\n");
	free(text);
	text = side_take(&p.client);
	cr_assert_str_eq(text, "250 under TLS\r\n");
	free(text);
}

/* The client's side of the same hole: a reply slipped in before the handshake. */
Test(tls, a_reply_in_the_clear_is_not_taken_for_one_under_tls)
{
	stream_write(p.server.stream, SLICE("220 go\r\n250 all is well\r\n"));
	pair_run_until(&p, client_read);
	stream_start_tls_server(p.server.stream, server);
	stream_start_tls_client(p.client.stream, client, "mail.example.test", TLS_VERIFY_NAME);
	pair_run_until(&p, both_secured);
	pair_run_for(&p, 30);
	cr_assert_eq(evbuffer_get_length(stream_input(p.client.stream)), 0);
}

/* Many small replies under TLS: one record, one write. */
Test(tls, replies_of_one_turn_leave_in_one_record)
{
	unsigned char peeked[65536];
	ssize_t n;

	secure();
	pair_run_for(&p, 20);
	stream_pause(p.client.stream);
	for (int i = 0; i < 50; i++)
		stream_write(p.server.stream, SLICE("250 2.1.5 ok\r\n"));
	pair_run_for(&p, 20);
	n = recv(stream_fd(p.client.stream), peeked, sizeof peeked, MSG_PEEK | MSG_DONTWAIT);
	cr_assert(n > 5 && peeked[0] == 23);
	cr_assert_eq(n, 5 + peeked[3] * 256 + peeked[4], "more than one record");
}

Test(tls, much_arrives_whole_both_ways_within_the_limits)
{
	enum { TOTAL = 3 * 1024 * 1024 };
	static char block[TOTAL];
	size_t got = 0;

	secure();
	for (size_t i = 0; i < TOTAL; i++)
		block[i] = (char)(i * 7 + i / 251);
	stream_write(p.server.stream, slice_of(block, TOTAL));
	for (int i = 0; i < 5000 && got < TOTAL; i++) {
		struct evbuffer *in = stream_input(p.client.stream);
		static char piece[65536];
		int n;

		pair_run_for(&p, 0);
		event_base_loop(p.base, EVLOOP_NONBLOCK);
		cr_assert(evbuffer_get_length(in) < 16384 + 16384);
		n = evbuffer_remove(in, piece, sizeof piece);
		cr_assert(n <= 0 || memcmp(piece, block + got, (size_t)n) == 0);
		got += n > 0 ? (size_t)n : 0;
	}
	cr_assert_eq(got, TOTAL, "%zu octets", got);
}

Test(tls, octets_that_openssl_has_read_ahead_are_not_forgotten)
{
	struct stream_limits limits = stream_default_limits;
	size_t got = 0;

	secure();
	limits.input = 1;
	stream_set_limits(p.server.stream, &limits);
	/* Several records in one segment, each read alone. */
	for (int i = 0; i < 5; i++) {
		stream_write(p.client.stream, SLICE("line\r\n"));
		pair_run_for(&p, 10);
	}
	for (int i = 0; i < 100 && got < 30; i++) {
		pair_run_for(&p, 10);
		got += evbuffer_get_length(stream_input(p.server.stream));
		evbuffer_drain(stream_input(p.server.stream), 100);
	}
	cr_assert_eq(got, 30);
}

Test(tls, pausing_holds_under_tls_too)
{
	secure();
	stream_pause(p.server.stream);
	stream_write(p.client.stream, SLICE("x"));
	pair_run_for(&p, 30);
	cr_assert_eq(p.server.readable, 0);
	stream_resume(p.server.stream);
	pair_run_until(&p, server_read);
}

Test(tls, an_orderly_end_says_close_notify)
{
	secure();
	stream_write(p.server.stream, SLICE("221 bye\r\n"));
	stream_close_when_sent(p.server.stream);
	pair_run_until(&p, client_closed);
	cr_assert_eq(p.client.end, STREAM_END_OF_INPUT);
	cr_assert(SSL_get_shutdown(p.client.stream->tls->ssl) & SSL_RECEIVED_SHUTDOWN);
	cr_assert_eq(evbuffer_get_length(stream_input(p.client.stream)), 9);
}

Test(tls, a_wrong_name_fails_where_it_is_verified)
{
	stream_start_tls_server(p.server.stream, server);
	stream_start_tls_client(p.client.stream, client, "other.example.test", TLS_VERIFY_NAME);
	pair_run_until(&p, client_closed);
	cr_assert_eq(p.client.end, STREAM_TLS_FAILED);
	cr_assert_str_eq(p.client.error, "hostname mismatch");
}

Test(tls, an_unknown_authority_fails_where_it_is_verified_and_not_where_it_is_not)
{
	struct tls_settings settings = {0};

	tls_client_free(client);
	client = tls_client_new(&settings, (struct slice){0}, &error);
	cr_assert_not_null(client);
	stream_start_tls_server(p.server.stream, server);
	stream_start_tls_client(p.client.stream, client, "mail.example.test", TLS_VERIFY_NONE);
	pair_run_until(&p, both_secured);
	pair_close(&p);

	pair_open(&p);
	signer.base = p.base;
	stream_start_tls_server(p.server.stream, server);
	stream_start_tls_client(p.client.stream, client, "mail.example.test", TLS_VERIFY_NAME);
	pair_run_until(&p, client_closed);
	cr_assert_eq(p.client.end, STREAM_TLS_FAILED);
}

Test(tls, old_versions_are_refused)
{
	SSL_CTX_set_min_proto_version(client->context, TLS1_VERSION);
	SSL_CTX_set_max_proto_version(client->context, TLS1_1_VERSION);
	SSL_CTX_set_security_level(client->context, 0);
	stream_start_tls_server(p.server.stream, server);
	stream_start_tls_client(p.client.stream, client, NULL, TLS_VERIFY_NONE);
	pair_run_until(&p, server_closed);
	cr_assert_eq(p.server.end, STREAM_TLS_FAILED);
}

Test(tls, garbage_instead_of_a_handshake_fails_it)
{
	stream_start_tls_server(p.server.stream, server);
	stream_write(p.client.stream, SLICE("GET / HTTP/1.1\r\n\r\n"));
	pair_run_until(&p, server_closed);
	cr_assert_eq(p.server.end, STREAM_TLS_FAILED);
}

Test(tls, both_sides_export_the_same_keying_material)
{
	unsigned char ours[32], theirs[32];

	cr_assert_not(stream_tls_export(p.server.stream, "EXPORTER-Channel-Binding", ours, 32));
	secure();
	cr_assert(stream_tls_export(p.server.stream, "EXPORTER-Channel-Binding", ours, 32));
	cr_assert(stream_tls_export(p.client.stream, "EXPORTER-Channel-Binding", theirs, 32));
	cr_assert_arr_eq(ours, theirs, 32);
}

Test(tls, a_certificate_that_cannot_be_used_is_called_by_its_fault)
{
	buf_clear(&error);
	cr_assert_not(tls_server_add_certificate(server, SLICE(""), &error));
	cr_assert(error.len > 0);
	buf_clear(&error);
	cr_assert_not(tls_server_add_certificate(server, SLICE("no PEM at all"), &error));
	cr_assert(error.len > 0);
	buf_clear(&error);
	cr_assert_not(tls_server_add_certificate(server,
	    SLICE("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"), &error));
	cr_assert(error.len > 0);
	buf_clear(&error);
	buf_append_string(
	    &chain_pem, "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
	cr_assert_not(tls_server_add_certificate(server, buf_slice(&chain_pem), &error));
	cr_assert(error.len > 0);
}

/* --- several certificates --------------------------------------------------------------- */

/* Which certificate a client that asks for `host` is shown: its first name, and its kind of key. */
static const char *shown(const char *host, const char *signatures)
{
	static char what[300];
	struct buf names = buf_with_limit(TLS_NAMES_MAX);
	X509 *certificate;
	SSL *ssl;

	stream_free(p.server.stream);
	stream_free(p.client.stream);
	event_base_free(p.base);
	pair_open(&p);
	signer.base = p.base;
	cr_assert(SSL_CTX_set1_sigalgs_list(client->context, signatures));
	cr_assert(stream_start_tls_server(p.server.stream, server));
	cr_assert(stream_start_tls_client(p.client.stream, client, host, TLS_VERIFY_NONE));
	pair_run_until(&p, both_secured);
	ssl = p.client.stream->tls->ssl;
	certificate = SSL_get0_peer_certificate(ssl);
	tls_names_of(certificate, &names);
	snprintf(what, sizeof what, "%.*s %s", (int)names.len, names.data,
	    EVP_PKEY_is_a(X509_get0_pubkey(certificate), "EC") ? "EC" : "RSA");
	buf_free(&names);
	return what;
}

static void add(const char *kind, const char *name)
{
	buf_clear(&key_pem);
	buf_clear(&chain_pem);
	make_certificate(kind, name, &key_pem, &chain_pem);
	cr_assert(keyring_add(signer.ring, buf_slice(&key_pem), id, &error));
	cr_assert(tls_server_add_certificate(server, buf_slice(&chain_pem), &error), "%.*s",
	    SLICE_PRINTF(buf_slice(&error)));
}

#define ANY     "ECDSA+SHA256:RSA-PSS+SHA256"
#define ANY_RSA "RSA-PSS+SHA256"

Test(tls, a_client_is_shown_the_certificate_of_the_host_that_it_asks_for)
{
	/* The first, and so everybody's, is mail.example.test (EC). */
	add("EC", "*.example.net");
	add("EC", "imap.example.net");
	add("EC", "mail.example.org");
	cr_assert_str_eq(shown("mail.example.test", ANY), "mail.example.test EC");
	cr_assert_str_eq(shown("mail.example.org", ANY), "mail.example.org EC");
	cr_assert_str_eq(shown("MAIL.Example.ORG", ANY), "mail.example.org EC");
	cr_assert_str_eq(shown("smtp.example.net", ANY), "*.example.net EC");
	cr_assert_str_eq(shown("imap.example.net", ANY), "imap.example.net EC", "the exact name goes first");
	/* RFC 9525, 6.3: a wildcard is one label, and not none. */
	cr_assert_str_eq(shown("a.b.example.net", ANY), "mail.example.test EC");
	cr_assert_str_eq(shown("example.net", ANY), "mail.example.test EC");
	cr_assert_str_eq(shown("unknown.example", ANY), "mail.example.test EC");
	cr_assert_str_eq(shown(NULL, ANY), "mail.example.test EC");
}

Test(tls, a_host_may_have_a_certificate_for_each_kind_of_key)
{
	add("RSA", "mail.example.test");
	add("RSA", "mail.example.org");
	add("EC", "mail.example.org");
	cr_assert_str_eq(shown("mail.example.org", ANY), "mail.example.org EC");
	cr_assert_str_eq(shown("mail.example.org", ANY_RSA), "mail.example.org RSA");
	cr_assert_str_eq(shown(NULL, ANY), "mail.example.test EC");
	cr_assert_str_eq(shown("unknown.example", ANY_RSA), "mail.example.test RSA");
}

Test(tls, of_two_certificates_for_one_host_the_first_is_shown)
{
	add("EC", "*.example.org");
	add("EC", "mail.example.org");
	add("EC", "mail.example.org");
	cr_assert_str_eq(shown("mail.example.org", ANY), "mail.example.org EC");
	cr_assert_str_eq(shown("other.example.org", ANY), "*.example.org EC");
}

Test(tls, names_cover_hosts_by_the_rules_of_rfc_9525)
{
	static const struct {
		const char *names, *host;
		bool is_covered;
	} cases[] = {
	    {"mail.example.org", "mail.example.org", true},
	    {"mail.example.org", "MAIL.example.org", true},
	    {"a.example mail.example.org", "mail.example.org", true},
	    {"*.example.org", "mail.example.org", true},
	    {"*.example.org", "a.mail.example.org", false},
	    {"*.example.org", "example.org", false},
	    {"*.example.org", ".example.org", false},
	    {"m*.example.org", "mail.example.org", false},
	    {"mail.*.org", "mail.example.org", false},
	    {"*", "localhost", false},
	    {"*.", "localhost.", false},
	    {"", "mail.example.org", false},
	    {"mail.example.org", "", false},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		cr_assert_eq(tls_names_cover(slice_string(cases[i].names), slice_string(cases[i].host)),
		    cases[i].is_covered, "%s, %s", cases[i].names, cases[i].host);
}

Test(tls, a_server_may_be_freed_before_its_handshakes_begin)
{
	add("EC", "mail.example.org");
	cr_assert(stream_start_tls_server(p.server.stream, server));
	tls_server_free(server);
	server = NULL;
	cr_assert(stream_start_tls_client(p.client.stream, client, "mail.example.org", TLS_VERIFY_NONE));
	pair_run_until(&p, both_secured);
}

/* --- tickets ------------------------------------------------------------------------------ */

static SSL_SESSION *kept;

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
	(void)ssl;
	SSL_SESSION_free(kept);
	/* A connection that is cut off spoils its session. */
	kept = SSL_SESSION_dup(session);
	return 0;
}

static struct tls_server *another_server(unsigned seconds)
{
	struct tls_server *s = tls_server_new(&(struct tls_settings){.ticket_seconds = seconds});

	cr_assert(tls_server_add_certificate(s, buf_slice(&chain_pem), &error));
	return s;
}

/* Shake hands with this server, with the ticket of the last time; was it taken? */
static bool resumes(struct tls_server *with, int version)
{
	struct tls_bindings ours, theirs;
	struct tls_facts facts;

	stream_free(p.server.stream);
	stream_free(p.client.stream);
	event_base_free(p.base);
	pair_open(&p);
	signer.base = p.base;
	SSL_CTX_set_max_proto_version(client->context, version);
	SSL_CTX_set_session_cache_mode(client->context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(client->context, keep_session);
	cr_assert(stream_start_tls_server(p.server.stream, with));
	cr_assert(stream_start_tls_client(p.client.stream, client, "mail.example.test", TLS_VERIFY_NAME));
	if (kept != NULL) {
		SSL_SESSION *copy = SSL_SESSION_dup(kept);

		SSL_set_session(p.client.stream->tls->ssl, copy);
		SSL_SESSION_free(copy);
	}
	pair_run_until(&p, both_secured);
	stream_write(p.server.stream, SLICE("220\r\n"));
	pair_run_until(&p, client_read);
	/* OpenSSL does not tell of a ticket that came in a session that was resumed. */
	if (version == TLS1_2_VERSION && kept != NULL)
		keep_session(NULL, SSL_get0_session(p.client.stream->tls->ssl));
	stream_tls_facts(p.server.stream, &facts);
	stream_tls_bindings(p.server.stream, &ours);
	stream_tls_bindings(p.client.stream, &theirs);
	cr_assert_eq(ours.end_point_len, 32);
	cr_assert_arr_eq(&ours, &theirs, sizeof ours, "both sides mean the same session");
	return facts.resumed;
}

static void check_tickets(int version)
{
	struct keys_ticket keys[3];
	struct tls_server *one = another_server(3600), *two = another_server(3600);

	for (size_t i = 0; i < 3; i++)
		memset(&keys[i], (int)i + 1, sizeof keys[i]);
	tls_set_ticket_keys(&keys[0], 1);
	cr_assert_not(resumes(one, version));
	cr_assert(resumes(one, version));
	cr_assert(resumes(two, version), "another process has the same keys");
	tls_set_ticket_keys((struct keys_ticket[]){keys[1], keys[0]}, 2);
	cr_assert(resumes(one, version), "the key before is taken for a while");
	tls_set_ticket_keys((struct keys_ticket[]){keys[2], keys[1]}, 2);
	cr_assert(resumes(two, version), "and its ticket was replaced");
	tls_set_ticket_keys(&keys[0], 1);
	cr_assert_not(resumes(two, version), "a ticket under an unknown key is a full handshake");
	tls_server_free(one);
	tls_server_free(two);
	SSL_SESSION_free(kept);
	kept = NULL;
}

Test(tls, tickets_are_taken_by_every_server_with_the_keys_tls13)
{
	check_tickets(TLS1_3_VERSION);
}

Test(tls, tickets_are_taken_by_every_server_with_the_keys_tls12)
{
	check_tickets(TLS1_2_VERSION);
}

static void check_renewed(int version)
{
	struct tls_server *old = another_server(3600), *new;

	add("RSA", "mail.example.test"); /* replaces what another_server() takes */
	new = another_server(3600);
	cr_assert_not(resumes(old, version));
	cr_assert(resumes(new, version));
	cr_assert(resumes(new, version), "with a ticket that came in a session that was resumed");
	tls_server_free(old);
	tls_server_free(new);
	SSL_SESSION_free(kept);
	kept = NULL;
}

Test(tls, a_session_is_bound_to_the_certificate_of_its_beginning_tls13)
{
	check_renewed(TLS1_3_VERSION);
}

Test(tls, a_session_is_bound_to_the_certificate_of_its_beginning_tls12)
{
	check_renewed(TLS1_2_VERSION);
}

Test(tls, no_tickets_are_given_where_none_are_wanted)
{
	struct tls_server *none = another_server(0);

	cr_assert_not(resumes(none, TLS1_3_VERSION));
	cr_assert_null(kept);
	cr_assert_not(resumes(none, TLS1_2_VERSION));
	cr_assert_not(resumes(none, TLS1_2_VERSION));
	tls_server_free(none);
}

#ifndef PETREL_SANITIZERS
/* What an idle connection costs, both ends counted: the promise is for one of them. */
Test(tls, an_idle_session_costs_little_memory)
{
	enum { PAIRS = 100 };
	static struct pair pairs[PAIRS];
	size_t before, plain, secured;

	secure();
	before = mallinfo2().uordblks;
	for (int i = 0; i < PAIRS; i++) {
		int sockets[2];

		cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
		pairs[i].server.stream =
		    stream_new(p.base, sockets[0], &side_handlers, &pairs[i].server);
		pairs[i].client.stream =
		    stream_new(p.base, sockets[1], &side_handlers, &pairs[i].client);
	}
	plain = (mallinfo2().uordblks - before) / (2 * PAIRS);
	for (int i = 0; i < PAIRS; i++) {
		pairs[i].base = p.base;
		stream_start_tls_server(pairs[i].server.stream, server);
		stream_start_tls_client(
		    pairs[i].client.stream, client, "mail.example.test", TLS_VERIFY_NAME);
		pair_run_until(&pairs[i], both_secured);
		stream_write(pairs[i].client.stream, SLICE("NOOP\r\n"));
		pair_run_until(&pairs[i], server_read);
		evbuffer_drain(stream_input(pairs[i].server.stream), 100);
	}
	pair_run_for(&p, 50);
	secured = (mallinfo2().uordblks - before) / (2 * PAIRS);
	cr_log_info("plain %zu octets, under TLS %zu", plain, secured);
	cr_assert(plain < 2 * 1024, "%zu octets for a plain stream", plain);
	cr_assert(secured < 40 * 1024, "%zu octets for one under TLS", secured);
	for (int i = 0; i < PAIRS; i++) {
		stream_free(pairs[i].server.stream);
		stream_free(pairs[i].client.stream);
	}
}
#endif
