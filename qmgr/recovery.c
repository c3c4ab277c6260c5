/*
 * recovery.c - making the spool whole after any kind of end.
 */
#include "qmgr/recovery.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "qmgr/entry.h"
#include "qmgr/outcome.h"
#include "qmgr/record.h"

enum { COMPARED_AT_ONCE = 64 * 1024 };

/* An entry of the journal, to be sorted by message. */
struct happening {
	message_id id;
	uint64_t sequence;
	struct slice payload;
	enum journal_type type;
};

struct work {
	const struct spool *spool;
	struct recovery *out;
	recovery_report report;
	void *context;
	enum spool_place place; /* being scanned */
	size_t file_room;
	struct happening *happenings;
	size_t happening_count;
	size_t happening_room;
	bool failed; /* errno says why */
};

/* All that the journal says about one message. */
struct story {
	struct accepted_entry accepted;
	bool was_accepted;
	bool is_removed;
	bool is_settled;
	enum spool_place place;
	uint64_t next_attempt_us;
	struct buf records; /* of all updates, then one for each unsettled delivery */
	unsigned unsettled;
};

static void say(struct work *work, const char *what, enum spool_place place, const char *name)
{
	if (work->report != NULL)
		work->report(work->context, what, spool_place_name(place), name);
}

static void *one_more(void *array, size_t count, size_t *room, size_t size)
{
	void *larger;

	if (count < *room)
		return array;
	larger = reallocarray(array, *room == 0 ? 256 : *room * 2, size);
	if (larger != NULL)
		*room = *room == 0 ? 256 : *room * 2;
	return larger;
}

/* --- what is there ------------------------------------------------------------ */

static int set_aside(struct work *work, enum spool_place place, const char *name)
{
	say(work, "set-aside", place, name);
	work->out->set_aside++;
	return spool_set_aside(work->spool, place, name);
}

static bool note_file(void *context, const char *name)
{
	struct work *work = context;
	struct spool_file file = {.place = work->place};
	void *files;

	if (!spool_parse_name(slice_string(name), &file.id, &file.size))
		return set_aside(work, work->place, name) == 0;
	files = one_more(work->out->files, work->out->file_count, &work->file_room, sizeof file);
	if (files == NULL)
		return false;
	work->out->files = files;
	work->out->files[work->out->file_count++] = file;
	return true;
}

static void note_entry(void *context, const struct journal_entry *entry)
{
	struct work *work = context;
	struct happening happening = {
	    .sequence = entry->sequence, .payload = entry->payload, .type = entry->type};
	struct accepted_entry accepted;
	struct updated_entry updated;
	void *happenings;

	if (entry->type == JOURNAL_ACCEPTED && accepted_entry_read(entry->payload, &accepted))
		happening.id = accepted.id;
	else if (entry->type == JOURNAL_UPDATED && updated_entry_read(entry->payload, &updated))
		happening.id = updated.id;
	else
		return;
	happenings = one_more(
	    work->happenings, work->happening_count, &work->happening_room, sizeof happening);
	if (happenings == NULL) {
		work->failed = true;
		return;
	}
	work->happenings = happenings;
	work->happenings[work->happening_count++] = happening;
}

static int by_id_and_sequence(const void *a, const void *b)
{
	const struct happening *x = a, *y = b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return (x->sequence > y->sequence) - (x->sequence < y->sequence);
}

/* Of two files with one identifier the one further on its way comes last. */
static int by_id_and_place(const void *a, const void *b)
{
	const struct spool_file *x = a, *y = b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return (int)x->place - (int)y->place;
}

/* --- one message ---------------------------------------------------------------- */

/*
 * A delivery into a mailbox that no checkpoint has flushed may be gone there.
 * Say so in a record of its own, so that the message is taken up again for it.
 */
static bool append_unsettled(struct story *story)
{
	struct buf said = buf_with_limit(SPOOL_RECORDS_MAX);
	struct cursor in;
	struct record record;
	struct outcome outcome;
	bool fitted = buf_append_slice(&said, buf_slice(&story->records));

	in = cursor_over(buf_slice(&said));
	while (fitted && record_next(&in, &record) == RECORD_WHOLE) {
		if (record.type != RECORD_OUTCOME || !outcome_decode(record.payload, &outcome) ||
		    outcome.status != OUTCOME_DELIVERED || !outcome.in_mailbox)
			continue;
		outcome.status = OUTCOME_UNSETTLED;
		fitted = outcome_append(&story->records, &outcome);
		story->unsettled++;
	}
	buf_free(&said);
	return fitted;
}

