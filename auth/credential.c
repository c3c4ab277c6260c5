/*
 * credential.c - one password: parsing its verifier, and holding a password
 * against it.
 */
#include <crypt.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <stdlib.h>
#include <string.h>

#include "auth/credentials.h"
#include "auth/password.h"
#include "common/channel_auth.h"
#include "message/encoding.h"

enum {
	SALT = 16, /* octets of the salts that we make */
	PASSWORD_MAX = AUTH_PASSWORD_MAX,
	PASSWORD_PREPARED_MAX = 4 * AUTH_PASSWORD_MAX, /* normalization may make it longer */
};

/* --- parsing ------------------------------------------------------------------------ */

/* base64 of `min` to `max` octets. */
static bool decode(struct slice text, uint8_t *out, size_t min, size_t max, size_t *len)
{
	struct buf b = buf_with_limit(max + 3); /* base64 comes in threes */
	bool good = text.len > 0 && base64_decode(text, &b) && b.len >= min && b.len <= max;

	if (good) {
		memcpy(out, b.data, b.len);
		*len = b.len;
	}
	buf_free(&b);
	return good;
}

static bool parse_scram(struct slice text, struct credential *out, const char **fault)
{
	struct cursor c = cursor_over(text);
	struct slice iterations = cursor_take_until(&c, '$'), salt, stored;
	uint64_t number;
	size_t len;

	cursor_skip(&c, 1);
	salt = cursor_take_until(&c, '$');
	cursor_skip(&c, 1);
	stored = cursor_take_until(&c, ':');
	cursor_skip(&c, 1);
	out->kind = CREDENTIAL_SCRAM_SHA_256;
	if (!slice_number(iterations, SCRAM_ITERATIONS_MAX, &number) ||
	    number < SCRAM_ITERATIONS_MIN) {
		*fault = "the number of iterations is not one from 4096 to 10000000";
		return false;
	}
	out->scram.iterations = (uint32_t)number;
	if (!decode(salt, out->scram.salt, 8, SCRAM_SALT_MAX, &len)) {
		*fault = "the salt is not 8 to 64 octets in base64";
		return false;
	}
	out->scram.salt_len = (uint8_t)len;
	if (!decode(stored, out->scram.stored_key, SCRAM_KEY, SCRAM_KEY, &len) ||
	    !decode(cursor_rest(&c), out->scram.server_key, SCRAM_KEY, SCRAM_KEY, &len)) {
		*fault = "the keys are not StoredKey:ServerKey, each 32 octets in base64";
		return false;
	}
	return true;
}

static bool is_hash_octet(int octet)
{
	return octet_is_alnum(octet) || octet == '.' || octet == '/' || octet == '$' ||
	       octet == '=' || octet == ',' || octet == '_' || octet == '-' || octet == '+';
}

static bool parse_crypt(struct slice text, struct credential *out, const char **fault)
{
	struct cursor c = cursor_over(text);

	out->kind = CREDENTIAL_CRYPT;
	cursor_take_while(&c, is_hash_octet);
	if (text.len < 20 || text.data[0] != '$' || !cursor_done(&c) ||
	    !slice_copy(text, out->crypt, sizeof out->crypt)) {
		*fault =
		    "not a hash of crypt(3) with a method and a salt, such as $y$... or $6$...";
		return false;
	}
	switch (crypt_checksalt(out->crypt)) {
	case CRYPT_SALT_OK:
	case CRYPT_SALT_METHOD_LEGACY: /* the administrator's choice, maybe from an old system */
	case CRYPT_SALT_TOO_CHEAP:
		return true;
	default:
		*fault = "a method of crypt(3) that this system does not know";
		return false;
	}
}

bool credential_parse(struct slice text, struct credential *out, const char **fault)
{
	struct cursor c = cursor_over(text);

	memset(out, 0, sizeof *out);
	if (cursor_accept_nocase(&c, SLICE("{SCRAM-SHA-256}")))
		return parse_scram(cursor_rest(&c), out, fault);
	if (cursor_accept_nocase(&c, SLICE("{CRYPT}")) || cursor_peek(&c) == '$')
		return parse_crypt(cursor_rest(&c), out, fault);
	*fault = cursor_peek(&c) == '{'
		     ? "an unknown kind of password: {SCRAM-SHA-256} and {CRYPT} are known"
		     : "neither {SCRAM-SHA-256}, nor {CRYPT}, nor a hash of crypt(3)";
	return false;
}

/* --- verifying ------------------------------------------------------------------------ */

void scram_hmac(const uint8_t key[SCRAM_KEY], struct slice text, uint8_t out[SCRAM_KEY])
{
	unsigned len = SCRAM_KEY;

	HMAC(EVP_sha256(), key, SCRAM_KEY, (const unsigned char *)text.data, text.len, out, &len);
}

/* RFC 5802, 3: the two keys of a password. */
static bool derive(struct slice password, const uint8_t *salt, size_t salt_len, uint32_t iterations,
    uint8_t stored_key[SCRAM_KEY], uint8_t server_key[SCRAM_KEY])
{
	uint8_t salted[SCRAM_KEY], client_key[SCRAM_KEY];
	bool derived =
	    PKCS5_PBKDF2_HMAC(password.data == NULL ? "" : password.data, (int)password.len, salt,
		(int)salt_len, (int)iterations, EVP_sha256(), SCRAM_KEY, salted) == 1;

	if (derived) {
		scram_hmac(salted, SLICE("Client Key"), client_key);
		SHA256(client_key, sizeof client_key, stored_key);
		scram_hmac(salted, SLICE("Server Key"), server_key);
	}
	explicit_bzero(salted, sizeof salted);
	explicit_bzero(client_key, sizeof client_key);
	return derived;
}

