/*
 * record.h - what follows the content in a spool file.
 *
 * A spool file is the message as it was received, then records: a 32-bit
 * length, a type, the payload and a CRC-32C over all three.  Records are only
 * ever appended.  A crash can tear the last one; everything before it stays
 * good, so reading stops at the first record that is not whole.
 */
#ifndef PETREL_QMGR_RECORD_H
#define PETREL_QMGR_RECORD_H

#include "common/buf.h"
#include "common/siphash.h"
#include "common/slice.h"

enum record_type {
	RECORD_ENVELOPE = 1,  /* struct envelope, as on the queue channel; once, the first */
	RECORD_EXPANSION = 2, /* struct expansion: what a recipient became */
	RECORD_OUTCOME = 3,   /* struct outcome: what a delivery led to */
};

enum {
	RECORD_OVERHEAD = 4 + 1 + 4,
	RECORD_PAYLOAD_MAX = 16 * 1024 * 1024,
};

struct record {
	enum record_type type;
	struct slice payload; /* points into what is read */
};

enum record_result {
	RECORD_WHOLE, /* one record was taken */
	RECORD_END,   /* nothing is left */
	RECORD_TORN,  /* what is left is not a whole record; nothing was taken */
};

/* Append one record; false where the buf's limit does not allow it. */
bool record_append(struct buf *out, enum record_type type, struct slice payload);

/* Take the next record. */
enum record_result record_next(struct cursor *in, struct record *out);

/* The part of `records` that consists of whole records. */
struct slice record_whole_part(struct slice records);

/* Finds records that are equal to others, however many there are. */
struct record_index {
	struct siphash_key key;
	uint32_t *slots; /* offset + 1 of a record; 0: free */
	size_t size;     /* a power of two */
};

/* An index of `records` with room for as many again as are in `more`; false when out of memory. */
bool record_index_make(struct record_index *index, struct slice records, struct slice more);
void record_index_free(struct record_index *index);
/* Add the record that begins at `at`; false where one with the same type and payload is there. */
bool record_index_add(struct record_index *index, struct slice records, size_t at);

#endif
