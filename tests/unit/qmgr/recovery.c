/*
 * What recovery.h promises: every state of the table in docs/durability.md is
 * laid out on disk by hand, recovered, and looked at.  The numbers of the states
 * are those of the table.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "qmgr/record.h"
#include "qmgr/recovery.h"
#include "tests/unit/qmgr/scratch.h"

static struct scratch scratch;
static struct buf envelope, delivered, deferred, relayed;
static const struct slice content = {"Subject: hello\r\n\r\nTwo lines\r\nof text\r\n", 38};

enum { ID = 4711 };

static void make(void)
{
	scratch_make(&scratch);
	cr_assert_eq(journal_start(scratch_journal(&scratch), 1), 0);
	while (journal_grow(scratch.journal) > 0)
		continue;
	envelope = scratch_envelope(ID);
	delivered = buf_with_limit(4096);
	scratch_outcome(&delivered, "bob@here.test", OUTCOME_DELIVERED, true, 1);
	relayed = buf_with_limit(4096);
	scratch_outcome(&relayed, "carol@there.test", OUTCOME_DELIVERED, false, 2);
	deferred = buf_with_limit(4096);
	scratch_outcome(&deferred, "dave@there.test", OUTCOME_DEFERRED, false, 3);
}

static void unmake(void)
{
	buf_free(&envelope);
	buf_free(&delivered);
	buf_free(&deferred);
	buf_free(&relayed);
	scratch_remove(&scratch);
}

TestSuite(recovery, .init = make, .fini = unmake);

static struct recovery recover(void)
{
	struct recovery recovery;

	cr_assert_eq(
	    recovery_run(&scratch.spool, scratch_journal(&scratch), NULL, NULL, &recovery), 0);
	free(recovery.files);
	recovery.files = NULL;
	cr_assert_eq(scratch_count(&scratch, SPOOL_TMP), 0, "tmp/ was swept");
	return recovery;
}

static void accept_in_journal(void)
{
	scratch_accepted(&scratch, ID, content, buf_slice(&envelope), true);
}

/* Everything a power cut may make of a file that was written and renamed but not flushed. */
enum file_state {
	FILE_MISSING,
	FILE_IN_TMP,
	FILE_SHORT, /* cut at any octet */
	FILE_ZEROED,
	FILE_WITHOUT_RECORDS,
	FILE_WHOLE,
	FILE_STATES
};

static void lay_out(enum file_state state, size_t cut)
{
	char zeros[64] = {0};

	switch (state) {
	case FILE_MISSING:
	case FILE_STATES:
		break;
	case FILE_IN_TMP:
		scratch_receive(&scratch, ID, content);
		break;
	case FILE_SHORT:
		scratch_file(&scratch, SPOOL_NEW, ID, content, buf_slice(&envelope), cut);
		break;
	case FILE_ZEROED:
		scratch_file(&scratch, SPOOL_NEW, ID, slice_of(zeros, content.len),
		    buf_slice(&envelope), SIZE_MAX);
		break;
	case FILE_WITHOUT_RECORDS:
		scratch_file(&scratch, SPOOL_NEW, ID, content, slice_of("", 0), SIZE_MAX);
		break;
	case FILE_WHOLE:
		scratch_file(&scratch, SPOOL_NEW, ID, content, buf_slice(&envelope), SIZE_MAX);
		break;
	}
}

Test(recovery, state_1_what_was_never_acknowledged_in_tmp_is_swept)
{
	struct recovery recovery;

	scratch_receive(&scratch, ID, SLICE("half a mess"));
	recovery = recover();
	cr_assert_eq(recovery.swept, 1);
	cr_assert_eq(recovery.file_count, 0);
}

Test(recovery, state_2_a_whole_file_that_the_journal_does_not_know_stays)
{
	lay_out(FILE_WHOLE, 0);
	cr_assert_eq(recover().file_count, 1);
	cr_assert(scratch_is_whole(&scratch, SPOOL_NEW, ID, content));
}