static bool verify_scram(const struct credential *c, struct slice password)
{
	uint8_t stored_key[SCRAM_KEY], server_key[SCRAM_KEY];
	bool right = derive(password, c->scram.salt, c->scram.salt_len, c->scram.iterations,
			 stored_key, server_key) &&
		     CRYPTO_memcmp(stored_key, c->scram.stored_key, SCRAM_KEY) == 0;

	explicit_bzero(stored_key, sizeof stored_key);
	explicit_bzero(server_key, sizeof server_key);
	return right;
}

static bool verify_crypt(const struct credential *c, struct slice password)
{
	struct crypt_data *data = calloc(1, sizeof *data); /* 32 KiB: too much for a stack */
	char text[PASSWORD_MAX + 1];
	const char *hash = NULL;
	size_t len = strlen(c->crypt);
	bool right = false;

	if (data != NULL && slice_copy(password, text, sizeof text))
		hash = crypt_r(text, c->crypt, data);
	if (hash != NULL)
		right = strlen(hash) == len && CRYPTO_memcmp(hash, c->crypt, len) == 0;
	explicit_bzero(text, sizeof text);
	if (data != NULL)
		explicit_bzero(data, sizeof *data);
	free(data);
	return right;
}

/*
 * In its prepared form (password.h), and where that is another, as it was written
 * as well: verifiers may have been made of that.
 */
static bool verify_spellings(const struct credential *c, struct slice password)
{
	struct buf prepared = buf_with_limit(PASSWORD_PREPARED_MAX);
	bool is_prepared = password_prepare(password, &prepared);
	bool right = is_prepared && verify_scram(c, buf_slice(&prepared));

	if (!is_prepared || (!right && !slice_equal(buf_slice(&prepared), password)))
		right = verify_scram(c, password);
	buf_wipe(&prepared);
	return right;
}

bool credential_verify(const struct credential *c, struct slice password)
{
	bool possible = password.len <= PASSWORD_MAX && slice_find(password, 0, '\0') == -1;

	if (!possible)
		password = SLICE("not this one");
	if (c->kind == CREDENTIAL_SCRAM_SHA_256)
		return verify_spellings(c, password) && possible;
	return verify_crypt(c, password) && possible;
}

/* --- making ----------------------------------------------------------------------------- */

static bool is_plausible(struct slice password)
{
	if (password.len == 0 || password.len > PASSWORD_MAX)
		return false;
	for (size_t i = 0; i < password.len; i++)
		if (octet_is_control((unsigned char)password.data[i]))
			return false;
	return true;
}

void credential_decoy_scram(struct slice account, const uint8_t secret[SCRAM_KEY],
    const struct credential *model, struct credential *out)
{
	uint8_t octets[SHA512_DIGEST_LENGTH];
	unsigned len = sizeof octets;

	*out = (struct credential){.kind = CREDENTIAL_SCRAM_SHA_256};
	out->scram.iterations =
	    model != NULL ? model->scram.iterations : SCRAM_ITERATIONS_DEFAULT;
	out->scram.salt_len = model != NULL ? model->scram.salt_len : SALT;
	HMAC(EVP_sha512(), secret, SCRAM_KEY, (const unsigned char *)account.data, account.len,
	    octets, &len);
	memcpy(out->scram.salt, octets, out->scram.salt_len);
	/* Keys that belong to no password, and that nobody can compute. */
	scram_hmac(secret, slice_of(octets, sizeof octets), out->scram.stored_key);
	scram_hmac(out->scram.stored_key, slice_of(octets, sizeof octets), out->scram.server_key);
	explicit_bzero(octets, sizeof octets);
}

static bool derive_prepared(struct slice password, const uint8_t salt[SALT], uint32_t iterations,
    uint8_t stored_key[SCRAM_KEY], uint8_t server_key[SCRAM_KEY])
{
	struct buf prepared = buf_with_limit(PASSWORD_PREPARED_MAX);
	bool derived;

	if (password_prepare(password, &prepared))
		password = buf_slice(&prepared);
	derived = derive(password, salt, SALT, iterations, stored_key, server_key);
	buf_wipe(&prepared);
	return derived;
}

bool credential_make(struct slice password, uint32_t iterations, struct buf *out)
{
	uint8_t salt[SALT], stored_key[SCRAM_KEY], server_key[SCRAM_KEY];

	if (!is_plausible(password) || iterations < SCRAM_ITERATIONS_MIN ||
	    iterations > SCRAM_ITERATIONS_MAX || RAND_bytes(salt, sizeof salt) != 1 ||
	    !derive_prepared(password, salt, iterations, stored_key, server_key))
		return false;
	buf_printf(out, "{SCRAM-SHA-256}%u$", iterations);
	base64_encode(slice_of(salt, sizeof salt), out);
	buf_append_octet(out, '$');
	base64_encode(slice_of(stored_key, sizeof stored_key), out);
	buf_append_octet(out, ':');
	base64_encode(slice_of(server_key, sizeof server_key), out);
	explicit_bzero(stored_key, sizeof stored_key);
	explicit_bzero(server_key, sizeof server_key);
	return !out->overflowed;
}
