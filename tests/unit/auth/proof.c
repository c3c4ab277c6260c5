/* What proof.h promises, of real handshakes. */
#include <criterion/criterion.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>

#include "auth/proof.h"
#include "common/buf.h"
#include "tests/unit/tls/pair.h"

static struct buf transcript, verify;
static bool has_verify;
static uint8_t beacon[TLS_BEACON] = "0123456789abcdefghijklmnopqrstu";
static X509 *client_certificate;

static void on_message(
    int ours, int version, int type, const void *data, size_t len, SSL *ssl, void *context)
{
	struct slice message = slice_of(data, len);

	(void)version, (void)ssl, (void)context;
	if (type != SSL3_RT_HANDSHAKE || has_verify)
		return;
	has_verify = !ours && message.data[0] == SSL3_MT_CERTIFICATE_VERIFY;
	if (has_verify)
		buf_append_slice(&verify, slice_from(message, 4));
	else
		buf_append_slice(&transcript, message);
}

static int add_beacon(SSL *ssl, unsigned type, unsigned context, const unsigned char **out,
    size_t *len, X509 *certificate, size_t place, int *alert, void *argument)
{
	(void)ssl, (void)type, (void)context, (void)certificate, (void)place, (void)alert;
	*out = argument;
	*len = TLS_BEACON;
	return 1;
}

static int accept_any(int good, X509_STORE_CTX *context)
{
	(void)good, (void)context;
	return 1;
}

static void use(SSL_CTX *context, const char *kind, X509 **certificate)
{
	struct buf key_pem = buf_with_limit(65536), chain_pem = buf_with_limit(65536);
	BIO *in;
	EVP_PKEY *key;

	make_certificate(kind, "somebody", &key_pem, &chain_pem);
	in = BIO_new_mem_buf(key_pem.data, (int)key_pem.len);
	key = PEM_read_bio_PrivateKey(in, NULL, NULL, NULL);
	BIO_free(in);
	in = BIO_new_mem_buf(chain_pem.data, (int)chain_pem.len);
	*certificate = PEM_read_bio_X509(in, NULL, NULL, NULL);
	BIO_free(in);
	cr_assert_eq(SSL_CTX_use_certificate(context, *certificate), 1);
	cr_assert_eq(SSL_CTX_use_PrivateKey(context, key), 1);
	EVP_PKEY_free(key);
	buf_free(&key_pem);
	buf_free(&chain_pem);
}

/* Shake hands; a server that wants another group than the client has guessed asks again. */
static void shake(const char *kind, const char *suite, bool with_retry, bool with_certificate)
{
	SSL_CTX *server_context = SSL_CTX_new(TLS_server_method());
	SSL_CTX *client_context = SSL_CTX_new(TLS_client_method());
	BIO *one, *other;
	SSL *server, *client;
	X509 *server_certificate;

	transcript = buf_with_limit(TLS_TRANSCRIPT_MAX);
	verify = buf_with_limit(TLS_SIGNATURE_MAX);
	has_verify = false;
	use(server_context, "EC", &server_certificate);
	if (with_certificate)
		use(client_context, kind, &client_certificate);
	SSL_CTX_set_ciphersuites(server_context, suite);
	SSL_CTX_set_verify(server_context, SSL_VERIFY_PEER, accept_any);
	SSL_CTX_set_msg_callback(server_context, on_message);
	cr_assert_eq(SSL_CTX_add_custom_ext(server_context, TLS_BEACON_EXTENSION,
			 SSL_EXT_TLS1_3_CERTIFICATE_REQUEST, add_beacon, NULL, beacon, NULL, NULL),
	    1);
	SSL_CTX_set1_groups_list(client_context, "X25519:P-256");
	if (with_retry)
		SSL_CTX_set1_groups_list(server_context, "P-256");
	server = SSL_new(server_context);
	client = SSL_new(client_context);
	BIO_new_bio_pair(&one, 65536, &other, 65536);
	SSL_set_bio(server, one, one);
	SSL_set_bio(client, other, other);
	SSL_set_accept_state(server);
	SSL_set_connect_state(client);
	for (int i = 0; i < 10; i++) {
		SSL_do_handshake(client);
		SSL_do_handshake(server);
	}
	cr_assert(SSL_is_init_finished(server) && SSL_is_init_finished(client));
	cr_assert_eq(SSL_version(server), TLS1_3_VERSION);
	SSL_free(server);
	SSL_free(client);
	SSL_CTX_free(server_context);
	SSL_CTX_free(client_context);
	X509_free(server_certificate);
}

