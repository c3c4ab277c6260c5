/*
 * siphash.h - the keyed hash (SipHash-2-4) for every table whose keys come from outside.
 *
 * Without the key nobody can choose inputs that collide, so that no input makes
 * a hash table's work grow with the square of its size.
 */
#ifndef PETREL_COMMON_SIPHASH_H
#define PETREL_COMMON_SIPHASH_H

#include "common/slice.h"

struct siphash_key {
	uint64_t k0;
	uint64_t k1;
};

/* A fresh key from the system's random source; one for each table will do. */
struct siphash_key siphash_key_random(void);
uint64_t siphash(struct siphash_key key, struct slice data);

#endif
