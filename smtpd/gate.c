/*
 * gate.c - whether a session may go on.
 */
#include "smtpd/gate.h"

#include <stdlib.h>

#include "common/log.h"
#include "smtpd/limits.h"
#include "smtpd/reply.h"
#include "smtpd/rules.h"
#include "smtpd/session.h"

/* --- what smtpd can tell by itself ---------------------------------------------- */

/*
 * What DNS lists say of a client weighs too much: nobody gets its mail but postmaster,
 * whom it may tell that this is a mistake (RFC 5321, 4.5.1).
 */
static void check_score(const struct gate_question *question, struct verdict *verdict)
{
	const struct session *s = question->session;

	if (question->stage != GATE_RCPT || settings->dnslists.refuse_score == 0 ||
	    s->gate.score < settings->dnslists.refuse_score || gate_is_trusted(s) ||
	    slice_starts_with_nocase(question->recipient, SLICE("postmaster@")))
		return;
	*verdict = verdict_of(VERDICT_REFUSE, 554, "5.7.1", s->gate.listed, "dnslists");
}

/* In the order in which they are asked; the first that says something has said it. */
static gate_check *const checks[] = {
    limits_check,
    rules_check,
    check_score,
    NULL,
};

void gate_check_all(const struct gate_question *question, struct verdict *verdict)
{
	*verdict = (struct verdict){.answer = VERDICT_NONE};
	for (size_t i = 0; checks[i] != NULL && verdict->answer == VERDICT_NONE; i++)
		checks[i](question, verdict);
}

bool gate_is_trusted(const struct session *s)
{
	return s->is_local || s->client.may_relay || s->login != NULL;
}

/* --- policy ---------------------------------------------------------------------- */

static unsigned stages(const struct session *s)
{
	return policy_stages(settings, s->service, s->is_local, gate_is_trusted(s));
}

bool gate_concerns_policy(const struct session *s, enum gate_stage stage)
{
	return (stages(s) >> stage & 1) != 0;
}

/* Clients say longer things than anybody asks for. */
static struct slice text(const char *string)
{
	return slice_part(slice_string(string), 0, POLICY_TEXT_MAX);
}

static void fill_in_transaction(
    const struct transaction *transaction, enum gate_stage stage, struct policy_question *q)
{
	q->sender = transaction_sender(transaction);
	q->recipient_count = transaction->recipient_count;
	if (stage > GATE_RCPT && transaction->recipient_count == 1)
		q->recipient = transaction_text(transaction, transaction->recipients[0].address);
	q->size = stage == GATE_MESSAGE ? transaction->content.size : transaction->declared_size;
	q->message = transaction->file.descriptor >= 0 ? transaction->file.id : 0;
}

struct policy_question gate_question_for(
    const struct session *s, enum gate_stage stage, struct slice recipient)
{
	struct tls_facts facts = {0};
	struct policy_question q = {
	    .stage = (uint8_t)stage,
	    .service = (uint8_t)s->service,
	    .session = s->number,
	    .transaction = s->transaction_count,
	    .address = client_address(&s->client),
	    .is_trusted = gate_is_trusted(s),
	    .is_extended = s->is_extended,
	    .score = s->gate.score,
	    .client_name = text(s->client_name),
	    .helo = text(s->helo),
	    .login = text(s->login),
	    .mechanism = text(s->login != NULL ? s->mechanism : NULL),
	    .recipient = recipient,
	};

	if (q.address.family == AF_UNIX)
		q.address.family = 0;
	if (session_is_secured(s)) {
		stream_tls_facts(s->stream, &facts);
		q.tls_protocol = text(facts.protocol);
		q.tls_cipher = text(facts.cipher);
		q.tls_bits = (uint32_t)facts.bits;
	}
	if (s->transaction != NULL)
		fill_in_transaction(s->transaction, stage, &q);
	return q;
}

bool gate_ask_policy(struct session *s, struct question *question, enum gate_stage stage,
    struct slice recipient, struct verdict *verdict)
{
	struct policy_question q = gate_question_for(s, stage, recipient);

	if (s->house->policy(question, &q)) {
		s->gate.is_known_to_policy = true;
		return true;
	}
	*verdict = gate_policy_verdict(NULL);
	return false;
}

struct verdict gate_policy_verdict(const struct policy_answer *answer)
{
	if (answer != NULL)
		return answer->verdict;
	if (settings->policy.failure == POLICY_FAILURE_ACCEPT)
		return (struct verdict){.answer = VERDICT_NONE};
	return verdict_of(VERDICT_DEFER, 451, "4.3.0", NULL, "policy");
}

/* --- what becomes of a verdict ------------------------------------------------------ */

bool gate_keep(struct session *s, const struct verdict *verdict, struct slice fields)
{
	struct transaction *transaction = s->transaction;
	bool is_held = verdict->answer == VERDICT_HOLD || s->gate.for_all == VERDICT_HOLD;
	bool is_discarded = verdict->answer == VERDICT_DISCARD || s->gate.for_all == VERDICT_DISCARD;

	if (transaction == NULL) {
		if (is_held || is_discarded)
			s->gate.for_all = is_discarded ? VERDICT_DISCARD : VERDICT_HOLD;
		return true;
	}
	transaction->is_discarded = transaction->is_discarded || is_discarded;
	/* What has no room any more is no reason to refuse the message. */
	if (fields.len > 0 && transaction->fields.len + fields.len <= TRANSACTION_FIELDS_MAX)
		buf_append_slice(&transaction->fields, fields);
	return !is_held ||
	       transaction_hold(transaction, slice_string(verdict->text[0] != '\0' ? verdict->text : verdict->by));
}

