/*
 * scram.h - the server's side of SCRAM-SHA-256 and SCRAM-SHA-256-PLUS
 * (RFC 5802, RFC 7677, RFC 9266), without any input, output or clock.
 *
 *     scram_client_first   what the client calls itself, and what it binds to
 *     scram_server_first   nonce, salt and iterations of a credential
 *     scram_client_final   the client's proof is there
 *     scram_verify         is it right?  and the server's own proof
 *
 * in this order, each once.  A struct scram serves one attempt and is wiped after it.
 */
#ifndef PETREL_AUTH_SCRAM_H
#define PETREL_AUTH_SCRAM_H

#include "auth/credentials.h"
#include "common/channel_auth.h"

enum {
	SCRAM_NONCE_MAX = 256,   /* octets of the client's nonce */
	SCRAM_NONCE_OCTETS = 18, /* of randomness in ours: 24 of base64 */
	SCRAM_NAME_OCTETS_MAX = AUTH_NAME_MAX,
};

enum scram_status {
	SCRAM_GOOD,
	SCRAM_MALFORMED, /* not a message of SCRAM's */
	SCRAM_REFUSED    /* well-formed, and cannot lead to a login */
};

struct scram {
	/* After scram_client_first. */
	char name[SCRAM_NAME_OCTETS_MAX + 1];      /* as the client gave it */
	char authorize[SCRAM_NAME_OCTETS_MAX + 1]; /* empty: none */

	/* scram.c's own. */
	struct credential credential; /* CREDENTIAL_SCRAM_SHA_256 */
	struct buf binding;           /* what "c=" has to say, in base64 */
	struct buf nonce;             /* the client's, then ours behind it */
	struct buf auth_message;      /* RFC 5802, 3: what the proofs are of */
	uint8_t proof[SCRAM_KEY];
};

struct scram scram_new(void);
/* Wipes it and frees what it holds. */
void scram_end(struct scram *);

/*
 * The client's first message.
 *
 * is_plus    the mechanism is SCRAM-SHA-256-PLUS
 * exporter, end_point  the channel's bindings, each empty where there is none;
 *            with one of them -PLUS was offered, and a client that believes
 *            that it was not is refused: somebody has changed the offer
 * fault      where not SCRAM_GOOD: a sentence for the log
 */
enum scram_status scram_client_first(struct scram *, struct slice message, bool is_plus,
    struct slice exporter, struct slice end_point, const char **fault);

/*
 * Append the server's first message to `out`.
 *
 * credential  a SCRAM one, copied; a decoy where there is none
 * random      SCRAM_NONCE_OCTETS of it
 */
bool scram_server_first(
    struct scram *, const struct credential *credential, const uint8_t *random, struct buf *out);

/* The client's final message. */
enum scram_status scram_client_final(struct scram *, struct slice message, const char **fault);

/*
 * Is the proof right?  Then the server's final message is appended to `out`.
 * Takes as long for a wrong one as for a right one: no time to speak of.
 */
bool scram_verify(const struct scram *, struct buf *out);

#endif
