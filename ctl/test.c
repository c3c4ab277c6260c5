/*
 * test.c - petrel test session: what would become of a client's mail, and why.
 *
 * The rules, tables and look-ups are asked by the functions that smtpd and lookup
 * ask them with, of the files that they read: that says why.  Where a suite is
 * running, an smtpd is asked as well, by a session in which it takes us for that
 * client (trial.h): that says what is so now, greylist, DNS lists and limits
 * included.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <getopt.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "access/rules.h"
#include "common/channel_policy.h"
#include "common/log.h"
#include "ctl/ctl.h"
#include "ctl/trial.h"
#include "lookup/directory.h"
#include "lookup/lists.h"
#include "lookup/verdict.h"
#include "message/address.h"

enum { RECIPIENTS_MAX = 100, OUTPUT_MAX = 1024 * 1024 };

/* What becomes of a recipient, or of the sender. */
struct outcome {
	enum verdict_answer answer;
	char reply[ACCESS_TEXT_MAX + 32];
	char by[VERDICT_BY_MAX];
};

struct trial {
	bool json;
	struct access_facts facts;
	char name[NI_MAXHOST];
	struct buf from, to, login;
	const char *recipients[RECIPIENTS_MAX];
	size_t recipient_count;
	bool may_relay;
	bool is_early, has_score; /* what no running suite can be told */

	struct access_rules *rules;
	struct directory directory;
	struct lists lists;
	struct buf out;
	size_t items; /* of the JSON list that is being written */
};

/* --- what was asked ---------------------------------------------------------------- */

static bool read_address(struct slice text, unsigned flags, struct buf *out)
{
	struct address address;
	size_t end = text.len;

	/* As in the protocol, or without its brackets. */
	if (text.len >= 2 && text.data[0] == '<' && text.data[end - 1] == '>')
		text = slice_part(text, 1, end - 2);
	if (text.len == 0 && (flags & ADDRESS_NOT_NULL) == 0)
		return true;
	return address_parse(text, flags | ADDRESS_LENIENT, &address) &&
	       address_write_house(&address, out);
}

/* The client's name, as resolver would find it: one that leads back to the address. */
static enum access_name find_name(const struct host_address *client, char name[NI_MAXHOST])
{
	struct sockaddr_storage address;
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found, *a;
	struct host_address back;
	bool confirmed = false;
	int error;

	if (client->family == 0)
		return ACCESS_NAME_NONE;
	if (host_address_is_loopback(client)) {
		snprintf(name, NI_MAXHOST, "localhost");
		return ACCESS_NAME_KNOWN;
	}
	host_address_to_socket(client, 0, &address);
	error = getnameinfo(
	    (struct sockaddr *)&address, sizeof address, name, NI_MAXHOST, NULL, 0, NI_NAMEREQD);
	if (error != 0)
		return error == EAI_AGAIN ? ACCESS_NAME_FAILED : ACCESS_NAME_NONE;
	error = getaddrinfo(name, NULL, &hints, &found);
	if (error != 0)
		return error == EAI_AGAIN ? ACCESS_NAME_FAILED : ACCESS_NAME_NONE;
	for (a = found; a != NULL && !confirmed; a = a->ai_next)
		confirmed = host_address_from_socket(&back, a->ai_addr) &&
			    memcmp(&back, client, sizeof back) == 0;
	freeaddrinfo(found);
	return confirmed ? ACCESS_NAME_KNOWN : ACCESS_NAME_NONE;
}

static bool read_service(const char *name, enum service *service)
{
	for (int i = SERVICE_MX; i <= SERVICE_SUBMISSIONS; i++) {
		if (strcmp(name, service_name((enum service)i)) == 0) {
			*service = (enum service)i;
			return true;
		}
	}
	return false;
}

static bool read_score(const char *text, int64_t *score)
{
	bool is_negative = text[0] == '-';
	uint64_t number;

	if (!slice_number(slice_string(text + is_negative), 1000000, &number))
		return false;
	*score = is_negative ? -(int64_t)number : (int64_t)number;
	return true;
}

static int usage(const char *what, const char *value)
{
	return ctl_fail(EX_USAGE, "test session: %s%s%s%s", what, value == NULL ? "" : " \"",
	    value == NULL ? "" : value, value == NULL ? "" : "\"");
}

