/*
 * lines.h - line ends: CRLF on the wire, LF in a Maildir.
 *
 * A line end is LF or CRLF.  A CR that no LF follows is an octet like any
 * other.  The converters work on pieces: `state` carries what the end of one
 * piece means for the next, and starts as {0}.
 */
#ifndef PETREL_MESSAGE_LINES_H
#define PETREL_MESSAGE_LINES_H

#include "common/buf.h"
#include "common/slice.h"

struct line_state {
	bool after_cr; /* the last octet seen was CR */
};

/* Octets of `in` once every line end is CRLF. */
uint64_t lines_crlf_size(struct slice in);

/* Append with every line end as CRLF. */
bool lines_to_crlf(struct slice in, struct line_state *state, struct buf *out);

/*
 * Append `max` octets, beginning at octet `from`, of what lines_to_crlf() would
 * make of all of `in`: IMAP's partial fetch.
 */
bool lines_to_crlf_part(struct slice in, uint64_t from, uint64_t max, struct buf *out);

/* Append with every line end as LF; a CR at the end of a piece waits for the next, see lines_finish(). */
bool lines_to_lf(struct slice in, struct line_state *state, struct buf *out);
/* After the last piece: append the CR that lines_to_lf() held back, if any. */
bool lines_to_lf_finish(struct line_state *state, struct buf *out);

#endif
