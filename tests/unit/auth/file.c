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
static unsigned generation;

static void put(const char *text)
{
	int file = open(fresh, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	cr_assert_eq(write(file, text, strlen(text)), (ssize_t)strlen(text));
	close(file);
	cr_assert_eq(rename(fresh, path), 0);
}

static bool knows(const char *account)
{
	const struct credentials *c = file_credentials(&generation);
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

Test(auth_file, a_change_is_seen_at_the_next_login)
{
	unsigned before;

	put("a@b" HASH);
	cr_assert(knows("a@b"));
	before = generation;
	put("a@b" HASH "c@d" HASH);
	cr_assert(knows("c@d"));
	cr_assert_neq(generation, before);
	before = generation;
	cr_assert(knows("c@d"));
	cr_assert_eq(generation, before);
}

Test(auth_file, a_reload_looks_at_once)
{
	put("a@b" HASH);
	cr_assert(knows("a@b"));
	put("c@d" HASH);
	file_reload();
	cr_assert(knows("c@d"));
	cr_assert_not(knows("a@b"));
}

Test(auth_file, what_was_in_force_stays_where_the_file_is_malformed_or_gone)
{
	put("a@b" HASH);
	cr_assert(knows("a@b"));
	put("a@b secret\n");
	cr_assert(knows("a@b"));
	unlink(path);
	cr_assert(knows("a@b"));
	put("c@d" HASH);
	cr_assert(knows("c@d"));
}

Test(auth_file, without_a_file_there_are_no_credentials)
{
	cr_assert_null(file_credentials(&generation));
	put("a@b secret\n");
	cr_assert_null(file_credentials(&generation));
	unlink(path);
	cr_assert_eq(symlink("/etc/passwd", path), 0);
	cr_assert_null(file_credentials(&generation), "links are not followed");
}
