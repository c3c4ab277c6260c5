/* What greybook.h promises: it is a cache that outlives us, and trouble with it is nobody's trouble. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"
#include "policy/greybook.h"

static char path[64];
static int directory;

static const struct grey_terms terms = {.delay_s = 300, .window_s = 3600, .keep_s = 100000, .successes = 2};

static void setup(void)
{
	snprintf(path, sizeof path, "/tmp/petrel-greybook-XXXXXX");
	cr_assert_not_null(mkdtemp(path));
	directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void teardown(void)
{
	char command[128];

	greybook_close();
	snprintf(command, sizeof command, "rm -rf %s", path);
	cr_assert_eq(system(command), 0);
	close(directory);
}

TestSuite(greybook, .init = setup, .fini = teardown, .timeout = 30);

static struct grey_entry entry_of(const char *triplet)
{
	struct grey_entry entry;

	cr_assert(greybook_triplet(slice_string(triplet), &entry));
	return entry;
}

static void set(const char *triplet, uint64_t first)
{
	cr_assert(greybook_set_triplet(
	    slice_string(triplet), &(struct grey_entry){.first_s = first, .last_s = first}, 1000000));
}

Test(greybook, what_was_written_is_there_after_a_restart)
{
	cr_assert(greybook_open(directory));
	cr_assert_eq(entry_of("a").first_s, 0);
	set("a", 7);
	cr_assert(greybook_set_network("192.0.2.0/24", &(struct grey_entry){.first_s = 1, .last_s = 2, .count = 3}));
	greybook_close();
	cr_assert(greybook_open(directory));
	cr_assert_eq(entry_of("a").first_s, 7);
	cr_assert_eq(entry_of("b").first_s, 0);
	cr_assert_eq(greybook_count(), 3, "two entries, and the key");
}

Test(greybook, a_process_that_is_killed_leaves_it_whole)
{
	for (int round = 0; round < 5; round++) {
		char last[32] = "";
		int told[2], status;
		struct grey_entry entry;
		pid_t child;
		ssize_t n;

		cr_assert_eq(pipe(told), 0);
		child = fork();
		if (child == 0) {
			greybook_open(directory);
			for (int i = 0;; i++) {
				char name[32] = "";

				snprintf(name, sizeof name, "%d-%d", round, i);
				greybook_set_triplet(slice_string(name), &(struct grey_entry){.first_s = 9, .last_s = 9}, 1000000);
				if (i % 500 == 499)
					greybook_checkpoint();
				if (write(told[1], name, sizeof name) != sizeof name)
					_exit(1);
			}
		}
		close(told[1]);
		for (int i = 0; i < 2000 + round * 77; i++)
			cr_assert_eq(read(told[0], last, sizeof last), (ssize_t)sizeof last);
		kill(child, SIGKILL);
		waitpid(child, &status, 0);
		while ((n = read(told[0], last, sizeof last)) == (ssize_t)sizeof last)
			;
		close(told[0]);
		cr_assert(greybook_open(directory));
		cr_assert(greybook_triplet(slice_string(last), &entry));
		cr_assert_eq(entry.first_s, 9, "%s", last);
		cr_assert_geq(greybook_count(), (uint64_t)(round + 1) * 2000);
		greybook_close();
	}
	cr_assert_eq(faccessat(directory, "greylist.bad", F_OK, 0), -1);
}

static void spoil(const char *name)
{
	int file = openat(directory, name, O_RDWR);
	char garbage[65536];

	memset(garbage, 0xa5, sizeof garbage);
	cr_assert_geq(file, 0, "%s", name);
	cr_assert_eq(pwrite(file, garbage, sizeof garbage, 0), (ssize_t)sizeof garbage);
	close(file);
}

Test(greybook, a_spoilt_file_is_set_aside_and_begun_anew)
{
	cr_assert(greybook_open(directory));
	set("a", 7);
	greybook_checkpoint();
	greybook_close();
	spoil("greylist/greylist.db");
	cr_assert(greybook_open(directory));
	cr_assert_eq(faccessat(directory, "greylist.bad/greylist.db", F_OK, 0), 0);
	cr_assert_eq(entry_of("a").first_s, 0);
	set("a", 8);
	greybook_close();
	spoil("greylist/log.0000000001");
	cr_assert(greybook_open(directory));
	set("a", 9);
	cr_assert_eq(entry_of("a").first_s, 9);
}

Test(greybook, a_book_that_was_our_death_is_not_opened_again)
{
	cr_assert(greybook_open(directory));
	set("a", 7);
	greybook_close();
	close(openat(directory, "greylist/opening", O_WRONLY | O_CREAT, 0600));
	cr_assert(greybook_open(directory));
	cr_assert_eq(entry_of("a").first_s, 0);
	cr_assert_eq(faccessat(directory, "greylist.bad/greylist.db", F_OK, 0), 0);
}

Test(greybook, where_it_cannot_be_had_false_is_said)
{
	struct grey_entry entry;
	int file = open("/dev/null", O_RDONLY);

	cr_assert_not(greybook_open(file));
	cr_assert_not(greybook_triplet(SLICE("a"), &entry));
	cr_assert_not(greybook_set_network("192.0.2.0/24", &entry));
	close(file);
}

Test(greybook, sweeping_drops_what_is_stale_a_part_at_a_time)
{
	cr_assert(greybook_open(directory));
	for (int i = 0; i < 3000; i++) {
		char name[16];

		snprintf(name, sizeof name, "%d", i);
		set(name, i % 2 == 0 ? 1000 : 100000);
	}
	cr_assert(greybook_set_network("192.0.2.0/24", &(struct grey_entry){.last_s = 1, .count = GREYLIST_ALLOWED}));
	for (int i = 0; i < 4; i++)
		greybook_sweep(1000, 100001, &terms);
	cr_assert_leq(greybook_count(), 1502);
	cr_assert_eq(entry_of("0").first_s, 0);
	cr_assert_eq(entry_of("1").first_s, 100000);
	for (int i = 0; i < 6; i++)
		greybook_sweep(1000, 200001, &terms);
	cr_assert_eq(greybook_count(), 2, "the network that an administrator allows, and the key");
}

Test(greybook, at_its_limit_an_old_entry_makes_room)
{
	cr_assert(greybook_open(directory));
	for (int i = 0; i < 300; i++) {
		char name[16];

		snprintf(name, sizeof name, "%d", i);
		cr_assert(greybook_set_triplet(
		    slice_string(name), &(struct grey_entry){.first_s = 5, .last_s = 5}, 100));
		cr_assert_eq(entry_of(name).first_s, 5);
		cr_assert_leq(greybook_count(), 100);
	}
}

static void print(const char *network, const struct grey_entry *entry, void *context)
{
	buf_printf(context, "%s %u\n", network, entry->count);
}

Test(greybook, networks_are_listed_and_forgotten)
{
	struct buf text = buf_with_limit(1000);
	bool was_there;

	cr_assert(greybook_open(directory));
	set("a", 7);
	greybook_set_network("192.0.2.0/24", &(struct grey_entry){.last_s = 2, .count = 1});
	greybook_set_network("2001:db8::/64", &(struct grey_entry){.last_s = 2, .count = 9});
	cr_assert_eq(greybook_networks("", 10, print, &text), 2);
	cr_assert(slice_equal(buf_slice(&text), SLICE("192.0.2.0/24 1\n2001:db8::/64 9\n")));
	buf_clear(&text);
	cr_assert_eq(greybook_networks("", 1, print, &text), 1);
	cr_assert_eq(greybook_networks("192.0.2.0/24", 1, print, &text), 1);
	cr_assert_eq(greybook_networks("2001:db8::/64", 1, print, &text), 0);
	cr_assert(slice_equal(buf_slice(&text), SLICE("192.0.2.0/24 1\n2001:db8::/64 9\n")));
	cr_assert(greybook_forget_network("192.0.2.0/24", &was_there) && was_there);
	cr_assert(greybook_forget_network("192.0.2.0/24", &was_there) && !was_there);
	buf_free(&text);
}

static void remember(const char *network, const struct grey_entry *entry, void *context)
{
	(void)entry;
	slice_copy(slice_string(network), context, GREYLIST_NETWORK_TEXT);
}

Test(greybook, networks_can_be_walked_in_parts)
{
	char last[GREYLIST_NETWORK_TEXT] = "";
	unsigned parts = 0, all = 0, count;

	cr_assert(greybook_open(directory));
	set("a", 7);
	for (unsigned i = 0; i < 1000; i++) {
		char network[GREYLIST_NETWORK_TEXT];

		snprintf(network, sizeof network, "10.%u.%u.0/24", i / 256, i % 256);
		cr_assert(greybook_set_network(network, &(struct grey_entry){.last_s = 2, .count = 1}));
	}
	do {
		count = greybook_networks(last, 300, remember, last);
		all += count;
		parts++;
	} while (count == 300);
	cr_assert_eq(all, 1000);
	cr_assert_eq(parts, 4);
}
