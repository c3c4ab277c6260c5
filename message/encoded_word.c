/*
 * encoded_word.c - header values as text (RFC 2047).
 *
 * Neighbouring encoded words of one charset are put together as octets before
 * they are converted: many mailers split a character between two words.
 */
#include "message/charset.h"
#include "message/encoding.h"
#include "message/header.h"

/* Encoded words not yet converted. */
struct pending {
	struct slice charset;
	struct slice written; /* as they stand in the header, for an unknown charset */
	struct buf octets;
	bool is_open;
};

static void flush_pending(struct pending *pending, struct buf *out)
{
	if (pending->is_open &&
	    !charset_to_utf8(pending->charset, buf_slice(&pending->octets), out))
		utf8_append_clean(out, pending->written);
	buf_clear(&pending->octets);
	pending->is_open = false;
}

static bool is_word_octet(int c)
{
	return c > ' ' && c != '?';
}

/* "=?charset?B?text?=" at the cursor; false (and nothing taken) where there is none. */
static bool take_word(struct cursor *in, struct slice *charset, char *encoding, struct slice *text,
    struct slice *whole)
{
	struct cursor c = *in;

	if (!cursor_accept(&c, '=') || !cursor_accept(&c, '?'))
		return false;
	*charset = cursor_take_while(&c, is_word_octet);
	if (charset->len == 0 || charset->len > CHARSET_NAME_MAX || !cursor_accept(&c, '?'))
		return false;
	*encoding = (char)octet_lower(cursor_next(&c));
	if ((*encoding != 'b' && *encoding != 'q') || !cursor_accept(&c, '?'))
		return false;
	*text = cursor_take_while(&c, is_word_octet);
	if (!cursor_accept(&c, '?') || !cursor_accept(&c, '='))
		return false;
	*whole = cursor_since(&c, in->at);
	*in = c;
	return true;
}

static void add_word(struct pending *pending, struct slice charset, char encoding,
    struct slice text, struct slice whole, struct buf *out)
{
	if (pending->is_open && !slice_equal_nocase(pending->charset, charset))
		flush_pending(pending, out);
	if (!pending->is_open) {
		pending->charset = charset;
		pending->written = whole;
		pending->is_open = true;
	}
	pending->written.len = (size_t)(whole.data + whole.len - pending->written.data);
	if (encoding == 'b')
		base64_decode_lenient(text, &pending->octets);
	else
		q_decode(text, &pending->octets);
}

/* Text outside of encoded words; blanks between two of them are not text (RFC 2047, 6.2). */
static void add_plain(
    struct pending *pending, struct slice plain, bool before_word, bool is_utf8, struct buf *out)
{
	if (plain.len == 0 || (before_word && pending->is_open && slice_trim(plain).len == 0))
		return;
	flush_pending(pending, out);
	if (is_utf8)
		buf_append_slice(out, plain);
	else
		charset_to_utf8(SLICE("windows-1252"), plain, out);
}

static void decode_words(struct slice value, struct pending *pending, struct buf *out)
{
	bool is_utf8 = utf8_is_valid(value);
	struct cursor c = cursor_over(value);
	const char *plain = c.at;

	while (!cursor_done(&c)) {
		const char *before;
		struct slice charset, text, whole;
		char encoding;

		cursor_take_until(&c, '=');
		before = c.at;
		if (!take_word(&c, &charset, &encoding, &text, &whole)) {
			cursor_skip(&c, 1);
			continue;
		}
		add_plain(pending, slice_of(plain, (size_t)(before - plain)), true, is_utf8, out);
		add_word(pending, charset, encoding, text, whole, out);
		plain = c.at;
	}
	add_plain(pending, cursor_since(&c, plain), false, is_utf8, out);
	flush_pending(pending, out);
}

bool header_decode(struct slice value, struct buf *out)
{
	struct buf line = buf_with_limit(HEADER_VALUE_MAX);
	struct pending pending = {.octets = buf_with_limit(HEADER_VALUE_MAX)};

	header_unfold(slice_part(value, 0, HEADER_VALUE_MAX), &line);
	decode_words(buf_slice(&line), &pending, out);
	buf_free(&pending.octets);
	buf_free(&line);
	return !out->overflowed;
}
