/*
 * greylist.c - greylisting (RFC 6647): what is decided, without files and clocks.
 */
#include "policy/greylist.h"

#include <stdio.h>

enum { IPV4_BITS = 24, IPV6_BITS = 64 };

struct grey_terms greylist_terms(const struct settings *s)
{
	return (struct grey_terms){
	    .delay_s = (uint64_t)s->greylist.delay,
	    .window_s = (uint64_t)s->greylist.retry_window,
	    .keep_s = (uint64_t)s->greylist.keep,
	    .successes = (uint32_t)s->greylist.successes,
	};
}

/* Since then; 0 where the clock was set back. */
static uint64_t since(uint64_t then_s, uint64_t now_s)
{
	return now_s > then_s ? now_s - then_s : 0;
}

static bool is_forgotten(
    const struct grey_entry *entry, uint64_t now_s, const struct grey_terms *terms)
{
	if (entry->first_s == 0)
		return true;
	if (entry->has_passed)
		return since(entry->last_s, now_s) > terms->keep_s;
	return since(entry->first_s, now_s) > terms->delay_s + terms->window_s;
}

enum grey_step greylist_step(
    struct grey_entry *entry, uint64_t now_s, const struct grey_terms *terms)
{
	bool was_set_back = !entry->has_passed && entry->first_s > now_s;

	if (is_forgotten(entry, now_s, terms) || was_set_back) {
		*entry = (struct grey_entry){.first_s = now_s, .last_s = now_s};
		return GREY_NEW;
	}
	if (entry->has_passed) {
		entry->last_s = now_s;
		entry->count += entry->count < UINT32_MAX;
		return GREY_KNOWN;
	}
	if (since(entry->first_s, now_s) < terms->delay_s)
		return GREY_EARLY;
	entry->has_passed = true;
	entry->last_s = now_s;
	entry->count = 1;
	return GREY_FIRST_PASS;
}

uint64_t greylist_wait(
    const struct grey_entry *entry, uint64_t now_s, const struct grey_terms *terms)
{
	uint64_t waited = since(entry->first_s, now_s);

	return waited < terms->delay_s ? terms->delay_s - waited : 0;
}

bool greylist_allows(
    const struct grey_entry *network, uint64_t now_s, const struct grey_terms *terms)
{
	if (network->count == GREYLIST_ALLOWED)
		return true;
	return terms->successes > 0 && network->count >= terms->successes &&
	       since(network->last_s, now_s) <= terms->keep_s;
}

void greylist_count(struct grey_entry *network, uint64_t now_s, const struct grey_terms *terms)
{
	if (network->count == GREYLIST_ALLOWED)
		return;
	if (network->first_s == 0 || since(network->last_s, now_s) > terms->keep_s)
		*network = (struct grey_entry){.first_s = now_s};
	network->last_s = now_s;
	network->count += network->count < GREYLIST_ALLOWED - 1;
}

bool greylist_is_stale(
    const struct grey_entry *entry, bool is_network, uint64_t now_s, const struct grey_terms *terms)
{
	if (!is_network)
		return is_forgotten(entry, now_s, terms);
	return entry->count != GREYLIST_ALLOWED && since(entry->last_s, now_s) > terms->keep_s;
}

void greylist_network(const struct host_address *address, char text[GREYLIST_NETWORK_TEXT])
{
	struct network network =
	    network_of(address, address->family == AF_INET6 ? IPV6_BITS : IPV4_BITS);
	char base[HOST_ADDRESS_TEXT];

	host_address_print(&network.base, base);
	snprintf(text, GREYLIST_NETWORK_TEXT, "%s/%u", base, network.bits);
}

/* In lower case, without an extension, and any number is "#". */
static bool add_sender(struct buf *out, struct slice sender)
{
	ssize_t at = slice_find_last(sender, '@');
	struct slice local = at < 0 ? sender : slice_part(sender, 0, (size_t)at);
	ssize_t plus = slice_find(local, 1, '+');
	bool was_digit = false, good = true;

	if (plus > 0)
		local = slice_part(local, 0, (size_t)plus);
	for (size_t i = 0; good && i < local.len; i++) {
		int c = octet_lower((unsigned char)local.data[i]);
		bool is_digit = octet_is_digit(c);

		if (!is_digit || !was_digit)
			good = buf_append_octet(out, is_digit ? '#' : (char)c);
		was_digit = is_digit;
	}
	for (size_t i = local.len > 0 || at >= 0 ? (size_t)(at < 0 ? (ssize_t)sender.len : at) : 0;
	     good && i < sender.len; i++)
		good = buf_append_octet(out, (char)octet_lower((unsigned char)sender.data[i]));
	return good;
}

bool greylist_triplet(
    struct buf *out, const char *network, struct slice sender, struct slice recipient)
{
	bool good = buf_append_string(out, network) && buf_append_octet(out, '\0') &&
		    add_sender(out, sender) && buf_append_octet(out, '\0');

	for (size_t i = 0; good && i < recipient.len; i++)
		good = buf_append_octet(out, (char)octet_lower((unsigned char)recipient.data[i]));
	return good;
}
