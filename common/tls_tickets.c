/*
 * tls_tickets.c - session tickets that every process can read (RFC 5077, 4).
 *
 * A ticket is the session, encrypted with AES-256-CBC and authenticated with
 * HMAC-SHA-256.  Its keys are the same in all processes, so a client that comes
 * back may come to any of them.  A ticket under the key before the present one is
 * still taken, and replaced.
 *
 * With the session goes the digest of the certificate that the client was shown,
 * which it binds its password to (SCRAM-SHA-256-PLUS): by the time it comes back
 * another may have taken its place.
 */
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include <string.h>

#include "common/tls_private.h"

static struct keys_ticket keys[KEYS_TICKETS_MAX];
static size_t key_count;
static EVP_CIPHER *cipher;

bool tls_tickets_init(void)
{
	cipher = EVP_CIPHER_fetch(tls_library(), "AES-256-CBC", NULL);
	key_count = 1;
	return cipher != NULL &&
	       RAND_bytes_ex(tls_library(), keys[0].name, sizeof keys[0].name, 0) == 1 &&
	       RAND_priv_bytes_ex(tls_library(), keys[0].cipher, sizeof keys[0].cipher, 0) == 1 &&
	       RAND_priv_bytes_ex(tls_library(), keys[0].mac, sizeof keys[0].mac, 0) == 1;
}

void tls_set_ticket_keys(const struct keys_ticket *fresh, size_t count)
{
	if (count == 0 || count > KEYS_TICKETS_MAX)
		return;
	explicit_bzero(keys, sizeof keys);
	memcpy(keys, fresh, count * sizeof *fresh);
	key_count = count;
}

static const struct keys_ticket *find(const unsigned char *name)
{
	for (size_t i = 0; i < key_count; i++)
		if (memcmp(keys[i].name, name, sizeof keys[i].name) == 0)
			return &keys[i];
	return NULL;
}

static bool set_mac(EVP_MAC_CTX *mac, const struct keys_ticket *key)
{
	uint8_t secret[sizeof key->mac];
	char digest[] = "SHA256";
	OSSL_PARAM parameters[] = {
	    OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, secret, sizeof secret),
	    OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
	    OSSL_PARAM_construct_end(),
	};
	bool set;

	memcpy(secret, key->mac, sizeof secret);
	set = EVP_MAC_CTX_set_params(mac, parameters) == 1;
	explicit_bzero(secret, sizeof secret);
	return set;
}

/* SSL_CTX_set_tlsext_ticket_key_evp_cb(3) */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *c,
    EVP_MAC_CTX *mac, int encrypting)
{
	const struct keys_ticket *key = encrypting != 0 ? &keys[0] : find(name);

	(void)ssl;
	if (key == NULL)
		return 0; /* a full handshake, then */
	if (encrypting != 0) {
		memcpy(name, key->name, sizeof key->name);
		if (RAND_bytes_ex(tls_library(), iv, (size_t)EVP_CIPHER_get_iv_length(cipher), 0) != 1 ||
		    EVP_EncryptInit_ex2(c, cipher, key->cipher, iv, NULL) != 1 || !set_mac(mac, key))
			return -1;
		return 1;
	}
	if (!set_mac(mac, key) || EVP_DecryptInit_ex2(c, cipher, key->cipher, iv, NULL) != 1)
		return -1;
	return key == &keys[0] ? 1 : 2;
}

/* A ticket is about to be made. */
static int on_making(SSL *ssl, void *context)
{
	uint8_t digest[TLS_BINDING_MAX];
	size_t len;

	(void)context;
	/* One that replaces another has it from there. */
	if (SSL_session_reused(ssl) == 1)
		return 1;
	len = tls_end_point(ssl, digest);
	return SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), digest, len);
}

/* Without this OpenSSL makes no use of what on_making put in. */
static SSL_TICKET_RETURN on_taking(SSL *ssl, SSL_SESSION *session, const unsigned char *name,
    size_t name_len, SSL_TICKET_STATUS status, void *context)
{
	(void)ssl;
	(void)session;
	(void)name;
	(void)name_len;
	(void)context;
	switch (status) {
	case SSL_TICKET_SUCCESS:
		return SSL_TICKET_RETURN_USE;
	case SSL_TICKET_SUCCESS_RENEW:
		return SSL_TICKET_RETURN_USE_RENEW;
	default:
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	}
}

void tls_tickets_use(SSL_CTX *context)
{
	SSL_CTX_set_tlsext_ticket_key_evp_cb(context, on_ticket);
	SSL_CTX_set_session_ticket_cb(context, on_making, on_taking, NULL);
}

size_t tls_tickets_end_point(const SSL *ssl, uint8_t out[TLS_BINDING_MAX])
{
	SSL_SESSION *session = SSL_get_session(ssl);
	void *digest = NULL;
	size_t len = 0;

	if (session == NULL || SSL_SESSION_get0_ticket_appdata(session, &digest, &len) != 1 ||
	    len > TLS_BINDING_MAX)
		return 0;
	if (len > 0)
		memcpy(out, digest, len);
	return len;
}
