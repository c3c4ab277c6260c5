/*
 * tls_witness.h - a client's certificate, and what proves to another process that
 * the client was there.
 *
 * A front daemon is not believed when it says that a client has shown some
 * certificate: it reads from the network.  What it can show is what the client
 * has signed.  In TLS 1.3 that is the whole of the handshake so far (RFC 8446,
 * 4.4.3), so
 *
 * - auth makes a beacon from time to time, an unguessable number, and gives it to
 *   the front daemons;
 * - they put it into the request for a certificate, as an extension of a private
 *   number, which every client has to ignore (4.3.2) and signs all the same;
 * - with AUTH EXTERNAL auth is given the handshake's messages and the signature.
 *
 * So a front daemon that is taken over cannot log in as anybody whose client has
 * not just talked to it.  TLS 1.2 has no such place, and proves nothing here.
 */
#ifndef PETREL_COMMON_TLS_WITNESS_H
#define PETREL_COMMON_TLS_WITNESS_H

#include <stdint.h>

#include "common/authorities.h"
#include "common/slice.h"

enum {
	TLS_BEACON = 32,
	TLS_BEACON_EXTENSION = 0xff50, /* for private use (RFC 8446, 11) */
	TLS_TRANSCRIPT_MAX = 64 * 1024,
	TLS_SHOWN_MAX =
	    32 * 1024, /* octets of a client's certificates; beyond it there is no handshake */
	TLS_SIGNATURE_MAX = 2048, /* of a client: RSA with 16384 bits */
};

/* What auth looks at (auth/proof.h). */
struct tls_proof {
	struct slice transcript; /* the messages up to the client's Certificate, with their heads */
	struct slice verify;     /* the body of its CertificateVerify */
};

/* What a client has shown, for the log. */
struct tls_shown {
	bool certificate;   /* it has shown one */
	const char *fault;  /* why it is good for nothing; NULL: it is good */
	uint8_t digest[32]; /* SHA-256 of it */
};

#endif
