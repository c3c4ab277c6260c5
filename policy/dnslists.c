/*
 * dnslists.c - the judge that asks DNS lists about a client, and adds up what they weigh.
 *
 * All lists are asked at once.  A client waits for those that are known to work, and for
 * a bounded time; what comes later is good for its next visit.  What is known is kept
 * as long as the answers hold, of so many clients at most.
 */
#include "policy/dnslists.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/channel_resolver.h"
#include "common/clock.h"
#include "common/conf.h"
#include "common/dnslist.h"
#include "common/log.h"
#include "common/process.h"
#include "common/siphash.h"

enum {
	LISTS_MAX = 64,
	CLIENTS_MAX = 65536,
	BUCKETS = 16384,
	TTL_LEAST_SECONDS = 60, /* an answer is kept */
	TTL_LONGEST_SECONDS = 3600,
	TTL_FAILED_SECONDS = 10 /* what is known while a list does not answer */
};

struct list {
	struct dnslist is;
	bool is_failing;
};

/* A question about a client to one list: first whether it is listed, then why. */
struct asked {
	struct client *client;
	struct list *list;
	struct channel *channel; /* NULL: nothing is under way */
	uint32_t request;
	bool is_awaited; /* clients wait for it */
	bool is_listed;
	char why[160];
};

struct client {
	SLIST_ENTRY(client) bucket;
	TAILQ_ENTRY(client) age;
	struct host_address address;
	uint64_t until_us;    /* what is known holds; 0: not all is known yet */
	uint32_t ttl;         /* the shortest of the answers */
	unsigned outstanding; /* answers to come */
	unsigned awaited;     /* of these, those that are waited for */
	bool has_failed;      /* a list did not answer */
	struct event *deadline;
	struct inquiries waiting;
	unsigned asked_count;
	struct asked asked[];
};

static struct list lists[LISTS_MAX];
static unsigned list_count;
static SLIST_HEAD(, client) buckets[BUCKETS];
static TAILQ_HEAD(, client) clients = TAILQ_HEAD_INITIALIZER(clients); /* the oldest first */
static unsigned client_count;
static struct siphash_key hash_key;
static bool has_key;

static bool on_listed(struct message *m, void *context);
static bool on_why(struct message *m, void *context);

/* --- lists ------------------------------------------------------------------------------ */

static void list_fails(struct list *list, const char *reason)
{
	if (!list->is_failing)
		log_warning("dnslist-failed", log_string("list", list->is.domain),
		    log_string("reason", reason));
	list->is_failing = true;
}

static void list_works(struct list *list)
{
	if (list->is_failing)
		log_info("dnslist-works-again", log_string("list", list->is.domain));
	list->is_failing = false;
}

/* --- what is known ------------------------------------------------------------------------ */

static int32_t score_of(const struct client *client)
{
	int32_t score = 0;

	for (unsigned i = 0; i < client->asked_count; i++) {
		if (client->asked[i].is_listed)
			score += client->asked[i].list->is.weight;
	}
	return score;
}

/* The list that weighs most speaks for all. */
static const struct asked *heaviest(const struct client *client)
{
	const struct asked *found = NULL;

	for (unsigned i = 0; i < client->asked_count; i++) {
		const struct asked *asked = &client->asked[i];

		if (asked->is_listed && asked->list->is.weight > 0 &&
		    (found == NULL || asked->list->is.weight > found->list->is.weight))
			found = asked;
	}
	return found;
}

static void tell(struct inquiry *inquiry, const struct client *client)
{
	const struct asked *asked = heaviest(client);
	char address[HOST_ADDRESS_TEXT];

	inquiry->score = score_of(client);
	host_address_print(&client->address, address);
	if (asked != NULL)
		snprintf(inquiry->listed, sizeof inquiry->listed, "Client [%s] is listed by %s%s%s",
		    address, asked->list->is.domain, asked->why[0] == '\0' ? "" : ": ", asked->why);
	if (inquiry->score != 0)
		log_info("dnslists", log_string("client", address),
		    log_signed("score", inquiry->score),
		    log_string("list", asked == NULL ? "" : asked->list->is.domain));
	inquiry_pass(inquiry);
}

static void tell_all(struct client *client)
{
	struct inquiry *inquiry;

	event_del(client->deadline);
	while ((inquiry = TAILQ_FIRST(&client->waiting)) != NULL) {
		TAILQ_REMOVE(&client->waiting, inquiry, waiting);
		tell(inquiry, client);
	}
}

