/*
 * base64.c - base64 for protocols (strict) and for message bodies (lenient).
 */
#include "message/encoding.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

enum { GROUPS_PER_LINE = 19 }; /* 76 columns, RFC 2045, 6.8 */

static void encode_group(struct slice group, char text[4])
{
	uint32_t bits = 0;

	for (size_t i = 0; i < 3; i++)
		bits = bits << 8 | (i < group.len ? (unsigned char)group.data[i] : 0);
	for (size_t i = 0; i < 4; i++)
		text[i] = i <= group.len ? alphabet[bits >> (18 - 6 * i) & 0x3f] : '=';
}

bool base64_encode(struct slice in, struct buf *out)
{
	char text[4];

	for (size_t i = 0; i < in.len; i += 3) {
		encode_group(slice_part(in, i, 3), text);
		buf_append(out, text, sizeof(text));
	}
	return !out->overflowed;
}

bool base64_encode_lines(struct slice in, struct buf *out)
{
	for (size_t i = 0; i < in.len; i += 3 * GROUPS_PER_LINE) {
		base64_encode(slice_part(in, i, 3 * GROUPS_PER_LINE), out);
		buf_append(out, "\r\n", 2);
	}
	return !out->overflowed;
}

static int digit_value(int c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (octet_is_digit(c))
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Digits on their way to octets. */
struct group {
	uint32_t bits;
	unsigned digits;
};

/* Append what the digits gathered so far amount to, and start anew. */
static bool flush_group(struct group *group, struct buf *out)
{
	unsigned octets = group->digits * 6 / 8;
	uint32_t bits = group->bits << (6 * (4 - group->digits));
	char text[3] = {(char)(bits >> 16), (char)(bits >> 8), (char)bits};

	*group = (struct group){0};
	return buf_append(out, text, octets);
}

static void add_digit(struct group *group, int value, struct buf *out)
{
	group->bits = group->bits << 6 | (uint32_t)value;
	if (++group->digits == 4)
		flush_group(group, out);
}

bool base64_decode(struct slice in, struct buf *out)
{
	struct group group = {0};
	size_t padding = 0;

	if (in.len % 4 != 0)
		return false;
	while (padding < 2 && padding < in.len && in.data[in.len - 1 - padding] == '=')
		padding++;
	for (size_t i = 0; i < in.len - padding; i++) {
		int value = digit_value((unsigned char)in.data[i]);

		if (value < 0)
			return false;
		add_digit(&group, value, out);
	}
	/* Bits that the padding cuts off must be zero, or one octet string had several spellings. */
	if (padding > 0 && (group.bits & (padding == 1 ? 0x03U : 0x0fU)) != 0)
		return false;
	flush_group(&group, out);
	return !out->overflowed;
}

bool base64_decode_lenient(struct slice in, struct buf *out)
{
	struct group group = {0};

	for (size_t i = 0; i < in.len && !out->overflowed; i++) {
		int octet = (unsigned char)in.data[i];
		int value = digit_value(octet);

		if (value >= 0)
			add_digit(&group, value, out);
		else if (octet == '=')
			flush_group(&group, out); /* more may follow: texts that were joined */
	}
	flush_group(&group, out);
	return !out->overflowed;
}
