/*
 * siphash.c - SipHash-2-4 by Aumasson and Bernstein, from the published paper.
 */
#include "common/siphash.h"

#include <stdlib.h>

struct state {
	uint64_t v0, v1, v2, v3;
};

struct siphash_key siphash_key_random(void)
{
	struct siphash_key key;

	arc4random_buf(&key, sizeof key);
	return key;
}

static inline uint64_t rotate_left(uint64_t value, unsigned int bits)
{
	return value << bits | value >> (64 - bits);
}

static inline void sip_round(struct state *s)
{
	s->v0 += s->v1;
	s->v1 = rotate_left(s->v1, 13) ^ s->v0;
	s->v0 = rotate_left(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = rotate_left(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = rotate_left(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = rotate_left(s->v1, 17) ^ s->v2;
	s->v2 = rotate_left(s->v2, 32);
}

static inline void absorb(struct state *s, uint64_t word)
{
	s->v3 ^= word;
	sip_round(s);
	sip_round(s);
	s->v0 ^= word;
}

static inline uint64_t little_endian(const char *octets, size_t count)
{
	uint64_t word = 0;

	for (size_t i = 0; i < count; i++)
		word |= (uint64_t)(unsigned char)octets[i] << (8 * i);
	return word;
}

uint64_t siphash(struct siphash_key key, struct slice data)
{
	struct state s = {
	    key.k0 ^ 0x736f6d6570736575,
	    key.k1 ^ 0x646f72616e646f6d,
	    key.k0 ^ 0x6c7967656e657261,
	    key.k1 ^ 0x7465646279746573,
	};
	size_t whole = data.len - data.len % 8;
	struct slice rest = slice_from(data, whole);

	for (size_t i = 0; i < whole; i += 8)
		absorb(&s, little_endian(data.data + i, 8));
	absorb(&s, (uint64_t)data.len << 56 | little_endian(rest.data, rest.len));
	s.v2 ^= 0xff;
	for (int i = 0; i < 4; i++)
		sip_round(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
