/*
 * dialogue.h - the client's side of SMTP (RFC 5321), without a socket.
 *
 * The engine reads replies out of one evbuffer and puts commands into another.
 * Whoever owns it moves octets between these and the network, tells it what
 * happened to the connection, and does what it asks for: shake hands, send the
 * content, take the outcome.  It allocates nothing but the texts of a
 * transaction, and nothing in it depends on time.
 *
 * What it promises:
 *  - a recipient is delivered only by a 2xx reply to the end of data that came
 *    after the end of data was given out;
 *  - commands go out together where the peer offers PIPELINING (RFC 2920), and
 *    each reply is held against the command it answers;
 *  - replies that come unasked, are malformed or make no sense where they stand
 *    end the connection, and nothing that was said in that exchange is final;
 *  - what was learned before STARTTLS is forgotten after it (RFC 3207, 4.2).
 */
#ifndef PETREL_DELIVERY_SMTP_DIALOGUE_H
#define PETREL_DELIVERY_SMTP_DIALOGUE_H

#include "common/conf.h"
#include "delivery/smtp/limits.h"
#include "delivery/smtp/policy.h"
#include "delivery/smtp/reply.h"
#include "delivery/smtp/transaction.h"

struct evbuffer;

/* What the peer's EHLO offers. */
enum {
	OFFERS_PIPELINING = 1,
	OFFERS_SIZE = 2,
	OFFERS_8BITMIME = 4,
	OFFERS_STARTTLS = 8,
	OFFERS_SMTPUTF8 = 16,
	OFFERS_DSN = 32,
	OFFERS_MT_PRIORITY = 64,
	OFFERS_REQUIRETLS = 128
};

/* Recipients in one exchange: every host takes that many (RFC 5321, 4.5.3.1.8). */
enum { BATCH_MAX = 100 };

enum dialogue_state {
	DIALOGUE_GREETING,
	DIALOGUE_EHLO,
	DIALOGUE_HELO,
	DIALOGUE_STARTTLS,
	DIALOGUE_HANDSHAKE,
	DIALOGUE_IDLE,
	DIALOGUE_ENVELOPE,  /* RSET, MAIL, RCPT, DATA: some of them unanswered */
	DIALOGUE_DATA,      /* the content is being sent */
	DIALOGUE_END,       /* the end of data is unanswered */
	DIALOGUE_EMPTY_END, /* the same of a message for nobody: DATA was accepted, no RCPT was */
	DIALOGUE_OVER,
	DIALOGUE_STATE_COUNT
};

/* What the owner is to do. */
enum dialogue_action {
	/* Wait for the peer. */
	DO_WAIT,
	/* Shake hands; then dialogue_secured, or give the connection up. */
	DO_HANDSHAKE,
	/* The session stands: dialogue_start. */
	DO_START,
	/* Send all of the content with its end of data; then dialogue_content_sent. */
	DO_CONTENT,
	/* Every recipient is settled.  Another transaction may follow where the dialogue is idle. */
	DO_TAKE,
	/*
	 * No session, or it ended before it said anything about the message, or it is
	 * none for this message: see `failure`.
	 */
	DO_GIVE_UP
};

struct dialogue {
	enum dialogue_state state;
	struct evbuffer *out;
	char own_name[256]; /* for EHLO */
	struct tls_policy policy;
	bool is_secured;
	bool is_verified;
	unsigned offers;
	uint64_t size_limit; /* with OFFERS_SIZE; 0: none told */
	struct limits limits;
	uint32_t mails; /* MAIL commands given */
	struct reply reply;
	uint64_t replies; /* whole replies taken: whether the peer makes progress */

	struct transaction *transaction;
	/* Recipients of this exchange, by their number in the transaction. */
	uint32_t batch[BATCH_MAX];
	uint32_t batch_count;
	uint32_t sent, answered, end; /* commands of this exchange, see dialogue.c */
	uint32_t accepted;            /* recipients */
	bool mail_accepted;
	bool needs_reset; /* a transaction was begun and not finished */

	struct {
		char status[DELIVERY_STATUS_MAX + 1]; /* of class 4; 5 where this host will never do for this message */
		char text[REPLY_TEXT_MAX];
	} failure;
};

/* A connection stands.  `out` must outlive the dialogue. */
void dialogue_begin(struct dialogue *dialogue, struct evbuffer *out, const char *own_name,
    struct tls_policy policy);
/* Octets have come.  Takes replies up to the first that asks for something. */
enum dialogue_action dialogue_input(struct dialogue *dialogue, struct evbuffer *in);
/* The TLS handshake is done; is_verified: with a certificate that is good. */
enum dialogue_action dialogue_secured(struct dialogue *dialogue, bool is_verified);
/* What the session gives as it stands. */
enum protection dialogue_protection(const struct dialogue *dialogue);
/* The peer takes no more messages in this session, by its own LIMITS. */
bool dialogue_is_used_up(const struct dialogue *dialogue);
/*
 * Begin a transaction; DO_START was asked for, or the one before was taken.
 * Recipients that are settled already are left alone.
 */
enum dialogue_action dialogue_start(struct dialogue *dialogue, struct transaction *transaction);
/* All of the content and the end of data are in the output. */
void dialogue_content_sent(struct dialogue *dialogue);
/*
 * The connection is lost, or has to be given up: `what` says why ("connection
 * closed", "time-out").  DO_TAKE where that decided a transaction, else DO_GIVE_UP.
 */
enum dialogue_action dialogue_lost(struct dialogue *dialogue, const char *what);
/* Say goodbye; nothing is expected any more. */
void dialogue_quit(struct dialogue *dialogue);

static inline bool dialogue_is_idle(const struct dialogue *dialogue)
{
	return dialogue->state == DIALOGUE_IDLE;
}

/* How long the peer may take for what is awaited now, in seconds; 0: nothing is. */
unsigned dialogue_patience(const struct dialogue *dialogue, const struct settings *the_settings);

#endif
