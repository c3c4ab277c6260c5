/* What gate.h promises: who is asked, when, and what becomes of the answer. */
#include <criterion/criterion.h>
#include <unistd.h>

#include "tests/unit/smtpd/dialogue.h"

#define RCPT_SERVICE "smtp.relay-networks none\npolicy.services inet:127.0.0.1:9"

static void open_with(const char *lines)
{
	fake_open();
	fake_set(lines);
}

static void begin(void)
{
	fake_connect(SERVICE_MX, "192.0.2.1");
	fake_heard();
	expect("HELO client.example\r\n", "250 hamburger.edu\n");
}

TestSuite(gate, .fini = fake_close, .timeout = 30);

Test(gate, a_default_configuration_asks_policy_nothing)
{
	fake_open();
	start_message();
	expect("x\r\n.\r\n", "250 2.0.0\n");
	for (unsigned stage = 0; stage < GATE_STAGE_COUNT; stage++)
		cr_assert_eq(fake.policy_asked[stage], 0, "%s", gate_stage_name(stage));
	expect("QUIT\r\n", "221\n");
	cr_assert_eq(fake.policy_ended, 0);
}

Test(gate, policy_is_asked_at_the_stages_of_the_settings_only_and_told_of_the_end)
{
	open_with("policy.services { inet:127.0.0.1:9 inet:127.0.0.1:10,stage=message }");
	begin();
	PLAY({"MAIL FROM:<a@crepes.fr> SIZE=77\r\n", "250\n"},
	    {"RCPT TO:<bob@hamburger.edu>\r\n", "250\n"});
	cr_assert_eq(fake.policy_size, 77);
	PLAY({"DATA\r\n", "354\n"}, {"Subject: x\r\n\r\nx\r\n.\r\n", "250 2.0.0\n"});
	cr_assert_eq(fake.policy_size, 17);
	cr_assert_eq(fake.policy_asked[GATE_CONNECT], 0);
	cr_assert_eq(fake.policy_asked[GATE_HELO], 0);
	cr_assert_eq(fake.policy_asked[GATE_MAIL], 0);
	cr_assert_eq(fake.policy_asked[GATE_RCPT], 1);
	cr_assert_eq(fake.policy_asked[GATE_DATA], 0);
	cr_assert_eq(fake.policy_asked[GATE_MESSAGE], 1);
	expect("QUIT\r\n", "221\n");
	fake_end_input();
	cr_assert(fake_is_closed());
	cr_assert_eq(fake.policy_ended, 1);
}

Test(gate, policy_is_not_asked_about_recipients_that_lookup_refuses)
{
	open_with(RCPT_SERVICE);
	begin();
	PLAY({"MAIL FROM:<a@crepes.fr>\r\n", "250\n"},
	    {"RCPT TO:<nobody@hamburger.edu>\r\n", "550 5.1.1\n"},
	    {"RCPT TO:<grey@hamburger.edu>\r\n", "451 4.7.1\n"},
	    {"RCPT TO:<black@hamburger.edu>\r\n", "554 5.7.1\n"},
	    {"RCPT TO:<bob@hamburger.edu>\r\n", "250 2.1.5\n"});
	cr_assert_eq(fake.policy_asked[GATE_RCPT], 3);
}

Test(gate, clients_that_may_relay_and_users_are_not_asked_about_unless_a_setting_says_so)
{
	open_with("policy.services inet:127.0.0.1:9");
	fake_connect(SERVICE_MX, "127.0.0.1");
	fake_heard();
	PLAY({"HELO x\r\n", "250\n"}, {"MAIL FROM:<a@crepes.fr>\r\n", "250\n"},
	    {"RCPT TO:<black@hamburger.edu>\r\n", "250\n"});
	fake_close();
	open_with("policy.services inet:127.0.0.1:9,for=all");
	fake_connect(SERVICE_MX, "127.0.0.1");
	fake_heard();
	PLAY({"HELO x\r\n", "250\n"}, {"MAIL FROM:<a@crepes.fr>\r\n", "250\n"},
	    {"RCPT TO:<black@hamburger.edu>\r\n", "554\n"});
}

