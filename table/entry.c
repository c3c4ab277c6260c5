/*
 * entry.c - what stands in Petrel's own tables.
 */
#include "table/entry.h"

#include <arpa/inet.h>

#include "common/conf.h"
#include "message/address.h"
#include "message/encoding.h"
#include "message/spelling.h"
#include "table/backend.h"

enum { FILE_COMPONENT_MAX = 255 };

static bool refuse(struct buf *why, struct slice word, const char *what)
{
	char text[TABLE_WORD_TEXT];

	if (why != NULL)
		buf_printf(why, "\"%s\": %s", table_word(word, text), what);
	return false;
}

/* --- addresses ----------------------------------------------------------- */

/* An address that stands in a table, spelled as it will be looked up. */
static bool address_is_canonical(struct slice text, unsigned flags, struct buf *why)
{
	struct buf canonical = buf_with_limit(ADDRESS_PATH_MAX * 2);
	char word[TABLE_WORD_TEXT], better[TABLE_WORD_TEXT];
	struct address address;
	bool good;

	if (!address_parse(text, flags | ADDRESS_LENIENT | ADDRESS_NOT_NULL, &address))
		return refuse(why, text,
		    flags & ADDRESS_NO_DOMAIN ? "not an address" : "not an address (user@domain)");
	good = address_write_canonical(&address, &canonical) &&
	       slice_equal_nocase(text, buf_slice(&canonical));
	if (!good && why != NULL)
		buf_printf(why, "\"%s\": write this address as \"%s\"", table_word(text, word),
		    table_word(buf_slice(&canonical), better));
	buf_free(&canonical);
	return good;
}

static bool domain_entry(struct slice domain, struct buf *why)
{
	char ascii[DOMAIN_TEXT_MAX];

	return domain_to_ascii(domain, ascii) || refuse(why, domain, "not a domain name");
}

bool list_next(struct cursor *list, struct slice *member)
{
	while (!cursor_done(list)) {
		const char *start = list->at;
		bool quoted = false;

		while (!cursor_done(list) && (quoted || cursor_peek(list) != ',')) {
			int octet = cursor_next(list);

			if (octet == '"')
				quoted = !quoted;
			else if (octet == '\\' && quoted)
				cursor_skip(list, 1);
		}
		*member = slice_trim(cursor_since(list, start));
		cursor_accept(list, ',');
		if (member->len > 0)
			return true;
	}
	return false;
}

/* --- accounts ------------------------------------------------------------ */

bool account_options_parse(struct slice value, struct account_options *out, struct buf *why)
{
	struct cursor c = cursor_over(value);

	*out = (struct account_options){0};
	while (!cursor_done(&c)) {
		struct slice word = slice_trim(cursor_take_until(&c, ' '));

		cursor_skip(&c, 1);
		if (word.len == 0)
			continue;
		if (!slice_starts_with(word, SLICE("quota=")))
			return refuse(why, word, "unknown account option (there is quota=SIZE)");
		if (!conf_parse_size(slice_from(word, 6), &out->quota_octets))
			return refuse(why, word, "not a size (such as 500M or 2G)");
	}
	return true;
}

static bool stands_for_itself(int octet, bool first)
{
	return octet_is_alnum(octet) || (octet > 0 && strchr("-_+=~", octet) != NULL) ||
	       (octet == '.' && !first);
}

static bool append_component(struct buf *path, struct slice name)
{
	size_t start = path->len;

	for (size_t i = 0; i < name.len; i++) {
		int octet = octet_lower((unsigned char)name.data[i]);

		if (stands_for_itself(octet, i == 0))
			buf_append_octet(path, (char)octet);
		else
			buf_printf(path, "%%%02x", (unsigned)octet);
	}
	return !path->overflowed && path->len > start && path->len - start <= FILE_COMPONENT_MAX;
}

