/*
 * tls.h - TLS contexts whose private keys are in another process.
 *
 * A process that reads from the network never holds a private key.  It has the
 * certificate chain, which is public; where a handshake needs a signature, an
 * OpenSSL provider built into this file's library ("petrel") asks a signer, and
 * the signer asks the process `keys`.  Meanwhile the handshake is suspended (it
 * runs as an OpenSSL ASYNC job) and the event loop goes on.
 *
 * TLS 1.2 and 1.3 only, forward secrecy always, no compression, no renegotiation,
 * no early data (RFC 9325).  Sessions are resumed by tickets under keys that are
 * this process's own and are never stored.
 *
 * All of this is for one thread: the one that runs the event loop.
 */
#ifndef PETREL_COMMON_TLS_H
#define PETREL_COMMON_TLS_H

#include <openssl/types.h>

#include "common/buf.h"
#include "common/slice.h"

/* --- private keys, seen from outside ------------------------------------ */

/*
 * The name of a private key: SHA-256 of the SubjectPublicKeyInfo (DER) of its
 * public half, which the certificate carries (as in RFC 7469 and DANE's 3 1 1).
 */
enum { TLS_KEY_ID = 32 };

struct tls_key_id {
	uint8_t octets[TLS_KEY_ID];
};

/* The id of a key, public or private; false where OpenSSL cannot encode it. */
bool tls_key_id(EVP_PKEY *key, struct tls_key_id *id);

/*
 * How to sign, numbered as TLS numbers its signature schemes (RFC 8446, 4.2.3).
 * With ECDSA the curve is the key's own, whatever the number's name says (as in
 * TLS 1.2).  All but Ed25519 sign a digest; PSS salts are as long as the digest.
 */
enum signature_scheme {
	SIGN_RSA_PKCS1_SHA256 = 0x0401,
	SIGN_RSA_PKCS1_SHA384 = 0x0501,
	SIGN_RSA_PKCS1_SHA512 = 0x0601,
	SIGN_ECDSA_SHA256 = 0x0403,
	SIGN_ECDSA_SHA384 = 0x0503,
	SIGN_ECDSA_SHA512 = 0x0603,
	SIGN_RSA_PSS_SHA256 = 0x0804,
	SIGN_RSA_PSS_SHA384 = 0x0805,
	SIGN_RSA_PSS_SHA512 = 0x0806,
	SIGN_ED25519 = 0x0807,
};

/*
 * Octets that a scheme signs: exactly this many (a digest), or for Ed25519, which
 * signs the text itself, at most TLS_SIGN_TEXT_MAX.  0: no scheme that we know.
 */
size_t signature_scheme_digest_len(uint16_t scheme);

enum {
	TLS_SIGN_TEXT_MAX = 1024,
	TLS_SIGNATURE_MAX = 1024, /* RSA with 8192 bits */
};

/* --- the signer ----------------------------------------------------------- */

/* A handshake that waits for its signature. */
struct tls_pending;

/* Who signs: the keys channel in a daemon, a thread in a test. */
struct tls_signer {
	/*
	 * Begin to sign `text` (a digest, or Ed25519's text; it lives until the
	 * call returns).  Later, from the event loop or at once, call tls_signed
	 * with the same `pending`, exactly once.  False: cannot be had; tls_signed
	 * is not called then, and the handshake fails.
	 */
	bool (*sign)(void *context, struct tls_pending *pending, const struct tls_key_id *key,
	    uint16_t scheme, struct slice text);
	/* The connection is gone: forget `pending`, do not call tls_signed for it. */
	void (*cancel)(void *context, struct tls_pending *pending);
	void *context;
};

/*
 * Have this signer asked from now on; the structure is copied.  Called once
 * before the first handshake.
 */
void tls_set_signer(const struct tls_signer *);

/* The signature, or an empty slice where there is none (the handshake fails). */
void tls_signed(struct tls_pending *, struct slice signature);

/* --- contexts --------------------------------------------------------------- */

/*
 * Load what OpenSSL would otherwise load on first use (its providers, ours), for
 * a process that is about to chroot and filter its system calls.  Called once,
 * before anything else here; false only where OpenSSL itself is broken.
 */
bool tls_init(void);

/* Settings common to servers and clients; {0} gives the defaults. */
struct tls_settings {
	bool only_tls13;     /* refuse TLS 1.2 */
	const char *ciphers; /* OpenSSL cipher list for TLS 1.2; NULL: AEAD with forward secrecy */
};

/* What a server shows: one or more certificates.  Reference counted by its streams. */
struct tls_server;

struct tls_server *tls_server_new(const struct tls_settings *);
/*
 * Add a certificate with its chain, as PEM text, the server's own first.  A
 * server may have several: an RSA and an ECDSA one for the same names, or
 * others for other names; the client's SNI and algorithms choose, and the first
 * is the default.
 *
 * error  a sentence for the log where it fails (not PEM, unsupported key type …)
 */
bool tls_server_add_certificate(struct tls_server *, struct slice pem, struct buf *error);
/* Streams that use it go on using it. */
void tls_server_free(struct tls_server *);

/*
 * The id of the key that belongs to the first certificate in this PEM text, which
 * is the one that tls_server_add_certificate would have signatures asked for.
 */
bool tls_certificate_key_id(struct slice pem, struct tls_key_id *id, struct buf *error);

/* What a client trusts. */
struct tls_client;

/*
 * authorities  PEM text with the certificates that are trusted, or an empty
 *              slice for the system's: these are read now, so call it before
 *              chroot
 */
struct tls_client *tls_client_new(const struct tls_settings *, struct slice authorities,
    struct buf *error);
void tls_client_free(struct tls_client *);

enum tls_verify {
	/* Opportunistic (RFC 7435): any certificate, even none that is any good. */
	TLS_VERIFY_NONE,
	/* A valid chain to a trusted authority, for the name that was given (RFC 9525). */
	TLS_VERIFY_NAME,
};

/* About a finished handshake, for logs and Received. */
struct tls_facts {
	const char *protocol;    /* "TLSv1.3" */
	const char *cipher;      /* "TLS_AES_256_GCM_SHA384" */
	int bits;                /* of the cipher's key: 128, 256 */
	bool resumed;            /* by a ticket: no signature was needed */
	bool verified;           /* the peer's certificate is good, and for the name given */
	const char *server_name; /* SNI, as the client sent it (octets of a host name); or NULL */
};

#endif
