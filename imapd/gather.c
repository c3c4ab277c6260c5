/*
 * gather.c - putting a client's IMAP command together.
 */
#include "imapd/gather.h"

enum { LITERAL_DIGITS_MAX = 19 }; /* what fits 64 bits whatever the digits are */

/* Does a line (without its end) announce a literal? */
static bool announces_literal(struct slice line, uint64_t *len, bool *waits)
{
	size_t end = line.len;
	size_t start;

	if (end < 3 || line.data[end - 1] != '}')
		return false;
	end--;
	*waits = line.data[end - 1] != '+';
	if (!*waits)
		end--;
	start = end;
	while (start > 0 && end - start < LITERAL_DIGITS_MAX &&
	       octet_is_digit((unsigned char)line.data[start - 1]))
		start--;
	if (start == 0 || line.data[start - 1] != '{')
		return false;
	return slice_number(slice_part(line, start, end - start), UINT64_MAX, len);
}

/* The last line of the text, without the line end that has just been taken. */
static struct slice last_line(const struct gather *g)
{
	struct slice line = slice_from(buf_slice(&g->text), g->line_start);

	line.len--;
	if (line.len > 0 && line.data[line.len - 1] == '\r')
		line.len--;
	return line;
}

/* Lines may end with LF alone; the text has CRLF in either case. */
static bool line_end_as_crlf(struct gather *g)
{
	size_t len = g->text.len;

	if (len >= 2 && g->text.data[len - 2] == '\r')
		return true;
	g->text.data[len - 1] = '\r';
	return buf_append_octet(&g->text, '\n');
}

/* A line is complete. */
static enum gather_event line_taken(struct gather *g)
{
	struct slice line = last_line(g);
	bool skipping = g->state == GATHER_SKIPPING_LINE;
	bool is_literal = !g->plain && announces_literal(line, &g->literal_len, &g->literal_waits);

	if (skipping) {
		buf_clear(&g->text);
		g->line_start = 0;
		if (is_literal && !g->literal_waits) {
			g->state = GATHER_SKIPPING_LITERAL;
			return GATHER_MORE;
		}
		g->state = GATHER_IN_LINE;
		return GATHER_REFUSED;
	}
	if (is_literal) {
		if (!line_end_as_crlf(g))
			return GATHER_TOO_LONG;
		g->state = GATHER_DECIDING;
		return GATHER_LITERAL;
	}
	g->text.len = g->line_start + line.len;
	return GATHER_COMMAND;
}

static enum gather_event take_line(struct gather *g, struct slice in, size_t *taken)
{
	ssize_t end = slice_find(in, 0, '\n');

	if (end >= 0)
		in.len = (size_t)end + 1;
	*taken += in.len;
	if (!buf_append_slice(&g->text, in))
		return GATHER_TOO_LONG;
	return end < 0 ? GATHER_MORE : line_taken(g);
}

static void take_literal(struct gather *g, struct slice in, size_t *taken)
{
	size_t len = in.len < g->literal_len ? in.len : (size_t)g->literal_len;

	/* gather_accept has made sure that it fits; memory may still run out, and then the line after it tells. */
	if (g->state == GATHER_TAKING)
		buf_append(&g->text, in.data, len);
	*taken += len;
	g->literal_len -= len;
	if (g->literal_len > 0)
		return;
	g->line_start = g->text.len;
	g->state = g->state == GATHER_TAKING ? GATHER_IN_LINE : GATHER_SKIPPING_LINE;
}

enum gather_event gather_take(struct gather *g, struct slice in, size_t *taken)
{
	*taken = 0;
	for (;;) {
		struct slice rest = slice_from(in, *taken);

		/* A literal of no octets is complete without any. */
		if (g->state == GATHER_TAKING || g->state == GATHER_SKIPPING_LITERAL)
			take_literal(g, rest, taken);
		else if (slice_is_empty(rest) || g->state == GATHER_DECIDING ||
			 g->state == GATHER_STREAMING)
			return GATHER_MORE;
		else {
			enum gather_event event = take_line(g, rest, taken);

			if (event != GATHER_MORE)
				return event;
		}
		if (*taken == in.len && g->literal_len > 0)
			return GATHER_MORE;
	}
}

struct slice gather_text(const struct gather *g)
{
	return buf_slice(&g->text);
}

static void reset(struct gather *g)
{
	g->state = GATHER_IN_LINE;
	g->line_start = 0;
	g->literal_len = 0;
	g->plain = false;
}

void gather_next(struct gather *g)
{
	/* A long command is the exception: idle connections keep no memory for it. */
	if (g->text.size > 4096)
		buf_free(&g->text);
	buf_clear(&g->text);
	reset(g);
}

void gather_wipe(struct gather *g)
{
	buf_wipe(&g->text);
	reset(g);
}

void gather_free(struct gather *g)
{
	buf_wipe(&g->text);
	reset(g);
}

bool gather_accept(struct gather *g)
{
	if (g->literal_len > g->text.limit - g->text.len)
		return false;
	g->state = GATHER_TAKING;
	return true;
}

bool gather_refuse(struct gather *g)
{
	buf_clear(&g->text);
	g->line_start = 0;
	if (g->literal_waits) {
		reset(g);
		return true;
	}
	g->state = GATHER_SKIPPING_LITERAL;
	return false;
}

void gather_stream(struct gather *g)
{
	buf_clear(&g->text);
	g->line_start = 0;
	g->state = g->literal_len > 0 ? GATHER_STREAMING : GATHER_IN_LINE;
}

struct slice gather_streamed(struct gather *g, struct slice in)
{
	if (in.len > g->literal_len)
		in.len = (size_t)g->literal_len;
	g->literal_len -= in.len;
	if (g->literal_len == 0)
		g->state = GATHER_IN_LINE;
	return in;
}
