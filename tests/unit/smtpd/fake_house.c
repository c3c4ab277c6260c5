/*
 * fake_house.c - a session without the rest of the suite.
 */
#include "tests/unit/smtpd/fake_house.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "smtpd/limits.h"
#include "smtpd/rules.h"

struct fake_house fake;

/* --- questions ------------------------------------------------------------------- */

enum kind { KIND_VERDICT, KIND_LISTS, KIND_POLICY, KIND_LOGIN, KIND_NAME, KIND_FILE, KIND_COMMIT };

struct asked {
	struct question *question; /* NULL: answered or withdrawn */
	enum kind kind;
	struct lookup_verdict verdict;
	struct auth_result result;
	struct policy_answer answer;
};

static struct asked questions[FAKE_QUESTIONS_MAX];
static size_t question_count;

static struct asked *put(struct question *question, enum kind kind)
{
	struct asked *asked;

	if (question_count == FAKE_QUESTIONS_MAX)
		abort();
	asked = &questions[question_count++];
	*asked = (struct asked){.question = question, .kind = kind};
	question->is_open = true;
	return asked;
}

static void say_verdict(struct lookup_verdict *verdict, enum lookup_answer answer, uint16_t code,
    const char *status, const char *text)
{
	*verdict = (struct lookup_verdict){.answer = (uint8_t)answer, .code = code};
	snprintf(verdict->status, sizeof verdict->status, "%s", status);
	snprintf(verdict->text, sizeof verdict->text, "%s", text);
}

static bool ask_recipient(
    struct question *question, struct slice address, bool may_relay, struct slice login)
{
	struct lookup_verdict *verdict;

	if (fake.lookup_is_away)
		return false;
	verdict = &put(question, KIND_VERDICT)->verdict;
	fake.recipients_asked++;
	fake.recipients_counted += login.len > 0;
	fake.recipients_open++;
	if (slice_starts_with(address, SLICE("nobody@")))
		say_verdict(verdict, LOOKUP_REFUSED, 550, "5.1.1", "No such user here");
	else if (slice_starts_with(address, SLICE("later@")))
		say_verdict(verdict, LOOKUP_TEMPORARY, 451, "4.3.0", "Cannot tell now");
	else if (slice_starts_with(address, SLICE("evil@")))
		say_verdict(verdict, LOOKUP_REFUSED, 250, "2.0.0", "line\r\n250 forged");
	else if (slice_ends_with(address, SLICE("@hamburger.edu")) ||
		 slice_ends_with(address, SLICE("@first.example")) ||
		 slice_find(address, 0, '@') < 0 || may_relay)
		say_verdict(verdict, LOOKUP_ACCEPTED, 250, "2.1.5", "Ok");
	else
		say_verdict(verdict, LOOKUP_REFUSED, 554, "5.7.1", "Relay access denied");
	return true;
}

static bool ask_lists(struct question *question, const struct access_rules *rules,
    const struct access_facts *facts)
{
	(void)rules, (void)facts;
	if (fake.lookup_is_away)
		return false;
	fake.lists_asked++;
	put(question, KIND_LISTS);
	return true;
}

static bool ask_sender(
    struct question *question, struct slice login, struct slice address, bool begins_message)
{
	struct lookup_verdict *verdict;

	if (fake.lookup_is_away)
		return false;
	verdict = &put(question, KIND_VERDICT)->verdict;
	fake.senders_asked++;
	fake.messages_counted += begins_message;
	fake.recipients_open++;
	if (fake.allowance_is_used_up && begins_message)
		say_verdict(verdict, LOOKUP_TEMPORARY, 450, "4.7.1", "You may send 1 messages");
	else if (address.len == 0 || slice_equal(login, address))
		say_verdict(verdict, LOOKUP_ACCEPTED, 250, "2.1.0", "Ok");
	else
		say_verdict(
		    verdict, LOOKUP_REFUSED, 553, "5.7.1", "Sender address not owned by user");
	return true;
}

