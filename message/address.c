/*
 * address.c - RFC 5321 paths, their canonical form, and domains.
 */
#include "message/address.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include "message/encoding.h"

/* ---- octets and domains ------------------------------------------------- */

/* RFC 5321's atext, or an octet of a UTF-8 sequence (RFC 6531, 3.3). */
static bool is_atext(int c)
{
	return octet_is_alnum(c) || c > 127 ||
	       (c > 0 && c < 128 && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

static bool is_atext_or_dot(int c)
{
	return is_atext(c) || c == '.';
}

static bool is_domain_octet(int c)
{
	return octet_is_alnum(c) || c == '-' || c == '_' || c == '.' || c > 127;
}

static bool label_is_valid(struct slice label)
{
	if (label.len == 0 || label.data[0] == '-' || label.data[label.len - 1] == '-')
		return false;
	/* The length of a UTF-8 label is known only once it is an A-label. */
	return label.len <= ADDRESS_LABEL_MAX || !is_ascii(label);
}

bool domain_is_valid(struct slice domain)
{
	struct cursor c = cursor_over(domain);

	if (domain.len == 0 || domain.len > ADDRESS_DOMAIN_MAX || !utf8_is_printable(domain))
		return false;
	for (size_t i = 0; i < domain.len; i++)
		if (!is_domain_octet((unsigned char)domain.data[i]))
			return false;
	do {
		if (!label_is_valid(cursor_take_until(&c, '.')))
			return false;
	} while (cursor_accept(&c, '.'));
	return true;
}

bool domain_is_literal(struct slice domain)
{
	return domain.len >= 2 && domain.data[0] == '[' && domain.data[domain.len - 1] == ']';
}

static bool is_ip_octet(int c)
{
	return octet_is_digit(c) || (octet_lower(c) >= 'a' && octet_lower(c) <= 'f') || c == ':' ||
	       c == '.';
}

bool domain_parse_literal(struct slice domain, struct domain_literal *out)
{
	struct cursor c;
	struct slice text;
	char ip[INET6_ADDRSTRLEN];

	if (!domain_is_literal(domain))
		return false;
	c = cursor_over(slice_part(domain, 1, domain.len - 2));
	*out = (struct domain_literal){.family = AF_INET};
	if (cursor_accept_nocase(&c, SLICE("IPv6:")))
		out->family = AF_INET6;
	text = cursor_take_while(&c, is_ip_octet);
	return cursor_done(&c) && slice_copy(text, ip, sizeof(ip)) &&
	       inet_pton(out->family, ip, out->octets) == 1;
}

/* ---- paths -------------------------------------------------------------- */

/* A quoted string (RFC 5321, 4.1.2), its quotes included. */
static bool take_quoted(struct cursor *c, struct slice *out)
{
	const char *start = c->at;
	int octet;

	cursor_skip(c, 1);
	while ((octet = cursor_next(c)) != '"') {
		if (octet == '\\')
			octet = cursor_next(c);
		/* The end is -1, so it is caught here too. */
		if (octet < ' ' || octet == 0x7f)
			return false;
	}
	*out = cursor_since(c, start);
	return true;
}

/* Dots only between atoms. */
static bool is_dot_string(struct slice s)
{
	return s.len > 0 && s.data[0] != '.' && s.data[s.len - 1] != '.' &&
	       slice_search(s, SLICE("..")) < 0;
}

static bool take_local(struct cursor *c, unsigned flags, struct address *out)
{
	out->is_quoted = cursor_peek(c) == '"';
	if (out->is_quoted) {
		if (!take_quoted(c, &out->local))
			return false;
	} else {
		out->local = cursor_take_while(c, is_atext_or_dot);
		if (out->local.len == 0 ||
		    (!(flags & ADDRESS_LENIENT) && !is_dot_string(out->local)))
			return false;
	}
	return out->local.len <= ADDRESS_LOCAL_MAX && utf8_is_printable(out->local);
}

static bool take_domain(struct cursor *c, struct slice *out)
{
	const char *start = c->at;
	struct domain_literal literal;

	if (cursor_peek(c) == '[') {
		cursor_take_until(c, ']');
		cursor_skip(c, 1);
		*out = cursor_since(c, start);
		return domain_parse_literal(*out, &literal);
	}
	*out = cursor_take_while(c, is_domain_octet);
	return domain_is_valid(*out);
}

static bool may_lack_domain(const struct address *address, unsigned flags)
{
	return (flags & ADDRESS_NO_DOMAIN) ||
	       ((flags & ADDRESS_POSTMASTER) &&
		   slice_equal_nocase(address->local, SLICE("postmaster")));
}

static bool take_mailbox(struct cursor *c, unsigned flags, struct address *out)
{
	if (!take_local(c, flags, out))
		return false;
	if (cursor_accept(c, '@')) {
		if (!take_domain(c, &out->domain))
			return false;
	} else if (!may_lack_domain(out, flags)) {
		return false;
	}
	out->is_utf8 = !is_ascii(out->local) || !is_ascii(out->domain);
	return true;
}

/* "@a,@b:" before the mailbox; deprecated since 1989, still legal to receive. */
static bool skip_route(struct cursor *c)
{
	struct slice hop;

	if (cursor_peek(c) != '@')
		return true;
	do {
		if (!cursor_accept(c, '@') || !take_domain(c, &hop))
			return false;
	} while (cursor_accept(c, ','));
	return cursor_accept(c, ':');
}

ssize_t address_parse_path(struct slice in, unsigned flags, struct address *out)
{
	struct cursor c = cursor_over(in);
	bool has_bracket = cursor_accept(&c, '<');
	size_t len;

	*out = (struct address){0};
	if (!has_bracket && !(flags & ADDRESS_LENIENT))
		return -1;
	if (has_bracket && cursor_peek(&c) == '>')
		out->is_null = true;
	else if ((has_bracket && !skip_route(&c)) || !take_mailbox(&c, flags, out))
		return -1;
	if (has_bracket && !cursor_accept(&c, '>'))
		return -1;
	if (!cursor_done(&c) && !octet_is_space(cursor_peek(&c)))
		return -1;
	if (out->is_null && (flags & ADDRESS_NOT_NULL))
		return -1;
	len = in.len - cursor_left(&c);
	return len + (has_bracket ? 0 : 2) > ADDRESS_PATH_MAX ? -1 : (ssize_t)len;
}

bool address_parse(struct slice in, unsigned flags, struct address *out)
{
	struct cursor c = cursor_over(in);

	*out = (struct address){0};
	if (in.len == 0) {
		out->is_null = true;
		return !(flags & ADDRESS_NOT_NULL);
	}
	return in.len + 2 <= ADDRESS_PATH_MAX && take_mailbox(&c, flags, out) && cursor_done(&c);
}

/* ---- canonical form ----------------------------------------------------- */

/* Walks the meaning of a local part: a quoted string without its quotes and backslashes. */
struct meaning {
	struct cursor at;
	bool is_quoted;
};

static struct meaning meaning_of(const struct address *address)
{
	struct slice local = address->local;

	if (address->is_quoted && local.len >= 2)
		local = slice_part(local, 1, local.len - 2);
	return (struct meaning){cursor_over(local), address->is_quoted};
}

static int meaning_next(struct meaning *meaning)
{
	int octet = cursor_next(&meaning->at);

	if (octet == '\\' && meaning->is_quoted && !cursor_done(&meaning->at))
		octet = cursor_next(&meaning->at);
	return octet;
}

/* The meaning can stand without quotes. */
static bool meaning_is_dot_string(struct meaning meaning)
{
	int before = '.';
	int octet;

	while ((octet = meaning_next(&meaning)) >= 0) {
		if (!is_atext_or_dot(octet) || (octet == '.' && before == '.'))
			return false;
		before = octet;
	}
	return before != '.';
}

static bool write_meaning(struct meaning meaning, struct buf *out)
{
	bool needs_quotes = !meaning_is_dot_string(meaning);
	int octet;

	if (needs_quotes)
		buf_append_octet(out, '"');
	while ((octet = meaning_next(&meaning)) >= 0) {
		if (needs_quotes && (octet == '"' || octet == '\\'))
			buf_append_octet(out, '\\');
		buf_append_octet(out, (char)octet);
	}
	if (needs_quotes)
		buf_append_octet(out, '"');
	return !out->overflowed;
}

static void write_domain(struct slice domain, struct buf *out)
{
	char ip[INET6_ADDRSTRLEN];
	struct domain_literal literal;

	if (domain_parse_literal(domain, &literal) &&
	    inet_ntop(literal.family, literal.octets, ip, sizeof(ip)) != NULL) {
		buf_printf(out, "[%s%s]", literal.family == AF_INET6 ? "IPv6:" : "", ip);
		return;
	}
	for (size_t i = 0; i < domain.len; i++)
		buf_append_octet(out, (char)octet_lower((unsigned char)domain.data[i]));
}

bool address_write_canonical(const struct address *address, struct buf *out)
{
	if (address->is_null)
		return !out->overflowed;
	write_meaning(meaning_of(address), out);
	if (address->domain.len > 0) {
		buf_append_octet(out, '@');
		write_domain(address->domain, out);
	}
	return !out->overflowed;
}

static bool domain_equal(struct slice a, struct slice b)
{
	struct domain_literal x, y;

	if (domain_parse_literal(a, &x) && domain_parse_literal(b, &y))
		return x.family == y.family && memcmp(x.octets, y.octets, sizeof(x.octets)) == 0;
	return slice_equal_nocase(a, b);
}

bool address_equal(const struct address *a, const struct address *b)
{
	struct meaning x = meaning_of(a), y = meaning_of(b);
	int octet;

	if (a->is_null != b->is_null || !domain_equal(a->domain, b->domain))
		return false;
	do {
		octet = meaning_next(&x);
		if (octet != meaning_next(&y))
			return false;
	} while (octet >= 0);
	return true;
}

bool address_write_local(const struct address *address, struct buf *out)
{
	struct meaning meaning = meaning_of(address);
	int octet;

	while ((octet = meaning_next(&meaning)) >= 0)
		buf_append_octet(out, (char)octet);
	return !out->overflowed;
}

bool address_quote_local(struct slice meaning, struct buf *out)
{
	return write_meaning((struct meaning){cursor_over(meaning), false}, out);
}

bool address_split_extension(
    struct slice local, char separator, struct slice *user, struct slice *extension)
{
	ssize_t at = slice_find(local, 0, separator);

	*user = local;
	*extension = slice_of(NULL, 0);
	if (at <= 0)
		return false;
	*user = slice_part(local, 0, (size_t)at);
	*extension = slice_from(local, (size_t)at + 1);
	return true;
}
