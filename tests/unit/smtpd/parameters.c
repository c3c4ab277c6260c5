/* What MAIL and RCPT may say of reports (RFC 3461), and what is kept of it. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "tests/unit/smtpd/dialogue.h"

static void greeted(void)
{
	fake_open();
	fake_connect(SERVICE_MX, "192.0.2.1");
	fake_heard();
	fake_set("smtp.errors-limit 100");
	fake_say("EHLO client.example\r\n");
}

TestSuite(parameters, .init = greeted, .fini = fake_close);

#define MAIL "MAIL FROM:<alice@crepes.fr>"
#define RCPT "RCPT TO:<bob@hamburger.edu>"

Test(parameters, what_is_said_of_reports_is_kept_decoded)
{
	PLAY({MAIL " RET=FULL ENVID=QQ+2B314+3D1\r\n", "250 2.1.0\n"},
	    {RCPT " NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Bob+2Bx@Hamburger.EDU\r\n", "250 2.1.5\n"},
	    {RCPT " notify=never\r\n", "250 2.1.5\n"},
	    {RCPT " NOTIFY=FAILURE ORCPT=x-note;a+20b\r\n", "250 2.1.5\n"},
	    {RCPT "\r\n", "250 2.1.5\n"}, {"DATA\r\n", "354 \n"}, {".\r\n", "250 2.0.0\n"});
	cr_assert_eq(fake.commits[0].ret, RETURN_FULL);
	cr_assert_str_eq(fake.commits[0].envid, "QQ+314=1");
	cr_assert_eq(fake.commits[0].notify[0], NOTIFY_SUCCESS | NOTIFY_DELAY);
	cr_assert_str_eq(fake.commits[0].original[0], "rfc822;Bob+x@Hamburger.EDU");
	cr_assert_eq(fake.commits[0].notify[1], NOTIFY_NEVER);
	cr_assert_str_eq(fake.commits[0].original[1], "");
	cr_assert_str_eq(fake.commits[0].original[2], "x-note;a b");
	cr_assert_eq(fake.commits[0].notify[3], 0);
	cr_assert_str_eq(
	    fake.commits[0].recipients, "bob@hamburger.edu bob@hamburger.edu bob@hamburger.edu bob@hamburger.edu");
}

Test(parameters, nothing_of_it_outlives_its_message)
{
	PLAY({MAIL " RET=HDRS ENVID=x\r\n", "250 2.1.0\n"},
	    {RCPT " NOTIFY=NEVER\r\n", "250 2.1.5\n"}, {"RSET\r\n", "250 2.0.0\n"},
	    {MAIL "\r\n", "250 2.1.0\n"}, {RCPT "\r\n", "250 2.1.5\n"},
	    {"DATA\r\n", "354 \n"}, {".\r\n", "250 2.0.0\n"});
	cr_assert_eq(fake.commits[0].ret, RETURN_DEFAULT);
	cr_assert_str_eq(fake.commits[0].envid, "");
	cr_assert_eq(fake.commits[0].notify[0], 0);
}

Test(parameters, of_mail_that_are_malformed_are_refused)
{
	static const char *const bad[] = {"RET", "RET=", "RET=SOME", "RET=FULL RET=FULL", "ENVID",
	    "ENVID=", "ENVID=a+2", "ENVID=a+2b", "ENVID=a+0Ab", "ENVID=a+0D+0ARCPT", "ENVID=+00",
	    "ENVID=+7F", "ENVID=+E9", "ENVID=a=b", "ENVID=\303\251"};
	char text[256];

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		snprintf(text, sizeof text, MAIL " %s\r\n", bad[i]);
		expect(text, "501 5.5.4\n");
	}
	snprintf(text, sizeof text, MAIL " ENVID=%0*d\r\n", 101, 1);
	expect(text, "501 5.5.4\n");
	snprintf(text, sizeof text, MAIL " ENVID=%0*d\r\n", 100, 1);
	expect(text, "250 2.1.0\n");
}

Test(parameters, of_rcpt_that_are_malformed_are_refused)
{
	static const char *const bad[] = {"NOTIFY", "NOTIFY=", "NOTIFY=ALWAYS",
	    "NOTIFY=NEVER,SUCCESS", "NOTIFY=SUCCESS,", "NOTIFY=,SUCCESS", "NOTIFY=DELAY,DELAY",
	    "NOTIFY=NEVER NOTIFY=NEVER", "ORCPT", "ORCPT=", "ORCPT=bob@x", "ORCPT=;bob@x",
	    "ORCPT=rfc822;", "ORCPT=rfc822;a+0Ab", "ORCPT=rfc822;a+0D+0ATo:+20x",
	    "ORCPT=rf c;x", "ORCPT=rfc+3D;x", "ORCPT=rfc822;+", "ORCPT=rfc822;+E9"};
	char text[768];

	expect(MAIL "\r\n", "250 2.1.0\n");
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		const char *heard;

		snprintf(text, sizeof text, RCPT " %s\r\n", bad[i]);
		heard = fake_say(text);
		cr_assert(strncmp(heard, "501 5.5.4", 9) == 0 || strncmp(heard, "555 5.5.4", 9) == 0,
		    "%s: %s", bad[i], heard);
	}
	snprintf(text, sizeof text, RCPT " ORCPT=rfc822;%0*d\r\n", 494, 1);
	expect(text, "501 5.5.4\n");
	snprintf(text, sizeof text, RCPT " ORCPT=rfc822;%0*d\r\n", 493, 1);
	expect(text, "250 2.1.5\n");
	expect("DATA\r\n", "354 \n");
	expect(".\r\n", "250 2.0.0\n");
	cr_assert_str_eq(fake.commits[0].recipients, "bob@hamburger.edu");
}

/* SMTPUTF8 (RFC 6531). */

