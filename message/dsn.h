/*
 * dsn.h - delivery status notifications: the report that tells a sender what became of a message.
 *
 * A multipart/report (RFC 6522) of three parts: a text for a person, the
 * machine's account (RFC 3464), and the header (or all) of the message it is about.
 * Where an address is not ASCII the forms of RFC 6533 are used.
 */
#ifndef PETREL_MESSAGE_DSN_H
#define PETREL_MESSAGE_DSN_H

#include "common/buf.h"
#include "common/slice.h"
#include "message/date.h"

enum {
	DSN_RECIPIENTS_MAX = 1000, /* in one report; the rest is told as a number */
	DSN_TEXT_MAX = 1024,       /* octets taken of a diagnostic */
	DSN_HEADER_MAX = 65536,    /* octets returned of the original header */
};

enum dsn_action {
	DSN_FAILED,    /* given up: the recipient will not get it */
	DSN_DELAYED,   /* not yet delivered; we go on trying */
	DSN_DELIVERED, /* in the mailbox (asked for with NOTIFY=SUCCESS) */
	DSN_RELAYED,   /* handed to a host that promises no reports */
	DSN_EXPANDED,  /* gone to the members of a list */
};

struct dsn_recipient {
	struct slice address; /* final recipient, canonical */
	struct slice
	    original_recipient; /* ORCPT after xtext decoding, "rfc822;bob@example.org"; or empty */
	enum dsn_action action;
	struct slice status; /* "5.1.1"; what is no status code is shown as "5.0.0" (or 4, 2) */
	struct slice
	    diagnostic; /* the other side's reply, "550 5.1.1 no such user", or ours; or empty */
	bool is_smtp_reply;      /* diagnostic is what an SMTP server said */
	struct slice remote_mta; /* who said it; empty: nobody but us */
	int64_t last_attempt;    /* seconds since 1970 UTC; 0: not told */
	int64_t retry_until;     /* for DSN_DELAYED; 0: not told */
};

struct dsn {
	/* The report itself. */
	struct slice reporting_mta; /* our host name; also the domain of MAILER-DAEMON */
	struct slice to;            /* the sender of the message, canonical */
	struct slice id; /* an identifier of this report, used once: for Message-ID and boundary */
	struct date date;
	/* The message that it is about. */
	struct slice envelope_id; /* ENVID after xtext decoding; or empty */
	struct slice queue_id;    /* our identifier of that message, for the person who asks us */
	struct date arrival;
	int64_t release; /* the sender wanted it to leave at this time (RFC 4865); 0: at once */
	struct slice message; /* its header, or all of it where return_full */
	bool return_full;     /* RET=FULL */
	bool smtputf8;        /* it was sent with SMTPUTF8: its header may be UTF-8 (RFC 6532) */
	const struct dsn_recipient *recipients;
	size_t recipient_count;
};

/*
 * Append the whole message, CRLF line ends, ready for the queue.  False where
 * `out` is full, or `to` is empty: nothing is ever reported to the null sender.
 */
bool dsn_write(const struct dsn *dsn, struct buf *out);

/* "failed", "delayed", ... */
const char *dsn_action_name(enum dsn_action action);

#endif
