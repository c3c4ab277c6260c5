/*
 * gate.h - the one place where a session is asked whether it may go on.
 *
 * A command that has understood what its client wants calls gate_ask() (for RCPT:
 * recipients.h) before it does it.  At each stage are asked, in this order, until one
 * says more than VERDICT_NONE:
 *
 *   1. the checks of gate.c's table: what smtpd can tell by itself, without
 *      waiting for anybody (limits, access rules, the score of the DNS lists)
 *   2. for RCPT, lookup: is there such a recipient?
 *   3. the process policy, where the settings have it concern itself with this stage
 *      (policy_stages): services, greylist, milters
 *
 * VERDICT_ACCEPT of a check spares a session number 3, never number 2.  Whoever
 * has something new to check adds a function to the table; whoever has something
 * to ask that takes time asks it in policy.
 *
 * What only a command that goes on needs to know (hold, discard, header fields) is
 * kept in the session's transaction, and data.c acts on it.
 */
#ifndef PETREL_SMTPD_GATE_H
#define PETREL_SMTPD_GATE_H

#include "common/channel_lookup.h"
#include "common/channel_policy.h"
#include "common/verdict.h"

struct question;
struct session;
struct spool_file;

/* What is asked, for the checks of the table. */
struct gate_question {
	enum gate_stage stage;
	struct session *session;
	bool lists_are_known;      /* what tables say of whom is known, as bits; see access/rules.h */
	struct lookup_lists lists;
	struct slice recipient; /* GATE_RCPT, canonical; is_trusted and the rest: see the session */
};

/*
 * Judge, without waiting: fills in *verdict, which is VERDICT_NONE at first, and
 * may leave it alone.
 */
typedef void gate_check(const struct gate_question *question, struct verdict *verdict);

/*
 * The end of a question: NULL, and the session goes on; or the verdict against
 * it, which the callee says to the client with gate_refuse() in its own good time.
 */
typedef void gate_done(struct session *session, const struct verdict *against);

/* What a session remembers of the gate. */
struct gate {
	gate_done *done;        /* whom a question that is under way is for; NULL: none is */
	uint8_t stage;          /* of it */
	bool waits_for_name;    /* of the client; then the question goes to policy */
	bool is_known_to_policy;
	uint8_t for_all;        /* VERDICT_HOLD or VERDICT_DISCARD was said before there was a message */
	int32_t score;          /* of the client in DNS lists; see policy_answer */
	char *listed;           /* what to say to it where that is too high; or NULL */
};

/*
 * May the session go on at this stage (not GATE_RCPT)?  `done` is called exactly
 * once: at once where nobody has to be waited for; else later, with the session blocked
 * until it has returned.  A session that ends meanwhile is not asked for any more,
 * and `done` not called.
 */
void gate_ask(struct session *s, enum gate_stage stage, gate_done *done);

/* Say a verdict to the client, and end the connection where it says so. */
void gate_refuse(struct session *s, const struct verdict *against);

/* The client's name has become known, or that it has none. */
void gate_named(struct session *s);

/* The session's questions have been withdrawn: `done` is not called any more. */
void gate_withdraw(struct session *s);

/* The session is over, or begins anew with another client. */
void gate_forget(struct session *s);

/* Nobody but us and lookup would be asked: a client that may relay or has logged in. */
bool gate_is_trusted(const struct session *s);

/* --- the parts, for recipients.c ---------------------------------------------------- */

/* 1. Ask the checks of the table. */
void gate_check_all(const struct gate_question *question, struct verdict *verdict);
/* Is 3. to be asked at this stage? */
bool gate_concerns_policy(const struct session *s, enum gate_stage stage);
/* All that is known of the session; the texts are its own. */
struct policy_question gate_question_for(
    const struct session *s, enum gate_stage stage, struct slice recipient);
/*
 * 3. Ask policy; question->answered.policy and its asker are set by the caller.
 * Where policy is away, false, and *verdict is what the settings want then.
 */
bool gate_ask_policy(struct session *s, struct question *question, enum gate_stage stage,
    struct slice recipient, struct verdict *verdict);
/* What policy said (NULL: lost), as a verdict. */
struct verdict gate_policy_verdict(const struct policy_answer *answer);
/*
 * A verdict that lets the message go on: remember what it wants done with it; before there
 * is one, with all messages of the session.  False: it is to be held, and that cannot be
 * remembered; so it must not go on.
 */
bool gate_keep(struct session *s, const struct verdict *verdict, struct slice fields);
/* The log line of a verdict against the session, or for a message that is held or discarded. */
void gate_log(struct session *s, enum gate_stage stage, const struct verdict *verdict, struct slice recipient);

#endif
