/* What commit.h promises. */
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/clock.h"
#include "qmgr/commit.h"
#include "qmgr/recovery.h"
#include "tests/unit/qmgr/scratch.h"

static struct scratch scratch;
static struct committer *committer;
static unsigned finished_count;

static void make(void)
{
	scratch_make(&scratch);
}

static void unmake(void)
{
	committer_free(committer);
	scratch_remove(&scratch);
}

TestSuite(commit, .init = make, .fini = unmake, .timeout = 60);

static void start(bool has_journal, unsigned linger_ms, uint64_t message_limit)
{
	struct committer_options options = {.message_limit = message_limit,
	    .workers = 4,
	    .linger_ms = linger_ms,
	    .waiting_max = 1000};

	if (has_journal)
		cr_assert_eq(journal_start(scratch_journal(&scratch), 1), 0);
	while (has_journal && journal_grow(scratch.journal) > 0)
		continue;
	committer = committer_new(&scratch.spool, scratch.journal, &options);
	cr_assert_not_null(committer);
}

static void count_finished(struct commit *commit)
{
	finished_count++;
	*(bool *)commit->context = true;
}

static void collect(unsigned wanted)
{
	struct pollfd ready = {.fd = committer_descriptor(committer), .events = POLLIN};
	unsigned got = 0;

	while (got < wanted) {
		cr_assert_gt(poll(&ready, 1, 20000), 0, "%u of %u came back", got, wanted);
		got += committer_collect(committer);
	}
	cr_assert_eq(got, wanted);
}

static struct commit accept_commit(message_id id, struct slice content, bool *done)
{
	scratch_receive(&scratch, id, content);
	return (struct commit){
	    .kind = COMMIT_ACCEPT,
	    .file = {.id = id, .place = SPOOL_TMP, .size = content.len},
	    .records = scratch_envelope(id),
	    .finished = count_finished,
	    .context = done,
	};
}

static struct commit removal(const struct commit *accepted, bool *done)
{
	return (struct commit){
	    .kind = COMMIT_UPDATE,
	    .file = accepted->file,
	    .to = SPOOL_NOWHERE,
	    .records = buf_with_limit(4096),
	    .finished = count_finished,
	    .context = done,
	};
}

static struct recovery recover(void)
{
	struct recovery recovery;

	committer_free(committer);
	committer = NULL;
	cr_assert_eq(
	    recovery_run(&scratch.spool, scratch_journal(&scratch), NULL, NULL, &recovery), 0);
	free(recovery.files);
	return recovery;
}

Test(commit, an_accepted_message_is_in_new_and_in_the_journal)
{
	struct slice content = SLICE("a message\r\n");
	bool done = false;
	struct commit commit;
	struct recovery recovery;

	start(true, 1000, 4096);
	commit = accept_commit(7, content, &done);
	committer_submit(committer, &commit);
	collect(1);
	cr_assert(done);
	cr_assert_eq(commit.error, 0);
	cr_assert_gt(commit.generation, 0);
	cr_assert_eq(commit.file.place, SPOOL_NEW);
	cr_assert(scratch_is_whole(&scratch, SPOOL_NEW, 7, content));
	/* The power fails and takes the file. */
	cr_assert_eq(spool_remove(&scratch.spool, &commit.file), 0);
	recovery = recover();
	cr_assert_eq(recovery.rebuilt, 1);
	cr_assert(scratch_is_whole(&scratch, SPOOL_NEW, 7, content));
	buf_free(&commit.records);
}

Test(commit, messages_that_wait_together_share_a_flush)
{
	enum { COUNT = 200 };
	static struct commit commits[COUNT];
	static bool done[COUNT];

	start(true, 1000, 4096);
	for (message_id id = 1; id <= COUNT; id++)
		commits[id - 1] = accept_commit(id, SLICE("text\r\n"), &done[id - 1]);
	for (int i = 0; i < COUNT; i++)
		committer_submit(committer, &commits[i]);
	collect(COUNT);
	cr_assert_lt(committer_flushes(committer), COUNT / 2);
	for (int i = 0; i < COUNT; i++) {
		cr_assert_eq(commits[i].error, 0);
		buf_free(&commits[i].records);
	}
	cr_assert_eq(scratch_count(&scratch, SPOOL_NEW), COUNT);
}

