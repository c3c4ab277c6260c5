/*
 * milter_filter.c - a message's content on its way through the milters.
 */
#include "policy/milter_filter.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "message/header.h"

enum {
	READ_AT_ONCE = MILTER_CHUNK_MAX,
	WRITTEN_AT_ONCE = 1024 * 1024, /* octets copied in one turn of the event loop */
	RESULT_MAX =
	    2 * 1024 * 1024, /* addresses that milters add and take away, and the prepend */
	TEXTS_MAX = MILTER_HEADER_MAX + ENVELOPE_PREPEND_MAX + 4 * 1024 * 1024
};

static char piece[READ_AT_ONCE]; /* of whichever content is being read */

/* --- files --------------------------------------------------------------------------- */

static int scratch_directory = -1;

bool milter_scratch_prepare(const char *directory)
{
	scratch_directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return scratch_directory >= 0;
}

static const struct milter_scratch no_scratch = {.file = -1};

static void scratch_close(struct milter_scratch *scratch)
{
	if (scratch->file >= 0)
		close(scratch->file);
	scratch->file = -1;
}

static bool read_piece(int file, size_t len, uint64_t at)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pread(file, piece + done, len - done, (off_t)(at + done));

		if (n < 0 && errno == EINTR)
			continue;
		/* The file is shorter than we were told. */
		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	return true;
}