/* A conversation of "first", "final" and nothing; all else is refused. */
static void converse(const struct auth_question *question, struct auth_result *result)
{
	bool begins = question->type == AUTH_SCRAM;

	fake.conversations_open = 1;
	if (begins && slice_equal(question->message, SLICE("first"))) {
		result->verdict = AUTH_CONTINUE;
		result->challenge = SLICE("server-first");
	} else if (!begins && slice_equal(question->message, SLICE("final"))) {
		result->verdict = AUTH_CONTINUE;
		result->challenge = SLICE("server-final");
	} else if (!begins && question->message.len == 0) {
		result->verdict = AUTH_OK;
		snprintf(result->account, sizeof result->account, "alice@hamburger.edu");
		fake.conversations_open = 0;
	} else {
		result->verdict =
		    question->message.len == 0 ? AUTH_MALFORMED : AUTH_REFUSED;
		fake.conversations_open = 0;
	}
}

static void cancel(uint64_t session)
{
	(void)session;
	fake.conversations_open = 0;
}

static bool ask_login(struct question *question, const struct auth_question *password)
{
	struct auth_result *result;

	if (fake.auth_is_away)
		return false;
	result = &put(question, KIND_LOGIN)->result;
	if (password->type != AUTH_PASSWORD) {
		converse(password, result);
	} else if (slice_equal(password->name, SLICE("alice")) &&
	    slice_equal(password->password, SLICE("secret"))) {
		result->verdict = AUTH_OK;
		snprintf(result->account, sizeof result->account, "alice@hamburger.edu");
	} else if (slice_equal(password->name, SLICE("limited"))) {
		result->verdict = AUTH_LIMITED;
	} else {
		result->verdict = AUTH_REFUSED;
	}
	return true;
}

static bool ask_name(struct question *question, const struct client *client)
{
	(void)client;
	fake.names_asked++;
	put(question, KIND_NAME);
	return true;
}

/* What the fake policy says of a text that was named by the client. */
static void judge(struct slice text, struct policy_answer *answer)
{
	static const struct {
		struct slice prefix;
		enum verdict_answer answer;
	} answers[] = {
	    {SLICE("grey"),       VERDICT_DEFER     },
	    {SLICE("black"),      VERDICT_REFUSE    },
	    {SLICE("hold"),       VERDICT_HOLD      },
	    {SLICE("discard"),    VERDICT_DISCARD   },
	    {SLICE("disconnect"), VERDICT_DISCONNECT},
	};

	for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++)
		if (slice_starts_with(text, answers[i].prefix))
			answer->verdict = verdict_of(answers[i].answer, 0, NULL, NULL, "fake");
	if (slice_starts_with(text, SLICE("field")))
		answer->fields = SLICE("X-Fake: yes\r\n");
}

static bool ask_policy(struct question *question, const struct policy_question *asked)
{
	struct policy_answer *answer;

	if (fake.policy_is_away)
		return false;
	answer = &put(question, KIND_POLICY)->answer;
	fake.policy_asked[asked->stage]++;
	fake.policy_size = asked->size;
	switch (asked->stage) {
	case GATE_CONNECT:
		answer->score = fake.score;
		answer->listed = SLICE("Client is listed by dnsbl.test: spam");
		answer->verdict = fake.connect_verdict;
		break;
	case GATE_HELO:
		judge(asked->helo, answer);
		break;
	case GATE_RCPT:
		judge(asked->recipient, answer);
		break;
	default:
		/* "data-black@", "message-hold@": the sender says at which stage, and what. */
		if (slice_starts_with(asked->sender, slice_string(gate_stage_name(asked->stage))))
			judge(slice_from(asked->sender, strlen(gate_stage_name(asked->stage)) + 1), answer);
		break;
	}
	return true;
}

static void policy_ended(uint64_t session)
{
	(void)session;
	fake.policy_ended++;
}

static void new_file(struct spool_file *file)
{
	file->id = message_id_next(fake.last_id);
	fake.last_id = file->id;
	file->generation = 0;
	file->descriptor =
	    fake.file_to_give >= 0 ? dup(fake.file_to_give) : memfd_create("content", MFD_CLOEXEC);
}

static enum house_file ask_file(struct question *question, struct spool_file *file)
{
	if (fake.queue_is_away)
		return HOUSE_FILE_NONE;
	if (fake.holds_answers || fake.has_no_file) {
		put(question, KIND_FILE);
		return HOUSE_FILE_ASKED;
	}
	new_file(file);
	return HOUSE_FILE_GIVEN;
}

static void copy(struct slice from, char *to, size_t size)
{
	if (!slice_copy(from, to, size))
		abort();
}

