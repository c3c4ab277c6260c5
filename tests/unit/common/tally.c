/* What tally.h promises. */
#include "common/tally.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static int file;
static struct tally *one, *other; /* two processes' views of one table */

static void share(void)
{
	file = tally_create(2);
	cr_assert_gt(file, -1);
	one = tally_map(dup(file), 0);
	other = tally_map(dup(file), 1);
	cr_assert(one != NULL && other != NULL);
}

static void part(void)
{
	tally_unmap(one);
	tally_unmap(other);
	close(file);
}

TestSuite(tally, .init = share, .fini = part);

static const struct slice alice = SLICE("192.0.2.1"), bob = SLICE("192.0.2.2");

Test(tally, processes_that_share_a_table_agree)
{
	tally_row row = tally_find(one, alice, 1000);

	cr_assert_neq(row, 0);
	cr_assert_eq(tally_find(other, alice, 1000), row);
	cr_assert_neq(tally_find(other, bob, 1000), row);
	cr_assert_eq(tally_add(one, row, 0, 2, 1000, 60), 2);
	cr_assert_eq(tally_add(other, row, 0, 1, 1000, 60), 3);
	cr_assert_eq(tally_add(one, row, 0, 0, 1000, 60), 3);
	cr_assert_eq(tally_add(one, row, 1, 0, 1000, 60), 0);
}

Test(tally, what_was_done_fades_over_the_next_window)
{
	tally_row row = tally_find(one, alice, 600);

	cr_assert_eq(tally_add(one, row, 0, 100, 659, 60), 100);
	cr_assert_eq(tally_add(one, row, 0, 0, 660, 60), 100);
	cr_assert_eq(tally_add(one, row, 0, 0, 690, 60), 50);
	cr_assert_eq(tally_add(one, row, 0, 10, 690, 60), 60);
	cr_assert_eq(tally_add(one, row, 0, 0, 719, 60), 11);
	cr_assert_eq(tally_add(one, row, 0, 0, 750, 60), 5);
	cr_assert_eq(tally_add(one, row, 0, 0, 780, 60), 0);
}

Test(tally, a_count_stops_where_it_has_no_more_room)
{
	tally_row row = tally_find(one, alice, 600);

	cr_assert_eq(tally_add(one, row, 0, UINT32_MAX, 600, 60), TALLY_COUNT_MAX);
	cr_assert_eq(tally_add(one, row, 0, 5, 600, 60), TALLY_COUNT_MAX);
}

Test(tally, connections_are_those_of_all_processes)
{
	tally_row row = tally_find(one, alice, 1);

	tally_connect(one, row);
	tally_connect(one, row);
	tally_connect(other, row);
	cr_assert_eq(tally_connections(one, row), 3);
	tally_disconnect(one, row);
	cr_assert_eq(tally_connections(other, row), 2);
	/* What was not counted is not taken off. */
	tally_disconnect(one, row);
	tally_disconnect(one, row);
	cr_assert_eq(tally_connections(one, row), 1);
}

Test(tally, a_process_that_died_has_no_connections_when_it_is_back_and_its_counts_stay)
{
	tally_row row = tally_find(one, alice, 1);
	struct tally *again;

	tally_connect(one, row);
	tally_connect(other, row);
	tally_add(one, row, 3, 7, 1, 60);
	again = tally_map(dup(file), 0);
	cr_assert_eq(tally_connections(again, row), 1);
	cr_assert_eq(tally_add(again, row, 3, 0, 1, 60), 7);
	tally_unmap(again);
}

Test(tally, nobody_makes_it_grow_and_whoever_is_connected_is_not_forgotten)
{
	tally_row kept = tally_find(one, alice, 1), row;
	unsigned homeless = 0;
	char name[32];

	tally_connect(one, kept);
	tally_add(one, kept, 0, 9, 1, 1000);
	for (unsigned i = 0; i < 3 * TALLY_ROWS; i++) {
		int len = snprintf(name, sizeof name, "%u", i);

		row = tally_find(one, slice_of(name, (size_t)len), 2);
		cr_assert_leq(row, TALLY_ROWS);
		homeless += row == 0;
	}
	cr_assert_eq(homeless, 0);
	cr_assert_eq(tally_find(one, alice, 3), kept);
	cr_assert_eq(tally_add(one, kept, 0, 0, 3, 1000), 9);
}

Test(tally, whoever_was_quiet_for_the_longest_is_forgotten_first)
{
	char name[32];
	unsigned left = 0;

	for (unsigned i = 0; i < 1000; i++)
		tally_add(one,
		    tally_find(
			one, slice_of(name, (size_t)snprintf(name, sizeof name, "old %u", i)), 1),
		    0, 1, 1, 1 << 20);
	for (unsigned i = 0; i < TALLY_ROWS; i++)
		tally_find(one, slice_of(name, (size_t)snprintf(name, sizeof name, "new %u", i)),
		    2 + i / 64);
	for (unsigned i = TALLY_ROWS - 1000; i < TALLY_ROWS; i++) {
		tally_row row = tally_find(
		    one, slice_of(name, (size_t)snprintf(name, sizeof name, "new %u", i)), 10000);

		tally_add(one, row, 0, 1, 10000, 1 << 20);
	}
	for (unsigned i = 0; i < 1000; i++)
		left += tally_add(one,
			    tally_find(one,
				slice_of(name, (size_t)snprintf(name, sizeof name, "old %u", i)),
				10001),
			    0, 0, 10001, 1 << 20) > 0;
	cr_assert_lt(left, 700);
}

Test(tally, two_processes_that_count_at_once_lose_nothing_to_each_other)
{
	enum { EACH = 100000 };
	tally_row row = tally_find(one, alice, 1);
	pid_t child = fork();
	int status;

	for (unsigned i = 0; i < EACH; i++)
		tally_add(child == 0 ? other : one, row, 0, 1, 1, 60);
	if (child == 0)
		_exit(0);
	waitpid(child, &status, 0);
	cr_assert_eq(tally_add(one, row, 0, 0, 1, 60), 2 * EACH);
}

Test(tally, a_file_that_is_none_is_not_taken_for_one)
{
	int wrong = memfd_create("wrong", MFD_CLOEXEC);

	cr_assert_null(tally_map(dup(wrong), 0));
	cr_assert_eq(ftruncate(wrong, 4096), 0);
	cr_assert_null(tally_map(wrong, 0));
	cr_assert_null(tally_map(dup(file), 2));
	cr_assert_eq(tally_create(0), -1);
	cr_assert_eq(tally_create(TALLY_WORKERS_MAX + 1), -1);
	/* And nobody makes one smaller under the others. */
	cr_assert_neq(ftruncate(file, 0), 0);
}
