/*
 * channel_keys.h - a signature by a private key that only keys has.
 */
#ifndef PETREL_COMMON_CHANNEL_KEYS_H
#define PETREL_COMMON_CHANNEL_KEYS_H

#include "common/codec.h"

enum keys_type {
	KEYS_SIGN = 1, /* call: struct keys_sign.  Answer KEYS_SIGNATURE */
	KEYS_SIGNATURE /* slice: the signature; empty: refused (no such key, or not that use of it) */
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

void keys_sign_write(struct writer *w, const struct keys_sign *question);
bool keys_sign_read(struct reader *r, struct keys_sign *question);

#endif