static bool ask_commit(struct question *question, struct spool_file *file, uint64_t size,
    const struct envelope *envelope)
{
	struct fake_commit *commit = &fake.commits[fake.commits_count % FAKE_COMMITS_MAX];
	ssize_t n = pread(file->descriptor, commit->content, sizeof commit->content - 1, 0);
	size_t at = 0;

	close(file->descriptor);
	if (fake.queue_is_away)
		return false;
	commit->content[n < 0 ? 0 : n] = '\0';
	commit->size = size;
	commit->body = envelope->body;
	commit->ret = envelope->ret;
	commit->smtputf8 = envelope->smtputf8;
	commit->tls = envelope->tls;
	commit->priority = envelope->priority;
	commit->release_us = envelope->release_us;
	copy(envelope->hold, commit->hold, sizeof commit->hold);
	copy(envelope->envid, commit->envid, sizeof commit->envid);
	copy(envelope->sender, commit->sender, sizeof commit->sender);
	copy(envelope->prepend, commit->prepend, sizeof commit->prepend);
	copy(envelope->login, commit->login, sizeof commit->login);
	copy(envelope->client, commit->client, sizeof commit->client);
	commit->recipients[0] = '\0';
	for (uint32_t i = 0; i < envelope->recipient_count; i++) {
		struct slice address = envelope->recipients[i].address;

		if (i < FAKE_RECIPIENTS_SEEN) {
			commit->notify[i] = envelope->recipients[i].notify;
			copy(envelope->recipients[i].original, commit->original[i],
			    sizeof commit->original[i]);
		}
		if (at + address.len + 2 > sizeof commit->recipients)
			break;
		at += (size_t)snprintf(commit->recipients + at, sizeof commit->recipients - at,
		    "%s%.*s", i > 0 ? " " : "", SLICE_PRINTF(address));
	}
	fake.commits_count++;
	put(question, KIND_COMMIT);
	return true;
}

static void abort_file(struct spool_file *file, bool is_untouched)
{
	(void)is_untouched;
	fake.aborted++;
	close(file->descriptor);
	*file = no_spool_file;
}

static void withdraw(struct question *question)
{
	for (size_t i = 0; i < question_count; i++) {
		if (questions[i].question == question)
			questions[i].question = NULL;
	}
	question->is_open = false;
	fake.withdrawn++;
}

static bool has_room(uint64_t size)
{
	return size < FAKE_ROOM;
}

static bool queue_is_open(void)
{
	return !fake.queue_is_away;
}

static bool is_congested(void)
{
	return fake.is_congested;
}

static struct tls_server *tls(void)
{
	return fake.tls;
}

static void ended(const struct client *client)
{
	limits_disconnect(client);
	fake.session_is_open = false;
}

static const struct house house = {
    .recipient = ask_recipient,
    .sender = ask_sender,
    .lists = ask_lists,
    .login = ask_login,
    .cancel = cancel,
    .name = ask_name,
    .policy = ask_policy,
    .policy_ended = policy_ended,
    .file = ask_file,
    .commit = ask_commit,
    .abort = abort_file,
    .withdraw = withdraw,
    .has_room = has_room,
    .queue_is_open = queue_is_open,
    .is_congested = is_congested,
    .tls = tls,
    .ended = ended,
};

static void answer(struct asked *asked)
{
	struct question *question = asked->question;
	struct spool_file file;

	asked->question = NULL;
	if (question == NULL)
		return;
	question->is_open = false;
	switch (asked->kind) {
	case KIND_VERDICT:
		fake.recipients_open--;
		question->answered.verdict(
		    question->asker, fake.loses_answers ? NULL : &asked->verdict);
		break;
	case KIND_POLICY:
		question->answered.policy(
		    question->asker, fake.loses_answers ? NULL : &asked->answer);
		break;
	case KIND_LISTS:
		question->answered.lists(question->asker, fake.loses_answers ? NULL : &fake.lists);
		break;
	case KIND_LOGIN:
		question->answered.login(
		    question->asker, fake.loses_answers ? NULL : &asked->result);
		break;
	case KIND_NAME:
		question->answered.name(question->asker, slice_string(fake.name), !fake.name_fails);
		break;
	case KIND_FILE:
		if (!fake.loses_answers && !fake.has_no_file)
			new_file(&file);
		question->answered.file(question->asker,
		    fake.loses_answers || fake.has_no_file ? NULL : &file, fake.has_no_file);
		break;
	case KIND_COMMIT:
		question->answered.committed(
		    question->asker, fake.loses_answers ? QUEUE_FAILED : fake.verdict);
		break;
	}
}

