/* What a client that wants to log in may rely on (RFC 4954, RFC 4616). */
#include <criterion/criterion.h>
#include <stdio.h>

#include "tests/unit/smtpd/dialogue.h"

static void open_house(void)
{
	fake_open();
	fake_set("auth.cleartext always\nsmtp.errors-limit 100");
	fake_connect(SERVICE_SUBMISSION, "192.0.2.1");
	expect("", "220 \n");
	expect("EHLO x\r\n", "250-\n250-\n250-\n250-AUTH SCRAM-SHA-256 PLAIN LOGIN\n250-\n250-\n250-\n250-\n250-\n250-\n250-\n250 \n");
}

TestSuite(auth, .init = open_house, .fini = fake_close);

Test(auth, plain_works_with_and_without_an_initial_response)
{
	expect("AUTH PLAIN\r\n", "334\n");
	expect("AGFsaWNlAHdyb25n\r\n", "535 5.7.8\n");
	expect("auth plain AGFsaWNlAHNlY3JldA==\r\n", "235 2.7.0\n");
	expect("AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n", "503 5.5.1\n");
}

Test(auth, login_asks_for_name_and_password)
{
	expect("AUTH LOGIN\r\n", "334 VXNlcm5hbWU6\n");
	expect("YWxpY2U=\r\n", "334 UGFzc3dvcmQ6\n");
	expect("d3Jvbmc=\r\n", "535 5.7.8\n");
	expect("AUTH LOGIN YWxpY2U=\r\n", "334 UGFzc3dvcmQ6\n");
	expect("c2VjcmV0\r\n", "235 2.7.0\n");
}

Test(auth, a_star_cancels)
{
	expect("AUTH PLAIN\r\n", "334\n");
	expect("*\r\n", "501 5.7.0\n");
	expect("AUTH LOGIN\r\n", "334 \n");
	expect("YWxpY2U=\r\n", "334 \n");
	expect("*\r\n", "501 5.7.0\n");
	expect("NOOP\r\n", "250 2.0.0\n");
}

Test(auth, malformed_responses_end_the_exchange_and_not_the_session)
{
	static const char *const responses[] = {
	    "AGFsaWNlAHNlY3JldA", /* padding */
	    "not base64!",
	    "AGFsaWNl",         /* no password */
	    "AGFsaWNlAA==",     /* an empty one */
	    "AABzZWNyZXQ=",     /* no name */
	    "AGFsaWNlAHNlAHQ=", /* a NUL inside the password */
	    "AGFsaWNlAHNlY3JldA== AGFsaWNlAHNlY3JldA==",
	    "=",
	};
	char line[128];

	for (size_t i = 0; i < sizeof responses / sizeof responses[0]; i++) {
		snprintf(line, sizeof line, "AUTH PLAIN %s\r\n", responses[i]);
		expect(line, "501 5.5.2\n");
	}
	expect("AUTH PLAIN\r\n", "334\n");
	expect("\r\n", "501 5.5.2\n");
	expect("NOOP\r\n", "250 2.0.0\n");
}

Test(auth, mechanisms_that_are_not_there_are_refused)
{
	expect("AUTH\r\n", "504 5.5.4\n");
	expect("AUTH CRAM-MD5\r\n", "504 5.5.4\n");
	expect("AUTH PLAINER\r\n", "504 5.5.4\n");
}

Test(auth, a_line_of_the_exchange_may_be_long_but_not_without_end)
{
	static char line[20000];

	expect("AUTH PLAIN\r\n", "334\n");
	memset(line, 'A', 8000);
	memcpy(line + 8000, "\r\n", 3);
	expect(line, "501 5.5.2\n");
	expect("AUTH PLAIN\r\n", "334\n");
	memset(line, 'A', 15000);
	memcpy(line + 15000, "\r\nNOOP\r\n", 9);
	expect(line, "500 5.5.6\n250 2.0.0\n");
}

Test(auth, what_auth_cannot_say_now_is_a_temporary_failure)
{
	expect("AUTH PLAIN AGxpbWl0ZWQAc2VjcmV0\r\n", "454 4.7.0 Too many\n");
	fake.loses_answers = true;
	expect("AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n", "454 4.7.0\n");
	fake.auth_is_away = true;
	expect("AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n", "454 4.7.0\n");
}

Test(auth, nothing_is_taken_before_the_answer)
{
	fake.holds_answers = true;
	expect("AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\nMAIL FROM:<alice@hamburger.edu>\r\n", "");
	fake_answer(1, false);
	fake.holds_answers = false;
	expect("", "235 2.7.0\n250 2.1.0\n");
}

