/*
 * transaction.h - one message on its way in: from MAIL to the reply to its end.
 *
 * It holds the envelope while it grows, and the content's file.  Once the
 * message is handed to qmgr the transaction waits for the answer by itself: the
 * client may go away meanwhile, and what became of the message is logged all the
 * same.
 */
#ifndef PETREL_SMTPD_TRANSACTION_H
#define PETREL_SMTPD_TRANSACTION_H

#include "common/buf.h"
#include "common/channel.h"
#include "common/channel_queue.h"
#include "smtpd/content.h"
#include "smtpd/house.h"

struct filter;
struct session;

enum {
	/* Addresses of one message, octets: the envelope has to fit into one channel message. */
	TRANSACTION_TEXTS_MAX = CHANNEL_BODY_MAX - ENVELOPE_PREPEND_MAX - 16384,
	TRANSACTION_RECIPIENT_OVERHEAD = 16, /* octets of encoding for each */
	TRANSACTION_FIELDS_MAX = 32768       /* of the gate's header fields: there are others */
};

/* Where an address lies in `texts`. */
struct transaction_text {
	uint32_t at;
	uint32_t len;
};

struct transaction_recipient {
	struct transaction_text address;  /* canonical */
	struct transaction_text original; /* ORCPT, decoded */
	uint8_t notify;
};

struct transaction {
	struct session *session; /* NULL: gone */
	const struct house *house;
	struct question question; /* the commit */

	struct buf texts;
	struct transaction_text sender; /* canonical; empty: the null sender */
	struct transaction_text envid;
	struct transaction_recipient *recipients;
	uint32_t recipient_count;
	uint32_t recipient_room;
	uint64_t declared_size; /* of SIZE=; 0: not said */
	bool is_discarded;      /* the gate wants it thrown away behind a 250 */
	struct filter *filter;  /* what milters make of it; NULL: they are not asked, or not yet */
	struct buf fields;      /* header fields that the gate wants in front of it, whole lines */
	uint8_t body; /* enum envelope_body */
	uint8_t ret;  /* enum envelope_return */
	uint8_t tls;  /* enum envelope_tls */
	int8_t priority;
	bool priority_is_lowered;     /* the client wanted a higher one */
	uint64_t release_us;          /* wall time; 0: at once */
	struct transaction_text hold; /* empty: it is not to be held */
	bool smtputf8; /* MAIL said so (RFC 6531) */

	struct spool_file file;
	struct content content;
	bool has_content; /* content_begin was called */
	size_t authors_seen; /* entries of From that have been decided about */
	bool needs_sender;   /* From names somebody else: Sender says who it was */
	message_id id;    /* of the file that was committed */
};

/* NULL where memory is short. */
struct transaction *transaction_new(struct session *session, const struct house *house);
/* Gives the file back; NULL is fine. */
void transaction_free(struct transaction *transaction);

bool transaction_set_sender(struct transaction *transaction, struct slice address);
/* ENVID, decoded; may be empty. */
bool transaction_set_envid(struct transaction *transaction, struct slice envid);
/*
 * The message is to be held when it has arrived, for this reason: accepted and
 * durable like any other, and delivered when an administrator releases it.  Of
 * several reasons the first counts.  Control characters in it become blanks, and
 * it is cut where it is too long.
 */
bool transaction_hold(struct transaction *transaction, struct slice reason);
/* The texts are copied.  False where no more fit. */
bool transaction_add_recipient(
    struct transaction *transaction, const struct envelope_recipient *accepted);

/* By their canonical addresses. */
bool transaction_has_recipient(const struct transaction *transaction, struct slice address);
void transaction_remove_recipient(struct transaction *transaction, struct slice address);

struct slice transaction_text(const struct transaction *transaction, struct transaction_text text);
struct slice transaction_sender(const struct transaction *transaction);

/*
 * Hand the message to qmgr.  What `envelope` says besides sender, recipients and
 * what MAIL said of the message is filled in by the caller.  The question is the transaction's own.
 * False where qmgr is away, memory is short or the envelope too large: the file is gone then.
 */
bool transaction_commit(struct transaction *transaction, struct envelope *envelope);

#endif
