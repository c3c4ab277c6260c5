/*
 * slice.h - a piece of somebody else's memory, and a bounded walk over it.
 *
 * Parsers take and give slices: pointer and length, never a NUL-terminated
 * string from outside.  A cursor walks one from left to right and cannot leave
 * it: reading past the end gives -1 or an empty slice, never a byte.
 */
#ifndef PETREL_COMMON_SLICE_H
#define PETREL_COMMON_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

struct slice {
	const char *data;
	size_t len;
};

/* A slice of a string literal. */
#define SLICE(literal) ((struct slice){(literal), sizeof(literal) - 1})

/* For printf's "%.*s". */
#define SLICE_PRINTF(s) (int)(s).len, (s).data

static inline struct slice slice_of(const void *data, size_t len)
{
	return (struct slice){data, len};
}

static inline struct slice slice_string(const char *string)
{
	return (struct slice){string, string == NULL ? 0 : strlen(string)};
}

static inline bool slice_is_empty(struct slice s)
{
	return s.len == 0;
}

/* The part of s from octet `from` on, at most `len` octets; clipped to s. */
static inline struct slice slice_part(struct slice s, size_t from, size_t len)
{
	if (from > s.len)
		from = s.len;
	if (len > s.len - from)
		len = s.len - from;
	return (struct slice){s.data == NULL ? NULL : s.data + from, len};
}

static inline struct slice slice_from(struct slice s, size_t from)
{
	return slice_part(s, from, SIZE_MAX);
}

bool slice_equal(struct slice a, struct slice b);
/* ASCII letters only; the locale has no say. */
bool slice_equal_nocase(struct slice a, struct slice b);
int slice_compare(struct slice a, struct slice b);
bool slice_starts_with(struct slice s, struct slice prefix);
bool slice_starts_with_nocase(struct slice s, struct slice prefix);
bool slice_ends_with(struct slice s, struct slice suffix);
bool slice_ends_with_nocase(struct slice s, struct slice suffix);
/* Offset of the first `octet` at or after `from`, or -1. */
ssize_t slice_find(struct slice s, size_t from, char octet);
/* Offset of the last `octet`, or -1. */
ssize_t slice_find_last(struct slice s, char octet);
/* Offset of the first occurrence of `what`, or -1.  Linear time. */
ssize_t slice_search(struct slice s, struct slice what);
/* Without spaces, tabs, CR and LF at either end. */
struct slice slice_trim(struct slice s);
/* A NUL-terminated copy, to be freed by the caller; NULL when out of memory. */
char *slice_dup(struct slice s);
/* Copy into buffer as a NUL-terminated string; false (and an empty string) where it does not fit. */
bool slice_copy(struct slice s, char *buffer, size_t size);
/* A decimal number of 1 to 20 digits and nothing else; false where it is none or above `max`. */
bool slice_number(struct slice s, uint64_t max, uint64_t *out);

/*
 * ASCII classification that takes any octet.  ctype.h depends on the locale and
 * must not be given a plain char.
 */
static inline bool octet_is_digit(int c)
{
	return c >= '0' && c <= '9';
}
static inline bool octet_is_alpha(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
static inline bool octet_is_alnum(int c)
{
	return octet_is_alpha(c) || octet_is_digit(c);
}
static inline bool octet_is_space(int c)
{
	return c == ' ' || c == '\t';
}
static inline bool octet_is_control(int c)
{
	return (c >= 0 && c < 0x20) || c == 0x7f;
}
static inline int octet_lower(int c)
{
	return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

/* A bounded walk over a slice. */
struct cursor {
	const char *at;
	const char *end;
};

static inline struct cursor cursor_over(struct slice s)
{
	return (struct cursor){s.data, s.data == NULL ? NULL : s.data + s.len};
}

static inline size_t cursor_left(const struct cursor *c)
{
	return (size_t)(c->end - c->at);
}

static inline bool cursor_done(const struct cursor *c)
{
	return c->at == c->end;
}

/* The next octet (0..255) without taking it, or -1 at the end. */
static inline int cursor_peek(const struct cursor *c)
{
	return c->at == c->end ? -1 : (unsigned char)*c->at;
}

/* The octet `ahead` places further on, or -1. */
static inline int cursor_peek_at(const struct cursor *c, size_t ahead)
{
	return ahead >= cursor_left(c) ? -1 : (unsigned char)c->at[ahead];
}

/* Take the next octet, or -1 at the end. */
static inline int cursor_next(struct cursor *c)
{
	return c->at == c->end ? -1 : (unsigned char)*c->at++;
}

/* Step over at most n octets. */
static inline void cursor_skip(struct cursor *c, size_t n)
{
	c->at += n < cursor_left(c) ? n : cursor_left(c);
}

/* Take `octet` if it is next. */
static inline bool cursor_accept(struct cursor *c, char octet)
{
	if (c->at == c->end || *c->at != octet)
		return false;
	c->at++;
	return true;
}

/* Take `text` (in any ASCII case) if it is next. */
bool cursor_accept_nocase(struct cursor *c, struct slice text);

/* What is left, without taking it. */
static inline struct slice cursor_rest(const struct cursor *c)
{
	return slice_of(c->at, cursor_left(c));
}

/* What lies between an earlier position and now. */
static inline struct slice cursor_since(const struct cursor *c, const char *start)
{
	return slice_of(start, (size_t)(c->at - start));
}

/* Take n octets; an empty slice with data NULL where fewer are left. */
struct slice cursor_take(struct cursor *c, size_t n);
/* Take up to (not including) `octet`, or everything left where it does not come. */
struct slice cursor_take_until(struct cursor *c, char octet);
/* Take the longest run for which `accepts` is true. */
struct slice cursor_take_while(struct cursor *c, bool (*accepts)(int octet));

#endif
