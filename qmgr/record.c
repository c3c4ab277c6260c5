/*
 * record.c - what follows the content in a spool file.
 */
#include "qmgr/record.h"

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

bool record_is_among(struct slice records, const struct record *wanted)
{
	struct cursor in = cursor_over(records);
	struct record record;

	while (record_next(&in, &record) == RECORD_WHOLE)
		if (record.type == wanted->type && slice_equal(record.payload, wanted->payload))
			return true;
	return false;
}
