/*
 * content.c - a message's octets, from the client's 354 to the dot on a line of its own,
 * or chunk by chunk.
 *
 * The scanner walks over lines, not octets: it looks for the next LF and keeps
 * on extending the current piece while lines end in CR LF and begin with no dot.
 * So an ordinary message is one piece for each chunk of input, and is written
 * with one system call without having been copied.
 */
#include "smtpd/content.h"

#include <errno.h>

enum state {
	AT_LINE_START, /* after CR LF, or at the very beginning: a dot here is the end, or doubled */
	AFTER_DOT,     /* line start, dot; the dot is not stored */
	AFTER_DOT_CR,
	IN_LINE,
	AFTER_CR /* a CR that is not stored yet */
};

static const char line_end[2] = {'\r', '\n'};

enum { PEEK_PIECES = 32 };

void content_begin(struct content *content, int file, const struct content_rules *rules)
{
	*content = (struct content){
	    .rules = *rules,
	    .fields = fields_none(rules->dropped, rules->keeps_from),
	    .file = file,
	    .waiting = buf_with_limit(CONTENT_WRITE_WANTED),
	    .state = AT_LINE_START,
	};
}

void content_end(struct content *content)
{
	buf_free(&content->waiting);
	fields_free(&content->fields);
}

static void set_problem(struct content *content, enum content_problem problem, int error)
{
	if (content->problem != CONTENT_GOOD)
		return;
	content->problem = problem;
	content->error = error;
	buf_free(&content->waiting);
}

/* --- what is stored ------------------------------------------------------------ */

/* Room for what one step adds at most: held octets and a line end, twice. */
static bool has_room(const struct content_segments *out)
{
	return out->count + 4 <= CONTENT_SEGMENTS &&
	       out->held_len + 2 * FIELDS_LINE_SEEN <= sizeof out->held;
}

static void clear(struct content_segments *out)
{
	out->count = out->octets = out->held_len = 0;
}

static void put(struct content *content, struct content_segments *out, const char *data, size_t len)
{
	struct iovec *last = &out->pieces[out->count];

	if (len == 0 || content->problem != CONTENT_GOOD)
		return;
	if (content->size + len > content->rules.size_limit) {
		set_problem(content, CONTENT_TOO_LARGE, 0);
		return;
	}
	if (out->count > 0 && (char *)last->iov_base + last->iov_len == data)
		last->iov_len += len;
	else /* iov_base is not const, but writing is all that is done with it. */
		out->pieces[++out->count] = (struct iovec){(void *)(uintptr_t)data, len};
	out->octets += len;
	content->size += len;
}

/* What was held back is in the memory of the next line: a copy is what leaves. */
static void put_held(struct content *content, struct content_segments *out, struct slice held)
{
	char *copy = out->held + out->held_len;

	if (held.len == 0 || held.len > sizeof out->held - out->held_len)
		return;
	memcpy(copy, held.data, held.len);
	out->held_len += held.len;
	put(content, out, copy, held.len);
}

/* --- the header ------------------------------------------------------------ */

static void header_line_end(struct content *content)
{
	fields_line_end(&content->fields);
	if (content->fields.received_count >= content->rules.received_limit)
		set_problem(content, CONTENT_LOOPS, 0);
}

/* Not every line of the header is stored. */
static bool is_choosy(const struct content *content)
{
	return !content->fields.is_over && (content->rules.dropped != 0 || content->rules.keeps_from);
}

/* Octets of a line in such a header: stored, dropped, or held back until that is known. */
static void put_header(struct content *content, struct content_segments *out, struct slice text)
{
	struct fields *fields = &content->fields;
	size_t held = fields_held(fields).len;

	fields_octets(fields, text);
	if (fields->fate != LINE_STORED)
		return;
	put_held(content, out, slice_of(fields->line, held));
	put(content, out, text.data, text.len);
}

/* --- the scanner ------------------------------------------------------------- */

static void put_line_end(struct content *content, struct content_segments *out)
{
	bool is_stored = true;

	if (!content->fields.is_over) {
		put_held(content, out, fields_held(&content->fields));
		is_stored = content->fields.fate != LINE_DROPPED;
		header_line_end(content);
	}
	if (is_stored)
		put(content, out, line_end, sizeof line_end);
}

/* A line end that is a CR or a LF alone. */
static void put_bare_end(struct content *content, struct content_segments *out)
{
	if (content->rules.refuses_bare)
		set_problem(content, CONTENT_HAS_BARE, 0);
	put_line_end(content, out);
}