static int take_option(struct trial *t, int option, const char *value)
{
	switch (option) {
	case 'c':
		if (!host_address_parse(slice_string(value), &t->facts.client))
			return usage("--client wants an address, not", value);
		break;
	case 'n':
		if (!slice_copy(slice_string(value), t->name, sizeof t->name))
			return usage("--name is too long", NULL);
		t->facts.name_state =
		    strcmp(value, "unknown") == 0 ? ACCESS_NAME_NONE : ACCESS_NAME_KNOWN;
		break;
	case 'h':
		t->facts.helo = slice_string(value);
		break;
	case 'f':
		buf_clear(&t->from);
		if (!read_address(slice_string(value), 0, &t->from))
			return usage("--from wants an address, not", value);
		break;
	case 't':
		if (t->recipient_count == RECIPIENTS_MAX)
			return usage("too many recipients", NULL);
		t->recipients[t->recipient_count++] = value;
		break;
	case 's':
		if (!read_service(value, &t->facts.service))
			return usage("--service is mx, submission or submissions, not", value);
		break;
	case 'l':
		if (!read_address(slice_string(value), ADDRESS_NOT_NULL, &t->login))
			return usage("--login wants an account, not", value);
		break;
	case 'T':
		t->facts.is_secured = true;
		break;
	case 'e':
		t->facts.is_early = t->is_early = true;
		break;
	case 'S':
		if (!read_score(value, &t->facts.score))
			return usage("--score wants a number, not", value);
		t->has_score = true;
		break;
	default:
		return EX_USAGE;
	}
	return EX_OK;
}

static int take_options(struct trial *t, int argc, char **argv)
{
	static const struct option options[] = {
	    {"client",  required_argument, NULL, 'c'},
	    {"name",    required_argument, NULL, 'n'},
	    {"helo",    required_argument, NULL, 'h'},
	    {"from",    required_argument, NULL, 'f'},
	    {"to",      required_argument, NULL, 't'},
	    {"service", required_argument, NULL, 's'},
	    {"login",   required_argument, NULL, 'l'},
	    {"tls",     no_argument,       NULL, 'T'},
	    {"early",   no_argument,       NULL, 'e'},
	    {"score",   required_argument, NULL, 'S'},
	    {NULL,      0,                 NULL, 0  },
	};
	int option, status;

	/* What stands in front of the options is argv[0] to getopt. */
	optind = 1;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		status = take_option(t, option, optarg);
		if (status != EX_OK)
			return status;
	}
	if (optind < argc)
		return usage("what is", argv[optind]);
	if (t->facts.client.family == 0)
		return usage("--client is missing: the address of who connects", NULL);
	if (t->recipient_count == 0)
		return usage("--to is missing: a recipient", NULL);
	return EX_OK;
}

/* What was not said follows from what was. */
static void complete_facts(struct trial *t)
{
	static char helo[NI_MAXHOST];
	struct access_facts *facts = &t->facts;

	if (facts->name_state == ACCESS_NAME_PENDING)
		facts->name_state = find_name(&facts->client, t->name);
	if (facts->name_state == ACCESS_NAME_KNOWN)
		facts->name = slice_string(t->name);
	if (facts->helo.len == 0) {
		snprintf(helo, sizeof helo, "%s", facts->name.len > 0 ? t->name : "client.example");
		facts->helo = slice_string(helo);
	}
	facts->is_secured = facts->is_secured || facts->service != SERVICE_MX;
	facts->login = buf_slice(&t->login);
	facts->from = buf_slice(&t->from);
	facts->hostname = slice_string(settings->hostname);
	t->may_relay =
	    facts->login.len > 0 || networks_have(&settings->smtp.relay_networks, &facts->client);
}

/* --- what would become of it --------------------------------------------------------- */

static void set_outcome(struct outcome *outcome, enum verdict_answer answer, unsigned code,
    const char *status, const char *text, const char *by)
{
	const struct verdict verdict = verdict_of(answer, code, status, text, by);

	outcome->answer = answer;
	if (verdict_is_against(&verdict))
		snprintf(outcome->reply, sizeof outcome->reply, "%u %s %s", verdict_code(&verdict),
		    verdict_status(&verdict), verdict_text(&verdict));
	else
		snprintf(outcome->reply, sizeof outcome->reply, "250 2.1.5 Ok");
	memcpy(outcome->by, verdict.by, sizeof outcome->by);
}