#define IWAN "MAIL FROM:<\320\270\320\262\320\260\320\275@\320\277\320\276\321\207\321\202\320\260.\321\200\321\204>"

Test(parameters, an_address_that_is_not_ascii_is_kept_with_its_domain_as_an_a_label)
{
	PLAY({IWAN " SMTPUTF8\r\n", "250 2.1.0\n"},
	    {"RCPT TO:<B\303\266b@Hamburger.EDU> ORCPT=utf-8;B\\x{F6}b@hamburger.edu\r\n", "250 2.1.5\n"},
	    {RCPT " ORCPT=rfc822;b+C3+B6b@hamburger.edu\r\n", "250 2.1.5\n"},
	    {"DATA\r\n", "354 \n"}, {".\r\n", "250 2.0.0\n"});
	cr_assert(fake.commits[0].smtputf8);
	cr_assert_str_eq(fake.commits[0].sender,
	    "\320\270\320\262\320\260\320\275@xn--80a1acny.xn--p1ai");
	cr_assert_str_eq(fake.commits[0].recipients, "B\303\266b@hamburger.edu bob@hamburger.edu");
	cr_assert_str_eq(fake.commits[0].original[0], "utf-8;B\303\266b@hamburger.edu");
	cr_assert_str_eq(fake.commits[0].original[1], "utf-8;b\303\266b@hamburger.edu");
	cr_assert_not_null(strstr(fake.commits[0].prepend, "with UTF8SMTP "));
	cr_assert_null(strchr(fake.commits[0].prepend, '\303'), "the trace alone keeps no host from taking it");
}

Test(parameters, the_next_message_is_ascii_again)
{
	PLAY({IWAN " SMTPUTF8\r\n", "250 2.1.0\n"}, {"RSET\r\n", "250 2.0.0\n"},
	    {MAIL "\r\n", "250 2.1.0\n"}, {"RCPT TO:<b\303\266b@hamburger.edu>\r\n", "553 5.6.7\n"},
	    {RCPT "\r\n", "250 2.1.5\n"}, {"DATA\r\n", "354 \n"}, {".\r\n", "250 2.0.0\n"});
	cr_assert_not(fake.commits[0].smtputf8);
	cr_assert_not_null(strstr(fake.commits[0].prepend, "with ESMTP "));
}

Test(parameters, what_is_neither_ascii_nor_utf8_is_no_command)
{
	PLAY({"MAIL FROM:<j\366rg@crepes.fr> SMTPUTF8\r\n", "500 5.5.2\n"},
	    {"MAIL FROM:<\300\257@crepes.fr> SMTPUTF8\r\n", "500 5.5.2\n"},
	    {"MAIL FROM:<\355\240\200@crepes.fr> SMTPUTF8\r\n", "500 5.5.2\n"},
	    {"NOOP \377\r\n", "500 5.5.2\n"}, {MAIL " SMTPUTF8=1\r\n", "501 5.5.4\n"},
	    {"MAIL FROM:<a@\342\204\200.fr> SMTPUTF8\r\n", "501 5.1.7\n"});
}
