/* What becomes of a user's own mail on its way in (RFC 6409). */
#include <criterion/criterion.h>
#include <stdio.h>

#include "tests/unit/smtpd/dialogue.h"

#define ENVELOPE "MAIL FROM:<alice@hamburger.edu>\r\nRCPT TO:<x@elsewhere.example>\r\nDATA\r\n"
#define ENVELOPE_OK "250 2.1.0\n250 2.1.5\n354 \n"

static void log_in(const char *more)
{
	char lines[512];

	snprintf(lines, sizeof lines, "auth.cleartext always\nsmtp.errors-limit 100\n%s", more);
	fake_open();
	fake_set(lines);
	fake_connect(SERVICE_SUBMISSION, "192.0.2.1");
	fake_heard();
	fake_say("EHLO x\r\n");
	expect("AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n", "235 2.7.0\n");
}

static void logged_in(void)
{
	log_in("");
}

TestSuite(submit, .init = logged_in, .fini = fake_close);

static const char *prepended(void)
{
	return fake.commits[fake.commits_count - 1].prepend;
}

static const char *content(void)
{
	return fake.commits[fake.commits_count - 1].content;
}

static void submit(const char *text, const char *expected)
{
	expect(ENVELOPE, ENVELOPE_OK);
	expect(text, expected);
}

Test(submit, a_message_without_from_gets_the_senders_address)
{
	submit("Subject: x\r\n\r\nFrom: y\r\n.\r\n", "250 2.0.0\n");
	cr_assert_not_null(strstr(prepended(), "\r\nFrom: alice@hamburger.edu\r\n"));
	PLAY({"MAIL FROM:<>\r\nRCPT TO:<x@elsewhere.example>\r\nDATA\r\n", ENVELOPE_OK},
	    {"Subject: x\r\n.\r\n", "250 2.0.0\n"});
	cr_assert_not_null(strstr(prepended(), "\r\nFrom: alice@hamburger.edu\r\n"));
	submit("From: alice@hamburger.edu\r\n.\r\n", "250 2.0.0\n");
	cr_assert_null(strstr(prepended(), "\r\nFrom: "));
}

Test(submit, a_message_without_from_is_refused_where_the_setting_says_so)
{
	fake_set("submission.from-missing refuse");
	submit("Subject: x\r\n.\r\n", "550 5.6.0\n");
	cr_assert_eq(fake.commits_count, 0);
}

Test(submit, lookup_is_not_asked_about_the_address_that_mail_named)
{
	submit("From: Alice <alice@hamburger.edu>\r\n.\r\n", "250 2.0.0\n");
	submit("From: alice@HAMBURGER.edu (Alice)\r\n.\r\n", "250 2.0.0\n");
	cr_assert_eq(fake.senders_asked, 2, "for MAIL alone");
	cr_assert_eq(fake.messages_counted, 2);
}

Test(submit, an_author_who_is_somebody_else_is_refused)
{
	submit("From: The Boss <boss@hamburger.edu>\r\n.\r\n", "550 5.7.1\n");
	submit("From: alice@hamburger.edu, boss@hamburger.edu\r\n.\r\n", "550 5.7.1\n");
	submit("From: Bosses: boss@hamburger.edu;\r\n.\r\n", "550 5.7.1\n");
	/* The first is refused, and nothing of it is left. */
	submit("From: alice@hamburger.edu\r\n.\r\n", "250 2.0.0\n");
	cr_assert_eq(fake.commits_count, 1);
	cr_assert_eq(fake.aborted, 3);
}

Test(submit, the_answer_about_the_author_may_come_later_or_never)
{
	expect(ENVELOPE, ENVELOPE_OK);
	fake.holds_answers = true;
	expect("From: boss@hamburger.edu\r\n.\r\nNOOP\r\n", "");
	fake_answer(1, false);
	expect("", "550 5.7.1\n250 2.0.0\n");
	fake.holds_answers = false;
	expect(ENVELOPE, ENVELOPE_OK);
	fake.lookup_is_away = true;
	expect("From: boss@hamburger.edu\r\n.\r\n", "451 4.3.0\n");
	fake.lookup_is_away = false;
	expect(ENVELOPE, ENVELOPE_OK);
	fake.loses_answers = true;
	expect("From: boss@hamburger.edu\r\n.\r\n", "451 4.3.0\n");
	cr_assert_eq(fake.commits_count, 0);
}

