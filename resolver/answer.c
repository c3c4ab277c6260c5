/*
 * answer.c - from DNS records to hosts in the order in which they are to be tried.
 */
#include "resolver/answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { LABEL_MAX = 63 };

static bool is_name_octet(int octet)
{
	return octet_is_alnum(octet) || octet == '-' || octet == '_';
}

bool dns_name_text(struct slice wire, char name[RESOLVER_NAME_MAX + 1])
{
	struct cursor c = cursor_over(wire);
	size_t len = 0;
	int label;

	while ((label = cursor_next(&c)) > 0) {
		struct slice text = cursor_take(&c, (size_t)label);

		/* The dot before it and the NUL after it count too. */
		if (label > LABEL_MAX || text.len == 0 || len + text.len + 2 > RESOLVER_NAME_MAX)
			return false;
		if (len > 0)
			name[len++] = '.';
		for (size_t i = 0; i < text.len; i++) {
			if (!is_name_octet((unsigned char)text.data[i]))
				return false;
			name[len++] = (char)octet_lower((unsigned char)text.data[i]);
		}
	}
	name[len] = '\0';
	return label == 0 && cursor_done(&c);
}

bool dns_name_is_valid(struct slice name)
{
	struct cursor c = cursor_over(name);

	if (name.len == 0 || name.len > RESOLVER_NAME_MAX - 2)
		return false;
	do {
		struct slice label = cursor_take_while(&c, is_name_octet);

		if (label.len == 0 || label.len > LABEL_MAX)
			return false;
	} while (cursor_accept(&c, '.'));
	return cursor_done(&c);
}

/* --- MX ---------------------------------------------------------------------- */

struct mx {
	uint16_t preference;
	uint32_t order; /* random, within a preference */
	char name[RESOLVER_NAME_MAX + 1];
};

/* False where the record is malformed.  The root as a name is not: it is how a null MX is written. */
static bool parse_mx(struct slice record, struct mx *mx)
{
	struct cursor c = cursor_over(record);
	int high = cursor_next(&c), low = cursor_next(&c);

	if (high < 0 || low < 0)
		return false;
	mx->preference = (uint16_t)(high << 8 | low);
	return dns_name_text(cursor_rest(&c), mx->name);
}

static int compare_mx(const void *a, const void *b)
{
	const struct mx *x = a, *y = b;

	if (x->preference != y->preference)
		return x->preference < y->preference ? -1 : 1;
	return (x->order > y->order) - (x->order < y->order);
}

static bool has_host(const struct resolver_hosts *hosts, const char *name)
{
	for (unsigned i = 0; i < hosts->count; i++)
		if (strcmp(hosts->hosts[i].name, name) == 0)
			return true;
	return false;
}

void answer_take_mx(
    const struct dns_answer *answer, random_below *below, struct resolver_hosts *hosts)
{
	struct mx *sorted = calloc(DNS_RECORDS_MAX, sizeof *sorted);
	size_t count = 0;
	bool is_null = false;

	hosts->count = 0;
	hosts->status = sorted == NULL ? RESOLVER_TEMPORARY : RESOLVER_NO_DATA;
	for (size_t i = 0; sorted != NULL && i < answer->count; i++) {
		struct mx *mx = &sorted[count];

		if (!parse_mx(answer->records[i], mx))
			continue;
		if (mx->name[0] == '\0') {
			is_null = true;
			continue;
		}
		mx->order = below(UINT32_MAX);
		count++;
	}
	if (count > 0) {
		qsort(sorted, count, sizeof *sorted, compare_mx);
		hosts->status = RESOLVER_OK;
	} else if (is_null) {
		hosts->status = RESOLVER_NULL_MX;
	}
	for (size_t i = 0; i < count && hosts->count < RESOLVER_HOSTS_MAX; i++) {
		struct resolver_host *host = &hosts->hosts[hosts->count];

		if (has_host(hosts, sorted[i].name))
			continue;
		*host = (struct resolver_host){.preference = sorted[i].preference};
		memcpy(host->name, sorted[i].name, sizeof host->name);
		hosts->count++;
	}
	free(sorted);
}

/* --- addresses --------------------------------------------------------------- */

static size_t octets_of(uint8_t family)
{
	return family == AF_INET ? 4 : 16;
}

