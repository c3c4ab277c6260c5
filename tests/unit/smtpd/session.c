/* What an SMTP client may rely on: the dialogue, its order, and its end. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/unit/smtpd/dialogue.h"

TestSuite(session, .init = fake_open, .fini = fake_close);

static void connect_mx(void)
{
	fake_connect(SERVICE_MX, "192.0.2.1");
	fake_heard();
}

static void greet(void)
{
	connect_mx();
	expect("HELO crepes.fr\r\n", "250 hamburger.edu\n");
}

Test(session, the_dialogue_that_every_textbook_prints_works_to_the_letter)
{
	fake_connect(SERVICE_MX, "192.0.2.1");
	expect("", "220 hamburger.edu\n");
	expect("HELO crepes.fr\r\n", "250 \n");
	expect("MAIL FROM: <alice@crepes.fr>\r\n", "250 \n");
	expect("RCPT TO: <bob@hamburger.edu>\r\n", "250 \n");
	expect("DATA\r\n", "354 \n");
	expect("Do you like ketchup?\r\n", "");
	expect("How about pickles?\r\n", "");
	expect(".\r\n", "250 \n");
	expect("QUIT\r\n", "221 \n");
	cr_assert(fake_is_closed());
	cr_assert_eq(fake.commits_count, 1);
	cr_assert_str_eq(fake.commits[0].content, "Do you like ketchup?\r\nHow about pickles?\r\n");
	cr_assert_str_eq(fake.commits[0].sender, "alice@crepes.fr");
	cr_assert_str_eq(fake.commits[0].recipients, "bob@hamburger.edu");
}

Test(session, several_messages_go_over_one_connection)
{
	greet();
	for (int i = 0; i < 3; i++) {
		expect("MAIL FROM:<alice@crepes.fr>\r\n", "250 2.1.0\n");
		expect("RCPT TO:<bob@hamburger.edu>\r\n", "250 2.1.5\n");
		expect("DATA\r\n", "354 \n");
		expect("Subject: x\r\n\r\ntext\r\n.\r\n", "250 2.0.0 Ok: queued as \n");
	}
	cr_assert_eq(fake.commits_count, 3);
}

Test(session, the_trace_travels_beside_the_content_and_says_who_when_and_how)
{
	const char *prepend = fake.commits[0].prepend;

	start_message();
	expect("Subject: x\r\n\r\ntext\r\n.\r\n", "250 2.0.0\n");
	cr_assert(strncmp(prepend, "Received: from client.example (", 31) == 0, "%s", prepend);
	cr_assert_not_null(strstr(prepend, "[192.0.2.1]"));
	cr_assert_not_null(strstr(prepend, "hamburger.edu"));
	cr_assert_not_null(strstr(prepend, "with ESMTP"));
	cr_assert_not_null(strstr(prepend, "bob@hamburger.edu"));
	cr_assert_str_eq(fake.commits[0].content, "Subject: x\r\n\r\ntext\r\n");
	cr_assert_str_eq(fake.commits[0].client, "client.example[192.0.2.1]");
	/* Nothing is added for a stranger. */
	cr_assert_null(strstr(prepend, "Message-ID:"));
}

Test(session, text_without_a_header_is_kept_apart_from_the_trace)
{
	const char *prepend = fake.commits[0].prepend;

	start_message();
	expect("Do you like ketchup?\r\n.\r\n", "250 2.0.0\n");
	cr_assert_str_eq(prepend + strlen(prepend) - 4, "\r\n\r\n");
}

/* --- a table of commands and replies ------------------------------------------------ */

Test(session, every_reply_that_may_carry_an_enhanced_status_code_does)
{
	connect_mx();
	fake_set("smtp.errors-limit 100");
	PLAY({"NOOP\r\n", "250 2.0.0 \n"}, {"NOOP with words\r\n", "250 2.0.0 \n"},
	    {"RSET\r\n", "250 2.0.0 \n"}, {"VRFY bob\r\n", "252 2.0.0 \n"},
	    {"EXPN staff\r\n", "502 5.5.1 \n"}, {"HELP\r\n", "214-2.0.0 \n214 2.0.0 \n"},
	    {"FOO\r\n", "500 5.5.1 \n"}, {"\r\n", "500 5.5.1 \n"}, {"RSET now\r\n", "501 5.5.4 \n"},
	    {"MAIL FROM:<a@b.example>\r\n", "503 5.5.1 \n"}, {"STARTTLS\r\n", "454 4.7.0 \n"},
	    {"AUTH PLAIN\r\n", "503 5.5.1 \n"}, {"EHLO\r\n", "501 \n"}, {"HELO a b\r\n", "501 \n"},
	    {"HELO x\r\n", "250 hamburger.edu\n"},
	    {"RCPT TO:<bob@hamburger.edu>\r\n", "503 5.5.1 \n"}, {"DATA\r\n", "503 5.5.1 \n"},
	    {"AUTH PLAIN\r\n", "538 5.7.11 \n"}, {"MAIL FROM:<>\r\n", "250 2.1.0 \n"},
	    {"MAIL FROM:<>\r\n", "503 5.5.1 \n"}, {"DATA\r\n", "554 5.5.1 \n"},
	    {"VRFY\r\n", "501 5.5.4 \n"}, {"QUIT\r\n", "221 2.0.0 \n"});
}

