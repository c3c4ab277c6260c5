/*
 * broken_tls.h - the hosts with which TLS did not come about, for a while.
 *
 * Where TLS is only opportunistic, a message whose handshake has failed goes in the
 * clear over another connection.  The next message for that host need not find out
 * again.  Messages that ask for TLS are not concerned.
 */
#ifndef PETREL_DELIVERY_SMTP_BROKEN_TLS_H
#define PETREL_DELIVERY_SMTP_BROKEN_TLS_H

#include "delivery/smtp/site.h"

enum {
	BROKEN_TLS_SECONDS = 600,
	BROKEN_TLS_MAX = 256 /* hosts; the one that was noted longest ago is forgotten first */
};

void broken_tls_note(const struct target *target, uint64_t now_us);
bool broken_tls_is_noted(const struct target *target, uint64_t now_us);

#endif