Test(recovery, state_3_what_was_acknowledged_is_whole_whatever_became_of_its_file)
{
	accept_in_journal();
	journal_close(scratch.journal);
	scratch.journal = NULL;
	for (enum file_state state = FILE_MISSING; state < FILE_STATES; state++) {
		size_t cuts = state == FILE_SHORT ? content.len + envelope.len : 1;

		for (size_t cut = 0; cut < cuts; cut++) {
			struct spool_file file = {
			    .id = ID, .place = SPOOL_NEW, .size = content.len};
			struct recovery recovery;

			spool_remove(&scratch.spool, &file);
			/* Each state anew, with the journal as the crash left it. */
			cr_assert_eq(journal_start(scratch_journal(&scratch), 1), 0);
			accept_in_journal();
			lay_out(state, cut);
			recovery = recover();
			cr_assert_eq(recovery.file_count, 1, "state %d cut %zu", (int)state, cut);
			cr_assert(scratch_is_whole(&scratch, SPOOL_NEW, ID, content),
			    "state %d cut %zu", (int)state, cut);
			cr_assert_eq(scratch_count(&scratch, SPOOL_NEW), 1);
			cr_assert_eq(scratch_count(&scratch, SPOOL_BAD), 0);
			cr_assert_eq(recovery.rebuilt, state == FILE_WHOLE ? 0 : 1);
		}
	}
}

Test(recovery, state_3_a_large_message_stands_on_its_flushed_file)
{
	lay_out(FILE_WHOLE, 0);
	scratch_accepted(&scratch, ID, content, buf_slice(&envelope), false);
	cr_assert_eq(recover().file_count, 1);
	cr_assert(scratch_is_whole(&scratch, SPOOL_NEW, ID, content));
}

Test(recovery, a_large_message_whose_flushed_file_is_gone_is_reported)
{
	scratch_accepted(&scratch, ID, content, buf_slice(&envelope), false);
	cr_assert_eq(recover().missing, 1);
}

Test(recovery, state_4_an_entry_that_was_not_flushed_counts_for_nothing)
{
	int fd;

	accept_in_journal();
	/* The tail of the batch never reached the disk, the file did not either. */
	fd = openat(scratch.spool.directory[SPOOL_JOURNAL], "segment-00", O_RDWR | O_CLOEXEC);
	cr_assert_eq(spool_write_at(fd, "\0", 1, JOURNAL_PAGE + 60), 0);
	close(fd);
	lay_out(FILE_IN_TMP, 0);
	cr_assert_eq(recover().file_count, 0);
}

Test(recovery, state_5_a_delivery_lost_with_the_unflushed_tail_is_done_again)
{
	/* Delivered and unlinked, the unlink on disk, its entry not: "twice only if the crash fell
	 * between the delivery and the next flush". */
	accept_in_journal();
	cr_assert_eq(recover().rebuilt, 1);
	cr_assert_eq(scratch_status(&scratch, SPOOL_NEW, ID, content.len, "bob@here.test"), 0);
}

Test(recovery, state_6_a_mailbox_delivery_since_the_checkpoint_is_looked_at_again)
{
	struct recovery recovery;

	accept_in_journal();
	scratch_updated(&scratch, ID, content.len, SPOOL_NOWHERE, false, buf_slice(&delivered));
	recovery = recover();
	cr_assert_eq(recovery.rebuilt, 1);
	cr_assert_eq(recovery.unsettled, 1);
	cr_assert(scratch_is_whole(&scratch, SPOOL_NEW, ID, content));
	cr_assert_eq(scratch_status(&scratch, SPOOL_NEW, ID, content.len, "bob@here.test"),
	    OUTCOME_UNSETTLED);
}

Test(recovery, state_6_only_the_mailbox_is_looked_at_again_not_the_other_host)
{
	struct buf both = buf_with_limit(4096);

	buf_append_slice(&both, buf_slice(&relayed));
	buf_append_slice(&both, buf_slice(&delivered));
	accept_in_journal();
	scratch_updated(&scratch, ID, content.len, SPOOL_NOWHERE, false, buf_slice(&both));
	cr_assert_eq(recover().unsettled, 1);
	cr_assert_eq(scratch_status(&scratch, SPOOL_NEW, ID, content.len, "carol@there.test"),
	    OUTCOME_DELIVERED);
	cr_assert_eq(scratch_status(&scratch, SPOOL_NEW, ID, content.len, "bob@here.test"),
	    OUTCOME_UNSETTLED);
	buf_free(&both);
}

Test(recovery, state_6_the_file_that_the_unlink_did_not_reach_serves_as_well)
{
	lay_out(FILE_WHOLE, 0);
	accept_in_journal();
	scratch_updated(&scratch, ID, content.len, SPOOL_NOWHERE, false, buf_slice(&delivered));
	cr_assert_eq(recover().rebuilt, 0);
	cr_assert_eq(scratch_status(&scratch, SPOOL_NEW, ID, content.len, "bob@here.test"),
	    OUTCOME_UNSETTLED);
}

