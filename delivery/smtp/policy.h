/*
 * policy.h - how much protection a message asks of its connection.
 *
 * The setting delivery.tls says it for all messages; the sender of one may want
 * more (REQUIRETLS) or less (the header's "TLS-Required: No"; RFC 8689).
 */
#ifndef PETREL_DELIVERY_SMTP_POLICY_H
#define PETREL_DELIVERY_SMTP_POLICY_H

#include "common/channel_queue.h"
#include "common/conf.h"

/* What a message asks for and a connection gives; each includes those before it. */
enum protection {
	PROTECTION_NONE,
	PROTECTION_ENCRYPTED, /* by whoever it is: an eavesdropper reads nothing */
	PROTECTION_VERIFIED,  /* an authority vouches for the host's name */
	PROTECTION_PROMISED   /* and the host offers REQUIRETLS: it will ask for the same */
};

struct tls_policy {
	enum protection least; /* with less the message does not go */
	bool uses_tls;         /* where it is offered */
};

/* tls: what the sender wants, enum envelope_tls. */
struct tls_policy tls_policy_for(const struct settings *settings, uint8_t tls);

#endif