bool account_mailbox_path(struct slice account, char path[MAILBOX_PATH_MAX])
{
	struct buf built = buf_with_limit(MAILBOX_PATH_MAX);
	struct buf local = buf_with_limit(ADDRESS_LOCAL_MAX);
	struct address address;
	bool good = address_parse(account, ADDRESS_LENIENT | ADDRESS_NOT_NULL, &address) &&
		    address_write_local(&address, &local) &&
		    append_component(&built, address.domain) && buf_append_octet(&built, '/') &&
		    append_component(&built, buf_slice(&local)) &&
		    slice_copy(buf_slice(&built), path, MAILBOX_PATH_MAX);

	buf_free(&local);
	buf_free(&built);
	return good;
}

static bool account_valid(struct slice key, struct slice value, struct buf *why)
{
	struct account_options options;
	char path[MAILBOX_PATH_MAX];

	if (!address_is_canonical(key, ADDRESS_STRICT, why))
		return false;
	if (!account_mailbox_path(key, path))
		return refuse(why, key, "too long for the name of a directory");
	return account_options_parse(value, &options, why);
}

/* --- aliases ------------------------------------------------------------- */

/* What aliases(5) also allows; each is refused in words until Petrel does it. */
static bool is_not_an_address(struct slice member, struct buf *why)
{
	struct slice inner =
	    slice_starts_with(member, SLICE("\"")) ? slice_from(member, 1) : member;

	if (slice_starts_with(inner, SLICE("|")))
		return !refuse(
		    why, member, "an alias cannot run a command; it may name addresses only");
	if (slice_starts_with(inner, SLICE("/")))
		return !refuse(
		    why, member, "an alias cannot append to a file; it may name addresses only");
	if (slice_starts_with_nocase(inner, SLICE(":include:")))
		return !refuse(
		    why, member, "an alias cannot include a list; it may name addresses only");
	return false;
}

/* "user@domain", "user", or "@domain" for all that has no entry of its own. */
static bool alias_key_valid(struct slice key, struct buf *why)
{
	if (slice_starts_with(key, SLICE("@")))
		return domain_entry(slice_from(key, 1), why);
	return address_is_canonical(key, ADDRESS_NO_DOMAIN, why);
}

static bool alias_valid(struct slice key, struct slice value, struct buf *why)
{
	struct cursor list = cursor_over(value);
	struct slice member;
	size_t count = 0;

	if (!alias_key_valid(key, why))
		return false;
	for (; list_next(&list, &member); count++)
		if (is_not_an_address(member, why) ||
		    !address_is_canonical(member, ADDRESS_NO_DOMAIN, why))
			return false;
	return count > 0 || refuse(why, key, "the alias names nobody");
}

/* --- routes -------------------------------------------------------------- */

static bool parse_port(struct slice text, uint16_t *port, struct buf *why)
{
	uint64_t number;

	if (!slice_number(text, UINT16_MAX, &number) || number == 0)
		return refuse(why, text, "not a port number");
	*port = (uint16_t)number;
	return true;
}

static bool is_ip_address(struct slice text)
{
	char ip[INET6_ADDRSTRLEN];
	uint8_t octets[16];

	return slice_copy(text, ip, sizeof ip) &&
	       (inet_pton(AF_INET, ip, octets) == 1 || inet_pton(AF_INET6, ip, octets) == 1);
}

bool route_parse_host(struct slice value, struct route *out, struct buf *why)
{
	struct cursor c = cursor_over(value);

	*out = (struct route){.kind = ROUTE_HOST};
	if (cursor_accept(&c, '[')) {
		cursor_accept_nocase(&c, SLICE("IPv6:"));
		out->host = cursor_take_until(&c, ']');
		out->is_address = true;
		if (!cursor_accept(&c, ']') || !is_ip_address(out->host))
			return refuse(why, value,
			    "not an address in brackets ([192.0.2.1] or [2001:db8::1])");
	} else {
		out->host = cursor_take_until(&c, ':');
		/* A bare IPv4 address looks like a name, but is none. */
		out->is_address = is_ip_address(out->host);
		if (!out->is_address && !domain_entry(out->host, why))
			return false;
	}
	if (cursor_accept(&c, ':'))
		return parse_port(cursor_rest(&c), &out->port, why);
	return cursor_done(&c) || refuse(why, value, "nothing but a port may follow the host");
}

