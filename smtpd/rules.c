/*
 * rules.c - the access rules of petrel.conf in a session.
 *
 * What they say is said at RCPT, where the log has all there is to know and where
 * every client understands it; with smtp.refuse-at set to earliest, as soon as it
 * is certain.  Who is to be disconnected is so at once.
 */
#include "smtpd/rules.h"

#include "common/conf.h"
#include "common/log.h"
#include "smtpd/delay.h"
#include "smtpd/session.h"

static struct access_rules *rules;

void rules_configure(void)
{
	char error[CONF_ERROR_MAX];
	struct access_rules *new = access_rules_new(&settings->access, error);

	if (new == NULL) {
		log_error("access-rules-unusable", log_string("reason", error));
		return;
	}
	access_rules_free(rules);
	rules = new;
}

const struct access_rules *rules_in_force(void)
{
	return rules;
}

static bool has_rules(const struct session *s)
{
	return !s->is_local && !access_rules_are_empty(rules);
}

/* --- the facts ------------------------------------------------------------------- */

/* "example.net." is "example.net", and no way around a rule. */
static struct slice without_last_dot(struct slice name)
{
	return slice_ends_with(name, SLICE(".")) ? slice_part(name, 0, name.len - 1) : name;
}

struct access_facts rules_facts(const struct gate_question *question)
{
	static const enum access_stage stages[GATE_STAGE_COUNT] = {
	    ACCESS_CONNECT, ACCESS_HELO, ACCESS_MAIL, ACCESS_RCPT, ACCESS_RCPT, ACCESS_RCPT};
	const struct session *s = question->session;
	struct access_facts facts = {
	    .stage = stages[question->stage],
	    .service = s->service,
	    .client = client_address(&s->client),
	    .name_state =
		s->client_name != NULL ? ACCESS_NAME_KNOWN : (enum access_name)s->name_state,
	    .name = slice_string(s->client_name),
	    .is_early = s->client.talked_early,
	    .is_pipelining = s->is_pipelining,
	    .score = s->gate.score,
	    .is_secured = session_is_secured(s),
	    .login = slice_string(s->login),
	    .helo = without_last_dot(slice_string(s->helo)),
	    .hostname = slice_string(settings->hostname),
	    .to = question->recipient,
	    .tables_are_known = question->lists_are_known,
	    .listed = question->lists.listed,
	    .unlisted = question->lists.unlisted,
	};

	if (s->transaction != NULL)
		facts.from = transaction_sender(s->transaction);
	return facts;
}

bool rules_want_name(const struct session *s)
{
	return has_rules(s) && access_rules_look_at_names(rules);
}

bool rules_want_lists(const struct gate_question *question)
{
	struct access_verdict verdict;
	struct access_facts facts;

	if (!has_rules(question->session) || question->lists_are_known)
		return false;
	facts = rules_facts(question);
	access_evaluate(rules, &facts, &verdict);
	return (verdict.wants & ACCESS_WANTS_TABLES) != 0;
}

/* --- the verdict ------------------------------------------------------------------ */

static void print_origin(const struct access_rule *rule, char by[VERDICT_BY_MAX])
{
	struct buf origin = buf_with_limit(VERDICT_BY_MAX - 1);

	access_rule_origin(rule, &origin);
	slice_copy(buf_slice(&origin), by, VERDICT_BY_MAX);
	buf_free(&origin);
}

static void log_notes(const struct gate_question *question, const struct access_verdict *found)
{
	char by[VERDICT_BY_MAX];

	for (size_t i = 0; i < ACCESS_NOTES_MAX && found->notes[i] != NULL; i++) {
		const struct session *s = question->session;

		print_origin(found->notes[i], by);
		log_info("access-note", log_string("by", by), log_string("client", s->client.text),
		    log_string("helo", s->helo == NULL ? "" : s->helo),
		    log_slice("from", transaction_sender(s->transaction)),
		    log_slice("to", question->recipient));
	}
}

/* Is it said at this stage? */
static bool is_due(enum gate_stage stage, enum access_action action)
{
	if (stage == GATE_RCPT || action == ACCESS_DISCONNECT)
		return true;
	return settings->smtp.refuse_at == REFUSE_AT_EARLIEST &&
	       (action == ACCESS_REFUSE || action == ACCESS_DEFER);
}

static void say(const struct access_verdict *found, struct verdict *verdict)
{
	static const enum verdict_answer answers[ACCESS_ACTION_COUNT] = {
	    [ACCESS_NO_RULE] = VERDICT_NONE,
	    [ACCESS_ACCEPT] = VERDICT_ACCEPT,
	    [ACCESS_REFUSE] = VERDICT_REFUSE,
	    [ACCESS_DEFER] = VERDICT_DEFER,
	    [ACCESS_DISCONNECT] = VERDICT_DISCONNECT,
	    [ACCESS_HOLD] = VERDICT_HOLD,
	    [ACCESS_DISCARD] = VERDICT_DISCARD,
	};
	char by[VERDICT_BY_MAX] = "";

	if (found->rule != NULL)
		print_origin(found->rule, by);
	*verdict = verdict_of(answers[found->action], found->code, found->status, found->text, by);
}

/* Nobody can say which rule it is: not now, then. */
static void put_off(const struct access_verdict *found, struct verdict *verdict)
{
	char by[VERDICT_BY_MAX] = "";

	if (found->rule != NULL)
		print_origin(found->rule, by);
	*verdict = verdict_of(VERDICT_DEFER, 451, "4.4.3",
	    "What is to be known for this cannot be looked up now; please try again later", by);
}

void rules_check(const struct gate_question *question, struct verdict *verdict)
{
	struct session *s = question->session;
	struct access_verdict found;
	struct access_facts facts;

	if (!has_rules(s) || question->stage > GATE_RCPT)
		return;
	facts = rules_facts(question);
	access_evaluate(rules, &facts, &found);
	if (found.tarpit_seconds > 0)
		delay_all_replies(s, found.tarpit_seconds);
	if (question->stage == GATE_RCPT)
		log_notes(question, &found);
	if (found.wants != 0 && question->stage == GATE_RCPT)
		put_off(&found, verdict);
	else if (found.wants == 0 && is_due(question->stage, found.action))
		say(&found, verdict);
}
