/*
 * witnessed.c - a handshake of TLS 1.3 in which the client shows a certificate.
 */
#include "tests/unit/tls/witnessed.h"

#include <criterion/criterion.h>
#include <openssl/pem.h>

#include "tests/unit/tls/pair.h"

void pair_of_key_make(struct pair_of_key *pair, const char *kind)
{
	struct buf key_pem = buf_with_limit(65536);
	BIO *in;

	pair->pem = buf_with_limit(65536);
	make_certificate(kind, "somebody", &key_pem, &pair->pem);
	in = BIO_new_mem_buf(key_pem.data, (int)key_pem.len);
	pair->key = PEM_read_bio_PrivateKey(in, NULL, NULL, NULL);
	BIO_free(in);
	in = BIO_new_mem_buf(pair->pem.data, (int)pair->pem.len);
	pair->certificate = PEM_read_bio_X509(in, NULL, NULL, NULL);
	BIO_free(in);
	buf_free(&key_pem);
	cr_assert(pair->key != NULL && pair->certificate != NULL);
}

void pair_of_key_free(struct pair_of_key *pair)
{
	EVP_PKEY_free(pair->key);
	X509_free(pair->certificate);
	buf_free(&pair->pem);
	*pair = (struct pair_of_key){0};
}

static void on_message(
    int ours, int version, int type, const void *data, size_t len, SSL *ssl, void *context)
{
	struct slice message = slice_of(data, len);
	struct witnessed *w = context;

	(void)version, (void)ssl;
	if (type != SSL3_RT_HANDSHAKE || w->has_verify)
		return;
	w->has_verify = !ours && message.data[0] == SSL3_MT_CERTIFICATE_VERIFY;
	if (w->has_verify)
		buf_append_slice(&w->verify, slice_from(message, 4));
	else
		buf_append_slice(&w->transcript, message);
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

static SSL_CTX *context_of(const SSL_METHOD *method, const struct pair_of_key *pair)
{
	SSL_CTX *context = SSL_CTX_new(method);

	if (pair != NULL) {
		cr_assert_eq(SSL_CTX_use_certificate(context, pair->certificate), 1);
		cr_assert_eq(SSL_CTX_use_PrivateKey(context, pair->key), 1);
	}
	return context;
}

static void shake(SSL *server, SSL *client)
{
	BIO *one, *other;

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
}

void witnessed_shake(struct witnessed *w, const struct witnessed_how *how)
{
	SSL_CTX *server_context = context_of(TLS_server_method(), how->server);
	SSL_CTX *client_context = context_of(TLS_client_method(), how->client);
	SSL *server, *client;

	*w = (struct witnessed){
	    .transcript = buf_with_limit(TLS_TRANSCRIPT_MAX),
	    .verify = buf_with_limit(TLS_SIGNATURE_MAX),
	};
	SSL_CTX_set_ciphersuites(
	    server_context, how->suite == NULL ? "TLS_AES_128_GCM_SHA256" : how->suite);
	SSL_CTX_set_verify(server_context, SSL_VERIFY_PEER, accept_any);
	SSL_CTX_set_msg_callback(server_context, on_message);
	SSL_CTX_set_msg_callback_arg(server_context, w);
	cr_assert_eq(SSL_CTX_add_custom_ext(server_context, TLS_BEACON_EXTENSION,
			 SSL_EXT_TLS1_3_CERTIFICATE_REQUEST, add_beacon, NULL,
			 (void *)(uintptr_t)how->beacon, NULL, NULL),
	    1);
	SSL_CTX_set1_groups_list(client_context, "X25519:P-256");
	if (how->with_retry)
		SSL_CTX_set1_groups_list(server_context, "P-256");
	server = SSL_new(server_context);
	client = SSL_new(client_context);
	shake(server, client);
	SSL_free(server);
	SSL_free(client);
	SSL_CTX_free(server_context);
	SSL_CTX_free(client_context);
}

void witnessed_free(struct witnessed *w)
{
	buf_free(&w->transcript);
	buf_free(&w->verify);
}
