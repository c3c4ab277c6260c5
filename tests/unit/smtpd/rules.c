/* The access rules in a session: when they speak, and what becomes of it. */
#include <criterion/criterion.h>

#include "tests/unit/smtpd/dialogue.h"

TestSuite(rules, .init = fake_open, .fini = fake_close, .timeout = 30);

static void begin(const char *lines)
{
	fake_set(lines);
	fake_connect(SERVICE_MX, "192.0.2.1");
	fake_heard();
}

static void mail(void)
{
	expect("MAIL FROM:<alice@crepes.fr>\r\n", "250 2.1.0\n");
}

Test(rules, a_refusal_is_said_at_rcpt_whatever_it_looks_at)
{
	begin("access { refuse helo localhost say \"You are not me\" }\n");
	expect("HELO localhost\r\n", "250 \n");
	mail();
	expect("RCPT TO:<bob@hamburger.edu>\r\n", "550 5.7.1 You are not me\n");
	cr_assert_eq(fake.recipients_asked, 0);
	expect("HELO crepes.fr\r\n", "250 \n");
	mail();
	expect("RCPT TO:<bob@hamburger.edu>\r\n", "250 2.1.5\n");
}

Test(rules, or_as_early_as_it_is_certain_where_a_setting_wants_it)
{
	begin(
	    "smtp.refuse-at earliest\naccess { refuse helo localhost; defer from *@crepes.fr }\n");
	expect("HELO localhost\r\n", "550 5.7.1\n");
	expect("MAIL FROM:<alice@crepes.fr>\r\n", "503 5.5.1\n");
	expect("HELO crepes.fr\r\n", "250 \n");
	expect("MAIL FROM:<alice@crepes.fr>\r\n", "450 4.7.1\n");
	expect("MAIL FROM:<alice@elsewhere.example>\r\n", "250 2.1.0\n");
}

Test(rules, the_earliest_is_before_the_greeting)
{
	fake_set("smtp.refuse-at earliest\naccess { refuse client 192.0.2.0/24 say \"554 5.7.1 Go "
		 "away\" }\n");
	fake_connect(SERVICE_MX, "192.0.2.1");
	expect("", "554 5.7.1 Go away\n");
	cr_assert(fake_is_closed());
}

Test(rules, who_is_to_be_disconnected_is_so_at_once)
{
	begin("access { disconnect from <> }\n");
	expect("HELO crepes.fr\r\n", "250 \n");
	expect("MAIL FROM:<>\r\nRCPT TO:<bob@hamburger.edu>\r\n", "521 5.7.1\n");
	cr_assert(fake_is_closed());
}

Test(rules, each_recipient_is_judged_by_itself_and_answered_in_its_place)
{
	begin("access { accept to postmaster@hamburger.edu; refuse client 192.0.2.1 }\n");
	expect("HELO crepes.fr\r\n", "250 \n");
	mail();
	expect("RCPT TO:<bob@hamburger.edu>\r\nRCPT TO:<postmaster@hamburger.edu>\r\nRCPT "
	       "TO:<nobody@hamburger.edu>\r\n",
	    "550 5.7.1\n250 2.1.5\n550 5.7.1\n");
}

Test(rules, what_is_accepted_has_to_exist_and_to_be_ours_all_the_same)
{
	begin("access { accept }\n");
	expect("HELO crepes.fr\r\n", "250 \n");
	mail();
	expect("RCPT TO:<nobody@hamburger.edu>\r\n", "550 5.1.1\n");
	expect("RCPT TO:<x@elsewhere.example>\r\n", "554 5.7.1\n");
}