/* Is any of the keys in a table? */
struct listed {
	struct lists *lists;
	const char *table;
	enum table_answer answer;
};

static void ask_key(struct slice key, void *context)
{
	struct listed *asked = context;
	enum table_answer one;

	if (asked->answer == TABLE_FOUND)
		return;
	one = lists_find(asked->lists, slice_string(asked->table), key);
	if (one != TABLE_ABSENT)
		asked->answer = one;
}

static void ask_tables(struct trial *t)
{
	const struct access_table *tables;
	size_t count = access_rules_tables(t->rules, &tables);
	struct listed asked = {.lists = &t->lists};

	t->facts.tables_are_known = true;
	t->facts.listed = t->facts.unlisted = 0;
	for (size_t i = 0; i < count; i++) {
		asked.table = tables[i].name;
		asked.answer = TABLE_ABSENT;
		access_keys(&t->facts, (enum access_subject)tables[i].subject, ask_key, &asked);
		if (asked.answer == TABLE_FOUND)
			t->facts.listed |= UINT32_C(1) << i;
		else if (asked.answer == TABLE_ABSENT)
			t->facts.unlisted |= UINT32_C(1) << i;
	}
}

/* True: the rules are against it. */
static bool by_rules(struct trial *t, struct access_verdict *found, struct outcome *outcome)
{
	static const enum verdict_answer answers[ACCESS_ACTION_COUNT] = {
	    [ACCESS_REFUSE] = VERDICT_REFUSE,
	    [ACCESS_DEFER] = VERDICT_DEFER,
	    [ACCESS_DISCONNECT] = VERDICT_DISCONNECT,
	    [ACCESS_HOLD] = VERDICT_HOLD,
	    [ACCESS_DISCARD] = VERDICT_DISCARD,
	    [ACCESS_ACCEPT] = VERDICT_ACCEPT,
	};
	struct buf origin = buf_with_limit(VERDICT_BY_MAX - 1);
	char by[VERDICT_BY_MAX] = "";

	access_evaluate(t->rules, &t->facts, found);
	if (found->rule != NULL)
		access_rule_origin(found->rule, &origin);
	slice_copy(buf_slice(&origin), by, sizeof by);
	buf_free(&origin);
	if (found->wants != 0)
		set_outcome(outcome, VERDICT_DEFER, 451, "4.4.3",
		    "What is to be known for this cannot be looked up now; please try again later",
		    by);
	else
		set_outcome(
		    outcome, answers[found->action], found->code, found->status, found->text, by);
	return outcome->answer >= VERDICT_DEFER;
}

static void by_lookup(const struct lookup_verdict *said, const char *by, struct outcome *outcome)
{
	if (said->answer == LOOKUP_ACCEPTED)
		return;
	set_outcome(outcome, said->answer == LOOKUP_REFUSED ? VERDICT_REFUSE : VERDICT_DEFER,
	    said->code, said->status, said->text, by);
}

/* What the sender is told at MAIL. */
static void judge_sender(struct trial *t, struct outcome *outcome)
{
	struct lookup_verdict said;

	set_outcome(outcome, VERDICT_NONE, 0, NULL, NULL, NULL);
	snprintf(outcome->reply, sizeof outcome->reply, "250 2.1.0 Ok");
	if (t->facts.service != SERVICE_MX && t->facts.login.len == 0) {
		set_outcome(outcome, VERDICT_REFUSE, 530, "5.7.0", "Authentication required",
		    service_name(t->facts.service));
	} else if (t->facts.login.len > 0 && t->facts.from.len > 0) {
		verdict_on_sender(&t->directory, t->facts.login, t->facts.from, &said);
		by_lookup(&said, "the table senders", outcome);
	}
}

static bool is_early_refused(const struct trial *t)
{
	return t->facts.is_early && !t->may_relay && t->facts.service == SERVICE_MX &&
	       settings->smtp.early_talkers == EARLY_TALKERS_REFUSE;
}

static bool is_score_refused(const struct trial *t)
{
	return settings->dnslists.refuse_score > 0 && !t->may_relay &&
	       t->facts.score >= settings->dnslists.refuse_score &&
	       !slice_starts_with_nocase(t->facts.to, SLICE("postmaster@"));
}

