/*
 * drop.c - mail that sendmail(1) leaves in the spool's drop/ while the suite is down.
 */
#include "common/drop.h"

#include <stdio.h>

#include "common/crc32c.h"

enum { RECORD_TYPE_ENVELOPE = 1 }; /* as in qmgr/record.h */

void drop_format_name(message_id id, uint64_t size, char name[DROP_NAME_MAX])
{
	message_id_format(id, name);
	snprintf(name + MESSAGE_ID_TEXT, DROP_NAME_MAX - MESSAGE_ID_TEXT, ",S=%llu",
	    (unsigned long long)size);
}

bool drop_append_envelope(struct buf *out, const struct envelope *envelope)
{
	struct buf payload = buf_with_limit(DROP_RECORDS_MAX);
	struct writer w = {&payload}, record = {out};
	size_t start = out->len;

	envelope_write(&w, envelope);
	if (payload.overflowed)
		out->overflowed = true;
	write_u32(&record, (uint32_t)payload.len);
	write_u8(&record, RECORD_TYPE_ENVELOPE);
	buf_append_slice(out, buf_slice(&payload));
	if (!out->overflowed)
		write_u32(&record, crc32c(0, out->data + start, out->len - start));
	buf_free(&payload);
	return !out->overflowed;
}
