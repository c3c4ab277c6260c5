/*
 * channel_delivery.c - encoding of delivery jobs and their results.
 *
 * A job's texts come from an envelope and are held against the same rules again
 * here: what an agent writes to another host or into a mailbox never rests on
 * the word of somebody who checked it elsewhere.  A result's texts come from
 * another host by way of the agent; they are bounded and without control
 * characters before they reach the queue, its records and a bounce.
 */
#include "common/channel_delivery.h"

#include <stdlib.h>

enum {
	JOB_RECIPIENT_OCTETS_MIN = 21,   /* two numbers and four empty slices */
	RESULT_RECIPIENT_OCTETS_MIN = 13 /* two numbers and two empty slices */
};

void delivery_job_write(struct writer *w, const struct delivery_job *job)
{
	write_u64(w, job->job);
	write_u64(w, job->id);
	write_u64(w, job->offset);
	write_u64(w, job->size);
	write_u64(w, job->arrived_us);
	write_slice(w, job->site);
	write_slice(w, job->sender);
	write_slice(w, job->prepend);
	write_slice(w, job->envid);
	write_u8(w, job->body);
	write_u8(w, job->ret);
	write_bool(w, job->smtputf8);
	write_u8(w, job->tls);
	write_u8(w, (uint8_t)(job->priority - PRIORITY_LOWEST));
	write_bool(w, job->redeliver);
	write_u32(w, job->attempt);
	write_u32(w, job->recipient_count);
	for (uint32_t i = 0; i < job->recipient_count; i++) {
		const struct delivery_recipient *recipient = &job->recipients[i];

		write_u32(w, recipient->index);
		write_slice(w, recipient->address);
		write_slice(w, recipient->original);
		write_slice(w, recipient->mailbox);
		write_slice(w, recipient->envelope_address);
		write_u8(w, recipient->notify);
	}
}

static void job_recipient_read(struct reader *r, struct delivery_recipient *recipient)
{
	recipient->index = read_u32(r);
	recipient->address = envelope_text_read(r, ENVELOPE_ADDRESS_MAX);
	recipient->original = envelope_text_read(r, ENVELOPE_TEXT_MAX);
	recipient->mailbox = envelope_text_read(r, DELIVERY_MAILBOX_MAX);
	recipient->envelope_address = envelope_text_read(r, ENVELOPE_ADDRESS_MAX);
	recipient->notify = read_u8(r);
	if (slice_is_empty(recipient->address) || !envelope_notify_is_valid(recipient->notify))
		reader_fail(r);
}

/* Everything before the recipients; false where it makes no sense. */
static bool job_head_read(struct reader *r, struct delivery_job *job)
{
	uint8_t priority;

	job->job = read_u64(r);
	job->id = read_u64(r);
	job->offset = read_u64(r);
	job->size = read_u64(r);
	job->arrived_us = read_u64(r);
	job->site = envelope_text_read(r, DELIVERY_SITE_MAX);
	job->sender = envelope_text_read(r, ENVELOPE_ADDRESS_MAX);
	job->prepend = envelope_prepend_read(r);
	job->envid = envelope_text_read(r, ENVELOPE_TEXT_MAX);
	job->body = read_u8(r);
	job->ret = read_u8(r);
	job->smtputf8 = read_bool(r);
	job->tls = read_u8(r);
	priority = read_u8(r);
	job->priority = (int8_t)(priority + PRIORITY_LOWEST);
	job->redeliver = read_bool(r);
	job->attempt = read_u32(r);
	job->recipient_count = read_u32(r);
	return reader_ok(r) && job->offset <= INT64_MAX && job->size <= INT64_MAX - job->offset &&
	       job->body <= BODY_BINARYMIME && job->ret <= RETURN_FULL &&
	       job->tls <= TLS_NOT_REQUIRED && priority <= PRIORITY_HIGHEST - PRIORITY_LOWEST &&
	       job->recipient_count > 0 && job->recipient_count <= DELIVERY_RECIPIENTS_MAX &&
	       job->recipient_count <= cursor_left(&r->in) / JOB_RECIPIENT_OCTETS_MIN;
}

