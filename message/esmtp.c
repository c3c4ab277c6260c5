/*
 * esmtp.c - the parameters of MAIL and RCPT, and what some are written in: xtext, and
 * the forms that addresses of type utf-8 have.
 */
#include "message/address.h"
#include "message/encoding.h"

static bool is_keyword_octet(int c)
{
	return octet_is_alnum(c) || c == '-';
}

/*
 * RFC 5321 keeps '=' out of values, but senders of variable return paths put it
 * into AUTH= without encoding it, and nothing is ambiguous about it.
 */
static bool is_value_octet(int c)
{
	return c > ' ' && c != 0x7f;
}

static bool take_parameter(struct cursor *c, struct esmtp_parameter *out)
{
	*out = (struct esmtp_parameter){0};
	if (!octet_is_alnum(cursor_peek(c)))
		return false;
	out->keyword = cursor_take_while(c, is_keyword_octet);
	out->has_value = cursor_accept(c, '=');
	if (out->has_value) {
		out->value = cursor_take_while(c, is_value_octet);
		if (out->value.len == 0 || !utf8_is_valid(out->value))
			return false;
	}
	return cursor_done(c) || octet_is_space(cursor_peek(c));
}

ssize_t esmtp_parameters_parse(struct slice in, struct esmtp_parameter *out, size_t max)
{
	struct cursor c = cursor_over(in);
	size_t count = 0;

	cursor_take_while(&c, octet_is_space);
	while (!cursor_done(&c)) {
		if (count == max || !take_parameter(&c, &out[count]) ||
		    esmtp_parameter_find(out, count, out[count].keyword) != NULL)
			return -1;
		count++;
		cursor_take_while(&c, octet_is_space);
	}
	/* "RCPT TO:<a@b>SIZE=1" is caught by the path's parser: a blank must follow it. */
	return (ssize_t)count;
}

const struct esmtp_parameter *esmtp_parameter_find(
    const struct esmtp_parameter *parameters, size_t count, struct slice keyword)
{
	for (size_t i = 0; i < count; i++)
		if (slice_equal_nocase(parameters[i].keyword, keyword))
			return &parameters[i];
	return NULL;
}

/* RFC 3461, 4: upper case only, so that each text has one encoding. */
static int hex_value(int c)
{
	if (octet_is_digit(c))
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool xtext_decode(struct slice in, struct buf *out)
{
	struct cursor c = cursor_over(in);
	int octet;

	while ((octet = cursor_next(&c)) >= 0) {
		if (octet <= ' ' || octet == 0x7f || octet == '=')
			return false;
		if (octet == '+') {
			int high = hex_value(cursor_next(&c));
			int low = hex_value(cursor_next(&c));

			if (high < 0 || low < 0)
				return false;
			octet = high << 4 | low;
			/* RFC 3461, 4.4 and 5.4: what is encoded is printable.  No line breaks in by this door. */
			if (octet_is_control(octet))
				return false;
		}
		buf_append_octet(out, (char)octet);
	}
	return !out->overflowed;
}

bool xtext_encode(struct slice in, struct buf *out)
{
	for (size_t i = 0; i < in.len; i++) {
		int octet = (unsigned char)in.data[i];

		if (octet <= ' ' || octet >= 0x7f || octet == '+' || octet == '=')
			buf_printf(out, "+%02X", (unsigned)octet);
		else
			buf_append_octet(out, (char)octet);
	}
	return !out->overflowed;
}

/* ---- addresses of type utf-8 (RFC 6533, 3) --------------------------------------- */

/* Stands for itself in both forms: printable ASCII, but not what xtext or the escapes are made of. */
static bool stands_for_itself(int32_t code_point)
{
	return code_point > ' ' && code_point < 0x7f && strchr("+=\\", (int)code_point) == NULL;
}

/* A character that may be shown: no control, no half of one (RFC 3629, 3). */
static bool is_character(int32_t code_point)
{
	return code_point >= ' ' && (code_point < 0x7f || code_point >= 0xa0) &&
	       (code_point < 0xd800 || code_point > 0xdfff) && code_point <= 0x10ffff;
}

/* What follows a backslash: "x{20AC}". */
static int32_t take_escape(struct cursor *c)
{
	struct slice digits;
	int32_t code_point = 0;

	if (!cursor_accept(c, 'x') || !cursor_accept(c, '{'))
		return -1;
	digits = cursor_take_until(c, '}');
	if (!cursor_accept(c, '}') || digits.len < 2 || digits.len > 6 ||
	    (digits.len > 2 && digits.data[0] == '0'))
		return -1;
	for (size_t i = 0; i < digits.len; i++) {
		int octet = (unsigned char)digits.data[i];
		int digit = hex_value(octet >= 'a' && octet <= 'f' ? octet - ('a' - 'A') : octet);

		if (digit < 0)
			return -1;
		code_point = code_point << 4 | digit;
	}
	return code_point;
}

bool utf8_address_decode(struct slice in, bool may_be_8bit, struct buf *out)
{
	struct cursor c = cursor_over(in);

	while (!cursor_done(&c)) {
		int32_t code_point;

		if (cursor_accept(&c, '\\'))
			code_point = take_escape(&c);
		else if ((code_point = utf8_next(&c)) < 0x80 ? !stands_for_itself(code_point)
							     : !may_be_8bit)
			return false;
		if (!is_character(code_point) || !utf8_append(out, (uint32_t)code_point))
			return false;
	}
	return true;
}

bool utf8_address_encode(struct slice in, bool may_be_8bit, struct buf *out)
{
	struct cursor c = cursor_over(in);

	while (!cursor_done(&c)) {
		int32_t code_point = utf8_next(&c);

		if (code_point < 0)
			return false;
		if (code_point < 0x80 ? stands_for_itself(code_point) : may_be_8bit)
			utf8_append(out, (uint32_t)code_point);
		else
			buf_printf(out, "\\x{%02X}", (unsigned)code_point);
	}
	return !out->overflowed;
}
