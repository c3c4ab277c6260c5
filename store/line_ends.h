/*
 * line_ends.h - CRLF on the wire, LF on disk, block by block.
 *
 * A line end is LF or CRLF, as in message/lines.h; these walk files and move
 * whole lines at a time, without a second buffer.
 */
#ifndef PETREL_STORE_LINE_ENDS_H
#define PETREL_STORE_LINE_ENDS_H

#include "common/slice.h"

/* The state of a message on its way to disk; starts as {0}. */
struct to_disk {
	bool held_cr;  /* the last octet was CR: it depends on the next whether it is written */
	bool wrote_cr; /* the last octet written was CR */
	uint64_t disk_size; /* octets written so far */
	uint64_t crlf_size; /* what they are with CRLF line ends */
};

/*
 * Write `in` with LF line ends to `out`, which has room for in.len + 1 octets; it may
 * overlap `in` if it begins at least one octet before it.  Returns the octets written.
 */
size_t to_disk_block(struct to_disk *state, struct slice in, char *out);
/* After the last block: writes the CR that was held back, if any; 0 or 1 octets. */
size_t to_disk_end(struct to_disk *state, char *out);

/*
 * Write `in` with CRLF line ends to `out`, as far as `room` goes.
 *
 * after_cr  the octet before `in` was CR; updated
 * taken     set to the octets of `in` that were used up
 * Returns the octets written.  Stops early, between the two octets of a line end
 * never, where the next line end would not fit.
 */
size_t from_disk_block(bool *after_cr, struct slice in, char *out, size_t room, size_t *taken);
/* What `in` grows to with CRLF line ends. */
uint64_t from_disk_size(bool *after_cr, struct slice in);

#endif
