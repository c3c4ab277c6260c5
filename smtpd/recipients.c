/*
 * recipients.c - RCPT, from the address to the reply: many at once, answered in order.
 *
 * Each recipient goes through the gate by itself (gate.h): the checks of smtpd's own,
 * then lookup, then policy.  Those that were pipelined are asked about at the same
 * time; a reply waits for those before it.
 */
#include "smtpd/recipients.h"

#include <stdlib.h>
#include <string.h>

#include "common/conf.h"
#include "common/log.h"
#include "smtpd/gate.h"
#include "smtpd/limits.h"
#include "smtpd/reply.h"
#include "smtpd/rules.h"
#include "smtpd/session.h"
#include "smtpd/submit.h"

/* --- the replies ------------------------------------------------------------------ */

static void log_refusal(struct session *s, const struct session_recipient *recipient)
{
	const struct verdict *verdict = &recipient->verdict;

	if (!recipient->is_gates) {
		log_info("recipient-refused",
		    log_slice("to", recipient->accepted.address),
		    log_slice("from", transaction_sender(s->transaction)),
		    log_string("client", s->client.text),
		    log_string("helo", s->helo == NULL ? "" : s->helo),
		    log_string("status", verdict->status), log_string("reason", verdict->text));
	} else {
		gate_log(s, GATE_RCPT, verdict, recipient->accepted.address);
	}
}

static void accept_recipient(struct session *s, struct session_recipient *recipient)
{
	const char *text = recipient->verdict.text;

	if (!gate_keep(s, &recipient->verdict, slice_string(recipient->fields))) {
		recipient->verdict = verdict_of(VERDICT_DEFER, 451, "4.3.0", NULL, "gate");
		return;
	}
	if (!transaction_add_recipient(s->transaction, &recipient->accepted)) {
		recipient->verdict = verdict_of(
		    VERDICT_DEFER, 452, "4.5.3", "Too many recipients", NULL);
		recipient->is_gates = false;
		return;
	}
	gate_log(s, GATE_RCPT, &recipient->verdict, recipient->accepted.address);
	reply(s, 250, "2.1.5", "%s", text[0] == '\0' || recipient->is_gates ? "Ok" : text);
}

static void free_recipient(struct session *s, struct session_recipient *recipient)
{
	TAILQ_REMOVE(&s->recipients, recipient, entry);
	s->recipient_count--;
	free(recipient->fields);
	free(recipient);
}

/* Give the replies that are no longer behind an outstanding one. */
static void answer_recipients(struct session *s)
{
	struct session_recipient *recipient;

	while ((recipient = TAILQ_FIRST(&s->recipients)) != NULL && recipient->is_answered) {
		struct verdict verdict;

		if (!verdict_is_against(&recipient->verdict))
			accept_recipient(s, recipient);
		verdict = recipient->verdict;
		if (verdict_is_against(&verdict))
			log_refusal(s, recipient);
		free_recipient(s, recipient);
		/* The others go with the session, where it ends. */
		if (verdict_is_against(&verdict))
			gate_refuse(s, &verdict);
	}
}

/* --- the questions --------------------------------------------------------------- */

static void conclude(
    struct session_recipient *recipient, const struct verdict *verdict, bool is_gates)
{
	recipient->is_answered = true;
	recipient->is_gates = is_gates;
	recipient->verdict = *verdict;
}

static void go_on(struct session *s)
{
	answer_recipients(s);
	if (s->recipient_count == 0)
		session_unblock(s);
}

static void policy_answered(void *asker, const struct policy_answer *answer)
{
	struct session_recipient *recipient = asker;
	struct verdict verdict = gate_policy_verdict(answer);

	/* Without the memory for the fields, they are missing; the mail is not. */
	if (answer != NULL && answer->fields.len > 0)
		recipient->fields = slice_dup(answer->fields);
	conclude(recipient, &verdict, true);
	go_on(recipient->session);
}

/* lookup's word as a verdict. */
static struct verdict of_lookup(const struct lookup_verdict *said)
{
	static const enum verdict_answer answers[LOOKUP_ANSWER_COUNT] = {
	    [LOOKUP_ACCEPTED] = VERDICT_NONE,
	    [LOOKUP_REFUSED] = VERDICT_REFUSE,
	    [LOOKUP_TEMPORARY] = VERDICT_DEFER,
	};
	unsigned code = said->code;
	const char *status = said->status;

	/* The usual code of a refusal, where lookup's own does not say the same. */
	if (said->answer == LOOKUP_REFUSED && code / 100 != 5)
		code = 550;
	if (said->answer == LOOKUP_REFUSED && status[0] != '5')
		status = "5.1.1";
	if (said->answer == LOOKUP_TEMPORARY && status[0] != '4')
		status = "4.3.0";
	return verdict_of(answers[said->answer], code, status, said->text, "lookup");
}

/* As opposed to one that exists somewhere else, or cannot be written to now. */
static bool is_unknown(const struct lookup_verdict *said)
{
	return said != NULL && said->answer == LOOKUP_REFUSED &&
	       slice_starts_with(slice_string(said->status), SLICE("5.1."));
}

