/* What journal.h promises. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"
#include "tests/unit/qmgr/scratch.h"

static struct scratch scratch;

static void make(void)
{
	scratch_make(&scratch);
}

static void unmake(void)
{
	scratch_remove(&scratch);
}

TestSuite(journal, .init = make, .fini = unmake);

/* What a replay showed, as text: one letter for each entry. */
struct replayed {
	char letters[4096];
	size_t count;
	uint64_t sequence;
	bool out_of_order;
};

static void note(void *context, const struct journal_entry *entry)
{
	struct replayed *replayed = context;

	cr_assert_lt(replayed->count, sizeof replayed->letters - 1);
	replayed->letters[replayed->count++] = entry->payload.data[0];
	if (entry->sequence <= replayed->sequence)
		replayed->out_of_order = true;
	replayed->sequence = entry->sequence;
	for (size_t i = 1; i < entry->payload.len; i++)
		cr_assert_eq(entry->payload.data[i], entry->payload.data[0]);
}

static struct replayed replay(void)
{
	struct replayed replayed = {0};

	cr_assert_eq(journal_replay(scratch_journal(&scratch), note, &replayed), 0);
	cr_assert_not(replayed.out_of_order);
	return replayed;
}

static void add(char letter, size_t length)
{
	cr_assert_eq(journal_reserve(scratch.journal, length), JOURNAL_READY);
	memset(journal_begin(scratch.journal, JOURNAL_UPDATED, length), letter, length);
	journal_end(scratch.journal);
}

static uint64_t flush(void)
{
	uint64_t generation = 0;

	cr_assert_eq(journal_flush(scratch.journal, &generation), 0);
	return generation;
}

static void start(void)
{
	cr_assert_eq(journal_start(scratch_journal(&scratch), 1), 0);
	while (journal_grow(scratch.journal) > 0)
		continue;
}

static int open_segment(unsigned index)
{
	char name[32];
	int fd;

	snprintf(name, sizeof name, "segment-%02u", index);
	fd = openat(scratch.spool.directory[SPOOL_JOURNAL], name, O_RDWR | O_CLOEXEC);
	cr_assert_geq(fd, 0);
	return fd;
}

/* Overwrite octets of a segment, as a torn write leaves them. */
static void damage(unsigned index, uint64_t offset, size_t length)
{
	int fd = open_segment(index);
	char *zeros = calloc(1, length);

	cr_assert_eq(spool_write_at(fd, zeros, length, offset), 0);
	free(zeros);
	close(fd);
}

Test(journal, what_was_flushed_is_replayed_in_order)
{
	start();
	add('a', 10);
	add('b', 5000);
	flush();
	add('c', 1);
	flush();
	cr_assert_str_eq(replay().letters, "abc");
}

Test(journal, an_entry_that_was_taken_back_is_not_there)
{
	start();
	add('a', 10);
	cr_assert_eq(journal_reserve(scratch.journal, 100), JOURNAL_READY);
	memset(journal_begin(scratch.journal, JOURNAL_UPDATED, 100), 'x', 100);
	journal_cancel(scratch.journal);
	add('b', 10);
	flush();
	cr_assert_str_eq(replay().letters, "ab");
}

Test(journal, a_torn_tail_ends_the_replay_there)
{
	start();
	add('a', 100);
	flush();
	for (char letter = 'b'; letter < 'f'; letter++)
		add(letter, 3000);
	flush();
	/* The last batch began on page 2 of the file; its second page never reached the disk. */
	damage(0, 3 * JOURNAL_PAGE, JOURNAL_PAGE);
	cr_assert_str_eq(replay().letters, "ab");
}