Test(gate, pipelined_recipients_are_asked_about_at_once_and_answered_in_order_in_one_write)
{
	open_with(RCPT_SERVICE);
	begin();
	expect("MAIL FROM:<a@crepes.fr>\r\n", "250\n");
	fake.holds_answers = true;
	cr_assert_str_eq(fake_say("RCPT TO:<bob@hamburger.edu>\r\nRCPT TO:<grey@hamburger.edu>\r\n"
				  "RCPT TO:<black@hamburger.edu>\r\nRCPT TO:<eve@hamburger.edu>\r\n"), "");
	fake_answer(4, false); /* lookup's */
	cr_assert_eq(fake.policy_asked[GATE_RCPT], 4);
	fake_answer(3, true); /* policy's, the last first */
	cr_assert_str_eq(fake_heard(), "");
	fake_answer(1, false);
	expect_heard("RCPTs", fake_heard(), "250 2.1.5\n451 4.7.1\n554 5.7.1\n250 2.1.5\n");
}

Test(gate, a_lost_answer_is_a_temporary_failure_or_nothing_as_set)
{
	open_with(RCPT_SERVICE);
	begin();
	expect("MAIL FROM:<a@crepes.fr>\r\n", "250\n");
	fake.policy_is_away = true;
	expect("RCPT TO:<bob@hamburger.edu>\r\n", "451 4.3.0\n");
	fake_set("policy.failure accept");
	expect("RCPT TO:<bob@hamburger.edu>\r\n", "250 2.1.5\n");
	fake.policy_is_away = false;
	fake.holds_answers = true;
	fake_say("RCPT TO:<eve@hamburger.edu>\r\n");
	fake_answer(1, false);
	fake.loses_answers = true;
	fake_answer(1, false);
	expect_heard("RCPT", fake_heard(), "250 2.1.5\n");
	fake.loses_answers = false;
	fake_set("policy.failure defer");
	fake_say("RCPT TO:<eve@hamburger.edu>\r\n");
	fake_answer(1, false);
	fake.loses_answers = true;
	fake_answer(1, false);
	expect_heard("RCPT", fake_heard(), "451 4.3.0\n");
}

Test(gate, a_verdict_may_end_the_connection)
{
	open_with(RCPT_SERVICE);
	begin();
	expect("MAIL FROM:<a@crepes.fr>\r\n", "250\n");
	expect("RCPT TO:<disconnect@hamburger.edu>\r\nRCPT TO:<bob@hamburger.edu>\r\nDATA\r\n", "421 4.7.1\n");
	cr_assert(fake_is_closed());
}

Test(gate, a_message_is_refused_where_it_is_complete_and_the_next_one_is_not)
{
	open_with("policy.services inet:127.0.0.1:9,stage=message");
	begin();
	PLAY({"MAIL FROM:<message-black@crepes.fr>\r\n", "250\n"},
	    {"RCPT TO:<bob@hamburger.edu>\r\n", "250\n"}, {"DATA\r\n", "354\n"},
	    {"x\r\n.\r\n", "554 5.7.1\n"});
	cr_assert_eq(fake.commits_count, 0);
	cr_assert_eq(fake.aborted, 1);
	PLAY({"MAIL FROM:<a@crepes.fr>\r\n", "250\n"},
	    {"RCPT TO:<bob@hamburger.edu>\r\n", "250\n"}, {"DATA\r\n", "354\n"},
	    {"x\r\n.\r\n", "250\n"});
	cr_assert_eq(fake.commits_count, 1);
}

Test(gate, what_is_pipelined_behind_a_message_waits_for_its_verdict)
{
	open_with("policy.services inet:127.0.0.1:9,stage=message");
	begin();
	PLAY({"MAIL FROM:<a@crepes.fr>\r\n", "250\n"},
	    {"RCPT TO:<bob@hamburger.edu>\r\n", "250\n"}, {"DATA\r\n", "354\n"});
	fake.holds_answers = true;
	cr_assert_str_eq(fake_say("x\r\n.\r\nMAIL FROM:<b@crepes.fr>\r\n"), "");
	fake_answer(1, false); /* policy */
	cr_assert_str_eq(fake_heard(), "");
	fake_answer(1, false); /* qmgr */
	expect_heard("message", fake_heard(), "250 2.0.0\n250 2.1.0\n");
}

