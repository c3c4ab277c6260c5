/*
 * channel_queue.c - encoding of envelopes.
 *
 * An envelope is read from a peer, from a spool file and from the journal, and
 * none of them is believed: every text is bounded and free of control
 * characters, so that what stands in it can go into an SMTP command, a header
 * field or a log line without becoming two of them.
 */
#include "common/channel_queue.h"

#include <stdlib.h>

enum {
	ENVELOPE_VERSION_OLDEST = 1,
	RECIPIENT_OCTETS_MIN = 9, /* two empty slices and a number */
	NOTIFY_ALL = NOTIFY_NEVER | NOTIFY_SUCCESS | NOTIFY_FAILURE | NOTIFY_DELAY
};

bool envelope_text_is_clean(struct slice text, size_t max)
{
	if (text.len > max)
		return false;
	for (size_t i = 0; i < text.len; i++)
		if (octet_is_control((unsigned char)text.data[i]))
			return false;
	return true;
}

bool envelope_prepend_is_clean(struct slice prepend)
{
	size_t at = 0;

	if (prepend.len > ENVELOPE_PREPEND_MAX)
		return false;
	while (at < prepend.len) {
		ssize_t end = slice_find(prepend, at, '\n');

		if (end < 0 || (size_t)end < at + 1 || prepend.data[end - 1] != '\r')
			return false;
		/* An empty line ends the header: it stands behind a field, and is the last. */
		if ((size_t)end == at + 1 && (at == 0 || (size_t)end + 1 != prepend.len))
			return false;
		for (size_t i = at; i < (size_t)end - 1; i++)
			if (prepend.data[i] == '\r' || prepend.data[i] == '\0')
				return false;
		at = (size_t)end + 1;
	}
	return true;
}

bool envelope_notify_is_valid(uint8_t notify)
{
	return notify == NOTIFY_NEVER ||
	       ((notify & ~NOTIFY_ALL) == 0 && (notify & NOTIFY_NEVER) == 0);
}

struct slice envelope_text_read(struct reader *r, size_t max)
{
	struct slice text = read_slice_max(r, max);

	if (!envelope_text_is_clean(text, max))
		reader_fail(r);
	return text;
}

struct slice envelope_prepend_read(struct reader *r)
{
	struct slice prepend = read_slice_max(r, ENVELOPE_PREPEND_MAX);

	if (!envelope_prepend_is_clean(prepend))
		reader_fail(r);
	return prepend;
}

void envelope_write(struct writer *w, const struct envelope *envelope)
{
	write_u8(w, ENVELOPE_VERSION);
	write_u64(w, envelope->arrived_us);
	write_slice(w, envelope->sender);
	write_slice(w, envelope->prepend);
	write_slice(w, envelope->envid);
	write_slice(w, envelope->login);
	write_slice(w, envelope->client);
	write_u8(w, envelope->body);
	write_u8(w, envelope->ret);
	write_bool(w, envelope->smtputf8);
	write_u8(w, envelope->tls);
	write_u8(w, (uint8_t)(envelope->priority - PRIORITY_LOWEST));
	write_u64(w, envelope->release_us);
	write_slice(w, envelope->hold);
	write_u32(w, envelope->recipient_count);
	for (uint32_t i = 0; i < envelope->recipient_count; i++) {
		write_slice(w, envelope->recipients[i].address);
		write_slice(w, envelope->recipients[i].original);
		write_u8(w, envelope->recipients[i].notify);
	}
}

static void recipient_read(struct reader *r, struct envelope_recipient *recipient)
{
	recipient->address = envelope_text_read(r, ENVELOPE_ADDRESS_MAX);
	recipient->original = envelope_text_read(r, ENVELOPE_TEXT_MAX);
	recipient->notify = read_u8(r);
	if (slice_is_empty(recipient->address) || !envelope_notify_is_valid(recipient->notify))
		reader_fail(r);
}

/* What version 1 had not. */
static void wishes_read(struct reader *r, struct envelope *envelope)
{
	uint8_t priority;

	envelope->tls = read_u8(r);
	priority = read_u8(r);
	envelope->release_us = read_u64(r);
	envelope->hold = envelope_text_read(r, ENVELOPE_TEXT_MAX);
	if (envelope->tls > TLS_NOT_REQUIRED || priority > PRIORITY_HIGHEST - PRIORITY_LOWEST)
		reader_fail(r);
	else
		envelope->priority = (int8_t)(priority + PRIORITY_LOWEST);
}

bool envelope_read(struct reader *r, struct envelope *envelope)
{
	uint8_t version = read_u8(r);

	*envelope = (struct envelope){0};
	if (version < ENVELOPE_VERSION_OLDEST || version > ENVELOPE_VERSION)
		reader_fail(r);
	envelope->arrived_us = read_u64(r);
	envelope->sender = envelope_text_read(r, ENVELOPE_ADDRESS_MAX);
	envelope->prepend = envelope_prepend_read(r);
	envelope->envid = envelope_text_read(r, ENVELOPE_TEXT_MAX);
	envelope->login = envelope_text_read(r, ENVELOPE_TEXT_MAX);
	envelope->client = envelope_text_read(r, ENVELOPE_TEXT_MAX);
	envelope->body = read_u8(r);
	envelope->ret = read_u8(r);
	envelope->smtputf8 = read_bool(r);
	if (version > 1)
		wishes_read(r, envelope);
	envelope->recipient_count = read_u32(r);
	if (envelope->body > BODY_BINARYMIME || envelope->ret > RETURN_FULL ||
	    envelope->recipient_count > ENVELOPE_RECIPIENTS_MAX ||
	    envelope->recipient_count > cursor_left(&r->in) / RECIPIENT_OCTETS_MIN)
		reader_fail(r);
	if (!reader_ok(r))
		return false;
	envelope->recipients =
	    calloc((size_t)envelope->recipient_count + 1, sizeof *envelope->recipients);
	if (envelope->recipients == NULL) {
		reader_fail(r);
		return false;
	}
	for (uint32_t i = 0; i < envelope->recipient_count && reader_ok(r); i++)
		recipient_read(r, &envelope->recipients[i]);
	if (reader_ok(r))
		return true;
	envelope_free(envelope);
	return false;
}

void envelope_free(struct envelope *envelope)
{
	free(envelope->recipients);
	envelope->recipients = NULL;
	envelope->recipient_count = 0;
}