static void teardown(void)
{
	buf_free(&transcript);
	buf_free(&verify);
	X509_free(client_certificate);
	client_certificate = NULL;
}

TestSuite(proof, .fini = teardown);

static void is_proved(void)
{
	struct proof proof;
	const char *fault;
	unsigned char *der = NULL;
	int len = i2d_X509(client_certificate, &der);

	cr_assert(proof_read(buf_slice(&transcript), &proof, &fault), "%s", fault);
	cr_assert(slice_equal(proof.beacon, slice_of(beacon, sizeof beacon)));
	cr_assert_eq(proof.chain_len, 1u);
	cr_assert(slice_equal(proof.chain[0], slice_of(der, (size_t)len)));
	cr_assert(proof_is_signed(&proof, client_certificate, buf_slice(&verify)));
	OPENSSL_free(der);
}

Test(proof, what_a_client_has_signed_is_proved_for_every_kind_of_key_and_digest)
{
	static const char *const kinds[] = {"EC", "RSA", "ED25519"};
	static const char *const suites[] = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
	    "TLS_CHACHA20_POLY1305_SHA256"};

	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		for (size_t k = 0; k < sizeof suites / sizeof suites[0]; k++) {
			shake(kinds[i], suites[k], false, true);
			is_proved();
			teardown();
		}
}

Test(proof, so_it_is_where_the_server_asks_for_another_hello)
{
	shake("EC", "TLS_AES_256_GCM_SHA384", true, true);
	is_proved();
}

/* Not one octet of what was said can be another: neither the beacon nor the certificates. */
Test(proof, whatever_is_changed_in_it_it_proves_nothing)
{
	shake("ED25519", "TLS_AES_128_GCM_SHA256", false, true);
	for (size_t i = 0; i < transcript.len; i++) {
		struct proof proof;
		const char *fault;

		transcript.data[i] ^= 1;
		if (proof_read(buf_slice(&transcript), &proof, &fault))
			cr_assert_not(
			    proof_is_signed(&proof, client_certificate, buf_slice(&verify)),
			    "octet %zu", i);
		transcript.data[i] ^= 1;
	}
	for (size_t i = 0; i < verify.len; i++) {
		struct proof proof;
		const char *fault;

		verify.data[i] ^= 1;
		cr_assert(proof_read(buf_slice(&transcript), &proof, &fault));
		cr_assert_not(proof_is_signed(&proof, client_certificate, buf_slice(&verify)));
		verify.data[i] ^= 1;
	}
	is_proved();
}

Test(proof, a_part_of_it_or_more_than_it_is_no_transcript)
{
	struct proof proof;
	const char *fault;

	shake("EC", "TLS_AES_128_GCM_SHA256", false, true);
	for (size_t len = 0; len < transcript.len; len++)
		cr_assert_not(proof_read(slice_of(transcript.data, len), &proof, &fault));
	buf_append(&transcript, "\x0b\0\0\0", 4);
	cr_assert_not(proof_read(buf_slice(&transcript), &proof, &fault));
}

Test(proof, a_client_without_a_certificate_proves_nothing)
{
	struct proof proof;
	const char *fault;

	shake(NULL, "TLS_AES_128_GCM_SHA256", false, false);
	cr_assert_not(has_verify);
	cr_assert_not(proof_read(buf_slice(&transcript), &proof, &fault));
	cr_assert_str_eq(fault, "the client has shown no certificate");
}

Test(proof, another_clients_key_is_not_the_one_that_signed)
{
	struct proof proof;
	const char *fault;
	X509 *first;

	shake("EC", "TLS_AES_128_GCM_SHA256", false, true);
	cr_assert(proof_read(buf_slice(&transcript), &proof, &fault));
	first = client_certificate;
	client_certificate = NULL;
	{
		SSL_CTX *context = SSL_CTX_new(TLS_client_method());

		use(context, "EC", &client_certificate);
		SSL_CTX_free(context);
	}
	cr_assert_not(proof_is_signed(&proof, client_certificate, buf_slice(&verify)));
	cr_assert(proof_is_signed(&proof, first, buf_slice(&verify)));
	X509_free(first);
}