Test(session, verbs_and_keywords_are_taken_in_any_case)
{
	connect_mx();
	PLAY({"ehlo x\r\n", "250-\n250-\n250-\n250-\n250-\n250-\n250-\n250-\n250 \n"},
	    {"mail from:<a@b.example> size=10 body=8bitmime\r\n", "250 2.1.0\n"},
	    {"Rcpt to:<bob@hamburger.edu>\r\n", "250 2.1.5\n"}, {"data\r\n", "354 \n"},
	    {".\r\n", "250 2.0.0\n"}, {"quit\r\n", "221 2.0.0\n"});
	cr_assert_eq(fake.commits[0].body, BODY_8BITMIME);
}

Test(session, malformed_addresses_and_parameters_are_told_apart)
{
	greet();
	fake_set("smtp.errors-limit 100\nsmtp.size-limit 64K");
	PLAY({"MAIL\r\n", "501 5.1.7\n"}, {"MAIL TO:<a@b.example>\r\n", "501 5.1.7\n"},
	    {"MAIL FROM:\r\n", "501 5.1.7\n"}, {"MAIL FROM:<a@b.example\r\n", "501 5.1.7\n"},
	    {"MAIL FROM:<a@b@c>\r\n", "501 5.1.7\n"},
	    {"MAIL FROM:<a@b.example> FOO=1\r\n", "555 5.5.4\n"},
	    {"MAIL FROM:<a@b.example> SIZE=x\r\n", "501 5.5.4\n"},
	    {"MAIL FROM:<a@b.example> SIZE=65537\r\n", "552 5.3.4\n"},
	    {"MAIL FROM:<a@b.example> SIZE=99999999999999999999\r\n", "501 5.5.4\n"},
	    {"MAIL FROM:<a@b.example> SIZE=1 SIZE=1\r\n", "501 5.5.4\n"},
	    {"MAIL FROM:<a@b.example> BODY=9BIT\r\n", "501 5.5.4\n"},
	    {"MAIL FROM:<a@b.example> AUTH=\r\n", "501 5.5.4\n"},
	    {"MAIL FROM:<\303\251@b.example>\r\n", "553 5.6.7\n"},
	    {"MAIL FROM:<a@b.example> SIZE=65536 BODY=7BIT AUTH=<>\r\n", "250 2.1.0\n"},
	    {"RCPT TO:<>\r\n", "501 5.1.3\n"},
	    {"RCPT TO:<bob@hamburger.edu> FOO=NEVER\r\n", "555 5.5.4\n"},
	    {"RCPT TO:<b\303\266b@hamburger.edu>\r\n", "553 5.6.7\n"},
	    {"RCPT TO:<Postmaster>\r\n", "250 2.1.5\n"},
	    {"RCPT\tTO:<bob@hamburger.edu>\r\n", "250 2.1.5\n"});
}

Test(session, strangers_do_not_relay)
{
	greet();
	PLAY({"MAIL FROM:<a@b.example>\r\n", "250 2.1.0\n"},
	    {"RCPT TO:<x@elsewhere.example>\r\n", "554 5.7.1 Relay access denied\n"},
	    {"RCPT TO:<nobody@hamburger.edu>\r\n", "550 5.1.1 No such user here\n"},
	    {"RCPT TO:<later@hamburger.edu>\r\n", "451 4.3.0\n"}, {"DATA\r\n", "554 5.5.1\n"},
	    {"RCPT TO:<bob@hamburger.edu>\r\n", "250 2.1.5\n"}, {"DATA\r\n", "354 \n"},
	    {"x\r\n.\r\n", "250 2.0.0\n"});
	cr_assert_str_eq(fake.commits[0].recipients, "bob@hamburger.edu");
}

