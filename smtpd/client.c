/*
 * client.c - who is at the other end: address, network, number of connections.
 */
#include "smtpd/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/siphash.h"

bool client_from_address(struct client *client, const struct sockaddr *from)
{
	struct host_address address;

	*client = (struct client){0};
	if (!host_address_from_socket(&address, from))
		return false;
	client->family = address.family;
	memcpy(client->octets, address.octets, sizeof client->octets);
	client->is_loopback = host_address_is_loopback(&address);
	host_address_print(&address, client->text);
	return true;
}

void client_from_user(struct client *client, uint32_t uid, const char *user)
{
	*client =
	    (struct client){.family = AF_UNIX, .uid = uid, .may_relay = true, .is_loopback = true};
	snprintf(client->text, sizeof client->text, "uid %u", uid);
	snprintf(client->user, sizeof client->user, "%s", user);
}

struct host_address client_address(const struct client *client)
{
	struct host_address address = {.family = client->family};

	memcpy(address.octets, client->octets, sizeof address.octets);
	return address;
}

bool client_is_in(const struct client *client, const struct conf_list *networks)
{
	struct host_address address = client_address(client);

	return networks_have(networks, &address);
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
