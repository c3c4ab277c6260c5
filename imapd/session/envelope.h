/*
 * envelope.h - reading back the text of an ENVELOPE (RFC 3501, 7.4.2).
 *
 * The store keeps each message's ENVELOPE as the finished text that FETCH sends.
 * A search for a sender or a subject reads it instead of the message.
 */
#ifndef PETREL_IMAPD_SESSION_ENVELOPE_H
#define PETREL_IMAPD_SESSION_ENVELOPE_H

#include "common/buf.h"
#include "common/slice.h"

/* In the order in which they stand. */
enum envelope_field {
	ENVELOPE_DATE,
	ENVELOPE_SUBJECT,
	ENVELOPE_FROM,
	ENVELOPE_SENDER,
	ENVELOPE_REPLY_TO,
	ENVELOPE_TO,
	ENVELOPE_CC,
	ENVELOPE_BCC,
	ENVELOPE_IN_REPLY_TO,
	ENVELOPE_MESSAGE_ID,
	ENVELOPE_FIELDS,
};

/*
 * Append one field of an envelope as text: a string without its quotes, an address
 * list as "name <local@domain>, ...".  NIL appends nothing.  False where the
 * envelope is malformed or `out` is full.
 */
bool envelope_text(struct slice envelope, enum envelope_field field, struct buf *out);

#endif