Test(submit, a_client_that_goes_away_meanwhile_takes_its_message_with_it)
{
	expect(ENVELOPE, ENVELOPE_OK);
	fake.holds_answers = true;
	expect("From: boss@hamburger.edu\r\n.\r\n", "");
	fake_close();
	cr_assert_eq(fake.commits_count, 0);
	log_in("");
}

Test(submit, a_from_that_cannot_be_read_in_one_way_is_refused)
{
	static const char *const bad[] = {
	    "From:\r\n",
	    "From: ,\r\n",
	    "From: Nobody:;\r\n",
	    "From: <alice@hamburger.edu\r\n",
	    "From: alice@hamburger.edu@elsewhere.example\r\n",
	    "From: <alice@hamburger.edu> <boss@hamburger.edu>\r\n",
	    "From: \"alice@hamburger.edu\r\n",
	    "From: alice@hamburger.edu\r\nfrom : alice@hamburger.edu\r\n",
	    ("From                                                                               :"
	     " alice@hamburger.edu\r\n"),
	};
	char text[512];

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		snprintf(text, sizeof text, "X: y\r\n%s\r\nx\r\n.\r\n", bad[i]);
		submit(text, "550 5.6.0\n");
	}
	cr_assert_eq(fake.commits_count, 0);
}

Test(submit, a_message_from_too_many_is_refused_before_anybody_is_asked_about_them)
{
	char text[20000] = "From: b@hamburger.edu";

	for (size_t at = strlen(text); at < 19000; at += 20)
		snprintf(text + at, sizeof text - at, ",\r\n b@hamburger.edu..");
	fake_say(ENVELOPE);
	fake_say(text);
	expect("\r\n.\r\n", "550 5.6.0 The From field is too long\n");
	snprintf(text, sizeof text,
	    "From: a@b,\r\n a@c,a@d,a@e,a@f,a@g,a@h,a@i,a@j,a@k,a@l\r\n.\r\n");
	submit(text, "550 5.6.0\n");
	cr_assert_eq(fake.senders_asked, 2);
}

Test(submit, an_author_who_is_somebody_else_has_the_sender_named_where_the_setting_says_so)
{
	fake_set("auth.cleartext always\nsubmission.from sender");
	submit("Sender: boss@hamburger.edu\r\nFrom: boss@hamburger.edu\r\n.\r\n", "250 2.0.0\n");
	cr_assert_not_null(strstr(prepended(), "\r\nSender: alice@hamburger.edu\r\n"));
	cr_assert_str_eq(content(), "From: boss@hamburger.edu\r\n");
	submit("From: alice@hamburger.edu\r\nSender: boss@hamburger.edu\r\n.\r\n", "250 2.0.0\n");
	cr_assert_null(strstr(prepended(), "\r\nSender: "));
	cr_assert_str_eq(content(), "From: alice@hamburger.edu\r\n");
}

Test(submit, any_author_is_good_where_the_setting_says_so_but_not_any_octets)
{
	fake_set("auth.cleartext always\nsubmission.from any");
	submit("From: boss@hamburger.edu\r\nSender: x@y\r\n.\r\n", "250 2.0.0\n");
	cr_assert_str_eq(content(), "From: boss@hamburger.edu\r\nSender: x@y\r\n");
	cr_assert_eq(fake.senders_asked, 1);
	submit("From: <<boss@hamburger.edu\r\n.\r\n", "550 5.6.0\n");
}

Test(submit, nobody_sees_the_bcc_of_a_users_message)
{
	submit("From: alice@hamburger.edu\r\nBcc: x@elsewhere.example,\r\n y@z\r\n"
	       "Resent-bcc: z\r\n\r\nBcc: text\r\n.\r\n",
	    "250 2.0.0\n");
	cr_assert_str_eq(content(), "From: alice@hamburger.edu\r\n\r\nBcc: text\r\n");
	/* In chunks, whose borders fall anywhere. */
	PLAY({"MAIL FROM:<alice@hamburger.edu>\r\nRCPT TO:<x@elsewhere.example>\r\n",
		 "250 2.1.0\n250 2.1.5\n"},
	    {"BDAT 2\r\nBc", "250 2.0.0\n"}, {"BDAT 6\r\nc: a\r\n", "250 2.0.0\n"},
	    {"BDAT 5 LAST\r\n b\r\nx", "250 2.0.0\n"});
	cr_assert_str_eq(content(), "x\r\n");
}

