/*
 * evaluate.c - which rule decides, and why.
 */
#include <stdio.h>
#include <string.h>

#include "access/private.h"

enum {
	LABELS_MAX = 128, /* of a name; the DNS has room for 127 */
	KEY_MAX = 1024
};

static bool goes_on(enum access_action action)
{
	return action == ACCESS_TARPIT || action == ACCESS_NOTE;
}

static void note(struct access_verdict *verdict, const struct access_rule *rule)
{
	if (rule->action == ACCESS_TARPIT && rule->seconds > verdict->tarpit_seconds)
		verdict->tarpit_seconds = rule->seconds;
	for (size_t i = 0; i < ACCESS_NOTES_MAX; i++) {
		if (verdict->notes[i] == NULL) {
			verdict->notes[i] = rule;
			return;
		}
	}
}

static void decide(struct access_verdict *verdict, const struct access_rule *rule)
{
	verdict->action = rule->action;
	verdict->rule = rule;
	verdict->code = rule->code;
	memcpy(verdict->status, rule->status, sizeof verdict->status);
	memcpy(verdict->text, rule->reply, sizeof verdict->text);
}

void access_evaluate(const struct access_rules *rules, const struct access_facts *facts,
    struct access_verdict *verdict)
{
	*verdict = (struct access_verdict){.action = ACCESS_NO_RULE};
	for (size_t i = 0; rules != NULL && i < rules->count; i++) {
		const struct access_rule *rule = &rules->rules[i];
		const struct access_condition *failing;
		unsigned wants;
		enum access_truth holds = access_rule_holds(rule, facts, &wants, &failing);

		if (holds == ACCESS_FALSE)
			continue;
		if (goes_on(rule->action)) {
			/* Before the last stage it may match still; then its turn comes there. */
			if (holds == ACCESS_TRUE)
				note(verdict, rule);
			else if (facts->stage == ACCESS_RCPT && (wants & ACCESS_WANTS_FAILED) == 0)
				verdict->wants |= wants;
			continue;
		}
		if (holds == ACCESS_TRUE)
			decide(verdict, rule);
		else
			verdict->rule = rule;
		verdict->wants |= wants;
		return;
	}
}

/* --- keys ------------------------------------------------------------------------------ */

typedef void (*each_key)(struct slice key, void *context);

static void give(each_key each, void *context, struct slice before, struct slice name)
{
	struct buf key = buf_with_limit(KEY_MAX);

	if (buf_append_slice(&key, before) && buf_append_slice(&key, name))
		each(buf_slice(&key), context);
	buf_free(&key);
}

/*
 * name, then *.parent, *.grandparent and so on.
 *
 * mailboxes  they stand behind "*@"
 */
static void domain_keys(struct slice name, bool mailboxes, each_key each, void *context)
{
	unsigned count = 0;
	ssize_t dot;

	give(each, context, mailboxes ? SLICE("*@") : SLICE(""), name);
	while ((dot = slice_find(name, 0, '.')) >= 0 && ++count < LABELS_MAX) {
		name = slice_from(name, (size_t)dot + 1);
		give(each, context, mailboxes ? SLICE("*@*.") : SLICE("*."), name);
	}
}

static void address_keys(struct slice address, each_key each, void *context)
{
	ssize_t at = slice_find_last(address, '@');
	struct slice domain = slice_from(address, (size_t)(at + 1));

	if (address.len == 0) {
		each(SLICE("<>"), context);
		return;
	}
	each(address, context);
	if (at < 0)
		return;
	give(each, context, SLICE("@"), domain); /* as the other tables have it */
	domain_keys(domain, true, each, context);
}

static void client_keys(const struct access_facts *facts, each_key each, void *context)
{
	static const uint8_t bits4[] = {24, 16, 8}, bits6[] = {64, 56, 48, 32};
	bool is_4 = facts->client.family == AF_INET;
	char text[HOST_ADDRESS_TEXT], key[HOST_ADDRESS_TEXT + 8];

	if (facts->client.family != 0) {
		host_address_print(&facts->client, text);
		each(slice_string(text), context);
		for (size_t i = 0; i < (is_4 ? sizeof bits4 : sizeof bits6); i++) {
			unsigned bits = is_4 ? bits4[i] : bits6[i];
			struct network network = network_of(&facts->client, bits);

			host_address_print(&network.base, text);
			snprintf(key, sizeof key, "%s/%u", text, bits);
			each(slice_string(key), context);
		}
	}
	if (facts->name_state == ACCESS_NAME_KNOWN)
		domain_keys(facts->name, false, each, context);
}

