/*
 * record.c - what follows the content in a spool file.
 */
#include "qmgr/record.h"

#include <stdlib.h>

#include "common/codec.h"
#include "common/crc32c.h"

bool record_append(struct buf *out, enum record_type type, struct slice payload)
{
	struct writer w = {out};
	size_t start = out->len;

	if (payload.len > RECORD_PAYLOAD_MAX) {
		out->overflowed = true;
		return false;
	}
	write_u32(&w, (uint32_t)payload.len);
	write_u8(&w, (uint8_t)type);
	buf_append_slice(out, payload);
	if (!out->overflowed)
		write_u32(&w, crc32c(0, out->data + start, out->len - start));
	/* Behind half a record nothing would be read any more. */
	if (out->overflowed)
		out->len = start;
	return !out->overflowed;
}

enum record_result record_next(struct cursor *in, struct record *out)
{
	struct reader r = {*in, false};
	const char *start = in->at;
	uint32_t length, crc;
	uint8_t type;

	if (cursor_done(in))
		return RECORD_END;
	length = read_u32(&r);
	type = read_u8(&r);
	if (!reader_ok(&r) || length > RECORD_PAYLOAD_MAX || length > cursor_left(&r.in))
		return RECORD_TORN;
	out->payload = cursor_take(&r.in, length);
	crc = crc32c(0, start, cursor_since(&r.in, start).len);
	if (read_u32(&r) != crc || !reader_ok(&r))
		return RECORD_TORN;
	out->type = (enum record_type)type;
	*in = r.in;
	return RECORD_WHOLE;
}

struct slice record_whole_part(struct slice records)
{
	struct cursor in = cursor_over(records);
	struct record record;

	while (record_next(&in, &record) == RECORD_WHOLE)
		continue;
	return cursor_since(&in, records.data);
}

/* --- which are equal ------------------------------------------------------------- */

static size_t count(struct slice records)
{
	struct cursor in = cursor_over(records);
	struct record record;
	size_t found = 0;

	while (record_next(&in, &record) == RECORD_WHOLE)
		found++;
	return found;
}

bool record_index_make(struct record_index *index, struct slice records, struct slice more)
{
	size_t wanted = 2 * (count(records) + count(more)) + 1;
	struct cursor in = cursor_over(records);
	struct record record;
	size_t at = 0;

	*index = (struct record_index){.key = siphash_key_random(), .size = 1};
	while (index->size < wanted)
		index->size *= 2;
	index->slots = calloc(index->size, sizeof *index->slots);
	if (index->slots == NULL)
		return false;
	for (; record_next(&in, &record) == RECORD_WHOLE; at = cursor_since(&in, records.data).len)
		record_index_add(index, records, at);
	return true;
}

void record_index_free(struct record_index *index)
{
	free(index->slots);
	*index = (struct record_index){0};
}

/* Length, type and payload of the record that begins there, which is whole. */
static struct slice record_at(struct slice records, size_t at)
{
	struct cursor in = cursor_over(slice_from(records, at));
	struct record record;

	record_next(&in, &record);
	return slice_part(records, at, RECORD_OVERHEAD + record.payload.len);
}

bool record_index_add(struct record_index *index, struct slice records, size_t at)
{
	struct slice wanted = record_at(records, at);
	size_t slot = siphash(index->key, wanted) & (index->size - 1);

	for (; index->slots[slot] != 0; slot = (slot + 1) & (index->size - 1))
		if (slice_equal(record_at(records, index->slots[slot] - 1), wanted))
			return false;
	index->slots[slot] = (uint32_t)at + 1;
	return true;
}
