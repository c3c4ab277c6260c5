/*
 * command.h - the commands of an exchange that carry addresses.
 */
#ifndef PETREL_DELIVERY_SMTP_COMMAND_H
#define PETREL_DELIVERY_SMTP_COMMAND_H

#include "delivery/smtp/transaction.h"

struct evbuffer;

/* Octets of the message as SIZE counts them (RFC 1870, 5), dots not doubled. */
uint64_t command_size(const struct transaction *transaction);
/* MAIL with the parameters that `offers` (of dialogue.h) allows. */
void command_write_mail(
    struct evbuffer *out, const struct transaction *transaction, unsigned offers);
void command_write_rcpt(
    struct evbuffer *out, const struct delivery_recipient *recipient, unsigned offers);

#endif
