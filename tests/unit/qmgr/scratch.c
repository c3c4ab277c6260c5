/*
 * scratch.c - a spool of its own for each test, and ways to damage it.
 */
#include "tests/unit/qmgr/scratch.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "qmgr/entry.h"
#include "qmgr/record.h"

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void scratch_make(struct scratch *scratch)
{
	*scratch = (struct scratch){.path = "/tmp/petrel-spool-XXXXXX"};
	cr_assert_not_null(mkdtemp(scratch->path));
	scratch->root = open(scratch->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_geq(scratch->root, 0);
	cr_assert_eq(spool_open(&scratch->spool, scratch->root), 0);
}

void scratch_remove(struct scratch *scratch)
{
	journal_close(scratch->journal);
	spool_close(&scratch->spool);
	close(scratch->root);
	nftw(scratch->path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

struct journal *scratch_journal(struct scratch *scratch)
{
	struct journal_options options = {.segment_size = SCRATCH_SEGMENT, .segments = 3};

	journal_close(scratch->journal);
	scratch->journal = journal_open(scratch->spool.directory[SPOOL_JOURNAL], &options);
	cr_assert_not_null(scratch->journal);
	return scratch->journal;
}

struct buf scratch_envelope(message_id id)
{
	struct buf records = buf_with_limit(1024 * 1024);
	char text[64];

	snprintf(text, sizeof text, "envelope of %llu", (unsigned long long)id);
	cr_assert(record_append(&records, RECORD_ENVELOPE, slice_string(text)));
	return records;
}

void scratch_outcome(struct buf *records, const char *address, enum outcome_status status,
    bool in_mailbox, uint64_t at_us)
{
	struct outcome outcome = {
	    .address = slice_string(address),
	    .status = status,
	    .in_mailbox = in_mailbox,
	    .attempts = 1,
	    .at_us = at_us,
	    .enhanced = SLICE("2.0.0"),
	};

	cr_assert(outcome_append(records, &outcome));
}

void scratch_receive(struct scratch *scratch, message_id id, struct slice content)
{
	int fd = spool_create(&scratch->spool, id);

	cr_assert_geq(fd, 0);
	cr_assert_eq(spool_write_at(fd, content.data, content.len, 0), 0);
	close(fd);
}

void scratch_file(struct scratch *scratch, enum spool_place place, message_id id,
    struct slice content, struct slice records, size_t keep)
{
	struct spool_file file = {.id = id, .place = place, .size = content.len};
	int fd;

	cr_assert_eq(spool_rebuild(&scratch->spool, &file, content, records), 0);
	fd = spool_open_file(&scratch->spool, &file, O_RDWR);
	cr_assert_geq(fd, 0);
	if (keep < content.len + records.len)
		cr_assert_eq(ftruncate(fd, (off_t)keep), 0);
	close(fd);
}

static void flush(struct scratch *scratch)
{
	uint64_t generation;

	cr_assert_eq(journal_flush(scratch->journal, &generation), 0);
}

void scratch_accepted(
    struct scratch *scratch, message_id id, struct slice content, struct slice records, bool inside)
{
	size_t length = accepted_entry_length(records.len, inside ? content.len : 0);
	char *at;

	cr_assert_eq(journal_reserve(scratch->journal, length), JOURNAL_READY);
	at = accepted_entry_write(journal_begin(scratch->journal, JOURNAL_ACCEPTED, length), id,
	    content.len, records, inside);
	if (inside)
		memcpy(at, content.data, content.len);
	journal_end(scratch->journal);
	flush(scratch);
}

void scratch_updated(struct scratch *scratch, message_id id, uint64_t size, enum spool_place place,
    bool is_settled, struct slice records)
{
	struct updated_entry entry = {
	    .id = id,
	    .size = size,
	    .place = place,
	    .next_attempt_us = 1700000000000000,
	    .is_settled = is_settled,
	    .records = records,
	};
	size_t length = updated_entry_length(records.len);

	cr_assert_eq(journal_reserve(scratch->journal, length), JOURNAL_READY);
	updated_entry_write(journal_begin(scratch->journal, JOURNAL_UPDATED, length), &entry);
	journal_end(scratch->journal);
	flush(scratch);
}

struct buf scratch_read(struct scratch *scratch, enum spool_place place, const char *name)
{
	struct buf all = buf_with_limit(16 * 1024 * 1024);
	int fd = openat(scratch->spool.directory[place], name, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return all;
	cr_assert_eq(fstat(fd, &st), 0);
	cr_assert_eq(spool_read_at(fd, buf_extend(&all, (size_t)st.st_size), (size_t)st.st_size, 0),
	    st.st_size);
	close(fd);
	return all;
}

bool scratch_exists(struct scratch *scratch, enum spool_place place, message_id id, uint64_t size)
{
	char name[SPOOL_NAME_MAX];

	spool_format_name(id, size, name);
	return faccessat(scratch->spool.directory[place], name, F_OK, 0) == 0;
}

static bool count_one(void *context, const char *name)
{
	(void)name;
	++*(unsigned *)context;
	return true;
}

unsigned scratch_count(struct scratch *scratch, enum spool_place place)
{
	unsigned count = 0;

	cr_assert_eq(spool_scan(&scratch->spool, place, count_one, &count), 0);
	return count;
}

enum outcome_status scratch_status(struct scratch *scratch, enum spool_place place, message_id id,
    uint64_t size, const char *address)
{
	enum outcome_status status = 0;
	char name[SPOOL_NAME_MAX];
	struct buf all;
	struct cursor in;
	struct record record;
	struct outcome outcome;

	spool_format_name(id, size, name);
	all = scratch_read(scratch, place, name);
	in = cursor_over(slice_from(buf_slice(&all), size));
	while (record_next(&in, &record) == RECORD_WHOLE)
		if (record.type == RECORD_OUTCOME && outcome_decode(record.payload, &outcome) &&
		    slice_equal(outcome.address, slice_string(address)))
			status = outcome.status;
	buf_free(&all);
	return status;
}

bool scratch_is_whole(
    struct scratch *scratch, enum spool_place place, message_id id, struct slice content)
{
	struct buf envelope = scratch_envelope(id), all;
	char name[SPOOL_NAME_MAX];
	bool is_whole;

	spool_format_name(id, content.len, name);
	all = scratch_read(scratch, place, name);
	is_whole =
	    slice_equal(slice_part(buf_slice(&all), 0, content.len), content) &&
	    slice_starts_with(slice_from(buf_slice(&all), content.len), buf_slice(&envelope));
	buf_free(&all);
	buf_free(&envelope);
	return is_whole;
}
