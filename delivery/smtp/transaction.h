/*
 * transaction.h - one message for one host, and what becomes of each recipient.
 */
#ifndef PETREL_DELIVERY_SMTP_TRANSACTION_H
#define PETREL_DELIVERY_SMTP_TRANSACTION_H

#include "common/channel_delivery.h"

enum recipient_state {
	RECIPIENT_OPEN,     /* nothing is decided */
	RECIPIENT_ACCEPTED, /* RCPT was; the end of data decides */
	RECIPIENT_SETTLED
};

struct transaction_recipient {
	const struct delivery_recipient *recipient;
	enum recipient_state state;
	/* Once it is settled; until then what it would be (see is_put_off in dialogue.c). */
	enum delivery_outcome outcome;
	char status[DELIVERY_STATUS_MAX + 1];
	const char *text; /* belongs to the transaction */
};

struct transaction_text;

struct transaction {
	const struct delivery_job *job;
	bool needs_8bitmime; /* the content has octets above 127 and was declared so */
	bool is_begun;       /* some host has accepted a recipient */
	bool needs_smtputf8; /* the sender or the header has */
	bool has_utf8_recipients; /* some recipients have: they alone need SMTPUTF8 */
	uint32_t count;
	struct transaction_recipient *recipients;
	struct transaction_text *texts;
};

/* The job must outlive it.  False when out of memory. */
bool transaction_begin(struct transaction *transaction, const struct delivery_job *job);
void transaction_free(struct transaction *transaction);

/* A copy of `text` that lives as long as the transaction: replies are shared by recipients. */
const char *transaction_keep_text(struct transaction *transaction, const char *text);
/* `text` is one that was kept, or a constant. */
void transaction_settle(struct transaction_recipient *recipient, enum delivery_outcome outcome,
    const char *status, const char *text);
/* Settle all that are not settled yet. */
void transaction_settle_rest(struct transaction *transaction, enum delivery_outcome outcome,
    const char *status, const char *text);
/* Recipients that are not settled. */
uint32_t transaction_open_count(const struct transaction *transaction);

#endif
