/*
 * multiline.h - a message as the body of a multi-line response (RFC 1939, 3).
 */
#ifndef PETREL_POP3D_SESSION_MULTILINE_H
#define PETREL_POP3D_SESSION_MULTILINE_H

#include "common/buf.h"

/* Where in the message the output stands; starts as {.body_lines = ...}. */
struct multiline {
	uint64_t body_lines; /* TOP: how many lines of the body; UINT64_MAX for all */
	bool is_in_body;
	bool is_complete;   /* no more is wanted */
	size_t line_octets; /* of the current line so far */
	bool is_line_blank; /* nothing in it but a CR */
};

/*
 * Append the next piece of a message (CRLF line ends), with a dot in front of each line that
 * begins with one.  False where `out` is full.
 */
bool multiline_write(struct multiline *state, struct slice piece, struct buf *out);
/* After the last piece: end the last line if it was not, and the response. */
bool multiline_end(struct multiline *state, struct buf *out);

#endif
