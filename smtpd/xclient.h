/*
 * xclient.h - XCLIENT: for which client a filter or proxy speaks.
 */
#ifndef PETREL_SMTPD_XCLIENT_H
#define PETREL_SMTPD_XCLIENT_H

#include <stdbool.h>

#include "common/slice.h"

struct session;

/* The client may say so (smtp.xclient-networks): by the address that it came from, not by what it has said since. */
bool xclient_is_offered(const struct session *s);
/* What EHLO says of it. */
#define XCLIENT_OFFER "XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT"

/* The command: on success the session begins anew, with 220. */
void xclient_take(struct session *s, struct slice arguments);

#endif