static void judge_recipient(struct trial *t, struct access_verdict *found, struct outcome *outcome)
{
	struct lookup_verdict said;

	*found = (struct access_verdict){.action = ACCESS_NO_RULE};
	t->facts.stage = ACCESS_RCPT;
	ask_tables(t);
	if (is_early_refused(t)) {
		set_outcome(outcome, VERDICT_REFUSE, 550, "5.5.1",
		    "Your host talked before it was greeted", "smtp.early-talkers");
		return;
	}
	if (by_rules(t, found, outcome))
		return;
	if (outcome->answer == VERDICT_NONE && is_score_refused(t)) {
		set_outcome(
		    outcome, VERDICT_REFUSE, 554, "5.7.1", "(what the lists say)", "dnslists");
		return;
	}
	verdict_on_recipient(&t->directory, t->facts.to, t->may_relay, &said);
	by_lookup(&said, "lookup", outcome);
}

/* The stage at which the same rule is certain to decide. */
static const char *certain_from(struct trial *t, const struct access_verdict *found)
{
	static const char *const names[] = {"connect", "helo", "mail", "rcpt"};
	struct access_facts facts = t->facts;
	struct access_verdict early;

	facts.tables_are_known = false; /* they are asked at RCPT alone */
	for (int stage = ACCESS_CONNECT; stage < ACCESS_RCPT; stage++) {
		facts.stage = (enum access_stage)stage;
		if (stage < ACCESS_MAIL && facts.name_state != ACCESS_NAME_PENDING &&
		    !host_address_is_loopback(&facts.client))
			facts.name_state = ACCESS_NAME_PENDING;
		access_evaluate(t->rules, &facts, &early);
		if (early.wants == 0 && early.rule == found->rule)
			return names[stage];
		facts.name_state = t->facts.name_state;
	}
	return names[ACCESS_RCPT];
}

/* --- saying so ------------------------------------------------------------------------- */

static const char *answer_word(enum verdict_answer answer)
{
	switch (answer) {
	case VERDICT_HOLD:
		return "held";
	case VERDICT_DISCARD:
		return "discarded";
	case VERDICT_DEFER:
		return "deferred";
	case VERDICT_REFUSE:
		return "refused";
	case VERDICT_DISCONNECT:
		return "disconnected";
	default:
		return "accepted";
	}
}

static void print_rule(
    const struct access_rule *rule, bool matches, struct slice why, void *context)
{
	struct trial *t = context;

	if (t->json) {
		struct buf origin = buf_with_limit(256);

		access_rule_origin(rule, &origin);
		buf_append_string(
		    &t->out, t->items++ == 0 ? "\n      {\"rule\": " : ",\n      {\"rule\": ");
		json_string(&t->out, buf_slice(&origin));
		buf_append_string(&t->out, ", \"text\": ");
		json_string(&t->out, slice_string(access_rule_text(rule)));
		buf_printf(&t->out, ", \"matches\": %s, \"why\": ", matches ? "true" : "false");
		json_string(&t->out, why);
		buf_append_octet(&t->out, '}');
		buf_free(&origin);
		return;
	}
	buf_append_string(&t->out, "          ");
	access_rule_origin(rule, &t->out);
	buf_printf(&t->out, ": %s\n            %s%s%.*s\n", access_rule_text(rule),
	    matches ? "matches" : "no: ", matches && why.len > 0 ? ": " : "", SLICE_PRINTF(why));
}

/* Who would be asked besides, and is not here. */
static void print_others(struct trial *t, const struct access_verdict *found)
{
	unsigned stages = policy_stages(settings, t->facts.service, false, t->may_relay);

	if (found->action == ACCESS_ACCEPT || stages == 0)
		return;
	buf_append_string(&t->out, "          policy would be asked too, and was not, at");
	for (int stage = GATE_CONNECT; stage < GATE_STAGE_COUNT; stage++)
		if (stages >> stage & 1)
			buf_printf(&t->out, " %s", gate_stage_name((enum gate_stage)stage));
	buf_append_octet(&t->out, '\n');
}

static void print_recipient(
    struct trial *t, const struct access_verdict *found, const struct outcome *outcome)
{
	struct buf *out = &t->out;

