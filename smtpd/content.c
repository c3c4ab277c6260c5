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

void content_begin(struct content *content, int file, uint64_t size_limit, unsigned received_limit)
{
	*content = (struct content){
	    .size_limit = size_limit,
	    .received_limit = received_limit,
	    .starts_with_header = true,
	    .file = file,
	    .waiting = buf_with_limit(CONTENT_WRITE_WANTED),
	    .state = AT_LINE_START,
	    .in_header = true,
	    .is_first_line = true,
	};
}

void content_begin_chunks(
    struct content *content, int file, uint64_t size_limit, unsigned received_limit)
{
	content_begin(content, file, size_limit, received_limit);
	content->is_chunked = true;
}

void content_end(struct content *content)
{
	buf_free(&content->waiting);
}

static void set_problem(struct content *content, enum content_problem problem, int error)
{
	if (content->problem != CONTENT_GOOD)
		return;
	content->problem = problem;
	content->error = error;
	buf_free(&content->waiting);
}

/* --- the header ------------------------------------------------------------ */

static void header_octets(struct content *content, struct slice text)
{
	size_t room = sizeof content->line - content->line_len;

	text = slice_part(text, 0, room);
	memcpy(content->line + content->line_len, text.data, text.len);
	content->line_len = (uint8_t)(content->line_len + text.len);
}

/* "Name:", blanks before the colon allowed as in old mail (RFC 5322, 4.5). */
static bool is_field(struct slice line)
{
	ssize_t colon = slice_find(line, 0, ':');
	struct slice name;

	if (colon <= 0)
		return false;
	name = slice_trim(slice_part(line, 0, (size_t)colon));
	for (size_t i = 0; i < name.len; i++) {
		if (name.data[i] <= ' ' || name.data[i] == 0x7f)
			return false;
	}
	return name.len > 0 && !octet_is_space(line.data[0]);
}

static void header_line_end(struct content *content)
{
	struct slice line = slice_of(content->line, content->line_len);

	if (line.len == 0)
		content->in_header = false;
	else if (content->is_first_line)
		content->starts_with_header = is_field(line);

	if (slice_starts_with_nocase(line, SLICE("Received:")))
		content->received_count++;
	else if (slice_starts_with_nocase(line, SLICE("Date:")))
		content->fields |= CONTENT_DATE;
	else if (slice_starts_with_nocase(line, SLICE("Message-ID:")))
		content->fields |= CONTENT_MESSAGE_ID;
	else if (slice_starts_with_nocase(line, SLICE("From:")))
		content->fields |= CONTENT_FROM;

	if (content->received_count >= content->received_limit)
		set_problem(content, CONTENT_LOOPS, 0);
	content->is_first_line = false;
	content->line_len = 0;
}

/* --- the scanner ------------------------------------------------------------- */

/* Room for what one step adds at most: a line end, a piece, and a line end. */
static bool has_room(const struct content_segments *out)
{
	return out->count + 3 <= CONTENT_SEGMENTS;
}

static void put(struct content *content, struct content_segments *out, const char *data, size_t len)
{
	if (len == 0 || content->problem != CONTENT_GOOD)
		return;
	if (content->size + len > content->size_limit) {
		set_problem(content, CONTENT_TOO_LARGE, 0);
		return;
	}
	/* iov_base is not const, but writing is all that is done with it. */
	out->pieces[++out->count] = (struct iovec){(void *)(uintptr_t)data, len};
	out->octets += len;
	content->size += len;
}

static void put_line_end(struct content *content, struct content_segments *out)
{
	put(content, out, line_end, sizeof line_end);
	if (content->in_header)
		header_line_end(content);
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

	while (!cursor_done(in)) {
		const char *line = in->at;
		const char *lf = memchr(line, '\n', cursor_left(in));
		size_t len = lf == NULL ? cursor_left(in) : (size_t)(lf - line);
		const char *cr = memchr(line, '\r', len);
		size_t text = cr == NULL ? len : (size_t)(cr - line);

		if (content->in_header)
			header_octets(content, slice_of(line, text));
		if (cr != NULL && cr + 1 == lf) {
			/* A line as it should be. */
			in->at = lf + 1;
			if (content->in_header)
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
	if (alone)
		put_line_end(content, out);
	/* Behind a LF alone a dot is no end mark; in chunks it is none anywhere. */
	content->state = alone && content->is_chunked ? AT_LINE_START : next;
}

static void scan_step(struct content *content, struct cursor *in, struct content_segments *out)
{
	int octet = cursor_peek(in);

	switch (content->state) {
	case AT_LINE_START:
		if (octet != '.' || content->is_chunked) {
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
			put_line_end(content, out);
			scan_lines(content, in, out);
			return;
		}
		content->has_ended = true;
		break;
	case AFTER_CR:
		put_line_end(content, out);
		if (octet != '\n') {
			scan_lines(content, in, out);
			return;
		}
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
		out->count = out->octets = 0;
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
	out->count = out->octets = 0;
}

/* Take some of the input, `max` octets at most; returns how many. */
static size_t take_some(struct content *content, struct evbuffer *input, size_t max)
{
	struct content_segments out;
	struct evbuffer_iovec pieces[PEEK_PIECES];
	int n = evbuffer_peek(input, -1, NULL, pieces, PEEK_PIECES);
	size_t taken = 0;

	out.count = out.octets = 0;
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

	out.count = out.octets = 0;
	if (content->state != AT_LINE_START)
		put_line_end(content, &out);
	content->has_ended = true;
	flush(content, &out);
}