Test(journal, a_batch_cut_off_at_any_octet_keeps_its_whole_entries)
{
	start();
	add('a', 100);
	flush();
	add('b', 100);
	add('c', 100);
	flush();
	for (size_t cut = 300; cut-- > 0;) {
		struct replayed replayed;

		damage(0, 2 * JOURNAL_PAGE + cut, 1);
		replayed = replay();
		cr_assert(strcmp(replayed.letters, cut < 132 ? "a" : "ab") == 0 ||
			      strcmp(replayed.letters, "abc") == 0,
		    "cut at %zu: %s", cut, replayed.letters);
	}
	cr_assert_str_eq(replay().letters, "a");
}

Test(journal, what_follows_a_damaged_page_is_not_given_up)
{
	start();
	for (char letter = 'a'; letter < 'e'; letter++) {
		add(letter, 100);
		flush();
	}
	damage(0, 2 * JOURNAL_PAGE, JOURNAL_PAGE);
	cr_assert_str_eq(replay().letters, "acd");
}

Test(journal, durable_pages_are_never_written_again)
{
	char before[JOURNAL_PAGE], after[JOURNAL_PAGE];
	int fd;

	start();
	add('a', 10);
	flush();
	fd = open_segment(0);
	spool_read_at(fd, before, sizeof before, JOURNAL_PAGE);
	add('b', 10);
	flush();
	spool_read_at(fd, after, sizeof after, JOURNAL_PAGE);
	cr_assert_arr_eq(before, after, sizeof before);
	close(fd);
}

Test(journal, entries_of_an_earlier_use_of_a_segment_are_never_live)
{
	uint64_t generation = 0;

	start();
	/* Fill all three segments with old entries, checkpoint them, and begin again. */
	for (int i = 0; i < 3; i++) {
		for (int page = 0; page < 15; page++) {
			add('o', 2000);
			generation = flush();
		}
		cr_assert(journal_rotate(scratch.journal));
	}
	journal_retire(scratch.journal, generation);
	add('n', 10);
	flush();
	cr_assert_str_eq(replay().letters, "n");
}

Test(journal, text_of_a_message_cannot_pass_for_an_entry)
{
	char page[JOURNAL_PAGE];
	int fd;

	start();
	add('a', 10);
	flush();
	/* A copy of a true entry, with another tag: what a sender without sight of the journal can do. */
	fd = open_segment(0);
	spool_read_at(fd, page, sizeof page, JOURNAL_PAGE);
	memset(page, 0, 8);
	cr_assert_eq(spool_write_at(fd, page, sizeof page, 3 * JOURNAL_PAGE), 0);
	close(fd);
	cr_assert_str_eq(replay().letters, "a");
}

Test(journal, writing_goes_on_in_the_next_segment_when_one_is_full)
{
	uint64_t first = 0, last;

	start();
	for (int page = 0; page < 15; page++) {
		add('a', 2000);
		first = flush();
	}
	cr_assert_eq(journal_full_generation(scratch.journal), 0);
	add('b', 2000);
	last = flush();
	cr_assert_gt(last, first);
	cr_assert_eq(journal_full_generation(scratch.journal), first);
	cr_assert_str_eq(replay().letters, "aaaaaaaaaaaaaaab");
}

Test(journal, when_every_segment_waits_for_its_checkpoint_there_is_no_room)
{
	uint64_t generation = 0;

	start();
	for (int i = 0; i < 3; i++) {
		add('a', 10);
		generation = flush();
		cr_assert(journal_rotate(scratch.journal));
	}
	cr_assert_eq(journal_reserve(scratch.journal, 10), JOURNAL_NO_SEGMENT);
	cr_assert_not(journal_wait_for_segment(scratch.journal, clock_monotonic_us() + 1000));
	journal_retire(scratch.journal, generation - 1);
	cr_assert(journal_wait_for_segment(scratch.journal, clock_monotonic_us() + 1000));
	cr_assert_eq(journal_reserve(scratch.journal, 10), JOURNAL_READY);
}