Test(commit, a_large_message_is_flushed_as_a_file_and_known_to_the_journal)
{
	struct slice content = SLICE("more than four octets\r\n");
	bool done = false;
	struct commit commit;

	start(true, 1000, 4);
	commit = accept_commit(7, content, &done);
	committer_submit(committer, &commit);
	collect(1);
	cr_assert_eq(commit.error, 0);
	cr_assert_eq(commit.generation, 0, "its content is in no segment");
	spool_remove(&scratch.spool, &commit.file);
	cr_assert_eq(recover().missing, 1);
	buf_free(&commit.records);
}

Test(commit, a_message_that_fits_no_segment_is_flushed_as_a_file)
{
	char *text = calloc(1, SCRATCH_SEGMENT);
	bool done = false;
	struct commit commit;

	start(true, 1000, 1024 * 1024);
	commit = accept_commit(7, slice_of(text, SCRATCH_SEGMENT), &done);
	committer_submit(committer, &commit);
	collect(1);
	cr_assert_eq(commit.error, 0);
	cr_assert_eq(commit.generation, 0);
	cr_assert_eq(scratch_count(&scratch, SPOOL_NEW), 1);
	buf_free(&commit.records);
	free(text);
}

Test(commit, where_durability_is_file_there_is_no_journal)
{
	bool done = false;
	struct commit commit;

	start(false, 1000, 4096);
	commit = accept_commit(7, SLICE("text\r\n"), &done);
	committer_submit(committer, &commit);
	collect(1);
	cr_assert_eq(commit.error, 0);
	cr_assert_eq(commit.generation, 0);
	cr_assert_eq(scratch_count(&scratch, SPOOL_NEW), 1);
	cr_assert_eq(committer_flushes(committer), 0);
	buf_free(&commit.records);
}

Test(commit, a_size_that_is_not_true_is_refused_and_leaves_nothing)
{
	bool done = false;
	struct commit commit;

	start(true, 1000, 4096);
	commit = accept_commit(7, SLICE("text\r\n"), &done);
	commit.file.size = 5;
	committer_submit(committer, &commit);
	collect(1);
	cr_assert_eq(commit.error, EBADMSG);
	cr_assert_eq(scratch_count(&scratch, SPOOL_NEW), 0);
	cr_assert_eq(scratch_count(&scratch, SPOOL_TMP), 0);
	buf_free(&commit.records);
	cr_assert_eq(recover().file_count, 0);
}

