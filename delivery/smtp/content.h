/*
 * content.h - a message on its way to the wire.
 *
 * The content is read from the spool file's descriptor a block at a time, as far
 * as the connection takes it: a large message costs no more memory than a small
 * one.  What leaves is clean whatever is in the file: lines end with CRLF and
 * nothing else, a lone LF becomes a line end and a lone CR a blank (RFC 5321,
 * 2.3.8), and a dot at the beginning of a line is doubled (4.5.2).  So the only
 * CRLF.CRLF that the other side ever sees is the one that content_send adds.
 */
#ifndef PETREL_DELIVERY_SMTP_CONTENT_H
#define PETREL_DELIVERY_SMTP_CONTENT_H

#include "common/slice.h"

struct evbuffer;

enum { CONTENT_BLOCK = 65536 }; /* octets read at a time */

struct content {
	int descriptor;       /* its file offset is neither used nor moved */
	uint64_t offset;      /* of what is still to be read */
	uint64_t left;        /* octets still to be read */
	struct slice prepend; /* goes first; empty once it is sent */
	bool at_line_start;
	bool after_cr; /* the last octet was a CR, and what it means depends on the next */
	int error;     /* errno of CONTENT_FAILED */
};

enum content_progress {
	CONTENT_MORE,  /* call again when there is room */
	CONTENT_SENT,  /* all of it and the end of data are in the output */
	CONTENT_FAILED /* cannot be read: the end of data must never be sent */
};

/* Ready to send `prepend` and then `size` octets of the descriptor from `offset` on. */
void content_begin(
    struct content *content, int descriptor, uint64_t offset, uint64_t size, struct slice prepend);
/* Put the next block into the output. */
enum content_progress content_send(struct content *content, struct evbuffer *out);

/* The two steps of content_send, for octets that are there already. */
void content_encode(struct content *content, struct slice in, struct evbuffer *out);
void content_encode_end(struct content *content, struct evbuffer *out);

/* What a message holds that not every host takes. */
struct content_facts {
	bool header_is_8bit; /* octets above 127 before the first empty line: SMTPUTF8 (RFC 6531) */
	bool body_is_8bit;   /* or behind it: 8BITMIME (RFC 6152) */
};

/* Read all of it through to find out.  False with errno where it cannot be read. */
bool content_examine(int descriptor, uint64_t offset, uint64_t size, struct slice prepend,
    struct content_facts *facts);

#endif