Test(journal, a_retired_segment_stays_dead_although_nothing_overwrote_it)
{
	uint64_t generation;

	start();
	add('a', 10);
	generation = flush();
	journal_rotate(scratch.journal);
	add('b', 10);
	flush();
	journal_retire(scratch.journal, generation);
	journal_rotate(scratch.journal);
	add('c', 10);
	flush();
	cr_assert_str_eq(replay().letters, "bc");
}

Test(journal, a_torn_header_takes_only_the_oldest_entries_with_it)
{
	uint64_t generation;

	start();
	for (char letter = 'a'; letter < 'd'; letter++) {
		add(letter, 10);
		generation = flush();
		journal_rotate(scratch.journal);
	}
	/* All are checkpointed; the crash comes while the oldest gets its new header. */
	journal_retire(scratch.journal, generation);
	damage(0, 0, JOURNAL_PAGE);
	cr_assert_str_eq(replay().letters, "bc");
}

Test(journal, the_oldest_free_segment_is_used_first)
{
	uint64_t generation, newest = 0;
	unsigned used = 0;

	start();
	for (char letter = 'a'; letter < 'd'; letter++) {
		add(letter, 10);
		generation = flush();
		journal_rotate(scratch.journal);
	}
	journal_retire(scratch.journal, generation);
	add('d', 10);
	flush();
	for (unsigned i = 0; i < 3; i++) {
		uint64_t found;
		int fd = open_segment(i);

		spool_read_at(fd, &found, sizeof found, 8);
		close(fd);
		if (found > newest) {
			newest = found;
			used = i;
		}
	}
	/* Its header is torn: what it held before is gone, what came after is not. */
	damage(used, 0, JOURNAL_PAGE);
	cr_assert_str_eq(replay().letters, "bc");
}

Test(journal, an_entry_that_fits_no_segment_is_refused)
{
	start();
	cr_assert_eq(journal_reserve(scratch.journal, SCRATCH_SEGMENT), JOURNAL_TOO_LARGE);
	cr_assert_eq(journal_reserve(scratch.journal, SIZE_MAX / 4), JOURNAL_TOO_LARGE);
	cr_assert_eq(
	    journal_reserve(scratch.journal, SCRATCH_SEGMENT - JOURNAL_PAGE - 32), JOURNAL_READY);
}

Test(journal, starting_makes_everything_before_it_dead)
{
	start();
	add('a', 10);
	flush();
	replay();
	cr_assert_eq(journal_start(scratch.journal, 1), 0);
	add('b', 10);
	flush();
	cr_assert_str_eq(replay().letters, "b");
}

Test(journal, after_an_orderly_end_there_is_nothing_to_replay)
{
	start();
	add('a', 10);
	flush();
	cr_assert_eq(journal_finish(scratch.journal), 0);
	cr_assert_str_eq(replay().letters, "");
	cr_assert_eq(journal_live_octets(scratch.journal), 0);
}

Test(journal, the_highest_identifier_outlives_its_message)
{
	start();
	journal_note_id(scratch.journal, 4711);
	add('a', 10);
	flush();
	journal_rotate(scratch.journal);
	add('b', 10);
	flush();
	cr_assert_eq(journal_id_high_water(scratch_journal(&scratch)), 4711);
}

Test(journal, segments_of_another_size_are_replayed_and_then_replaced)
{
	struct journal_options larger = {.segment_size = 2 * SCRATCH_SEGMENT, .segments = 3};
	struct replayed replayed = {0};

	start();
	add('a', 10);
	flush();
	journal_close(scratch.journal);
	scratch.journal = journal_open(scratch.spool.directory[SPOOL_JOURNAL], &larger);
	cr_assert_eq(journal_replay(scratch.journal, note, &replayed), 0);
	cr_assert_str_eq(replayed.letters, "a");
	cr_assert_eq(journal_start(scratch.journal, 1), 0);
	add('b', SCRATCH_SEGMENT);
	flush();
	cr_assert_str_eq(replay().letters, "b");
}
