/* What file.h promises. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/file.h"

#define HASH " $6$saltsalt$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n"

static char directory[] = "/tmp/petrel-auth-XXXXXX";
static char path[64], fresh[64];
static const uint64_t s = 1000000;
static unsigned generation;

static void put(const char *text)
{
	int file = open(fresh, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	cr_assert_eq(write(file, text, strlen(text)), (ssize_t)strlen(text));
	close(file);
	cr_assert_eq(rename(fresh, path), 0);
}

static bool knows(const char *account, uint64_t now)
{
	const struct credentials *c = file_credentials(now, &generation);
	struct credential found;

	return c != NULL && credentials_find(c, slice_string(account), &found);
}

static void setup(void)
{
	cr_assert_not_null(mkdtemp(directory));
	snprintf(path, sizeof path, "%s/credentials", directory);
	snprintf(fresh, sizeof fresh, "%s/credentials.new", directory);
	cr_assert(file_open_directory(directory));
}

static void teardown(void)
{
	file_close();
	unlink(path);
	rmdir(directory);
}

TestSuite(auth_file, .init = setup, .fini = teardown);

Test(auth_file, a_change_is_seen_at_most_once_a_second)
{
	unsigned before;

	put("a@b" HASH);
	cr_assert(knows("a@b", s));
	before = generation;
	put("a@b" HASH "c@d" HASH);
	cr_assert_not(knows("c@d", s + s / 2));
	cr_assert_eq(generation, before);
	cr_assert(knows("c@d", 2 * s));
	cr_assert_neq(generation, before);
	before = generation;
	cr_assert(knows("c@d", 4 * s));
	cr_assert_eq(generation, before);
}

Test(auth_file, a_reload_looks_at_once)
{
	put("a@b" HASH);
	cr_assert(knows("a@b", s));
	put("c@d" HASH);
	file_reload();
	cr_assert(knows("c@d", s + 1));
	cr_assert_not(knows("a@b", s + 1));
}

Test(auth_file, what_was_in_force_stays_where_the_file_is_malformed_or_gone)
{
	put("a@b" HASH);
	cr_assert(knows("a@b", s));
	put("a@b secret\n");
	cr_assert(knows("a@b", 3 * s));
	unlink(path);
	cr_assert(knows("a@b", 5 * s));
	put("c@d" HASH);
	cr_assert(knows("c@d", 7 * s));
}

Test(auth_file, without_a_file_there_are_no_credentials)
{
	cr_assert_null(file_credentials(s, &generation));
	put("a@b secret\n");
	cr_assert_null(file_credentials(3 * s, &generation));
	unlink(path);
	cr_assert_eq(symlink("/etc/passwd", path), 0);
	cr_assert_null(file_credentials(5 * s, &generation), "links are not followed");
}