bool delivery_job_read(struct reader *r, struct delivery_job *job)
{
	*job = (struct delivery_job){0};
	if (!job_head_read(r, job)) {
		reader_fail(r);
		return false;
	}
	job->recipients = calloc(job->recipient_count, sizeof *job->recipients);
	if (job->recipients == NULL) {
		reader_fail(r);
		return false;
	}
	for (uint32_t i = 0; i < job->recipient_count && reader_ok(r); i++)
		job_recipient_read(r, &job->recipients[i]);
	if (reader_finished(r))
		return true;
	delivery_job_free(job);
	return false;
}

void delivery_job_free(struct delivery_job *job)
{
	free(job->recipients);
	job->recipients = NULL;
	job->recipient_count = 0;
}

bool delivery_status_is_valid(struct slice status)
{
	struct cursor c = cursor_over(status);

	for (int part = 0; part < 3; part++) {
		size_t digits = 0;

		if (part > 0 && !cursor_accept(&c, '.'))
			return false;
		for (; octet_is_digit(cursor_peek(&c)); digits++)
			cursor_next(&c);
		if (digits == 0 || digits > (part == 0 ? 1 : 3))
			return false;
	}
	return cursor_done(&c) &&
	       (status.data[0] == '2' || status.data[0] == '4' || status.data[0] == '5');
}

void delivery_result_write(struct writer *w, const struct delivery_result *result)
{
	write_u64(w, result->job);
	write_bool(w, result->reuse);
	write_bool(w, result->site_failed);
	write_bool(w, result->passes_dsn);
	write_slice(w, result->remote);
	write_slice(w, result->tls);
	write_u32(w, result->count);
	for (uint32_t i = 0; i < result->count; i++) {
		const struct delivery_recipient_result *recipient = &result->recipients[i];

		write_u32(w, recipient->index);
		write_u8(w, recipient->outcome);
		write_slice(w, recipient->status);
		write_slice(w, recipient->text);
	}
}

static void result_recipient_read(struct reader *r, struct delivery_recipient_result *recipient)
{
	static const char class[DELIVERY_OUTCOME_COUNT] = {
	    [DELIVERY_DELIVERED] = '2', [DELIVERY_DEFERRED] = '4', [DELIVERY_FAILED] = '5'};

	recipient->index = read_u32(r);
	recipient->outcome = read_u8(r);
	recipient->status = read_slice_max(r, DELIVERY_STATUS_MAX);
	recipient->text = envelope_text_read(r, DELIVERY_TEXT_MAX);
	if (recipient->outcome >= DELIVERY_OUTCOME_COUNT ||
	    !delivery_status_is_valid(recipient->status) ||
	    recipient->status.data[0] != class[recipient->outcome])
		reader_fail(r);
}

bool delivery_result_read(struct reader *r, struct delivery_result *result)
{
	*result = (struct delivery_result){0};
	result->job = read_u64(r);
	result->reuse = read_bool(r);
	result->site_failed = read_bool(r);
	result->passes_dsn = read_bool(r);
	result->remote = envelope_text_read(r, DELIVERY_REMOTE_MAX);
	result->tls = envelope_text_read(r, DELIVERY_REMOTE_MAX);
	result->count = read_u32(r);
	if (!reader_ok(r) || result->count > DELIVERY_RECIPIENTS_MAX ||
	    result->count > cursor_left(&r->in) / RESULT_RECIPIENT_OCTETS_MIN) {
		reader_fail(r);
		return false;
	}
	result->recipients = calloc((size_t)result->count + 1, sizeof *result->recipients);
	if (result->recipients == NULL) {
		reader_fail(r);
		return false;
	}
	for (uint32_t i = 0; i < result->count && reader_ok(r); i++)
		result_recipient_read(r, &result->recipients[i]);
	if (reader_finished(r))
		return true;
	delivery_result_free(result);
	return false;
}

void delivery_result_free(struct delivery_result *result)
{
	free(result->recipients);
	result->recipients = NULL;
	result->count = 0;
}
