/*
 * channel_filter.c - encoding of a message on its way through the milters.
 */
#include "common/channel_filter.h"

#include <stdlib.h>

enum { SLICE_OCTETS = 4, CHANGE_OCTETS = 5 }; /* of the shortest */

void filter_question_write(struct writer *w, const struct filter_question *q)
{
	write_slice(w, q->prepend);
	write_bool(w, q->has_header);
	write_u32(w, q->recipient_count);
	for (uint32_t i = 0; i < q->recipient_count; i++)
		write_slice(w, q->recipients[i]);
	/* Last, because its reader asks for the end. */
	policy_question_write(w, &q->about);
}

bool filter_question_read(struct reader *r, struct filter_question *q)
{
	*q = (struct filter_question){.prepend = envelope_prepend_read(r)};
	q->has_header = read_bool(r);
	q->recipient_count = read_u32(r);
	if (!reader_ok(r) || q->recipient_count > FILTER_RECIPIENTS_MAX ||
	    q->recipient_count > cursor_left(&r->in) / SLICE_OCTETS)
		return false;
	q->recipients = calloc((size_t)q->recipient_count + 1, sizeof *q->recipients);
	if (q->recipients == NULL)
		return false;
	for (uint32_t i = 0; i < q->recipient_count; i++)
		q->recipients[i] = envelope_text_read(r, ENVELOPE_ADDRESS_MAX);
	if (policy_question_read(r, &q->about))
		return true;
	filter_question_free(q);
	return false;
}

void filter_question_free(struct filter_question *q)
{
	free(q->recipients);
	q->recipients = NULL;
}

void filter_answer_write(struct writer *w, const struct filter_answer *a)
{
	verdict_write(w, &a->verdict);
	write_bool(w, a->has_content);
	write_u64(w, a->size);
	write_slice(w, a->prepend);
	write_bool(w, a->has_sender);
	write_slice(w, a->sender);
	write_u32(w, a->change_count);
	for (uint32_t i = 0; i < a->change_count; i++) {
		write_bool(w, a->changes[i].is_added);
		write_slice(w, a->changes[i].address);
	}
}

bool filter_answer_read(struct reader *r, struct filter_answer *a)
{
	*a = (struct filter_answer){0};
	verdict_read(r, &a->verdict);
	a->has_content = read_bool(r);
	a->size = read_u64(r);
	a->prepend = envelope_prepend_read(r);
	a->has_sender = read_bool(r);
	a->sender = envelope_text_read(r, ENVELOPE_ADDRESS_MAX);
	a->change_count = read_u32(r);
	if (!reader_ok(r) || a->change_count > FILTER_RECIPIENTS_MAX ||
	    a->change_count > cursor_left(&r->in) / CHANGE_OCTETS)
		return false;
	a->changes = calloc((size_t)a->change_count + 1, sizeof *a->changes);
	if (a->changes == NULL)
		return false;
	for (uint32_t i = 0; i < a->change_count; i++) {
		a->changes[i].is_added = read_bool(r);
		a->changes[i].address = envelope_text_read(r, ENVELOPE_ADDRESS_MAX);
	}
	if (reader_finished(r))
		return true;
	filter_answer_free(a);
	return false;
}

void filter_answer_free(struct filter_answer *a)
{
	free(a->changes);
	a->changes = NULL;
}

/* --- who is asked about what -------------------------------------------------------- */

bool filter_takes(const struct conf_milter *milter, enum service service, bool is_local)
{
	const char *name = is_local ? "local" : service == SERVICE_MX ? "mx" : "submission";

	for (size_t i = 0; i < milter->services.count; i++)
		if (strcmp(milter->services.words[i], name) == 0)
			return true;
	return false;
}

bool filter_is_wanted(const struct settings *s, enum service service, bool is_local)
{
	bool is_wanted = false;

	for (size_t i = 0; i < s->milters.count && !is_wanted; i++) {
		struct conf_milter milter;

		if (!conf_group_read(&conf_milter_group, s->milters.words[i], &milter))
			continue;
		is_wanted = filter_takes(&milter, service, is_local);
		conf_group_free(&conf_milter_group, &milter);
	}
	return is_wanted;
}
