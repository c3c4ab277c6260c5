/*
 * client.c - who is at the other end: address, network, number of connections.
 */
#include "smtpd/client.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/siphash.h"

bool client_from_address(struct client *client, const struct sockaddr *address)
{
	static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	static const uint8_t loopback[16] = {[15] = 1};

	*client = (struct client){0};
	if (address->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;

		client->family = AF_INET;
		memcpy(client->octets, &in->sin_addr, 4);
	} else if (address->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;

		client->family = AF_INET6;
		memcpy(client->octets, &in6->sin6_addr, 16);
		if (memcmp(client->octets, mapped, sizeof mapped) == 0) {
			client->family = AF_INET;
			memmove(client->octets, client->octets + 12, 4);
			memset(client->octets + 4, 0, 12);
		}
	} else {
		return false;
	}
	client->is_loopback = client->family == AF_INET
				  ? client->octets[0] == 127
				  : memcmp(client->octets, loopback, sizeof loopback) == 0;
	return inet_ntop(client->family, client->octets, client->text, sizeof client->text) != NULL;
}

void client_from_user(struct client *client, uint32_t uid, const char *user)
{
	*client =
	    (struct client){.family = AF_UNIX, .uid = uid, .may_relay = true, .is_loopback = true};
	snprintf(client->text, sizeof client->text, "uid %u", uid);
	snprintf(client->user, sizeof client->user, "%s", user);
}

/* --- networks ------------------------------------------------------------------ */

struct network {
	uint8_t family;
	uint8_t octets[16];
	unsigned bits;
};

static bool network_parse(const char *word, struct network *network)
{
	struct slice text = slice_string(word);
	ssize_t slash = slice_find(text, 0, '/');
	struct slice address = slash < 0 ? text : slice_part(text, 0, (size_t)slash);
	char buffer[INET6_ADDRSTRLEN];
	uint64_t bits;

	*network = (struct network){0};
	if (!slice_copy(address, buffer, sizeof buffer))
		return false;
	if (inet_pton(AF_INET, buffer, network->octets) == 1)
		network->family = AF_INET;
	else if (inet_pton(AF_INET6, buffer, network->octets) == 1)
		network->family = AF_INET6;
	else
		return false;
	bits = network->family == AF_INET ? 32 : 128;
	if (slash >= 0 && !slice_number(slice_from(text, (size_t)slash + 1), bits, &bits))
		return false;
	network->bits = (unsigned)bits;
	return true;
}

bool network_is_valid(const char *word)
{
	struct network network;

	return network_parse(word, &network);
}

static bool network_has(const struct network *network, const struct client *client)
{
	size_t whole = network->bits / 8;
	unsigned rest = network->bits % 8;

	if (client->family != network->family ||
	    memcmp(client->octets, network->octets, whole) != 0)
		return false;
	return rest == 0 || (client->octets[whole] ^ network->octets[whole]) >> (8 - rest) == 0;
}

bool client_is_in(const struct client *client, const struct conf_list *networks)
{
	struct network network;

	for (size_t i = 0; i < networks->count; i++) {
		if (network_parse(networks->words[i], &network) && network_has(&network, client))
			return true;
	}
	return false;
}

/* --- counting connections --------------------------------------------------------- */

/*
 * Clients choose their addresses, so the table's hash is keyed: nobody can fill
 * one bucket on purpose.
 */
enum { BUCKETS = 4096 };

struct counted {
	SLIST_ENTRY(counted) entry;
	uint8_t family;
	uint8_t octets[16];
	int64_t connections;
};

SLIST_HEAD(bucket, counted);

static struct bucket *buckets;
static struct siphash_key key;

/* What is counted as one: an IPv4 address, or the network that one IPv6 host usually has. */
static struct counted counted_as(const struct client *client)
{
	struct counted counted = {.family = client->family};

	memcpy(counted.octets, client->octets, client->family == AF_INET6 ? 8 : 4);
	return counted;
}

static struct bucket *bucket_of(const struct counted *wanted)
{
	uint64_t hash = siphash(key, slice_of(wanted->octets, sizeof wanted->octets));

	return &buckets[hash % BUCKETS];
}

static struct counted *find(struct bucket *bucket, const struct counted *wanted)
{
	struct counted *counted;

	SLIST_FOREACH (counted, bucket, entry) {
		if (counted->family == wanted->family &&
		    memcmp(counted->octets, wanted->octets, sizeof wanted->octets) == 0)
			return counted;
	}
	return NULL;
}

bool client_count(const struct client *client, int64_t limit)
{
	struct counted wanted = counted_as(client);
	struct bucket *bucket;
	struct counted *counted;

	if (client->family == AF_UNIX)
		return true;
	if (buckets == NULL) {
		buckets = calloc(BUCKETS, sizeof *buckets);
		if (buckets == NULL)
			return false;
		key = siphash_key_random();
	}
	bucket = bucket_of(&wanted);
	counted = find(bucket, &wanted);
	if (counted == NULL) {
		counted = malloc(sizeof *counted);
		if (counted == NULL)
			return false;
		*counted = wanted;
		SLIST_INSERT_HEAD(bucket, counted, entry);
	}
	if (counted->connections >= limit)
		return false;
	counted->connections++;
	return true;
}

void client_uncount(const struct client *client)
{
	struct counted wanted = counted_as(client);
	struct counted *counted;

	if (client->family == AF_UNIX || buckets == NULL)
		return;
	counted = find(bucket_of(&wanted), &wanted);
	if (counted != NULL && --counted->connections == 0) {
		SLIST_REMOVE(bucket_of(&wanted), counted, counted, entry);
		free(counted);
	}
}
