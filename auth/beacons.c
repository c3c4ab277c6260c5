/*
 * beacons.c - unguessable numbers that clients sign.
 */
#include "auth/beacons.h"

#include <sys/tree.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "auth/proof.h"

struct use {
	RB_ENTRY(use) entry;
	size_t len;
	uint8_t hash[PROOF_HASH_MAX];
};

static int compare(const struct use *a, const struct use *b)
{
	return slice_compare(slice_of(a->hash, a->len), slice_of(b->hash, b->len));
}

RB_HEAD(beacon_uses, use);
RB_PROTOTYPE(beacon_uses, use, entry, compare)
RB_GENERATE(beacon_uses, use, entry, compare)

struct beacon {
	uint8_t octets[TLS_BEACON];
	uint64_t made_us; /* 0: there is none in this place */
	struct beacon_uses uses;
	size_t use_count;
};

struct beacons {
	struct beacon ring[BEACONS_KEPT];
	unsigned current;
	size_t use_count;
};

struct beacons *beacons_new(void)
{
	return calloc(1, sizeof(struct beacons));
}

static void forget(struct beacons *b, struct beacon *beacon)
{
	struct use *use;

	while ((use = RB_MIN(beacon_uses, &beacon->uses)) != NULL) {
		RB_REMOVE(beacon_uses, &beacon->uses, use);
		free(use);
	}
	b->use_count -= beacon->use_count;
	*beacon = (struct beacon){0};
}

void beacons_free(struct beacons *b)
{
	for (size_t i = 0; b != NULL && i < BEACONS_KEPT; i++)
		forget(b, &b->ring[i]);
	free(b);
}

static bool is_older(const struct beacon *beacon, uint64_t now_us, uint64_t seconds)
{
	return now_us - beacon->made_us >= seconds * 1000000;
}

const uint8_t *beacons_current(struct beacons *b, uint64_t now_us)
{
	struct beacon *beacon = &b->ring[b->current];

	if (beacon->made_us != 0 && !is_older(beacon, now_us, BEACON_SECONDS))
		return beacon->octets;
	b->current = (b->current + 1) % BEACONS_KEPT;
	beacon = &b->ring[b->current];
	forget(b, beacon);
	if (RAND_bytes(beacon->octets, sizeof beacon->octets) != 1)
		return NULL;
	beacon->made_us = now_us;
	return beacon->octets;
}

static struct beacon *find(struct beacons *b, struct slice octets, uint64_t now_us)
{
	for (size_t i = 0; i < BEACONS_KEPT; i++) {
		struct beacon *beacon = &b->ring[i];

		if (beacon->made_us != 0 && octets.len == TLS_BEACON &&
		    !is_older(beacon, now_us, BEACON_SECONDS * BEACONS_KEPT) &&
		    CRYPTO_memcmp(beacon->octets, octets.data, TLS_BEACON) == 0)
			return beacon;
	}
	return NULL;
}

/* What was used under a beacon is only forgotten together with it. */
static void make_room(struct beacons *b)
{
	struct beacon *oldest = NULL;

	for (size_t i = 0; i < BEACONS_KEPT; i++)
		if (b->ring[i].made_us != 0 &&
		    (oldest == NULL || b->ring[i].made_us < oldest->made_us))
			oldest = &b->ring[i];
	if (oldest != NULL && b->use_count >= BEACON_USES_MAX)
		forget(b, oldest);
}

static bool add(struct beacons *b, struct beacon *beacon, const struct use *wanted)
{
	struct use *use;

	make_room(b);
	use = beacon->made_us == 0 ? NULL : malloc(sizeof *use);
	if (use == NULL)
		return false;
	*use = *wanted;
	RB_INSERT(beacon_uses, &beacon->uses, use);
	beacon->use_count++;
	b->use_count++;
	return true;
}

enum beacon_use beacons_use(
    struct beacons *b, struct slice octets, struct slice hash, uint64_t now_us)
{
	struct beacon *beacon = find(b, octets, now_us);
	struct use wanted = {.len = hash.len};

	if (beacon == NULL || hash.len > sizeof wanted.hash)
		return BEACON_UNKNOWN;
	memcpy(wanted.hash, hash.data, hash.len);
	if (RB_FIND(beacon_uses, &beacon->uses, &wanted) != NULL)
		return BEACON_USED;
	return add(b, beacon, &wanted) ? BEACON_FRESH : BEACON_UNKNOWN;
}
