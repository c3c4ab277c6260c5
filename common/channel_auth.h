/*
 * channel_auth.h - who is this client?  Asked of auth by smtpd, imapd and pop3d.
 */
#ifndef PETREL_COMMON_CHANNEL_AUTH_H
#define PETREL_COMMON_CHANNEL_AUTH_H

#include "common/codec.h"
#include "common/tls_witness.h"

enum auth_type {
	AUTH_PASSWORD = 1, /* call: struct auth_question.  Answer AUTH_RESULT */
	AUTH_RESULT,       /* struct auth_result */
	/*
	 * SCRAM-SHA-256 (RFC 5802, 7677) is a conversation, of which the asker
	 * understands nothing:
	 *
	 *     AUTH_SCRAM     client-first   answer  AUTH_CONTINUE, server-first
	 *     AUTH_RESPONSE  client-final           AUTH_CONTINUE, server-final
	 *     AUTH_RESPONSE  (empty)                AUTH_OK
	 *
	 * or any other verdict instead, which ends it.  A connection has one
	 * conversation at a time: AUTH_SCRAM begins afresh.
	 */
	AUTH_SCRAM,    /* call: struct auth_question.  Answer AUTH_RESULT */
	AUTH_RESPONSE, /* call: struct auth_question.  Answer AUTH_RESULT */
	AUTH_CANCEL,   /* struct auth_question: the connection's conversation is over; no answer */
	AUTH_EXTERNAL, /* call: struct auth_question.  Answer AUTH_RESULT */
	AUTH_TOKEN,    /* call: struct auth_question.  Answer AUTH_RESULT; a refusal may say why */
	AUTH_BEACON,   /* from auth, unasked: slice, for handshakes from now on (tls_witness.h) */
};

enum {
	AUTH_NAME_MAX = 320,
	AUTH_PASSWORD_MAX = 1024,
	AUTH_MESSAGE_MAX = 2048,  /* of a client's message in a conversation */
	AUTH_CHALLENGE_MAX = 2048, /* of ours */
	AUTH_BINDING_MAX = 64,
	AUTH_TOKEN_MAX = 8192
};

/* What is asked.  Both sides wipe passwords after use. */
struct auth_question {
	enum auth_type type;
	uint64_t connection;    /* the asker's number for the client's connection */

	/* all but AUTH_RESPONSE and AUTH_CANCEL */
	uint32_t service;       /* enum service: an IMAP or POP3 login also starts a session */
	char mechanism[24];     /* "PLAIN", "LOGIN", "USER", for the log; "SCRAM-SHA-256[-PLUS]" */
	char client[64];        /* the client's address */
	bool tls;

	/* AUTH_PASSWORD: in the clear (PLAIN, LOGIN, USER/PASS) */
	struct slice name;      /* as the client gave it */
	struct slice authorize; /* SASL authorization identity; empty: none.  Of AUTH_EXTERNAL and AUTH_TOKEN, too */
	struct slice password;

	/* AUTH_TOKEN (RFC 6750): empty, where the client wants to be told what it takes */
	struct slice token;

	/* AUTH_EXTERNAL: struct tls_proof */
	struct slice transcript;
	struct slice verify;

	/* AUTH_SCRAM: the channel's bindings; where there is one, -PLUS was offered */
	struct slice exporter;  /* tls-exporter (RFC 9266); empty: none */
	struct slice end_point; /* tls-server-end-point (RFC 5929, 4); empty: none */

	/* AUTH_SCRAM, AUTH_RESPONSE */
	struct slice message;   /* the client's, decoded */
};

enum auth_verdict {
	AUTH_OK,
	AUTH_REFUSED,   /* wrong name or password: 535 5.7.8, [AUTHENTICATIONFAILED] */
	AUTH_TEMPORARY, /* cannot tell now: 454 4.7.0, [UNAVAILABLE] */
	AUTH_LIMITED,   /* too many failures from there: 454 4.7.0 later, [LIMIT] */
	AUTH_MALFORMED, /* not a message of that mechanism: 501 5.5.2, BAD */
	AUTH_CONTINUE,  /* the conversation goes on: pass the challenge to the client */
	AUTH_VERDICT_COUNT
};

struct auth_result {
	uint8_t verdict;         /* enum auth_verdict */
	char account[321];       /* AUTH_OK: the account's canonical address */
	struct slice challenge;  /* AUTH_CONTINUE; AUTH_REFUSED: empty, or why; not in base64 */
};

/* The fields that belong to its type. */
void auth_question_write(struct writer *w, const struct auth_question *question);
/* type  the message's; false where it is none of a question's */
bool auth_question_read(struct reader *r, unsigned type, struct auth_question *question);
void auth_result_write(struct writer *w, const struct auth_result *result);
bool auth_result_read(struct reader *r, struct auth_result *result);

#endif
