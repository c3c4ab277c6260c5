/* What access/rules.h promises. */
#include "access/rules.h"

#include <criterion/criterion.h>
#include <stdio.h>

static struct conf *conf;
static struct access_rules *rules;
static char error[CONF_ERROR_MAX];

static void open_conf(void)
{
	conf = conf_new();
}

static void close_conf(void)
{
	access_rules_free(rules);
	rules = NULL;
	conf_free(conf);
}

TestSuite(access, .init = open_conf, .fini = close_conf);

static bool read_rules(const char *lines)
{
	char text[4096];

	conf_free(conf);
	conf = conf_new();
	access_rules_free(rules);
	rules = NULL;
	snprintf(text, sizeof text, "access {\n%s\n}\n", lines);
	if (conf_read_text(conf, slice_string(text), "/etc/petrel/petrel.conf", error))
		rules = access_rules_new(&conf->values.access, error);
	return rules != NULL;
}

static void expect_error(const char *lines, const char *expected)
{
	cr_assert_not(read_rules(lines), "accepted: %s", lines);
	cr_assert_str_eq(error, expected);
}

/* A client that has said everything and of whom nothing is known. */
static struct access_facts stranger(void)
{
	struct access_facts facts = {
	    .stage = ACCESS_RCPT,
	    .service = SERVICE_MX,
	    .name_state = ACCESS_NAME_NONE,
	    .helo = SLICE("client.example"),
	    .hostname = SLICE("mail.example.org"),
	    .from = SLICE("alice@elsewhere.example"),
	    .to = SLICE("bob@example.org"),
	    .tables_are_known = true,
	    .unlisted = UINT32_MAX,
	};

	host_address_parse(SLICE("192.0.2.1"), &facts.client);
	return facts;
}

static struct access_facts named(const char *name)
{
	struct access_facts facts = stranger();

	facts.name_state = ACCESS_NAME_KNOWN;
	facts.name = slice_string(name);
	return facts;
}

static struct access_facts from(const char *address)
{
	struct access_facts facts = stranger();

	facts.from = slice_string(address);
	return facts;
}

static struct access_facts helo(const char *name)
{
	struct access_facts facts = stranger();

	facts.helo = slice_string(name);
	return facts;
}

static struct access_verdict verdict_on(struct access_facts facts)
{
	struct access_verdict verdict;

	access_evaluate(rules, &facts, &verdict);
	return verdict;
}

static enum access_action action_on(struct access_facts facts)
{
	struct access_verdict verdict = verdict_on(facts);

	cr_assert_eq(verdict.wants, 0);
	return verdict.action;
}

static bool is_refused(struct access_facts facts)
{
	return action_on(facts) == ACCESS_REFUSE;
}

Test(access, without_rules_nobody_is_judged)
{
	cr_assert(read_rules(""));
	cr_assert(access_rules_are_empty(rules));
	cr_assert_eq(action_on(stranger()), ACCESS_NO_RULE);
}

Test(access, the_first_rule_that_matches_decides)
{
	struct buf origin = buf_with_limit(100);
	struct access_verdict verdict;

	cr_assert(read_rules("accept client 198.51.100.0/24\n"
			     "defer  client 192.0.2.0/24 from *@other.example\n"
			     "refuse client 192.0.2.0/24   # with a comment\n"
			     "accept"));
	verdict = verdict_on(stranger());
	cr_assert_eq(verdict.action, ACCESS_REFUSE);
	access_rule_origin(verdict.rule, &origin);
	cr_assert(slice_equal(buf_slice(&origin), SLICE("petrel.conf:4")));
	cr_assert_str_eq(access_rule_text(verdict.rule), "refuse client 192.0.2.0/24");
	cr_assert_eq(action_on(from("x@other.example")), ACCESS_DEFER);
	buf_free(&origin);
}

Test(access, all_conditions_of_a_rule_have_to_hold_and_any_word_of_a_condition)
{
	cr_assert(read_rules("refuse client 10.0.0.0/8 192.0.2.1 helo a.example client.example"));
	cr_assert(is_refused(stranger()));
	cr_assert_not(is_refused(helo("b.example")));
}

