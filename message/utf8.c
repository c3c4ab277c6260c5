/*
 * utf8.c - UTF-8 as RFC 3629 defines it, and nothing near it.
 */
#include "message/encoding.h"

enum { MALFORMED = -2 };

/* Length of the sequence that `lead` begins and the bits it contributes; 0 where it begins none. */
static size_t sequence_length(int lead, uint32_t *bits)
{
	if (lead < 0x80) {
		*bits = (uint32_t)lead;
		return 1;
	}
	if (lead >= 0xc2 && lead <= 0xdf) {
		*bits = (uint32_t)lead & 0x1f;
		return 2;
	}
	if (lead >= 0xe0 && lead <= 0xef) {
		*bits = (uint32_t)lead & 0x0f;
		return 3;
	}
	if (lead >= 0xf0 && lead <= 0xf4) {
		*bits = (uint32_t)lead & 0x07;
		return 4;
	}
	return 0;
}

int32_t utf8_next(struct cursor *in)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	uint32_t code_point;
	size_t len;

	if (cursor_done(in))
		return -1;
	len = sequence_length(cursor_peek(in), &code_point);
	for (size_t i = 1; i < len; i++) {
		int octet = cursor_peek_at(in, i);

		if (octet < 0x80 || octet > 0xbf)
			len = 0;
		else
			code_point = code_point << 6 | ((uint32_t)octet & 0x3f);
	}
	if (len == 0 || code_point < smallest[len] || code_point > UNICODE_MAX ||
	    (code_point >= 0xd800 && code_point <= 0xdfff)) {
		cursor_skip(in, 1);
		return MALFORMED;
	}
	cursor_skip(in, len);
	return (int32_t)code_point;
}

bool utf8_is_valid(struct slice in)
{
	struct cursor c = cursor_over(in);
	int32_t code_point;

	while ((code_point = utf8_next(&c)) >= 0)
		;
	return code_point != MALFORMED;
}

bool utf8_is_printable(struct slice in)
{
	struct cursor c = cursor_over(in);
	int32_t code_point;

	while ((code_point = utf8_next(&c)) >= 0)
		if (code_point < ' ' || (code_point >= 0x7f && code_point < 0xa0))
			return false;
	return code_point != MALFORMED;
}

bool utf8_append(struct buf *out, uint32_t code_point)
{
	char octets[4];
	size_t len = 0;

	if (code_point < 0x80) {
		octets[len++] = (char)code_point;
	} else if (code_point < 0x800) {
		octets[len++] = (char)(0xc0 | code_point >> 6);
		octets[len++] = (char)(0x80 | (code_point & 0x3f));
	} else if (code_point < 0x10000) {
		octets[len++] = (char)(0xe0 | code_point >> 12);
		octets[len++] = (char)(0x80 | (code_point >> 6 & 0x3f));
		octets[len++] = (char)(0x80 | (code_point & 0x3f));
	} else {
		octets[len++] = (char)(0xf0 | (code_point >> 18 & 0x07));
		octets[len++] = (char)(0x80 | (code_point >> 12 & 0x3f));
		octets[len++] = (char)(0x80 | (code_point >> 6 & 0x3f));
		octets[len++] = (char)(0x80 | (code_point & 0x3f));
	}
	return buf_append(out, octets, len);
}

bool utf8_append_clean(struct buf *out, struct slice in)
{
	struct cursor c = cursor_over(in);
	const char *start = c.at;
	int32_t code_point;

	while (true) {
		const char *before = c.at;

		code_point = utf8_next(&c);
		if (code_point >= 0)
			continue;
		/* What was well-formed goes out in one piece. */
		buf_append(out, start, (size_t)(before - start));
		if (code_point != MALFORMED)
			break;
		utf8_append(out, UNICODE_REPLACEMENT);
		start = c.at;
	}
	return !out->overflowed;
}

bool is_ascii(struct slice in)
{
	for (size_t i = 0; i < in.len; i++)
		if ((unsigned char)in.data[i] > 127)
			return false;
	return true;
}