static bool tell_story(const struct happening *happenings, size_t count, struct story *story)
{
	*story = (struct story){.place = SPOOL_NEW, .records = buf_with_limit(SPOOL_RECORDS_MAX)};
	for (size_t i = 0; i < count; i++) {
		struct updated_entry updated;

		if (happenings[i].type == JOURNAL_ACCEPTED) {
			accepted_entry_read(happenings[i].payload, &story->accepted);
			story->was_accepted = true;
			continue;
		}
		updated_entry_read(happenings[i].payload, &updated);
		buf_append_slice(&story->records, record_whole_part(updated.records));
		if (updated.place == SPOOL_NOWHERE)
			story->is_removed = true;
		else
			story->place = updated.place;
		story->next_attempt_us = updated.next_attempt_us;
		story->is_settled = updated.is_settled;
	}
	if (!story->is_settled && !append_unsettled(story))
		return false;
	return !story->records.overflowed;
}

/* The content on disk is the content that was accepted. */
static bool content_is_true(int fd, const struct spool_file *file, const struct story *story)
{
	struct slice want = story->accepted.content;
	char *have;
	bool is_true = true;

	if (!story->was_accepted || !story->accepted.has_content)
		return true;
	if (file->size != want.len || (have = malloc(COMPARED_AT_ONCE)) == NULL)
		return false;
	for (size_t at = 0; at < want.len && is_true; at += COMPARED_AT_ONCE) {
		struct slice part = slice_part(want, at, COMPARED_AT_ONCE);

		is_true = spool_read_at(fd, have, part.len, at) == (ssize_t)part.len &&
			  memcmp(have, part.data, part.len) == 0;
	}
	free(have);
	return is_true;
}

/* Add to a file the records that it lacks.  1: it lacked some, 0: none, -1 with errno. */
static int complete_file(int fd, const struct story *story, struct buf *records, uint64_t end)
{
	struct cursor in = cursor_over(buf_slice(&story->records));
	size_t had = records->len;
	struct record_index index;
	struct record record;
	bool fitted = record_index_make(&index, buf_slice(records), buf_slice(&story->records));

	while (fitted && record_next(&in, &record) == RECORD_WHOLE) {
		size_t at = records->len;

		fitted = record_append(records, record.type, record.payload);
		if (fitted && !record_index_add(&index, buf_slice(records), at))
			records->len = at;
	}
	record_index_free(&index);
	if (!fitted) {
		errno = ENOMEM;
		return -1;
	}
	if (spool_append(fd, end, slice_from(buf_slice(records), had)) != 0 ||
	    ftruncate(fd, (off_t)(end + records->len - had)) != 0)
		return -1;
	return records->len > had ? 1 : 0;
}

static int place_file(struct work *work, struct spool_file *file, const struct story *story)
{
	int fd, result;

	if (file->place != story->place && spool_move(work->spool, file, story->place) != 0)
		return -1;
	if (story->place != SPOOL_CUR)
		return 0;
	fd = spool_open_file(work->spool, file, O_RDWR);
	if (fd < 0)
		return -1;
	result = spool_set_time(fd, story->next_attempt_us);
	close(fd);
	return result;
}

static int rebuild(struct work *work, struct spool_file *file, const struct story *story)
{
	struct buf records = buf_with_limit(2 * (size_t)SPOOL_RECORDS_MAX);
	int result = -1;

	*file = (struct spool_file){
	    .id = story->accepted.id, .place = story->place, .size = story->accepted.size};
	if (buf_append_slice(&records, story->accepted.records) &&
	    buf_append_slice(&records, buf_slice(&story->records)))
		result =
		    spool_rebuild(work->spool, file, story->accepted.content, buf_slice(&records));
	buf_free(&records);
	if (result != 0)
		return -1;
	work->out->rebuilt++;
	return place_file(work, file, story);
}

enum mended { MEND_FAILED = -1, MEND_HOPELESS, MEND_GOOD };

/* Check a file that is there, and add what it lacks.  MEND_FAILED leaves errno. */
static enum mended mend(struct work *work, struct spool_file *file, const struct story *story)
{
	struct buf records = buf_with_limit(2 * (size_t)SPOOL_RECORDS_MAX);
	enum mended result = MEND_FAILED;
	int fd = spool_open_file(work->spool, file, O_RDWR), added = 0;
	uint64_t end;

	if (fd < 0)
		return MEND_FAILED;
	if (spool_read_records(fd, file->size, &records, &end) != 0) {
		if (errno == EBADMSG || errno == EFBIG)
			result = MEND_HOPELESS;
	} else if (!content_is_true(fd, file, story)) {
		result = MEND_HOPELESS;
	} else {
		added = complete_file(fd, story, &records, end);
		if (added >= 0 && place_file(work, file, story) == 0)
			result = MEND_GOOD;
	}
	if (added > 0)
		work->out->completed++;
	close(fd);
	buf_free(&records);
	return result;
}

/*
 * Bring one message's file to where the journal says it is.  `file` is NULL where
 * there is none; where there is one afterwards, true is returned and *made holds it.
 */