Test(access, not_turns_a_condition_round)
{
	cr_assert(read_rules("refuse to bob@example.org not client 10.0.0.0/8"));
	cr_assert(is_refused(stranger()));
	cr_assert(read_rules("refuse to bob@example.org not client 192.0.2.0/24"));
	cr_assert_not(is_refused(stranger()));
	cr_assert(read_rules("refuse not tls not login"));
	cr_assert(is_refused(stranger()));
}

Test(access, a_domain_with_a_star_is_its_subdomains)
{
	cr_assert(read_rules("refuse from *@*.bad.example *@worse.example"));
	cr_assert(is_refused(from("a@b.bad.example")));
	cr_assert(is_refused(from("a@b.c.BAD.example")));
	cr_assert_not(is_refused(from("a@bad.example")));
	cr_assert_not(is_refused(from("a@notbad.example")));
	cr_assert(is_refused(from("a@worse.example")));
	cr_assert_not(is_refused(from("a@x.worse.example")));
	cr_assert(read_rules("refuse from @bad.example"));
	cr_assert(is_refused(from("a@bad.example")));
	cr_assert_not(is_refused(from("a@b.bad.example")));
}

/* As smtpd has them: the domain is an A-label already. */
Test(access, an_address_that_is_not_ascii_is_matched_however_it_is_spelled)
{
	cr_assert(read_rules("refuse from *@b\303\274cher.example "
			     "*@*.\320\277\320\276\321\207\321\202\320\260.\321\200\321\204 "
			     "j\303\266rg@example.net J\303\226RG.*@example.net"));
	cr_assert(is_refused(from("a@xn--bcher-kva.example")));
	cr_assert(is_refused(from("\303\204@xn--bcher-kva.example")));
	cr_assert(is_refused(from("a@mail.xn--80a1acny.xn--p1ai")));
	cr_assert(is_refused(from("J\303\226RG@example.net")));
	cr_assert(is_refused(from("jo\314\210rg@example.net")));
	cr_assert(is_refused(from("j\303\266rg.m\303\274ller@example.net")));
	cr_assert_not(is_refused(from("jorg@example.net")));
	cr_assert_not(is_refused(from("a@xn--80a1acny.xn--p1ai")));
	cr_assert_not(read_rules("refuse from *@b\303\274*.example"));
}

Test(access, the_null_sender_is_written_as_in_the_protocol)
{
	cr_assert(read_rules("refuse from <>"));
	cr_assert(is_refused(from("")));
	cr_assert_not(is_refused(from("a@b.example")));
	cr_assert(read_rules("refuse from *@*"));
	cr_assert_not(is_refused(from("")));
}

Test(access, a_client_is_known_by_address_network_and_name)
{
	cr_assert(read_rules("refuse client *.dyn.example mail.example 2001:db8::/32"));
	cr_assert_not(is_refused(stranger()));
	cr_assert(is_refused(named("a.b.dyn.example")));
	cr_assert(is_refused(named("MAIL.example")));
	cr_assert_not(is_refused(named("dyn.example")));
	cr_assert(read_rules("defer client unknown"));
	cr_assert_eq(action_on(stranger()), ACCESS_DEFER);
	cr_assert_eq(action_on(named("a.example")), ACCESS_NO_RULE);
}

Test(access, a_helo_may_be_a_literal_a_bare_name_or_ours)
{
	cr_assert(read_rules("refuse helo literal"));
	cr_assert(is_refused(helo("[192.0.2.1]")));
	cr_assert(is_refused(helo("192.0.2.1")));
	cr_assert_not(is_refused(helo("pc")));
	cr_assert(read_rules("refuse helo bare"));
	cr_assert(is_refused(helo("pc")));
	cr_assert_not(is_refused(helo("pc.example")));
	cr_assert(read_rules("refuse helo mine"));
	cr_assert(is_refused(helo("MAIL.example.org")));
	cr_assert_not(is_refused(helo("mail.example.net")));
	/* In quotes a word is what it says. */
	cr_assert(read_rules("refuse helo \"mine\""));
	cr_assert(is_refused(helo("mine")));
	cr_assert_not(is_refused(helo("mail.example.org")));
}

