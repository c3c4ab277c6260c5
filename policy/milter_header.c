/*
 * milter_header.c - a message's header while milters change it.
 */
#include "policy/milter_header.h"

#include <stdlib.h>

#include "message/header.h"

/* --- the list -------------------------------------------------------------------- */

static bool put(struct milter_header *header, size_t at, const struct milter_field *field)
{
	if (header->count == header->room) {
		size_t room = header->room == 0 ? 32 : header->room * 2;
		struct milter_field *grown;

		if (header->count >= MILTER_FIELDS_MAX)
			return false;
		grown = reallocarray(header->fields, room, sizeof *grown);
		if (grown == NULL)
			return false;
		header->fields = grown;
		header->room = room;
	}
	memmove(header->fields + at + 1, header->fields + at,
	    (header->count - at) * sizeof *header->fields);
	header->fields[at] = *field;
	header->count++;
	return true;
}

static bool put_all(struct milter_header *header, struct slice text, bool is_content)
{
	struct header_walk walk = header_walk_over(text);
	struct header_field field;

	while (header_next(&walk, &field)) {
		struct milter_field copy = {
		    .name = field.name,
		    .value = field.value,
		    .whole = field.whole,
		    .is_content = is_content,
		};

		/* The first is our own; those of other hosts are below it. */
		if (!is_content && !header->has_trace &&
		    slice_equal_nocase(field.name, SLICE("Received")))
			copy.is_hidden = header->has_trace = true;
		for (size_t at = 0; copy.is_hidden && at < header->count; at++)
			header->fields[at].is_above = true;
		if (!put(header, header->count, &copy))
			return false;
	}
	return true;
}

bool milter_header_begin(struct milter_header *header, struct slice prepend, struct slice content)
{
	*header = (struct milter_header){
	    .text = arena_with_limit(MILTER_ADDED_MAX), .has_header = content.len > 0};
	if (put_all(header, prepend, false) && put_all(header, content, true))
		return true;
	milter_header_free(header);
	return false;
}

void milter_header_free(struct milter_header *header)
{
	free(header->fields);
	arena_free(&header->text);
	*header = (struct milter_header){0};
}

const struct milter_field *milter_header_next(const struct milter_header *header, size_t *at)
{
	while (*at < header->count) {
		const struct milter_field *field = &header->fields[(*at)++];

		if (!field->is_hidden && !field->is_deleted && field->name.len > 0)
			return field;
	}
	return NULL;
}

/* --- new fields -------------------------------------------------------------------- */

static bool is_blank(struct slice line)
{
	return slice_trim(line).len == 0;
}

/* The next line of a value, whatever ends it; false after the last. */
static bool next_line(struct cursor *in, struct slice *line)
{
	const char *start = in->at;
	int c;

	if (cursor_done(in))
		return false;
	while ((c = cursor_peek(in)) >= 0 && c != '\r' && c != '\n')
		cursor_skip(in, 1);
	*line = cursor_since(in, start);
	if (cursor_accept(in, '\r'))
		cursor_accept(in, '\n');
	else
		cursor_accept(in, '\n');
	return true;
}

static bool write_field(struct buf *out, struct slice name, struct slice value, bool has_space)
{
	struct cursor in = cursor_over(value);
	struct slice line = SLICE("");
	bool is_first = true;

	buf_append_slice(out, name);
	buf_append_octet(out, ':');
	if (!has_space)
		buf_append_octet(out, ' ');
	while (next_line(&in, &line)) {
		/* A line of blanks alone could pass for the end of the header. */
		if (!is_first && is_blank(line))
			continue;
		if (!is_first)
			buf_append_string(out, "\r\n");
		if (!is_first && !octet_is_space((unsigned char)line.data[0]))
			buf_append_octet(out, ' ');
		buf_append_slice(out, line);
		is_first = false;
	}
	return buf_append_string(out, "\r\n");
}