Test(submit, the_bcc_of_other_hosts_mail_is_not_ours_to_touch)
{
	fake_close();
	fake_open();
	start_message();
	expect("Bcc: a\r\n\r\nx\r\n.\r\n", "250 2.0.0\n");
	cr_assert_str_eq(content(), "Bcc: a\r\n\r\nx\r\n");
	cr_assert_null(strstr(prepended(), "\r\nFrom: "));
}

Test(submit, programs_of_this_host_write_for_whom_they_like_and_show_no_bcc)
{
	fake_close();
	fake_open();
	fake_connect_user(1000, "carol");
	fake_heard();
	PLAY({"MAIL FROM:<carol>\r\nRCPT TO:<x@elsewhere.example>\r\nDATA\r\n", ENVELOPE_OK},
	    {"From: root (Cron Daemon)\r\nBcc: y\r\n\r\nx\r\n.\r\n", "250 2.0.0\n"});
	cr_assert_str_eq(content(), "From: root (Cron Daemon)\r\n\r\nx\r\n");
	PLAY({"MAIL FROM:<>\r\nRCPT TO:<x@elsewhere.example>\r\nDATA\r\n", ENVELOPE_OK},
	    {"X: y\r\n.\r\n", "250 2.0.0\n"});
	cr_assert_not_null(strstr(prepended(), "\r\nFrom: carol@hamburger.edu\r\n"));
	cr_assert_eq(fake.senders_asked, 0);
}

Test(submit, users_have_limits_of_their_own)
{
	fake_close();
	log_in("smtp.size-limit 64K\nsubmission.size-limit 128K\nsubmission.recipients-limit 2\n");
	PLAY({"MAIL FROM:<alice@hamburger.edu> SIZE=131073\r\n", "552 5.3.4\n"},
	    {"MAIL FROM:<alice@hamburger.edu> SIZE=131072\r\n", "250 2.1.0\n"},
	    {"RCPT TO:<a@b.example>\r\nRCPT TO:<b@b.example>\r\nRCPT TO:<c@b.example>\r\n",
		"250 2.1.5\n250 2.1.5\n452 4.5.3\n"});
}

Test(submit, a_bcc_without_end_is_no_way_to_be_read_for_ever)
{
	static char text[60001];

	memset(text, 'x', sizeof text - 1);
	fake_set("auth.cleartext always\nsubmission.size-limit 64K");
	expect(ENVELOPE, ENVELOPE_OK);
	expect("Bcc: ", "");
	for (unsigned i = 0; i < 2; i++)
		expect(text, "");
	expect(text, "552 5.3.4\n");
	cr_assert(fake_is_closed());
}

Test(submit, what_a_user_sends_is_counted_once_and_what_others_send_is_not)
{
	submit("From: boss@hamburger.edu\r\n.\r\n", "550 5.7.1\n");
	expect("MAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\nRCPT TO:<c@d.example>\r\n",
	    "250 2.1.0\n250 2.1.5\n250 2.1.5\n");
	cr_assert_eq(fake.messages_counted, 2);
	cr_assert_eq(fake.recipients_counted, 3);
	fake_close();
	fake_open();
	start_message();
	cr_assert_eq(fake.messages_counted + fake.recipients_counted, 0);
	fake_close();
	fake_open();
	fake_connect_user(1000, "carol");
	fake_heard();
	expect(ENVELOPE, ENVELOPE_OK);
	cr_assert_eq(fake.messages_counted + fake.recipients_counted, 0);
}

Test(submit, a_user_who_has_sent_too_much_is_told_to_wait)
{
	fake.allowance_is_used_up = true;
	expect("MAIL FROM:<alice@hamburger.edu>\r\n", "450 4.7.1 You may send 1 messages\n");
	fake.allowance_is_used_up = false;
	submit("From: alice@hamburger.edu\r\n.\r\n", "250 2.0.0\n");
}
