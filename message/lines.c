/*
 * lines.c - between the wire's CRLF and the Maildir's LF.
 */
#include "message/lines.h"

/* Whether the LF at `at` lacks its CR. */
static bool is_bare(struct slice in, size_t at, bool after_cr)
{
	return at == 0 ? !after_cr : in.data[at - 1] != '\r';
}

uint64_t lines_crlf_size(struct slice in)
{
	uint64_t size = in.len;

	for (ssize_t at = slice_find(in, 0, '\n'); at >= 0;
	     at = slice_find(in, (size_t)at + 1, '\n'))
		size += is_bare(in, (size_t)at, false);
	return size;
}

bool lines_to_crlf(struct slice in, struct line_state *state, struct buf *out)
{
	size_t done = 0;

	for (ssize_t at = slice_find(in, 0, '\n'); at >= 0;
	     at = slice_find(in, (size_t)at + 1, '\n')) {
		if (!is_bare(in, (size_t)at, state->after_cr))
			continue;
		buf_append_slice(out, slice_part(in, done, (size_t)at - done));
		buf_append_octet(out, '\r');
		done = (size_t)at;
	}
	buf_append_slice(out, slice_from(in, done));
	if (in.len > 0)
		state->after_cr = in.data[in.len - 1] == '\r';
	return !out->overflowed;
}

/* Append those octets of `piece`, which lies at `position` of the whole, that fall in [from, end). */
static void append_overlap(
    struct slice piece, uint64_t position, uint64_t from, uint64_t end, struct buf *out)
{
	uint64_t skip = from > position ? from - position : 0;
	uint64_t left = end > position ? end - position : 0;

	if (left < piece.len)
		piece.len = (size_t)left;
	if (skip < piece.len)
		buf_append_slice(out, slice_from(piece, (size_t)skip));
}

bool lines_to_crlf_part(struct slice in, uint64_t from, uint64_t max, struct buf *out)
{
	uint64_t end = max > UINT64_MAX - from ? UINT64_MAX : from + max;
	uint64_t position = 0;
	size_t done = 0;

	while (done < in.len && position < end) {
		ssize_t at = slice_find(in, done, '\n');
		struct slice piece;
		bool bare = at >= 0 && is_bare(in, (size_t)at, false);

		piece = slice_part(in, done, at < 0 ? SIZE_MAX : (size_t)at - done);
		append_overlap(piece, position, from, end, out);
		position += piece.len;
		done += piece.len;
		if (bare)
			append_overlap(SLICE("\r"), position++, from, end, out);
		if (at >= 0) {
			append_overlap(SLICE("\n"), position++, from, end, out);
			done++;
		}
	}
	return !out->overflowed;
}

bool lines_to_lf(struct slice in, struct line_state *state, struct buf *out)
{
	struct cursor c = cursor_over(in);

	while (!cursor_done(&c)) {
		if (state->after_cr && cursor_peek(&c) != '\n')
			buf_append_octet(out, '\r');
		state->after_cr = false;
		buf_append_slice(out, cursor_take_until(&c, '\r'));
		if (cursor_accept(&c, '\r'))
			state->after_cr = true;
	}
	return !out->overflowed;
}

bool lines_to_lf_finish(struct line_state *state, struct buf *out)
{
	if (state->after_cr)
		buf_append_octet(out, '\r');
	state->after_cr = false;
	return !out->overflowed;
}