static bool write_all(int file, const char *data, size_t len, uint64_t at)
{
	while (len > 0) {
		ssize_t n = pwrite(file, data, len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		data += n;
		len -= (size_t)n;
		at += (uint64_t)n;
	}
	return true;
}

/* --- a new body ----------------------------------------------------------------------- */

static bool scratch_fail(struct milter_scratch *scratch, const char *problem)
{
	scratch->problem = problem;
	return false;
}

static bool scratch_put(struct milter_scratch *scratch, struct buf *lines)
{
	if (lines->overflowed)
		return scratch_fail(scratch, "out of memory");
	if (lines->len > scratch->limit - scratch->size)
		return scratch_fail(scratch, "a new body that is too large");
	if (!write_all(scratch->file, lines->data, lines->len, scratch->size))
		return scratch_fail(scratch, "a new body that cannot be stored");
	scratch->size += lines->len;
	return true;
}

static bool scratch_open(struct milter_scratch *scratch)
{
	if (scratch->file >= 0)
		return true;
	scratch->file = openat(scratch_directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	return scratch->file >= 0 || scratch_fail(scratch, "a new body that cannot be stored");
}

/* Whatever the milter's line ends are: what is stored has CR LF. */
static bool take_body(struct slice body, void *context)
{
	struct milter_scratch *scratch = context;
	struct buf lines = buf_with_limit(2 * body.len + 2);
	bool good;

	if (!scratch_open(scratch))
		return false;
	for (size_t i = 0; i < body.len; i++) {
		char c = body.data[i];
		bool ends_line = scratch->has_cr && c != '\n';

		if (c == '\0') {
			buf_free(&lines);
			return scratch_fail(scratch, "a new body with NUL octets");
		}
		if (ends_line)
			buf_append_string(&lines, "\r\n");
		scratch->has_cr = c == '\r';
		if (c == '\n')
			buf_append_string(&lines, "\r\n");
		else if (c != '\r')
			buf_append_octet(&lines, c);
		scratch->is_line_open = c != '\n';
	}
	good = scratch_put(scratch, &lines);
	buf_free(&lines);
	return good;
}

static bool finish_body(struct milter_scratch *scratch)
{
	struct buf end = buf_with_limit(2);
	bool good;

	if (!scratch->is_line_open)
		return true;
	buf_append_string(&end, "\r\n");
	good = scratch_put(scratch, &end);
	buf_free(&end);
	return good;
}

/* --- beginning and end ------------------------------------------------------------------- */

/* The content's header, up to and with its empty line; with *end where the body begins. */
static bool read_header(struct milter_filter *f, uint64_t *end)
{
	size_t start = f->texts.len;

	*end = 0;
	while (*end < f->size) {
		size_t len =
		    f->size - *end < READ_AT_ONCE ? (size_t)(f->size - *end) : (size_t)READ_AT_ONCE;
		struct slice text;
		size_t header;

		if (!read_piece(f->content, len, *end) || !buf_append(&f->texts, piece, len))
			return false;
		*end += len;
		text = slice_from(buf_slice(&f->texts), start);
		header = header_end(text);
		/* At the very end of what is there the empty line may be, or be missing. */
		if (header < text.len || slice_ends_with(text, SLICE("\r\n\r\n")) ||
		    slice_equal(text, SLICE("\r\n"))) {
			f->texts.len = start + header;
			*end = header;
			return true;
		}
		if (text.len > MILTER_HEADER_MAX) {
			f->is_too_large = true;
			return true;
		}
	}
	return true;
}

static bool begin_texts(struct milter_filter *f, const struct filter_question *q)
{
	size_t prepend, header, at;
	uint64_t body = 0;

	f->recipients = calloc((size_t)q->recipient_count + 1, sizeof *f->recipients);
	if (f->recipients == NULL || !buf_append_slice(&f->texts, q->prepend))
		return false;
	prepend = f->texts.len;
	for (size_t i = 0; i < q->recipient_count; i++)
		if (!buf_append_slice(&f->texts, q->recipients[i]))
			return false;
	header = f->texts.len;
	if (q->has_header && !read_header(f, &body))
		return false;
	/* From here on nothing is appended, and slices may point. */
	at = prepend;
	for (size_t i = 0; i < q->recipient_count; i++) {
		f->recipients[i] = slice_part(buf_slice(&f->texts), at, q->recipients[i].len);
		at += q->recipients[i].len;
	}
	f->recipient_count = q->recipient_count;
	f->body_file = f->content;
	f->body_from = body;
	f->body_to = f->size;
	if (f->is_too_large)
		return true;
	if (!milter_header_begin(&f->header, slice_part(buf_slice(&f->texts), 0, prepend),
		slice_from(buf_slice(&f->texts), header)))
		f->is_too_large = true;
	f->header.has_header = q->has_header;
	return true;
}

struct milter_filter *milter_filter_new(
    const struct filter_question *question, int content, int target, uint64_t size_limit)
{
	struct milter_filter *f = calloc(1, sizeof *f);

	if (f == NULL) {
		close(content);
		close(target);
		return NULL;
	}
	f->content = content;
	f->target = target;
	f->size = question->about.size;
	f->texts = buf_with_limit(TEXTS_MAX);
	f->result = buf_with_limit(RESULT_MAX);
	f->new_header = buf_with_limit(MILTER_HEADER_MAX + MILTER_ADDED_MAX);
	f->kept = f->scratch = no_scratch;
	f->scratch.limit = f->kept.limit = size_limit;
	milter_edits_begin(&f->edits);
	if (begin_texts(f, question))
		return f;
	milter_filter_free(f);
	return NULL;
}

void milter_filter_free(struct milter_filter *f)
{
	if (f == NULL)
		return;
	close(f->content);
	close(f->target);
	scratch_close(&f->kept);
	scratch_close(&f->scratch);
	milter_header_free(&f->header);
	milter_edits_free(&f->edits);
	for (size_t i = 0; i < f->change_count; i++)
		free((char *)(uintptr_t)f->changes[i].address.data);
	free(f->changes);
	free((char *)(uintptr_t)f->sender.data);
	free(f->recipients);
	buf_free(&f->texts);
	buf_free(&f->result);
	buf_free(&f->new_header);
	free(f);
}

/* --- a milter's part ------------------------------------------------------------------------ */

void milter_filter_begin(struct milter_filter *f, bool is_new)
{
	uint64_t limit = f->scratch.limit;

	f->phase = is_new ? FILTER_RCPTS : FILTER_HEADER;
	f->recipient = f->field = 0;
	f->at = f->body_from;
	milter_edits_free(&f->edits);
	milter_edits_begin(&f->edits);
	scratch_close(&f->scratch);
	f->scratch = no_scratch;
	f->scratch.limit = limit;
	f->edits.body = take_body;
	f->edits.context = &f->scratch;
}

static enum milter_filter_step step_rcpt(
    struct milter_filter *f, struct milter_talk *talk, const struct milter_facts *facts)
{
	if (f->recipient == f->recipient_count) {
		f->phase = FILTER_HEADER;
		return FILTER_GOES_ON;
	}
	return milter_talk_rcpt(talk, facts, f->recipients[f->recipient++]) ? FILTER_WAITS
									    : FILTER_GOES_ON;
}

static enum milter_filter_step step_header(struct milter_filter *f, struct milter_talk *talk)
{
	const struct milter_field *field =
	    milter_talk_wants_headers(talk) ? milter_header_next(&f->header, &f->field) : NULL;

	if (field == NULL) {
		f->phase = FILTER_END_OF_HEADER;
		return FILTER_GOES_ON;
	}
	return milter_talk_header(talk, field->name, field->value) ? FILTER_WAITS : FILTER_GOES_ON;
}

static enum milter_filter_step step_body(struct milter_filter *f, struct milter_talk *talk)
{
	uint64_t left = f->body_to - f->at;
	size_t len = left < READ_AT_ONCE ? (size_t)left : (size_t)READ_AT_ONCE;

	if (len == 0 || !milter_talk_wants_body(talk)) {
		f->phase = FILTER_END;
		return FILTER_GOES_ON;
	}
	if (!read_piece(f->body_file, len, f->at))
		return FILTER_FAILED;
	f->at += len;
	return milter_talk_body(talk, slice_of(piece, len)) ? FILTER_WAITS : FILTER_GOES_ON;
}

enum milter_filter_step milter_filter_step(struct milter_filter *f, struct milter_talk *talk,
    const struct milter_facts *facts, bool has_room)
{
	if (!has_room)
		return FILTER_NEEDS_ROOM;
	switch (f->phase) {
	case FILTER_RCPTS:
		return step_rcpt(f, talk, facts);
	case FILTER_HEADER:
		return step_header(f, talk);
	case FILTER_END_OF_HEADER:
		f->phase = FILTER_BODY;
		return milter_talk_end_of_header(talk, facts) ? FILTER_WAITS : FILTER_GOES_ON;
	case FILTER_BODY:
		return step_body(f, talk);
	case FILTER_END:
	case FILTER_DONE:
		break;
	}
	f->phase = FILTER_DONE;
	milter_talk_end_of_body(talk, facts, &f->edits);
	return FILTER_WAITS;
}

bool milter_filter_is_over(const struct milter_filter *f)
{
	return f->phase == FILTER_DONE;
}

/* --- its wishes ----------------------------------------------------------------------------- */

/* "<a@b>" or "a@b": what is between the brackets, where there are any. */
static struct slice bare_address(struct slice text)
{
	text = slice_trim(text);
	if (text.len >= 2 && text.data[0] == '<' && text.data[text.len - 1] == '>')
		text = slice_part(text, 1, text.len - 2);
	return text;
}

static bool keep_change(struct milter_filter *f, bool is_added, struct slice address)
{
	char *copy;

	address = bare_address(address);
	if (address.len == 0 || !envelope_text_is_clean(address, ENVELOPE_ADDRESS_MAX) ||
	    f->change_count == FILTER_RECIPIENTS_MAX)
		return false;
	if (f->change_count == f->change_room) {
		size_t room = f->change_room == 0 ? 8 : f->change_room * 2;
		struct filter_recipient *grown = reallocarray(f->changes, room, sizeof *grown);

		if (grown == NULL)
			return false;
		f->changes = grown;
		f->change_room = room;
	}
	copy = slice_dup(address);
	if (copy == NULL)
		return false;
	f->changes[f->change_count++] =
	    (struct filter_recipient){is_added, slice_of(copy, address.len)};
	return true;
}

static bool keep_sender(struct milter_filter *f, struct slice address)
{
	char *copy;

	address = bare_address(address);
	if (!envelope_text_is_clean(address, ENVELOPE_ADDRESS_MAX))
		return false;
	copy = slice_dup(address);
	if (copy == NULL)
		return false;
	free((char *)(uintptr_t)f->sender.data);
	f->sender = slice_of(copy, address.len);
	f->has_sender = true;
	return true;
}

static bool keep_hold(struct milter_filter *f, struct slice reason, const char *milter)
{
	char text[VERDICT_TEXT_MAX], by[VERDICT_BY_MAX];

	snprintf(by, sizeof by, "milter %s", milter);
	if (!envelope_text_is_clean(reason, ENVELOPE_TEXT_MAX))
		return false;
	snprintf(text, sizeof text, "%.*s", SLICE_PRINTF(reason));
	f->hold = verdict_of(VERDICT_HOLD, 0, NULL, text, by);
	return true;
}

static bool apply(
    struct milter_filter *f, const struct milter_reply *edit, bool has_space, const char *milter)
{
	switch (edit->letter) {
	case MILTER_ADD_HEADER:
		return milter_header_add(&f->header, edit->first, edit->second, has_space);
	case MILTER_INSERT_HEADER:
		return milter_header_insert(
		    &f->header, edit->index, edit->first, edit->second, has_space);
	case MILTER_CHANGE_HEADER:
		return milter_header_change(
		    &f->header, edit->index, edit->first, edit->second, has_space);
	case MILTER_ADD_RCPT:
	case MILTER_ADD_RCPT_PARAMETERS:
		return keep_change(f, true, edit->first);
	case MILTER_DELETE_RCPT:
		return keep_change(f, false, edit->first);
	case MILTER_CHANGE_FROM:
		return keep_sender(f, edit->first);
	case MILTER_QUARANTINE:
		return keep_hold(f, edit->first, milter);
	default:
		return false;
	}
}

bool milter_filter_apply(
    struct milter_filter *f, const struct milter_talk *talk, const char *milter, const char **why)
{
	struct reader list = reader_over(buf_slice(&f->edits.list));
	bool has_space = (talk->steps & MILTER_LEADING_SPACE) != 0;
	struct milter_reply edit;

	*why = "a change that cannot be made";
	while (milter_edits_next(&list, &edit))
		if (!apply(f, &edit, has_space, milter))
			return false;
	milter_header_settle(&f->header);
	if (!f->edits.has_body)
		return true;
	/* A body of no octets is one, too. */
	if (!scratch_open(&f->scratch) || !finish_body(&f->scratch)) {
		*why = f->scratch.problem;
		return false;
	}
	scratch_close(&f->kept);
	f->kept = f->scratch;
	f->scratch.file = -1;
	f->body_file = f->kept.file;
	f->body_from = 0;
	f->body_to = f->kept.size;
	f->is_body_new = true;
	return true;
}

/* --- what came out --------------------------------------------------------------------------- */

/* Where only what stands in front is another, the content stays as it is. */
bool milter_filter_is_changed(const struct milter_filter *f)
{
	return f->is_body_new || f->header.is_content_changed;
}

enum milter_written milter_filter_write(struct milter_filter *f)
{
	uint64_t header, body = f->body_to - f->body_from, turn = 0;

	if (f->new_header.len == 0 && !milter_header_write_content(&f->header, &f->new_header))
		return FILTER_WROTE_NOTHING;
	header = f->new_header.len;
	if (f->written < header) {
		if (!write_all(f->target, f->new_header.data, f->new_header.len, 0))
			return FILTER_WROTE_NOTHING;
		f->written = header;
	}
	while (f->written < header + body && turn < WRITTEN_AT_ONCE) {
		uint64_t done = f->written - header, left = body - done;
		size_t len = left < READ_AT_ONCE ? (size_t)left : (size_t)READ_AT_ONCE;

		if (!read_piece(f->body_file, len, f->body_from + done) ||
		    !write_all(f->target, piece, len, f->written))
			return FILTER_WROTE_NOTHING;
		f->written += len;
		turn += len;
	}
	return f->written == header + body ? FILTER_WROTE_ALL : FILTER_WROTE_SOME;
}

bool milter_filter_answer(struct milter_filter *f, struct filter_answer *answer)
{
	buf_clear(&f->result);
	if (!milter_header_write_prepend(&f->header, &f->result) ||
	    !envelope_prepend_is_clean(buf_slice(&f->result)))
		return false;
	*answer = (struct filter_answer){
	    .verdict = f->hold,
	    .has_content = milter_filter_is_changed(f),
	    .size = milter_filter_is_changed(f) ? f->written : f->size,
	    .prepend = buf_slice(&f->result),
	    .has_sender = f->has_sender,
	    .sender = f->sender,
	    .change_count = (uint32_t)f->change_count,
	    .changes = f->changes,
	};
	return true;
}
