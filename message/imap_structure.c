/*
 * imap_structure.c - BODY and BODYSTRUCTURE (RFC 3501, 7.4.2).
 *
 * Recursion follows the tree of parts, whose depth is bounded by MIME_DEPTH_MAX.
 */
#include "message/imap_text.h"

struct structure {
	const struct mime *mime;
	bool is_extended; /* BODYSTRUCTURE */
	struct buf *out;
};

static void write_blank(const struct structure *s)
{
	buf_append_octet(s->out, ' ');
}

static void write_parameters(const struct structure *s, const struct mime_parameters *parameters)
{
	if (parameters->count == 0) {
		buf_append_string(s->out, "NIL");
		return;
	}
	for (size_t i = 0; i < parameters->count; i++) {
		buf_append_octet(s->out, i == 0 ? '(' : ' ');
		imap_write_string(parameters->items[i].name, s->out);
		write_blank(s);
		imap_write_string(parameters->items[i].value, s->out);
	}
	buf_append_octet(s->out, ')');
}

static void write_disposition(const struct structure *s, const struct mime_part *part)
{
	if (part->disposition.len == 0) {
		buf_append_string(s->out, "NIL");
		return;
	}
	buf_append_octet(s->out, '(');
	imap_write_string(part->disposition, s->out);
	write_blank(s);
	write_parameters(s, &part->disposition_parameters);
	buf_append_octet(s->out, ')');
}

static void write_languages(const struct structure *s, const struct mime_part *part)
{
	if (part->language_count == 0) {
		buf_append_string(s->out, "NIL");
		return;
	}
	for (size_t i = 0; i < part->language_count; i++) {
		buf_append_octet(s->out, i == 0 ? '(' : ' ');
		imap_write_string(part->languages[i], s->out);
	}
	buf_append_octet(s->out, ')');
}

/* What ends the extension data of every part. */
static void write_extension(const struct structure *s, const struct mime_part *part)
{
	write_blank(s);
	write_disposition(s, part);
	write_blank(s);
	write_languages(s, part);
	write_blank(s);
	imap_write_nstring(part->location, s->out);
}

static void write_part(const struct structure *s, const struct mime_part *part);

/* The grammar wants at least one part; where there is none, an empty text stands for it. */
static void write_no_parts(const struct structure *s)
{
	buf_append_string(
	    s->out, "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0");
	if (s->is_extended)
		buf_append_string(s->out, " NIL NIL NIL NIL");
	buf_append_octet(s->out, ')');
}

static void write_multipart(const struct structure *s, const struct mime_part *part)
{
	int child = part->first_child;

	if (child == MIME_NO_PART)
		write_no_parts(s);
	for (; child != MIME_NO_PART; child = s->mime->parts[child].next)
		write_part(s, &s->mime->parts[child]);
	write_blank(s);
	imap_write_string(part->subtype, s->out);
	if (!s->is_extended)
		return;
	write_blank(s);
	write_parameters(s, &part->parameters);
	write_extension(s, part);
}

static void write_message(const struct structure *s, const struct mime_part *part)
{
	const struct mime_part *message = &s->mime->parts[part->first_child];

	write_blank(s);
	imap_write_envelope(mime_header(s->mime, message), s->out);
	write_blank(s);
	write_part(s, message);
}

static void write_single(const struct structure *s, const struct mime_part *part)
{
	imap_write_string(part->type, s->out);
	write_blank(s);
	imap_write_string(part->subtype, s->out);
	write_blank(s);
	write_parameters(s, &part->parameters);
	write_blank(s);
	imap_write_nstring(part->id, s->out);
	write_blank(s);
	imap_write_nstring(part->description, s->out);
	write_blank(s);
	imap_write_string(part->encoding, s->out);
	buf_printf(s->out, " %llu", (unsigned long long)part->body_octets);
	if (part->kind == MIME_MESSAGE)
		write_message(s, part);
	if (part->kind == MIME_MESSAGE || part->kind == MIME_TEXT)
		buf_printf(s->out, " %llu", (unsigned long long)part->body_lines);
	if (!s->is_extended)
		return;
	write_blank(s);
	imap_write_nstring(part->md5, s->out);
	write_extension(s, part);
}

static void write_part(const struct structure *s, const struct mime_part *part)
{
	buf_append_octet(s->out, '(');
	if (part->kind == MIME_MULTIPART)
		write_multipart(s, part);
	else
		write_single(s, part);
	buf_append_octet(s->out, ')');
}

static bool write_structure(const struct mime *mime, bool is_extended, struct buf *out)
{
	const struct structure s = {mime, is_extended, out};

	write_part(&s, &mime->parts[0]);
	return !out->overflowed;
}

bool imap_write_body(const struct mime *mime, struct buf *out)
{
	return write_structure(mime, false, out);
}

bool imap_write_bodystructure(const struct mime *mime, struct buf *out)
{
	return write_structure(mime, true, out);
}
