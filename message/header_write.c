/*
 * header_write.c - header fields that we write ourselves.
 *
 * A value is first made harmless as a whole, then folded, so no octet of it
 * can end its field early.
 */
#include "message/encoding.h"
#include "message/header.h"

enum {
	/* Before base64: a word of 64 columns, which has room behind a field's name (RFC 2047, 2). */
	ENCODED_WORD_OCTETS = 39,
};

/* One blank for each run of blanks and controls, '?' for what is not UTF-8. */
static bool clean_value(struct slice value, struct buf *out)
{
	struct cursor c = cursor_over(slice_trim(value));

	while (!cursor_done(&c)) {
		const char *start = c.at;
		int32_t code_point = utf8_next(&c);

		if (code_point == -2)
			buf_append_octet(out, '?');
		else if (code_point > ' ' && code_point != 0x7f &&
			 (code_point < 0x80 || code_point > 0x9f))
			buf_append_slice(out, cursor_since(&c, start));
		else if (out->len > 0 && out->data[out->len - 1] != ' ')
			buf_append_octet(out, ' ');
	}
	return !out->overflowed;
}

/* How much of a word fits into `room` octets without splitting a UTF-8 sequence. */
static size_t whole_characters(struct slice word, size_t room)
{
	if (word.len <= room)
		return word.len;
	while (room > 1 && ((unsigned char)word.data[room] & 0xc0) == 0x80)
		room--;
	return room;
}

/* Append words so that lines stay within HEADER_LINE_WANTED where that can be had. */
static void write_folded(struct buf *out, size_t column, struct slice value)
{
	struct cursor c = cursor_over(value);
	/* Never before the first word: a line with nothing but a name confuses readers. */
	bool may_fold = false;

	while (!cursor_done(&c)) {
		struct slice word = cursor_take_until(&c, ' ');

		cursor_accept(&c, ' ');
		if (may_fold && column + 1 + word.len > HEADER_LINE_WANTED) {
			buf_append_string(out, "\r\n");
			column = 0;
		}
		may_fold = true;
		while (true) {
			size_t len = whole_characters(word, HEADER_LINE_MAX - 1 - column);

			buf_append_octet(out, ' ');
			buf_append_slice(out, slice_part(word, 0, len));
			column += 1 + len;
			word = slice_from(word, len);
			if (word.len == 0)
				break;
			buf_append_string(out, "\r\n");
			column = 0;
		}
	}
}

bool header_write(struct buf *out, const char *name, struct slice value)
{
	struct buf clean = buf_with_limit(value.len + 1);
	bool is_clean = clean_value(value, &clean);

	buf_append_string(out, name);
	buf_append_octet(out, ':');
	write_folded(out, strlen(name) + 1, slice_trim(buf_slice(&clean)));
	buf_append_string(out, "\r\n");
	buf_free(&clean);
	return is_clean && !out->overflowed;
}

/* As many encoded words as it takes, blanks between them, characters whole. */
static void append_encoded_words(struct slice text, struct buf *out)
{
	while (text.len > 0) {
		size_t len = whole_characters(text, ENCODED_WORD_OCTETS);

		buf_append_string(out, "=?UTF-8?B?");
		base64_encode(slice_part(text, 0, len), out);
		buf_append_string(out, "?=");
		text = slice_from(text, len);
		if (text.len > 0)
			buf_append_octet(out, ' ');
	}
}

static bool needs_encoding(struct slice text)
{
	return !is_ascii(text) || slice_search(text, SLICE("=?")) >= 0;
}

bool header_write_text(struct buf *out, const char *name, struct slice text)
{
	struct buf clean = buf_with_limit(text.len + 1), value = buf_with_limit(HEADER_VALUE_MAX);
	bool done = clean_value(text, &clean);

	if (needs_encoding(buf_slice(&clean)))
		append_encoded_words(slice_trim(buf_slice(&clean)), &value);
	else
		buf_append_slice(&value, buf_slice(&clean));
	done = done && !value.overflowed && header_write(out, name, buf_slice(&value));
	buf_free(&clean);
	buf_free(&value);
	return done;
}

static bool is_phrase(struct slice name)
{
	for (size_t i = 0; i < name.len; i++) {
		int c = (unsigned char)name.data[i];

		if (!octet_is_alnum(c) && c != ' ' && strchr("!#$%&'*+-/=?^_`{|}~", c) == NULL)
			return false;
	}
	return true;
}

bool header_append_mailbox(struct buf *value, struct slice display_name, struct slice address)
{
	struct buf name = buf_with_limit(display_name.len + 1);
	bool is_clean = clean_value(display_name, &name);
	struct slice clean = slice_trim(buf_slice(&name));

	if (clean.len == 0) {
		buf_free(&name);
		return buf_append_slice(value, address);
	}
	if (needs_encoding(clean)) {
		append_encoded_words(clean, value);
	} else if (is_phrase(clean)) {
		buf_append_slice(value, clean);
	} else {
		buf_append_octet(value, '"');
		for (size_t i = 0; i < clean.len; i++) {
			if (clean.data[i] == '"' || clean.data[i] == '\\')
				buf_append_octet(value, '\\');
			buf_append_octet(value, clean.data[i]);
		}
		buf_append_octet(value, '"');
	}
	buf_append_string(value, " <");
	buf_append_slice(value, address);
	buf_append_octet(value, '>');
	buf_free(&name);
	return is_clean && !value->overflowed;
}
