/*
 * dnslist.c - lists of hosts in the DNS (RFC 5782), as the settings name them.
 */
#include "common/dnslist.h"

#include <stdio.h>

static bool is_digit(int c)
{
	return octet_is_digit(c);
}

/* --- a word of the settings --------------------------------------------------------- */

static bool parse_domain(struct slice text, struct dnslist *list)
{
	bool has_dot = false;

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.data[i];
		bool at_edge = i == 0 || i + 1 == text.len || text.data[i - 1] == '.';

		if (c == '.' ? at_edge : !octet_is_alnum(c) && c != '-' && c != '_')
			return false;
		has_dot = has_dot || c == '.';
	}
	return has_dot && slice_copy(text, list->domain, sizeof list->domain);
}

static void count_value(uint8_t bits[32], unsigned value)
{
	bits[value / 8] |= (uint8_t)(1u << value % 8);
}

static bool take_number(struct cursor *in, unsigned *out)
{
	uint64_t number;

	if (!slice_number(cursor_take_while(in, is_digit), 255, &number))
		return false;
	*out = (unsigned)number;
	return true;
}

/* "5", or "2..11". */
static bool take_range(struct cursor *in, uint8_t bits[32])
{
	unsigned from, to;

	if (!take_number(in, &from))
		return false;
	to = from;
	if (cursor_peek(in) == '.' && cursor_peek_at(in, 1) == '.') {
		cursor_skip(in, 2);
		if (!take_number(in, &to) || to < from)
			return false;
	}
	for (unsigned value = from; value <= to; value++)
		count_value(bits, value);
	return true;
}

/* "5", "[2..11]", "[1;3;7..9]". */
static bool take_octet(struct cursor *in, uint8_t bits[32])
{
	unsigned value;

	if (!cursor_accept(in, '[')) {
		if (!take_number(in, &value))
			return false;
		count_value(bits, value);
		return true;
	}
	do {
		if (!take_range(in, bits))
			return false;
	} while (cursor_accept(in, ';'));
	return cursor_accept(in, ']');
}

static bool parse_filter(struct slice text, struct dnslist *list)
{
	struct cursor in = cursor_over(text);

	for (int i = 0; i < 4; i++) {
		if ((i > 0 && !cursor_accept(&in, '.')) || !take_octet(&in, list->counted[i]))
			return false;
	}
	return cursor_done(&in);
}

static bool parse_weight(struct slice text, struct dnslist *list)
{
	struct cursor in = cursor_over(text);
	bool is_negative = cursor_accept(&in, '-');
	uint64_t weight;

	if (!slice_number(cursor_rest(&in), DNSLIST_WEIGHT_MAX, &weight))
		return false;
	list->weight = is_negative ? -(int32_t)weight : (int32_t)weight;
	return true;
}

bool dnslist_parse(struct slice word, struct dnslist *list)
{
	ssize_t star = slice_find_last(word, '*');
	struct slice head = star < 0 ? word : slice_part(word, 0, (size_t)star);
	ssize_t equals = slice_find(head, 0, '=');

	*list = (struct dnslist){.weight = 1};
	if (star >= 0 && !parse_weight(slice_from(word, (size_t)star + 1), list))
		return false;
	if (equals < 0)
		memset(list->counted, 0xff, sizeof list->counted);
	else if (!parse_filter(slice_from(head, (size_t)equals + 1), list))
		return false;
	return parse_domain(equals < 0 ? head : slice_part(head, 0, (size_t)equals), list);
}

/* --- questions and answers ------------------------------------------------------------ */

bool dnslist_name(
    const struct dnslist *list, const struct host_address *host, char name[DNSLIST_NAME_MAX])
{
	const uint8_t *o = host->octets;
	size_t at = 0;
	int len;

	if (host->family == AF_INET) {
		len = snprintf(
		    name, DNSLIST_NAME_MAX, "%u.%u.%u.%u.%s", o[3], o[2], o[1], o[0], list->domain);
		return len > 0 && len < DNSLIST_NAME_MAX;
	}
	if (host->family != AF_INET6)
		return false;
	for (int i = 15; i >= 0; i--)
		at += (size_t)snprintf(
		    name + at, DNSLIST_NAME_MAX - at, "%x.%x.", o[i] & 0xf, o[i] >> 4);
	len = snprintf(name + at, DNSLIST_NAME_MAX - at, "%s", list->domain);
	return len > 0 && (size_t)len < DNSLIST_NAME_MAX - at;
}

enum dnslist_answer dnslist_judge(const struct dnslist *list, const uint8_t octets[4])
{
	if (octets[0] != 127 || (octets[1] == 255 && octets[2] == 255))
		return DNSLIST_ERROR;
	for (int i = 0; i < 4; i++) {
		if ((list->counted[i][octets[i] / 8] >> octets[i] % 8 & 1) == 0)
			return DNSLIST_NOT_LISTED;
	}
	return DNSLIST_LISTED;
}
