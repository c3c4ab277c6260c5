/*
 * outcome.h - the records that deliveries leave behind.
 *
 * An expansion says which final addresses a recipient became, so that a later
 * change of an alias neither repeats nor loses a delivery.  An outcome says what
 * became of one final address.  Both are facts that stand by themselves: writing
 * one twice changes nothing, and of several outcomes of one address the last holds.
 *
 * Neither says how an address is delivered.  That is asked of lookup whenever a
 * message is taken up, never believed from a file.
 */
#ifndef PETREL_QMGR_OUTCOME_H
#define PETREL_QMGR_OUTCOME_H

#include "common/codec.h"

enum {
	OUTCOME_TEXT_MAX = 2048,    /* octets of a diagnostic; more is cut off */
	OUTCOME_ADDRESS_MAX = 1024, /* octets of an address (with UTF-8 local parts) */
	OUTCOME_ENHANCED_MAX = 12,  /* "5.123.456" and the NUL, with room */
	OUTCOME_HOST_MAX = 256,
};

enum outcome_status {
	OUTCOME_DELIVERED = 1,
	OUTCOME_DEFERRED = 2,
	OUTCOME_FAILED = 3, /* for good; the sender was told where that was due */
	OUTCOME_UNSETTLED =
	    4, /* found at recovery: delivered into a mailbox that the crash may have undone */
};

struct outcome {
	struct slice address; /* the final address */
	enum outcome_status status;
	bool in_mailbox;       /* delivered to a mailbox that the next checkpoint has to flush */
	uint32_t attempts;     /* so far, this one included */
	uint64_t at_us;        /* wall time */
	uint16_t code;         /* SMTP reply code, or 0 */
	struct slice enhanced; /* enhanced status code, or empty */
	struct slice host;     /* who said so: a host's name, or empty where it was us */
	struct slice text;     /* what was said */
};

/* Append as a record; false where the buf's limit does not allow it. */
bool outcome_append(struct buf *records, const struct outcome *outcome);
/* False where the payload makes no sense; the slices point into it. */
bool outcome_decode(struct slice payload, struct outcome *outcome);

/* One step of an expansion: `recipient` became `address` (one record per address). */
struct expansion {
	uint32_t recipient; /* index in the envelope */
	struct slice
	    address; /* a final address, or empty: the recipient came to nothing (a duplicate) */
};

bool expansion_append(struct buf *records, const struct expansion *expansion);
bool expansion_decode(struct slice payload, struct expansion *expansion);

#endif
