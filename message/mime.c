/*
 * mime.c - one walk over a message's lines that leaves a tree of parts.
 *
 * The parts that are open at a line are a chain from the message down, kept as
 * a stack.  A line that is some open multipart's delimiter closes everything
 * below that multipart; an empty line turns the innermost part from header to
 * body, and only then, by what its header said, may it open further.
 */
#include "message/mime.h"

#include <stdlib.h>

#include "common/buf.h"
#include "message/charset.h"
#include "message/encoding.h"
#include "message/mime_part.h"

enum {
	FIRST_ROOM = 8,
	/* Beyond the message's own size: parameters and languages are small structs. */
	TREE_TEXT_MAX = 32 << 20,
};

/* A place in the message, as stored and as IMAP counts. */
struct position {
	size_t offset;
	uint64_t bare_line_ends; /* LFs without CR before it */
	uint64_t lines;          /* LFs before it */
};

struct open_part {
	int part; /* index into parts[] */
	struct position header_start;
	struct position body_start;
	bool is_in_header;
	bool is_digest;
	struct slice boundary; /* of a multipart that still takes parts; else empty */
	int last_child;
};

struct parser {
	struct mime *mime;
	struct position at;          /* start of the line at hand */
	struct position content_end; /* of the line before, without its line end */
	struct open_part open[MIME_DEPTH_MAX + 1];
	size_t depth;      /* in use; the innermost is open[depth - 1] */
	size_t boundaries; /* open parts that have one */
};

static uint64_t octets_between(struct position from, struct position to)
{
	return (to.offset + to.bare_line_ends) - (from.offset + from.bare_line_ends);
}

static struct open_part *innermost(struct parser *p)
{
	return &p->open[p->depth - 1];
}

/* ---- opening ------------------------------------------------------------ */

static bool make_room(struct mime *mime)
{
	size_t room = mime->room == 0 ? FIRST_ROOM : mime->room * 2;
	struct mime_part *parts;

	if (mime->count < mime->room)
		return true;
	parts = reallocarray(mime->parts, room, sizeof(*parts));
	if (parts == NULL)
		return false;
	mime->parts = parts;
	mime->room = room;
	return true;
}

static bool may_open(const struct parser *p)
{
	return p->mime->count < MIME_PARTS_MAX && p->depth <= MIME_DEPTH_MAX;
}

/* A new part, whose header starts at `at`, as the last child of the innermost open one. */
static bool open_part(struct parser *p, struct position at)
{
	struct mime *mime = p->mime;
	struct open_part *parent = p->depth == 0 ? NULL : innermost(p);
	int index = (int)mime->count;

	if (!make_room(mime))
		return false;
	mime->parts[mime->count++] = (struct mime_part){
	    .parent = parent == NULL ? MIME_NO_PART : parent->part,
	    .first_child = MIME_NO_PART,
	    .next = MIME_NO_PART,
	    .depth = (int)p->depth,
	    .header_start = at.offset,
	};
	if (parent != NULL) {
		if (parent->last_child == MIME_NO_PART)
			mime->parts[parent->part].first_child = index;
		else
			mime->parts[parent->last_child].next = index;
		parent->last_child = index;
	}
	p->open[p->depth++] = (struct open_part){
	    .part = index,
	    .header_start = at,
	    .body_start = at,
	    .is_in_header = true,
	    .last_child = MIME_NO_PART,
	};
	return true;
}

/* ---- from header to body ------------------------------------------------ */

static bool hides_content(const struct mime_part *part)
{
	return slice_equal_nocase(part->encoding, SLICE("base64")) ||
	       slice_equal_nocase(part->encoding, SLICE("quoted-printable"));
}

static void leave_unopened(struct mime_part *part)
{
	part->kind = MIME_LEAF;
	part->type = SLICE("application");
	part->subtype = SLICE("octet-stream");
}

