/*
 * auth.h - AUTH (RFC 4954), with the mechanisms of message/sasl.h.
 *
 * smtpd takes a client's lines apart and has auth decide.  Every AUTH command gets
 * a fresh exchange; nothing of a failed one is left over.
 */
#ifndef PETREL_SMTPD_AUTH_H
#define PETREL_SMTPD_AUTH_H

#include "common/slice.h"

struct session;

/* The line of EHLO's reply that names the mechanisms. */
void auth_offer(struct session *s);
/* The AUTH command: "mechanism [initial-response]". */
void auth_begin(struct session *s, struct slice arguments);
/* A line of the client's in the exchange. */
void auth_response(struct session *s, struct slice line);
/* That line was longer than SESSION_AUTH_LINE_MAX. */
void auth_too_long(struct session *s);
/* There is no exchange, or it is over. */
void auth_forget(struct session *s);

#endif