/* A disk that takes no more: files may not grow beyond this, and a signal says nothing. */
static void limit_files(rlim_t octets)
{
	struct rlimit limit;

	signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = octets;
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

Test(commit, where_the_journal_cannot_be_written_nothing_is_accepted_and_nothing_stays)
{
	bool done[2] = {false};
	struct commit refused, accepted;

	start(true, 1000, 4096);
	refused = accept_commit(7, SLICE("text\r\n"), &done[0]);
	accepted = accept_commit(8, SLICE("text\r\n"), &done[1]);
	limit_files(2048);
	committer_submit(committer, &refused);
	collect(1);
	limit_files(RLIM_INFINITY);
	cr_assert_eq(refused.error, EFBIG);
	cr_assert_eq(scratch_count(&scratch, SPOOL_NEW), 0);
	committer_submit(committer, &accepted);
	collect(1);
	cr_assert_eq(accepted.error, 0, "the next segment serves");
	buf_free(&refused.records);
	buf_free(&accepted.records);
	cr_assert_eq(recover().file_count, 1);
}

Test(commit, an_identifier_that_was_never_opened_is_refused)
{
	bool done = false;
	struct commit commit;

	start(true, 1000, 4096);
	commit = accept_commit(7, SLICE("text\r\n"), &done);
	spool_abandon(&scratch.spool, 7);
	committer_submit(committer, &commit);
	collect(1);
	cr_assert_eq(commit.error, ENOENT);
	buf_free(&commit.records);
}

Test(commit, an_update_rides_on_the_next_flush)
{
	bool done[3] = {false};
	struct commit first, gone, second;
	uint64_t before;

	start(true, 20000, 4096);
	first = accept_commit(7, SLICE("text\r\n"), &done[0]);
	committer_submit(committer, &first);
	collect(1);
	before = committer_flushes(committer);
	gone = removal(&first, &done[1]);
	committer_submit(committer, &gone);
	usleep(50000);
	cr_assert_eq(committer_flushes(committer), before, "no flush of its own");
	second = accept_commit(8, SLICE("text\r\n"), &done[2]);
	committer_submit(committer, &second);
	collect(2);
	cr_assert_eq(committer_flushes(committer), before + 1);
	cr_assert_eq(recover().file_count, 1);
	buf_free(&first.records);
	buf_free(&second.records);
}

Test(commit, an_update_without_company_is_flushed_after_a_while)
{
	bool done[2] = {false};
	struct commit first, gone;
	uint64_t before;

	start(true, 50, 4096);
	first = accept_commit(7, SLICE("text\r\n"), &done[0]);
	committer_submit(committer, &first);
	collect(1);
	before = committer_flushes(committer);
	gone = removal(&first, &done[1]);
	committer_submit(committer, &gone);
	collect(1);
	cr_assert_eq(committer_flushes(committer), before + 1);
	cr_assert_eq(recover().file_count, 0);
	buf_free(&first.records);
}

Test(commit, a_deferred_message_moves_to_cur_with_its_records)
{
	bool done[2] = {false};
	struct commit first, deferral;

	start(true, 10, 4096);
	first = accept_commit(7, SLICE("text\r\n"), &done[0]);
	committer_submit(committer, &first);
	collect(1);
	deferral = removal(&first, &done[1]);
	deferral.to = SPOOL_CUR;
	deferral.end = first.end;
	deferral.next_attempt_us = 1700000000000000;
	scratch_outcome(&deferral.records, "a@b", OUTCOME_DEFERRED, false, 1);
	committer_submit(committer, &deferral);
	collect(1);
	cr_assert_eq(deferral.error, 0);
	cr_assert_eq(deferral.file.place, SPOOL_CUR);
	cr_assert_eq(scratch_status(&scratch, SPOOL_CUR, 7, 6, "a@b"), OUTCOME_DEFERRED);
	buf_free(&first.records);
	buf_free(&deferral.records);
}

static void retire_when_settled(struct commit *commit)
{
	journal_retire(scratch.journal, *(uint64_t *)commit->context);
	finished_count++;
}

Test(commit, commits_wait_while_every_segment_waits_and_go_on_after_the_checkpoint)
{
	enum { COUNT = 40 }; /* each takes 3 pages; a segment holds 5, there are 3 */
	static struct commit commits[COUNT];
	static bool done[COUNT];
	static char text[9000];
	struct pollfd ready;
	unsigned got = 0, checkpoints = 0;

	start(true, 1000, 64 * 1024);
	ready = (struct pollfd){.fd = committer_descriptor(committer), .events = POLLIN};
	for (int i = 0; i < COUNT; i++) {
		commits[i] =
		    accept_commit((message_id)i + 1, slice_of(text, sizeof text), &done[i]);
		committer_submit(committer, &commits[i]);
	}
	while (got < COUNT) {
		uint64_t full;
		struct commit settle;

		if (poll(&ready, 1, 200) > 0) {
			got += committer_collect(committer);
			continue;
		}
		/* Nothing moves any more: all is full. */
		cr_assert_lt(got, COUNT);
		full = journal_full_generation(scratch.journal);
		cr_assert_gt(full, 0);
		settle = (struct commit){
		    .kind = COMMIT_SETTLE, .finished = retire_when_settled, .context = &full};
		committer_submit(committer, &settle);
		finished_count = 0;
		while (finished_count == 0 || settle.finished == NULL) {
			cr_assert_gt(poll(&ready, 1, 20000), 0);
			committer_collect(committer);
			if (journal_full_generation(scratch.journal) < full ||
			    journal_full_generation(scratch.journal) > full)
				break;
		}
		checkpoints++;
		got = 0;
		for (int i = 0; i < COUNT; i++)
			got += done[i] ? 1 : 0;
	}
	cr_assert_gt(checkpoints, 0);
	cr_assert_eq(scratch_count(&scratch, SPOOL_NEW), COUNT);
	for (int i = 0; i < COUNT; i++) {
		cr_assert_eq(commits[i].error, 0);
		buf_free(&commits[i].records);
	}
}

Test(commit, no_more_are_taken_than_may_wait)
{
	struct committer_options options = {
	    .message_limit = 4096, .workers = 1, .linger_ms = 10, .waiting_max = 1};
	bool done = false;
	struct commit commit;

	cr_assert_eq(journal_start(scratch_journal(&scratch), 1), 0);
	committer = committer_new(&scratch.spool, scratch.journal, &options);
	cr_assert_not(committer_is_full(committer));
	commit = accept_commit(7, SLICE("text\r\n"), &done);
	committer_submit(committer, &commit);
	cr_assert(committer_is_full(committer));
	collect(1);
	cr_assert_not(committer_is_full(committer));
	buf_free(&commit.records);
}

Test(commit, what_was_submitted_before_the_end_is_finished)
{
	bool done[2] = {false};
	struct commit first, gone;

	start(true, 20000, 4096);
	first = accept_commit(7, SLICE("text\r\n"), &done[0]);
	committer_submit(committer, &first);
	collect(1);
	gone = removal(&first, &done[1]);
	committer_submit(committer, &gone);
	committer_free(committer);
	committer = NULL;
	cr_assert(done[1]);
	buf_free(&first.records);
}

Test(commit, while_every_segment_waits_a_file_does_not_say_more_than_the_journal)
{
	enum { COUNT = 15 }; /* three segments, to the last page */
	static struct commit commits[COUNT], update;
	static bool done[COUNT + 1];
	static char text[9000];
	struct buf delivered = buf_with_limit(4096), file;
	char name[SPOOL_NAME_MAX];
	size_t before;

	start(true, 0, 1 << 20);
	for (int i = 0; i < COUNT; i++) {
		commits[i] =
		    accept_commit((message_id)i + 1, slice_of(text, sizeof text), &done[i]);
		committer_submit(committer, &commits[i]);
		collect(1);
	}
	scratch_outcome(&delivered, "bob@here.test", OUTCOME_DELIVERED, true, 1);
	update = removal(&commits[0], &done[COUNT]);
	update.to = SPOOL_NEW;
	update.end = commits[0].end;
	update.records = delivered;
	spool_format_name(1, sizeof text, name);
	file = scratch_read(&scratch, SPOOL_NEW, name);
	before = file.len;
	buf_free(&file);
	committer_submit(committer, &update);
	usleep(300000);
	file = scratch_read(&scratch, SPOOL_NEW, name);
	cr_assert_eq(file.len, before);
	buf_free(&file);
	journal_retire(scratch.journal, journal_full_generation(scratch.journal));
	collect(1);
	file = scratch_read(&scratch, SPOOL_NEW, name);
	cr_assert_gt(file.len, before);
	buf_free(&file);
	buf_free(&delivered);
	for (int i = 0; i < COUNT; i++)
		buf_free(&commits[i].records);
}