Test(session, clients_in_the_relay_networks_do_relay)
{
	fake_connect(SERVICE_MX, "127.0.0.1");
	PLAY({"", "220 \n"}, {"HELO x\r\n", "250 \n"},
	    {"MAIL FROM:<a@b.example>\r\n", "250 2.1.0\n"},
	    {"RCPT TO:<x@elsewhere.example>\r\n", "250 2.1.5\n"});
	cr_assert_eq(fake.names_asked, 0); /* the loopback address has a name by itself */
}

Test(session, the_words_of_another_process_cannot_forge_a_reply)
{
	greet();
	PLAY({"MAIL FROM:<a@b.example>\r\n", "250 2.1.0\n"},
	    {"RCPT TO:<evil@hamburger.edu>\r\n", "550 5.1.1 line??250 forged\n"});
}

Test(session, every_host_has_a_postmaster_and_it_needs_no_domain)
{
	greet();
	fake_set("domains { first.example second.example }");
	PLAY({"MAIL FROM:<>\r\n", "250 2.1.0\n"}, {"RCPT TO:<Postmaster>\r\n", "250 2.1.5\n"},
	    {"RCPT TO:<bob>\r\n", "501 5.1.3\n"}, {"DATA\r\n", "354 \n"},
	    {"x\r\n.\r\n", "250 2.0.0\n"});
	cr_assert_str_eq(fake.commits[0].recipients, "Postmaster@first.example");
}

/* --- batches ----------------------------------------------------------------------------- */

Test(session, a_batch_is_answered_in_order_even_if_the_answers_come_in_another)
{
	greet();
	fake.holds_answers = true;
	expect("MAIL FROM:<a@b.example>\r\nRCPT TO:<bob@hamburger.edu>\r\nRCPT "
	       "TO:<nobody@hamburger.edu>\r\n"
	       "RCPT TO:<syntax\r\nRCPT TO:<carol@hamburger.edu>\r\nDATA\r\n",
	    "");
	cr_assert_eq(
	    fake.recipients_asked, 3, "recipients are asked for without waiting for each other");
	fake_answer(3, true);
	fake.holds_answers = false;
	expect("", "250 2.1.0\n250 2.1.5\n550 5.1.1\n501 5.1.3\n250 2.1.5\n354 \n");
	expect("x\r\n.\r\nQUIT\r\n", "250 2.0.0\n221 2.0.0\n");
	cr_assert_str_eq(fake.commits[0].recipients, "bob@hamburger.edu carol@hamburger.edu");
}

Test(session, nothing_but_rcpt_overtakes_an_answer)
{
	greet();
	fake.holds_answers = true;
	expect("MAIL FROM:<a@b.example>\r\n", "250 2.1.0\n");
	expect("RCPT TO:<bob@hamburger.edu>\r\nNOOP\r\nRSET\r\nVRFY x\r\n", "");
	fake_answer(1, false);
	expect("", "250 2.1.5\n250 2.0.0\n250 2.0.0\n252 2.0.0\n");
}

Test(session, whole_messages_may_be_pipelined)
{
	static const char one[] =
	    "MAIL FROM:<a@b.example>\r\nRCPT TO:<bob@hamburger.edu>\r\nDATA\r\nSubject: "
	    "x\r\n\r\n..dot\r\n.\r\n";
	struct buf all = buf_with_limit(1 << 20);

	greet();
	for (int i = 0; i < 50; i++)
		buf_append_string(&all, one);
	buf_append_string(&all, "QUIT\r\n");
	buf_append_octet(&all, '\0');
	fake_say(all.data);
	cr_assert_eq(fake.commits_count, 50);
	cr_assert(fake_is_closed());
	for (int i = 0; i < 50; i++)
		cr_assert_str_eq(fake.commits[i].content, "Subject: x\r\n\r\n.dot\r\n");
	buf_free(&all);
}

Test(session, a_thousand_recipients_in_one_batch_are_asked_for_a_hundred_at_a_time)
{
	struct buf all = buf_with_limit(1 << 20);

	greet();
	fake_set("smtp.recipients-limit 150");
	fake.holds_answers = true;
	expect("MAIL FROM:<a@b.example>\r\n", "250 2.1.0\n");
	for (int i = 0; i < 200; i++)
		buf_printf(&all, "RCPT TO:<user%d@hamburger.edu>\r\n", i);
	buf_append_octet(&all, '\0');
	cr_assert_str_eq(fake_say(all.data), "");
	cr_assert_eq(fake.recipients_asked, SESSION_RECIPIENTS_ASKED);
	fake.holds_answers = false;
	fake_run();
	cr_assert_eq(
	    fake.recipients_asked, 150, "what goes beyond the limit is not even asked for");
	buf_clear(&all);
	for (int i = 0; i < 200; i++)
		buf_printf(&all, "%s\n", i < 150 ? "250 2.1.5" : "452 4.5.3");
	buf_append_octet(&all, '\0');
	expect("", all.data);
	buf_free(&all);
}

