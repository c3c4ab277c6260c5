/*
 * fields.h - a message's header, read while it passes, as far as smtpd has to know it.
 *
 * How often the message was received before, which fields a submission lacks,
 * who its From field names, and which fields are not to be stored: Bcc, above
 * all, which is nobody's but the author's (RFC 6409, 8; RFC 5322, 3.6.3).
 *
 * Octets come as they come, so a line may be cut anywhere; a line whose field is
 * not known yet is LINE_OPEN, and whoever stores it waits.  A folding line is of
 * the field in front of it, and shares its fate.
 */
#ifndef PETREL_SMTPD_FIELDS_H
#define PETREL_SMTPD_FIELDS_H

#include "common/buf.h"
#include "common/slice.h"

enum {
	FIELDS_LINE_SEEN = 80,   /* octets of a line that are looked at */
	FIELDS_FROM_MAX = 16384  /* octets of From that are kept */
};

enum field {
	FIELD_RECEIVED = 1,
	FIELD_DATE = 2,
	FIELD_MESSAGE_ID = 4,
	FIELD_FROM = 8,
	FIELD_SENDER = 16,
	FIELD_BCC = 32,
	FIELD_RESENT_BCC = 64
};

enum line_fate { LINE_STORED, LINE_DROPPED, LINE_OPEN };

struct fields {
	unsigned dropped; /* of enum field: they are not stored */
	bool keeps_from;  /* the value of From is wanted */

	unsigned seen; /* of enum field */
	unsigned received_count;
	unsigned from_count;
	struct buf from;         /* its value, with its folding; overflowed where it was longer */
	bool is_over;            /* the header has ended */
	bool is_tls_not_required; /* the field TLS-Required says "No" (RFC 8689) */
	bool starts_with_header; /* the first line is a field, or empty */

	/* where the reading stands */
	bool is_first_line;
	uint8_t fate;     /* enum line_fate, of the line */
	unsigned current; /* enum field, of the line; 0: another, or not known yet */
	uint8_t line_len;
	char line[FIELDS_LINE_SEEN];
};

/* Begin a header; `dropped` and `keeps_from` as above. */
struct fields fields_none(unsigned dropped, bool keeps_from);
void fields_free(struct fields *fields);

/* More octets of the current line, without its end. */
void fields_octets(struct fields *fields, struct slice text);
/*
 * The octets of the line that were held back, as fields_octets() left its fate
 * open; they are in the line's first octets.
 */
static inline struct slice fields_held(const struct fields *fields)
{
	return slice_of(fields->line, fields->fate == LINE_OPEN ? fields->line_len : 0);
}
/* The line has ended; a fate that was open is decided: it is stored. */
void fields_line_end(struct fields *fields);

#endif
