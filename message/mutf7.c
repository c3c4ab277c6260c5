/*
 * mutf7.c - modified UTF-7, in which IMAP spells mailbox names (RFC 3501, 5.1.3).
 *
 * Printable ASCII stands for itself, "&-" for "&", and all else is UTF-16 in a
 * base64 without padding between "&" and "-", with "," for "/".  Decoding takes
 * only the one spelling that encoding gives: two spellings of a name would be
 * two folders to one side and the same to the other.
 */
#include "message/encoding.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static bool stands_for_itself(int32_t code_point)
{
	return code_point >= 0x20 && code_point <= 0x7e;
}

/* Bits on their way into or out of base64 digits. */
struct bits {
	uint32_t value;
	unsigned count;
};

static void put_unit(struct bits *bits, uint32_t unit, struct buf *out)
{
	bits->value = bits->value << 16 | unit;
	bits->count += 16;
	while (bits->count >= 6) {
		bits->count -= 6;
		buf_append_octet(out, alphabet[bits->value >> bits->count & 0x3f]);
		bits->value &= (1U << bits->count) - 1;
	}
}

static void put_code_point(struct bits *bits, uint32_t code_point, struct buf *out)
{
	if (code_point < 0x10000) {
		put_unit(bits, code_point, out);
		return;
	}
	put_unit(bits, 0xd800 + ((code_point - 0x10000) >> 10), out);
	put_unit(bits, 0xdc00 + ((code_point - 0x10000) & 0x3ff), out);
}

static void end_shift(struct bits *bits, struct buf *out)
{
	if (bits->count > 0)
		buf_append_octet(out, alphabet[bits->value << (6 - bits->count) & 0x3f]);
	buf_append_octet(out, '-');
	*bits = (struct bits){0};
}

bool mutf7_encode(struct slice in, struct buf *out)
{
	struct cursor c = cursor_over(in);
	struct bits bits = {0};
	bool is_shifted = false;
	int32_t code_point;

	while ((code_point = utf8_next(&c)) >= 0) {
		bool is_plain = stands_for_itself(code_point);

		if (code_point == 0)
			return false;
		if (is_shifted && is_plain)
			end_shift(&bits, out);
		if (!is_shifted && !is_plain)
			buf_append_octet(out, '&');
		is_shifted = !is_plain;
		if (is_shifted)
			put_code_point(&bits, (uint32_t)code_point, out);
		else if (code_point == '&')
			buf_append_string(out, "&-");
		else
			buf_append_octet(out, (char)code_point);
	}
	if (is_shifted)
		end_shift(&bits, out);
	return code_point == -1 && !out->overflowed;
}

static int digit_value(int c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (octet_is_digit(c))
		return c - '0' + 52;
	return c == '+' ? 62 : c == ',' ? 63 : -1;
}

/* The next UTF-16 unit within a shift; -1 at its "-", -2 where malformed. */
static int32_t take_unit(struct cursor *c, struct bits *bits)
{
	int32_t unit;

	while (bits->count < 16) {
		int value = digit_value(cursor_peek(c));

		if (value < 0) {
			/* The last digit is padded with less than 6 bits, all zero. */
			if (!cursor_accept(c, '-') || bits->count >= 6 || bits->value != 0)
				return -2;
			return -1;
		}
		cursor_skip(c, 1);
		bits->value = bits->value << 6 | (uint32_t)value;
		bits->count += 6;
	}
	bits->count -= 16;
	unit = (int32_t)(bits->value >> bits->count & 0xffff);
	bits->value &= (1U << bits->count) - 1;
	return unit;
}

/* What stands between "&" and "-"; takes the "-". */
static bool decode_shift(struct cursor *c, struct buf *out)
{
	struct bits bits = {0};
	int32_t unit;

	while ((unit = take_unit(c, &bits)) >= 0) {
		if (unit >= 0xd800 && unit <= 0xdbff) {
			int32_t low = take_unit(c, &bits);

			if (low < 0xdc00 || low > 0xdfff)
				return false;
			unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
		} else if ((unit >= 0xdc00 && unit <= 0xdfff) || stands_for_itself(unit) ||
			   unit == 0) {
			/* Half a character, another spelling, or what stands in no name. */
			return false;
		}
		utf8_append(out, (uint32_t)unit);
	}
	/* A shift that ends only to begin again has another spelling. */
	return unit == -1 && !(cursor_peek(c) == '&' && cursor_peek_at(c, 1) != '-');
}

bool mutf7_decode(struct slice in, struct buf *out)
{
	struct cursor c = cursor_over(in);
	int octet;

	while ((octet = cursor_next(&c)) >= 0) {
		if (!stands_for_itself(octet))
			return false;
		if (octet != '&' || cursor_accept(&c, '-'))
			buf_append_octet(out, (char)octet);
		else if (!decode_shift(&c, out))
			return false;
	}
	return !out->overflowed;
}
