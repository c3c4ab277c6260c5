/*
 * channel_policy.h - may a session go on?  Asked by smtpd of policy, where the settings
 * want it (policy_stages), once at each stage and for each recipient.
 *
 * policy may remember what it was told of a session until POLICY_ENDED; every
 * question says all that is known by then, so that a policy that was started anew
 * in the middle of a session can answer too.
 */
#ifndef PETREL_COMMON_CHANNEL_POLICY_H
#define PETREL_COMMON_CHANNEL_POLICY_H

#include "common/channel_control.h"
#include "common/codec.h"
#include "common/conf.h"
#include "common/network.h"
#include "common/verdict.h"

enum policy_type {
	POLICY_ASK = 1, /* call: struct policy_question.  Answer POLICY_ANSWER */
	POLICY_ANSWER,  /* struct policy_answer */
	POLICY_ENDED    /* u64 session: it has ended, or begins anew with another client */
};

enum {
	POLICY_TEXT_MAX = 1024,   /* octets of any one text in a question */
	POLICY_FIELDS_MAX = 16384 /* of the header fields in an answer */
};

/* What is known of a session.  Texts that are not known yet are empty. */
struct policy_question {
	uint8_t stage;               /* enum gate_stage */
	uint8_t service;             /* enum service */
	uint64_t session;            /* smtpd's own number for it */
	uint64_t transaction;        /* of the message within the session, from 1; 0: none yet */
	struct host_address address; /* of the client; family 0: a user of this host, or not known */
	bool is_trusted;             /* logged in, of this host, or in smtp.relay-networks */
	bool is_extended;            /* EHLO */
	struct slice client_name;    /* confirmed by the DNS */
	struct slice helo;
	struct slice login;
	struct slice mechanism;      /* by which it was authenticated: "PLAIN"; empty: by none of SMTP's */
	struct slice tls_protocol;
	struct slice tls_cipher;
	uint32_t tls_bits;           /* of the cipher's key; 0: no TLS */
	struct slice sender;         /* from GATE_MAIL on; empty: the null sender */
	struct slice recipient;      /* GATE_RCPT; later: the only recipient, where there is one */
	uint32_t recipient_count;    /* that were accepted */
	int32_t score;               /* of the client in DNS lists, as it was said at GATE_CONNECT */
	uint64_t size;               /* octets: GATE_MESSAGE: the content; before: as SIZE= says, 0 where it does not */
	uint64_t message;            /* the message's identifier, GATE_MESSAGE; 0: none yet */
};

struct policy_answer {
	struct verdict verdict;
	int32_t score;       /* GATE_CONNECT: what DNS lists say of the client, weighted; 0: nothing */
	struct slice listed; /* GATE_CONNECT: what to say to a client that is refused by its score */
	struct slice fields; /* header fields to put in front of the message, whole lines with CRLF */
};

void policy_question_write(struct writer *w, const struct policy_question *question);
/* The slices point into what was decoded. */
bool policy_question_read(struct reader *r, struct policy_question *question);
void policy_answer_write(struct writer *w, const struct policy_answer *answer);
bool policy_answer_read(struct reader *r, struct policy_answer *answer);

/*
 * At which stages policy is to be asked about a session, as a bit for each
 * enum gate_stage.  0: never, and smtpd does not know that there is a policy.
 */
unsigned policy_stages(
    const struct settings *settings, enum service service, bool is_local, bool is_trusted);

#endif
