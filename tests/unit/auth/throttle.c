/* What throttle.h promises. */
#include <criterion/criterion.h>

#include "auth/throttle.h"

static const uint64_t s = 1000000;
static const struct throttle_rule rule = {.first_us = 2000000, .parallel = 2};

Test(throttle, the_wait_doubles_up_to_a_minute)
{
	struct throttle *t = throttle_new();
	static const unsigned waits[] = {2, 4, 8, 16, 32, 60, 60, 60};
	uint64_t now = 1000 * s;

	cr_assert_eq(throttle_wait(t, SLICE("a@b"), &rule, now), 0);
	for (size_t i = 0; i < 8; i++) {
		cr_assert_eq(throttle_failed(t, SLICE("a@b"), &rule, now, now), waits[i] * s);
		cr_assert_eq(throttle_wait(t, SLICE("a@b"), &rule, now), waits[i] * s);
		cr_assert_eq(throttle_wait(t, SLICE("a@b"), &rule, now + s), (waits[i] - 1) * s);
		now += waits[i] * s;
		cr_assert_eq(throttle_wait(t, SLICE("a@b"), &rule, now), 0);
	}
	cr_assert_eq(throttle_wait(t, SLICE("c@d"), &rule, 1000 * s), 0, "others do not wait");
	throttle_free(t);
}

Test(throttle, success_and_time_forget_failures)
{
	const uint64_t later = (1001 + THROTTLE_FORGET_SECONDS) * s;
	struct throttle *t = throttle_new();

	throttle_failed(t, SLICE("a@b"), &rule, 1000 * s, 1000 * s);
	throttle_failed(t, SLICE("a@b"), &rule, 1000 * s, 1000 * s);
	throttle_succeeded(t, SLICE("a@b"));
	cr_assert_eq(throttle_wait(t, SLICE("a@b"), &rule, 1000 * s), 0);
	cr_assert_eq(throttle_failed(t, SLICE("a@b"), &rule, 1000 * s, 1000 * s), 2 * s);
	throttle_failed(t, SLICE("a@b"), &rule, 1000 * s, 1000 * s);
	cr_assert_eq(throttle_failed(t, SLICE("a@b"), &rule, later, later), 2 * s);
	throttle_free(t);
}

Test(throttle, some_failures_of_a_network_are_free)
{
	const struct throttle_rule network = {.first_us = 2000000, .free = 3};
	struct throttle *t = throttle_new();

	for (uint64_t now = 1; now <= 3; now++)
		cr_assert_eq(
		    throttle_failed(t, SLICE("192.0.2.0/24"), &network, now * s, now * s), 0);
	cr_assert_eq(throttle_failed(t, SLICE("192.0.2.0/24"), &network, 4 * s, 4 * s), 2 * s);
	cr_assert_eq(throttle_failed(t, SLICE("192.0.2.0/24"), &network, 6 * s, 6 * s), 4 * s);
	throttle_free(t);
}

Test(throttle, failures_side_by_side_count_once)
{
	struct throttle *t = throttle_new();

	for (int i = 0; i < 5; i++)
		cr_assert_eq(throttle_failed(t, SLICE("a@b"), &rule, s, 2 * s), 2 * s);
	cr_assert_eq(throttle_failed(t, SLICE("a@b"), &rule, 5 * s, 6 * s), 4 * s);
	throttle_free(t);
}

Test(throttle, only_a_few_attempts_of_an_account_run_at_a_time)
{
	struct throttle *t = throttle_new();

	throttle_begin(t, SLICE("a@b"), s);
	cr_assert_eq(throttle_wait(t, SLICE("a@b"), &rule, s), 0);
	throttle_begin(t, SLICE("a@b"), s);
	cr_assert(throttle_wait(t, SLICE("a@b"), &rule, s) > 0);
	throttle_end(t, SLICE("a@b"));
	cr_assert_eq(throttle_wait(t, SLICE("a@b"), &rule, s), 0);
	throttle_free(t);
}

Test(throttle, without_a_delay_nobody_waits)
{
	const struct throttle_rule none = {0};
	struct throttle *t = throttle_new();

	for (int i = 0; i < 50; i++)
		cr_assert_eq(throttle_failed(t, SLICE("a@b"), &none, s, s), 0);
	cr_assert_eq(throttle_wait(t, SLICE("a@b"), &none, s), 0);
	throttle_free(t);
}

Test(throttle, floods_of_subjects_do_not_free_the_last_offender)
{
	struct throttle *t = throttle_new();
	char name[32];

	for (int i = 0; i < 3 * THROTTLE_SUBJECTS; i++) {
		snprintf(name, sizeof name, "user%d@b", i);
		throttle_failed(t, slice_string(name), &rule, s + (uint64_t)i, s + (uint64_t)i);
	}
	cr_assert(throttle_wait(t, slice_string(name), &rule, s + 3 * THROTTLE_SUBJECTS) > 0);
	throttle_free(t);
}

Test(throttle, neighbours_are_one_network)
{
	char one[THROTTLE_NETWORK], other[THROTTLE_NETWORK];

	throttle_network("192.0.2.1", one);
	cr_assert_str_eq(one, "192.0.2.0/24");
	throttle_network("::ffff:192.0.2.200", other);
	cr_assert_str_eq(other, "192.0.2.0/24");
	throttle_network("2001:db8:1:2:3:4:5:6", one);
	cr_assert_str_eq(one, "2001:db8:1:2::/64");
	throttle_network("local", one);
	cr_assert_str_eq(one, "local");
}