Test(recovery, state_7_a_finished_message_does_not_come_back)
{
	for (int has_file = 0; has_file < 2; has_file++) {
		struct recovery recovery;

		if (has_file)
			lay_out(FILE_WHOLE, 0);
		accept_in_journal();
		scratch_updated(
		    &scratch, ID, content.len, SPOOL_NOWHERE, false, buf_slice(&relayed));
		recovery = recover();
		cr_assert_eq(recovery.file_count, 0);
		cr_assert_eq(recovery.removed, (unsigned)has_file);
		cr_assert_eq(scratch_count(&scratch, SPOOL_NEW), 0);
	}
}

Test(recovery, state_8_a_checkpointed_delivery_is_not_done_again)
{
	/* The acceptance lay in a segment that is retired; what is left is the end of the story. */
	scratch_updated(&scratch, ID, content.len, SPOOL_NOWHERE, false, buf_slice(&delivered));
	cr_assert_eq(recover().file_count, 0);
	cr_assert_eq(scratch_count(&scratch, SPOOL_NEW), 0);
}

Test(recovery, state_9_a_kept_file_is_looked_at_again_until_it_is_settled)
{
	/* A large message: delivered, its file kept until the mail file system is flushed. */
	lay_out(FILE_WHOLE, 0);
	scratch_accepted(&scratch, ID, content, buf_slice(&envelope), false);
	scratch_updated(&scratch, ID, content.len, SPOOL_NEW, false, buf_slice(&delivered));
	cr_assert_eq(recover().unsettled, 1);
	cr_assert_eq(scratch_status(&scratch, SPOOL_NEW, ID, content.len, "bob@here.test"),
	    OUTCOME_UNSETTLED);
}

Test(recovery, state_10_a_settled_message_is_finished)
{
	for (int has_file = 0; has_file < 2; has_file++) {
		struct recovery recovery;

		if (has_file)
			lay_out(FILE_WHOLE, 0);
		scratch_accepted(&scratch, ID, content, buf_slice(&envelope), false);
		scratch_updated(&scratch, ID, content.len, SPOOL_NEW, false, buf_slice(&delivered));
		scratch_updated(&scratch, ID, content.len, SPOOL_NOWHERE, true, slice_of("", 0));
		recovery = recover();
		cr_assert_eq(recovery.file_count, 0);
		cr_assert_eq(recovery.missing, 0);
		cr_assert_eq(scratch_count(&scratch, SPOOL_NEW), 0);
	}
}

Test(recovery, state_11_a_deferral_that_the_file_does_not_know_is_written_into_it)
{
	for (int state = 0; state < 3; state++) {
		struct buf records = buf_with_limit(65536);
		struct spool_file file = {.id = ID, .place = SPOOL_CUR, .size = content.len};
		char name[SPOOL_NAME_MAX];
		struct stat st;

		spool_remove(&scratch.spool, &file);
		accept_in_journal();
		scratch_updated(&scratch, ID, content.len, SPOOL_CUR, false, buf_slice(&deferred));
		buf_append_slice(&records, buf_slice(&envelope));
		buf_append_slice(&records, buf_slice(&deferred));
		if (state == 0) /* nothing of it is on disk */
			lay_out(FILE_WHOLE, 0);
		else /* the record is torn, or whole, the move is done */
			scratch_file(&scratch, SPOOL_CUR, ID, content, buf_slice(&records),
			    content.len + records.len - (state == 1 ? 3 : 0));
		cr_assert_eq(recover().completed, state < 2 ? 1 : 0);
		cr_assert(scratch_is_whole(&scratch, SPOOL_CUR, ID, content));
		cr_assert_eq(scratch_count(&scratch, SPOOL_NEW), 0);
		cr_assert_eq(
		    scratch_status(&scratch, SPOOL_CUR, ID, content.len, "dave@there.test"),
		    OUTCOME_DEFERRED);
		spool_format_name(ID, content.len, name);
		cr_assert_eq(fstatat(scratch.spool.directory[SPOOL_CUR], name, &st, 0), 0);
		cr_assert_eq(st.st_mtime, 1700000000, "the time of the next attempt");
		cr_assert_eq((size_t)st.st_size, content.len + records.len, "no torn tail is left");
		buf_free(&records);
	}
}

