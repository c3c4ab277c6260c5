/*
 * section.c - a piece of a message on its way to the client.
 */
#include "imapd/session/section.h"

#include <errno.h>

#include "common/log.h"
#include "imapd/session/reading.h"
#include "message/header.h"

enum {
	PIECE = 16384,
	PICKED_MAX = 16 * 1024 * 1024, /* octets of header fields picked from one message */
};

/* The part of `size` octets that was asked for. */
static void limit_to_partial(
    struct section_source *source, const struct fetch_section *wanted, uint64_t size)
{
	uint64_t from = wanted->is_partial ? wanted->from : 0;

	if (from > size)
		from = size;
	source->left = size - from;
	if (wanted->is_partial && source->left > wanted->max)
		source->left = wanted->max;
	source->at = from;
	source->skip = from;
}

static enum store_error open_content(struct connection *c, uint32_t seq,
    const struct fetch_section *wanted, struct section_source *source)
{
	enum store_error error = reading_content(c, seq, &source->content);

	if (error != STORE_OK)
		return error;
	source->where = SECTION_IN_CONTENT;
	limit_to_partial(source, wanted, store_content_size(source->content));
	return STORE_OK;
}

/* Where a section of the message itself lies; there is no need to know the message's parts for that. */
static struct slice outer_section(struct slice stored, enum imap_section_kind kind)
{
	size_t end = header_end(stored);

	return kind == IMAP_SECTION_TEXT ? slice_from(stored, end) : slice_part(stored, 0, end);
}

static bool is_outer(const struct imap_section *section)
{
	return section->depth == 0 && section->kind != IMAP_SECTION_MIME;
}

static enum store_error find_stored(struct connection *c, uint32_t seq,
    const struct imap_section *section, struct slice *out, bool *found)
{
	const struct mime *mime;
	struct slice stored;
	enum store_error error;

	if (is_outer(section)) {
		error = reading_stored(c, seq, &stored);
		*found = error == STORE_OK;
		if (*found)
			*out = outer_section(stored, section->kind);
		return error;
	}
	error = reading_mime(c, seq, &mime);
	*found = error == STORE_OK && imap_section_find(mime, section, out);
	return error;
}

static bool picks_fields(const struct fetch_section *wanted)
{
	return wanted->section.kind == IMAP_SECTION_HEADER_FIELDS ||
	       wanted->section.kind == IMAP_SECTION_HEADER_FIELDS_NOT;
}

static enum store_error pick_fields(
    struct slice header, const struct fetch_section *wanted, struct section_source *source)
{
	bool except = wanted->section.kind == IMAP_SECTION_HEADER_FIELDS_NOT;

	source->where = SECTION_IN_MEMORY;
	source->memory = buf_with_limit(PICKED_MAX);
	if (!imap_write_header_fields(
		header, wanted->names, wanted->name_count, except, &source->memory)) {
		buf_free(&source->memory);
		return STORE_LIMIT;
	}
	limit_to_partial(source, wanted, source->memory.len);
	return STORE_OK;
}

enum store_error section_open(struct connection *c, uint32_t seq,
    const struct fetch_section *wanted, struct section_source *out)
{
	struct slice stored;
	enum store_error error;
	bool found;

	*out = (struct section_source){.where = SECTION_IS_NIL};
	if (is_outer(&wanted->section) && wanted->section.kind == IMAP_SECTION_WHOLE)
		return open_content(c, seq, wanted, out);
	error = find_stored(c, seq, &wanted->section, &stored, &found);
	if (error != STORE_OK || !found)
		return error;
	if (picks_fields(wanted))
		return pick_fields(stored, wanted, out);
	out->where = SECTION_IN_FILE;
	out->stored = stored;
	limit_to_partial(out, wanted, lines_crlf_size(stored));
	return STORE_OK;
}

static void say_piece(struct connection *c, struct section_source *source, struct slice piece)
{
	if (piece.len > source->left)
		piece.len = (size_t)source->left;
	say(c, piece);
	source->left -= piece.len;
	source->at += piece.len;
}

static bool send_content(struct connection *c, struct section_source *source)
{
	char piece[PIECE];
	size_t len = source->left < sizeof piece ? (size_t)source->left : sizeof piece;
	ssize_t got = store_content_read(source->content, source->at, piece, len);

	if (got <= 0) {
		log_error("message-unreadable", log_errno(got < 0 ? errno : EIO));
		return false;
	}
	say_piece(c, source, slice_of(piece, (size_t)got));
	return true;
}

static bool send_stored(struct connection *c, struct section_source *source)
{
	struct buf crlf = buf_with_limit(2 * PIECE);
	struct slice stored = slice_part(source->stored, 0, PIECE);
	struct slice piece;

	if (slice_is_empty(stored) || !lines_to_crlf(stored, &source->lines, &crlf)) {
		buf_free(&crlf);
		log_error("message-unreadable", log_errno(EIO));
		return false;
	}
	source->stored = slice_from(source->stored, stored.len);
	piece = buf_slice(&crlf);
	if (source->skip >= piece.len)
		source->skip -= piece.len;
	else {
		say_piece(c, source, slice_from(piece, (size_t)source->skip));
		source->skip = 0;
	}
	buf_free(&crlf);
	return true;
}

enum step section_send(struct connection *c, struct section_source *source)
{
	bool ok = true;

	if (source->left > 0 && source->where == SECTION_IN_CONTENT)
		ok = send_content(c, source);
	else if (source->left > 0 && source->where == SECTION_IN_FILE)
		ok = send_stored(c, source);
	else if (source->left > 0)
		say_piece(
		    c, source, slice_part(buf_slice(&source->memory), (size_t)source->at, PIECE));
	if (!ok)
		cut_off(c);
	return !ok || source->left == 0 ? STEP_DONE : STEP_MORE;
}

void section_close(struct section_source *source)
{
	buf_free(&source->memory);
	*source = (struct section_source){.where = SECTION_IS_NIL};
}
