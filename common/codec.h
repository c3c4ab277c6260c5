/*
 * codec.h - writing and reading the fields of a record.
 *
 * One encoding serves messages between processes, records in spool files and
 * the journal: little-endian integers of fixed width, and octet strings behind
 * a 32-bit length.  There are no separators, so no octet in a name can become
 * the start of something else.
 *
 * Both sides keep a mark of failure instead of asking to be checked at each
 * step: a reader that was asked for more than there is gives zeros and empty
 * slices from then on.  Read everything, then ask reader_finished() once.
 */
#ifndef PETREL_COMMON_CODEC_H
#define PETREL_COMMON_CODEC_H

#include "common/buf.h"
#include "common/slice.h"

struct writer {
	struct buf *out; /* overflow is the failure mark */
};

void write_u8(struct writer *w, uint8_t value);
void write_u16(struct writer *w, uint16_t value);
void write_u32(struct writer *w, uint32_t value);
void write_u64(struct writer *w, uint64_t value);
void write_bool(struct writer *w, bool value);
/* A 32-bit length, then the octets. */
void write_slice(struct writer *w, struct slice value);
void write_string(struct writer *w, const char *value);

struct reader {
	struct cursor in;
	bool failed;
};

static inline struct reader reader_over(struct slice s)
{
	return (struct reader){cursor_over(s), false};
}

uint8_t read_u8(struct reader *r);
uint16_t read_u16(struct reader *r);
uint32_t read_u32(struct reader *r);
uint64_t read_u64(struct reader *r);
/* Fails on anything but 0 and 1. */
bool read_bool(struct reader *r);
/* Points into what is being read. */
struct slice read_slice(struct reader *r);
/* Like read_slice; fails where it is longer than `max` octets. */
struct slice read_slice_max(struct reader *r, size_t max);
/* Into a NUL-terminated string; fails where it does not fit or holds a NUL. */
bool read_string(struct reader *r, char *buffer, size_t size);

/* Nothing failed so far. */
static inline bool reader_ok(const struct reader *r)
{
	return !r->failed;
}

/* Nothing failed, and nothing is left over. */
static inline bool reader_finished(const struct reader *r)
{
	return !r->failed && cursor_done(&r->in);
}

/* Mark as failed: a value that was read makes no sense. */
static inline void reader_fail(struct reader *r)
{
	r->failed = true;
}

#endif
