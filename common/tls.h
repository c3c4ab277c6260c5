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
 * no early data (RFC 9325).  Sessions are resumed by tickets (RFC 8446, 4.6.1, and
 * RFC 5077) under keys that keys makes and changes, the same for all processes;
 * they are never stored.
 *
 * All of this is for one thread: the one that runs the event loop.
 */
#ifndef PETREL_COMMON_TLS_H
#define PETREL_COMMON_TLS_H

#include <openssl/types.h>

#include "common/buf.h"
#include "common/channel_keys.h"
#include "common/slice.h"

/* --- the signer ----------------------------------------------------------- */

/*
 * The name of a private key, from its public half, which the certificate carries:
 * SHA-256 of the SubjectPublicKeyInfo in DER (as in RFC 7469 and DANE's "3 1 1").
 * False where OpenSSL cannot encode the key.
 */
bool tls_key_id(EVP_PKEY *key, uint8_t id[KEYS_ID_OCTETS]);

/* A handshake that waits for its signature. */
struct tls_pending;

/* Who signs: the channel to keys in a daemon, a thread in a test. */
struct tls_signer {
	/*
	 * Begin to sign.  The question lives until the call returns.  Later, from
	 * the event loop, or at once, call tls_signed with the same `pending`,
	 * exactly once.  False: it cannot be had; tls_signed is not called then,
	 * and the handshake fails.
	 */
	bool (*sign)(void *context, struct tls_pending *pending, const struct keys_sign *question);
	/* The connection is gone: forget `pending`, tls_signed must not be called for it. */
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
	bool only_tls13; /* refuse TLS 1.2 */
	const char *
	    ciphers; /* OpenSSL cipher list for TLS 1.2; NULL: forward secrecy always, AEAD first */
	unsigned ticket_seconds; /* of servers: how long a session can be resumed; 0: not at all */
};

enum {
	TLS_CERTIFICATES_MAX = 1024,   /* of a server */
	TLS_CHAIN_MAX = 128 * 1024, /* octets of one certificate with its chain, as PEM text */
	TLS_NAMES_MAX = 16 * 1024   /* octets of one certificate's names */
};

/* What a server shows: its certificates. */
struct tls_server;

struct tls_server *tls_server_new(const struct tls_settings *);
/*
 * Add a certificate with its chain, as PEM text, the server's own first.
 *
 * A client that says which host it wants (SNI, RFC 6066) is shown the certificates
 * whose alternative names cover that host (RFC 9525): one for each kind of key
 * (RSA, ECDSA, Ed25519) that there is, of which it takes the one that it can check.
 * The exact name goes before a wildcard, what was added earlier before what was
 * added later.  Every other client is shown the one that was added first, and those
 * with other kinds of keys that share a name with it.
 *
 * error  a sentence for the log where it fails (not PEM, unsupported key type ...)
 */
bool tls_server_add_certificate(struct tls_server *, struct slice pem, struct buf *error);
/* Streams that use it go on using it. */
void tls_server_free(struct tls_server *);

/* What a certificate says; names is the caller's to free. */
struct tls_certificate {
	uint8_t key[KEYS_ID_OCTETS]; /* of whose private key signatures would be asked */
	uint64_t not_before, not_after; /* seconds since 1970 */
	struct buf names; /* DNS names in lower case, separated by blanks, wildcards among them */
};

/* About the first certificate in this PEM text, which all of has to be well-formed. */
bool tls_certificate_read(struct slice pem, struct tls_certificate *, struct buf *error);
/*
 * Whether names, as tls_certificate_read gives them, cover a host (RFC 9525, 6.3):
 * without regard to case, and with a wildcard standing for the whole of the
 * leftmost label alone.
 */
bool tls_names_cover(struct slice names, struct slice host);

/*
 * Keys of session tickets from now on, for every server of this process; the first
 * encrypts, the others are taken from clients that come back.  Copied.  Before the
 * first call the process has one of its own.
 */
void tls_set_ticket_keys(const struct keys_ticket *, size_t count);

/* Trust the authorities that the system trusts; false where it has none. */
bool tls_trust_system(X509_STORE *);

/* What a client trusts. */
struct tls_client;

/*
 * authorities  PEM text with the certificates that are trusted, or an empty
 *              slice for the system's: these are read now, so call it before
 *              chroot
 */
struct tls_client *tls_client_new(
    const struct tls_settings *, struct slice authorities, struct buf *error);
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

/* What proves, to somebody who authenticates, which TLS session it is done in (RFC 5056). */
enum { TLS_BINDING_MAX = 64 };
struct tls_bindings {
	size_t exporter_len;  /* 0: none */
	size_t end_point_len; /* 0: none */
	uint8_t exporter[TLS_BINDING_MAX];  /* tls-exporter (RFC 9266) */
	uint8_t end_point[TLS_BINDING_MAX]; /* tls-server-end-point (RFC 5929, 4) */
};

#endif
