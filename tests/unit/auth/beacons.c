/* What beacons.h promises. */
#include <criterion/criterion.h>
#include <string.h>

#include "auth/beacons.h"

enum { SECOND = 1000000 };
static struct beacons *beacons;

static void setup(void)
{
	beacons = beacons_new();
	cr_assert_not_null(beacons);
}

static void teardown(void)
{
	beacons_free(beacons);
}

TestSuite(beacons, .init = setup, .fini = teardown);

static enum beacon_use use(const uint8_t *beacon, const char *hash, uint64_t now)
{
	return beacons_use(beacons, slice_of(beacon, TLS_BEACON), slice_string(hash), now);
}

Test(beacons, a_handshake_counts_once)
{
	const uint8_t *beacon = beacons_current(beacons, SECOND);

	cr_assert_eq(use(beacon, "one", SECOND), BEACON_FRESH);
	cr_assert_eq(use(beacon, "one", SECOND), BEACON_USED);
	cr_assert_eq(use(beacon, "another", SECOND), BEACON_FRESH);
}

Test(beacons, there_is_another_each_minute_and_the_old_ones_count_for_ten)
{
	uint8_t first[TLS_BEACON];

	memcpy(first, beacons_current(beacons, SECOND), sizeof first);
	cr_assert_eq(memcmp(beacons_current(beacons, 60 * SECOND), first, sizeof first), 0);
	cr_assert_neq(memcmp(beacons_current(beacons, 61 * SECOND), first, sizeof first), 0);
	cr_assert_eq(use(first, "late", 600 * SECOND), BEACON_FRESH);
	cr_assert_eq(use(first, "late", 600 * SECOND), BEACON_USED);
	cr_assert_eq(use(first, "too late", 601 * SECOND), BEACON_UNKNOWN);
	for (uint64_t minute = 2; minute <= 10; minute++)
		beacons_current(beacons, (minute * 60 + 1) * SECOND);
	cr_assert_eq(use(first, "late", 601 * SECOND), BEACON_UNKNOWN);
}

Test(beacons, what_is_not_ours_is_unknown)
{
	static const uint8_t zero[TLS_BEACON];

	cr_assert_eq(use(zero, "x", SECOND), BEACON_UNKNOWN);
	beacons_current(beacons, SECOND);
	cr_assert_eq(use(zero, "x", SECOND), BEACON_UNKNOWN);
	cr_assert_eq(beacons_use(beacons, SLICE("short"), SLICE("x"), SECOND), BEACON_UNKNOWN);
}

Test(beacons, where_there_are_too_many_uses_the_oldest_beacon_goes)
{
	uint8_t first[TLS_BEACON];
	const uint8_t *second;
	char hash[32];

	memcpy(first, beacons_current(beacons, SECOND), sizeof first);
	cr_assert_eq(use(first, "kept", SECOND), BEACON_FRESH);
	second = beacons_current(beacons, 61 * SECOND);
	for (int i = 0; i < BEACON_USES_MAX; i++) {
		snprintf(hash, sizeof hash, "%d", i);
		cr_assert_eq(use(second, hash, 61 * SECOND), BEACON_FRESH);
	}
	cr_assert_eq(use(first, "kept", 61 * SECOND), BEACON_UNKNOWN, "never used twice");
	cr_assert_eq(use(second, "7", 61 * SECOND), BEACON_USED);
}
