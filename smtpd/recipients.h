/*
 * recipients.h - RCPT, from the address to the reply: many at once, answered in order.
 */
#ifndef PETREL_SMTPD_RECIPIENTS_H
#define PETREL_SMTPD_RECIPIENTS_H

#include "common/channel_queue.h"
#include "smtpd/parameters.h"

struct session;

/* Ask all who are to be asked about this recipient.  The texts are copied. */
void recipient_ask(struct session *s, const struct envelope_recipient *wanted);
/* A refusal that needs no question has its place among the others all the same. */
void recipient_refuse(struct session *s, struct refusal refusal);

#endif