static void shuffle(struct resolver_address *addresses, size_t count, random_below *below)
{
	for (size_t left = count; left > 1; left--) {
		size_t other = below((uint32_t)left);
		struct resolver_address moved = addresses[other];

		addresses[other] = addresses[left - 1];
		addresses[left - 1] = moved;
	}
}

void answer_take_addresses(
    const struct dns_answer *answer, uint8_t family, random_below *below, struct address_list *out)
{
	*out = (struct address_list){.status = answer->status};
	if (answer->status != RESOLVER_OK)
		return;
	for (size_t i = 0; i < answer->count && out->count < RESOLVER_ADDRESSES_MAX; i++) {
		struct resolver_address *address = &out->addresses[out->count];

		if (answer->records[i].len != octets_of(family))
			continue;
		address->family = family;
		memcpy(address->octets, answer->records[i].data, octets_of(family));
		out->count++;
	}
	shuffle(out->addresses, out->count, below);
	if (out->count == 0)
		out->status = RESOLVER_NO_DATA;
}

static enum resolver_status status_without_addresses(
    enum resolver_status v4, enum resolver_status v6)
{
	if (v4 == RESOLVER_TEMPORARY || v6 == RESOLVER_TEMPORARY)
		return RESOLVER_TEMPORARY;
	if (v4 == RESOLVER_NO_NAME && v6 == RESOLVER_NO_NAME)
		return RESOLVER_NO_NAME;
	return RESOLVER_NO_DATA;
}

static void add_address(struct resolver_host *host, const struct address_list *list, size_t which)
{
	if (which < list->count && host->address_count < RESOLVER_ADDRESSES_MAX)
		host->addresses[host->address_count++] = list->addresses[which];
}

void host_take_addresses(
    struct resolver_host *host, const struct address_list *v4, const struct address_list *v6)
{
	host->address_count = 0;
	for (size_t i = 0; i < RESOLVER_ADDRESSES_MAX; i++) {
		add_address(host, v6, i);
		add_address(host, v4, i);
	}
	host->status = RESOLVER_OK;
	if (host->address_count == 0)
		host->status = (uint8_t)status_without_addresses(v4->status, v6->status);
}

void answer_finish_hosts(struct resolver_hosts *hosts, bool by_mx)
{
	bool temporary = false, absent = false;

	if (hosts->status != RESOLVER_OK)
		return;
	for (unsigned i = 0; i < hosts->count; i++) {
		if (hosts->hosts[i].status == RESOLVER_OK)
			return;
		temporary |= hosts->hosts[i].status == RESOLVER_TEMPORARY;
		absent |= hosts->hosts[i].status == RESOLVER_NO_NAME;
	}
	/* A domain with MX records exists, whatever they point to; so there is no NO_NAME for it. */
	if (temporary)
		hosts->status = RESOLVER_TEMPORARY;
	else
		hosts->status = absent && !by_mx ? RESOLVER_NO_NAME : RESOLVER_NO_DATA;
}

bool answer_has_address(const struct dns_answer *answer, const struct resolver_address *address)
{
	struct slice wanted = slice_of(address->octets, octets_of(address->family));

	for (size_t i = 0; answer->status == RESOLVER_OK && i < answer->count; i++)
		if (slice_equal(answer->records[i], wanted))
			return true;
	return false;
}

void dns_reverse_name(const struct resolver_address *address, char name[REVERSE_NAME_MAX])
{
	const uint8_t *o = address->octets;
	size_t at = 0;

	if (address->family == AF_INET) {
		snprintf(
		    name, REVERSE_NAME_MAX, "%u.%u.%u.%u.in-addr.arpa", o[3], o[2], o[1], o[0]);
		return;
	}
	for (int i = 15; i >= 0; i--)
		at += (size_t)snprintf(
		    name + at, REVERSE_NAME_MAX - at, "%x.%x.", o[i] & 15u, o[i] >> 4);
	snprintf(name + at, REVERSE_NAME_MAX - at, "ip6.arpa");
}

size_t dns_text(struct slice data, char *text, size_t size)
{
	struct cursor in = cursor_over(data);
	size_t len = 0;
	int string;

	while ((string = cursor_next(&in)) >= 0) {
		struct slice part = slice_part(cursor_rest(&in), 0, (size_t)string);

		cursor_skip(&in, part.len);
		for (size_t i = 0; i < part.len && len < size; i++)
			text[len++] = part.data[i] < ' ' || part.data[i] > '~' ? '?' : part.data[i];
	}
	return len;
}