static void lookup_answered(void *asker, const struct lookup_verdict *said)
{
	struct session_recipient *recipient = asker;
	struct session *s = recipient->session;
	struct verdict verdict = said == NULL ? verdict_of(VERDICT_DEFER, 451, "4.3.0", NULL, "lookup")
					      : of_lookup(said);
	bool is_gates = limits_note_recipient(s, is_unknown(said), &verdict);

	if (!verdict_is_against(&verdict) && recipient->asks_policy) {
		recipient->question.answered.policy = policy_answered;
		if (gate_ask_policy(s, &recipient->question, GATE_RCPT,
			recipient->accepted.address, &verdict))
			return;
		is_gates = verdict_is_against(&verdict);
	} else if (!verdict_is_against(&verdict) && recipient->verdict.answer != VERDICT_NONE) {
		/* A check has said already that it is to be held. */
		verdict = recipient->verdict;
		is_gates = true;
	}
	conclude(recipient, &verdict, is_gates);
	go_on(s);
}

static void ask(struct session *s, struct session_recipient *recipient);

/* Where the answer was lost, the rules say what that means. */
static void lists_answered(void *asker, const struct lookup_lists *lists)
{
	struct session_recipient *recipient = asker;

	recipient->lists_are_known = true;
	if (lists != NULL)
		recipient->lists = *lists;
	ask(recipient->session, recipient);
	go_on(recipient->session);
}

/* The tables of the rules are asked first, where they may decide.  False: they need not be, or cannot. */
static bool ask_lists(struct session *s, struct session_recipient *recipient,
    const struct gate_question *gate)
{
	struct access_facts facts;

	if (!rules_want_lists(gate))
		return false;
	facts = rules_facts(gate);
	recipient->question.asker = recipient;
	recipient->question.answered.lists = lists_answered;
	return s->house->lists(&recipient->question, rules_in_force(), &facts);
}

static void ask(struct session *s, struct session_recipient *recipient)
{
	const struct gate_question gate = {.stage = GATE_RCPT,
	    .session = s,
	    .lists_are_known = recipient->lists_are_known,
	    .lists = recipient->lists,
	    .recipient = recipient->accepted.address};
	const struct verdict lost = verdict_of(VERDICT_DEFER, 451, "4.3.0", NULL, "lookup");
	struct verdict verdict;

	if (ask_lists(s, recipient, &gate))
		return;
	gate_check_all(&gate, &verdict);
	if (verdict_is_against(&verdict)) {
		conclude(recipient, &verdict, true);
		return;
	}
	recipient->verdict = verdict;
	recipient->asks_policy =
	    verdict.answer == VERDICT_NONE && gate_concerns_policy(s, GATE_RCPT);
	recipient->question.asker = recipient;
	recipient->question.answered.verdict = lookup_answered;
	if (!s->house->recipient(&recipient->question, recipient->accepted.address,
		s->client.may_relay || s->login != NULL,
		slice_string(submit_has_account(s) ? s->login : NULL)))
		conclude(recipient, &lost, false);
}

/* --- the command ------------------------------------------------------------------- */

/* Behind the outstanding ones.  The texts are copied. */
static struct session_recipient *add_recipient(
    struct session *s, const struct envelope_recipient *accepted)
{
	size_t address = accepted->address.len, original = accepted->original.len;
	struct session_recipient *recipient = calloc(1, sizeof *recipient + address + original);

	if (recipient == NULL)
		return NULL;
	recipient->session = s;
	if (address > 0)
		memcpy(recipient->texts, accepted->address.data, address);
	if (original > 0)
		memcpy(recipient->texts + address, accepted->original.data, original);
	recipient->accepted = (struct envelope_recipient){
	    .address = slice_of(recipient->texts, address),
	    .original = slice_of(recipient->texts + address, original),
	    .notify = accepted->notify,
	};
	TAILQ_INSERT_TAIL(&s->recipients, recipient, entry);
	s->recipient_count++;
	return recipient;
}

void recipient_ask(struct session *s, const struct envelope_recipient *wanted)
{
	const struct verdict too_many =
	    verdict_of(VERDICT_DEFER, 452, "4.5.3", "Too many recipients", NULL);
	struct session_recipient *recipient = add_recipient(s, wanted);
	uint32_t taken = s->transaction->recipient_count + s->recipient_count;

	if (recipient == NULL) {
		session_close(s);
		return;
	}
	if (taken > submit_recipients_limit(s))
		conclude(recipient, &too_many, false);
	else
		ask(s, recipient);
	answer_recipients(s);
}

void recipient_refuse(struct session *s, struct refusal refusal)
{
	const struct verdict verdict =
	    verdict_of(VERDICT_REFUSE, refusal.code, refusal.status, refusal.text, NULL);
	struct session_recipient *recipient = add_recipient(s, &(struct envelope_recipient){0});

	if (recipient == NULL) {
		session_close(s);
		return;
	}
	conclude(recipient, &verdict, false);
	answer_recipients(s);
}
