/* What io.h promises. */
#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/io.h"

static int file;

static void set_up(void)
{
	char path[] = "/tmp/petrel-io-XXXXXX";

	file = mkstemp(path);
	cr_assert_geq(file, 0);
	unlink(path);
}

TestSuite(io, .init = set_up);

static void fill(size_t len)
{
	struct buf octets = buf_with_limit(len);

	memset(buf_extend(&octets, len), 'x', len);
	cr_assert(io_write(file, buf_slice(&octets)));
	lseek(file, 0, SEEK_SET);
	buf_free(&octets);
}

Test(io, what_was_written_is_read_whole)
{
	struct buf all = buf_with_limit(1000000);

	fill(300000);
	cr_assert(io_read(file, &all));
	cr_assert_eq(all.len, 300000);
	cr_assert_not(all.overflowed);
	buf_free(&all);
}

Test(io, a_file_of_exactly_the_limit_is_read_and_one_octet_more_is_too_large)
{
	struct buf exact = buf_with_limit(300000), small = buf_with_limit(299999);

	fill(300000);
	cr_assert(io_read(file, &exact));
	cr_assert_eq(exact.len, 300000);
	lseek(file, 0, SEEK_SET);
	cr_assert_not(io_read(file, &small));
	cr_assert_eq(errno, EFBIG);
	buf_free(&exact);
	buf_free(&small);
}

Test(io, a_read_beyond_the_end_of_a_file_fails)
{
	char octets[20];

	fill(10);
	cr_assert(io_read_at(file, octets, 5, 5));
	cr_assert_not(io_read_at(file, octets, 6, 5));
	cr_assert_eq(errno, EIO);
}

Test(io, a_write_that_the_system_refuses_fails)
{
	int readonly = open("/dev/null", O_RDONLY);

	cr_assert_not(io_write(readonly, SLICE("x")));
	close(readonly);
}
