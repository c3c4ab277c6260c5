/*
 * cache.c - tokens that were found good a moment ago, and whose they are.
 *
 * Sets of a few places each; the key itself says which set.
 */
#include "oauth/cache.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

enum { WAYS = 4, SETS = CACHE_ENTRIES / WAYS };

struct place {
	struct cache_key key;
	uint64_t expires_us; /* 0: empty */
	char account[CACHE_ACCOUNT];
};

struct cache {
	uint8_t secret[CACHE_DIGEST];
	struct place places[SETS][WAYS];
};

struct cache *cache_new(void)
{
	struct cache *cache = calloc(1, sizeof *cache);

	if (cache != NULL && RAND_priv_bytes(cache->secret, sizeof cache->secret) != 1) {
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

bool cache_key(const struct cache *cache, struct slice token, struct cache_key *key)
{
	unsigned len = sizeof key->octets;

	return HMAC(EVP_sha256(), cache->secret, sizeof cache->secret,
		   (const unsigned char *)token.data, token.len, key->octets, &len) != NULL;
}

static size_t set_of(const struct cache_key *key)
{
	uint32_t number;

	memcpy(&number, key->octets, sizeof number);
	return number % SETS;
}

const char *cache_find(const struct cache *cache, const struct cache_key *key, uint64_t now_us)
{
	const struct place *set = cache->places[set_of(key)];

	for (unsigned i = 0; i < WAYS; i++)
		if (set[i].expires_us > now_us && CRYPTO_memcmp(&set[i].key, key, sizeof *key) == 0)
			return set[i].account;
	return NULL;
}

void cache_remember(struct cache *cache, const struct cache_key *key, const char *account,
    uint64_t now_us, uint64_t expires_us)
{
	struct place *set = cache->places[set_of(key)], *oldest = set;

	if (expires_us <= now_us)
		return;
	for (unsigned i = 0; i < WAYS; i++) {
		if (memcmp(&set[i].key, key, sizeof *key) == 0) {
			oldest = &set[i];
			break;
		}
		if (set[i].expires_us < oldest->expires_us)
			oldest = &set[i];
	}
	*oldest = (struct place){.key = *key, .expires_us = expires_us};
	slice_copy(slice_string(account), oldest->account, sizeof oldest->account);
}

void cache_clear(struct cache *cache)
{
	explicit_bzero(cache->places, sizeof cache->places);
}
