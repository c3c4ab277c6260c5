/*
 * transaction.c - one message for one host.
 */
#include "delivery/smtp/transaction.h"

#include <stdio.h>
#include <stdlib.h>

struct transaction_text {
	struct transaction_text *next;
	char text[];
};

bool transaction_begin(struct transaction *transaction, const struct delivery_job *job)
{
	*transaction = (struct transaction){.job = job};
	transaction->recipients =
	    calloc((size_t)job->recipient_count + 1, sizeof *transaction->recipients);
	if (transaction->recipients == NULL)
		return false;
	transaction->count = job->recipient_count;
	for (uint32_t i = 0; i < transaction->count; i++)
		transaction->recipients[i].recipient = &job->recipients[i];
	return true;
}

void transaction_free(struct transaction *transaction)
{
	while (transaction->texts != NULL) {
		struct transaction_text *text = transaction->texts;

		transaction->texts = text->next;
		free(text);
	}
	free(transaction->recipients);
	transaction->recipients = NULL;
	transaction->count = 0;
}

const char *transaction_keep_text(struct transaction *transaction, const char *text)
{
	size_t size = strlen(text) + 1;
	struct transaction_text *kept = malloc(sizeof *kept + size);

	if (kept == NULL)
		return "out of memory for the other side's words";
	memcpy(kept->text, text, size);
	kept->next = transaction->texts;
	transaction->texts = kept;
	return kept->text;
}

void transaction_settle(struct transaction_recipient *recipient, enum delivery_outcome outcome,
    const char *status, const char *text)
{
	recipient->state = RECIPIENT_SETTLED;
	recipient->outcome = outcome;
	snprintf(recipient->status, sizeof recipient->status, "%s", status);
	recipient->text = text;
}

void transaction_settle_rest(struct transaction *transaction, enum delivery_outcome outcome,
    const char *status, const char *text)
{
	const char *kept = transaction_keep_text(transaction, text);

	for (uint32_t i = 0; i < transaction->count; i++)
		if (transaction->recipients[i].state != RECIPIENT_SETTLED)
			transaction_settle(&transaction->recipients[i], outcome, status, kept);
}

uint32_t transaction_open_count(const struct transaction *transaction)
{
	uint32_t open = 0;

	for (uint32_t i = 0; i < transaction->count; i++)
		open += transaction->recipients[i].state != RECIPIENT_SETTLED;
	return open;
}
