/*
 * witnessed.h - a handshake of TLS 1.3 in which the client shows a certificate, as
 * the server has seen it (common/tls_witness.h), for tests.
 */
#ifndef PETREL_TESTS_UNIT_TLS_WITNESSED_H
#define PETREL_TESTS_UNIT_TLS_WITNESSED_H

#include <openssl/ssl.h>

#include "common/buf.h"
#include "common/tls_witness.h"

/* A key and a self-signed certificate for it. */
struct pair_of_key {
	EVP_PKEY *key;
	X509 *certificate;
	struct buf pem; /* the certificate */
};
void pair_of_key_make(struct pair_of_key *, const char *kind);
void pair_of_key_free(struct pair_of_key *);

struct witnessed {
	struct buf transcript;
	struct buf verify;
	bool has_verify;
};

struct witnessed_how {
	const struct pair_of_key *server;
	const struct pair_of_key *client; /* NULL: shows none */
	const char *suite;                /* NULL: TLS_AES_128_GCM_SHA256 */
	bool with_retry;                  /* the server asks for another ClientHello */
	const uint8_t *beacon;            /* TLS_BEACON octets */
};
/* Shake hands. */
void witnessed_shake(struct witnessed *, const struct witnessed_how *);
void witnessed_free(struct witnessed *);

#endif
