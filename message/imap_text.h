/*
 * imap_text.h - a message as IMAP's FETCH shows it (RFC 3501, 7.4.2 and 6.4.5).
 *
 * The texts are finished: what is appended goes to the client as it is, behind
 * "ENVELOPE " and its like.  Strings are quoted where they may be, else literals
 * ("{5}" CRLF and five octets); NUL, which IMAP cannot carry, becomes '?'.
 */
#ifndef PETREL_MESSAGE_IMAP_TEXT_H
#define PETREL_MESSAGE_IMAP_TEXT_H

#include "common/buf.h"
#include "common/slice.h"
#include "message/mime.h"

enum {
	IMAP_SECTION_DEPTH_MAX = MIME_DEPTH_MAX, /* numbers in "1.2.3" */
	IMAP_QUOTED_MAX = 1000,                  /* octets; a longer string goes as a literal */
	IMAP_FIELD_NAMES_MAX = 256, /* in one HEADER.FIELDS: each is compared with each field */
};

/* Append an ENVELOPE, "(date subject (from) ... message-id)"; `header` may be the whole message. */
bool imap_write_envelope(struct slice header, struct buf *out);
/* Append a BODY, without extension data. */
bool imap_write_body(const struct mime *mime, struct buf *out);
/* Append a BODYSTRUCTURE. */
bool imap_write_bodystructure(const struct mime *mime, struct buf *out);

/* Append a string, quoted or literal. */
bool imap_write_string(struct slice s, struct buf *out);
/* Append a string, or NIL where it is empty and data is NULL. */
bool imap_write_nstring(struct slice s, struct buf *out);

/* ---- sections ----------------------------------------------------------- */

enum imap_section_kind {
	IMAP_SECTION_WHOLE,             /* "" or "1.2": a message, or a part's body */
	IMAP_SECTION_HEADER,            /* "HEADER" */
	IMAP_SECTION_HEADER_FIELDS,     /* "HEADER.FIELDS", names beside it */
	IMAP_SECTION_HEADER_FIELDS_NOT, /* "HEADER.FIELDS.NOT" */
	IMAP_SECTION_TEXT,              /* "TEXT" */
	IMAP_SECTION_MIME,              /* "1.MIME" */
};

struct imap_section {
	enum imap_section_kind kind;
	uint32_t numbers[IMAP_SECTION_DEPTH_MAX];
	size_t depth; /* numbers in use */
};

/*
 * Parse a section specification up to, not including, a list of field names:
 * "", "HEADER", "1.2", "1.2.HEADER.FIELDS", "1.MIME".  False where malformed.
 */
bool imap_section_parse(struct slice in, struct imap_section *out);

/*
 * Find a section in a message.
 *
 * out  its stored octets, to be sent with CRLF line ends (lines.h).  For
 *      HEADER.FIELDS and its NOT: the header that imap_write_header_fields()
 *      is to pick from.
 * False where the message has no such part: IMAP answers NIL then.
 */
bool imap_section_find(
    const struct mime *mime, const struct imap_section *section, struct slice *out);

/*
 * Append the fields of `header` that are (or, with `except`, are not) called one
 * of `names`, as they stand but with CRLF line ends, and the empty line that
 * always closes them (RFC 3501, 6.4.5).  False where `out` is full, or for more
 * than IMAP_FIELD_NAMES_MAX names.
 */
bool imap_write_header_fields(
    struct slice header, const struct slice *names, size_t count, bool except, struct buf *out);

#endif
