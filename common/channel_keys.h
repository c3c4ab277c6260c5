/*
 * channel_keys.h - what those who speak TLS have from keys: signatures by private
 * keys that only keys has, and the keys of session tickets, which all share.
 */
#ifndef PETREL_COMMON_CHANNEL_KEYS_H
#define PETREL_COMMON_CHANNEL_KEYS_H

#include "common/codec.h"

enum keys_type {
	KEYS_SIGN = 1, /* call: struct keys_sign.  Answer KEYS_SIGNATURE */
	KEYS_SIGNATURE, /* slice: the signature; empty: refused (no such key, or not that use of it) */
	KEYS_TICKETS   /* keys to all, when the channel opens and at each change: keys_tickets_write */
};

enum keys_algorithm {
	KEYS_RSA_PKCS1,  /* RSASSA-PKCS1-v1_5 over `input` as a digest */
	KEYS_RSA_PSS,    /* RSASSA-PSS, salt as long as the digest */
	KEYS_ECDSA,      /* over a digest; DER */
	KEYS_EDDSA,      /* Ed25519 over the whole input */
	KEYS_ALGORITHM_COUNT
};

enum { KEYS_ID_OCTETS = 32, KEYS_INPUT_MAX = 8192, KEYS_SIGNATURE_MAX = 1024 };

struct keys_sign {
	uint8_t key[KEYS_ID_OCTETS]; /* SHA-256 of the public key's SubjectPublicKeyInfo */
	uint8_t algorithm;           /* enum keys_algorithm */
	char digest[16];             /* "SHA256", ...; empty for EdDSA */
	struct slice input;          /* the digest, or for EdDSA the message */
};

/* A key of session tickets (RFC 5077, 4): which one it is, and what encrypts and authenticates. */
struct keys_ticket {
	uint8_t name[16];
	uint8_t cipher[32]; /* AES-256 */
	uint8_t mac[32];    /* HMAC-SHA-256 */
};
enum { KEYS_TICKETS_MAX = 2 }; /* the present one and the one before */

void keys_tickets_write(struct writer *w, const struct keys_ticket *tickets, size_t count);
/* How many; 0: malformed. */
size_t keys_tickets_read(struct reader *r, struct keys_ticket tickets[KEYS_TICKETS_MAX]);

void keys_sign_write(struct writer *w, const struct keys_sign *question);
bool keys_sign_read(struct reader *r, struct keys_sign *question);

#endif
