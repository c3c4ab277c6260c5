/*
 * proof.h - that a client has shown its certificate in a TLS handshake, from the
 * handshake's own messages (common/tls_witness.h says why).
 *
 * What is read here was put together by a process that may be broken into.  Of
 * TLS 1.3 (RFC 8446, 4) it takes
 *
 *     ClientHello [HelloRetryRequest ClientHello] ServerHello EncryptedExtensions
 *     CertificateRequest Certificate CertificateVerify Finished Certificate
 *
 * and nothing else.  Pure functions.
 */
#ifndef PETREL_AUTH_PROOF_H
#define PETREL_AUTH_PROOF_H

#include <openssl/x509.h>

#include "common/tls_witness.h"

enum { PROOF_HASH_MAX = 48 }; /* octets of SHA-384 */

struct proof {
	/* They point into the transcript. */
	struct slice beacon;
	struct slice server; /* the certificate that the client was shown, in DER */
	struct slice chain[AUTHORITIES_CHAIN_MAX]; /* the client's, its own first */
	size_t chain_len;                          /* > 0 */

	size_t hash_len;
	uint8_t hash[PROOF_HASH_MAX]; /* of the transcript */
};

/* False where it is no such transcript; *fault is a sentence for the log then. */
bool proof_read(struct slice transcript, struct proof *out, const char **fault);

/* Is it signed with that certificate's key?  verify: the body of the client's CertificateVerify. */
bool proof_is_signed(const struct proof *, X509 *leaf, struct slice verify);

#endif
