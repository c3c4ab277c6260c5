/*
 * transaction.c - one message on its way in: from MAIL to the reply to its end.
 */
#include "smtpd/transaction.h"

#include <stdlib.h>

#include "smtpd/filter.h"

struct transaction *transaction_new(struct session *session, const struct house *house)
{
	struct transaction *transaction = calloc(1, sizeof *transaction);

	if (transaction == NULL)
		return NULL;
	transaction->session = session;
	transaction->house = house;
	transaction->texts = buf_with_limit(TRANSACTION_TEXTS_MAX);
	transaction->fields = buf_with_limit(TRANSACTION_FIELDS_MAX);
	transaction->file = no_spool_file;
	return transaction;
}

void transaction_free(struct transaction *transaction)
{
	if (transaction == NULL)
		return;
	if (transaction->question.is_open)
		transaction->house->withdraw(&transaction->question);
	if (transaction->file.descriptor >= 0)
		transaction->house->abort(&transaction->file, transaction->content.written == 0);
	filter_free(transaction->filter, transaction->house);
	if (transaction->has_content)
		content_end(&transaction->content);
	buf_free(&transaction->texts);
	buf_free(&transaction->fields);
	free(transaction->recipients);
	free(transaction);
}

static bool add_text(
    struct transaction *transaction, struct slice text, struct transaction_text *out)
{
	*out = (struct transaction_text){(uint32_t)transaction->texts.len, (uint32_t)text.len};
	return buf_append_slice(&transaction->texts, text);
}

bool transaction_set_sender(struct transaction *transaction, struct slice address)
{
	return add_text(transaction, address, &transaction->sender);
}

bool transaction_set_envid(struct transaction *transaction, struct slice envid)
{
	return add_text(transaction, envid, &transaction->envid);
}

bool transaction_hold(struct transaction *transaction, struct slice reason)
{
	if (transaction->hold.len > 0)
		return true;
	reason = slice_part(reason, 0, ENVELOPE_TEXT_MAX);
	if (!add_text(transaction, reason.len > 0 ? reason : SLICE("held"), &transaction->hold))
		return false;
	for (uint32_t i = 0; i < transaction->hold.len; i++) {
		char *c = &transaction->texts.data[transaction->hold.at + i];

		if (octet_is_control((unsigned char)*c))
			*c = ' ';
	}
	return true;
}

bool transaction_add_recipient(
    struct transaction *transaction, const struct envelope_recipient *accepted)
{
	struct transaction_recipient *added;
	size_t encoded = transaction->texts.len + accepted->address.len + accepted->original.len +
			 (size_t)transaction->recipient_count * TRANSACTION_RECIPIENT_OVERHEAD;

	if (transaction->recipient_count >= ENVELOPE_RECIPIENTS_MAX || encoded > TRANSACTION_TEXTS_MAX)
		return false;
	if (transaction->recipient_count == transaction->recipient_room) {
		uint32_t room =
		    transaction->recipient_room == 0 ? 1 : transaction->recipient_room * 2;
		struct transaction_recipient *grown =
		    reallocarray(transaction->recipients, room, sizeof *grown);

		if (grown == NULL)
			return false;
		transaction->recipients = grown;
		transaction->recipient_room = room;
	}
	added = &transaction->recipients[transaction->recipient_count];
	added->notify = accepted->notify;
	if (!add_text(transaction, accepted->address, &added->address) ||
	    !add_text(transaction, accepted->original, &added->original))
		return false;
	transaction->recipient_count++;
	return true;
}

static bool is_recipient(
    const struct transaction *transaction, uint32_t which, struct slice address)
{
	return slice_equal(
	    transaction_text(transaction, transaction->recipients[which].address), address);
}

bool transaction_has_recipient(const struct transaction *transaction, struct slice address)
{
	for (uint32_t i = 0; i < transaction->recipient_count; i++)
		if (is_recipient(transaction, i, address))
			return true;
	return false;
}

void transaction_remove_recipient(struct transaction *transaction, struct slice address)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < transaction->recipient_count; i++)
		if (!is_recipient(transaction, i, address))
			transaction->recipients[kept++] = transaction->recipients[i];
	transaction->recipient_count = kept;
}

struct slice transaction_text(const struct transaction *transaction, struct transaction_text text)
{
	return slice_part(buf_slice(&transaction->texts), text.at, text.len);
}

struct slice transaction_sender(const struct transaction *transaction)
{
	return transaction_text(transaction, transaction->sender);
}

bool transaction_commit(struct transaction *transaction, struct envelope *envelope)
{
	struct envelope_recipient one;
	struct envelope_recipient *recipients = &one;
	struct spool_file file = transaction->file;
	bool asked;

	/* Something that was to be kept was not. */
	if (transaction->texts.overflowed)
		return false;
	if (transaction->recipient_count > 1) {
		recipients = calloc(transaction->recipient_count, sizeof *recipients);
		if (recipients == NULL)
			return false;
	}
	for (uint32_t i = 0; i < transaction->recipient_count; i++) {
		const struct transaction_recipient *accepted = &transaction->recipients[i];

		recipients[i] = (struct envelope_recipient){
		    .address = transaction_text(transaction, accepted->address),
		    .original = transaction_text(transaction, accepted->original),
		    .notify = accepted->notify,
		};
	}
	envelope->sender = transaction_sender(transaction);
	envelope->envid = transaction_text(transaction, transaction->envid);
	envelope->body = transaction->body;
	envelope->ret = transaction->ret;
	envelope->tls = transaction->tls;
	envelope->priority = transaction->priority;
	envelope->release_us = transaction->release_us;
	envelope->hold = transaction_text(transaction, transaction->hold);
	envelope->smtputf8 = transaction->smtputf8;
	envelope->recipients = recipients;
	envelope->recipient_count = transaction->recipient_count;

	transaction->id = file.id;
	transaction->file = no_spool_file;
	asked = transaction->house->commit(
	    &transaction->question, &file, transaction->content.size, envelope);
	if (recipients != &one)
		free(recipients);
	return asked;
}
