/* What policy promises to those who ask: the real process, sandbox included. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/channel_admin.h"
#include "common/channel_policy.h"
#include "common/channel_resolver.h"
#include "tests/unit/daemon/daemon.h"

static struct daemon d;
static struct channel *smtpd, *resolver, *command;
static char directory[64];
static bool resolver_is_silent;
static unsigned resolver_asked;

/* --- the resolver: 192.0.2.66 is listed by bl.test ------------------------------------- */

static bool on_question(struct channel *channel, struct message *m, void *context)
{
	struct resolver_records records = {.status = RESOLVER_NO_NAME};
	struct reader r = message_reader(m);
	char name[RESOLVER_NAME_MAX + 1];

	(void)context;
	read_string(&r, name, sizeof name);
	resolver_asked++;
	if (resolver_is_silent)
		return true;
	if (strcmp(name, "66.2.0.192.bl.test") == 0)
		records = (struct resolver_records){.status = RESOLVER_OK,
		    .ttl = 60,
		    .count = 1,
		    .records = {m->type == RESOLVER_A ? SLICE("\177\0\0\2") : SLICE("spam")}};
	resolver_records_write(channel_begin(channel, RESOLVER_RECORDS, m->request), &records);
	return channel_end(channel);
}

static const struct channel_handlers resolver_handlers = {on_question, NULL, NULL};

/* --- set-up -------------------------------------------------------------------------------- */

static void start_with(const char *settings_text)
{
	char conf[512];

	snprintf(directory, sizeof directory, "/tmp/petrel-policy-XXXXXX");
	cr_assert_not_null(mkdtemp(directory));
	snprintf(conf, sizeof conf, "hostname mail.example.org\ndirectory.policy %s\n%s", directory, settings_text);
	daemon_start(&d, "policy/policy", ROLE_POLICY, conf);
	resolver = daemon_peer_with(&d, ROLE_RESOLVER, 0, &resolver_handlers, NULL);
	smtpd = daemon_peer(&d, ROLE_SMTPD, 0, NULL);
	daemon_run_for(&d, 50);
}

static void finish(void)
{
	char line[128];

	channel_free(command);
	channel_free(smtpd);
	channel_free(resolver);
	cr_assert_eq(daemon_stop(&d), 0);
	snprintf(line, sizeof line, "rm -rf %s", directory);
	cr_assert_eq(system(line), 0);
}

TestSuite(policy_daemon, .fini = finish, .timeout = 30);

static struct policy_answer ask(const struct policy_question *question, struct reply *reply)
{
	struct policy_answer answer;
	struct reader r;

	*reply = (struct reply){.came = false};
	policy_question_write(channel_call(smtpd, POLICY_ASK, daemon_reply, reply, NULL), question);
	cr_assert(channel_end(smtpd));
	daemon_run_until(&d, &reply->came);
	cr_assert(reply->came && !reply->lost);
	r = reader_over(slice_of(reply->body, reply->len));
	cr_assert(policy_answer_read(&r, &answer));
	return answer;
}

static struct policy_question question_of(const char *address)
{
	struct policy_question q = {.stage = GATE_CONNECT, .service = SERVICE_MX};

	cr_assert(host_address_parse(slice_string(address), &q.address));
	return q;
}

/* --- an administrator's command -------------------------------------------------------------- */

static struct admin_facts facts;
static char listed[256];
static bool has_facts, is_done;

static bool on_told(struct channel *channel, struct message *m, void *context)
{
	struct reader r = message_reader(m);

	(void)channel, (void)context;
	if (m->type == ADMIN_POLICY_FACTS) {
		cr_assert(admin_facts_read(&r, &facts));
		slice_copy(facts.listed, listed, sizeof listed);
		has_facts = true;
	}
	is_done = is_done || m->type == ADMIN_DONE;
	return true;
}

static const struct channel_handlers command_handlers = {on_told, NULL, NULL};

static void connect_command(void)
{
	const struct control_client who = {.request = CONTROL_REQUEST_POLICY};
	int sockets[2];

	cr_assert_eq(channel_pair(sockets), 0);
	control_client_write(channel_begin(d.control, CONTROL_CLIENT, 0), &who);
	channel_attach(d.control, sockets[1]);
	channel_end(d.control);
	command = channel_new(d.base, sockets[0], &command_handlers, NULL);
}

static void look(const char *address, const char *sender, const char *recipient)
{
	struct admin_look wanted = {.sender = slice_string(sender), .recipient = slice_string(recipient)};

	snprintf(wanted.address, sizeof wanted.address, "%s", address);
	has_facts = is_done = false;
	admin_look_write(channel_begin(command, ADMIN_POLICY_LOOK, 0), &wanted);
	channel_end(command);
	daemon_run_until(&d, &is_done);
	cr_assert(is_done);
}

/* --- tests -------------------------------------------------------------------------------------- */

