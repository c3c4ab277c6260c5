/* What wishes.h promises: later, before others, over TLS or not. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "common/clock.h"
#include "message/date.h"
#include "tests/unit/smtpd/dialogue.h"

#define MAIL    "MAIL FROM:<alice@hamburger.edu>"
#define REST    "RCPT TO:<x@elsewhere.example>\r\nDATA\r\n"
#define REST_OK "250 2.1.5\n354 \n"

enum { SECOND_US = 1000000 };

static void log_in(const char *more)
{
	char lines[512];

	snprintf(lines, sizeof lines, "auth.cleartext always\nsmtp.errors-limit 1000\n%s", more);
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

TestSuite(wishes, .init = logged_in, .fini = fake_close);

/* What became of a message with these parameters. */
static const struct fake_commit *submitted(const char *parameters, const char *expected)
{
	char mail[256];

	snprintf(mail, sizeof mail, MAIL " %s\r\n", parameters);
	expect(mail, expected);
	PLAY({REST, REST_OK}, {"Subject: x\r\n\r\nx\r\n.\r\n", "250 2.0.0\n"});
	return &fake.commits[fake.commits_count - 1];
}

static void expect_refused(const char *parameters, const char *expected)
{
	char mail[256];

	snprintf(mail, sizeof mail, MAIL " %s\r\n", parameters);
	expect(mail, expected);
}

static const char *timestamp(int64_t seconds, int zone_minutes)
{
	static char text[DATE_TEXT_MAX + 1];
	struct buf out = buf_with_limit(DATE_TEXT_MAX);
	struct date date = {seconds + zone_minutes * 60, 0};
	size_t end;

	cr_assert(date_write_timestamp(&date, &out));
	slice_copy(buf_slice(&out), text, sizeof text);
	/* In place of the Z. */
	end = strlen(text) - 1;
	if (zone_minutes != 0)
		snprintf(text + end, sizeof text - end, "+%02d:%02d", zone_minutes / 60,
		    zone_minutes % 60);
	buf_free(&out);
	return text;
}

Test(wishes, a_message_may_be_wanted_to_leave_later)
{
	uint64_t now = clock_wall_us();
	int64_t then = (int64_t)(now / SECOND_US) + 3600;
	const struct fake_commit *commit = submitted("HOLDFOR=86400", "250 2.1.0\n");
	char parameter[64];

	cr_assert_geq(commit->release_us, now + UINT64_C(86400) * SECOND_US);
	cr_assert_leq(commit->release_us, clock_wall_us() + UINT64_C(86400) * SECOND_US);
	snprintf(parameter, sizeof parameter, "holduntil=%s", timestamp(then, 0));
	cr_assert_eq(submitted(parameter, "250 2.1.0\n")->release_us, (uint64_t)then * SECOND_US);
	snprintf(parameter, sizeof parameter, "HOLDUNTIL=%s", timestamp(then, 90));
	cr_assert_eq(submitted(parameter, "250 2.1.0\n")->release_us, (uint64_t)then * SECOND_US);
	cr_assert_eq(submitted("", "250 2.1.0\n")->release_us, 0, "it is said of one message");
}

Test(wishes, a_time_that_makes_no_sense_is_refused)
{
	static const char *const bad[] = {"HOLDFOR", "HOLDFOR=", "HOLDFOR=0", "HOLDFOR=-1",
	    "HOLDFOR=x", "HOLDFOR=1.5", "HOLDFOR=1000000000", "HOLDFOR=2592001",
	    "HOLDFOR=99999999999999999999", "HOLDFOR=60 HOLDFOR=60", "HOLDUNTIL",
	    "HOLDUNTIL=", "HOLDUNTIL=tomorrow", "HOLDUNTIL=2020-01-01T00:00:00Z",
	    "HOLDUNTIL=9999-01-01T00:00:00Z", "HOLDUNTIL=2027-02-29T00:00:00Z",
	    "HOLDFOR=60 HOLDUNTIL=2027-01-01T00:00:00Z"};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		expect_refused(bad[i], "501 5.5.4\n");
	submitted("HOLDFOR=2592000", "250 2.1.0\n");
}

Test(wishes, nobody_but_users_has_mail_wait, .init = fake_open)
{
	fake_connect(SERVICE_MX, "192.0.2.1");
	fake_heard();
	PLAY({"EHLO x\r\n", "250-\n250-PIPELINING\n250-SIZE\n250-8BITMIME\n250-CHUNKING\n250-"
			    "DSN\n250-SMTPUTF8\n250-LIMITS\n250 \n"},
	    {MAIL " HOLDFOR=60\r\n", "555 5.5.4\n"},
	    {MAIL " HOLDUNTIL=2027-01-01T00:00:00Z\r\n", "555 5.5.4\n"},
	    {MAIL " MT-PRIORITY=1\r\n", "555 5.5.4\n"});
}

static void without_future(void)
{
	log_in("submission.future-release-limit 0\n");
}

Test(wishes, where_nothing_is_to_wait_it_is_not_offered, .init = without_future)
{
	expect("EHLO x\r\n", "250-\n250-\n250-\n250-\n250-\n250-DSN\n250-SMTPUTF8\n250-LIMITS\n250-"
			     "MT-PRIORITY\n250 \n");
	expect_refused("HOLDFOR=60", "555 5.5.4\n");
}

