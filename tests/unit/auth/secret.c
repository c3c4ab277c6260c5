/* What secret.h promises. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/secret.h"

static char directory[] = "/tmp/petrel-auth-XXXXXX";
static char path[64];

static void setup(void)
{
	cr_assert_not_null(mkdtemp(directory));
	snprintf(path, sizeof path, "%s/decoy-secret", directory);
}

static void teardown(void)
{
	unlink(path);
	rmdir(directory);
}

TestSuite(auth_secret, .init = setup, .fini = teardown);

Test(auth_secret, it_outlives_a_restart_and_nobody_else_may_read_it)
{
	uint8_t before[SCRAM_KEY];
	struct stat about;

	cr_assert(secret_open(directory));
	memcpy(before, decoy_secret, SCRAM_KEY);
	memset(decoy_secret, 0, SCRAM_KEY);
	cr_assert(secret_open(directory));
	cr_assert_arr_eq(decoy_secret, before, SCRAM_KEY);
	cr_assert_eq(stat(path, &about), 0);
	cr_assert_eq(about.st_mode & 07777, 0600u);
}

Test(auth_secret, without_its_file_it_is_random_and_no_link_is_followed)
{
	static const uint8_t zeros[SCRAM_KEY];

	cr_assert_eq(symlink("/etc/passwd", path), 0);
	memset(decoy_secret, 0, SCRAM_KEY);
	cr_assert(secret_open(directory));
	cr_assert_arr_neq(decoy_secret, zeros, SCRAM_KEY);
	memset(decoy_secret, 0, SCRAM_KEY);
	cr_assert(secret_open("/nonexistent"));
	cr_assert_arr_neq(decoy_secret, zeros, SCRAM_KEY);
}
