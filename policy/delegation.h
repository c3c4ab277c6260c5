/*
 * delegation.h - the policy delegation protocol of Postfix, as text.
 *
 * A request and a reply are lines "name=value" with an empty line behind them
 * (https://www.postfix.org/SMTPD_POLICY_README.html).  Here they are written and
 * read; who is connected to whom is service.c's concern.
 */
#ifndef PETREL_POLICY_DELEGATION_H
#define PETREL_POLICY_DELEGATION_H

#include "common/buf.h"
#include "common/channel_policy.h"

enum {
	DELEGATION_REQUEST_MAX = 32768, /* octets */
	DELEGATION_REPLY_MAX = 8192     /* octets; what is longer is no reply */
};

/*
 * Write the question as Postfix 3 would ask it.  Octets of a value that would end
 * its line become '?'.
 *
 * instance  tells messages apart: the same for all questions about one
 * context   policy_context, as the settings have it; may be empty
 */
bool delegation_write(struct buf *out, const struct policy_question *question,
    struct slice instance, struct slice context);

/* What access(5) of Postfix has on its right-hand sides. */
enum delegation_action {
	ACTION_DUNNO,
	ACTION_OK,
	ACTION_REFUSE,          /* REJECT, 5NN, 521 */
	ACTION_DEFER,           /* DEFER, 4NN, 421 */
	ACTION_DEFER_IF_PERMIT, /* deferred, unless somebody else refuses it */
	ACTION_DEFER_IF_REJECT, /* deferred where somebody else would refuse it */
	ACTION_DISCARD,
	ACTION_HOLD,
	ACTION_PREPEND, /* a header field */
	ACTION_WARN,    /* to be logged */
	ACTION_INFO,
	ACTION_UNKNOWN /* to be logged, and nothing else */
};

struct delegation_reply {
	enum delegation_action action;
	struct slice word;    /* the action as it was written */
	struct slice text;    /* what stands behind it, without code and status */
	unsigned code;        /* of the reply; 0: the usual one */
	char status[12];      /* enhanced status code; empty: the usual one */
	bool ends_connection; /* 421, 521 */
};

enum delegation_state { DELEGATION_MORE, DELEGATION_READY, DELEGATION_MALFORMED };

/*
 * Look at what a service has sent.  READY: *reply is filled in, its slices point
 * into `in`, and *octets of `in` are the reply.  MORE: it is not whole yet.
 */
enum delegation_state delegation_read(
    struct slice in, struct delegation_reply *reply, size_t *octets);

#endif