/* Behind a LF alone a dot is no end mark; in chunks it is none anywhere. */
static uint8_t after_bare_lf(const struct content *content)
{
	return content->rules.is_chunked ? AT_LINE_START : IN_LINE;
}

/* The octets at the cursor are within a line of a header that is not stored as it is: take the line, or what has come of it. */
static void scan_header(struct content *content, struct cursor *in, struct content_segments *out)
{
	struct slice rest = cursor_rest(in);
	const char *lf = memchr(rest.data, '\n', rest.len);
	struct slice line = slice_part(rest, 0, lf == NULL ? rest.len : (size_t)(lf - rest.data));
	const char *cr = memchr(line.data, '\r', line.len);
	struct slice text = slice_part(line, 0, cr == NULL ? line.len : (size_t)(cr - line.data));

	put_header(content, out, text);
	cursor_skip(in, text.len);
	if (cr != NULL && cr + 1 == lf) {
		if (content->fields.fate == LINE_STORED) {
			put(content, out, cr, sizeof line_end);
			header_line_end(content);
		} else {
			put_line_end(content, out);
		}
		cursor_skip(in, sizeof line_end);
		content->state = AT_LINE_START;
	} else if (cr != NULL) {
		cursor_skip(in, 1);
		content->state = AFTER_CR;
	} else if (lf != NULL) {
		cursor_skip(in, 1);
		put_bare_end(content, out);
		content->state = after_bare_lf(content);
	} else {
		content->state = IN_LINE;
	}
}

/*
 * The octets at the cursor are within a line.  Take as many whole lines as can
 * leave in one piece, and stop behind whatever needs a thought.
 */
static void scan_lines(struct content *content, struct cursor *in, struct content_segments *out)
{
	const char *start = in->at;
	size_t kept = 0; /* octets behind the line that are not stored as they are */
	uint8_t next = IN_LINE;
	bool alone = false;

	if (is_choosy(content)) {
		scan_header(content, in, out);
		return;
	}
	while (!cursor_done(in)) {
		const char *line = in->at;
		const char *lf = memchr(line, '\n', cursor_left(in));
		size_t len = lf == NULL ? cursor_left(in) : (size_t)(lf - line);
		const char *cr = memchr(line, '\r', len);
		size_t text = cr == NULL ? len : (size_t)(cr - line);

		if (!content->fields.is_over)
			fields_octets(&content->fields, slice_of(line, text));
		if (cr != NULL && cr + 1 == lf) {
			/* A line as it should be. */
			in->at = lf + 1;
			if (!content->fields.is_over)
				header_line_end(content);
			if (cursor_peek(in) == '.' || cursor_done(in)) {
				next = AT_LINE_START;
				break;
			}
			continue;
		}
		in->at = line + text;
		if (cr != NULL) {
			cursor_skip(in, 1);
			kept = 1;
			next = AFTER_CR;
		} else if (lf != NULL) {
			cursor_skip(in, 1);
			kept = 1;
			alone = true;
		}
		break;
	}
	put(content, out, start, (size_t)(in->at - start) - kept);
	if (alone) {
		put_bare_end(content, out);
		next = after_bare_lf(content);
	}
	content->state = next;
}

static void scan_step(struct content *content, struct cursor *in, struct content_segments *out)
{
	int octet = cursor_peek(in);

	switch (content->state) {
	case AT_LINE_START:
		if (octet != '.' || content->rules.is_chunked) {
			scan_lines(content, in, out);
			return;
		}
		content->state = AFTER_DOT;
		break;
	case AFTER_DOT:
		if (octet != '\r') {
			scan_lines(content, in, out);
			return;
		}
		content->state = AFTER_DOT_CR;
		break;
	case AFTER_DOT_CR:
		if (octet != '\n') {
			put_bare_end(content, out);
			scan_lines(content, in, out);
			return;
		}
		content->has_ended = true;
		break;
	case AFTER_CR:
		if (octet != '\n') {
			put_bare_end(content, out);
			scan_lines(content, in, out);
			return;
		}
		put_line_end(content, out);
		content->state = AT_LINE_START;
		break;
	default:
		scan_lines(content, in, out);
		return;
	}
	cursor_skip(in, 1);
}