	if (t->json) {
		buf_append_string(out, ",\n     \"decided_by\": ");
		json_string(out, slice_string(outcome->by));
		buf_printf(out, ", \"answer\": \"%s\", \"reply\": ", answer_word(outcome->answer));
		json_string(out, slice_string(outcome->reply));
		buf_append_octet(out, '}');
		return;
	}
	if (outcome->by[0] != '\0')
		buf_printf(out, "          decided by %s\n", outcome->by);
	if (found->rule != NULL && found->wants == 0)
		buf_printf(out, "          certain from %s on, and told at %s\n",
		    certain_from(t, found),
		    settings->smtp.refuse_at == REFUSE_AT_EARLIEST ||
			    found->action == ACCESS_DISCONNECT
			? certain_from(t, found)
			: "rcpt");
	if (found->tarpit_seconds > 0)
		buf_printf(
		    out, "          each reply is held back for %us\n", found->tarpit_seconds);
	if (outcome->answer < VERDICT_DEFER)
		print_others(t, found);
	buf_printf(out, "          %s: %s\n", answer_word(outcome->answer), outcome->reply);
}

static void print_client(struct trial *t)
{
	static const char *const names[] = {"", "unknown", "", "unknown, since the DNS fails"};
	const struct access_facts *facts = &t->facts;
	struct buf *out = &t->out;
	char address[HOST_ADDRESS_TEXT];
	bool is_exempt = networks_have(&settings->limits.exempt, &facts->client);

	host_address_print(&facts->client, address);
	if (t->json) {
		buf_printf(out, "{\"client\": \"%s\", \"name\": ", address);
		json_string(out, facts->name);
		buf_printf(out,
		    ", \"service\": \"%s\", \"may_relay\": %s, \"is_limited\": %s, \"helo\": ",
		    service_name(facts->service), t->may_relay ? "true" : "false",
		    is_exempt ? "false" : "true");
		json_string(out, facts->helo);
		buf_append_string(out, ", \"from\": ");
		json_string(out, facts->from);
		return;
	}
	buf_printf(out, "connect   %s, %s%.*s, to the service %s\n", address,
	    names[facts->name_state], SLICE_PRINTF(facts->name), service_name(facts->service));
	buf_printf(out, "          %s\n          %s\n",
	    facts->login.len > 0 ? "may send to other hosts: it has logged in"
	    : t->may_relay       ? "may send to other hosts: it is in smtp.relay-networks"
				 : "may not send to other hosts",
	    is_exempt ? "is not counted: it is in limits.exempt"
		      : "is counted (limits): what it has done so far is not known here");
	buf_printf(out, "helo      %.*s\n", SLICE_PRINTF(facts->helo));
}

static enum verdict_answer try_recipient(struct trial *t, const char *recipient)
{
	struct access_verdict found;
	struct outcome outcome;

	buf_clear(&t->to);
	if (!read_address(slice_string(recipient), ADDRESS_NOT_NULL | ADDRESS_POSTMASTER, &t->to)) {
		usage("--to wants an address, not", recipient);
		return VERDICT_ANSWER_COUNT;
	}
	t->facts.to = buf_slice(&t->to);
	judge_recipient(t, &found, &outcome);
	if (t->json) {
		buf_append_string(&t->out, "{\"to\": ");
		json_string(&t->out, t->facts.to);
		buf_append_string(&t->out, ", \"rules\": [");
	} else {
		buf_printf(&t->out, "rcpt      <%.*s>\n", SLICE_PRINTF(t->facts.to));
	}
	t->items = 0;
	access_explain(t->rules, &t->facts, print_rule, t);
	if (t->json)
		buf_append_string(&t->out, "]");
	print_recipient(t, &found, &outcome);
	return outcome.answer;
}

/* --- what the running suite says ---------------------------------------------------------- */

/* One exchange; false where the session is over, or worth nothing more. */
static bool exchange(
    struct trial *t, int connection, const char *line, bool is_told, enum verdict_answer *worst)
{
	struct trial_reply reply;
	bool answered = trial_say(connection, line, &reply);
	enum verdict_answer answer = !answered           ? VERDICT_DEFER
				     : reply.code >= 500 ? VERDICT_REFUSE
				     : reply.code >= 400 ? VERDICT_DEFER
							 : VERDICT_NONE;