Test(recovery, state_12_a_crash_in_the_middle_of_recovery_is_recovered)
{
	struct slice name = SLICE("segment-00");
	struct buf journal;
	struct buf first;
	char file_name[SPOOL_NAME_MAX];
	int fd;

	accept_in_journal();
	scratch_updated(&scratch, ID, content.len, SPOOL_NEW, false, buf_slice(&delivered));
	journal = scratch_read(&scratch, SPOOL_JOURNAL, name.data);
	recover();
	spool_format_name(ID, content.len, file_name);
	first = scratch_read(&scratch, SPOOL_NEW, file_name);
	/* The files were mended; the journal's new header was not written. */
	for (int i = 0; i < 3; i++) {
		char segment[32];

		snprintf(segment, sizeof segment, "segment-%02d", i);
		unlinkat(scratch.spool.directory[SPOOL_JOURNAL], segment, 0);
	}
	fd = openat(
	    scratch.spool.directory[SPOOL_JOURNAL], name.data, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	cr_assert_eq(spool_write_at(fd, journal.data, journal.len, 0), 0);
	close(fd);
	cr_assert_eq(recover().rebuilt, 0);
	{
		struct buf second = scratch_read(&scratch, SPOOL_NEW, file_name);

		cr_assert(slice_equal(buf_slice(&first), buf_slice(&second)),
		    "the second recovery changes nothing");
		buf_free(&second);
	}
	buf_free(&first);
	buf_free(&journal);
}

Test(recovery, afterwards_the_files_stand_alone)
{
	struct recovery recovery;

	accept_in_journal();
	recover();
	/* The journal was begun anew: were it replayed, it would show nothing. */
	recovery = recover();
	cr_assert_eq(recovery.rebuilt, 0);
	cr_assert_eq(recovery.file_count, 1);
}

Test(recovery, a_held_message_stays_held)
{
	scratch_file(&scratch, SPOOL_HOLD, ID, content, buf_slice(&envelope), SIZE_MAX);
	accept_in_journal();
	scratch_updated(&scratch, ID, content.len, SPOOL_HOLD, false, slice_of("", 0));
	cr_assert_eq(recover().file_count, 1);
	cr_assert(scratch_is_whole(&scratch, SPOOL_HOLD, ID, content));
}

Test(recovery, a_name_that_makes_no_sense_is_set_aside)
{
	int fd = openat(scratch.spool.directory[SPOOL_CUR], "what is this",
	    O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	close(fd);
	cr_assert_eq(recover().set_aside, 1);
	cr_assert_eq(scratch_count(&scratch, SPOOL_BAD), 1);
}

Test(recovery, of_two_names_for_one_message_the_one_further_on_stays)
{
	scratch_file(&scratch, SPOOL_NEW, ID, content, buf_slice(&envelope), SIZE_MAX);
	scratch_file(&scratch, SPOOL_CUR, ID, content, buf_slice(&envelope), SIZE_MAX);
	cr_assert_eq(recover().file_count, 1);
	cr_assert(scratch_is_whole(&scratch, SPOOL_CUR, ID, content));
	cr_assert_eq(scratch_count(&scratch, SPOOL_BAD), 1);
}

Test(recovery, identifiers_that_are_gone_from_the_spool_are_not_given_again)
{
	accept_in_journal();
	scratch_updated(&scratch, ID, content.len, SPOOL_NOWHERE, false, buf_slice(&relayed));
	cr_assert_eq(recover().high_water, ID);
	cr_assert_eq(
	    recover().high_water, ID, "although no entry and no file tells of it any more");
}

Test(recovery, many_messages_in_every_state_come_out_in_order)
{
	enum { COUNT = 60 };
	struct recovery recovery;
	size_t expected = 0;

	for (message_id id = ID; id < ID + COUNT; id++) {
		struct buf records = scratch_envelope(id);

		if (id % 3 != 0)
			scratch_accepted(&scratch, id, content, buf_slice(&records), true);
		if (id % 2 == 0 || id % 3 == 0)
			scratch_file(&scratch, id % 5 == 0 ? SPOOL_CUR : SPOOL_NEW, id, content,
			    buf_slice(&records), SIZE_MAX);
		expected++;
		buf_free(&records);
		if (id == ID + COUNT / 3 || id == ID + 2 * COUNT / 3)
			journal_rotate(scratch.journal);
	}
	cr_assert_eq(
	    recovery_run(&scratch.spool, scratch_journal(&scratch), NULL, NULL, &recovery), 0);
	cr_assert_eq(recovery.file_count, expected);
	for (size_t i = 0; i < recovery.file_count; i++) {
		cr_assert_eq(recovery.files[i].id, ID + i);
		cr_assert(scratch_is_whole(
		    &scratch, recovery.files[i].place, recovery.files[i].id, content));
	}
	free(recovery.files);
}