Test(access, a_score_is_at_least_what_the_rule_says)
{
	struct access_facts facts = stranger();

	cr_assert(read_rules("refuse score 3\naccept not score -1"));
	facts.score = 3;
	cr_assert(is_refused(facts));
	facts.score = 2;
	cr_assert_eq(action_on(facts), ACCESS_NO_RULE);
	facts.score = -2;
	cr_assert_eq(action_on(facts), ACCESS_ACCEPT);
	expect_error("refuse score much", "petrel.conf:2: access: score: \"much\" is not a number");
}

Test(access, what_the_client_is_told_can_be_said)
{
	struct access_verdict verdict;

	cr_assert(read_rules("refuse helo client.example"));
	verdict = verdict_on(stranger());
	cr_assert_eq(verdict.code, 550);
	cr_assert_str_eq(verdict.status, "5.7.1");
	cr_assert(read_rules("refuse helo client.example say \"You are not me\""));
	verdict = verdict_on(stranger());
	cr_assert_eq(verdict.code, 550);
	cr_assert_str_eq(verdict.text, "You are not me");
	cr_assert(read_rules("refuse say \"554 5.1.8 No\""));
	verdict = verdict_on(stranger());
	cr_assert_eq(verdict.code, 554);
	cr_assert_str_eq(verdict.status, "5.1.8");
	cr_assert_str_eq(verdict.text, "No");
	cr_assert(read_rules("defer say \"451 Later\""));
	verdict = verdict_on(stranger());
	cr_assert_eq(verdict.code, 451);
	cr_assert_str_eq(verdict.status, "4.7.1");
	cr_assert_str_eq(verdict.text, "Later");
}

Test(access, tarpit_and_note_go_on_to_the_next_rule)
{
	struct access_verdict verdict;

	cr_assert(read_rules("tarpit 3s client 192.0.2.0/24\nnote helo *.example\n"
			     "tarpit 5s\nrefuse to bob@example.org\naccept"));
	verdict = verdict_on(stranger());
	cr_assert_eq(verdict.action, ACCESS_REFUSE);
	cr_assert_eq(verdict.tarpit_seconds, 5);
	cr_assert_str_eq(access_rule_text(verdict.notes[1]), "note helo *.example");
	cr_assert_null(verdict.notes[3]);
}

/* --- stages ------------------------------------------------------------------------- */

static struct access_verdict verdict_at(enum access_stage stage, struct access_facts facts)
{
	facts.stage = stage;
	return verdict_on(facts);
}

Test(access, a_rule_is_found_as_early_as_it_is_certain)
{
	cr_assert(read_rules("refuse client 192.0.2.0/24"));
	cr_assert_eq(verdict_at(ACCESS_CONNECT, stranger()).action, ACCESS_REFUSE);
	cr_assert(read_rules("refuse client 192.0.2.0/24 helo client.example"));
	cr_assert_eq(verdict_at(ACCESS_CONNECT, stranger()).wants, ACCESS_WANTS_STAGE);
	cr_assert_eq(verdict_at(ACCESS_HELO, stranger()).action, ACCESS_REFUSE);
}

Test(access, a_rule_that_may_match_later_keeps_those_below_it_from_deciding)
{
	struct access_verdict verdict;

	cr_assert(read_rules("accept to postmaster@example.org\nrefuse client 192.0.2.0/24"));
	for (enum access_stage stage = ACCESS_CONNECT; stage < ACCESS_RCPT; stage++) {
		verdict = verdict_at(stage, stranger());
		cr_assert_eq(verdict.wants, ACCESS_WANTS_STAGE);
		cr_assert_str_eq(
		    access_rule_text(verdict.rule), "accept to postmaster@example.org");
	}
	cr_assert_eq(verdict_at(ACCESS_RCPT, stranger()).action, ACCESS_REFUSE);
	/* One that cannot match any more keeps nobody. */
	cr_assert(read_rules(
	    "accept client 10.0.0.1 to postmaster@example.org\nrefuse client 192.0.2.0/24"));
	cr_assert_eq(verdict_at(ACCESS_CONNECT, stranger()).action, ACCESS_REFUSE);
}

