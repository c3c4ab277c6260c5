/*
 * auth.h - AUTH (RFC 4954): PLAIN (RFC 4616) and LOGIN.
 *
 * smtpd takes a name and a password apart and has auth decide.  Every AUTH
 * command gets a fresh exchange; nothing of a failed one is left over.
 */
#ifndef PETREL_SMTPD_AUTH_H
#define PETREL_SMTPD_AUTH_H

#include "common/slice.h"

struct session;
struct sasl;

/* The AUTH command: "mechanism [initial-response]". */
void sasl_begin(struct session *s, struct slice arguments);
/* A line of the client's in the exchange. */
void sasl_response(struct session *s, struct slice line);
/* That line was longer than SESSION_AUTH_LINE_MAX. */
void sasl_too_long(struct session *s);
/* NULL is fine. */
void sasl_free(struct sasl *sasl);

#endif
