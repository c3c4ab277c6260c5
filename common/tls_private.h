/*
 * tls_private.h - what the files behind tls.h and stream.h share; nobody else
 * includes it.
 */
#ifndef PETREL_COMMON_TLS_PRIVATE_H
#define PETREL_COMMON_TLS_PRIVATE_H

#include <openssl/ssl.h>

#include "common/tls.h"

struct tls_server {
	SSL_CTX *context;
	size_t certificates;
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