Test(gate, data_is_refused_before_the_client_sends_the_message)
{
	open_with("policy.services inet:127.0.0.1:9,stage=data");
	begin();
	PLAY({"MAIL FROM:<data-grey@crepes.fr>\r\n", "250\n"},
	    {"RCPT TO:<bob@hamburger.edu>\r\n", "250\n"}, {"DATA\r\n", "451 4.7.1\n"},
	    {"DATA\r\n", "503\n"});
}

Test(gate, a_chunk_that_is_refused_is_not_taken_for_commands)
{
	open_with("policy.services inet:127.0.0.1:9,stage=data");
	begin();
	PLAY({"MAIL FROM:<data-black@crepes.fr>\r\n", "250\n"},
	    {"RCPT TO:<bob@hamburger.edu>\r\n", "250\n"},
	    {"BDAT 12\r\nQUIT\r\nQUIT\r\nNOOP\r\n", "554 5.7.1\n250 2.0.0\n"},
	    {"BDAT 2 LAST\r\nx\n", "503\n"});
	cr_assert_eq(fake.commits_count, 0);
}

Test(gate, a_discarded_message_is_acknowledged_and_not_stored)
{
	open_with("policy.services inet:127.0.0.1:9,stage=message");
	begin();
	PLAY({"MAIL FROM:<message-discard@crepes.fr>\r\n", "250\n"},
	    {"RCPT TO:<bob@hamburger.edu>\r\n", "250\n"}, {"DATA\r\n", "354\n"},
	    {"x\r\n.\r\n", "250 2.0.0 Ok: queued\n"});
	cr_assert_eq(fake.commits_count, 0);
	cr_assert_eq(fake.aborted, 1);
}

Test(gate, header_fields_stand_above_the_trace_once_for_each_time_they_were_asked_for)
{
	open_with(RCPT_SERVICE);
	begin();
	PLAY({"MAIL FROM:<a@crepes.fr>\r\n", "250\n"},
	    {"RCPT TO:<field@hamburger.edu>\r\n", "250\n"}, {"DATA\r\n", "354\n"},
	    {"Subject: x\r\n\r\nx\r\n.\r\n", "250\n"});
	cr_assert_eq(fake.commits_count, 1);
	cr_assert(slice_starts_with(
	    slice_string(fake.commits[0].prepend), SLICE("X-Fake: yes\r\nReceived: ")));
}

Test(gate, who_asks_about_recipients_knows_the_clients_name)
{
	open_with(RCPT_SERVICE);
	fake_connect(SERVICE_MX, "192.0.2.1");
	fake_heard();
	fake.holds_answers = true;
	expect("HELO client.example\r\n", "250\n");
	cr_assert_str_eq(fake_say("MAIL FROM:<a@crepes.fr>\r\n"), "", "the name is not known yet");
	fake_answer(1, false);
	expect_heard("MAIL", fake_heard(), "250 2.1.0\n");
}

Test(gate, a_client_that_leaves_while_policy_is_asked_leaves_nothing_behind)
{
	open_with(RCPT_SERVICE);
	begin();
	expect("MAIL FROM:<a@crepes.fr>\r\n", "250\n");
	fake.holds_answers = true;
	fake_say("RCPT TO:<bob@hamburger.edu>\r\n");
	fake_answer(1, false);
	close(fake.client);
	fake.client = -1;
	fake_run();
	fake_answer(1, false);
	fake.holds_answers = false;
	fake_run();
	cr_assert_not(fake.session_is_open);
	cr_assert_eq(fake.policy_ended, 1);
}
Test(gate, the_score_of_dns_lists_refuses_strangers_at_rcpt_but_for_postmaster)
{
	open_with("smtp.relay-networks none\ndnslists { lists dnsbl.test.example\nrefuse-score 3 }");
	fake.score = 3;
	begin();
	cr_assert_eq(fake.policy_asked[GATE_CONNECT], 1);
	PLAY({"MAIL FROM:<a@crepes.fr>\r\n", "250\n"},
	    {"RCPT TO:<bob@hamburger.edu>\r\n", "554 5.7.1 Client is listed by dnsbl.test: spam\n"},
	    {"RCPT TO:<Postmaster@hamburger.edu>\r\n", "250\n"});
	cr_assert_eq(fake.policy_asked[GATE_RCPT], 0);
	fake_close();
	open_with("smtp.relay-networks none\ndnslists { lists dnsbl.test.example\nrefuse-score 4 }");
	fake.score = 3;
	begin();
	PLAY({"MAIL FROM:<a@crepes.fr>\r\n", "250\n"}, {"RCPT TO:<bob@hamburger.edu>\r\n", "250\n"});
}

