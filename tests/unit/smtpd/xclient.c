/* XCLIENT: what a filter or proxy may say of its client, and who may not. */
#include <criterion/criterion.h>

#include "tests/unit/smtpd/dialogue.h"

TestSuite(xclient, .init = fake_open, .fini = fake_close);

static void connect_proxy(void)
{
	fake_set("smtp.xclient-networks 192.0.2.1\nsmtp.relay-networks 203.0.113.0/24\n");
	fake_connect(SERVICE_MX, "192.0.2.1");
	fake_heard();
}

static void send_message(void)
{
	expect("MAIL FROM:<alice@crepes.fr>\r\n", "250 2.1.0\n");
	expect("RCPT TO:<bob@hamburger.edu>\r\n", "250 2.1.5\n");
	expect("DATA\r\n", "354 \n");
	expect("Subject: x\r\n\r\ntext\r\n.\r\n", "250 2.0.0\n");
}

Test(xclient, who_is_not_listed_is_not_offered_it_and_may_not_use_it)
{
	fake_connect(SERVICE_MX, "192.0.2.1");
	fake_heard();
	cr_assert_null(strstr(fake_say("EHLO x\r\n"), "XCLIENT"));
	expect("XCLIENT ADDR=127.0.0.1\r\n", "554 5.7.0\n");
	expect("MAIL FROM:<alice@crepes.fr>\r\n", "250 2.1.0\n");
	expect("RCPT TO:<x@elsewhere.example>\r\n", "554 5.7.1\n");
}

Test(xclient, the_session_begins_anew_as_that_of_the_client_that_is_named)
{
	connect_proxy();
	cr_assert_not_null(strstr(fake_say("EHLO proxy.example\r\n"),
	    "250-XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT\r\n"));
	expect("XCLIENT NAME=spike.example ADDR=198.51.100.7 PORT=1234\r\n",
	    "220 hamburger.edu ESMTP\n");
	expect("MAIL FROM:<alice@crepes.fr>\r\n", "503 5.5.1\n");
	expect("HELO spike.example\r\n", "250 \n");
	send_message();
	cr_assert_str_eq(fake.commits[0].client, "spike.example[198.51.100.7]");
	cr_assert_not_null(strstr(fake.commits[0].prepend, "spike.example [198.51.100.7]"));
	/* Only the proxy's own name was looked for. */
	cr_assert_eq(fake.names_asked, 1);
}

Test(xclient, the_rights_are_those_of_the_new_address)
{
	connect_proxy();
	expect("XCLIENT ADDR=203.0.113.9 HELO=inside.example PROTO=ESMTP\r\n", "220 \n");
	expect("MAIL FROM:<alice@crepes.fr>\r\n", "250 2.1.0\n");
	expect("RCPT TO:<x@elsewhere.example>\r\n", "250 2.1.5\n");
	expect("RSET\r\n", "250 2.0.0\n");
	expect("XCLIENT ADDR=IPV6:2001:db8::1 HELO=outside.example\r\n", "220 \n");
	expect("MAIL FROM:<alice@crepes.fr>\r\n", "250 2.1.0\n");
	expect("RCPT TO:<x@elsewhere.example>\r\n", "554 5.7.1\n");
	expect("RCPT TO:<bob@hamburger.edu>\r\n", "250 2.1.5\n");
}

Test(xclient, a_login_is_taken_over_and_goes_with_the_next_client)
{
	connect_proxy();
	expect("XCLIENT ADDR=198.51.100.7 HELO=x LOGIN=alice@hamburger.edu\r\n", "220 \n");
	expect("MAIL FROM:<alice@hamburger.edu>\r\n", "250 2.1.0\n");
	expect("RCPT TO:<x@elsewhere.example>\r\n", "250 2.1.5\n");
	expect("RSET\r\n", "250 2.0.0\n");
	expect("XCLIENT ADDR=198.51.100.8 HELO=x LOGIN=[UNAVAILABLE]\r\n", "220 \n");
	expect("MAIL FROM:<alice@hamburger.edu>\r\n", "250 2.1.0\n");
	expect("RCPT TO:<x@elsewhere.example>\r\n", "554 5.7.1\n");
}

Test(xclient, what_is_unavailable_is_unknown_and_has_no_rights)
{
	connect_proxy();
	expect("XCLIENT NAME=[TEMPUNAVAIL] ADDR=[UNAVAILABLE] HELO=h+2Bx PROTO=SMTP\r\n", "220 \n");
	expect("MAIL FROM:<alice@crepes.fr>\r\n", "250 2.1.0\n");
	expect("RCPT TO:<x@elsewhere.example>\r\n", "554 5.7.1\n");
	expect("RCPT TO:<bob@hamburger.edu>\r\n", "250 2.1.5\n");
	expect("DATA\r\n", "354 \n");
	expect("Subject: x\r\n\r\ntext\r\n.\r\n", "250 2.0.0\n");
	cr_assert_str_eq(fake.commits[0].client, "unknown[unknown]");
	cr_assert_eq(fake.names_asked, 0);
}

Test(xclient, what_cannot_be_read_changes_nothing)
{
	static const char *const wrong[] = {"XCLIENT ADDR=203.0.113.9 NAME\r\n",
	    "XCLIENT ADDR=203.0.113.9 COLOUR=green\r\n",
	    "XCLIENT ADDR=203.0.113.9 ADDR=203.0.113.9\r\n", "XCLIENT ADDR=203.0.113\r\n",
	    "XCLIENT ADDR=203.0.113.9 NAME=a+0D+0Ab\r\n", "XCLIENT ADDR=203.0.113.9 HELO=a+20b\r\n",
	    "XCLIENT ADDR=203.0.113.9 NAME=-\r\n", "XCLIENT ADDR=203.0.113.9 PROTO=LMTP\r\n",
	    "XCLIENT ADDR=203.0.113.9 PORT=70000\r\n", "XCLIENT ADDR=203.0.113.9 LOGIN=+2\r\n",
	    "XCLIENT \r\n"};

	connect_proxy();
	expect("HELO proxy.example\r\n", "250 \n");
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		expect(wrong[i], "501 5.5.4\n");
	expect("MAIL FROM:<alice@crepes.fr>\r\n", "250 2.1.0\n");
	expect("XCLIENT ADDR=203.0.113.9\r\n", "503 5.5.1\n");
	expect("RCPT TO:<x@elsewhere.example>\r\n", "554 5.7.1\n");
}
