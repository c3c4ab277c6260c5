/*
 * tls.c - what the TLS contexts of servers and clients have in common, and clients.
 */
#include "common/tls.h"

#include <openssl/async.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/provider.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <stdlib.h>
#include <string.h>

#include "common/tls_private.h"

enum {
	AUTHORITIES_MAX = 16 * 1024 * 1024,
	JOBS_MAX = 1024, /* handshakes that wait for a signature; each holds 32 KiB */
};

/*
 * RFC 9325, 4.2: forward secrecy and authenticated encryption.  CBC with SHA-2
 * stands last, for old mail servers: they would send in the clear without it.
 */
static const char default_ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20:"
				      "ECDHE-ECDSA-AES256-SHA384:ECDHE-RSA-AES256-SHA384:"
				      "ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256";

static OSSL_LIB_CTX *library;

OSSL_LIB_CTX *tls_library(void)
{
	return library;
}

bool tls_init(void)
{
	unsigned char seed[16];

	if (library != NULL)
		return true;
	/* The administrator's openssl.cnf speaks to other programs. */
	if (OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_LOAD_SSL_STRINGS |
				 OPENSSL_INIT_LOAD_CRYPTO_STRINGS,
		NULL) != 1)
		return false;
	library = OSSL_LIB_CTX_new();
	/*
	 * In this order, and with this preference: a key is only one of ours where
	 * that was asked for by name.
	 */
	if (library == NULL || OSSL_PROVIDER_load(library, "default") == NULL ||
	    !tls_provider_load(library) ||
	    EVP_set_default_properties(library, "?provider=default") != 1)
		return false;
	/* Opens the kernel's random device where there is no getrandom(2). */
	if (RAND_bytes_ex(library, seed, sizeof seed, 0) != 1 ||
	    RAND_priv_bytes_ex(library, seed, sizeof seed, 0) != 1)
		return false;
	OPENSSL_cleanse(seed, sizeof seed);
	return tls_tickets_init() && ASYNC_is_capable() == 1 && ASYNC_init_thread(JOBS_MAX, 0) == 1;
}

bool tls_complain(struct buf *error, const char *what)
{
	unsigned long code = ERR_peek_last_error();
	const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);

	if (reason == NULL)
		buf_append_string(error, what);
	else
		buf_printf(error, "%s: %s", what, reason);
	ERR_clear_error();
	return false;
}

/* --- what servers and clients have in common ------------------------------------- */

SSL_CTX *tls_context_new(const SSL_METHOD *method, const struct tls_settings *settings)
{
	SSL_CTX *c = library == NULL ? NULL : SSL_CTX_new_ex(library, NULL, method);
	const char *ciphers = settings->ciphers == NULL ? default_ciphers : settings->ciphers;

	if (c == NULL)
		return NULL;
	if (SSL_CTX_set_min_proto_version(
		c, settings->only_tls13 ? TLS1_3_VERSION : TLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_cipher_list(c, ciphers) != 1) {
		SSL_CTX_free(c);
		ERR_clear_error();
		return NULL;
	}
	/*
	 * A peer that closes without close_notify is taken to have ended its input:
	 * every mail protocol says itself where its commands and messages end.
	 */
	SSL_CTX_set_options(
	    c, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_read_ahead(c, 1);
	SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
	return c;
}

/* --- clients ------------------------------------------------------------------------ */

/*
 * The system's authorities as one file.  OpenSSL's default also knows a directory
 * that is searched during the handshake: too late behind chroot.
 */
bool tls_trust_system(X509_STORE *store)
{
	const char *const files[] = {
	    getenv(X509_get_default_cert_file_env()),
	    X509_get_default_cert_file(),
	    "/etc/ssl/certs/ca-certificates.crt",
	    "/etc/pki/tls/certs/ca-bundle.crt",
	    "/etc/ssl/cert.pem",
	};

	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
		if (files[i] != NULL &&
		    X509_STORE_load_file_ex(store, files[i], library, NULL) == 1) {
			ERR_clear_error();
			return true;
		}
	ERR_clear_error();
	return false;
}

static bool trust_text(X509_STORE *store, struct slice pem, struct buf *error)
{
	BIO *in = pem.len <= AUTHORITIES_MAX ? BIO_new_mem_buf(pem.data, (int)pem.len) : NULL;
	size_t count = 0;
	X509 *next;

	while (in != NULL && (next = tls_next_certificate(in, error)) != NULL) {
		count += X509_STORE_add_cert(store, next) == 1;
		X509_free(next);
	}
	BIO_free(in);
	if (count == 0 && error->len == 0)
		buf_append_string(error, "no certificate in PEM format");
	return error->len == 0;
}

struct tls_client *tls_client_new(
    const struct tls_settings *settings, struct slice authorities, struct buf *error)
{
	struct tls_client *client = calloc(1, sizeof *client);
	X509_STORE *store;

	if (client == NULL)
		return NULL;
	client->context = tls_context_new(TLS_client_method(), settings);
	if (client->context == NULL) {
		tls_complain(error, "no TLS context");
		free(client);
		return NULL;
	}
	/* RFC 7435: a weak key is better than none where nobody checks it anyway. */
	SSL_CTX_set_security_level(client->context, 1);
	store = SSL_CTX_get_cert_store(client->context);
	if (authorities.len == 0) {
		/* A host without authorities can still encrypt; what asks for verifying fails. */
		tls_trust_system(store);
	} else if (!trust_text(store, authorities, error)) {
		tls_client_free(client);
		return NULL;
	}
	return client;
}

void tls_client_free(struct tls_client *client)
{
	if (client == NULL)
		return;
	SSL_CTX_free(client->context);
	free(client);
}