/* --- clients ------------------------------------------------------------------------------- */

static unsigned bucket_of(const struct host_address *address)
{
	return (unsigned)(siphash(hash_key, slice_of(address->octets, sizeof address->octets)) %
			  BUCKETS);
}

static void free_client(struct client *client)
{
	tell_all(client);
	for (unsigned i = 0; i < client->asked_count; i++) {
		if (client->asked[i].channel != NULL)
			channel_forget(client->asked[i].channel, client->asked[i].request);
	}
	SLIST_REMOVE(&buckets[bucket_of(&client->address)], client, client, bucket);
	TAILQ_REMOVE(&clients, client, age);
	client_count--;
	event_free(client->deadline);
	free(client);
}

static struct client *find(const struct host_address *address)
{
	struct client *client;

	SLIST_FOREACH (client, &buckets[bucket_of(address)], bucket) {
		if (client->address.family == address->family &&
		    memcmp(client->address.octets, address->octets, sizeof address->octets) == 0)
			return client;
	}
	return NULL;
}

/* --- answers --------------------------------------------------------------------------------- */

static void no_longer_awaited(struct asked *asked)
{
	if (asked->is_awaited)
		asked->client->awaited--;
	asked->is_awaited = false;
}

/* This list has said what it has to say. */
static void settle(struct asked *asked)
{
	struct client *client = asked->client;
	uint32_t ttl = client->has_failed ? TTL_FAILED_SECONDS : client->ttl;

	no_longer_awaited(asked);
	if (--client->outstanding == 0)
		client->until_us = clock_monotonic_us() + (uint64_t)ttl * 1000000;
	if (client->awaited == 0)
		tell_all(client);
}

static bool ask_resolver(struct asked *asked, enum resolver_type type, channel_answer answer)
{
	struct channel *channel = process_peer(ROLE_RESOLVER);
	char name[DNSLIST_NAME_MAX];

	if (channel == NULL || !dnslist_name(&asked->list->is, &asked->client->address, name))
		return false;
	write_string(channel_call(channel, (uint16_t)type, answer, asked, &asked->request), name);
	if (!channel_end(channel))
		return false;
	asked->channel = channel;
	return true;
}

static void keep_ttl(struct client *client, uint32_t ttl)
{
	if (ttl < TTL_LEAST_SECONDS)
		ttl = TTL_LEAST_SECONDS;
	if (ttl < client->ttl)
		client->ttl = ttl;
}

/* What the A records make of it; the list has failed where one is no answer. */
static void take_addresses(struct asked *asked, const struct resolver_records *records)
{
	for (unsigned i = 0; i < records->count; i++) {
		const uint8_t *octets = (const uint8_t *)records->records[i].data;

		switch (records->records[i].len != 4 ? DNSLIST_ERROR
						     : dnslist_judge(&asked->list->is, octets)) {
		case DNSLIST_LISTED:
			asked->is_listed = true;
			break;
		case DNSLIST_NOT_LISTED:
			break;
		case DNSLIST_ERROR:
			asked->is_listed = false;
			asked->client->has_failed = true;
			list_fails(asked->list, "it answers with an error, not about clients");
			return;
		}
	}
	list_works(asked->list);
}

static bool on_listed(struct message *m, void *context)
{
	struct asked *asked = context;
	struct resolver_records records = {.status = RESOLVER_TEMPORARY};
	bool good = true;

	asked->channel = NULL;
	if (m != NULL) {
		struct reader r = message_reader(m);

		good = m->type == RESOLVER_RECORDS && resolver_records_read(&r, &records);
		if (!good)
			records.status = RESOLVER_TEMPORARY;
	}
	if (records.status == RESOLVER_OK) {
		keep_ttl(asked->client, records.ttl);
		take_addresses(asked, &records);
	} else if (records.status == RESOLVER_NO_NAME || records.status == RESOLVER_NO_DATA) {
		keep_ttl(asked->client, records.ttl);
		list_works(asked->list);
	} else {
		asked->client->has_failed = true;
		list_fails(asked->list, "it does not answer");
	}
	if (!asked->is_listed || asked->list->is.weight <= 0 ||
	    !ask_resolver(asked, RESOLVER_TXT, on_why))
		settle(asked);
	return good;
}

