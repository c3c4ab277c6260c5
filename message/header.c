/*
 * header.c - walking a header, and asking it simple questions.
 */
#include "message/header.h"

/* The line at `at`, with its line end where it has one. */
static struct slice line_at(struct slice message, size_t at)
{
	ssize_t end = slice_find(message, at, '\n');

	return slice_part(message, at, end < 0 ? SIZE_MAX : (size_t)end + 1 - at);
}

static struct slice without_line_end(struct slice line)
{
	if (line.len > 0 && line.data[line.len - 1] == '\n') {
		line.len--;
		if (line.len > 0 && line.data[line.len - 1] == '\r')
			line.len--;
	}
	return line;
}

static bool is_empty_line(struct slice line)
{
	return slice_equal(line, SLICE("\n")) || slice_equal(line, SLICE("\r\n"));
}

/* RFC 5322, 2.2: printable, without the colon. */
static bool is_name_octet(int c)
{
	return c > ' ' && c < 0x7f && c != ':';
}

/* Split a whole field at its colon; what is no field has no name. */
static void split_field(struct slice whole, struct header_field *out)
{
	struct cursor c = cursor_over(without_line_end(whole));

	*out = (struct header_field){.whole = whole};
	out->name = cursor_take_while(&c, is_name_octet);
	/* Blanks before the colon are obsolete, and still to be accepted (RFC 5322, 4.5). */
	cursor_take_while(&c, octet_is_space);
	if (out->name.len > 0 && cursor_accept(&c, ':')) {
		out->value = cursor_rest(&c);
		return;
	}
	out->name = slice_of(NULL, 0);
	out->value = without_line_end(whole);
}

bool header_next(struct header_walk *walk, struct header_field *out)
{
	struct slice line = line_at(walk->message, walk->at);
	size_t start = walk->at;

	if (line.len == 0 || is_empty_line(line)) {
		walk->body = walk->at + line.len;
		return false;
	}
	do {
		walk->at += line.len;
		line = line_at(walk->message, walk->at);
	} while (line.len > 0 && octet_is_space((unsigned char)line.data[0]));
	split_field(slice_part(walk->message, start, walk->at - start), out);
	return true;
}

size_t header_end(struct slice message)
{
	size_t at = 0;

	while (at < message.len) {
		struct slice line = line_at(message, at);

		at += line.len;
		if (is_empty_line(line))
			break;
	}
	return at;
}

bool header_find(struct slice message, struct slice name, struct header_field *out)
{
	struct header_walk walk = header_walk_over(message);

	while (header_next(&walk, out))
		if (slice_equal_nocase(out->name, name))
			return true;
	*out = (struct header_field){0};
	return false;
}

size_t header_count(struct slice message, struct slice name)
{
	struct header_walk walk = header_walk_over(message);
	struct header_field field;
	size_t count = 0;

	while (header_next(&walk, &field))
		count += slice_equal_nocase(field.name, name);
	return count;
}

bool header_has(struct slice message, struct slice name, struct slice value)
{
	struct header_walk walk = header_walk_over(message);
	struct header_field field;

	while (header_next(&walk, &field))
		if (slice_equal_nocase(field.name, name) &&
		    slice_equal_nocase(slice_trim(field.value), value))
			return true;
	return false;
}

bool header_unfold(struct slice value, struct buf *out)
{
	struct cursor c = cursor_over(slice_trim(value));

	while (!cursor_done(&c)) {
		struct slice line = cursor_take_until(&c, '\n');

		cursor_accept(&c, '\n');
		if (!cursor_done(&c) && line.len > 0 && line.data[line.len - 1] == '\r')
			line.len--;
		if (!buf_append_slice(out, line))
			return false;
	}
	return !out->overflowed;
}

bool header_next_message_id(struct cursor *in, struct slice *out)
{
	while (!cursor_done(in)) {
		const char *start;
		int octet;

		cursor_take_until(in, '<');
		start = in->at;
		cursor_skip(in, 1);
		while ((octet = cursor_peek(in)) > ' ' && octet != '<' && octet != '>')
			cursor_skip(in, 1);
		if (cursor_accept(in, '>')) {
			*out = cursor_since(in, start);
			if (out->len > 2)
				return true;
		}
	}
	return false;
}
