/*
 * keyring.h - the private keys of the suite, and the only thing done with them.
 *
 * Keys come in as PEM text and never leave: there is no function that gives one
 * out, only signatures.
 */
#ifndef PETREL_KEYS_KEYRING_H
#define PETREL_KEYS_KEYRING_H

#include "common/buf.h"
#include "common/channel_keys.h"

struct keyring;

enum {
	KEYRING_KEYS_MAX = 1024,     /* in one ring */
	KEYRING_FILE_MAX = 64 * 1024 /* octets of a PEM file */
};

/* An empty ring; NULL where memory is short. */
struct keyring *keyring_new(void);
/* Wipes the keys. */
void keyring_free(struct keyring *);

/*
 * Add the private key in this PEM text: RSA of 2048 bits or more, EC on P-256,
 * P-384 or P-521, or Ed25519.  A key that is there already counts as added.
 *
 * id     the key's name from now on (channel_keys.h)
 * error  a sentence for the log where it fails: encrypted, not PEM, too weak ...
 */
bool keyring_add(struct keyring *, struct slice pem, uint8_t id[KEYS_ID_OCTETS], struct buf *error);
size_t keyring_count(const struct keyring *);
bool keyring_has(const struct keyring *, const uint8_t id[KEYS_ID_OCTETS]);
/* Have a key of another ring in this one too.  False where it is in neither, or memory is short. */
bool keyring_share(
    struct keyring *, const struct keyring *from, const uint8_t id[KEYS_ID_OCTETS]);

/*
 * Sign.  False, with nothing appended, where there is no such key, where the
 * algorithm is not one of this kind of key, or where the input is not as long as
 * the digest that is named.  `signature` needs room for KEYS_SIGNATURE_MAX octets.
 */
bool keyring_sign(const struct keyring *, const struct keys_sign *question, struct buf *signature);

/* A key by itself: it outlives the ring, and any thread may use it. */
struct signing_key;

/* NULL where there is no such key; to be freed. */
struct signing_key *keyring_key(const struct keyring *, const uint8_t id[KEYS_ID_OCTETS]);
void signing_key_free(struct signing_key *);
/* To sign with it takes much longer than to hand it to a thread. */
bool signing_key_is_slow(const struct signing_key *);
/* As keyring_sign() does. */
bool signing_key_sign(
    const struct signing_key *, const struct keys_sign *question, struct buf *signature);

#endif