static bool on_why(struct message *m, void *context)
{
	struct asked *asked = context;
	struct resolver_records records = {.count = 0};
	bool good = true;

	asked->channel = NULL;
	if (m != NULL) {
		struct reader r = message_reader(m);

		good = m->type == RESOLVER_RECORDS && resolver_records_read(&r, &records);
	}
	if (good && records.count > 0)
		slice_copy(slice_part(records.records[0], 0, sizeof asked->why - 1), asked->why,
		    sizeof asked->why);
	settle(asked);
	return good;
}

static void on_deadline(int socket, short what, void *context)
{
	struct client *client = context;

	(void)socket, (void)what;
	for (unsigned i = 0; i < client->asked_count; i++) {
		struct asked *asked = &client->asked[i];

		if (!asked->is_awaited)
			continue;
		/* A list that says why too late has said what matters. */
		if (!asked->is_listed)
			list_fails(asked->list, "timed out");
		no_longer_awaited(asked);
	}
	tell_all(client);
}

/* --- questions --------------------------------------------------------------------------------- */

static struct client *new_client(const struct host_address *address)
{
	struct client *client = calloc(1, sizeof *client + list_count * sizeof client->asked[0]);

	if (client == NULL)
		return NULL;
	client->deadline = evtimer_new(process_base(), on_deadline, client);
	if (client->deadline == NULL) {
		free(client);
		return NULL;
	}
	if (client_count == CLIENTS_MAX)
		free_client(TAILQ_FIRST(&clients));
	client->address = *address;
	TAILQ_INIT(&client->waiting);
	SLIST_INSERT_HEAD(&buckets[bucket_of(address)], client, bucket);
	TAILQ_INSERT_TAIL(&clients, client, age);
	client_count++;
	return client;
}

static void ask_all(struct client *client)
{
	client->ttl = TTL_LONGEST_SECONDS;
	client->asked_count = list_count;
	for (unsigned i = 0; i < list_count; i++)
		client->asked[i] = (struct asked){.client = client, .list = &lists[i]};
	for (unsigned i = 0; i < list_count; i++) {
		struct asked *asked = &client->asked[i];

		if (!ask_resolver(asked, RESOLVER_A, on_listed)) {
			client->has_failed = true;
			continue;
		}
		client->outstanding++;
		asked->is_awaited = !asked->list->is_failing;
		client->awaited += asked->is_awaited;
	}
	if (client->outstanding == 0)
		client->until_us = clock_monotonic_us() + (uint64_t)TTL_FAILED_SECONDS * 1000000;
}

bool dnslists_are_concerned(const struct policy_question *q)
{
	return list_count > 0 && q->stage == GATE_CONNECT && !q->is_trusted &&
	       q->service == SERVICE_MX && q->address.family != 0;
}

void dnslists_ask(struct inquiry *inquiry)
{
	const struct host_address *address = &inquiry->question.address;
	struct client *client = find(address);

	if (client != NULL && client->outstanding == 0 && client->until_us < clock_monotonic_us()) {
		free_client(client);
		client = NULL;
	}
	if (client == NULL) {
		client = new_client(address);
		if (client != NULL)
			ask_all(client);
	}
	if (client == NULL) {
		inquiry_pass(inquiry);
	} else if (client->awaited == 0) {
		tell(inquiry, client);
	} else {
		inquiry->state = client;
		TAILQ_INSERT_TAIL(&client->waiting, inquiry, waiting);
		if (!event_pending(client->deadline, EV_TIMEOUT, NULL))
			event_add(client->deadline,
			    &(struct timeval){.tv_sec = settings->dnslists.timeout});
	}
}

void dnslists_forget(struct inquiry *inquiry)
{
	struct client *client = inquiry->state;

	TAILQ_REMOVE(&client->waiting, inquiry, waiting);
}

void dnslists_configure(void)
{
	const struct conf_list *words = &settings->dnslists.lists;

	if (!has_key)
		hash_key = siphash_key_random();
	has_key = true;
	while (!TAILQ_EMPTY(&clients))
		free_client(TAILQ_FIRST(&clients));
	list_count = 0;
	for (size_t i = 0; i < words->count && list_count < LISTS_MAX; i++) {
		lists[list_count].is_failing = false;
		if (dnslist_parse(slice_string(words->words[i]), &lists[list_count].is))
			list_count++;
		else
			log_error("dnslist-unusable", log_string("list", words->words[i]));
	}
	if (words->count > LISTS_MAX)
		log_error("too-many-dnslists", log_number("limit", LISTS_MAX));
}