Test(access, tls_and_login_may_come_until_mail)
{
	struct access_facts facts = stranger();

	cr_assert(read_rules("refuse not tls"));
	cr_assert_eq(verdict_at(ACCESS_HELO, facts).wants, ACCESS_WANTS_STAGE);
	cr_assert_eq(verdict_at(ACCESS_MAIL, facts).action, ACCESS_REFUSE);
	cr_assert(read_rules("accept login *@example.org\nrefuse"));
	cr_assert_eq(verdict_at(ACCESS_HELO, facts).wants, ACCESS_WANTS_STAGE);
	facts.login = SLICE("bob@example.org");
	cr_assert_eq(verdict_at(ACCESS_HELO, facts).action, ACCESS_ACCEPT);
}

Test(access, a_name_that_is_pending_is_waited_for_and_one_that_fails_settles_nothing)
{
	struct access_facts facts = stranger();

	cr_assert(read_rules("refuse client unknown"));
	facts.name_state = ACCESS_NAME_PENDING;
	cr_assert_eq(verdict_on(facts).wants, ACCESS_WANTS_NAME);
	facts.name_state = ACCESS_NAME_FAILED;
	cr_assert_eq(verdict_on(facts).wants, ACCESS_WANTS_FAILED);
	cr_assert(read_rules("accept client 192.0.2.1 *.example\nrefuse client unknown"));
	cr_assert_eq(verdict_on(facts).action, ACCESS_ACCEPT);
}

/* --- tables -------------------------------------------------------------------------- */

Test(access, tables_are_looked_at_before_they_decide)
{
	const struct access_table *tables;
	struct access_facts facts = stranger();

	cr_assert(
	    read_rules("accept client 10.0.0.1\nrefuse from <bad> helo <bad>\ndefer from <bad>"));
	cr_assert_eq(access_rules_tables(rules, &tables), 2);
	cr_assert_str_eq(tables[0].name, "bad");
	cr_assert_eq(tables[0].subject, ACCESS_SUBJECT_FROM);
	cr_assert_eq(tables[1].subject, ACCESS_SUBJECT_HELO);
	facts.tables_are_known = false;
	cr_assert_eq(verdict_on(facts).wants, ACCESS_WANTS_TABLES);
	facts.tables_are_known = true;
	facts.listed = 1;
	facts.unlisted = 2;
	cr_assert_eq(verdict_on(facts).action, ACCESS_DEFER);
	facts.listed = 3;
	cr_assert_eq(verdict_on(facts).action, ACCESS_REFUSE);
	facts.listed = facts.unlisted = 0;
	cr_assert_eq(verdict_on(facts).wants, ACCESS_WANTS_FAILED);
}

static void collect(struct slice key, void *context)
{
	buf_printf(context, "%.*s|", SLICE_PRINTF(key));
}

static void expect_keys(
    enum access_subject subject, struct access_facts facts, const char *expected)
{
	struct buf keys = buf_with_limit(8192);

	access_keys(&facts, subject, collect, &keys);
	cr_assert(slice_equal(buf_slice(&keys), slice_string(expected)), "%.*s",
	    SLICE_PRINTF(buf_slice(&keys)));
	buf_free(&keys);
}

Test(access, a_table_holds_what_a_rule_could_say)
{
	expect_keys(ACCESS_SUBJECT_FROM, stranger(),
	    "alice@elsewhere.example|@elsewhere.example|*@elsewhere.example|*@*.example|");
	expect_keys(ACCESS_SUBJECT_FROM, from(""), "<>|");
	expect_keys(ACCESS_SUBJECT_HELO, helo("a.b.example"), "a.b.example|*.b.example|*.example|");
	expect_keys(ACCESS_SUBJECT_CLIENT, named("mx.example"),
	    "192.0.2.1|192.0.2.0/24|192.0.0.0/16|192.0.0.0/8|mx.example|*.example|");
	expect_keys(ACCESS_SUBJECT_LOGIN, stranger(), "");
}

/* --- mistakes ------------------------------------------------------------------------- */

