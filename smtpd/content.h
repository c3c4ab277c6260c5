/*
 * content.h - a message's octets, from the client's 354 to the dot on a line of its own,
 * or chunk by chunk.
 *
 * Only CR LF . CR LF ends a message (RFC 5321, 4.1.1.4).  In chunks (RFC 3030) a
 * dot means nothing: their sizes say where the message ends.  Dots that the client
 * doubled are undone, and nothing else is changed but this: a CR or LF that
 * stands alone is stored as CR LF, so that what is stored has one kind of line
 * end, which no later hop can read in another way than we did.  What such an
 * octet never does is to be part of the end mark, or to make the dot behind it
 * a doubled one.  By setting (smtp.bare-line-ends) it is a problem instead.
 *
 * The octets go to the spool file in large writes, straight out of the client's
 * input.  A small piece that does not end the message waits in memory for more.
 *
 * On its way the header is read as far as smtpd has to know it (fields.h), and
 * fields that are not to be stored are left out: of a submission, Bcc.
 */
#ifndef PETREL_SMTPD_CONTENT_H
#define PETREL_SMTPD_CONTENT_H

#include <sys/uio.h>

#include <event2/buffer.h>

#include "common/buf.h"
#include "common/slice.h"
#include "smtpd/fields.h"

enum {
	CONTENT_SEGMENTS = 128,       /* pieces of one write */
	CONTENT_WRITE_WANTED = 32768, /* octets that are worth a write of their own */
	CONTENT_HELD_MAX = 1024,      /* octets of one write that had been held back */
	/*
	 * How many times its limit a message may be long while its end is waited for, so
	 * that its client hears why it is refused.
	 */
	CONTENT_PATIENCE = 2
};

/* Why a message cannot be taken; the first reason stays. */
enum content_problem {
	CONTENT_GOOD,
	CONTENT_TOO_LARGE,
	CONTENT_HAS_NUL,
	CONTENT_HAS_BARE,  /* a CR or LF by itself */
	CONTENT_LOOPS,     /* Received too often */
	CONTENT_NO_SPACE,  /* the spool's disk is full */
	CONTENT_NOT_STORED /* writing failed otherwise */
};

/* How a message is to be read. */
struct content_rules {
	uint64_t size_limit;     /* octets; a message that is longer as stored has CONTENT_TOO_LARGE */
	unsigned received_limit; /* a message with so many Received fields goes in circles */
	bool is_chunked;         /* a dot is a dot */
	bool refuses_bare;       /* a CR or LF by itself is a problem, and no line end */
	unsigned dropped;        /* of enum field: not stored */
	bool keeps_from;         /* the value of From is wanted */
};

struct content {
	struct content_rules rules;
	uint64_t taken;   /* octets of the client's, whatever became of them */
	uint64_t size;    /* octets stored so far, or waiting */
	uint64_t written; /* of these, in the file */
	struct fields fields;
	bool has_ended; /* the end mark was seen, or the last chunk was */
	int error;      /* errno of CONTENT_NO_SPACE and CONTENT_NOT_STORED */
	enum content_problem problem;

	int file;           /* descriptor of the spool file; the caller's */
	struct buf waiting; /* small pieces, not written yet */

	uint8_t state; /* where the reading of lines stands */
};

/* What is to be written: pieces of the input, and line ends of our own. */
struct content_segments {
	struct iovec pieces[1 + CONTENT_SEGMENTS]; /* the first is kept for what was waiting */
	size_t count;                              /* of those behind it */
	size_t octets;
	char held[CONTENT_HELD_MAX]; /* what was held back until its line was known */
	size_t held_len;
};

/* Begin a message.  It is written to `file` from offset 0; -1: nothing is written (in tests). */
void content_begin(struct content *content, int file, const struct content_rules *rules);
/* Releases memory; the file stays the caller's. */
void content_end(struct content *content);

/*
 * Read `in` up to the end mark, or until `out` is full.  Returns the octets
 * taken; has_ended tells whether the mark was among them.  The pieces point into
 * `in`.  After a problem nothing more comes out, and the search for the end goes on.
 */
size_t content_scan(struct content *content, struct slice in, struct content_segments *out);

/*
 * Take what there is of the message out of `input` and into the file.  True once
 * the end mark was reached: all is written then, or there is a problem, and the
 * rest of the input is the client's next command.
 */
bool content_take(struct content *content, struct evbuffer *input);

/* So much has come, or is said to come yet, that its end is not worth waiting for. */
bool content_is_boundless(const struct content *content, uint64_t to_come);

/* Take what there is of a chunk; *left, the octets of it that have not come yet, goes down. */
void content_take_chunk(struct content *content, struct evbuffer *input, uint64_t *left);
/*
 * The last chunk was taken.  A last line without an end gets one, as every line
 * of a message has that comes by DATA.  All is written then, or there is a problem.
 */
void content_finish_chunks(struct content *content);

#endif
