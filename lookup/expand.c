/*
 * expand.c - from an address to its final deliveries.
 *
 * A queue of addresses that are still to be looked at; each knows which one it
 * came from.  No recursion, and an alias is opened once however often it is
 * named, so the work is bounded by the aliases' size.
 */
#include "lookup/expand.h"

#include <stdlib.h>

#include "common/log.h"
#include "lookup/resolve.h"
#include "message/encoding.h"

enum {
	MEMORY_MAX = 64 * 1024 * 1024, /* octets for one expansion */
	ITEMS_MAX = 200000             /* addresses looked at for one expansion */
};

/* An address that was found on the way. */
struct item {
	struct item *next;
	const struct item *parent; /* the alias that named it; NULL for the first */
	unsigned depth;
	struct slice address;
	struct slice domain; /* where it belongs if it has none itself */
	struct slice key;    /* as it is looked up; empty until then */
};

struct work {
	struct directory *directory;
	struct arena *memory;
	struct item *first; /* still to be looked at */
	struct item **last;
	size_t items;
	struct table_hash opened;    /* aliases whose members have been taken */
	struct table_hash delivered; /* deliveries that there are */
	struct lookup_delivery *deliveries;
	size_t count;
	size_t size;
	struct lookup_delivery *error; /* what give_up() fills */
	struct buf text;
	bool failed; /* a table or a route could not be read, or memory ran out */
	bool too_large;
};

static void add_item(
    struct work *w, struct slice address, struct slice domain, const struct item *parent)
{
	struct item *item = arena_allocate(w->memory, 1, sizeof *item);

	if (++w->items > ITEMS_MAX) {
		w->too_large = true;
		return;
	}
	if (item == NULL) {
		w->failed = true;
		return;
	}
	*item = (struct item){
	    .parent = parent,
	    .depth = parent == NULL ? 0 : parent->depth + 1,
	    .address = arena_copy(w->memory, address),
	    .domain = domain,
	};
	*w->last = item;
	w->last = &item->next;
}

static bool grow_deliveries(struct work *w)
{
	size_t size = w->size == 0 ? 16 : w->size * 2;
	struct lookup_delivery *deliveries;

	if (w->count < w->size)
		return true;
	deliveries = reallocarray(w->deliveries, size, sizeof *deliveries);
	if (deliveries == NULL)
		return false;
	w->deliveries = deliveries;
	w->size = size;
	return true;
}

/* A delivery is told from others by its kind, address and place. */
static bool is_new_delivery(
    struct work *w, enum lookup_kind kind, struct slice address, struct slice place)
{
	struct buf key = buf_with_limit(4096);
	uint32_t unused;
	enum table_hash_added added = HASH_NO_MEMORY;

	buf_append_octet(&key, (char)kind);
	buf_append_slice(&key, address);
	buf_append_octet(&key, '\0');
	if (buf_append_slice(&key, place))
		added = table_hash_add(&w->delivered, buf_slice(&key), SLICE(""), 0, &unused);
	buf_free(&key);
	w->failed |= added == HASH_NO_MEMORY;
	return added == HASH_ADDED;
}

static void deliver(struct work *w, enum lookup_kind kind, struct slice address, struct slice place)
{
	if (!is_new_delivery(w, kind, address, place))
		return;
	if (w->count >= w->directory->fanout_limit || w->count >= LOOKUP_DELIVERIES_MAX) {
		w->too_large = true;
		return;
	}
	if (!grow_deliveries(w)) {
		w->failed = true;
		return;
	}
	w->deliveries[w->count++] = (struct lookup_delivery){
	    .kind = (uint8_t)kind,
	    .address = arena_copy(w->memory, address),
	    .place = arena_copy(w->memory, place),
	};
}

static void deliver_error(
    struct work *w, struct slice address, const char *status, const char *text)
{
	size_t before = w->count;

	deliver(w, LOOKUP_ERROR, address, SLICE(""));
	if (w->count > before) {
		w->deliveries[before].status = slice_string(status);
		w->deliveries[before].text = slice_string(text);
	}
}

static void deliver_to_mailbox(struct work *w, struct slice account)
{
	char path[MAILBOX_PATH_MAX];

	if (account_mailbox_path(account, path))
		deliver(w, LOOKUP_MAILBOX, account, slice_string(path));
	else
		deliver_error(w, account, "5.1.1", "No such user here");
}