Test(access, an_error_names_file_line_and_word)
{
	expect_error("accept\nrefus client 10.0.0.1",
	    "petrel.conf:3: access: \"refus\" is no action; write accept, refuse, defer, "
	    "disconnect, hold, "
	    "discard, tarpit or note");
	expect_error("refuse cliet 10.0.0.1", "petrel.conf:2: access: \"cliet\" is no condition; "
					      "write client, helo, from, to, login, service, "
					      "tls, early, pipelining or score");
	expect_error(
	    "refuse client 10.0.0.0/33", "petrel.conf:2: access: \"10.0.0.0/33\" is not a network; "
					 "write 192.0.2.0/24, 2001:db8::/32 or one address");
	expect_error("refuse client 10.0.0", "petrel.conf:2: access: \"10.0.0\" is not a network; "
					     "write 192.0.2.0/24, 2001:db8::/32 or one address");
	expect_error("refuse helo localhost, x",
	    "petrel.conf:2: access: no commas between words, as in \"localhost,\"");
	expect_error(
	    "refuse from example.org", "petrel.conf:2: access: from: \"example.org\" has no @; "
				       "write *@example.org for all addresses of a domain");
	expect_error("refuse from alice@", "petrel.conf:2: access: from: \"alice@\" lacks what "
					   "stands behind the @; * stands for anything");
	expect_error("refuse from", "petrel.conf:2: access: from: what is it to be?");
	expect_error("refuse service imap",
	    "petrel.conf:2: access: \"imap\" is no service; write mx, submission or submissions");
	expect_error("refuse from <../x>", "petrel.conf:2: access: \"../x\" is no name of a table");
	expect_error("accept say hello",
	    "petrel.conf:2: access: say: with \"accept\" the client is told nothing of it");
	expect_error("refuse say \"450 later\"",
	    "petrel.conf:2: access: say: 450 is no code for refuse; it begins with 5");
	expect_error("refuse say \"550 4.7.1 no\"",
	    "petrel.conf:2: access: say: \"4.7.1\" does not go with 550");
	expect_error("refuse say no not",
	    "petrel.conf:2: access: \"not\" behind the text; one with blanks is put in quotes");
	expect_error("refuse tls yes", "petrel.conf:2: access: tls: nothing can stand behind it "
				       "but another condition, not \"yes\"");
	expect_error(
	    "tarpit client 10.0.0.1", "petrel.conf:2: access: tarpit: how long is each reply to be "
				      "held back? write tarpit 5s; the longest is 120s");
	expect_error("refuse not", "petrel.conf:2: access: not: what?");
}

/* --- in words --------------------------------------------------------------------------- */

static void collect_why(
    const struct access_rule *rule, bool matches, struct slice why, void *context)
{
	buf_printf(context, "%s%s: %.*s\n", matches ? "+" : "-", access_rule_text(rule),
	    SLICE_PRINTF(why));
}

Test(access, each_rule_says_why_it_does_not_match)
{
	struct buf out = buf_with_limit(4096);
	struct access_facts facts = stranger();

	cr_assert(read_rules(
	    "accept client 10.0.0.0/8\nnote helo client.example\nrefuse not to *@example.org\n"
	    "defer client 192.0.2.1\naccept"));
	access_explain(rules, &facts, collect_why, &out);
	cr_assert(
	    slice_equal(buf_slice(&out),
		SLICE(
		    "-accept client 10.0.0.0/8: client: the client is 192.0.2.1 (without a name)\n"
		    "+note helo client.example: \n"
		    "-refuse not to *@example.org: not to: the recipient is <bob@example.org>\n"
		    "+defer client 192.0.2.1: \n")),
	    "%.*s", SLICE_PRINTF(buf_slice(&out)));
	buf_free(&out);
}

Test(access, many_stars_cost_little)
{
	char text[2000] = "refuse from ";
	char address[300];

	for (int i = 0; i < 120; i++)
		strcat(text, "*a");
	strcat(text, "b@x");
	memset(address, 'a', sizeof address);
	memcpy(address + sizeof address - 3, "@x", 3);
	cr_assert(read_rules(text));
	cr_assert_not(is_refused(from(address)));
}