void fake_answer(unsigned count, bool backwards)
{
	size_t asked = question_count;

	for (size_t i = 0; i < asked && count > 0; i++) {
		struct asked *next = &questions[backwards ? asked - 1 - i : i];

		if (next->question == NULL)
			continue;
		answer(next);
		count--;
	}
	fake_run();
}

static bool answer_all(void)
{
	bool any = false;

	for (size_t i = 0; i < question_count; i++) {
		any = any || questions[i].question != NULL;
		answer(&questions[i]);
	}
	question_count = 0;
	return any;
}

/* --- the two sides ------------------------------------------------------------------ */

void fake_open(void)
{
	char error[CONF_ERROR_MAX];

	fake =
	    (struct fake_house){.client = -1, .file_to_give = -1, .name = "client.example", .said = buf_with_limit(1 << 24)};
	question_count = 0;
	log_set_level(LEVEL_ERROR);
	fake.base = event_base_new();
	fake.conf = conf_new();
	settings = &fake.conf->values;
	if (!conf_read_text(fake.conf, SLICE("hostname hamburger.edu\nsmtp.tarpit-delay 0\n"), "test", error))
		abort();
	rules_configure();
}

void fake_set(const char *lines)
{
	char error[CONF_ERROR_MAX];

	if (!conf_read_text(fake.conf, slice_string(lines), "test", error))
		abort();
	rules_configure();
}

static void begin(enum service service, const struct client *client)
{
	struct client counted = *client;
	int sockets[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sockets) != 0)
		abort();
	fake.client = sockets[0];
	fake.session_is_open = true;
	if (limits_connect(&counted) != NULL)
		abort();
	if (!session_begin(fake.base, sockets[1], service, &counted, &house))
		abort();
	fake_run();
}

void fake_connect(enum service service, const char *address)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct client client;

	inet_pton(AF_INET, address, &in.sin_addr);
	client_from_address(&client, (struct sockaddr *)&in);
	client.may_relay = client_is_in(&client, &settings->smtp.relay_networks);
	begin(service, &client);
}

void fake_connect_user(uint32_t uid, const char *user)
{
	struct client client;

	client_from_user(&client, uid, user);
	begin(SERVICE_SUBMISSION, &client);
}

/* What the server has sent; false at the end of it. */
static bool hear(void)
{
	char piece[16384];
	ssize_t n;

	while ((n = recv(fake.client, piece, sizeof piece, 0)) > 0)
		buf_append(&fake.said, piece, (size_t)n);
	return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

void fake_run(void)
{
	enum { TURNS_WITHOUT_WORK = 4 };
	int idle = 0;

	while (idle < TURNS_WITHOUT_WORK) {
		size_t before = fake.said.len;
		bool worked;

		event_base_loop(fake.base, EVLOOP_NONBLOCK);
		worked = !fake.holds_answers && answer_all();
		if (fake.client >= 0)
			hear();
		idle = worked || fake.said.len != before ? 0 : idle + 1;
	}
}

const char *fake_heard(void)
{
	static char text[1 << 20];

	if (!slice_copy(buf_slice(&fake.said), text, sizeof text))
		abort();
	buf_clear(&fake.said);
	return text;
}

const char *fake_send(const void *octets, size_t len)
{
	const char *at = octets;

	while (len > 0) {
		ssize_t n = send(fake.client, at, len, MSG_NOSIGNAL);

		if (n > 0) {
			at += n;
			len -= (size_t)n;
		} else if (errno != EAGAIN && errno != EWOULDBLOCK) {
			break;
		}
		fake_run();
	}
	fake_run();
	return fake_heard();
}

const char *fake_say(const char *text)
{
	return fake_send(text, strlen(text));
}

void fake_end_input(void)
{
	shutdown(fake.client, SHUT_WR);
	fake_run();
}

bool fake_is_closed(void)
{
	fake_run();
	return !hear();
}

void fake_close(void)
{
	if (fake.client >= 0)
		close(fake.client);
	fake.client = -1;
	fake.holds_answers = false;
	fake_run();
	buf_free(&fake.said);
	event_base_free(fake.base);
	conf_free(fake.conf);
	settings = NULL;
}