/* Who has decided, for the administrator who tries what would happen: a line of its own, in front of the reply. */
static void explain(struct session *s, const struct verdict *verdict)
{
	if (s->peer.is_trial && verdict->answer != VERDICT_NONE && verdict->by[0] != '\0')
		buf_printf(&s->held, "# %s\r\n", verdict->by);
}

void gate_log(struct session *s, enum gate_stage stage, const struct verdict *verdict, struct slice recipient)
{
	static const char *const events[VERDICT_ANSWER_COUNT] = {
	    [VERDICT_HOLD] = "session-held",
	    [VERDICT_DISCARD] = "session-discarded",
	    [VERDICT_DEFER] = "session-deferred",
	    [VERDICT_REFUSE] = "session-refused",
	    [VERDICT_DISCONNECT] = "session-ended",
	};

	explain(s, verdict);
	if (events[verdict->answer] == NULL)
		return;
	log_info(events[verdict->answer], log_string("stage", gate_stage_name(stage)),
	    log_string("by", verdict->by),
	    log_slice("from", s->transaction == NULL ? SLICE("") : transaction_sender(s->transaction)),
	    log_slice("to", recipient), log_string("client", s->client.text),
	    log_string("helo", s->helo == NULL ? "" : s->helo),
	    log_string("reason", verdict->text));
}

void gate_refuse(struct session *s, const struct verdict *against)
{
	reply(s, verdict_code(against), verdict_status(against), "%s", verdict_text(against));
	if (against->answer == VERDICT_DISCONNECT)
		session_close(s);
}

/* --- one question ---------------------------------------------------------------------- */

static void conclude(struct session *s, const struct verdict *verdict, struct slice fields)
{
	const struct verdict failed = verdict_of(VERDICT_DEFER, 451, "4.3.0", NULL, "gate");
	gate_done *done = s->gate.done;

	s->gate.done = NULL;
	gate_log(s, (enum gate_stage)s->gate.stage, verdict, SLICE(""));
	if (verdict_is_against(verdict))
		done(s, verdict);
	else if (gate_keep(s, verdict, fields))
		done(s, NULL);
	else
		done(s, &failed);
}

/* What `done` has begun may be another question already. */
static void go_on(struct session *s)
{
	if (!s->is_blocked)
		session_unblock(s);
}

/* Most clients are not listed, and cost no memory for it. */
static void take_score(struct session *s, const struct policy_answer *answer)
{
	free(s->gate.listed);
	s->gate.score = answer->score;
	s->gate.listed = answer->listed.len > 0 ? slice_dup(answer->listed) : NULL;
}

static void policy_answered(void *asker, const struct policy_answer *answer)
{
	struct session *s = asker;
	struct verdict verdict = gate_policy_verdict(answer);

	if (answer != NULL && s->gate.stage == GATE_CONNECT)
		take_score(s, answer);
	s->is_blocked = false;
	conclude(s, &verdict, answer == NULL ? SLICE("") : answer->fields);
	go_on(s);
}

static void ask_policy(struct session *s)
{
	struct verdict verdict;

	s->question.asker = s;
	s->question.answered.policy = policy_answered;
	if (gate_ask_policy(s, &s->question, (enum gate_stage)s->gate.stage, SLICE(""), &verdict))
		session_block(s);
	else
		conclude(s, &verdict, SLICE(""));
}

void gate_ask(struct session *s, enum gate_stage stage, gate_done *done)
{
	const struct gate_question question = {.stage = stage, .session = s};
	struct verdict verdict;

	s->gate.done = done;
	s->gate.stage = (uint8_t)stage;
	gate_check_all(&question, &verdict);
	if (verdict.answer == VERDICT_NONE && stage == GATE_MAIL && s->name_question.is_open &&
	    (stages(s) != 0 || rules_want_name(s))) {
		/* Who the client is may decide from here on. */
		s->gate.waits_for_name = true;
		session_block(s);
	} else if (verdict.answer == VERDICT_NONE && gate_concerns_policy(s, stage)) {
		ask_policy(s);
	} else {
		conclude(s, &verdict, SLICE(""));
	}
}

void gate_named(struct session *s)
{
	const struct verdict none = {.answer = VERDICT_NONE};

	if (!s->gate.waits_for_name)
		return;
	s->gate.waits_for_name = false;
	s->is_blocked = false;
	if (gate_concerns_policy(s, (enum gate_stage)s->gate.stage))
		ask_policy(s);
	else
		conclude(s, &none, SLICE(""));
	go_on(s);
}

void gate_withdraw(struct session *s)
{
	s->gate.done = NULL;
	s->gate.waits_for_name = false;
}

void gate_forget(struct session *s)
{
	if (s->gate.is_known_to_policy)
		s->house->policy_ended(s->number);
	free(s->gate.listed);
	s->gate = (struct gate){0};
}
