/*
 * channel_lookup.c - encoding of lookup's verdicts and expansions.
 */
#include "common/channel_lookup.h"

#include <stdlib.h>

void lookup_verdict_write(struct writer *w, const struct lookup_verdict *verdict)
{
	write_u8(w, verdict->answer);
	write_u16(w, verdict->code);
	write_string(w, verdict->status);
	write_string(w, verdict->text);
}

bool lookup_verdict_read(struct reader *r, struct lookup_verdict *verdict)
{
	verdict->answer = read_u8(r);
	verdict->code = read_u16(r);
	read_string(r, verdict->status, sizeof verdict->status);
	read_string(r, verdict->text, sizeof verdict->text);
	/* The code becomes a reply's first three digits. */
	if (verdict->answer >= LOOKUP_ANSWER_COUNT || verdict->code < 200 || verdict->code > 599)
		reader_fail(r);
	return reader_finished(r);
}

void lookup_expansion_write(struct writer *w, const struct lookup_expansion *expansion)
{
	write_u32(w, expansion->count);
	for (uint32_t i = 0; i < expansion->count; i++) {
		const struct lookup_delivery *d = &expansion->deliveries[i];

		write_u8(w, d->kind);
		write_slice(w, d->address);
		write_slice(w, d->place);
		write_bool(w, d->temporary);
		write_slice(w, d->status);
		write_slice(w, d->text);
	}
}

static void read_delivery(struct reader *r, struct lookup_delivery *d)
{
	d->kind = read_u8(r);
	d->address = read_slice_max(r, LOOKUP_DELIVERY_TEXT_MAX);
	d->place = read_slice_max(r, LOOKUP_DELIVERY_TEXT_MAX);
	d->temporary = read_bool(r);
	d->status = read_slice_max(r, LOOKUP_DELIVERY_TEXT_MAX);
	d->text = read_slice_max(r, LOOKUP_DELIVERY_TEXT_MAX);
	if (d->kind >= LOOKUP_KIND_COUNT || (d->kind != LOOKUP_ERROR && d->place.len == 0))
		reader_fail(r);
}

bool lookup_expansion_read(struct reader *r, struct lookup_expansion *expansion)
{
	uint32_t count = read_u32(r);

	*expansion = (struct lookup_expansion){0};
	/* There is always an answer, if only that nobody gets it. */
	if (count == 0 || count > LOOKUP_DELIVERIES_MAX) {
		reader_fail(r);
		return false;
	}
	expansion->deliveries = calloc(count, sizeof *expansion->deliveries);
	if (expansion->deliveries == NULL) {
		reader_fail(r);
		return false;
	}
	for (expansion->count = 0; expansion->count < count && reader_ok(r); expansion->count++)
		read_delivery(r, &expansion->deliveries[expansion->count]);
	if (!reader_finished(r)) {
		lookup_expansion_free(expansion);
		reader_fail(r);
		return false;
	}
	return true;
}

void lookup_expansion_free(struct lookup_expansion *expansion)
{
	free(expansion->deliveries);
	*expansion = (struct lookup_expansion){0};
}