bool route_parse(struct slice value, struct route *out, struct buf *why)
{
	struct cursor c = cursor_over(value);

	if (cursor_accept_nocase(&c, SLICE("smtp:")))
		return route_parse_host(cursor_rest(&c), out, why);
	if (cursor_accept_nocase(&c, SLICE("mx:"))) {
		*out = (struct route){.kind = ROUTE_MX, .host = cursor_rest(&c)};
		return domain_entry(out->host, why);
	}
	return refuse(why, value,
	    "not a route (smtp:host, smtp:host:port, smtp:[address]:port or mx:domain)");
}

/* "example.net", ".example.net" for all below it, "*" for all that has no other. */
static bool route_valid(struct slice key, struct slice value, struct buf *why)
{
	struct slice domain = slice_starts_with(key, SLICE(".")) ? slice_from(key, 1) : key;
	struct route route;

	if (!slice_equal(key, SLICE("*")) && !domain_entry(domain, why))
		return false;
	return route_parse(value, &route, why);
}

/* --- senders and domains ------------------------------------------------- */

static bool sender_valid(struct slice key, struct slice value, struct buf *why)
{
	struct cursor list = cursor_over(value);
	struct slice member;

	if (!address_is_canonical(key, ADDRESS_STRICT, why))
		return false;
	while (list_next(&list, &member)) {
		if (slice_equal(member, SLICE("*")))
			continue;
		if (slice_starts_with(member, SLICE("@"))) {
			if (!domain_entry(slice_from(member, 1), why))
				return false;
		} else if (!address_is_canonical(member, ADDRESS_STRICT, why)) {
			return false;
		}
	}
	return true;
}

static bool domain_valid(struct slice key, struct slice value, struct buf *why)
{
	if (value.len > 0)
		return refuse(why, value, "nothing may stand after a domain");
	return domain_entry(key, why);
}

/* --- keys ---------------------------------------------------------------- */

/* "example.net", ".example.net" or "*". */
static bool fold_domain(struct slice key, struct buf *out)
{
	char ascii[DOMAIN_TEXT_MAX];
	bool has_dot = slice_starts_with(key, SLICE("."));

	if (is_ascii(key) || !domain_to_ascii(has_dot ? slice_from(key, 1) : key, ascii))
		return buf_append_slice(out, key);
	return (!has_dot || buf_append_octet(out, '.')) && buf_append_string(out, ascii);
}

/* Of a table of anything: an address, a name of a host, either with stars, or a word. */
static bool fold_anything(struct slice key, struct buf *out)
{
	bool is_host = slice_find(key, 0, '@') < 0 && slice_find(key, 0, '.') >= 0;
	size_t before = out->len;

	if (is_host ? domain_pattern_fold(key, out) : address_pattern_fold(key, out))
		return true;
	out->len = before;
	return address_fold(key, out);
}

const struct table_schema table_schema_accounts = {TABLE_PLAIN, account_valid, address_fold};
const struct table_schema table_schema_aliases = {TABLE_ALIASES, alias_valid, address_fold};
const struct table_schema table_schema_routes = {TABLE_PLAIN, route_valid, fold_domain};
const struct table_schema table_schema_senders = {TABLE_PLAIN, sender_valid, address_fold};
const struct table_schema table_schema_domains = {TABLE_PLAIN, domain_valid, fold_domain};
const struct table_schema table_schema_plain = {TABLE_PLAIN, NULL, fold_anything};

const struct table_schema *table_schema_named(struct slice name)
{
	static const struct {
		const char *name;
		const struct table_schema *schema;
	} known[] = {
	    {"accounts", &table_schema_accounts},
	    {"aliases",  &table_schema_aliases },
	    {"routes",   &table_schema_routes  },
	    {"senders",  &table_schema_senders },
	    {"domains",  &table_schema_domains },
	};

	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
		if (slice_equal(name, slice_string(known[i].name)))
			return known[i].schema;
	return &table_schema_plain;
}