/* --- lines ---------------------------------------------------------------------------------- */

Test(session, a_line_that_is_too_long_is_refused_and_the_next_one_is_understood)
{
	static char line[40000];

	connect_mx();
	memset(line, 'x', sizeof line);
	snprintf(line + 600, 32, "\r\nNOOP\r\n");
	expect(line, "500 5.5.2\n250 2.0.0\n");
	memset(line, 'x', sizeof line);
	snprintf(line + 39000, 32, "\r\nNOOP\r\n");
	expect(line, "500 5.5.2\n250 2.0.0\n");
	/* 512 octets are a line (RFC 5321, 4.5.3.1.4). */
	memset(line, 'x', sizeof line);
	memcpy(line, "NOOP ", 5);
	memcpy(line + 510, "\r\n", 3);
	expect(line, "250 2.0.0\n");
	memset(line, 'x', sizeof line);
	memcpy(line, "NOOP ", 5);
	memcpy(line + 511, "\r\n", 3);
	expect(line, "500 5.5.2\n");
}

Test(session, control_characters_have_no_place_in_a_command)
{
	static const char nul[] = "NOOP \0\r\n";

	connect_mx();
	cr_assert_str_eq(
	    fake_send(nul, sizeof nul - 1), "500 5.5.2 Control characters in a command\r\n");
	expect("NOOP a\rb\r\n", "500 5.5.2\n");
	expect("NOOP \033[2J\r\n", "500 5.5.2\n");
}

Test(session, octets_may_come_one_by_one)
{
	static const char all[] = "HELO x\r\nMAIL FROM:<a@b.example>\r\nRCPT "
				  "TO:<bob@hamburger.edu>\r\nDATA\r\n..\r\n.\r\nQUIT\r\n";
	struct buf heard = buf_with_limit(4096);

	connect_mx();
	for (size_t i = 0; i < sizeof all - 1; i++)
		buf_append_string(&heard, fake_send(all + i, 1));
	cr_assert_eq(fake.commits_count, 1);
	cr_assert_str_eq(fake.commits[0].content, ".\r\n");
	cr_assert(slice_starts_with(buf_slice(&heard), SLICE("250 hamburger.edu\r\n250 2.1.0")));
	buf_free(&heard);
}

Test(session, a_browser_is_sent_away)
{
	connect_mx();
	expect("POST / HTTP/1.1\r\nHost: x\r\n\r\nMAIL FROM:<a@b>\r\n", "421 4.7.0\n");
	cr_assert(fake_is_closed());
}

Test(session, too_many_errors_end_the_session)
{
	connect_mx();
	fake_set("smtp.errors-limit 3");
	PLAY({"A\r\n", "500 5.5.1\n"}, {"B\r\n", "500 5.5.1\n"},
	    {"C\r\nNOOP\r\n", "500 5.5.1\n421 4.7.0\n"});
	cr_assert(fake_is_closed());
}

Test(session, a_message_that_was_taken_wipes_the_slate_of_errors)
{
	greet();
	fake_set("smtp.errors-limit 3");
	PLAY({"A\r\n", "500 5.5.1\n"}, {"B\r\n", "500 5.5.1\n"},
	    {"MAIL FROM:<a@b.example>\r\nRCPT TO:<bob@hamburger.edu>\r\nDATA\r\n",
		"250 \n250 \n354 \n"},
	    {"x\r\n.\r\n", "250 2.0.0\n"}, {"A\r\n", "500 5.5.1\n"}, {"B\r\n", "500 5.5.1\n"});
}

Test(session, rset_and_a_new_greeting_forget_the_message)
{
	greet();
	PLAY({"MAIL FROM:<a@b.example>\r\n", "250 2.1.0\n"},
	    {"RCPT TO:<bob@hamburger.edu>\r\n", "250 2.1.5\n"}, {"RSET\r\n", "250 2.0.0\n"},
	    {"DATA\r\n", "503 5.5.1\n"}, {"MAIL FROM:<a@b.example>\r\n", "250 2.1.0\n"},
	    {"HELO y\r\n", "250 \n"}, {"DATA\r\n", "503 5.5.1\n"});
}

/* --- storing ------------------------------------------------------------------------------------- */

