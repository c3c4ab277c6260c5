/*
 * certificates.c - whose certificate is it.
 */
#include "auth/certificates.h"

#include <stdlib.h>
#include <string.h>

struct listing {
	enum certificate_kind kind;
	uint8_t digest[CERTIFICATE_DIGEST];
	char account[CREDENTIALS_ACCOUNT_MAX + 1];
};

struct certificates {
	struct listing *listings; /* sorted by kind and digest */
	size_t count, room;
};

static int compare(const void *one, const void *other)
{
	const struct listing *a = one, *b = other;

	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	return memcmp(a->digest, b->digest, sizeof a->digest);
}

/* --- the file -------------------------------------------------------------------------- */

static int hexadecimal(int octet)
{
	if (octet_is_digit(octet))
		return octet - '0';
	octet = octet_lower(octet);
	return octet >= 'a' && octet <= 'f' ? octet - 'a' + 10 : -1;
}

static bool read_digest(struct slice text, uint8_t out[CERTIFICATE_DIGEST])
{
	struct cursor in = cursor_over(text);

	for (size_t i = 0; i < CERTIFICATE_DIGEST; i++) {
		int high, low;

		if (i > 0)
			cursor_accept(&in, ':');
		high = hexadecimal(cursor_next(&in));
		low = hexadecimal(cursor_next(&in));
		if (high < 0 || low < 0)
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return cursor_done(&in);
}

static bool is_blank(int octet)
{
	return octet == ' ' || octet == '\t';
}

static bool is_no_blank(int octet)
{
	return !is_blank(octet);
}

static struct slice take_word(struct cursor *in)
{
	cursor_take_while(in, is_blank);
	return cursor_take_while(in, is_no_blank);
}

static const char *parse_line(struct slice line, struct listing *out)
{
	struct cursor in = cursor_over(line);
	struct slice account = take_word(&in), kind = take_word(&in), digest = take_word(&in);

	if (!credentials_canonical(account, out->account))
		return "not an account's name";
	if (slice_equal(kind, SLICE("certificate")))
		out->kind = CERTIFICATE_WHOLE;
	else if (slice_equal(kind, SLICE("key")))
		out->kind = CERTIFICATE_KEY;
	else
		return "write \"certificate\" or \"key\" behind the account";
	if (!read_digest(digest, out->digest))
		return "not a SHA-256 in hexadecimal";
	return slice_is_empty(slice_trim(cursor_rest(&in))) ? NULL : "something behind the digest";
}

static const char *add_line(struct certificates *c, struct slice line)
{
	if (c->count == c->room) {
		size_t room = c->room == 0 ? 16 : 2 * c->room;
		struct listing *more = reallocarray(c->listings, room, sizeof *more);

		if (more == NULL)
			return "out of memory";
		c->listings = more;
		c->room = room;
	}
	c->listings[c->count] = (struct listing){0};
	return parse_line(line, &c->listings[c->count++]);
}

struct certificates *certificates_parse(struct slice text, const char *name, struct buf *error)
{
	struct certificates *c = calloc(1, sizeof *c);
	struct cursor in = cursor_over(text);
	unsigned number = 0;

	while (c != NULL && !cursor_done(&in)) {
		struct slice line = slice_trim(cursor_take_until(&in, '\n'));
		const char *fault;

		cursor_accept(&in, '\n');
		number++;
		if (line.len == 0 || line.data[0] == '#')
			continue;
		fault = add_line(c, line);
		if (fault != NULL) {
			buf_printf(error, "%s:%u: %s", name, number, fault);
			certificates_free(c);
			return NULL;
		}
	}
	if (c == NULL)
		buf_printf(error, "%s: out of memory", name);
	else if (c->count > 0)
		qsort(c->listings, c->count, sizeof *c->listings, compare);
	return c;
}

void certificates_free(struct certificates *c)
{
	if (c != NULL)
		free(c->listings);
	free(c);
}

size_t certificates_count(const struct certificates *c)
{
	return c->count;
}

/* --- asking ------------------------------------------------------------------------------- */

/* The first listing that is not before the wanted one. */
static size_t find_first(const struct certificates *c, const struct listing *wanted)
{
	size_t low = 0, high = c->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare(&c->listings[middle], wanted) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void certificates_find(const struct certificates *c, enum certificate_kind kind,
    const uint8_t digest[CERTIFICATE_DIGEST], void (*each)(const char *account, void *context),
    void *context)
{
	struct listing wanted = {.kind = kind};

	memcpy(wanted.digest, digest, sizeof wanted.digest);
	for (size_t i = find_first(c, &wanted);
	     i < c->count && compare(&c->listings[i], &wanted) == 0; i++)
		each(c->listings[i].account, context);
}

/* --- changing the file ------------------------------------------------------------------- */

/* Is this line about that account?  A malformed one is about nobody. */
static bool is_of(struct slice line, const char *account)
{
	struct cursor in = cursor_over(line);
	char named[CREDENTIALS_ACCOUNT_MAX + 1];

	return credentials_canonical(take_word(&in), named) && strcmp(named, account) == 0;
}

bool certificates_remove(struct slice text, struct slice account, struct buf *out)
{
	struct cursor in = cursor_over(text);
	char canonical[CREDENTIALS_ACCOUNT_MAX + 1];

	if (!credentials_canonical(account, canonical))
		return buf_append_slice(out, text);
	while (!cursor_done(&in)) {
		const char *start = in.at;
		struct slice line = cursor_take_until(&in, '\n');

		cursor_accept(&in, '\n');
		if (!is_of(line, canonical) && !buf_append_slice(out, cursor_since(&in, start)))
			return false;
	}
	return true;
}

bool certificates_add(struct slice text, struct slice account,
    const uint8_t digest[CERTIFICATE_DIGEST], struct buf *out)
{
	bool is_whole = text.len == 0 || text.data[text.len - 1] == '\n';

	buf_append_slice(out, text);
	buf_printf(out, "%s%.*s certificate ", is_whole ? "" : "\n", SLICE_PRINTF(account));
	for (size_t i = 0; i < CERTIFICATE_DIGEST; i++)
		buf_printf(out, "%02x", digest[i]);
	return buf_append_octet(out, '\n');
}
