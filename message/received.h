/*
 * received.h - the trace field that a hop puts before a message (RFC 5321, 4.4).
 */
#ifndef PETREL_MESSAGE_RECEIVED_H
#define PETREL_MESSAGE_RECEIVED_H

#include "common/buf.h"
#include "common/slice.h"
#include "message/date.h"

enum {
	RECEIVED_MAX = 4096,     /* octets of a finished field; no input makes a longer one */
	RECEIVED_WORD_MAX = 256, /* octets taken of any one of the texts below */
};

/* What names the protocol (RFC 3848, RFC 6531); may be combined. */
enum received_protocol {
	RECEIVED_SMTP = 0,
	RECEIVED_EXTENDED = 1, /* EHLO */
	RECEIVED_TLS = 2,
	RECEIVED_AUTH = 4,
	RECEIVED_UTF8 = 8, /* SMTPUTF8 was asked for in MAIL */
	RECEIVED_LMTP = 16,
};

/* Every text may come from outside: what has no place in a field is replaced by '?'. */
struct received {
	struct slice helo;           /* HELO's argument; empty: no "from" (local submission) */
	struct slice client_name;    /* verified reverse name; empty: "unknown" */
	struct slice client_address; /* "192.0.2.1", "2001:db8::1"; empty: not shown */
	struct slice comment; /* instead of "from", where helo is empty: "userid 1000"; or empty */
	struct slice by;      /* our host name */
	unsigned protocol;    /* of enum received_protocol */
	struct slice id;      /* our identifier of the message */
	struct slice tls;     /* "TLSv1.3 TLS_AES_256_GCM_SHA384"; empty: not shown */
	struct slice recipient; /* canonical address, only where it is the only one; or empty */
	int priority; /* of the message in its transfer (RFC 6710); 0, the normal one: not shown */
	struct date date;
};

/* "ESMTPSA" and its kin. */
const char *received_protocol_name(unsigned protocol);

/* Append the field with its CRLF, folded; false where `out` is full. */
bool received_write(const struct received *received, struct buf *out);

#endif
