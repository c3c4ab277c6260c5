/*
 * buf.c - a growing buffer of octets with a limit.
 */
#include "common/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_SIZE = 256 };

void buf_free(struct buf *b)
{
	free(b->data);
	*b = buf_with_limit(b->limit);
}

void buf_wipe(struct buf *b)
{
	if (b->data != NULL)
		explicit_bzero(b->data, b->size);
	buf_free(b);
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	b->overflowed = false;
}

static bool make_room(struct buf *b, size_t more)
{
	size_t size = b->size == 0 ? FIRST_SIZE : b->size;
	char *data;

	if (b->overflowed || more > b->limit - b->len) {
		b->overflowed = true;
		return false;
	}
	if (b->len + more <= b->size)
		return true;
	while (size < b->len + more)
		size = size > b->limit / 2 ? b->limit : size * 2;
	/* The old memory may hold a secret that a realloc would leave behind. */
	data = malloc(size);
	if (data == NULL) {
		b->overflowed = true;
		return false;
	}
	if (b->len > 0) {
		memcpy(data, b->data, b->len);
		explicit_bzero(b->data, b->len);
	}
	free(b->data);
	b->data = data;
	b->size = size;
	return true;
}

char *buf_extend(struct buf *b, size_t len)
{
	char *room;

	if (!make_room(b, len))
		return NULL;
	room = b->data + b->len;
	b->len += len;
	return room;
}

bool buf_append(struct buf *b, const void *data, size_t len)
{
	char *room;

	if (len == 0)
		return !b->overflowed;
	room = buf_extend(b, len);
	if (room == NULL)
		return false;
	memcpy(room, data, len);
	return true;
}

bool buf_append_slice(struct buf *b, struct slice s)
{
	return buf_append(b, s.data, s.len);
}

bool buf_append_string(struct buf *b, const char *string)
{
	return buf_append(b, string, strlen(string));
}

bool buf_append_octet(struct buf *b, char octet)
{
	return buf_append(b, &octet, 1);
}

bool buf_vprintf(struct buf *b, const char *format, va_list arguments)
{
	va_list again;
	int len;

	va_copy(again, arguments);
	len = vsnprintf(NULL, 0, format, again);
	va_end(again);
	/* vsnprintf writes a NUL that the buf does not count. */
	if (len < 0 || !make_room(b, (size_t)len + 1)) {
		b->overflowed = true;
		return false;
	}
	vsnprintf(b->data + b->len, (size_t)len + 1, format, arguments);
	b->len += (size_t)len;
	return true;
}

bool buf_printf(struct buf *b, const char *format, ...)
{
	va_list arguments;
	bool fitted;

	va_start(arguments, format);
	fitted = buf_vprintf(b, format, arguments);
	va_end(arguments);
	return fitted;
}

void buf_consume(struct buf *b, size_t len)
{
	if (len >= b->len) {
		b->len = 0;
		return;
	}
	memmove(b->data, b->data + len, b->len - len);
	b->len -= len;
}
