/*
 * quoted_printable.c - quoted-printable bodies and the "Q" encoding of headers.
 */
#include "message/encoding.h"

static int hex_value(int c)
{
	if (octet_is_digit(c))
		return c - '0';
	c = octet_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The octet that "=XX" at the cursor stands for, or -1 where there is none; takes it. */
static int take_escape(struct cursor *c)
{
	int high = hex_value(cursor_peek_at(c, 1));
	int low = hex_value(cursor_peek_at(c, 2));

	if (high < 0 || low < 0)
		return -1;
	cursor_skip(c, 3);
	return high << 4 | low;
}

/* One line, without its line end.  True where the line end is soft. */
static bool decode_line(struct slice line, struct buf *out)
{
	struct cursor c = cursor_over(line);

	while (!cursor_done(&c)) {
		struct slice run = cursor_take_until(&c, '=');
		int octet;

		buf_append_slice(out, run);
		if (cursor_done(&c))
			break;
		if (cursor_left(&c) == 1)
			return true;
		octet = take_escape(&c);
		buf_append_octet(out, (char)(octet >= 0 ? octet : cursor_next(&c)));
	}
	return false;
}

bool quoted_printable_decode(struct slice in, struct buf *out)
{
	struct cursor c = cursor_over(in);

	while (!cursor_done(&c) && !out->overflowed) {
		struct slice line = cursor_take_until(&c, '\n');
		bool has_end = cursor_accept(&c, '\n');
		bool has_cr = has_end && line.len > 0 && line.data[line.len - 1] == '\r';
		bool is_soft;

		line.len -= has_cr;
		/* Blanks at the end are what transport added (RFC 2045, 6.7, rule 3). */
		while (line.len > 0 && octet_is_space((unsigned char)line.data[line.len - 1]))
			line.len--;
		is_soft = decode_line(line, out);
		if (has_end && !is_soft)
			buf_append_string(out, has_cr ? "\r\n" : "\n");
	}
	return !out->overflowed;
}

bool q_decode(struct slice in, struct buf *out)
{
	struct cursor c = cursor_over(in);

	while (!cursor_done(&c)) {
		int octet = cursor_peek(&c) == '=' ? take_escape(&c) : -1;

		if (octet < 0) {
			octet = cursor_next(&c);
			if (octet == '_')
				octet = ' ';
		}
		buf_append_octet(out, (char)octet);
	}
	return !out->overflowed;
}
