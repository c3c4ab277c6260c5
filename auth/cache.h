/*
 * cache.h - passwords that were verified a moment ago.
 *
 * A mail client that logs in every minute shall not cost milliseconds each time.
 * What is remembered is an HMAC of account and password under a key that only
 * this process has and that it never writes down: the memory of it is worth
 * nothing to anybody else.  Bounded: where it is full, the oldest give way.
 */
#ifndef PETREL_AUTH_CACHE_H
#define PETREL_AUTH_CACHE_H

#include "common/slice.h"

struct cache;

enum {
	CACHE_ENTRIES = 65536,
	CACHE_PROOF = 32,
};

/* What stands for an account and its password. */
struct cache_proof {
	uint8_t octets[CACHE_PROOF];
};

/* NULL where memory or randomness is not to be had. */
struct cache *cache_new(void);
void cache_free(struct cache *);

/* False where OpenSSL fails; the login is verified in full then. */
bool cache_prove(
    const struct cache *, struct slice account, struct slice password, struct cache_proof *proof);
/* Was this remembered, and is it not too old?  Times are clock_monotonic_us(). */
bool cache_knows(const struct cache *, const struct cache_proof *, uint64_t now_us);
void cache_remember(
    struct cache *, const struct cache_proof *, uint64_t now_us, uint64_t expires_us);
/* Forget everything: the credentials changed. */
void cache_clear(struct cache *);

#endif
