/*
 * channel_queue.h - how a received message gets into the queue: smtpd and qmgr.
 *
 * smtpd keeps a few spool files opened ahead.  It writes a message's content to
 * one, from offset 0, and commits it with its envelope.  The answer to the
 * commit is what 250 may be said on: the message is then durable.
 */
#ifndef PETREL_COMMON_CHANNEL_QUEUE_H
#define PETREL_COMMON_CHANNEL_QUEUE_H

#include "common/codec.h"
#include "common/id.h"

enum queue_type {
	QUEUE_OPEN = 1,  /* call: u32 count.  Answer QUEUE_OPENED */
	QUEUE_OPENED,    /* u32 count, then count identifiers (u64), and as many descriptors (write only); may be fewer than asked for */
	QUEUE_COMMIT,    /* call: u64 id, u64 size, envelope.  Answer QUEUE_COMMITTED */
	QUEUE_COMMITTED, /* u8 enum queue_verdict */
	QUEUE_ABORT,     /* u64 id: not to be used after all; its file goes away */
	QUEUE_READ,      /* call: u64 id of a file that is open: its writer wants somebody to read it.  Answer QUEUE_READABLE */
	QUEUE_READABLE,  /* one descriptor (read only); without: it cannot be read */
	QUEUE_REPLACE    /* u64 id, u64 other: the content of `other` takes the place of that of `id`; only `id` is left to be committed */
};

enum queue_verdict {
	QUEUE_ACCEPTED,  /* durable */
	QUEUE_FULL,      /* no room: 452 4.3.1 */
	QUEUE_FAILED,    /* could not be stored: 451 4.3.0 */
	QUEUE_VERDICT_COUNT
};

enum {
	ENVELOPE_RECIPIENTS_MAX = 10000,
	ENVELOPE_ADDRESS_MAX = 320, /* 64 + @ + 255 (RFC 5321, 4.5.3.1) */
	ENVELOPE_PREPEND_MAX = 65536,
	ENVELOPE_TEXT_MAX = 1024    /* any other text in it */
};

/* Bits of envelope_recipient.notify (RFC 3461, 4.1). 0: the default, failure and delay. */
enum { NOTIFY_NEVER = 1, NOTIFY_SUCCESS = 2, NOTIFY_FAILURE = 4, NOTIFY_DELAY = 8 };

enum envelope_body { BODY_7BIT, BODY_8BITMIME, BODY_BINARYMIME };
enum envelope_return { RETURN_DEFAULT, RETURN_HEADERS, RETURN_FULL };
/* What the sender wants of TLS on the message's further way (RFC 8689). */
enum envelope_tls {
	TLS_AS_SET,      /* what the settings say */
	TLS_REQUIRED,    /* MAIL's REQUIRETLS: rather a bounce than a hop that is not verified */
	TLS_NOT_REQUIRED /* the header's "TLS-Required: No": rather in the clear than not at all */
};
enum { PRIORITY_LOWEST = -9, PRIORITY_NORMAL = 0, PRIORITY_HIGHEST = 9 }; /* RFC 6710, 2 */

struct envelope_recipient {
	struct slice address;  /* canonical, without brackets */
	struct slice original; /* ORCPT as given ("rfc822;..."), decoded; empty: none */
	uint8_t notify;
};

/*
 * All that is known of a message besides its content.  The same encoding is used
 * in messages between processes, in spool files and in the journal, so it starts
 * with a version.  The slices point into what was decoded.
 */
struct envelope {
	uint64_t arrived_us;     /* wall time of acceptance */
	struct slice sender;     /* canonical; empty: the null sender */
	struct slice prepend;    /* header fields that Petrel adds in front, CRLF-terminated lines (Received and others);
	                            with an empty line behind them where the content has no header of its own */
	struct slice envid;      /* ENVID, decoded; empty: none */
	struct slice login;      /* who was authenticated; empty: nobody */
	struct slice client;     /* "host[address]" for the log and reports */
	uint8_t body;            /* enum envelope_body */
	uint8_t ret;             /* enum envelope_return */
	bool smtputf8;
	uint8_t tls;             /* enum envelope_tls */
	int8_t priority;         /* PRIORITY_LOWEST to PRIORITY_HIGHEST */
	uint64_t release_us;     /* wall time before which nothing is delivered (RFC 4865); 0: none */
	struct slice hold;       /* why it goes into hold/ before anything else is done; empty: it does not */
	uint32_t recipient_count;
	struct envelope_recipient *recipients; /* allocated by envelope_read */
};

/*
 * What is written.  Version 1 is still read: it had neither tls nor priority, release_us
 * and hold, and a queue outlives the program that wrote it.
 */
enum { ENVELOPE_VERSION = 2 };

void envelope_write(struct writer *w, const struct envelope *envelope);
/*
 * False where it is malformed; nothing is left allocated then.  Pair with
 * envelope_free.  What may follow the envelope in a record is left to be read:
 * the caller asks reader_finished() when it has read all that it expects.
 */
bool envelope_read(struct reader *r, struct envelope *envelope);
/* From when on a message's age counts for warnings and expiry: it has not been late before. */
static inline uint64_t envelope_begins_us(const struct envelope *envelope)
{
	return envelope->release_us > envelope->arrived_us ? envelope->release_us
							   : envelope->arrived_us;
}

/* Frees the array of recipients, not what the slices point into. */
void envelope_free(struct envelope *envelope);

/*
 * What envelope_read() demands of each text: no longer than `max`, no control
 * character.  Whoever makes an envelope out of what a client says asks these
 * first: an envelope that fails them ends the channel, not the session.
 */
bool envelope_text_is_clean(struct slice text, size_t max);
/* Empty, or lines that are not empty, each ended by CRLF; no other CR or LF, no NUL. */
bool envelope_prepend_is_clean(struct slice prepend);
/* NEVER comes alone. */
bool envelope_notify_is_valid(uint8_t notify);
/* The same for records that carry parts of an envelope: they fail the reader. */
struct slice envelope_text_read(struct reader *r, size_t max);
struct slice envelope_prepend_read(struct reader *r);

#endif