Test(session, end_of_data_is_answered_as_qmgr_answers)
{
	static const struct {
		enum queue_verdict verdict;
		const char *reply;
	} verdicts[] = {
	    {QUEUE_FULL,     "452 4.3.1\n"               },
            {QUEUE_FAILED,   "451 4.3.0\n"               },
	    {QUEUE_ACCEPTED, "250 2.0.0 Ok: queued as \n"}
        };

	greet();
	for (size_t i = 0; i < 3; i++) {
		fake.verdict = verdicts[i].verdict;
		PLAY({"MAIL FROM:<a@b.example>\r\n", "250 \n"},
		    {"RCPT TO:<bob@hamburger.edu>\r\n", "250 \n"}, {"DATA\r\n", "354 \n"});
		expect("x\r\n.\r\n", verdicts[i].reply);
	}
}

Test(session, nothing_is_said_before_qmgr_has_answered)
{
	start_message();
	fake.holds_answers = true;
	expect("x\r\n.\r\nNOOP\r\n", "");
	fake_answer(1, false);
	expect("", "250 2.0.0\n250 2.0.0\n");
}

Test(session, lost_answers_are_temporary_failures_and_the_session_lives_on)
{
	greet();
	fake.loses_answers = true;
	PLAY({"MAIL FROM:<a@b.example>\r\n", "250 \n"},
	    {"RCPT TO:<bob@hamburger.edu>\r\n", "451 4.3.0\n"});
	fake.loses_answers = false;
	PLAY({"RCPT TO:<bob@hamburger.edu>\r\n", "250 \n"}, {"DATA\r\n", "354 \n"});
	fake.loses_answers = true;
	PLAY({"x\r\n.\r\n", "451 4.3.0\n"}, {"NOOP\r\n", "250 2.0.0\n"});
}

Test(session, without_qmgr_no_message_is_begun_and_the_session_lives_on)
{
	greet();
	fake.queue_is_away = true;
	PLAY({"MAIL FROM:<a@b.example>\r\n", "451 4.3.0\n"}, {"NOOP\r\n", "250 2.0.0\n"});
	fake.queue_is_away = false;
	PLAY({"MAIL FROM:<a@b.example>\r\n", "250 \n"},
	    {"RCPT TO:<bob@hamburger.edu>\r\n", "250 \n"});
	fake.queue_is_away = true;
	PLAY({"DATA\r\n", "451 4.3.0\n"}, {"NOOP\r\n", "250 2.0.0\n"});
	fake.queue_is_away = false;
	PLAY({"MAIL FROM:<a@b.example>\r\n", "250 \n"},
	    {"RCPT TO:<bob@hamburger.edu>\r\n", "250 \n"}, {"DATA\r\n", "354 \n"});
	fake.queue_is_away = true;
	PLAY({"x\r\n.\r\n", "451 4.3.0\n"}, {"NOOP\r\n", "250 2.0.0\n"});
}

Test(session, without_lookup_recipients_are_to_be_tried_later)
{
	greet();
	fake.lookup_is_away = true;
	PLAY({"MAIL FROM:<a@b.example>\r\n", "250 \n"},
	    {"RCPT TO:<bob@hamburger.edu>\r\n", "451 4.3.0\n"});
}

Test(session, a_queue_without_room_is_told_before_the_data)
{
	greet();
	fake.has_no_file = true;
	PLAY({"MAIL FROM:<a@b.example>\r\n", "250 \n"},
	    {"RCPT TO:<bob@hamburger.edu>\r\n", "250 \n"}, {"DATA\r\n", "452 4.3.1\n"},
	    {"NOOP\r\n", "250 2.0.0\n"});
}

Test(session, a_full_disk_is_told_after_the_data_and_the_rest_of_it_is_swallowed)
{
	fake.file_to_give = open("/dev/full", O_WRONLY | O_CLOEXEC);
	start_message();
	expect("x\r\n.\r\nNOOP\r\n", "452 4.3.1\n250 2.0.0\n");
	cr_assert_eq(fake.aborted, 1);
	cr_assert_eq(fake.commits_count, 0);
	close(fake.file_to_give);
}