Test(policy_daemon, without_settings_it_has_nothing_to_say)
{
	struct policy_question q = question_of("192.0.2.66");
	struct reply reply;

	start_with("");
	for (unsigned stage = 0; stage < GATE_STAGE_COUNT; stage++) {
		q.stage = (uint8_t)stage;
		cr_assert_eq(ask(&q, &reply).verdict.answer, VERDICT_NONE);
	}
	cr_assert_eq(resolver_asked, 0);
}

Test(policy_daemon, the_score_of_a_client_and_the_words_of_the_list_are_told)
{
	struct policy_question q = question_of("192.0.2.66");
	struct policy_answer answer;
	struct reply reply;

	start_with("dnslists.lists { bl.test*3 other.test }\n");
	answer = ask(&q, &reply);
	cr_assert_eq(answer.verdict.answer, VERDICT_NONE);
	cr_assert_eq(answer.score, 3);
	cr_assert(slice_equal(answer.listed, SLICE("Client [192.0.2.66] is listed by bl.test: spam")));
	q = question_of("192.0.2.1");
	answer = ask(&q, &reply);
	cr_assert_eq(answer.score, 0);
	cr_assert_eq(answer.listed.len, 0);
}

Test(policy_daemon, a_resolver_that_is_silent_or_dies_costs_a_bounded_wait)
{
	struct policy_question q = question_of("192.0.2.66");
	struct reply reply;

	start_with("dnslists { lists bl.test\n timeout 1s }\n");
	resolver_is_silent = true;
	cr_assert_eq(ask(&q, &reply).score, 0);
	channel_free(resolver);
	resolver = NULL;
	q = question_of("192.0.2.67");
	cr_assert_eq(ask(&q, &reply).score, 0);
}

Test(policy_daemon, looking_changes_nothing)
{
	struct policy_question q = question_of("192.0.2.1");
	struct reply reply;

	start_with("dnslists.lists bl.test*3\ngreylist.clients strangers\n");
	connect_command();
	look("192.0.2.66", "", "");
	cr_assert(has_facts);
	cr_assert_eq(facts.score, 3);
	cr_assert_eq(facts.grey, ADMIN_GREY_OFF);
	cr_assert_str_eq(listed, "Client [192.0.2.66] is listed by bl.test: spam");
	for (int i = 0; i < 2; i++) {
		look("192.0.2.1", "a@example.net", "bob@example.org");
		cr_assert_eq(facts.score, 0);
		cr_assert_eq(facts.grey, ADMIN_GREY_NEW, "still");
		cr_assert_eq(facts.wait_s, 300);
	}
	q.stage = GATE_RCPT;
	q.sender = SLICE("a@example.net");
	q.recipient = SLICE("bob@example.org");
	cr_assert_eq(ask(&q, &reply).verdict.answer, VERDICT_DEFER);
	look("192.0.2.1", "a@example.net", "bob@example.org");
	cr_assert_eq(facts.grey, ADMIN_GREY_EARLY);
	look("nonsense", "", "");
	cr_assert_not(has_facts);
}

Test(policy_daemon, the_null_sender_is_greylisted_however_many_recipients_it_names)
{
	struct policy_question q = question_of("192.0.2.1");
	struct reply reply;

	start_with("greylist.clients strangers\n");
	q.stage = GATE_RCPT;
	q.recipient = SLICE("bob@example.org");
	cr_assert_eq(ask(&q, &reply).verdict.answer, VERDICT_NONE);
	/* Only one recipient is told of by name. */
	q.stage = GATE_DATA;
	q.recipient = SLICE("");
	q.recipient_count = 2;
	cr_assert_eq(ask(&q, &reply).verdict.answer, VERDICT_DEFER);
}

Test(policy_daemon, a_command_that_leaves_while_it_looks_leaves_nothing_behind)
{
	struct policy_question q = question_of("192.0.2.66");
	struct admin_look wanted = {.address = "192.0.2.66"};
	struct reply reply;

	start_with("dnslists { lists bl.test\n timeout 1s }\n");
	resolver_is_silent = true;
	connect_command();
	admin_look_write(channel_begin(command, ADMIN_POLICY_LOOK, 0), &wanted);
	channel_end(command);
	daemon_run_for(&d, 100);
	channel_free(command);
	command = NULL;
	cr_assert_eq(ask(&q, &reply).score, 0);
	resolver_is_silent = false;
	q = question_of("192.0.2.1");
	cr_assert_eq(ask(&q, &reply).score, 0);
}

Test(policy_daemon, a_malformed_question_ends_the_channel_and_not_the_process)
{
	struct policy_question q = question_of("192.0.2.1");
	struct reply reply = {.came = false};

	start_with("");
	write_u8(channel_call(smtpd, POLICY_ASK, daemon_reply, &reply, NULL), GATE_STAGE_COUNT);
	channel_end(smtpd);
	daemon_run_until(&d, &reply.came);
	cr_assert(reply.lost);
	smtpd = daemon_peer(&d, ROLE_SMTPD, 0, NULL);
	cr_assert_eq(ask(&q, &reply).verdict.answer, VERDICT_NONE);
	cr_assert_not(d.is_gone);
}
