/*
 * milter_facts.h - what milters are told of a client and its message, and the
 * macros in which sendmail's milters look for it.
 */
#ifndef PETREL_POLICY_MILTER_FACTS_H
#define PETREL_POLICY_MILTER_FACTS_H

#include <netinet/in.h>

#include "common/buf.h"
#include "common/slice.h"
#include "policy/milter_protocol.h"

/* Empty slices are facts that are not known; their macros are not sent. */
struct milter_facts {
	struct slice hostname;    /* ours */
	struct slice service;     /* "mx", "submission", "local" */
	uint8_t family;           /* AF_INET, AF_INET6; anything else: a user of this host */
	struct slice address;     /* of the client, as text */
	uint16_t port;            /* of the client; 0: not known */
	struct slice client_name; /* confirmed by the DNS */
	struct slice helo;
	struct slice tls_version; /* empty: no TLS */
	struct slice cipher;
	uint32_t cipher_bits;
	struct slice certificate_subject; /* of the client */
	struct slice auth_type;           /* the mechanism */
	struct slice login;               /* who is authenticated */
	struct slice sender;              /* canonical; empty: the null sender */
	struct slice id;                  /* of the message; empty before its content comes */
};

/*
 * Put the macros of a stage, as far as they are known.
 *
 * asked      names that the milter asked for, separated by blanks; data NULL: the usual ones
 * recipient  at MILTER_AT_RCPT
 * Nothing is put where none is known.
 */
bool milter_put_macros(struct evbuffer *out, enum milter_stage stage, char command,
    struct slice asked, const struct milter_facts *facts, struct slice recipient);

#endif