Test(gate, the_greeting_waits_for_the_verdict_and_may_be_a_refusal)
{
	open_with("dnslists.lists dnsbl.test.example");
	fake.holds_answers = true;
	fake_connect(SERVICE_MX, "192.0.2.1");
	cr_assert_str_eq(fake_say("HELO x\r\n"), "");
	fake_answer(1, false);
	expect_heard("HELO", fake_heard(), "220 hamburger.edu\n250 hamburger.edu\n");
	fake_close();
	open_with("dnslists.lists dnsbl.test.example");
	fake.connect_verdict = verdict_of(VERDICT_REFUSE, 554, "5.7.1", "Not you", "test");
	fake_connect(SERVICE_MX, "192.0.2.1");
	expect_heard("connecting", fake_heard(), "554 5.7.1 Not you\n");
	cr_assert(fake_is_closed());
}

Test(gate, what_is_said_of_a_client_before_its_first_message_holds_for_all_of_them)
{
	open_with("dnslists.lists dnsbl.test.example");
	fake.connect_verdict = verdict_of(VERDICT_DISCARD, 0, NULL, NULL, "test");
	begin();
	for (int i = 0; i < 2; i++)
		PLAY({"MAIL FROM:<a@crepes.fr>\r\n", "250\n"}, {"RCPT TO:<bob@hamburger.edu>\r\n", "250\n"},
		    {"DATA\r\n", "354\n"}, {"x\r\n.\r\n", "250 2.0.0\n"});
	cr_assert_eq(fake.commits_count, 0);
	cr_assert_eq(fake.aborted, 2);
}

/* --- the answer's encoding --------------------------------------------------------- */

Test(verdicts, a_reply_says_the_same_as_the_verdict)
{
	struct verdict v = verdict_of(VERDICT_DEFER, 554, "5.0.0", NULL, NULL);

	cr_assert_eq(verdict_code(&v), 451);
	cr_assert_str_eq(verdict_status(&v), "4.7.1");
	v = verdict_of(VERDICT_REFUSE, 450, "2.0.0", "no", NULL);
	cr_assert_eq(verdict_code(&v), 554);
	cr_assert_str_eq(verdict_status(&v), "5.7.1");
	cr_assert_str_eq(verdict_text(&v), "no");
	v = verdict_of(VERDICT_DISCONNECT, 0, NULL, NULL, NULL);
	cr_assert_eq(verdict_code(&v), 421);
	v = verdict_of(VERDICT_DISCONNECT, 554, "5.7.1", NULL, NULL);
	cr_assert_eq(verdict_code(&v), 554);
}

Test(verdicts, an_answer_with_fields_that_are_no_lines_is_malformed)
{
	struct buf encoded = buf_with_limit(4096);
	struct writer w = {&encoded};
	struct policy_answer answer = {.fields = SLICE("X: 1\r\n\r\nbody\r\n")};
	struct reader r;

	policy_answer_write(&w, &answer);
	r = reader_over(buf_slice(&encoded));
	cr_assert_not(policy_answer_read(&r, &answer));
	buf_clear(&encoded);
	answer = (struct policy_answer){.score = -7, .fields = SLICE("X: 1\r\n")};
	policy_answer_write(&w, &answer);
	r = reader_over(buf_slice(&encoded));
	cr_assert(policy_answer_read(&r, &answer));
	cr_assert_eq(answer.score, -7);
	buf_free(&encoded);
}