Test(rules, no_spelling_of_an_address_or_a_name_evades_them)
{
	static const char *const spellings[] = {"SECRET@Hamburger.EDU", "\"secret\"@hamburger.edu",
	    "\"s\\ecret\"@hamburger.edu", "@a.example,@b.example:secret@hamburger.edu"};
	static const char *const names[] = {"evil.example", "EVIL.example", "evil.example.", "hamburger.edu."};
	char line[256];

	begin("access { refuse to secret@hamburger.edu say \"No address\"; refuse helo evil.example mine say "
	      "\"No name\" }\n");
	expect("HELO crepes.fr\r\n", "250 \n");
	mail();
	for (size_t i = 0; i < sizeof spellings / sizeof spellings[0]; i++) {
		snprintf(line, sizeof line, "RCPT TO:<%s>\r\n", spellings[i]);
		expect(line, "550 5.7.1 No address\n");
	}
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		snprintf(line, sizeof line, "HELO %s\r\n", names[i]);
		expect(line, "250 \n");
		mail();
		expect("RCPT TO:<bob@hamburger.edu>\r\n", "550 5.7.1 No name\n");
	}
}

Test(rules, a_name_that_may_decide_is_waited_for)
{
	fake.holds_answers = true;
	fake_set("access { refuse client *.example }\n");
	fake_connect(SERVICE_MX, "192.0.2.1");
	fake_heard();
	expect("HELO crepes.fr\r\n", "250 \n");
	expect("MAIL FROM:<alice@crepes.fr>\r\nRCPT TO:<bob@hamburger.edu>\r\n", "");
	fake_answer(1, false);
	expect("", "250 2.1.0\n550 5.7.1\n");
}

Test(rules, who_has_no_name_is_unknown_but_not_where_the_dns_fails)
{
	fake.name = "";
	begin("access { refuse client unknown }\n");
	expect("HELO crepes.fr\r\n", "250 \n");
	mail();
	expect("RCPT TO:<bob@hamburger.edu>\r\n", "550 5.7.1\n");
	fake_close();
	fake_open();
	fake.name = "";
	fake.name_fails = true;
	begin("access { refuse client unknown }\n");
	expect("HELO crepes.fr\r\n", "250 \n");
	mail();
	expect("RCPT TO:<bob@hamburger.edu>\r\n", "451 4.4.3\n");
}

Test(rules, tables_are_asked_where_they_may_decide_and_only_then)
{
	fake.lists = (struct lookup_lists){1, 0};
	begin("access { accept to bob@hamburger.edu; refuse from <bad> }\n");
	expect("HELO crepes.fr\r\n", "250 \n");
	mail();
	expect("RCPT TO:<bob@hamburger.edu>\r\n", "250 2.1.5\n");
	cr_assert_eq(fake.lists_asked, 0);
	expect("RCPT TO:<carol@hamburger.edu>\r\nRCPT TO:<bob@hamburger.edu>\r\nRCPT "
	       "TO:<dave@hamburger.edu>\r\n",
	    "550 5.7.1\n250 2.1.5\n550 5.7.1\n");
	cr_assert_eq(fake.lists_asked, 2);
	fake.lists = (struct lookup_lists){0, 1};
	expect("RCPT TO:<carol@hamburger.edu>\r\n", "250 2.1.5\n");
}

Test(rules, a_table_that_cannot_be_asked_refuses_nobody_for_good)
{
	begin("access { refuse from <bad> }\n");
	expect("HELO crepes.fr\r\n", "250 \n");
	mail();
	fake.loses_answers = true;
	expect("RCPT TO:<bob@hamburger.edu>\r\n", "451 4.4.3\n");
	fake.loses_answers = false;
	fake.lookup_is_away = true;
	expect("RCPT TO:<bob@hamburger.edu>\r\n", "451 4.4.3\n");
}

Test(rules, a_message_that_is_to_be_discarded_is_taken_and_goes_nowhere)
{
	begin("access { discard from alice@crepes.fr }\n");
	expect("HELO crepes.fr\r\n", "250 \n");
	mail();
	PLAY({"RCPT TO:<bob@hamburger.edu>\r\n", "250 2.1.5\n"}, {"DATA\r\n", "354\n"},
	    {"Subject: x\r\n\r\nx\r\n.\r\n", "250 2.0.0\n"});
	cr_assert_eq(fake.commits_count, 0);
	cr_assert_eq(fake.aborted, 1);
}