	if (answer > *worst)
		*worst = answer;
	if (!is_told && answer == VERDICT_NONE)
		return true;
	if (t->json) {
		buf_append_string(
		    &t->out, t->items++ == 0 ? "\n    {\"said\": " : ",\n    {\"said\": ");
		json_string(&t->out, slice_string(line == NULL ? "" : line));
		buf_append_string(&t->out, ", \"reply\": ");
		json_string(&t->out, slice_string(reply.text));
		buf_append_string(&t->out, ", \"decided_by\": ");
		json_string(&t->out, slice_string(reply.by));
		buf_append_octet(&t->out, '}');
	} else {
		buf_printf(&t->out, "          %s\n            %s%s%s%s\n",
		    line == NULL ? "(connected)" : line, answered ? reply.text : "no answer",
		    reply.by[0] == '\0' ? "" : " (", reply.by, reply.by[0] == '\0' ? "" : ")");
	}
	return answered && reply.code != 421 && reply.code != 521;
}

/* Who the client is beyond its address. */
static void write_xclient(const struct trial *t, struct buf *line)
{
	const struct access_facts *facts = &t->facts;

	buf_append_string(line, "XCLIENT PROTO=ESMTP");
	if (facts->name_state != ACCESS_NAME_PENDING) {
		buf_append_string(line, " NAME=");
		if (facts->name.len > 0)
			xtext_encode(facts->name, line);
		else
			buf_append_string(line, facts->name_state == ACCESS_NAME_FAILED
						    ? "[TEMPUNAVAIL]"
						    : "[UNAVAILABLE]");
	}
	if (facts->login.len > 0) {
		buf_append_string(line, " LOGIN=");
		xtext_encode(facts->login, line);
	}
}

static bool say(struct trial *t, int connection, bool is_told, enum verdict_answer *worst,
    const char *format, ...) __attribute__((format(printf, 5, 6)));

static bool say(struct trial *t, int connection, bool is_told, enum verdict_answer *worst,
    const char *format, ...)
{
	struct buf line = buf_with_limit(1100);
	va_list arguments;
	bool goes_on;

	va_start(arguments, format);
	buf_vprintf(&line, format, arguments);
	va_end(arguments);
	goes_on =
	    buf_append_octet(&line, '\0') && exchange(t, connection, line.data, is_told, worst);
	buf_free(&line);
	return goes_on;
}

static bool is_ascii(struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.data[i] > 0x7f)
			return false;
	return true;
}

static bool needs_utf8(const struct trial *t)
{
	bool is_plain = is_ascii(t->facts.from);

	for (size_t i = 0; i < t->recipient_count; i++)
		is_plain = is_plain && is_ascii(slice_string(t->recipients[i]));
	return !is_plain;
}

static void converse(struct trial *t, int connection, enum verdict_answer *worst)
{
	const struct access_facts *facts = &t->facts;
	struct buf line = buf_with_limit(1024);
	bool goes_on = exchange(t, connection, NULL, false, worst);

	write_xclient(t, &line);
	goes_on = goes_on && say(t, connection, false, worst, "%.*s", (int)line.len, line.data) &&
		  say(t, connection, false, worst, "EHLO %.*s", SLICE_PRINTF(facts->helo)) &&
		  say(t, connection, true, worst, "MAIL FROM:<%.*s>%s", SLICE_PRINTF(facts->from),
		      needs_utf8(t) ? " SMTPUTF8" : "");
	buf_free(&line);
	/* Without a sender there is nobody to be asked about recipients. */
	goes_on = goes_on && *worst < VERDICT_DEFER;
	for (size_t i = 0; goes_on && i < t->recipient_count; i++) {
		buf_clear(&t->to);
		if (read_address(slice_string(t->recipients[i]),
			ADDRESS_NOT_NULL | ADDRESS_POSTMASTER, &t->to))
			goes_on = say(t, connection, true, worst, "RCPT TO:<%.*s>", (int)t->to.len,
			    t->to.data);
	}
	if (goes_on)
		(void)say(t, connection, false, worst, "QUIT");
}

/* False: none is running. */
static bool ask_running(struct trial *t, enum verdict_answer *worst)
{
	char address[HOST_ADDRESS_TEXT];
	enum verdict_answer found = VERDICT_NONE;
	int connection;

	host_address_print(&t->facts.client, address);
	connection = trial_connect(t->facts.service, address);
	if (connection == -1)
		return false;
	if (t->json)
		buf_append_string(&t->out, ",\n \"running\": [");
	else
		buf_append_string(&t->out, "now       the running suite says\n");
	t->items = 0;
	converse(t, connection, &found);
	if (t->json)
		buf_append_string(&t->out, "]");
	close(connection);
	*worst = found;
	return true;
}