Test(session, what_is_wrong_with_a_message_is_told_after_its_end)
{
	static const char nul[] = "a\0b\r\n.\r\n";
	static char large[70000];

	fake_set("smtp.size-limit 64K\nsmtp.received-limit 5");
	start_message();
	cr_assert_str_eq(
	    fake_send(nul, sizeof nul - 1), "550 5.6.0 A message must not contain NUL octets\r\n");
	PLAY({"MAIL FROM:<a@b.example>\r\nRCPT TO:<bob@hamburger.edu>\r\nDATA\r\n",
	    "250 \n250 \n354 \n"});
	memset(large, 'x', sizeof large);
	memcpy(large + sizeof large - 6, "\r\n.\r\n", 6);
	expect(large, "552 5.3.4\n");
	PLAY({"MAIL FROM:<a@b.example>\r\nRCPT TO:<bob@hamburger.edu>\r\nDATA\r\n",
		 "250 \n250 \n354 \n"},
	    {"Received: a\r\nReceived: b\r\nReceived: c\r\nReceived: d\r\nReceived: "
	     "e\r\n\r\nx\r\n.\r\n",
		"554 5.4.6\n"});
	cr_assert_eq(fake.commits_count, 0);
	cr_assert_eq(fake.aborted, 3);
}

Test(session, a_client_that_leaves_in_the_middle_of_a_message_leaves_nothing_behind)
{
	start_message();
	fake_say("half a message\r\n");
	close(fake.client);
	fake.client = -1;
	fake_run();
	cr_assert_eq(fake.aborted, 1);
	cr_assert_eq(fake.commits_count, 0);
	cr_assert_not(fake.session_is_open);
}

Test(session, a_client_that_leaves_before_the_reply_has_its_message_stored_all_the_same)
{
	start_message();
	fake.holds_answers = true;
	fake_say("x\r\n.\r\n");
	close(fake.client);
	fake.client = -1;
	fake_run();
	fake_answer(1, false);
	fake_run();
	cr_assert_not(fake.session_is_open);
	cr_assert_eq(fake.commits_count, 1);
	cr_assert_eq(fake.aborted, 0);
}

Test(session, a_client_that_says_all_at_once_and_ends_its_side_gets_all_replies)
{
	connect_mx();
	fake.holds_answers = true;
	fake_say("HELO x\r\nMAIL FROM:<a@b.example>\r\nRCPT "
		 "TO:<bob@hamburger.edu>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n");
	fake_end_input();
	fake.holds_answers = false;
	expect("", "250 \n250 \n250 \n354 \n250 2.0.0\n221 2.0.0\n");
	cr_assert(fake_is_closed());
}

Test(session, a_client_is_not_read_while_the_house_is_behind)
{
	greet();
	fake.is_congested = true;
	expect("NOOP\r\n", "");
	fake.is_congested = false;
	sessions_resume();
	expect("", "250 2.0.0\n");
}

/* --- users ---------------------------------------------------------------------------------------- */

Test(session, submission_wants_authentication_before_mail)
{
	fake_connect(SERVICE_SUBMISSION, "192.0.2.1");
	PLAY({"", "220 \n"}, {"HELO x\r\n", "250 \n"},
	    {"MAIL FROM:<alice@hamburger.edu>\r\n", "530 5.7.0 Must issue a STARTTLS\n"});
	fake_set("auth.cleartext always");
	PLAY({"MAIL FROM:<alice@hamburger.edu>\r\n", "530 5.7.0 Authentication required\n"},
	    {"AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n", "235 2.7.0\n"},
	    {"MAIL FROM:<alice@hamburger.edu>\r\n", "250 2.1.0\n"});
}

static void log_in(void)
{
	fake_set("auth.cleartext always");
	fake_connect(SERVICE_SUBMISSION, "192.0.2.1");
	PLAY({"", "220 \n"},
	    {"EHLO x\r\n", "250-\n250-\n250-SIZE\n250-AUTH SCRAM-SHA-256 PLAIN LOGIN\n250-\n250-\n250-\n250-\n250-\n250-\n250-\n250 \n"},
	    {"AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n", "235 2.7.0\n"});
}

Test(session, a_user_sends_anywhere_and_as_nobody_else)
{
	log_in();
	PLAY({"MAIL FROM:<bob@hamburger.edu>\r\n", "553 5.7.1\n"},
	    {"RCPT TO:<x@elsewhere.example>\r\n", "503 5.5.1\n"},
	    {"MAIL FROM:<alice@hamburger.edu>\r\n", "250 2.1.0\n"},
	    {"RCPT TO:<x@elsewhere.example>\r\n", "250 2.1.5\n"}, {"DATA\r\n", "354 \n"},
	    {"Subject: x\r\n\r\nx\r\n.\r\n", "250 2.0.0\n"});
	cr_assert_str_eq(fake.commits[0].login, "alice@hamburger.edu");
	cr_assert_not_null(strstr(fake.commits[0].prepend, "with ESMTPA"));
}

