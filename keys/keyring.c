/*
 * keyring.c - the private keys of the suite, and the only thing done with them.
 */
#include "keys/keyring.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <stdlib.h>
#include <string.h>

#include "common/tls.h"

enum { RSA_BITS_MIN = 2048 };

struct key {
	uint8_t id[KEYS_ID_OCTETS];
	EVP_PKEY *pkey;
};

struct keyring {
	size_t count;
	struct key *keys;
};

struct keyring *keyring_new(void)
{
	return calloc(1, sizeof(struct keyring));
}

void keyring_free(struct keyring *ring)
{
	if (ring == NULL)
		return;
	for (size_t i = 0; i < ring->count; i++)
		EVP_PKEY_free(ring->keys[i].pkey); /* OpenSSL wipes the private numbers */
	free(ring->keys);
	free(ring);
}

size_t keyring_count(const struct keyring *ring)
{
	return ring->count;
}

static EVP_PKEY *find(const struct keyring *ring, const uint8_t id[KEYS_ID_OCTETS])
{
	for (size_t i = 0; i < ring->count; i++)
		if (memcmp(ring->keys[i].id, id, KEYS_ID_OCTETS) == 0)
			return ring->keys[i].pkey;
	return NULL;
}

/* --- reading ---------------------------------------------------------------------- */

/* OpenSSL asks for a passphrase: there is nobody to ask, but now we know that it is encrypted. */
static int note_encryption(char *phrase, int size, int writing, void *asked)
{
	(void)phrase;
	(void)size;
	(void)writing;
	*(bool *)asked = true;
	return -1;
}

static EVP_PKEY *parse(struct slice pem, struct buf *error)
{
	BIO *in = pem.len <= KEYRING_FILE_MAX ? BIO_new_mem_buf(pem.data, (int)pem.len) : NULL;
	bool encrypted = false;
	EVP_PKEY *pkey = NULL;

	if (in != NULL)
		pkey = PEM_read_bio_PrivateKey(in, NULL, note_encryption, &encrypted);
	BIO_free(in);
	ERR_clear_error();
	if (pkey != NULL)
		return pkey;
	if (encrypted)
		buf_append_string(error,
		    "the key is encrypted: there is nobody to ask for its "
		    "passphrase; store it unencrypted, readable by root alone");
	else if (pem.len > KEYRING_FILE_MAX)
		buf_append_string(error, "too large for a private key");
	else
		buf_append_string(error, "no private key in PEM format");
	return NULL;
}

static bool is_curve(EVP_PKEY *pkey)
{
	char name[32];
	size_t len;

	return EVP_PKEY_get_group_name(pkey, name, sizeof name, &len) == 1 &&
	       (strcmp(name, "prime256v1") == 0 || strcmp(name, "secp384r1") == 0 ||
		   strcmp(name, "secp521r1") == 0);
}

static bool is_acceptable(EVP_PKEY *pkey, struct buf *error)
{
	if (EVP_PKEY_is_a(pkey, "RSA")) {
		if (EVP_PKEY_get_bits(pkey) >= RSA_BITS_MIN &&
		    EVP_PKEY_get_size(pkey) <= KEYS_SIGNATURE_MAX)
			return true;
		buf_printf(error, "an RSA key of %d bits; %d to %d are accepted",
		    EVP_PKEY_get_bits(pkey), RSA_BITS_MIN, KEYS_SIGNATURE_MAX * 8);
		return false;
	}
	if (EVP_PKEY_is_a(pkey, "ED25519") || (EVP_PKEY_is_a(pkey, "EC") && is_curve(pkey)))
		return true;
	buf_append_string(error, "a kind of key that is not supported: RSA, EC on P-256, P-384 or "
				 "P-521, and Ed25519 are");
	return false;
}

/* Takes the key over where it succeeds. */
static bool insert(struct keyring *ring, EVP_PKEY *pkey, const uint8_t id[KEYS_ID_OCTETS])
{
	struct key *more = ring->count < KEYRING_KEYS_MAX
			       ? reallocarray(ring->keys, ring->count + 1, sizeof *more)
			       : NULL;

	if (more == NULL)
		return false;
	ring->keys = more;
	memcpy(more[ring->count].id, id, KEYS_ID_OCTETS);
	more[ring->count].pkey = pkey;
	ring->count++;
	return true;
}

bool keyring_add(
    struct keyring *ring, struct slice pem, uint8_t id[KEYS_ID_OCTETS], struct buf *error)
{
	EVP_PKEY *pkey = parse(pem, error);

	if (pkey == NULL)
		return false;
	if (!is_acceptable(pkey, error))
		goto failed;
	if (!tls_key_id(pkey, id)) {
		buf_append_string(error, "the key has no public half");
		goto failed;
	}
	if (find(ring, id) != NULL) {
		EVP_PKEY_free(pkey);
		return true;
	}
	if (insert(ring, pkey, id))
		return true;
	buf_append_string(error, "too many keys");
failed:
	EVP_PKEY_free(pkey);
	return false;
}

