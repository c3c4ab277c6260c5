/*
 * mime_parameter.c - what a parameter means: RFC 2231's continuations and charsets.
 */
#include "common/buf.h"
#include "message/charset.h"
#include "message/encoding.h"
#include "message/header.h"
#include "message/mime.h"

const struct mime_parameter *mime_parameter_find(
    const struct mime_parameters *parameters, struct slice name)
{
	for (size_t i = 0; i < parameters->count; i++)
		if (slice_equal_nocase(parameters->items[i].name, name))
			return &parameters->items[i];
	return NULL;
}

/* A value that may be escaped ("name*" and "name*0*"). */
struct section {
	const struct slice *value;
	bool is_extended;
};

/* All forms in which one parameter was found. */
struct forms {
	const struct slice *plain;
	struct section whole; /* "name*" */
	struct section sections[MIME_PARAMETER_SECTIONS_MAX];
};

/* Sort a parameter into `forms` by what follows the name it is asked for: "", "*", "*0", "*0*". */
static void note_form(struct forms *forms, struct slice suffix, const struct slice *value)
{
	struct section section = {value, false};
	uint64_t number;

	if (suffix.len == 0) {
		if (forms->plain == NULL)
			forms->plain = value;
		return;
	}
	if (suffix.data[0] != '*')
		return;
	suffix = slice_from(suffix, 1);
	if (suffix.len == 0) {
		forms->whole = (struct section){value, true};
		return;
	}
	if (suffix.data[suffix.len - 1] == '*') {
		section.is_extended = true;
		suffix.len--;
	}
	if (slice_number(suffix, MIME_PARAMETER_SECTIONS_MAX - 1, &number) &&
	    forms->sections[number].value == NULL)
		forms->sections[number] = section;
}

static int hex_value(int c)
{
	if (octet_is_digit(c))
		return c - '0';
	c = octet_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void append_unescaped(struct cursor *c, struct buf *octets)
{
	while (!cursor_done(c)) {
		int high = hex_value(cursor_peek_at(c, 1));
		int low = hex_value(cursor_peek_at(c, 2));

		if (cursor_peek(c) == '%' && high >= 0 && low >= 0) {
			buf_append_octet(octets, (char)(high << 4 | low));
			cursor_skip(c, 3);
		} else {
			buf_append_octet(octets, (char)cursor_next(c));
		}
	}
}

/* "charset'language'" before the first extended value; the language is nobody's business here. */
static struct slice take_charset(struct cursor *c)
{
	struct cursor ahead = *c;
	struct slice charset = cursor_take_until(&ahead, '\'');

	if (!cursor_accept(&ahead, '\''))
		return slice_of(NULL, 0);
	cursor_take_until(&ahead, '\'');
	if (!cursor_accept(&ahead, '\''))
		return slice_of(NULL, 0);
	*c = ahead;
	return charset;
}

static void append_section(
    const struct section *section, bool is_first, struct slice *charset, struct buf *octets)
{
	struct cursor c = cursor_over(*section->value);

	if (!section->is_extended) {
		buf_append_slice(octets, *section->value);
		return;
	}
	if (is_first)
		*charset = take_charset(&c);
	append_unescaped(&c, octets);
}

/* False where none of the forms was found, or `out` is full. */
static bool append_forms(const struct forms *forms, struct buf *out)
{
	struct buf octets = buf_with_limit(out->limit);
	struct slice charset = {0};

	if (forms->whole.value == NULL && forms->sections[0].value == NULL)
		/* RFC 2047 forbids its words here; they come all the same. */
		return forms->plain != NULL && header_decode(*forms->plain, out);
	if (forms->whole.value != NULL)
		append_section(&forms->whole, true, &charset, &octets);
	else
		for (size_t i = 0;
		     i < MIME_PARAMETER_SECTIONS_MAX && forms->sections[i].value != NULL; i++)
			append_section(&forms->sections[i], i == 0, &charset, &octets);
	if (octets.overflowed)
		out->overflowed = true;
	else if (charset.len == 0 || !charset_to_utf8(charset, buf_slice(&octets), out))
		text_guess(buf_slice(&octets), out);
	buf_free(&octets);
	return !out->overflowed;
}

bool mime_parameter_text(
    const struct mime_parameters *parameters, struct slice name, struct buf *out)
{
	struct forms forms = {0};

	/* One pass, whatever the order and number of the sections. */
	for (size_t i = 0; i < parameters->count; i++) {
		const struct mime_parameter *parameter = &parameters->items[i];

		if (slice_starts_with_nocase(parameter->name, name))
			note_form(&forms, slice_from(parameter->name, name.len), &parameter->value);
	}
	return append_forms(&forms, out);
}
