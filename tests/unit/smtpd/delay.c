/* Clients that are made to wait: for the greeting, and behind their errors. */
#include <criterion/criterion.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/tally.h"
#include "smtpd/limits.h"
#include "tests/unit/smtpd/dialogue.h"

TestSuite(delay, .init = fake_open, .fini = fake_close, .timeout = 60);

/* Milliseconds until the server says anything, or `most`. */
static unsigned wait_for_word(unsigned most)
{
	uint64_t start = clock_monotonic_us();

	while (fake.said.len == 0 && clock_monotonic_us() - start < most * UINT64_C(1000)) {
		fake_run();
		usleep(5000);
	}
	return (unsigned)((clock_monotonic_us() - start) / 1000);
}

static void greet_after(const char *said, const char *heard)
{
	fake_connect(SERVICE_MX, "192.0.2.1");
	expect(said, "");
	cr_assert_geq(wait_for_word(3000), 800);
	expect_heard(said, fake_heard(), heard);
}

Test(delay, the_greeting_comes_when_the_delay_is_over)
{
	fake_set("smtp.greeting-delay 1s\n");
	greet_after("", "220 hamburger.edu\n");
	expect("HELO crepes.fr\r\n", "250 \n");
	expect("MAIL FROM:<alice@crepes.fr>\r\n", "250 \n");
	expect("RCPT TO:<bob@hamburger.edu>\r\n", "250 \n");
}

Test(delay, who_talks_before_it_is_refused_its_recipients)
{
	fake_set("smtp.greeting-delay 1s\n");
	greet_after("HELO crepes.fr\r\nMAIL FROM:<alice@crepes.fr>\r\n", "220 \n250 \n250 \n");
	expect("RCPT TO:<bob@hamburger.edu>\r\n", "550 5.5.1\n");
}

Test(delay, or_disconnected)
{
	fake_set("smtp.greeting-delay 1s\nsmtp.early-talkers disconnect\n");
	greet_after("HELO crepes.fr\r\n", "521 5.5.1\n");
	cr_assert(fake_is_closed());
}

Test(delay, or_only_noted_and_a_rule_may_look_at_it)
{
	fake_set("smtp.greeting-delay 1s\nsmtp.early-talkers note\naccess { defer early }\n");
	greet_after("HELO crepes.fr\r\nMAIL FROM:<alice@crepes.fr>\r\n", "220 \n250 \n250 \n");
	expect("RCPT TO:<bob@hamburger.edu>\r\n", "450 4.7.1\n");
}

Test(delay, who_may_relay_and_who_submits_waits_for_nothing)
{
	fake_set("smtp.greeting-delay 60s\n");
	fake_connect(SERVICE_MX, "127.0.0.1");
	expect("", "220 \n");
	close(fake.client);
	fake_connect(SERVICE_SUBMISSION, "192.0.2.1");
	expect("", "220 \n");
}

Test(delay, a_client_that_leaves_while_it_waits_leaves_nothing_behind)
{
	fake_set("smtp.greeting-delay 1s\n");
	fake_connect(SERVICE_MX, "192.0.2.1");
	fake_end_input();
	cr_assert(fake.session_is_open);
	wait_for_word(3000);
	cr_assert(fake_is_closed());
	fake_run();
}

/* --- tarpit ------------------------------------------------------------------------------ */

Test(delay, replies_to_errors_come_later_after_some_and_nothing_is_done_meanwhile)
{
	fake_set("smtp { tarpit-delay 1s\n tarpit-errors 3 }\n");
	fake_connect(SERVICE_MX, "192.0.2.1");
	fake_heard();
	expect("X\r\nX\r\n", "500\n500\n");
	expect("X\r\nHELO crepes.fr\r\nX\r\n", "");
	cr_assert_geq(wait_for_word(3000), 800);
	/* HELO is no error: its reply waits with the next one's. */
	expect("", "500\n");
	cr_assert_geq(wait_for_word(3000), 800);
	expect("", "250\n500\n");
	/* What is right is answered at once. */
	expect("NOOP\r\n", "250\n");
}

Test(delay, no_more_sessions_are_made_to_wait_than_the_limit_says)
{
	fake_set("smtp { tarpit-delay 60s\n tarpit-errors 1\n tarpit-sessions 0 }\n");
	fake_connect(SERVICE_MX, "192.0.2.1");
	fake_heard();
	expect("X\r\nX\r\n", "500\n500\n");
}

Test(delay, a_rule_may_slow_a_client_down)
{
	fake_set("access { tarpit 1s helo crepes.fr }\n");
	fake_connect(SERVICE_MX, "192.0.2.1");
	fake_heard();
	expect("HELO crepes.fr\r\n", "");
	cr_assert_geq(wait_for_word(3000), 800);
	expect("", "250\n");
	expect("QUIT\r\n", "221\n");
	cr_assert(fake_is_closed());
}

Test(delay, who_is_gone_is_waited_for_by_nobody)
{
	fake_set("smtp { tarpit-delay 60s\n tarpit-errors 1\n tarpit-sessions 1 }\n");
	fake_connect(SERVICE_MX, "192.0.2.1");
	fake_heard();
	expect("X\r\n", "");
	close(fake.client);
	fake_run();
	cr_assert_not(fake.session_is_open);
	fake_connect(SERVICE_MX, "192.0.2.1");
	fake_heard();
	expect("X\r\n", "");
}

/* --- limits in a session --------------------------------------------------------------------- */

static void connect_counted(const char *lines)
{
	fake_set(lines);
	cr_assert(limits_take_table(tally_create(1), 0));
	fake_connect(SERVICE_MX, "192.0.2.1");
	fake_heard();
	expect("HELO crepes.fr\r\n", "250 \n");
}

Test(delay, messages_and_recipients_beyond_the_limits_are_deferred)
{
	connect_counted("limits { client { messages 2\n recipients 3 } }\n");
	expect("MAIL FROM:<a@b.example>\r\n", "250\n");
	expect("RCPT TO:<bob@hamburger.edu>\r\nRCPT TO:<bob@hamburger.edu>\r\n", "250\n250\n");
	expect("RSET\r\nMAIL FROM:<a@b.example>\r\n", "250\n250\n");
	expect(
	    "RCPT TO:<bob@hamburger.edu>\r\nRCPT TO:<bob@hamburger.edu>\r\n", "250\n450 4.7.1\n");
	expect("RSET\r\nMAIL FROM:<a@b.example>\r\n", "250\n450 4.7.1\n");
}

Test(delay, after_too_many_wrong_passwords_none_is_looked_at)
{
	connect_counted("auth.cleartext always\nlimits { client { auth-failures 2 } }\n");
	expect("AUTH PLAIN AGFsaWNlAHdyb25n\r\n", "535 5.7.8\n");
	expect("AUTH PLAIN AGFsaWNlAHdyb25n\r\n", "535 5.7.8\n");
	expect("AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n", "421 4.7.0\n");
	cr_assert(fake_is_closed());
}