Test(session, what_a_submission_lacks_is_added_beside_the_content)
{
	log_in();
	PLAY({"MAIL FROM:<alice@hamburger.edu>\r\nRCPT TO:<x@elsewhere.example>\r\nDATA\r\n",
		 "250 \n250 \n354 \n"},
	    {"Subject: x\r\n\r\nx\r\n.\r\n", "250 2.0.0\n"},
	    {"MAIL FROM:<alice@hamburger.edu>\r\nRCPT TO:<x@elsewhere.example>\r\nDATA\r\n",
		"250 \n250 \n354 \n"},
	    {"Date: x\r\nMessage-ID: <a@b>\r\n\r\nx\r\n.\r\n", "250 2.0.0\n"});
	cr_assert_not_null(strstr(fake.commits[0].prepend, "\r\nDate: "));
	cr_assert_not_null(strstr(fake.commits[0].prepend, "\r\nMessage-ID: <"));
	cr_assert_not_null(strstr(fake.commits[0].prepend, "@hamburger.edu>\r\n"));
	cr_assert_str_eq(fake.commits[0].content, "Subject: x\r\n\r\nx\r\n");
	cr_assert_null(strstr(fake.commits[1].prepend, "\r\nDate: "));
	cr_assert_null(strstr(fake.commits[1].prepend, "Message-ID"));
}

Test(session, a_user_of_this_host_is_known_by_the_kernels_word)
{
	fake_connect_user(1000, "carol");
	PLAY({"", "220 \n"}, {"EHLO x\r\n", "250-\n250-\n250-SIZE\n250-8BITMIME\n250-CHUNKING\n250-DSN\n250-SMTPUTF8\n250-LIMITS RCPTMAX=\n250-FUTURERELEASE\n250-MT-PRIORITY\n250 \n"},
	    {"AUTH PLAIN\r\n", "503 5.5.1\n"}, {"STARTTLS\r\n", "503 5.5.1\n"},
	    {"MAIL FROM:<carol>\r\n", "250 2.1.0\n"},
	    {"RCPT TO:<x@elsewhere.example>\r\n", "250 2.1.5\n"}, {"DATA\r\n", "354 \n"},
	    {"Subject: x\r\n\r\nx\r\n.\r\n", "250 2.0.0\n"});
	cr_assert_str_eq(fake.commits[0].login, "carol");
	cr_assert_str_eq(fake.commits[0].sender, "carol@hamburger.edu");
	cr_assert_str_eq(fake.commits[0].client, "local[uid 1000]");
	cr_assert_not_null(
	    strstr(fake.commits[0].prepend, "uid 1000"), "%s", fake.commits[0].prepend);
	cr_assert_not_null(strstr(fake.commits[0].prepend, "Message-ID: <"));
	cr_assert_eq(fake.senders_asked, 0);
}

Test(session, a_command_that_ends_in_lf_alone_is_one_unless_the_setting_says_otherwise)
{
	greet();
	expect("NOOP\n", "250 2.0.0\n");
	fake_set("smtp.bare-line-ends refuse\nauth.cleartext always");
	PLAY({"NOOP\nNOOP\r\n", "500 5.5.2 Lines end in CR LF\n250 2.0.0\n"},
	    {"AUTH PLAIN\r\n", "334\n"}, {"AGFsaWNlAHNlY3JldA==\n", "500 5.5.2\n"},
	    {"MAIL FROM:<alice@crepes.fr>\r\nRCPT TO:<bob@hamburger.edu>\r\nDATA\r\n",
		"250 \n250 \n354 \n"},
	    {"a\nb\r\n.\r\n", "550 5.6.0\n"}, {"NOOP\r\n", "250 2.0.0\n"});
}

/* --- the end of all --------------------------------------------------------------------------------- */

Test(session, at_a_stop_who_waits_for_a_command_is_told)
{
	greet();
	sessions_stop();
	expect("", "421 4.3.2 hamburger.edu shutting down\n");
	cr_assert(fake_is_closed());
}

Test(session, at_a_stop_who_is_in_the_middle_of_a_message_hears_nothing)
{
	start_message();
	fake_say("half a message\r\n");
	sessions_stop();
	cr_assert_str_eq(fake_say(""), "");
	cr_assert(fake_is_closed());
	cr_assert_eq(fake.aborted, 1);
}

Test(session, at_a_stop_an_outstanding_reply_is_given_first)
{
	start_message();
	fake.holds_answers = true;
	fake_say("x\r\n.\r\n");
	sessions_stop();
	expect("", "");
	fake_answer(1, false);
	expect("", "250 2.0.0\n421 4.3.2\n");
	cr_assert(fake_is_closed());
}

