/*
 * imap_section.c - "1.2.HEADER": naming parts of a message (RFC 3501, 6.4.5).
 */
#include "message/header.h"
#include "message/imap_text.h"
#include "message/lines.h"

/* ---- parsing ------------------------------------------------------------ */

static bool is_digit(int c)
{
	return octet_is_digit(c);
}

/* "1.2" before a word or the end, and the dot between them. */
static bool take_numbers(struct cursor *c, struct imap_section *out)
{
	while (octet_is_digit(cursor_peek(c))) {
		uint64_t number;

		if (out->depth == IMAP_SECTION_DEPTH_MAX || cursor_peek(c) == '0' ||
		    !slice_number(cursor_take_while(c, is_digit), UINT32_MAX, &number))
			return false;
		out->numbers[out->depth++] = (uint32_t)number;
		if (cursor_done(c))
			return true;
		if (!cursor_accept(c, '.') || cursor_done(c))
			return false;
	}
	return true;
}

bool imap_section_parse(struct slice in, struct imap_section *out)
{
	static const struct {
		struct slice word;
		enum imap_section_kind kind;
	} words[] = {
	    {{"HEADER", 6},             IMAP_SECTION_HEADER           },
	    {{"HEADER.FIELDS", 13},     IMAP_SECTION_HEADER_FIELDS    },
	    {{"HEADER.FIELDS.NOT", 17}, IMAP_SECTION_HEADER_FIELDS_NOT},
	    {{"TEXT", 4},               IMAP_SECTION_TEXT             },
	    {{"MIME", 4},               IMAP_SECTION_MIME             },
	};
	struct cursor c = cursor_over(in);

	*out = (struct imap_section){.kind = IMAP_SECTION_WHOLE};
	if (!take_numbers(&c, out))
		return false;
	if (cursor_done(&c))
		return true;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (slice_equal_nocase(cursor_rest(&c), words[i].word)) {
			out->kind = words[i].kind;
			/* Only a part has a MIME header of its own. */
			return out->kind != IMAP_SECTION_MIME || out->depth > 0;
		}
	return false;
}

/* ---- finding ------------------------------------------------------------ */

/*
 * A part as a section's numbers reach it.  A message (the whole one, or one
 * within) is reached as such, and has a header and a text; its body, or the
 * parts of that, are reached by a number more.  So the one part of a plain
 * message is two things: the message, and part 1 of it.
 */
struct place {
	const struct mime_part *part; /* NULL: there is none */
	bool is_message;
};

static const struct mime_part *part_at(const struct mime *mime, int index)
{
	return index == MIME_NO_PART ? NULL : &mime->parts[index];
}

static const struct mime_part *nth_child(
    const struct mime *mime, const struct mime_part *part, uint32_t number)
{
	const struct mime_part *child = part_at(mime, part->first_child);

	while (child != NULL && --number > 0)
		child = part_at(mime, child->next);
	return child;
}

/* Into the message that a message/rfc822 part holds. */
static struct place enter_message(const struct mime *mime, struct place place)
{
	if (place.is_message || place.part == NULL)
		return place;
	if (place.part->kind != MIME_MESSAGE)
		return (struct place){NULL, false};
	return (struct place){part_at(mime, place.part->first_child), true};
}

static struct place step(const struct mime *mime, struct place place, uint32_t number)
{
	if (place.part->kind == MIME_MULTIPART)
		return (struct place){nth_child(mime, place.part, number), false};
	place = enter_message(mime, place);
	if (place.part == NULL)
		return place;
	if (place.part->kind == MIME_MULTIPART)
		return (struct place){nth_child(mime, place.part, number), false};
	return (struct place){number == 1 ? place.part : NULL, false};
}

bool imap_section_find(
    const struct mime *mime, const struct imap_section *section, struct slice *out)
{
	struct place place = {&mime->parts[0], true};

	for (size_t i = 0; i < section->depth && place.part != NULL; i++)
		place = step(mime, place, section->numbers[i]);
	switch (section->kind) {
	case IMAP_SECTION_WHOLE:
		if (section->depth == 0)
			*out = mime->message;
		else if (place.part != NULL)
			*out = mime_body(mime, place.part);
		break;
	case IMAP_SECTION_MIME:
		if (place.part != NULL)
			*out = mime_header(mime, place.part);
		break;
	case IMAP_SECTION_HEADER:
	case IMAP_SECTION_HEADER_FIELDS:
	case IMAP_SECTION_HEADER_FIELDS_NOT:
		place = enter_message(mime, place);
		if (place.part != NULL)
			*out = mime_header(mime, place.part);
		break;
	case IMAP_SECTION_TEXT:
		place = enter_message(mime, place);
		if (place.part != NULL)
			*out = mime_body(mime, place.part);
		break;
	}
	return place.part != NULL;
}

/* ---- HEADER.FIELDS ------------------------------------------------------ */

static bool is_named(struct slice name, const struct slice *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (slice_equal_nocase(name, names[i]))
			return true;
	return false;
}

bool imap_write_header_fields(
    struct slice header, const struct slice *names, size_t count, bool except, struct buf *out)
{
	struct header_walk walk = header_walk_over(header);
	struct header_field field;

	if (count > IMAP_FIELD_NAMES_MAX)
		return false;
	while (!out->overflowed && header_next(&walk, &field)) {
		struct line_state state = {0};

		if (is_named(field.name, names, count) == except)
			continue;
		lines_to_crlf(field.whole, &state, out);
		if (!slice_ends_with(field.whole, SLICE("\n")))
			buf_append_string(out, "\r\n");
	}
	buf_append_string(out, "\r\n");
	return !out->overflowed;
}
