/*
 * tls_private.h - what the files behind tls.h and stream.h share; nobody else
 * includes it.
 */
#ifndef PETREL_COMMON_TLS_PRIVATE_H
#define PETREL_COMMON_TLS_PRIVATE_H

#include <openssl/ssl.h>

#include "common/tls.h"

struct tls_server {
	SSL_CTX *context; /* has all else: streams may outlive the server */
};

struct tls_client {
	SSL_CTX *context;
};

/*
 * The library context in which all TLS lives.  The provider is loaded into it
 * and not into the default one, so that a plain EVP_... call elsewhere in the
 * process can never find a "key" that is not there.
 */
OSSL_LIB_CTX *tls_library(void);

/* What happened, in OpenSSL's own words, behind our own.  Always false. */
bool tls_complain(struct buf *error, const char *what);
/* What servers and clients have in common; NULL where OpenSSL does not take the settings. */
SSL_CTX *tls_context_new(const SSL_METHOD *, const struct tls_settings *);

/* --- tls_certificate.c */

/* The next one in PEM; NULL at the end, and where it is malformed (*error is filled then). */
X509 *tls_next_certificate(BIO *in, struct buf *error);
/* The first of a chain, and the rest of it; NULL with a message where there is none. */
X509 *tls_parse_chain(struct slice pem, STACK_OF(X509) * rest, struct buf *error);
/* Its DNS names in lower case, separated by blanks. */
void tls_names_of(const X509 *, struct buf *names);

/* --- tls_tickets.c */

bool tls_tickets_init(void);
/* Have this context's tickets made and read with the keys of tls_set_ticket_keys. */
void tls_tickets_use(SSL_CTX *);
/*
 * The binding tls-server-end-point of a server's session that was resumed: that of
 * the handshake in which the client was shown a certificate.  Its length; 0: unknown.
 */
size_t tls_tickets_end_point(const SSL *, uint8_t out[TLS_BINDING_MAX]);

/* --- stream_tls.c */

/* The digest of the certificate that the server has shown in this handshake (RFC 5929, 4.1). */
size_t tls_end_point(const SSL *, uint8_t out[TLS_BINDING_MAX]);

/* tls_provider.c: load it into a library context. */
bool tls_provider_load(OSSL_LIB_CTX *);
/* A "private" key for this public one, whose operations go to the signer; NULL where its type is unknown. */
EVP_PKEY *tls_provider_key(EVP_PKEY *public_key);
/* tls_witness.c: make a server's context able to send beacons. */
bool tls_witness_prepare(SSL_CTX *);

/*
 * From now until the next call: a suspended operation that is resumed without
 * its signature gives up.  How a connection that is being freed winds up its job.
 */
void tls_provider_abandon(bool giving_up);

#endif
