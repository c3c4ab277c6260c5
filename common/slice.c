/*
 * slice.c - slices and cursors, the part that is not inline.
 */
#include "common/slice.h"

#include <stdlib.h>
#include <strings.h>
#include <sys/types.h>

static bool equal_nocase(const char *a, const char *b, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (octet_lower((unsigned char)a[i]) != octet_lower((unsigned char)b[i]))
			return false;
	return true;
}

bool slice_equal(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

bool slice_equal_nocase(struct slice a, struct slice b)
{
	return a.len == b.len && equal_nocase(a.data, b.data, a.len);
}

int slice_compare(struct slice a, struct slice b)
{
	size_t shared = a.len < b.len ? a.len : b.len;
	int order = shared == 0 ? 0 : memcmp(a.data, b.data, shared);

	if (order != 0)
		return order;
	return (a.len > b.len) - (a.len < b.len);
}

bool slice_starts_with(struct slice s, struct slice prefix)
{
	return s.len >= prefix.len && slice_equal(slice_part(s, 0, prefix.len), prefix);
}

bool slice_starts_with_nocase(struct slice s, struct slice prefix)
{
	return s.len >= prefix.len && slice_equal_nocase(slice_part(s, 0, prefix.len), prefix);
}

bool slice_ends_with(struct slice s, struct slice suffix)
{
	return s.len >= suffix.len && slice_equal(slice_from(s, s.len - suffix.len), suffix);
}

bool slice_ends_with_nocase(struct slice s, struct slice suffix)
{
	return s.len >= suffix.len && slice_equal_nocase(slice_from(s, s.len - suffix.len), suffix);
}

ssize_t slice_find(struct slice s, size_t from, char octet)
{
	const char *found;

	if (from >= s.len)
		return -1;
	found = memchr(s.data + from, octet, s.len - from);
	return found == NULL ? -1 : found - s.data;
}

ssize_t slice_find_last(struct slice s, char octet)
{
	const char *found = s.len == 0 ? NULL : memrchr(s.data, octet, s.len);

	return found == NULL ? -1 : found - s.data;
}

ssize_t slice_search(struct slice s, struct slice what)
{
	const char *found;

	if (what.len == 0)
		return 0;
	found = s.len == 0 ? NULL : memmem(s.data, s.len, what.data, what.len);
	return found == NULL ? -1 : found - s.data;
}

static bool is_blank_or_line_end(int c)
{
	return octet_is_space(c) || c == '\r' || c == '\n';
}

struct slice slice_trim(struct slice s)
{
	while (s.len > 0 && is_blank_or_line_end((unsigned char)s.data[0]))
		s = slice_from(s, 1);
	while (s.len > 0 && is_blank_or_line_end((unsigned char)s.data[s.len - 1]))
		s.len--;
	return s;
}

char *slice_dup(struct slice s)
{
	char *copy = malloc(s.len + 1);

	if (copy == NULL)
		return NULL;
	if (s.len > 0)
		memcpy(copy, s.data, s.len);
	copy[s.len] = '\0';
	return copy;
}

bool slice_copy(struct slice s, char *buffer, size_t size)
{
	if (size == 0)
		return false;
	if (s.len >= size) {
		buffer[0] = '\0';
		return false;
	}
	if (s.len > 0)
		memcpy(buffer, s.data, s.len);
	buffer[s.len] = '\0';
	return true;
}

bool slice_number(struct slice s, uint64_t max, uint64_t *out)
{
	uint64_t value = 0;

	if (s.len == 0 || s.len > 20)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		uint64_t digit = (uint64_t)(s.data[i] - '0');

		if (!octet_is_digit((unsigned char)s.data[i]) || value > (UINT64_MAX - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	if (value > max)
		return false;
	*out = value;
	return true;
}

bool cursor_accept_nocase(struct cursor *c, struct slice text)
{
	if (!slice_starts_with_nocase(cursor_rest(c), text))
		return false;
	c->at += text.len;
	return true;
}

struct slice cursor_take(struct cursor *c, size_t n)
{
	struct slice taken;

	if (n > cursor_left(c))
		return slice_of(NULL, 0);
	taken = slice_of(c->at, n);
	c->at += n;
	return taken;
}

struct slice cursor_take_until(struct cursor *c, char octet)
{
	const char *start = c->at;
	ssize_t found = slice_find(cursor_rest(c), 0, octet);

	c->at = found < 0 ? c->end : c->at + found;
	return cursor_since(c, start);
}

struct slice cursor_take_while(struct cursor *c, bool (*accepts)(int octet))
{
	const char *start = c->at;

	while (c->at != c->end && accepts((unsigned char)*c->at))
		c->at++;
	return cursor_since(c, start);
}