/* To another host: the local part as it was written, the domain as an A-label. */
static void deliver_remote(struct work *w, const struct item *item, const struct resolve_key *key)
{
	struct buf address = buf_with_limit(RESOLVE_KEY_MAX);
	struct address parsed;

	if (is_ascii(item->address)) {
		deliver(w, LOOKUP_REMOTE, item->address, buf_slice(&w->text));
		return;
	}
	if (!address_parse(item->address, ADDRESS_LENIENT | ADDRESS_NO_DOMAIN, &parsed)) {
		w->failed = true;
		return;
	}
	parsed.domain = key->domain;
	if (address_write_house(&parsed, &address))
		deliver(w, LOOKUP_REMOTE, buf_slice(&address), buf_slice(&w->text));
	else
		w->failed = true;
	buf_free(&address);
}

static bool is_own_ancestor(const struct item *item)
{
	for (const struct item *up = item->parent; up != NULL; up = up->parent)
		if (slice_equal(up->key, item->key))
			return true;
	return false;
}

static void open_alias(struct work *w, const struct item *item, struct slice domain)
{
	uint32_t unused;
	struct slice members, member;
	struct cursor list;

	switch (table_hash_add(&w->opened, item->key, SLICE(""), 0, &unused)) {
	case HASH_DUPLICATE:
		return;
	case HASH_NO_MEMORY:
		w->failed = true;
		return;
	case HASH_ADDED:
		break;
	}
	if (item->depth >= w->directory->depth_limit) {
		w->too_large = true;
		return;
	}
	members = arena_copy(w->memory, buf_slice(&w->text));
	domain = arena_copy(w->memory, domain);
	list = cursor_over(members);
	while (list_next(&list, &member) && !w->failed && !w->too_large)
		add_item(w, member, domain, item);
}

static void look_at(struct work *w, struct item *item)
{
	struct resolve_key key;
	enum resolution_kind kind = RESOLVED_BAD;

	if (resolve_key_of(w->directory, item->address, item->domain, &key)) {
		item->key = arena_copy(w->memory, key.whole);
		if (!is_own_ancestor(item)) {
			kind = resolve_step(w->directory, &key, &w->text);
		} else {
			kind = resolve_account(w->directory, &key, &w->text);
			/* A circle without an account in it leads nowhere. */
			if (kind == RESOLVED_NOBODY)
				return;
		}
	}
	switch (kind) {
	case RESOLVED_ACCOUNT:
		deliver_to_mailbox(w, buf_slice(&w->text));
		break;
	case RESOLVED_ALIAS:
		open_alias(w, item, key.domain);
		break;
	case RESOLVED_REMOTE:
		deliver_remote(w, item, &key);
		break;
	case RESOLVED_NOBODY:
		deliver_error(w, item->key, "5.1.1", "No such user here");
		break;
	case RESOLVED_BAD:
		deliver_error(w, item->address, "5.1.3", "Not an address that mail can be sent to");
		break;
	case RESOLVED_FAILED:
		w->failed = true;
		break;
	}
}

/* One error takes the place of everything. */
static void give_up(
    struct work *w, struct slice address, bool temporary, const char *status, const char *text)
{
	free(w->deliveries);
	w->deliveries = w->error;
	w->count = 1;
	*w->error = (struct lookup_delivery){
	    .kind = LOOKUP_ERROR,
	    .address = arena_copy(w->memory, address),
	    .temporary = temporary,
	    .status = slice_string(status),
	    .text = slice_string(text),
	};
}

static void finish(struct work *w, struct slice address)
{
	if (w->failed || w->memory->failed) {
		give_up(w, address, true, "4.3.0", "Addresses cannot be looked up now");
	} else if (w->too_large) {
		log_warning("expansion-too-large", log_slice("address", address));
		give_up(w, address, false, "5.2.4", "The address expands to too many others");
	} else if (w->count == 0) {
		log_warning("expansion-loop", log_slice("address", address));
		give_up(w, address, false, "5.4.6", "Aliases point at each other in a circle");
	}
}

void expand(struct directory *d, struct slice address, struct expansion *out)
{
	struct work w = {
	    .directory = d,
	    .memory = &out->memory,
	    .error = &out->error,
	    .text = buf_with_limit(TABLE_VALUE_MAX),
	};

	out->memory = arena_with_limit(MEMORY_MAX);
	w.last = &w.first;
	table_hash_init(&w.opened);
	table_hash_init(&w.delivered);
	add_item(&w, address, slice_string(d->default_domain), NULL);
	for (struct item *item = w.first; item != NULL && !w.failed && !w.too_large;
	     item = item->next)
		look_at(&w, item);
	finish(&w, address);
	out->result = (struct lookup_expansion){(uint32_t)w.count, w.deliveries};
	table_hash_free(&w.opened);
	table_hash_free(&w.delivered);
	buf_free(&w.text);
}

void expansion_free(struct expansion *e)
{
	if (e->result.deliveries != &e->error)
		lookup_expansion_free(&e->result);
	arena_free(&e->memory);
}
