/*
 * cache.c - passwords that were verified a moment ago.
 *
 * Sets of a few places each; the proof itself says which set.
 */
#include "auth/cache.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <stdlib.h>
#include <string.h>

#include "common/channel_auth.h"

enum { WAYS = 4, SETS = CACHE_ENTRIES / WAYS };

struct place {
	struct cache_proof proof;
	uint64_t expires_us; /* 0: empty */
};

struct cache {
	uint8_t key[CACHE_PROOF];
	struct place places[SETS][WAYS];
};

struct cache *cache_new(void)
{
	struct cache *cache = calloc(1, sizeof *cache);

	if (cache != NULL && RAND_priv_bytes(cache->key, sizeof cache->key) != 1) {
		free(cache);
		return NULL;
	}
	return cache;
}

void cache_free(struct cache *cache)
{
	if (cache != NULL)
		explicit_bzero(cache, sizeof *cache);
	free(cache);
}

bool cache_prove(const struct cache *cache, struct slice account, struct slice password,
    struct cache_proof *proof)
{
	/* No account has a NUL in its name, so one marks where the name ends. */
	unsigned char text[AUTH_NAME_MAX + 1 + AUTH_PASSWORD_MAX];
	unsigned len = sizeof proof->octets;
	bool proven;

	if (account.len > AUTH_NAME_MAX || password.len > AUTH_PASSWORD_MAX)
		return false;
	memcpy(text, account.data, account.len);
	text[account.len] = '\0';
	memcpy(text + account.len + 1, password.data, password.len);
	proven = HMAC(EVP_sha256(), cache->key, sizeof cache->key, text,
		     account.len + 1 + password.len, proof->octets, &len) != NULL;
	explicit_bzero(text, sizeof text);
	return proven;
}

static struct place *set_of(const struct cache *cache, const struct cache_proof *proof)
{
	uint32_t number;

	memcpy(&number, proof->octets, sizeof number);
	return (struct place *)(uintptr_t)cache->places[number % SETS];
}

bool cache_knows(const struct cache *cache, const struct cache_proof *proof, uint64_t now_us)
{
	const struct place *set = set_of(cache, proof);

	for (unsigned i = 0; i < WAYS; i++)
		if (set[i].expires_us > now_us &&
		    CRYPTO_memcmp(&set[i].proof, proof, sizeof *proof) == 0)
			return true;
	return false;
}

void cache_remember(
    struct cache *cache, const struct cache_proof *proof, uint64_t now_us, uint64_t expires_us)
{
	struct place *set = set_of(cache, proof), *oldest = set;

	if (expires_us <= now_us)
		return;
	for (unsigned i = 0; i < WAYS; i++) {
		if (memcmp(&set[i].proof, proof, sizeof *proof) == 0) {
			oldest = &set[i];
			break;
		}
		if (set[i].expires_us < oldest->expires_us)
			oldest = &set[i];
	}
	*oldest = (struct place){*proof, expires_us};
}

void cache_clear(struct cache *cache)
{
	explicit_bzero(cache->places, sizeof cache->places);
}