/* A field with the texts it needs. */
static bool make_field(struct milter_header *header, struct slice name, struct slice value,
    bool has_space, struct milter_field *out)
{
	struct buf text = buf_with_limit(MILTER_ADDED_MAX);
	struct header_walk walk;
	struct header_field field;
	struct slice whole = slice_of(NULL, 0);

	if (write_field(&text, name, value, has_space))
		whole = arena_copy(&header->text, buf_slice(&text));
	buf_free(&text);
	walk = header_walk_over(whole);
	if (whole.len == 0 || !header_next(&walk, &field))
		return false;
	*out =
	    (struct milter_field){.name = field.name, .value = field.value, .whole = field.whole};
	return true;
}

static size_t first_content(const struct milter_header *header)
{
	size_t at = 0;

	while (at < header->count && !header->fields[at].is_content)
		at++;
	return at;
}

static bool put_new(
    struct milter_header *header, size_t at, struct slice name, struct slice value, bool has_space)
{
	struct milter_field field;

	if (!make_field(header, name, value, has_space, &field))
		return false;
	/* What comes among the content's fields, or behind them, is the content's. */
	field.is_content = header->has_header && at > first_content(header);
	if (!put(header, at, &field))
		return false;
	header->is_content_changed |= field.is_content;
	return true;
}

bool milter_header_add(
    struct milter_header *header, struct slice name, struct slice value, bool has_space)
{
	return put_new(header, header->count, name, value, has_space);
}

/* How many of the fields that were above our trace are left; milters can take them away. */
static size_t count_above(const struct milter_header *header)
{
	size_t count = 0;

	for (size_t at = 0; at < header->count; at++)
		count += header->fields[at].is_above;
	return count;
}

bool milter_header_insert(struct milter_header *header, size_t index, struct slice name,
    struct slice value, bool has_space)
{
	size_t above = index > 0 ? count_above(header) : 0;

	return put_new(header, index < header->count - above ? above + index : header->count, name,
	    value, has_space);
}

/* The field that a milter means by a name and a number. */
static struct milter_field *find(struct milter_header *header, size_t index, struct slice name)
{
	for (size_t at = 0; at < header->count; at++) {
		struct milter_field *field = &header->fields[at];

		if (!field->is_hidden && slice_equal_nocase(field->name, name) && --index == 0)
			return field;
	}
	return NULL;
}

bool milter_header_change(struct milter_header *header, size_t index, struct slice name,
    struct slice value, bool has_space)
{
	struct milter_field *field = find(header, index == 0 ? 1 : index, name);
	struct milter_field changed;

	if (field == NULL)
		return value.len == 0 || milter_header_add(header, name, value, has_space);
	if (value.len == 0) {
		header->is_content_changed |= field->is_content;
		field->is_deleted = true;
		return true;
	}
	if (!make_field(header, name, value, has_space, &changed))
		return false;
	changed.is_content = field->is_content;
	changed.is_above = field->is_above;
	header->is_content_changed |= field->is_content;
	*field = changed;
	return true;
}

void milter_header_settle(struct milter_header *header)
{
	size_t kept = 0;

	for (size_t at = 0; at < header->count; at++)
		if (!header->fields[at].is_deleted)
			header->fields[kept++] = header->fields[at];
	header->count = kept;
}

/* --- writing ----------------------------------------------------------------------- */

static bool write_whole(struct buf *out, struct slice whole)
{
	/* The last line of a message need not have an end. */
	return buf_append_slice(out, whole) &&
	       (slice_ends_with(whole, SLICE("\r\n")) || buf_append_string(out, "\r\n"));
}

bool milter_header_write_prepend(const struct milter_header *header, struct buf *out)
{
	for (size_t at = 0; at < header->count; at++) {
		const struct milter_field *field = &header->fields[at];

		if (!field->is_content && !field->is_deleted && !write_whole(out, field->whole))
			return false;
	}
	return header->has_header || buf_append_string(out, "\r\n");
}

bool milter_header_write_content(const struct milter_header *header, struct buf *out)
{
	if (!header->has_header)
		return true;
	for (size_t at = 0; at < header->count; at++) {
		const struct milter_field *field = &header->fields[at];

		if (field->is_content && !field->is_deleted && !write_whole(out, field->whole))
			return false;
	}
	return buf_append_string(out, "\r\n");
}