bool keyring_has(const struct keyring *ring, const uint8_t id[KEYS_ID_OCTETS])
{
	return find(ring, id) != NULL;
}

bool keyring_share(
    struct keyring *ring, const struct keyring *from, const uint8_t id[KEYS_ID_OCTETS])
{
	EVP_PKEY *pkey = from == NULL ? NULL : find(from, id);

	if (keyring_has(ring, id))
		return true;
	if (pkey == NULL || EVP_PKEY_up_ref(pkey) != 1)
		return false;
	if (insert(ring, pkey, id))
		return true;
	EVP_PKEY_free(pkey);
	return false;
}

/* --- signing ------------------------------------------------------------------------ */

static const EVP_MD *digest_named(const char *name)
{
	if (strcmp(name, "SHA256") == 0)
		return EVP_sha256();
	if (strcmp(name, "SHA384") == 0)
		return EVP_sha384();
	if (strcmp(name, "SHA512") == 0)
		return EVP_sha512();
	return NULL;
}

static bool fits(EVP_PKEY *pkey, uint8_t algorithm)
{
	switch (algorithm) {
	case KEYS_RSA_PKCS1:
	case KEYS_RSA_PSS:
		return EVP_PKEY_is_a(pkey, "RSA");
	case KEYS_ECDSA:
		return EVP_PKEY_is_a(pkey, "EC");
	case KEYS_EDDSA:
		return EVP_PKEY_is_a(pkey, "ED25519");
	default:
		return false;
	}
}

static bool set_padding(EVP_PKEY_CTX *c, uint8_t algorithm)
{
	if (algorithm == KEYS_RSA_PKCS1)
		return EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_PADDING) == 1;
	if (algorithm == KEYS_RSA_PSS)
		return EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_PSS_PADDING) == 1 &&
		       EVP_PKEY_CTX_set_rsa_pss_saltlen(c, RSA_PSS_SALTLEN_DIGEST) == 1;
	return true;
}

static bool sign_digest(EVP_PKEY *pkey, const struct keys_sign *q, unsigned char *out, size_t *len)
{
	const EVP_MD *md = digest_named(q->digest);
	EVP_PKEY_CTX *c;
	bool signed_it;

	if (md == NULL || q->input.len != (size_t)EVP_MD_get_size(md))
		return false;
	c = EVP_PKEY_CTX_new(pkey, NULL);
	signed_it =
	    c != NULL && EVP_PKEY_sign_init(c) == 1 && set_padding(c, q->algorithm) &&
	    EVP_PKEY_CTX_set_signature_md(c, md) == 1 &&
	    EVP_PKEY_sign(c, out, len, (const unsigned char *)q->input.data, q->input.len) == 1;
	EVP_PKEY_CTX_free(c);
	return signed_it;
}

static bool sign_text(EVP_PKEY *pkey, const struct keys_sign *q, unsigned char *out, size_t *len)
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	bool signed_it =
	    c != NULL && q->input.len <= KEYS_INPUT_MAX &&
	    EVP_DigestSignInit(c, NULL, NULL, NULL, pkey) == 1 &&
	    EVP_DigestSign(c, out, len, (const unsigned char *)q->input.data, q->input.len) == 1;

	EVP_MD_CTX_free(c);
	return signed_it;
}

/* A signing_key is an EVP_PKEY with one more owner. */
static EVP_PKEY *of(const struct signing_key *key)
{
	return (EVP_PKEY *)key;
}

struct signing_key *keyring_key(const struct keyring *ring, const uint8_t id[KEYS_ID_OCTETS])
{
	EVP_PKEY *pkey = find(ring, id);

	return pkey != NULL && EVP_PKEY_up_ref(pkey) == 1 ? (struct signing_key *)pkey : NULL;
}

void signing_key_free(struct signing_key *key)
{
	EVP_PKEY_free(of(key));
}

bool signing_key_is_slow(const struct signing_key *key)
{
	return EVP_PKEY_is_a(of(key), "RSA");
}

static bool sign(EVP_PKEY *pkey, const struct keys_sign *question, struct buf *signature)
{
	unsigned char out[KEYS_SIGNATURE_MAX];
	size_t len = sizeof out;
	bool signed_it;

	if (pkey == NULL || !fits(pkey, question->algorithm))
		return false;
	signed_it = question->algorithm == KEYS_EDDSA ? sign_text(pkey, question, out, &len)
						      : sign_digest(pkey, question, out, &len);
	ERR_clear_error();
	return signed_it && buf_append(signature, out, len);
}

bool signing_key_sign(
    const struct signing_key *key, const struct keys_sign *question, struct buf *signature)
{
	return sign(of(key), question, signature);
}

bool keyring_sign(
    const struct keyring *ring, const struct keys_sign *question, struct buf *signature)
{
	return sign(find(ring, question->key), question, signature);
}
