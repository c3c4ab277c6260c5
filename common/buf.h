/*
 * buf.h - a growing buffer of octets with a limit.
 *
 * A buf never grows past its limit: an append that would marks the buf as
 * overflowed and changes nothing, and so does every later append.  A caller
 * builds something whole and asks once, at the end, whether it fitted.
 */
#ifndef PETREL_COMMON_BUF_H
#define PETREL_COMMON_BUF_H

#include <stdarg.h>

#include "common/slice.h"

struct buf {
	char *data;
	size_t len;
	size_t size;     /* allocated */
	size_t limit;    /* never more octets than this */
	bool overflowed; /* an append did not fit, or memory ran out */
};

/* An empty buf that holds at most `limit` octets; nothing is allocated yet. */
static inline struct buf buf_with_limit(size_t limit)
{
	return (struct buf){.limit = limit};
}

/* Free the memory; the buf is empty afterwards and may be used again. */
void buf_free(struct buf *b);
/* Like buf_free, but overwrites the contents first (passwords, keys). */
void buf_wipe(struct buf *b);
/* Forget the contents and the overflow mark, keep the memory. */
void buf_clear(struct buf *b);

/* Append; false where the limit or memory does not allow it. */
bool buf_append(struct buf *b, const void *data, size_t len);
bool buf_append_slice(struct buf *b, struct slice s);
bool buf_append_string(struct buf *b, const char *string);
bool buf_append_octet(struct buf *b, char octet);
bool buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool buf_vprintf(struct buf *b, const char *format, va_list arguments) __attribute__((format(printf, 2, 0)));
/* Room for len octets at the end, for the caller to fill; NULL where it is not to be had.  Counts as appended. */
char *buf_extend(struct buf *b, size_t len);
/* Take `len` octets off the front. */
void buf_consume(struct buf *b, size_t len);

static inline struct slice buf_slice(const struct buf *b)
{
	return slice_of(b->data, b->len);
}

#endif
