/*
 * cache.h - tokens that were found good a moment ago, and whose they are.
 *
 * A token is remembered by an HMAC under a key that only this process has and never
 * writes down.  Bounded: where it is full, the oldest give way.  Times are
 * clock_monotonic_us().
 */
#ifndef PETREL_OAUTH_CACHE_H
#define PETREL_OAUTH_CACHE_H

#include "common/slice.h"

struct cache;

enum {
	CACHE_ENTRIES = 4096,
	CACHE_DIGEST = 32,
	CACHE_ACCOUNT = 321,
};

struct cache_key {
	uint8_t octets[CACHE_DIGEST];
};

/* NULL where memory or randomness is not to be had. */
struct cache *cache_new(void);
void cache_free(struct cache *);
/* False where OpenSSL fails; nothing is remembered then. */
bool cache_key(const struct cache *, struct slice token, struct cache_key *key);
/* Whose it was found to be; NULL: not known, or not any more. */
const char *cache_find(const struct cache *, const struct cache_key *, uint64_t now_us);
void cache_remember(struct cache *, const struct cache_key *, const char *account, uint64_t now_us,
    uint64_t expires_us);
void cache_clear(struct cache *);

#endif