void access_keys(
    const struct access_facts *facts, enum access_subject subject, each_key each, void *context)
{
	switch (subject) {
	case ACCESS_SUBJECT_CLIENT:
		client_keys(facts, each, context);
		break;
	case ACCESS_SUBJECT_HELO:
		domain_keys(facts->helo, false, each, context);
		break;
	case ACCESS_SUBJECT_FROM:
		address_keys(facts->from, each, context);
		break;
	case ACCESS_SUBJECT_TO:
		address_keys(facts->to, each, context);
		break;
	default:
		if (facts->login.len > 0)
			address_keys(facts->login, each, context);
		break;
	}
}

/* --- in words --------------------------------------------------------------------------- */

void access_rule_origin(const struct access_rule *rule, struct buf *out)
{
	buf_printf(out, "%s:%u", rule->file, rule->line);
}

const char *access_rule_text(const struct access_rule *rule)
{
	return rule->text;
}

/* What the condition looks at, as it is. */
static void print_fact(
    struct buf *out, enum access_condition_kind kind, const struct access_facts *facts)
{
	char address[HOST_ADDRESS_TEXT] = "unknown";
	static const char *const names[] = {
	    "name not known yet", "without a name", "", "name cannot be looked up now"};

	switch (kind) {
	case CONDITION_CLIENT:
		if (facts->client.family != 0)
			host_address_print(&facts->client, address);
		buf_printf(out, "the client is %s (%s%.*s)", address, names[facts->name_state],
		    SLICE_PRINTF(facts->name));
		break;
	case CONDITION_HELO:
		buf_printf(out, "HELO is %.*s", SLICE_PRINTF(facts->helo));
		break;
	case CONDITION_FROM:
		buf_printf(out, "the sender is <%.*s>", SLICE_PRINTF(facts->from));
		break;
	case CONDITION_TO:
		buf_printf(out, "the recipient is <%.*s>", SLICE_PRINTF(facts->to));
		break;
	case CONDITION_LOGIN:
		if (facts->login.len == 0)
			buf_append_string(out, "nobody has logged in");
		else
			buf_printf(out, "the login is %.*s", SLICE_PRINTF(facts->login));
		break;
	case CONDITION_SERVICE:
		buf_printf(out, "the service is %s", service_name(facts->service));
		break;
	case CONDITION_TLS:
		buf_printf(out, "there is %s", facts->is_secured ? "TLS" : "no TLS");
		break;
	case CONDITION_SCORE:
		buf_printf(out, "the score is %lld", (long long)facts->score);
		break;
	case CONDITION_EARLY:
		buf_printf(out, "the client %s",
		    facts->is_early ? "talked early" : "waited for the greeting");
		break;
	default:
		buf_printf(out, "the client %s",
		    facts->is_pipelining ? "sent commands ahead too early"
					 : "sent nothing ahead too early");
		break;
	}
}

static void print_why(struct buf *out, const struct access_condition *condition,
    const struct access_facts *facts, unsigned wants)
{
	buf_printf(out, "%s%s: ", condition->is_negated ? "not " : "",
	    access_condition_word((enum access_condition_kind)condition->kind));
	if (wants & ACCESS_WANTS_STAGE)
		buf_append_string(out, "cannot be told at this stage");
	else if (wants & ACCESS_WANTS_TABLES)
		buf_append_string(out, "the table was not looked at");
	else if (wants & ACCESS_WANTS_FAILED)
		buf_append_string(out, "cannot be looked up now");
	else
		print_fact(out, (enum access_condition_kind)condition->kind, facts);
}

void access_explain(const struct access_rules *rules, const struct access_facts *facts,
    void (*each)(const struct access_rule *rule, bool matches, struct slice why, void *context),
    void *context)
{
	for (size_t i = 0; rules != NULL && i < rules->count; i++) {
		const struct access_rule *rule = &rules->rules[i];
		const struct access_condition *failing;
		struct buf why = buf_with_limit(2048);
		unsigned wants;
		enum access_truth holds = access_rule_holds(rule, facts, &wants, &failing);

		if (failing != NULL)
			print_why(&why, failing, facts, wants);
		each(rule, holds == ACCESS_TRUE, buf_slice(&why), context);
		buf_free(&why);
		if (holds != ACCESS_FALSE && !goes_on(rule->action))
			return;
	}
}