static bool recover_message(struct work *work, const struct happening *happenings, size_t count,
    const struct spool_file *file, struct spool_file *made)
{
	char name[SPOOL_NAME_MAX];
	struct story story;
	enum mended state = MEND_HOPELESS;
	bool is_there = false;

	if (!tell_story(happenings, count, &story)) {
		errno = ENOMEM;
		goto failed;
	}
	if (file != NULL)
		*made = *file;
	if (story.is_removed && story.unsettled == 0) {
		if (file != NULL) {
			if (spool_remove(work->spool, file) != 0)
				goto failed;
			work->out->removed++;
		}
		goto out;
	}
	if (file != NULL && (state = mend(work, made, &story)) == MEND_FAILED)
		goto failed;
	if (state == MEND_HOPELESS) {
		spool_format_name(
		    happenings[0].id, file != NULL ? file->size : story.accepted.size, name);
		if (story.was_accepted && story.accepted.has_content) {
			if (file != NULL && spool_remove(work->spool, file) != 0)
				goto failed;
			say(work, "rebuilt", story.place, name);
			if (rebuild(work, made, &story) != 0)
				goto failed;
		} else if (file != NULL) {
			if (set_aside(work, file->place, name) != 0)
				goto failed;
			goto out;
		} else {
			/* Removed and checkpointed, or its removal outran the journal: nothing is owed,
			 * unless its file was to be the only copy. */
			if (story.was_accepted && story.records.len == 0) {
				say(work, "missing", story.place, name);
				work->out->missing++;
			}
			goto out;
		}
	}
	work->out->unsettled += story.unsettled;
	is_there = true;
out:
	buf_free(&story.records);
	return is_there;
failed:
	work->failed = true;
	buf_free(&story.records);
	return false;
}

/* --- all of them ------------------------------------------------------------------ */

/* Two names for one message: keep the one further on its way. */
static int drop_twins(struct work *work)
{
	struct recovery *out = work->out;
	size_t kept = 0;

	for (size_t i = 0; i < out->file_count; i++) {
		if (i + 1 < out->file_count && out->files[i].id == out->files[i + 1].id) {
			char name[SPOOL_NAME_MAX];

			spool_format_name(out->files[i].id, out->files[i].size, name);
			if (set_aside(work, out->files[i].place, name) != 0)
				return -1;
			continue;
		}
		out->files[kept++] = out->files[i];
	}
	out->file_count = kept;
	return 0;
}

static int recover_all(struct work *work)
{
	struct recovery *out = work->out;
	size_t at = 0, had = out->file_count, kept = 0;
	struct spool_file *files;

	/* At most one more file for each message of the journal. */
	files = reallocarray(NULL, had + work->happening_count + 1, sizeof *files);
	if (files == NULL)
		return -1;
	for (size_t i = 0; i < work->happening_count && !work->failed;) {
		const struct happening *first = &work->happenings[i];
		const struct spool_file *file = NULL;
		size_t count = 1;

		while (i + count < work->happening_count && first[count].id == first->id)
			count++;
		for (; at < had && out->files[at].id < first->id; at++)
			files[kept++] = out->files[at];
		if (at < had && out->files[at].id == first->id)
			file = &out->files[at++];
		if (recover_message(work, first, count, file, &files[kept]))
			kept++;
		if (first->id > out->high_water)
			out->high_water = first->id;
		i += count;
	}
	for (; at < had; at++)
		files[kept++] = out->files[at];
	free(out->files);
	out->files = files;
	out->file_count = kept;
	if (kept > 0 && files[kept - 1].id > out->high_water)
		out->high_water = files[kept - 1].id;
	return work->failed ? -1 : 0;
}

static int scan_places(struct work *work)
{
	static const enum spool_place places[] = {SPOOL_NEW, SPOOL_CUR, SPOOL_HOLD};

	for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
		work->place = places[i];
		if (spool_scan(work->spool, places[i], note_file, work) != 0)
			return -1;
	}
	if (work->out->file_count > 0)
		qsort(work->out->files, work->out->file_count, sizeof *work->out->files,
		    by_id_and_place);
	return drop_twins(work);
}

static int run(struct work *work, struct journal *journal)
{
	struct recovery *out = work->out;
	int swept = spool_sweep(work->spool);

	if (swept < 0 || scan_places(work) != 0)
		return -1;
	out->swept = (unsigned)swept;
	if (journal == NULL)
		return recover_all(work);
	out->high_water = journal_id_high_water(journal);
	if (journal_replay(journal, note_entry, work) != 0 || work->failed)
		return -1;
	if (work->happening_count > 0)
		qsort(work->happenings, work->happening_count, sizeof *work->happenings,
		    by_id_and_sequence);
	if (recover_all(work) != 0)
		return -1;
	/* From here on the files stand alone. */
	if (work->happening_count > 0 && spool_flush_all(work->spool) != 0)
		return -1;
	return journal_start(journal, out->high_water);
}

int recovery_run(const struct spool *spool, struct journal *journal, recovery_report report,
    void *context, struct recovery *out)
{
	struct work work = {.spool = spool, .out = out, .report = report, .context = context};
	int result;

	*out = (struct recovery){0};
	result = run(&work, journal);
	free(work.happenings);
	if (result != 0) {
		free(out->files);
		out->files = NULL;
		out->file_count = 0;
	}
	return result;
}
