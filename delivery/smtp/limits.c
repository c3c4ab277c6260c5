/*
 * limits.c - what a host says of how much it takes (LIMITS, RFC 9422).
 */
#include "delivery/smtp/limits.h"

enum { LIMIT_DIGITS = 6 };

static bool is_name_octet(int c)
{
	return octet_is_alnum(c) || c == '-' || c == '_';
}

static bool is_value_octet(int c)
{
	return c > ' ' && c < 0x7f && c != ';';
}

static struct slice take_while(struct cursor *in, bool (*is_wanted)(int))
{
	const char *start = in->at;

	while (!cursor_done(in) && is_wanted(cursor_peek(in)))
		cursor_skip(in, 1);
	return cursor_since(in, start);
}

/* False where there was one before. */
static bool set(uint32_t *limit, struct slice value)
{
	uint64_t number;

	if (*limit != 0)
		return false;
	if (value.len <= LIMIT_DIGITS && slice_number(value, UINT32_MAX, &number))
		*limit = (uint32_t)number;
	return true;
}

static bool take_limit(struct cursor *in, struct limits *limits)
{
	struct slice name = take_while(in, is_name_octet), value;

	if (name.len == 0 || !cursor_accept(in, '='))
		return false;
	value = take_while(in, is_value_octet);
	if (value.len == 0)
		return false;
	if (slice_equal_nocase(name, SLICE("MAILMAX")))
		return set(&limits->mails, value);
	if (slice_equal_nocase(name, SLICE("RCPTMAX")))
		return set(&limits->recipients, value);
	if (slice_equal_nocase(name, SLICE("RCPTDOMAINMAX")))
		return set(&limits->domains, value);
	return true;
}

struct limits limits_read(struct slice text)
{
	struct cursor in = cursor_over(slice_trim(text));
	struct limits limits = {0};

	while (!cursor_done(&in)) {
		if (!take_limit(&in, &limits) || (!cursor_done(&in) && !cursor_accept(&in, ' ')))
			return (struct limits){0};
		while (cursor_accept(&in, ' '))
			continue;
	}
	return limits;
}