static void open_multipart(struct parser *p, struct mime_part *part)
{
	const struct mime_parameter *boundary =
	    mime_parameter_find(&part->parameters, SLICE("boundary"));

	if (boundary == NULL || boundary->value.len == 0 ||
	    boundary->value.len > MIME_BOUNDARY_MAX) {
		mime_part_set_text(part);
	} else if (!may_open(p)) {
		p->mime->truncated = true;
		leave_unopened(part);
	} else {
		innermost(p)->boundary = boundary->value;
		innermost(p)->is_digest = mime_is(part, SLICE("multipart"), SLICE("digest"));
		p->boundaries++;
	}
}

static bool open_message(struct parser *p, struct mime_part *part, struct position body)
{
	if (hides_content(part)) {
		leave_unopened(part);
		return true;
	}
	if (!may_open(p)) {
		p->mime->truncated = true;
		leave_unopened(part);
		return true;
	}
	return open_part(p, body);
}

static bool lies_in_digest(const struct parser *p)
{
	return p->depth >= 2 && p->open[p->depth - 2].is_digest;
}

/*
 * The innermost part's header ended; its body starts at `body`.  A message
 * within opens a further part, which is then innermost and in its header.
 */
static bool end_header(struct parser *p, struct position body)
{
	struct open_part *open = innermost(p);
	struct mime_part *part = &p->mime->parts[open->part];

	open->is_in_header = false;
	open->body_start = body;
	part->body_start = body.offset;
	part->header_octets = octets_between(open->header_start, body);
	if (!mime_part_read_header(
		part, mime_header(p->mime, part), lies_in_digest(p), &p->mime->text))
		return false;
	if (part->kind == MIME_MULTIPART)
		open_multipart(p, part);
	if (part->kind == MIME_MESSAGE)
		return open_message(p, part, body);
	return true;
}

/* ---- closing ------------------------------------------------------------ */

/* Close all but the outermost `keep` open parts, whose content ends at `end`. */
static bool close_parts(struct parser *p, size_t keep, struct position end)
{
	/* A header that is cut off may still open a message, of no octets, within. */
	while (p->depth > keep && innermost(p)->is_in_header) {
		struct open_part *open = innermost(p);

		if (!end_header(
			p, open->header_start.offset > end.offset ? open->header_start : end))
			return false;
	}
	while (p->depth > keep) {
		struct open_part *open = innermost(p);
		struct mime_part *part = &p->mime->parts[open->part];
		struct position body_end =
		    open->body_start.offset > end.offset ? open->body_start : end;

		part->body_end = body_end.offset;
		part->body_octets = octets_between(open->body_start, body_end);
		part->body_lines = body_end.lines - open->body_start.lines;
		p->boundaries -= open->boundary.len > 0;
		p->depth--;
	}
	return true;
}

/* ---- lines -------------------------------------------------------------- */

struct line {
	struct slice text; /* without its line end */
	size_t len;        /* with it */
	bool has_end;
	bool has_cr;
};

static struct line line_at(struct slice message, size_t at)
{
	ssize_t end = slice_find(message, at, '\n');
	struct line line = {.has_end = end >= 0};

	line.text = slice_part(message, at, end < 0 ? SIZE_MAX : (size_t)end - at);
	line.has_cr =
	    line.has_end && line.text.len > 0 && line.text.data[line.text.len - 1] == '\r';
	line.len = line.text.len + line.has_end;
	line.text.len -= line.has_cr;
	return line;
}

/* The line is "--boundary" or, `is_last`, "--boundary--"; blanks at its end are transport's. */
static bool is_delimiter(struct slice text, struct slice boundary, bool *is_last)
{
	struct slice rest;

	if (boundary.len == 0 || !slice_starts_with(slice_from(text, 2), boundary))
		return false;
	rest = slice_from(text, 2 + boundary.len);
	*is_last = slice_starts_with(rest, SLICE("--"));
	return slice_trim(slice_from(rest, *is_last ? 2 : 0)).len == 0;
}

