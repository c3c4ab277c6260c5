/*
 * throttle.c - those who guess wait longer and longer.
 *
 * Sets of a few places each, found by a keyed hash of the subject, which also
 * stands for the subject: two that share all 64 bits wait for each other.
 */
#include "auth/throttle.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/siphash.h"

enum { WAYS = 8, SETS = THROTTLE_SUBJECTS / WAYS };

static const uint64_t second_us = 1000000;

struct place {
	uint64_t hash; /* 0: empty */
	uint64_t last_us;
	uint64_t not_before_us;
	uint32_t failures;
	uint32_t running;
};

struct throttle {
	struct siphash_key key;
	struct place places[SETS][WAYS];
};

struct throttle *throttle_new(void)
{
	struct throttle *t = calloc(1, sizeof *t);

	if (t != NULL)
		t->key = siphash_key_random();
	return t;
}

void throttle_free(struct throttle *t)
{
	free(t);
}

static struct place *find(struct throttle *t, struct slice subject, uint64_t *hash)
{
	struct place *set;

	*hash = siphash(t->key, subject) | 1;
	set = t->places[(*hash >> 1) % SETS];
	for (unsigned i = 0; i < WAYS; i++)
		if (set[i].hash == *hash)
			return &set[i];
	return NULL;
}

/* Which of two places is easier to do without: an idle one, then the older one. */
static bool is_dearer(const struct place *a, const struct place *b)
{
	if ((a->running > 0) != (b->running > 0))
		return a->running > 0;
	return a->last_us > b->last_us;
}

static struct place *find_or_make(struct throttle *t, struct slice subject, uint64_t now_us)
{
	uint64_t hash;
	struct place *place = find(t, subject, &hash), *set;

	if (place != NULL)
		return place;
	set = t->places[(hash >> 1) % SETS];
	place = set;
	for (unsigned i = 1; i < WAYS; i++)
		if (is_dearer(place, &set[i]))
			place = &set[i];
	*place = (struct place){.hash = hash, .last_us = now_us};
	return place;
}

static void forget_old(struct place *place, uint64_t now_us)
{
	if (now_us - place->last_us > THROTTLE_FORGET_SECONDS * second_us) {
		place->failures = 0;
		place->not_before_us = 0;
	}
}

uint64_t throttle_wait(
    struct throttle *t, struct slice subject, const struct throttle_rule *rule, uint64_t now_us)
{
	uint64_t hash;
	struct place *place = find(t, subject, &hash);

	if (place == NULL)
		return 0;
	forget_old(place, now_us);
	if (rule->first_us != 0 && place->not_before_us > now_us)
		return place->not_before_us - now_us;
	/* One of those that run will be over in some milliseconds. */
	if (rule->parallel != 0 && place->running >= rule->parallel)
		return second_us / 20;
	return 0;
}

void throttle_begin(struct throttle *t, struct slice subject, uint64_t now_us)
{
	find_or_make(t, subject, now_us)->running++;
}

void throttle_end(struct throttle *t, struct slice subject)
{
	uint64_t hash;
	struct place *place = find(t, subject, &hash);

	if (place != NULL && place->running > 0)
		place->running--;
}

uint64_t throttle_failed(struct throttle *t, struct slice subject, const struct throttle_rule *rule,
    uint64_t began_us, uint64_t now_us)
{
	struct place *place = find_or_make(t, subject, now_us);
	uint64_t wait = rule->first_us;

	forget_old(place, now_us);
	if (place->failures > 0 && began_us < place->last_us)
		return place->not_before_us > now_us ? place->not_before_us - now_us : 0;
	place->last_us = now_us;
	if (place->failures < UINT32_MAX)
		place->failures++;
	if (place->failures <= rule->free)
		return 0;
	for (uint32_t i = rule->free + 1;
	     i < place->failures && wait < THROTTLE_SECONDS_MAX * second_us; i++)
		wait *= 2;
	if (rule->first_us == 0)
		return 0;
	if (wait > THROTTLE_SECONDS_MAX * second_us)
		wait = THROTTLE_SECONDS_MAX * second_us;
	place->not_before_us = now_us + wait;
	return wait;
}

void throttle_succeeded(struct throttle *t, struct slice subject)
{
	uint64_t hash;
	struct place *place = find(t, subject, &hash);

	if (place == NULL)
		return;
	place->failures = 0;
	place->not_before_us = 0;
}

void throttle_network(const char *address, char network[THROTTLE_NETWORK])
{
	struct in6_addr six;
	struct in_addr four;
	char text[INET6_ADDRSTRLEN];

	if (inet_pton(AF_INET6, address, &six) == 1 && IN6_IS_ADDR_V4MAPPED(&six))
		address += strlen("::ffff:");
	if (inet_pton(AF_INET, address, &four) == 1) {
		four.s_addr &= htonl(0xffffff00);
		inet_ntop(AF_INET, &four, text, sizeof text);
		snprintf(network, THROTTLE_NETWORK, "%s/24", text);
	} else if (inet_pton(AF_INET6, address, &six) == 1) {
		memset(six.s6_addr + 8, 0, 8);
		inet_ntop(AF_INET6, &six, text, sizeof text);
		snprintf(network, THROTTLE_NETWORK, "%s/64", text);
	} else {
		snprintf(network, THROTTLE_NETWORK, "%s", address);
	}
}
