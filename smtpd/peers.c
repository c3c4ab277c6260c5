/*
 * peers.c - a session's questions, asked over channels.
 */
#include "smtpd/peers.h"

#include <unistd.h>

#include "common/channel_resolver.h"
#include "common/signing.h"
#include "common/witness.h"
#include "smtpd/session.h"
#include "smtpd/spool.h"

/* --- asking ------------------------------------------------------------------------ */

/* Begin a question; NULL where nobody is there to be asked. */
static struct writer *ask(
    struct question *question, enum role role, uint16_t type, channel_answer answer)
{
	struct channel *channel = process_peer(role);

	if (channel == NULL)
		return NULL;
	question->channel = channel;
	return channel_call(channel, type, answer, question, &question->request);
}

static bool asked(struct question *question)
{
	question->is_open = channel_end(question->channel);
	return question->is_open;
}

static void withdraw(struct question *question)
{
	if (question->channel == NULL) {
		spool_withdraw(question);
		return;
	}
	channel_forget(question->channel, question->request);
	question->is_open = false;
}

/* --- lookup -------------------------------------------------------------------------- */

static bool verdict_came(struct message *m, void *context)
{
	struct question *question = context;
	struct lookup_verdict verdict;
	bool good = true;

	question->is_open = false;
	if (m != NULL) {
		struct reader r = message_reader(m);

		good = m->type == LOOKUP_VERDICT && lookup_verdict_read(&r, &verdict) &&
		       reader_finished(&r);
	}
	question->answered.verdict(question->asker, m != NULL && good ? &verdict : NULL);
	return good;
}

static bool ask_recipient(
    struct question *question, struct slice address, bool may_relay, struct slice login)
{
	struct writer *w = ask(question, ROLE_LOOKUP, LOOKUP_RECIPIENT, verdict_came);

	if (w == NULL)
		return false;
	write_slice(w, address);
	write_bool(w, may_relay);
	write_slice(w, login);
	return asked(question);
}

static bool ask_sender(
    struct question *question, struct slice login, struct slice address, bool begins_message)
{
	struct writer *w = ask(question, ROLE_LOOKUP, LOOKUP_SENDER, verdict_came);

	if (w == NULL)
		return false;
	write_slice(w, login);
	write_slice(w, address);
	write_bool(w, begins_message);
	return asked(question);
}

static bool lists_came(struct message *m, void *context)
{
	struct question *question = context;
	struct lookup_lists lists;
	bool good = true;

	question->is_open = false;
	if (m != NULL) {
		struct reader r = message_reader(m);

		lists.listed = read_u32(&r);
		lists.unlisted = read_u32(&r);
		good = m->type == LOOKUP_LISTS && reader_finished(&r);
	}
	question->answered.lists(question->asker, m != NULL && good ? &lists : NULL);
	return good;
}

/* Keys are counted before they are written: their number stands in front. */
static void count_key(struct slice key, void *context)
{
	(void)key;
	++*(uint32_t *)context;
}

static void write_key(struct slice key, void *context)
{
	write_slice(context, key);
}

static bool ask_lists(struct question *question, const struct access_rules *rules,
    const struct access_facts *facts)
{
	struct writer *w = ask(question, ROLE_LOOKUP, LOOKUP_LISTED, lists_came);
	const struct access_table *tables;
	size_t count = access_rules_tables(rules, &tables);

	if (w == NULL)
		return false;
	write_u32(w, (uint32_t)count);
	for (size_t i = 0; i < count; i++) {
		enum access_subject subject = (enum access_subject)tables[i].subject;
		uint32_t keys = 0;

		write_string(w, tables[i].name);
		access_keys(facts, subject, count_key, &keys);
		write_u32(w, keys);
		access_keys(facts, subject, write_key, w);
	}
	return asked(question);
}

/* --- auth -------------------------------------------------------------------------------- */

static bool login_came(struct message *m, void *context)
{
	struct question *question = context;
	struct auth_result result;
	bool good = true;

	question->is_open = false;
	if (m != NULL) {
		struct reader r = message_reader(m);

		good =
		    m->type == AUTH_RESULT && auth_result_read(&r, &result) && reader_finished(&r);
	}
	question->answered.login(question->asker, m != NULL && good ? &result : NULL);
	return good;
}

static bool ask_login(struct question *question, const struct auth_question *asked_about)
{
	struct writer *w = ask(question, ROLE_AUTH, (uint16_t)asked_about->type, login_came);

	if (w == NULL)
		return false;
	auth_question_write(w, asked_about);
	return asked(question);
}

static void cancel(uint64_t session)
{
	const struct auth_question over = {.type = AUTH_CANCEL, .connection = session};
	struct channel *channel = process_peer(ROLE_AUTH);

	if (channel == NULL)
		return;
	auth_question_write(channel_begin(channel, AUTH_CANCEL, 0), &over);
	channel_end(channel);
}

/* --- resolver -------------------------------------------------------------------------------- */

static bool name_came(struct message *m, void *context)
{
	struct question *question = context;
	char name[RESOLVER_NAME_MAX + 1] = "";
	bool good = true, is_certain = false;

	question->is_open = false;
	if (m != NULL) {
		struct reader r = message_reader(m);
		unsigned status = read_u8(&r);

		read_string(&r, name, sizeof name);
		good = m->type == RESOLVER_NAMED && reader_finished(&r) &&
		       status < RESOLVER_STATUS_COUNT;
		is_certain = good && status != RESOLVER_TEMPORARY;
		if (!good || status != RESOLVER_OK)
			name[0] = '\0';
	}
	question->answered.name(question->asker, slice_string(name), is_certain);
	return good;
}