Test(session, at_a_stop_recipients_that_are_being_asked_for_are_let_go)
{
	greet();
	fake.holds_answers = true;
	expect("MAIL FROM:<a@b.example>\r\nRCPT TO:<bob@hamburger.edu>\r\nRCPT "
	       "TO:<carol@hamburger.edu>\r\n",
	    "");
	sessions_stop();
	expect("", "250 2.1.0\n421 4.3.2\n");
	cr_assert(fake.withdrawn >= 2);
	cr_assert(fake_is_closed());
}

static void wait_seconds(unsigned seconds)
{
	struct timeval tv = {.tv_sec = seconds, .tv_usec = 200000};

	event_base_loopexit(fake.base, &tv);
	event_base_dispatch(fake.base);
	fake_run();
}

Test(session, a_silent_client_is_told_and_sent_away)
{
	fake_set("smtp.command-timeout 1s");
	greet();
	wait_seconds(1);
	expect("", "421 4.4.2\n");
	cr_assert(fake_is_closed());
}

Test(session, a_client_that_falls_silent_in_a_message_is_sent_away_and_the_file_too)
{
	fake_set("smtp.data-timeout 1s");
	start_message();
	fake_say("half a message\r\n");
	wait_seconds(1);
	expect("", "421 4.4.2\n");
	cr_assert(fake_is_closed());
	cr_assert_eq(fake.aborted, 1);
}

Test(session, a_client_that_trickles_is_sent_away_and_the_file_too)
{
	fake_set("smtp.data-rate 100\nsmtp.data-rate-window 1s");
	start_message();
	expect("a few octets\r\n", "");
	wait_seconds(1);
	expect("and a few more\r\n", "421 4.4.2\n");
	cr_assert(fake_is_closed());
	cr_assert_eq(fake.aborted, 1);
}

Test(session, a_client_that_trickles_by_chunks_of_an_octet_gains_nothing)
{
	fake_set("smtp.data-rate 100\nsmtp.data-rate-window 1s");
	fake_connect(SERVICE_MX, "192.0.2.1");
	fake_say("EHLO x\r\nMAIL FROM:<alice@crepes.fr>\r\nRCPT TO:<bob@hamburger.edu>\r\n");
	expect("BDAT 2\r\na", "");
	expect("bBDAT 2\r\nc", "250 2.0.0\n");
	wait_seconds(1);
	expect("dBDAT 2\r\ne", "250 2.0.0\n421 4.4.2\n");
	cr_assert(fake_is_closed());
}

Test(session, a_slow_client_is_as_good_as_any_while_it_is_fast_enough)
{
	char line[203];

	memset(line, 'x', 200);
	memcpy(line + 200, "\r\n", 3);
	fake_set("smtp.data-rate 100\nsmtp.data-rate-window 1s");
	start_message();
	for (unsigned i = 0; i < 2; i++) {
		expect(line, "");
		wait_seconds(1);
	}
	expect("and the end\r\n.\r\n", "250 2.0.0\n");
}

Test(session, who_waits_for_us_is_not_slow)
{
	fake_set("smtp.data-rate 100\nsmtp.data-rate-window 1s");
	start_message();
	expect("a few octets\r\n", "");
	fake.is_congested = true;
	expect("more\r\n", "");
	wait_seconds(1);
	fake.is_congested = false;
	sessions_resume();
	expect("and more\r\n", "");
	expect("\r\n.\r\n", "250 2.0.0\n");
}

Test(session, a_program_on_this_host_may_take_its_time)
{
	fake_set("smtp.data-rate 100\nsmtp.data-rate-window 1s");
	fake_connect_user(1000, "carol");
	fake_say("MAIL FROM:<carol>\r\nRCPT TO:<bob@hamburger.edu>\r\nDATA\r\n");
	expect("a few octets\r\n", "");
	wait_seconds(1);
	expect("and a few more\r\n.\r\n", "250 2.0.0\n");
}

Test(session, the_end_of_a_message_is_not_waited_for_for_ever)
{
	static char text[60001];

	memset(text, 'x', sizeof text - 1);
	fake_set("smtp.size-limit 64K");
	start_message();
	for (unsigned i = 0; i < 2; i++)
		expect(text, "");
	expect(text, "552 5.3.4\n");
	cr_assert(fake_is_closed());
	cr_assert_eq(fake.aborted, 1);
}

Test(session, a_size_that_the_disk_has_no_room_for_is_refused_for_now)
{
	greet();
	PLAY({"MAIL FROM:<alice@crepes.fr> SIZE=45000000\r\n", "452 4.3.1\n"},
	    {"MAIL FROM:<alice@crepes.fr> SIZE=30000000\r\n", "250 2.1.0\n"});
}
