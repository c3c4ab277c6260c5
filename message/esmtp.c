/*
 * esmtp.c - the parameters of MAIL and RCPT, and the xtext that some are written in.
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
