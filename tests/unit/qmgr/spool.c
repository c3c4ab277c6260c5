/* What spool.h promises. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "qmgr/record.h"
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

TestSuite(spool, .init = make, .fini = unmake);

Test(spool, names_are_read_back_and_nothing_else_is_a_name)
{
	static const char *const wrong[] = {
	    "",
	    "0000000000001",
	    "0000000000001,S=",
	    "0000000000001,S=01",
	    "0000000000001,S=-1",
	    "0000000000001,S=1x",
	    "0000000000001,S=99999999999999999999",
	    "0000000000000,S=1",
	    "000000000000l,S=1",
	    "0000000000001.S=1",
	    "0000000000001,S=1,",
	};
	char name[SPOOL_NAME_MAX];
	message_id id;
	uint64_t size;

	spool_format_name(message_id_next(0), 0, name);
	cr_assert(spool_parse_name(slice_string(name), &id, &size));
	cr_assert_eq(size, 0);
	spool_format_name(77, 123456, name);
	cr_assert(spool_parse_name(slice_string(name), &id, &size));
	cr_assert_eq(id, 77);
	cr_assert_eq(size, 123456);
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		cr_assert_not(spool_parse_name(slice_string(wrong[i]), &id, &size), "%s", wrong[i]);
}

Test(spool, an_identifier_is_created_once)
{
	int fd = spool_create(&scratch.spool, 5);

	cr_assert_geq(fd, 0);
	close(fd);
	cr_assert_eq(spool_create(&scratch.spool, 5), -1);
	cr_assert_eq(errno, EEXIST);
}

Test(spool, a_file_is_private_to_the_queue)
{
	struct stat st;
	int fd = spool_create(&scratch.spool, 5);

	cr_assert_eq(fstat(fd, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0600);
	close(fd);
}

Test(spool, a_link_in_place_of_a_file_is_not_followed)
{
	struct spool_file file = {.id = 5, .place = SPOOL_NEW, .size = 1};
	char name[SPOOL_NAME_MAX];

	spool_format_name(5, 1, name);
	cr_assert_eq(symlinkat("/etc/passwd", scratch.spool.directory[SPOOL_NEW], name), 0);
	cr_assert_eq(spool_open_file(&scratch.spool, &file, O_RDONLY), -1);
	cr_assert_eq(errno, ELOOP);
}

Test(spool, records_are_read_up_to_the_last_whole_one)
{
	struct slice content = SLICE("Subject: x\r\n\r\nbody\r\n");
	struct spool_file file = {.id = 9, .place = SPOOL_NEW, .size = content.len};
	struct buf written = scratch_envelope(9), records = buf_with_limit(65536);
	size_t envelope = written.len;
	uint64_t end;
	int fd;

	scratch_outcome(&written, "a@b", OUTCOME_DELIVERED, true, 1);
	scratch_file(
	    &scratch, SPOOL_NEW, 9, content, buf_slice(&written), content.len + written.len - 1);
	fd = spool_open_file(&scratch.spool, &file, O_RDONLY);
	cr_assert_eq(spool_read_records(fd, content.len, &records, &end), 0);
	cr_assert_eq(records.len, envelope);
	cr_assert_eq(end, content.len + envelope);
	close(fd);
	buf_free(&written);
	buf_free(&records);
}

Test(spool, a_file_without_its_envelope_makes_no_sense)
{
	struct slice content = SLICE("Subject: x\r\n\r\nbody\r\n");
	struct spool_file file = {.id = 9, .place = SPOOL_NEW, .size = content.len};
	struct buf written = scratch_envelope(9);

	for (size_t keep = 0; keep < content.len + written.len; keep++) {
		struct buf records = buf_with_limit(65536);
		uint64_t end;
		int fd;

		scratch_file(&scratch, SPOOL_NEW, 9, content, buf_slice(&written), keep);
		fd = spool_open_file(&scratch.spool, &file, O_RDONLY);
		cr_assert_eq(spool_read_records(fd, content.len, &records, &end), -1);
		cr_assert_eq(errno, EBADMSG, "kept %zu", keep);
		close(fd);
		buf_free(&records);
	}
	buf_free(&written);
}

Test(spool, what_is_set_aside_is_kept_even_under_the_same_name)
{
	for (int i = 0; i < 3; i++) {
		int fd = openat(scratch.spool.directory[SPOOL_NEW], "odd",
		    O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

		close(fd);
		cr_assert_eq(spool_set_aside(&scratch.spool, SPOOL_NEW, "odd"), 0);
	}
	cr_assert_eq(scratch_count(&scratch, SPOOL_BAD), 3);
	cr_assert_eq(scratch_count(&scratch, SPOOL_NEW), 0);
}

Test(spool, the_sweep_empties_tmp_and_nothing_else)
{
	struct buf written = scratch_envelope(9);

	scratch_receive(&scratch, 1, SLICE("half"));
	scratch_receive(&scratch, 2, SLICE("half"));
	scratch_file(&scratch, SPOOL_NEW, 9, SLICE("x"), buf_slice(&written), SIZE_MAX);
	cr_assert_eq(spool_sweep(&scratch.spool), 2);
	cr_assert_eq(scratch_count(&scratch, SPOOL_TMP), 0);
	cr_assert_eq(scratch_count(&scratch, SPOOL_NEW), 1);
	buf_free(&written);
}
