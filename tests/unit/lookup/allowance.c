/* What allowance.h promises: nobody sends more than the settings say, and counting costs little. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "common/conf.h"
#include "lookup/allowance.h"

#define HOUR (UINT64_C(3600) * 1000000)
#define DAY  (24 * HOUR)

static const struct settings *before;
static struct settings limits;
static char text[ALLOWANCE_TEXT_MAX];

static void begin(void)
{
	before = settings;
	limits = (struct settings){0};
	settings = &limits;
}

static void end(void)
{
	allowance_forget();
	settings = before;
}

TestSuite(allowance, .init = begin, .fini = end);

static unsigned sent(const char *login, enum allowance_of of, unsigned wanted, uint64_t now_us)
{
	unsigned count = 0;

	for (unsigned i = 0; i < wanted; i++)
		count += allowance_take(slice_string(login), of, now_us, text);
	return count;
}

Test(allowance, zero_is_no_limit)
{
	cr_assert_eq(sent("alice", ALLOWANCE_MESSAGES, 1000, DAY), 1000);
}

Test(allowance, a_user_sends_as_much_as_the_limit_says_and_is_told_of_it)
{
	limits.submission.messages_per_hour = 10;
	cr_assert_eq(sent("alice", ALLOWANCE_MESSAGES, 20, 5 * DAY), 10);
	cr_assert_str_eq(text, "You may send 10 messages in an hour; try again later");
	cr_assert_eq(sent("bob", ALLOWANCE_MESSAGES, 20, 5 * DAY), 10, "each has an own allowance");
	cr_assert_eq(sent("alice", ALLOWANCE_RECIPIENTS, 20, 5 * DAY), 20);
}

Test(allowance, an_hour_is_no_hour_of_the_clock)
{
	limits.submission.messages_per_hour = 100;
	cr_assert_eq(sent("alice", ALLOWANCE_MESSAGES, 200, 5 * DAY + HOUR - 1), 100);
	cr_assert_eq(sent("alice", ALLOWANCE_MESSAGES, 200, 5 * DAY + HOUR), 0);
	cr_assert_eq(sent("alice", ALLOWANCE_MESSAGES, 200, 5 * DAY + HOUR + HOUR / 2), 50);
	cr_assert_eq(sent("alice", ALLOWANCE_MESSAGES, 200, 5 * DAY + 3 * HOUR), 100);
}

Test(allowance, a_day_has_a_limit_of_its_own)
{
	unsigned count = 0;

	limits.submission.recipients_per_hour = 10;
	limits.submission.recipients_per_day = 45;
	for (unsigned hour = 0; hour < 24; hour += 2)
		count += sent("alice", ALLOWANCE_RECIPIENTS, 20, 5 * DAY + hour * HOUR);
	cr_assert_eq(count, 45);
	cr_assert_str_eq(text, "You may write to 45 recipients in a day; try again later");
	cr_assert_eq(sent("alice", ALLOWANCE_RECIPIENTS, 20, 9 * DAY), 10);
}

Test(allowance, who_has_sent_nothing_for_the_longest_time_is_forgotten_first)
{
	char login[32];

	limits.submission.messages_per_hour = 1;
	sent("first", ALLOWANCE_MESSAGES, 1, DAY);
	sent("second", ALLOWANCE_MESSAGES, 1, DAY);
	for (unsigned i = 2; i < ALLOWANCE_LOGINS_MAX; i++) {
		snprintf(login, sizeof login, "%u", i);
		sent(login, ALLOWANCE_MESSAGES, 1, DAY);
	}
	cr_assert_eq(sent("first", ALLOWANCE_MESSAGES, 1, DAY), 0);
	cr_assert_eq(sent("one more", ALLOWANCE_MESSAGES, 1, DAY), 1);
	cr_assert_eq(allowance_logins(), ALLOWANCE_LOGINS_MAX);
	cr_assert_eq(sent("first", ALLOWANCE_MESSAGES, 1, DAY), 0);
	cr_assert_eq(sent("second", ALLOWANCE_MESSAGES, 1, DAY), 1);
}