Test(auth, it_has_no_place_inside_a_message)
{
	expect("AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n", "235 2.7.0\n");
	expect("MAIL FROM:<alice@hamburger.edu>\r\n", "250 2.1.0\n");
	expect("AUTH PLAIN\r\n", "503 5.5.1\n");
}

Test(auth, in_the_clear_it_is_offered_only_where_the_setting_says_so)
{
	fake_set("auth.cleartext never");
	expect("EHLO x\r\n", "250-\n250-\n250-\n250-8BITMIME\n250-CHUNKING\n250-DSN\n250-SMTPUTF8\n250-LIMITS\n250-FUTURE\n250-MT-\n250 \n");
	expect("AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n", "538 5.7.11\n");
	fake_set("auth.cleartext loopback");
	expect("AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n", "538 5.7.11\n");
}

Test(auth, scram_is_passed_on_message_by_message)
{
	expect("AUTH SCRAM-SHA-256\r\n", "334\n");
	expect("Zmlyc3Q=\r\n", "334 c2VydmVyLWZpcnN0\n");
	expect("ZmluYWw=\r\n", "334 c2VydmVyLWZpbmFs\n");
	expect("\r\n", "235 2.7.0\n");
	expect("MAIL FROM:<alice@hamburger.edu>\r\n", "250 2.1.0\n");
}

Test(auth, scram_takes_an_initial_response)
{
	expect("AUTH scram-sha-256 Zmlyc3Q=\r\n", "334 c2VydmVyLWZpcnN0\n");
	expect("d3Jvbmc=\r\n", "535 5.7.8\n");
	expect("AUTH SCRAM-SHA-256 Zmlyc3Q=\r\nZmluYWw=\r\n\r\n",
	    "334 c2VydmVyLWZpcnN0\n334 c2VydmVyLWZpbmFs\n235 2.7.0\n");
}

Test(auth, each_end_of_a_scram_exchange_is_told_to_auth_and_leaves_nothing)
{
	static const char *const ends[][2] = {
	    {"*\r\n",            "501 5.7.0\n"},
	    {"not base64!\r\n",  "501 5.5.2\n"},
	    {"ZmluYWw\r\n",      "501 5.5.2\n"},
	    {"d3Jvbmc=\r\n",     "535 5.7.8\n"},
	};

	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
		expect("AUTH SCRAM-SHA-256 Zmlyc3Q=\r\n", "334 c2VydmVyLWZpcnN0\n");
		cr_assert_eq(fake.conversations_open, 1u);
		expect(ends[i][0], ends[i][1]);
		cr_assert_eq(fake.conversations_open, 0u, "%s", ends[i][0]);
		expect("NOOP\r\n", "250 2.0.0\n");
	}
	expect("AUTH SCRAM-SHA-256 ZmluYWw=\r\n", "535 5.7.8\n");
	expect("AUTH SCRAM-SHA-256 =\r\n", "501 5.5.2\n");
}

Test(auth, a_client_that_leaves_in_the_middle_of_scram_is_told_to_auth)
{
	expect("AUTH SCRAM-SHA-256 Zmlyc3Q=\r\n", "334 c2VydmVyLWZpcnN0\n");
	fake_end_input();
	fake_run();
	cr_assert_eq(fake.conversations_open, 0u);
}

Test(auth, a_lost_answer_in_scram_is_a_temporary_failure)
{
	expect("AUTH SCRAM-SHA-256 Zmlyc3Q=\r\n", "334 c2VydmVyLWZpcnN0\n");
	fake.loses_answers = true;
	expect("ZmluYWw=\r\n", "454 4.7.0\n");
	fake.loses_answers = false;
	expect("AUTH SCRAM-SHA-256 Zmlyc3Q=\r\n", "334 c2VydmVyLWZpcnN0\n");
}

Test(auth, scram_is_not_there_where_it_cannot_be_or_is_switched_off)
{
	expect("AUTH SCRAM-SHA-256-PLUS Zmlyc3Q=\r\n", "504 5.5.4\n");
	fake_set("auth.scram no");
	expect("EHLO x\r\n", "250-\n250-\n250-\n250-AUTH PLAIN LOGIN\n250-\n250-\n250-\n250-\n250-\n250-\n250-\n250 \n");
	expect("AUTH SCRAM-SHA-256 Zmlyc3Q=\r\n", "504 5.5.4\n");
	fake_set("auth.cleartext never\nauth.scram yes");
	expect("AUTH SCRAM-SHA-256 Zmlyc3Q=\r\n", "538 5.7.11\n");
}