Test(wishes, a_priority_is_kept_and_told_in_the_trace)
{
	const struct fake_commit *commit = submitted("MT-PRIORITY=-9", "250 2.1.0\n");

	cr_assert_eq(commit->priority, -9);
	cr_assert_not_null(strstr(commit->prepend, " PRIORITY -9"), "%s", commit->prepend);
	commit = submitted("mt-priority=4", "250 2.1.0\n");
	cr_assert_eq(commit->priority, 4);
	commit = submitted("MT-PRIORITY=0", "250 2.1.0\n");
	cr_assert_eq(commit->priority, 0);
	cr_assert_null(strstr(commit->prepend, "PRIORITY"));
	cr_assert_eq(submitted("", "250 2.1.0\n")->priority, 0, "it is said of one message");
}

Test(wishes, a_priority_above_what_users_may_have_is_lowered_and_the_reply_says_so)
{
	cr_assert_eq(submitted("MT-PRIORITY=9", "250 2.3.6 4 is the new priority\n")->priority, 4);
	cr_assert_eq(submitted("MT-PRIORITY=5", "250 2.3.6 4 is the new priority\n")->priority, 4);
}

Test(wishes, what_is_no_priority_is_refused)
{
	static const char *const bad[] = {"MT-PRIORITY", "MT-PRIORITY=10", "MT-PRIORITY=-10",
	    "MT-PRIORITY=-0", "MT-PRIORITY=-", "MT-PRIORITY=1x", "MT-PRIORITY=01"};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		expect_refused(bad[i], "501 5.5.2\n");
	expect_refused("MT-PRIORITY=+1", "501 5.5.2\n");
	expect_refused("MT-PRIORITY=", "501 5.5.4\n");
	expect_refused("MT-PRIORITY=1 MT-PRIORITY=1", "501 5.5.4\n");
}

static void listed(void)
{
	fake_open();
	fake_set("smtp.priority-networks { 192.0.2.0/24 }\n");
	fake_connect(SERVICE_MX, "192.0.2.1");
	fake_heard();
}

Test(wishes, listed_hosts_are_believed_about_the_priority, .init = listed)
{
	expect("EHLO x\r\n", "250-\n250-\n250-\n250-\n250-\n250-DSN\n250-SMTPUTF8\n250-LIMITS\n250-"
			     "MT-PRIORITY MIXER\n250 \n");
	PLAY({"MAIL FROM:<a@b.example> MT-PRIORITY=9\r\n", "250 2.1.0\n"},
	    {"RCPT TO:<bob@hamburger.edu>\r\nDATA\r\n", REST_OK},
	    {"Subject: x\r\n\r\nx\r\n.\r\n", "250 2.0.0\n"});
	cr_assert_eq(fake.commits[0].priority, 9);
}

Test(wishes, how_many_recipients_there_may_be_is_told)
{
	expect("EHLO x\r\n", "250-\n250-\n250-\n250-\n250-\n250-\n250-\n250-LIMITS "
			     "RCPTMAX=2000\n250-\n250-\n250 \n");
}

static uint8_t tls_of(const char *text)
{
	PLAY({MAIL "\r\n" REST, "250 2.1.0\n" REST_OK});
	expect(text, "250 2.0.0\n");
	return fake.commits[fake.commits_count - 1].tls;
}

Test(wishes, a_header_that_says_so_wants_no_tls)
{
	cr_assert_eq(tls_of("TLS-Required: No\r\n\r\nx\r\n.\r\n"), TLS_NOT_REQUIRED);
	cr_assert_eq(tls_of("Subject: x\r\ntls-required:no \r\n\r\nx\r\n.\r\n"), TLS_NOT_REQUIRED);
	cr_assert_eq(tls_of("TLS-Required: Yes\r\n\r\nx\r\n.\r\n"), TLS_AS_SET);
	cr_assert_eq(tls_of("TLS-Required-Not: No\r\n\r\nx\r\n.\r\n"), TLS_AS_SET);
	cr_assert_eq(tls_of("Subject: x\r\n TLS-Required: No\r\n\r\nx\r\n.\r\n"), TLS_AS_SET);
	cr_assert_eq(tls_of("Subject: x\r\n\r\nTLS-Required: No\r\n.\r\n"), TLS_AS_SET);
}

static void from_elsewhere(void)
{
	fake_open();
	fake_connect(SERVICE_MX, "192.0.2.1");
	fake_heard();
	fake_say("EHLO x\r\n");
}

Test(wishes, a_header_that_wants_no_tls_is_seen_whoever_sends_it, .init = from_elsewhere)
{
	PLAY({"MAIL FROM:<a@b.example>\r\nRCPT TO:<bob@hamburger.edu>\r\nDATA\r\n",
		 "250 2.1.0\n" REST_OK},
	    {"Subject: x\r\nTLS-Required: No\r\n\r\nx\r\n.\r\n", "250 2.0.0\n"});
	cr_assert_eq(fake.commits[0].tls, TLS_NOT_REQUIRED);
}
