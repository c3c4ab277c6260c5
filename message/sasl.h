/*
 * sasl.h - a SASL exchange (RFC 4422) as SMTP, IMAP and POP3 have in common: of a
 * client's lines it makes questions for auth, which knows the answers.
 *
 *     sasl_begin ---> SASL_CHALLENGE: send sasl->challenge, take a line <--+
 *         |                                                                |
 *         +--------> SASL_ASK: put the question to auth --AUTH_CONTINUE----+ sasl_challenged
 *         |                                   |                            |
 *         |                                   +--AUTH_REFUSED, and why-----+ sasl_refused
 *         +--------> SASL_REFUSED: the client has been told why; the end
 *         +--------> SASL_MALFORMED: the end
 *
 * and any other answer of auth's is the end.  Nothing of an exchange is left for
 * the next one.
 */
#ifndef PETREL_MESSAGE_SASL_H
#define PETREL_MESSAGE_SASL_H

#include "common/buf.h"
#include "common/channel_auth.h"
#include "common/stream.h"

enum sasl_mechanism {
	SASL_EXTERNAL, /* RFC 4422, appendix A: by the client's certificate */
	SASL_SCRAM_SHA_256_PLUS,
	SASL_SCRAM_SHA_256,
	SASL_OAUTHBEARER, /* RFC 7628 */
	SASL_XOAUTH2,     /* what there was before it */
	SASL_PLAIN,       /* RFC 4616 */
	SASL_LOGIN,       /* SMTP's only, and nobody's standard */
	SASL_MECHANISM_COUNT
};

enum sasl_next { SASL_CHALLENGE, SASL_ASK, SASL_REFUSED, SASL_MALFORMED };

struct sasl {
	enum sasl_mechanism mechanism;
	struct buf name;      /* LOGIN: what came first; OAUTHBEARER: the identity, decoded */
	struct buf response;  /* the client's last one, decoded; questions point into it */
	struct buf challenge; /* to be sent, in base64 */
	bool has_name;
	bool is_known;   /* auth has been told of it, and wants to be told of its end */
	bool is_refused; /* what the client says to our last challenge does not matter */
};

/* By name, in any case; SASL_MECHANISM_COUNT: none that is known. */
enum sasl_mechanism sasl_find(struct slice name);
const char *sasl_name(enum sasl_mechanism mechanism);

/* What can be offered to a client, as a set of bits by enum sasl_mechanism. */
unsigned sasl_offered(const struct stream *, bool login);
bool sasl_is_offered(enum sasl_mechanism mechanism, unsigned offered);
/* Append the names of what is offered, the strongest first, each with `before` before it. */
void sasl_list(struct buf *out, const char *before, unsigned offered);

/*
 * Begin.
 *
 * initial      the initial response in base64, "=" being an empty one; empty: none
 * question     SASL_ASK: filled but for whom it is about (connection, service,
 *              client, tls) and what is known of the channel (its bindings, the
 *              proof); its slices are good until the next call
 */
enum sasl_next sasl_begin(struct sasl *, enum sasl_mechanism mechanism, struct slice initial,
    struct auth_question *question);
/* The client's next line, without its end; "*", which cancels, is the caller's. */
enum sasl_next sasl_take(struct sasl *, struct slice line, struct auth_question *question);
/* auth said AUTH_CONTINUE: sasl->challenge is what it wants sent.  False: it does not fit. */
bool sasl_challenged(struct sasl *, struct slice challenge);
/*
 * auth said AUTH_REFUSED.  True: sasl->challenge tells the client why, whose next line
 * is SASL_REFUSED (RFC 7628, 3.2.3).  False: there is nothing to tell; the end.
 */
bool sasl_refused(struct sasl *, struct slice challenge);
/* Forget the last response, which may be a password. */
void sasl_forget_response(struct sasl *);
/* Forget everything. */
void sasl_wipe(struct sasl *);

#endif