static bool ask_name(struct question *question, const struct client *client)
{
	struct resolver_address address = {.family = client->family};
	struct writer *w = ask(question, ROLE_RESOLVER, RESOLVER_NAME, name_came);

	if (w == NULL)
		return false;
	memcpy(address.octets, client->octets, sizeof address.octets);
	resolver_address_write(w, &address);
	return asked(question);
}

/* --- policy ------------------------------------------------------------------------------------- */

static bool policy_came(struct message *m, void *context)
{
	struct question *question = context;
	struct policy_answer answer;
	bool good = true;

	question->is_open = false;
	if (m != NULL) {
		struct reader r = message_reader(m);

		good = m->type == POLICY_ANSWER && policy_answer_read(&r, &answer);
	}
	question->answered.policy(question->asker, m != NULL && good ? &answer : NULL);
	return good;
}

static bool ask_policy(struct question *question, const struct policy_question *asked_about)
{
	struct writer *w = ask(question, ROLE_POLICY, POLICY_ASK, policy_came);

	if (w == NULL)
		return false;
	policy_question_write(w, asked_about);
	return asked(question);
}

static void policy_ended(uint64_t session)
{
	struct channel *channel = process_peer(ROLE_POLICY);

	if (channel == NULL)
		return;
	write_u64(channel_begin(channel, POLICY_ENDED, 0), session);
	channel_end(channel);
}

/* --- milters ------------------------------------------------------------------------------------ */

static bool filtered(struct message *m, void *context)
{
	struct question *question = context;
	struct filter_answer answer = {0};
	bool good = true;

	question->is_open = false;
	if (m != NULL) {
		struct reader r = message_reader(m);

		good = m->type == FILTER_ANSWER && filter_answer_read(&r, &answer);
	}
	question->answered.filtered(question->asker, m != NULL && good ? &answer : NULL);
	if (m != NULL && good)
		filter_answer_free(&answer);
	return good;
}

static bool ask_filter(struct question *question, const struct filter_question *asked_about,
    int content, int target)
{
	struct writer *w = ask(question, ROLE_POLICY, FILTER_MESSAGE, filtered);

	if (w == NULL) {
		close(content);
		close(target);
		return false;
	}
	filter_question_write(w, asked_about);
	channel_attach(question->channel, content);
	channel_attach(question->channel, target);
	return asked(question);
}

/* Milters may take their time; policy sees to it that they do not take more. */
static void policy_opened(struct channel *channel)
{
	if (settings->milters.count > 0)
		channel_set_call_timeout(channel, FILTER_SECONDS);
}

void peers_reload(void)
{
	struct channel *channel = process_peer(ROLE_POLICY);

	if (channel != NULL)
		policy_opened(channel);
}

/* --- the state of the house --------------------------------------------------------------------- */

static bool queue_is_open(void)
{
	return process_peer(ROLE_QMGR) != NULL;
}

static bool is_behind(enum role role)
{
	const struct channel *channel = process_peer(role);

	return channel != NULL && channel_is_congested(channel);
}

static bool is_congested(void)
{
	return is_behind(ROLE_QMGR) || is_behind(ROLE_LOOKUP) || is_behind(ROLE_POLICY);
}

void peers_furnish(struct house *house)
{
	house->recipient = ask_recipient;
	house->sender = ask_sender;
	house->lists = ask_lists;
	house->login = ask_login;
	house->cancel = cancel;
	house->name = ask_name;
	house->policy = ask_policy;
	house->policy_ended = policy_ended;
	house->file = spool_file;
	house->read = spool_read;
	house->filter = ask_filter;
	house->replace = spool_replace;
	house->commit = spool_commit;
	house->abort = spool_abort;
	house->withdraw = withdraw;
	house->has_room = spool_has_room;
	house->queue_is_open = queue_is_open;
	house->is_congested = is_congested;
}

/* None of these peers says anything unasked. */
static bool unasked(struct channel *channel, struct message *m, void *context)
{
	(void)channel, (void)m, (void)context;
	return false;
}

static void qmgr_opened(struct channel *channel)
{
	(void)channel;
	spool_opened();
}

static void qmgr_closed(struct channel *channel, void *context)
{
	(void)channel, (void)context;
	spool_closed();
	sessions_resume();
}

static void drained(struct channel *channel, void *context)
{
	(void)channel, (void)context;
	sessions_resume();
}

static void lookup_closed(struct channel *channel, void *context)
{
	drained(channel, context);
}

/* ... but auth. */
static bool auth_said(struct channel *channel, struct message *m, void *context)
{
	(void)channel, (void)context;
	return witness_take_beacon(m);
}

static void policy_closed(struct channel *channel, void *context)
{
	drained(channel, context);
}

const struct process_peer smtpd_peers[] = {
    {.role = ROLE_QMGR,
     .opened = qmgr_opened,
     .message = unasked,
     .closed = qmgr_closed,
     .drained = drained},
    {.role = ROLE_LOOKUP,       .message = unasked, .closed = lookup_closed, .drained = drained},
    {.role = ROLE_POLICY,
     .opened = policy_opened,
     .message = unasked,
     .closed = policy_closed,
     .drained = drained},
    {.role = ROLE_AUTH,       .message = auth_said},
    {.role = ROLE_RESOLVER,      .message = unasked},
    {.role = ROLE_KEYS, .message = signing_message},
    {.role = ROLE_NONE		       },
};
