/*
 * mime_field.c - "value; name=value; ..." of Content-Type and its kin (RFC 2045, 5.1).
 *
 * Total and lenient: missing semicolons, unquoted blanks in file names and
 * unclosed quotes all give something, because mail is full of them.
 */
#include "message/mime.h"

#include "common/buf.h"

static bool is_blank(int c)
{
	return octet_is_space(c) || c == '\r' || c == '\n';
}

/* Blanks and comments; nested comments by counting. */
static void skip_blanks_and_comments(struct cursor *c)
{
	int depth = 0;

	while (!cursor_done(c)) {
		int octet = cursor_peek(c);

		if (octet == '(')
			depth++;
		else if (octet == ')' && depth > 0)
			depth--;
		else if (octet == '\\' && depth > 0)
			cursor_skip(c, 1);
		else if (depth == 0 && !is_blank(octet))
			return;
		cursor_skip(c, 1);
	}
}

static bool is_value_octet(int c)
{
	return !is_blank(c) && c != ';' && c != '(';
}

/* What comes before the first semicolon, without comments, and without the blanks around a slash. */
static struct slice take_value(struct cursor *c, struct arena *text)
{
	struct buf joined = buf_with_limit(cursor_left(c));
	struct slice value;

	skip_blanks_and_comments(c);
	value = cursor_take_while(c, is_value_octet);
	buf_append_slice(&joined, value);
	skip_blanks_and_comments(c);
	while (joined.len > 0 && !joined.overflowed && !cursor_done(c) &&
	       (joined.data[joined.len - 1] == '/' || cursor_peek(c) == '/')) {
		struct slice more = cursor_take_while(c, is_value_octet);

		if (more.len == 0)
			break;
		buf_append_slice(&joined, more);
		skip_blanks_and_comments(c);
	}
	if (joined.len > value.len)
		value = arena_copy(text, buf_slice(&joined));
	buf_free(&joined);
	return value;
}

/* Without line ends; the slice itself where it has none. */
static struct slice without_line_ends(struct slice s, struct arena *text)
{
	struct buf line = buf_with_limit(s.len);
	struct slice kept;

	if (slice_find(s, 0, '\n') < 0 && slice_find(s, 0, '\r') < 0)
		return s;
	for (size_t i = 0; i < s.len; i++)
		if (s.data[i] != '\r' && s.data[i] != '\n')
			buf_append_octet(&line, s.data[i]);
	kept = arena_copy(text, buf_slice(&line));
	text->failed = text->failed || line.overflowed;
	buf_free(&line);
	return kept;
}

/* A quoted string's meaning; one that is not closed ends with the field. */
static struct slice take_quoted(struct cursor *c, struct arena *text)
{
	struct buf meaning = buf_with_limit(cursor_left(c));
	struct slice kept;
	const char *start;
	bool is_plain = true;
	int octet;

	cursor_skip(c, 1);
	start = c->at;
	while ((octet = cursor_peek(c)) >= 0 && octet != '"') {
		if (octet == '\\' && cursor_left(c) > 1) {
			is_plain = false;
			cursor_skip(c, 1);
		}
		if (octet == '\r' || octet == '\n')
			is_plain = false;
		else
			buf_append_octet(&meaning, (char)cursor_peek(c));
		cursor_skip(c, 1);
	}
	kept = is_plain ? cursor_since(c, start) : arena_copy(text, buf_slice(&meaning));
	text->failed = text->failed || meaning.overflowed;
	cursor_accept(c, '"');
	buf_free(&meaning);
	return kept;
}

/* An unquoted value reaches to the semicolon; a comment is one only behind a blank ("foo(1).pdf"). */
static struct slice take_unquoted(struct cursor *c, struct arena *text)
{
	const char *start = c->at;
	bool after_blank = true;
	int octet;

	while ((octet = cursor_peek(c)) >= 0 && octet != ';' && !(octet == '(' && after_blank)) {
		after_blank = is_blank(octet);
		cursor_skip(c, 1);
	}
	return without_line_ends(slice_trim(cursor_since(c, start)), text);
}

static bool is_name_octet(int c)
{
	return is_value_octet(c) && c != '=' && c != '"';
}

/* One "name=value"; false where there is none before the next semicolon. */
static bool take_parameter(struct cursor *c, struct arena *text, struct mime_parameter *out)
{
	out->name = cursor_take_while(c, is_name_octet);
	skip_blanks_and_comments(c);
	if (out->name.len == 0 || !cursor_accept(c, '='))
		return false;
	skip_blanks_and_comments(c);
	out->value = cursor_peek(c) == '"' ? take_quoted(c, text) : take_unquoted(c, text);
	return true;
}

/* To what may be the next parameter: what is not blank, comment or semicolon. */
static void skip_to_parameter(struct cursor *c)
{
	do {
		skip_blanks_and_comments(c);
	} while (cursor_accept(c, ';'));
}

bool mime_parse_field(
    struct slice field, struct arena *text, struct slice *value, struct mime_parameters *parameters)
{
	struct mime_parameter found[MIME_PARAMETERS_MAX];
	struct mime_parameter *items;
	struct cursor c = cursor_over(slice_part(field, 0, MIME_FIELD_MAX));
	size_t count = 0;

	*parameters = (struct mime_parameters){0};
	*value = take_value(&c, text);
	skip_to_parameter(&c);
	while (!cursor_done(&c) && count < MIME_PARAMETERS_MAX) {
		if (take_parameter(&c, text, &found[count]))
			count++;
		else
			cursor_take_until(&c, ';');
		skip_to_parameter(&c);
	}
	if (count == 0)
		return !text->failed;
	items = arena_allocate(text, count, sizeof(*items));
	if (items == NULL)
		return false;
	memcpy(items, found, count * sizeof(*items));
	*parameters = (struct mime_parameters){items, count};
	return !text->failed;
}
