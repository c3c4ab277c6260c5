/*
 * resolve.c - one step from an address towards its mailboxes.
 */
#include "lookup/resolve.h"

#include "common/log.h"

/* Mail to an address of this host is mail for its users. */
static bool is_own_literal(const struct directory *d, struct slice domain)
{
	struct domain_literal literal;
	struct host_address address;

	if (!domain_parse_literal(domain, &literal))
		return false;
	host_address_from_octets(&address, (uint8_t)literal.family, literal.octets);
	return own_addresses_have(&d->own, &address);
}

bool resolve_key_of(
    const struct directory *d, struct slice address, struct slice domain, struct resolve_key *key)
{
	struct buf whole = buf_with_limit(sizeof key->text),
		   folded = buf_with_limit(sizeof key->text);
	char ascii[DOMAIN_TEXT_MAX];
	struct address parsed, qualified;
	struct slice extension;

	*key = (struct resolve_key){
	    .whole = {NULL, 0}
        };
	if (!address_parse(
		address, ADDRESS_LENIENT | ADDRESS_NO_DOMAIN | ADDRESS_NOT_NULL, &parsed))
		return false;
	if (parsed.domain.len > 0)
		domain = parsed.domain;
	if (is_own_literal(d, domain))
		domain = slice_string(d->default_domain);
	key->is_literal = domain_is_literal(domain);
	if (!key->is_literal) {
		if (!domain_to_ascii(domain, ascii))
			return false;
		domain = slice_string(ascii);
	}
	qualified = parsed;
	qualified.domain = domain;
	if (address_write_canonical(&qualified, &whole) &&
	    address_fold(buf_slice(&whole), &folded)) {
		memcpy(key->text, folded.data, folded.len);
		key->whole = slice_of(key->text, folded.len);
	}
	buf_free(&whole);
	buf_free(&folded);
	if (key->whole.len == 0)
		return false;
	key->local = slice_part(key->whole, 0, (size_t)slice_find_last(key->whole, '@'));
	key->domain = slice_from(key->whole, key->local.len + 1);
	key->user = key->local;
	if (d->delimiter != '\0' && key->local.data[0] != '"')
		key->has_extension =
		    address_split_extension(key->local, d->delimiter, &key->user, &extension);
	return true;
}

/* Look up `local` with the address's domain. */
static enum table_answer find_with_domain(struct directory *d, enum directory_table which,
    struct slice local, const struct resolve_key *key, struct buf *value)
{
	struct buf address = buf_with_limit(RESOLVE_KEY_MAX);
	enum table_answer answer = TABLE_FAILED;

	buf_append_slice(&address, local);
	buf_append_octet(&address, '@');
	if (buf_append_slice(&address, key->domain))
		answer = directory_find(d, which, buf_slice(&address), value);
	buf_free(&address);
	return answer;
}

/* The account `local` of the address's domain; `text` is its address then. */
static enum table_answer find_account(
    struct directory *d, struct slice local, const struct resolve_key *key, struct buf *text)
{
	enum table_answer answer = find_with_domain(d, DIRECTORY_ACCOUNTS, local, key, text);

	buf_clear(text);
	if (answer == TABLE_FOUND) {
		buf_append_slice(text, local);
		buf_append_octet(text, '@');
		buf_append_slice(text, key->domain);
	}
	return answer;
}

/* The three places where a name may stand: RESOLVED_NOBODY where it stands in none. */
static enum resolution_kind resolve_name(
    struct directory *d, struct slice local, const struct resolve_key *key, struct buf *text)
{
	enum table_answer answer = find_with_domain(d, DIRECTORY_ALIASES, local, key, text);

	if (answer == TABLE_ABSENT)
		answer = directory_find(d, DIRECTORY_ALIASES, local, text);
	if (answer == TABLE_FOUND)
		return RESOLVED_ALIAS;
	if (answer == TABLE_ABSENT)
		answer = find_account(d, local, key, text);
	if (answer == TABLE_FOUND)
		return RESOLVED_ACCOUNT;
	return answer == TABLE_ABSENT ? RESOLVED_NOBODY : RESOLVED_FAILED;
}

/* Every domain has a postmaster (RFC 5321, 4.5.1), and a catch-all if it wants one. */
static enum resolution_kind resolve_last_resort(
    struct directory *d, const struct resolve_key *key, struct buf *text)
{
	enum table_answer answer = TABLE_ABSENT;

