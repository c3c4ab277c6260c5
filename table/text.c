/*
 * text.c - the syntax of a table's text file.
 *
 * A line that begins with anything but a blank or `#` begins an entry; lines
 * that begin with a blank continue it.  The parser holds one entry at a time
 * and gives it away when the next one begins.
 */
#include "table/text.h"

#include "table/backend.h"

struct parser {
	enum table_syntax syntax;
	const char *name;
	table_text_sink *sink;
	void *context;
	struct table_error *error;
	uint32_t line;       /* the one being read */
	uint32_t entry_line; /* where the entry being gathered began; 0 where there is none */
	struct buf key;
	struct buf value;
};

static bool fail_word(struct parser *p, uint32_t line, struct slice word, const char *what)
{
	char text[TABLE_WORD_TEXT];

	table_error_set(p->error, "%s:%u: \"%s\": %s", p->name, line, table_word(word, text), what);
	return false;
}

/* The entry being gathered is complete. */
static bool finish_entry(struct parser *p)
{
	struct slice key = buf_slice(&p->key), value = buf_slice(&p->value);

	if (p->entry_line == 0)
		return true;
	if (p->key.overflowed)
		return fail_word(p, p->entry_line, key, "the key is too long");
	if (p->value.overflowed)
		return fail_word(p, p->entry_line, key, "the value is too long");
	if (p->syntax == TABLE_ALIASES && value.len == 0)
		return fail_word(p, p->entry_line, key, "nothing stands after the name");
	return p->sink(p->context, key, value, p->entry_line);
}

static void append_to_value(struct parser *p, struct slice more)
{
	more = slice_trim(more);
	if (more.len == 0)
		return;
	if (p->value.len > 0)
		buf_append_octet(&p->value, ' ');
	buf_append_slice(&p->value, more);
}

/* A key in double quotes; a backslash takes away the next octet's meaning. */
static bool parse_quoted_key(struct parser *p, struct cursor *c)
{
	struct slice whole = cursor_rest(c);
	int octet;

	cursor_skip(c, 1);
	while ((octet = cursor_next(c)) != '"') {
		if (octet == '\\')
			octet = cursor_next(c);
		if (octet < 0)
			return fail_word(p, p->line, whole, "the closing quote is missing");
		buf_append_octet(&p->key, (char)octet_lower(octet));
	}
	octet = cursor_peek(c);
	if (octet >= 0 && !octet_is_space(octet) && !(octet == ':' && p->syntax == TABLE_ALIASES))
		return fail_word(p, p->line, whole, "a blank is missing after the closing quote");
	return true;
}

static void parse_bare_key(struct parser *p, struct cursor *c)
{
	int octet;

	while ((octet = cursor_peek(c)) >= 0 && !octet_is_space(octet)) {
		if (octet == ':' && p->syntax == TABLE_ALIASES)
			break;
		buf_append_octet(&p->key, (char)octet_lower(octet));
		cursor_skip(c, 1);
	}
}

static bool begin_entry(struct parser *p, struct slice line)
{
	struct cursor c = cursor_over(line);

	buf_clear(&p->key);
	buf_clear(&p->value);
	p->entry_line = p->line;
	if (cursor_peek(&c) == '"') {
		if (!parse_quoted_key(p, &c))
			return false;
	} else {
		parse_bare_key(p, &c);
	}
	if (p->key.len == 0)
		return fail_word(p, p->line, line, "the name is empty");
	if (p->syntax == TABLE_ALIASES) {
		while (octet_is_space(cursor_peek(&c)))
			cursor_skip(&c, 1);
		cursor_accept(&c, ':');
	}
	append_to_value(p, cursor_rest(&c));
	return true;
}

static bool parse_line(struct parser *p, struct slice line)
{
	struct slice words;

	if (slice_ends_with(line, SLICE("\r")))
		line.len--;
	words = slice_trim(line);
	if (words.len == 0 || words.data[0] == '#')
		return true;
	for (size_t i = 0; i < line.len; i++)
		if (octet_is_control((unsigned char)line.data[i]) && line.data[i] != '\t')
			return fail_word(p, p->line, slice_from(line, i), "control character");
	if (octet_is_space((unsigned char)line.data[0])) {
		if (p->entry_line == 0)
			return fail_word(p, p->line, words,
			    "a line that begins with a blank continues an entry, but there is "
			    "none");
		append_to_value(p, words);
		return true;
	}
	return finish_entry(p) && begin_entry(p, line);
}

bool table_text_parse(struct slice text, enum table_syntax syntax, const char *name,
    table_text_sink *sink, void *context, struct table_error *error)
{
	struct parser p = {
	    .syntax = syntax,
	    .name = name,
	    .sink = sink,
	    .context = context,
	    .error = error,
	    .key = buf_with_limit(TABLE_KEY_MAX),
	    .value = buf_with_limit(TABLE_VALUE_MAX),
	};
	struct cursor c = cursor_over(text);
	bool good = true;

	while (good && !cursor_done(&c)) {
		struct slice line = cursor_take_until(&c, '\n');

		cursor_accept(&c, '\n');
		p.line++;
		good = parse_line(&p, line);
	}
	good = good && finish_entry(&p);
	buf_free(&p.key);
	buf_free(&p.value);
	return good;
}
