/*
 * mime_part.c - the Content-* fields of a part.
 */
#include "message/mime_part.h"

#include "message/header.h"

static struct slice first_part(struct slice value)
{
	return slice_trim(slice_part(value, 0, MIME_FIELD_MAX));
}

/* The value as one line; `keep_blanks` false: without any blanks (RFC 2557, 4.4.2). */
static struct slice kept_line(struct slice value, bool keep_blanks, struct arena *text)
{
	struct buf line = buf_with_limit(MIME_FIELD_MAX);
	struct slice trimmed = first_part(value), kept;

	header_unfold(trimmed, &line);
	if (!keep_blanks) {
		size_t len = 0;

		for (size_t i = 0; i < line.len; i++)
			if (!octet_is_space((unsigned char)line.data[i]))
				line.data[len++] = line.data[i];
		line.len = len;
	}
	kept =
	    slice_equal(buf_slice(&line), trimmed) ? trimmed : arena_copy(text, buf_slice(&line));
	text->failed = text->failed || line.overflowed;
	buf_free(&line);
	return kept;
}

static bool is_token_octet(int c)
{
	return c > ' ' && c < 0x7f && strchr("()<>@,;:\\\"/[]?=", c) == NULL;
}

static bool is_token(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!is_token_octet((unsigned char)s.data[i]))
			return false;
	return s.len > 0;
}

static const struct mime_parameter default_charset = {
    {"charset",  7},
    {"us-ascii", 8}
};

void mime_part_set_text(struct mime_part *part)
{
	part->kind = MIME_TEXT;
	part->type = SLICE("text");
	part->subtype = SLICE("plain");
	part->parameters = (struct mime_parameters){&default_charset, 1};
}

static void set_message(struct mime_part *part)
{
	part->kind = MIME_MESSAGE;
	part->type = SLICE("message");
	part->subtype = SLICE("rfc822");
	part->parameters = (struct mime_parameters){0};
}

static enum mime_kind kind_of(const struct mime_part *part)
{
	if (mime_is(part, SLICE("multipart"), SLICE("")))
		return MIME_MULTIPART;
	if (mime_is(part, SLICE("message"), SLICE("rfc822")))
		return MIME_MESSAGE;
	return mime_is(part, SLICE("text"), SLICE("")) ? MIME_TEXT : MIME_LEAF;
}

static bool read_type(struct mime_part *part, struct slice value, struct arena *text)
{
	struct slice type;
	ssize_t slash;

	if (!mime_parse_field(value, text, &type, &part->parameters))
		return false;
	slash = slice_find(type, 0, '/');
	part->type = slice_part(type, 0, slash < 0 ? 0 : (size_t)slash);
	part->subtype = slice_from(type, (size_t)(slash + 1));
	if (slash < 0 || !is_token(part->type) || !is_token(part->subtype))
		mime_part_set_text(part);
	else
		part->kind = kind_of(part);
	return true;
}

static bool read_encoding(struct mime_part *part, struct slice value, struct arena *text)
{
	struct mime_parameters none;

	return mime_parse_field(value, text, &part->encoding, &none);
}

static bool read_disposition(struct mime_part *part, struct slice value, struct arena *text)
{
	return mime_parse_field(value, text, &part->disposition, &part->disposition_parameters);
}

static bool read_id(struct mime_part *part, struct slice value, struct arena *text)
{
	part->id = kept_line(value, true, text);
	return !text->failed;
}

static bool read_description(struct mime_part *part, struct slice value, struct arena *text)
{
	part->description = kept_line(value, true, text);
	return !text->failed;
}

static bool read_md5(struct mime_part *part, struct slice value, struct arena *text)
{
	part->md5 = kept_line(value, false, text);
	return !text->failed;
}

static bool read_location(struct mime_part *part, struct slice value, struct arena *text)
{
	part->location = kept_line(value, false, text);
	return !text->failed;
}

static bool is_language_octet(int c)
{
	return octet_is_alnum(c) || c == '-' || c == '*';
}

/* "en, de (comment)" (RFC 3282) */
static bool read_languages(struct mime_part *part, struct slice value, struct arena *text)
{
	struct slice found[MIME_LANGUAGES_MAX];
	struct cursor c = cursor_over(first_part(value));
	struct slice *languages;
	size_t count = 0;

	while (!cursor_done(&c) && count < MIME_LANGUAGES_MAX) {
		struct cursor item = cursor_over(slice_trim(cursor_take_until(&c, ',')));
		struct slice language = cursor_take_while(&item, is_language_octet);

		if (language.len > 0)
			found[count++] = language;
		cursor_accept(&c, ',');
	}
	languages = arena_allocate(text, count, sizeof(*languages));
	if (languages == NULL)
		return false;
	if (count > 0)
		memcpy(languages, found, count * sizeof(*languages));
	part->languages = languages;
	part->language_count = count;
	return true;
}

/* The first field of each name counts. */
static bool read_field(
    struct mime_part *part, const struct header_field *field, unsigned *seen, struct arena *text)
{
	static const struct {
		struct slice name;
		bool (*read)(struct mime_part *part, struct slice value, struct arena *text);
	} fields[] = {
	    {{"Content-Type", 12},              read_type       },
	    {{"Content-Transfer-Encoding", 25}, read_encoding   },
	    {{"Content-Disposition", 19},       read_disposition},
	    {{"Content-ID", 10},                read_id         },
	    {{"Content-Description", 19},       read_description},
	    {{"Content-MD5", 11},               read_md5        },
	    {{"Content-Language", 16},          read_languages  },
	    {{"Content-Location", 16},          read_location   },
	};

	if (!slice_starts_with_nocase(field->name, SLICE("Content-")))
		return true;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if ((*seen & 1U << i) || !slice_equal_nocase(field->name, fields[i].name))
			continue;
		*seen |= 1U << i;
		return fields[i].read(part, field->value, text);
	}
	return true;
}

bool mime_part_read_header(
    struct mime_part *part, struct slice header, bool default_is_message, struct arena *text)
{
	struct header_walk walk = header_walk_over(header);
	struct header_field field;
	unsigned seen = 0;

	if (default_is_message)
		set_message(part);
	else
		mime_part_set_text(part);
	while (header_next(&walk, &field))
		if (!read_field(part, &field, &seen, text))
			return false;
	if (part->encoding.len == 0)
		part->encoding = SLICE("7bit");
	return true;
}
