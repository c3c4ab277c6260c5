/*
 * reply.h - what is said to the client.
 */
#ifndef PETREL_SMTPD_REPLY_H
#define PETREL_SMTPD_REPLY_H

#include "common/channel_lookup.h"
#include "common/slice.h"

struct session;

enum { REPLY_LINE_MAX = 512 }; /* octets with CRLF (RFC 5321, 4.5.3.1.5); longer text is cut */

/*
 * Add a reply.  It leaves when the session has done all that it can do now.
 *
 * status  enhanced status code (RFC 2034), or NULL where there is none: with
 *         greetings, HELO, EHLO and codes that begin with 3
 * A code of 500 and above counts as an error of the client's.
 */
void reply(struct session *s, unsigned code, const char *status, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* A line of a reply that goes on. */
void reply_more(struct session *s, unsigned code, const char *status, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* 334 with a challenge in base64, which may be longer than other replies (RFC 4954, 4). */
void reply_challenge(struct session *s, struct slice challenge);
/* What lookup decided, in its words. */
void reply_verdict(struct session *s, const struct lookup_verdict *verdict);
/* Hand what was said to the stream, unless the client is made to wait for it (delay.h). */
void reply_flush(struct session *s);
/* The same, and nobody waits. */
void reply_send(struct session *s);

#endif