/* Which open multipart's delimiter the line is, innermost first; its place in open[], or -1. */
static int delimited_part(const struct parser *p, struct slice text, bool *is_last)
{
	if (p->boundaries == 0 || !slice_starts_with(text, SLICE("--")))
		return -1;
	for (size_t i = p->depth; i-- > 0;)
		if (is_delimiter(text, p->open[i].boundary, is_last))
			return (int)i;
	return -1;
}

static void step_over(struct parser *p, const struct line *line)
{
	p->content_end = p->at;
	p->content_end.offset += line->text.len;
	p->at.offset += line->len;
	p->at.lines += line->has_end;
	p->at.bare_line_ends += line->has_end && !line->has_cr;
}

/* The line end before a delimiter belongs to the delimiter (RFC 2046, 5.1.1). */
static bool take_delimiter(
    struct parser *p, size_t multipart, bool is_last, const struct line *line)
{
	struct position end = p->content_end;

	if (!close_parts(p, multipart + 1, end))
		return false;
	step_over(p, line);
	if (!is_last)
		return open_part(p, p->at);
	innermost(p)->boundary = slice_of(NULL, 0);
	p->boundaries--;
	return true;
}

static bool take_line(struct parser *p)
{
	struct line line = line_at(p->mime->message, p->at.offset);
	bool is_last = false;
	int multipart = delimited_part(p, line.text, &is_last);

	if (multipart >= 0 && (is_last || p->mime->count < MIME_PARTS_MAX))
		return take_delimiter(p, (size_t)multipart, is_last, &line);
	if (multipart >= 0)
		p->mime->truncated = true;
	step_over(p, &line);
	if (innermost(p)->is_in_header && line.text.len == 0 && line.has_end)
		return end_header(p, p->at);
	return true;
}

bool mime_parse(struct slice message, struct mime *out)
{
	struct parser p = {.mime = out};
	size_t text_max = message.len > SIZE_MAX / 4 ? SIZE_MAX : message.len * 2 + TREE_TEXT_MAX;
	bool done;

	*out = (struct mime){.message = message, .text = arena_with_limit(text_max)};
	done = open_part(&p, p.at);
	while (done && p.at.offset < message.len)
		done = take_line(&p);
	return done && close_parts(&p, 0, p.at);
}

void mime_free(struct mime *mime)
{
	free(mime->parts);
	arena_free(&mime->text);
	*mime = (struct mime){0};
}

/* ---- asking the tree ---------------------------------------------------- */

struct slice mime_header(const struct mime *mime, const struct mime_part *part)
{
	return slice_part(mime->message, part->header_start, part->body_start - part->header_start);
}

struct slice mime_body(const struct mime *mime, const struct mime_part *part)
{
	return slice_part(mime->message, part->body_start, part->body_end - part->body_start);
}

bool mime_is(const struct mime_part *part, struct slice type, struct slice subtype)
{
	return slice_equal_nocase(part->type, type) &&
	       (subtype.len == 0 || slice_equal_nocase(part->subtype, subtype));
}

bool mime_decode_body(const struct mime *mime, const struct mime_part *part, struct buf *out)
{
	struct slice body = mime_body(mime, part);

	if (slice_equal_nocase(part->encoding, SLICE("base64")))
		return base64_decode_lenient(body, out);
	if (slice_equal_nocase(part->encoding, SLICE("quoted-printable")))
		return quoted_printable_decode(body, out);
	return buf_append_slice(out, body);
}

bool mime_decode_text(const struct mime *mime, const struct mime_part *part, struct buf *out)
{
	const struct mime_parameter *charset =
	    mime_parameter_find(&part->parameters, SLICE("charset"));
	struct buf octets = buf_with_limit(out->limit);

	if (!mime_decode_body(mime, part, &octets))
		out->overflowed = true;
	else if (charset == NULL || !charset_to_utf8(charset->value, buf_slice(&octets), out))
		text_guess(buf_slice(&octets), out);
	buf_free(&octets);
	return !out->overflowed;
}
