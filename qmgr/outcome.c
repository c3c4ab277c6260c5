/*
 * outcome.c - the records that deliveries leave behind.
 */
#include "qmgr/outcome.h"

#include "qmgr/record.h"

enum { PAYLOAD_MAX = OUTCOME_ADDRESS_MAX + OUTCOME_TEXT_MAX + OUTCOME_HOST_MAX + 128 };

static bool append(struct buf *records, enum record_type type, struct buf *payload)
{
	bool fitted = !payload->overflowed && record_append(records, type, buf_slice(payload));

	buf_free(payload);
	return fitted;
}

bool outcome_append(struct buf *records, const struct outcome *outcome)
{
	struct buf payload = buf_with_limit(PAYLOAD_MAX);
	struct writer w = {&payload};

	write_slice(&w, outcome->address);
	write_u8(&w, (uint8_t)outcome->status);
	write_bool(&w, outcome->in_mailbox);
	write_u32(&w, outcome->attempts);
	write_u64(&w, outcome->at_us);
	write_u16(&w, outcome->code);
	write_slice(&w, slice_part(outcome->enhanced, 0, OUTCOME_ENHANCED_MAX - 1));
	write_slice(&w, slice_part(outcome->host, 0, OUTCOME_HOST_MAX));
	write_slice(&w, slice_part(outcome->text, 0, OUTCOME_TEXT_MAX));
	return append(records, RECORD_OUTCOME, &payload);
}

bool outcome_decode(struct slice payload, struct outcome *outcome)
{
	struct reader r = reader_over(payload);

	*outcome = (struct outcome){0};
	outcome->address = read_slice_max(&r, OUTCOME_ADDRESS_MAX);
	outcome->status = (enum outcome_status)read_u8(&r);
	outcome->in_mailbox = read_bool(&r);
	outcome->attempts = read_u32(&r);
	outcome->at_us = read_u64(&r);
	outcome->code = read_u16(&r);
	outcome->enhanced = read_slice_max(&r, OUTCOME_ENHANCED_MAX - 1);
	outcome->host = read_slice_max(&r, OUTCOME_HOST_MAX);
	outcome->text = read_slice_max(&r, OUTCOME_TEXT_MAX);
	if (outcome->status < OUTCOME_DELIVERED || outcome->status > OUTCOME_UNSETTLED)
		reader_fail(&r);
	return reader_finished(&r);
}

bool expansion_append(struct buf *records, const struct expansion *expansion)
{
	struct buf payload = buf_with_limit(PAYLOAD_MAX);
	struct writer w = {&payload};

	write_u32(&w, expansion->recipient);
	write_slice(&w, expansion->address);
	return append(records, RECORD_EXPANSION, &payload);
}

bool expansion_decode(struct slice payload, struct expansion *expansion)
{
	struct reader r = reader_over(payload);

	expansion->recipient = read_u32(&r);
	expansion->address = read_slice_max(&r, OUTCOME_ADDRESS_MAX);
	return reader_finished(&r);
}