	if (slice_equal(key->user, SLICE("postmaster")))
		answer = directory_postmaster(d, text);
	if (answer == TABLE_ABSENT)
		answer = find_with_domain(d, DIRECTORY_ALIASES, SLICE(""), key, text);
	if (answer == TABLE_FOUND)
		return RESOLVED_ALIAS;
	return answer == TABLE_ABSENT ? RESOLVED_NOBODY : RESOLVED_FAILED;
}

enum resolution_kind resolve_step(
    struct directory *d, const struct resolve_key *key, struct buf *text)
{
	enum table_answer local =
	    key->is_literal ? TABLE_ABSENT : directory_has_domain(d, key->domain);
	enum resolution_kind kind;

	buf_clear(text);
	if (local == TABLE_FAILED)
		return RESOLVED_FAILED;
	if (local == TABLE_ABSENT)
		return resolve_site(d, key, text);
	kind = resolve_name(d, key->local, key, text);
	if (kind == RESOLVED_NOBODY && key->has_extension)
		kind = resolve_name(d, key->user, key, text);
	if (kind == RESOLVED_NOBODY)
		kind = resolve_last_resort(d, key, text);
	return kind;
}

enum resolution_kind resolve_account(
    struct directory *d, const struct resolve_key *key, struct buf *text)
{
	enum table_answer answer = find_account(d, key->local, key, text);

	if (answer == TABLE_ABSENT && key->has_extension)
		answer = find_account(d, key->user, key, text);
	if (answer == TABLE_FOUND)
		return RESOLVED_ACCOUNT;
	return answer == TABLE_ABSENT ? RESOLVED_NOBODY : RESOLVED_FAILED;
}

/* --- other hosts ----------------------------------------------------------- */

/* example.net itself, then .example.net, .net, and at last "*". */
static enum table_answer find_route(struct directory *d, struct slice domain, struct buf *value)
{
	enum table_answer answer = directory_find(d, DIRECTORY_ROUTES, domain, value);
	ssize_t dot = slice_find(domain, 0, '.');

	while (answer == TABLE_ABSENT && dot >= 0) {
		domain = slice_from(domain, (size_t)dot);
		answer = directory_find(d, DIRECTORY_ROUTES, domain, value);
		dot = slice_find(domain, 1, '.');
	}
	if (answer == TABLE_ABSENT)
		answer = directory_find(d, DIRECTORY_ROUTES, SLICE("*"), value);
	return answer;
}

static bool write_site(const struct directory *d, const struct route *route, struct buf *site)
{
	char ascii[DOMAIN_TEXT_MAX];

	if (route->is_address)
		buf_printf(site,
		    slice_find(route->host, 0, ':') < 0 ? "host:[%.*s]" : "host:[IPv6:%.*s]",
		    SLICE_PRINTF(route->host));
	else if (domain_to_ascii(route->host, ascii))
		buf_printf(site, "%s:%s", route->kind == ROUTE_MX ? "mx" : "host", ascii);
	else
		return false;
	if (route->kind == ROUTE_HOST)
		buf_printf(site, ":%u", route->port == 0 ? d->smtp_port : route->port);
	return !site->overflowed;
}

static struct slice without_brackets(struct slice literal)
{
	return slice_part(literal, 1, literal.len - 2);
}

/* What no route of the administrator's speaks of. */
static bool default_route(const struct resolve_key *key, struct route *route)
{
	struct cursor address = cursor_over(without_brackets(key->domain));

	*route = (struct route){.kind = ROUTE_MX, .host = key->domain};
	if (!key->is_literal)
		return true;
	cursor_accept_nocase(&address, SLICE("IPv6:"));
	*route =
	    (struct route){.kind = ROUTE_HOST, .host = cursor_rest(&address), .is_address = true};
	return true;
}

enum resolution_kind resolve_site(
    struct directory *d, const struct resolve_key *key, struct buf *site)
{
	struct buf value = buf_with_limit(TABLE_VALUE_MAX);
	enum table_answer answer =
	    key->is_literal ? TABLE_ABSENT : find_route(d, key->domain, &value);
	struct route route;
	bool good;

	buf_clear(site);
	if (answer == TABLE_FOUND)
		good = route_parse(buf_slice(&value), &route, NULL);
	else if (d->relay != NULL)
		good = route_parse_host(slice_string(d->relay), &route, NULL);
	else
		good = default_route(key, &route);
	if (!good)
		log_error("route-unusable", log_string("relay", d->relay));
	good = good && answer != TABLE_FAILED && write_site(d, &route, site);
	buf_free(&value);
	return good ? RESOLVED_REMOTE : RESOLVED_FAILED;
}