Test(rules, users_of_this_host_are_not_judged)
{
	fake_set("access { refuse }\n");
	fake_connect_user(1000, "carol");
	fake_heard();
	mail();
	expect("RCPT TO:<bob@hamburger.edu>\r\n", "250 2.1.5\n");
}

Test(rules, a_login_is_a_fact_like_any_other)
{
	fake_set("auth.cleartext always\naccess { accept login alice@*; refuse }\n");
	fake_connect(SERVICE_MX, "192.0.2.1");
	fake_heard();
	expect("HELO crepes.fr\r\n", "250 \n");
	mail();
	expect("RCPT TO:<bob@hamburger.edu>\r\n", "550 5.7.1\n");
	expect("RSET\r\n", "250 2.0.0\n");
	expect("AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n", "235 2.7.0\n");
	expect("MAIL FROM:<alice@hamburger.edu>\r\n", "250 2.1.0\n");
	expect("RCPT TO:<bob@hamburger.edu>\r\n", "250 2.1.5\n");
}

/* --- recipients that there are not ------------------------------------------------------ */

Test(rules, who_asks_for_too_many_recipients_that_there_are_not_is_told_of_none)
{
	begin("smtp.unknown-recipients-limit 3\n");
	expect("HELO crepes.fr\r\n", "250 \n");
	mail();
	for (int i = 0; i < 3; i++)
		expect("RCPT TO:<nobody@hamburger.edu>\r\n", "550 5.1.1\n");
	cr_assert_eq(fake.recipients_asked, 3);
	expect("RCPT TO:<nobody@hamburger.edu>\r\n", "450 4.7.1\n");
	expect("RCPT TO:<bob@hamburger.edu>\r\n", "450 4.7.1\n");
	expect("RCPT TO:<bob@hamburger.edu>\r\n", "450 4.7.1\n");
	cr_assert_eq(fake.recipients_asked, 3);
	/* And who goes on all the same is sent away. */
	expect("RCPT TO:<bob@hamburger.edu>\r\n", "421 4.7.1\n");
	cr_assert(fake_is_closed());
}

Test(rules, asking_for_many_at_once_tells_no_more)
{
	begin("smtp.unknown-recipients-limit 2\n");
	expect("HELO crepes.fr\r\n", "250 \n");
	mail();
	expect("RCPT TO:<nobody@hamburger.edu>\r\nRCPT TO:<nobody@hamburger.edu>\r\n"
	       "RCPT TO:<bob@hamburger.edu>\r\nRCPT TO:<nobody@hamburger.edu>\r\n",
	    "550 5.1.1\n550 5.1.1\n450 4.7.1\n450 4.7.1\n");
	expect("DATA\r\n", "554 5.5.1\n");
}

Test(rules, who_brings_a_message_in_between_begins_anew)
{
	begin("smtp.unknown-recipients-limit 2\n");
	expect("HELO crepes.fr\r\n", "250 \n");
	for (int i = 0; i < 3; i++) {
		mail();
		expect("RCPT TO:<nobody@hamburger.edu>\r\n", "550 5.1.1\n");
		PLAY({"RCPT TO:<bob@hamburger.edu>\r\n", "250 2.1.5\n"}, {"DATA\r\n", "354\n"},
		    {"Subject: x\r\n\r\nx\r\n.\r\n", "250 2.0.0\n"});
	}
}

Test(rules, a_user_may_mistype_as_often_as_it_takes)
{
	fake_set("auth.cleartext always\nsmtp.unknown-recipients-limit 2\n");
	fake_connect(SERVICE_MX, "192.0.2.1");
	fake_heard();
	expect("HELO crepes.fr\r\n", "250 \n");
	expect("AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n", "235 2.7.0\n");
	expect("MAIL FROM:<alice@hamburger.edu>\r\n", "250 2.1.0\n");
	for (int i = 0; i < 5; i++)
		expect("RCPT TO:<nobody@hamburger.edu>\r\n", "550 5.1.1\n");
}