size_t content_scan(struct content *content, struct slice in, struct content_segments *out)
{
	struct cursor at = cursor_over(in);

	if (content->problem == CONTENT_GOOD && slice_find(in, 0, '\0') >= 0) {
		ssize_t nul = slice_find(in, 0, '\0');
		struct cursor before = cursor_over(slice_part(in, 0, (size_t)nul));

		/* What lies behind the end mark is not of this message. */
		while (!cursor_done(&before) && !content->has_ended && has_room(out))
			scan_step(content, &before, out);
		if (!cursor_done(&before) || content->has_ended)
			return (size_t)(before.at - in.data);
		set_problem(content, CONTENT_HAS_NUL, 0);
		at.at = before.at;
	}
	while (!cursor_done(&at) && !content->has_ended && has_room(out))
		scan_step(content, &at, out);
	return (size_t)(at.at - in.data);
}

/* --- writing ------------------------------------------------------------------- */

/* All of it, whatever a single call takes. */
static void write_pieces(struct content *content, struct iovec *pieces, size_t count)
{
	while (count > 0 && content->problem == CONTENT_GOOD) {
		ssize_t n = pwritev(content->file, pieces, (int)count, (off_t)content->written);
		size_t left;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			int error = n < 0 ? errno : ENOSPC;
			bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;

			set_problem(content, full ? CONTENT_NO_SPACE : CONTENT_NOT_STORED, error);
			return;
		}
		content->written += (uint64_t)n;
		left = (size_t)n;
		while (count > 0 && left >= pieces->iov_len) {
			left -= pieces->iov_len;
			pieces++;
			count--;
		}
		if (count > 0) {
			pieces->iov_base = (char *)pieces->iov_base + left;
			pieces->iov_len -= left;
		}
	}
}

/* Write what has gathered, or keep it where it is little and more is to come. */
static void flush(struct content *content, struct content_segments *out)
{
	if (content->file < 0 || content->problem != CONTENT_GOOD) {
		clear(out);
		return;
	}
	if (content->has_ended || content->waiting.len + out->octets >= CONTENT_WRITE_WANTED) {
		bool waited = content->waiting.len > 0;

		out->pieces[0] = (struct iovec){content->waiting.data, content->waiting.len};
		write_pieces(content, out->pieces + !waited, out->count + waited);
		buf_free(&content->waiting);
	} else {
		for (size_t i = 1; i <= out->count; i++)
			buf_append(
			    &content->waiting, out->pieces[i].iov_base, out->pieces[i].iov_len);
		if (content->waiting.overflowed)
			set_problem(content, CONTENT_NOT_STORED, ENOMEM);
	}
	clear(out);
}

bool content_is_boundless(const struct content *content, uint64_t to_come)
{
	uint64_t limit = content->rules.size_limit;

	return content->taken / CONTENT_PATIENCE > limit || to_come / CONTENT_PATIENCE > limit ||
	       (content->taken + to_come) / CONTENT_PATIENCE > limit;
}

/* Take some of the input, `max` octets at most; returns how many. */
static size_t take_some(struct content *content, struct evbuffer *input, size_t max)
{
	struct content_segments out;
	struct evbuffer_iovec pieces[PEEK_PIECES];
	int n = evbuffer_peek(input, -1, NULL, pieces, PEEK_PIECES);
	size_t taken = 0;

	clear(&out);
	for (int i = 0; i < n && i < PEEK_PIECES && !content->has_ended; i++) {
		struct slice piece =
		    slice_part(slice_of(pieces[i].iov_base, pieces[i].iov_len), 0, max - taken);

		while (piece.len > 0 && !content->has_ended) {
			size_t used = content_scan(content, piece, &out);

			taken += used;
			piece = slice_from(piece, used);
			if (!has_room(&out))
				flush(content, &out);
		}
	}
	/* The pieces lie in the input: they leave before it does. */
	flush(content, &out);
	evbuffer_drain(input, taken);
	content->taken += taken;
	/* Fields that are left out have no size, and must have an end all the same. */
	if (content_is_boundless(content, 0))
		set_problem(content, CONTENT_TOO_LARGE, 0);
	return taken;
}

bool content_take(struct content *content, struct evbuffer *input)
{
	while (!content->has_ended && evbuffer_get_length(input) > 0)
		take_some(content, input, SIZE_MAX);
	return content->has_ended;
}

void content_take_chunk(struct content *content, struct evbuffer *input, uint64_t *left)
{
	while (*left > 0 && evbuffer_get_length(input) > 0)
		*left -= take_some(content, input, *left > SIZE_MAX ? SIZE_MAX : (size_t)*left);
}

void content_finish_chunks(struct content *content)
{
	struct content_segments out;

	clear(&out);
	if (content->state == AFTER_CR)
		put_bare_end(content, &out);
	else if (content->state != AT_LINE_START)
		put_line_end(content, &out);
	content->has_ended = true;
	flush(content, &out);
}