static int status_of(enum verdict_answer worst)
{
	if (worst == VERDICT_ANSWER_COUNT)
		return EX_USAGE;
	if (worst == VERDICT_REFUSE || worst == VERDICT_DISCONNECT)
		return EX_UNAVAILABLE;
	return worst == VERDICT_DEFER ? EX_TEMPFAIL : EX_OK;
}

static int run(struct trial *t)
{
	enum verdict_answer worst = VERDICT_NONE;
	struct outcome sender;
	struct buf *out = &t->out;

	print_client(t);
	judge_sender(t, &sender);
	if (t->json) {
		buf_append_string(out, ",\n \"sender\": {\"decided_by\": ");
		json_string(out, slice_string(sender.by));
		buf_printf(out, ", \"answer\": \"%s\", \"reply\": ", answer_word(sender.answer));
		json_string(out, slice_string(sender.reply));
		buf_append_string(out, "},\n \"recipients\": [");
	} else {
		buf_printf(out, "mail      <%.*s>\n", SLICE_PRINTF(t->facts.from));
		if (sender.by[0] != '\0')
			buf_printf(out, "          decided by %s\n", sender.by);
		buf_printf(out, "          %s: %s\n", answer_word(sender.answer), sender.reply);
	}
	if (sender.answer >= VERDICT_DEFER)
		worst = sender.answer;
	for (size_t i = 0; i < t->recipient_count && sender.answer < VERDICT_DEFER; i++) {
		enum verdict_answer answer;

		if (t->json)
			buf_append_string(out, i == 0 ? "\n    " : ",\n    ");
		answer = try_recipient(t, t->recipients[i]);
		worst = answer > worst ? answer : worst;
	}
	if (t->json)
		buf_append_string(out, "]");
	/* What it says counts, where it says anything. */
	if (worst != VERDICT_ANSWER_COUNT && !t->is_early && !t->has_score)
		(void)ask_running(t, &worst);
	if (t->json)
		buf_append_string(out, "}\n");
	if (worst != VERDICT_ANSWER_COUNT)
		ctl_print(out);
	return status_of(worst);
}

static int open_and_run(struct trial *t)
{
	char error[CONF_ERROR_MAX];
	int tables = open(settings->directory.tables, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int status = EX_OSERR;

	if (tables == -1)
		return ctl_fail(EX_NOINPUT, "%s: %m", settings->directory.tables);
	t->rules = access_rules_new(&settings->access, error);
	if (t->rules != NULL && directory_open(&t->directory, tables) &&
	    directory_configure(&t->directory, settings) &&
	    lists_configure(&t->lists, settings, tables)) {
		directory_refresh(&t->directory, true);
		lists_refresh(&t->lists, true);
		complete_facts(t);
		status = run(t);
	}
	lists_close(&t->lists);
	directory_close(&t->directory);
	access_rules_free(t->rules);
	close(tables);
	return status;
}

static int test_session(const struct ctl *ctl, int argc, char **argv)
{
	struct trial t = {.json = ctl->json,
	    .facts.service = SERVICE_MX,
	    .from = buf_with_limit(1024),
	    .to = buf_with_limit(1024),
	    .login = buf_with_limit(1024),
	    .out = buf_with_limit(OUTPUT_MAX)};
	int status = take_options(&t, argc, argv);
	struct conf *conf = status == EX_OK ? ctl_read_configuration(ctl) : NULL;

	/* The tables' own troubles are for petrel check. */
	log_set_level(LEVEL_ERROR);
	if (conf != NULL)
		status = open_and_run(&t);
	else if (status == EX_OK)
		status = EX_CONFIG;
	buf_free(&t.from);
	buf_free(&t.to);
	buf_free(&t.login);
	buf_free(&t.out);
	conf_free(conf);
	return status;
}

int ctl_test(const struct ctl *ctl, int argc, char **argv)
{
	if (argc > 0 && strcmp(argv[0], "session") == 0)
		return test_session(ctl, argc, argv);
	return ctl_fail(EX_USAGE, "test: wants session");
}
