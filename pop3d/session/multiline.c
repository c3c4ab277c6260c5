/*
 * multiline.c - a message as the body of a multi-line response (RFC 1939, 3).
 */
#include "pop3d/session/multiline.h"

/* A line has ended: what comes next? */
static void next_line(struct multiline *state)
{
	bool was_blank = state->line_octets == 0 || state->is_line_blank;

	if (state->is_in_body && state->body_lines != UINT64_MAX)
		state->body_lines--;
	if (!state->is_in_body && was_blank)
		state->is_in_body = true;
	if (state->is_in_body && state->body_lines == 0)
		state->is_complete = true;
	state->line_octets = 0;
	state->is_line_blank = false;
}

bool multiline_write(struct multiline *state, struct slice piece, struct buf *out)
{
	struct cursor c = cursor_over(piece);

	while (!cursor_done(&c) && !state->is_complete) {
		struct slice part = cursor_take_until(&c, '\n');

		if (state->line_octets == 0) {
			int first = part.len > 0 ? part.data[0] : '\n';

			if (first == '.')
				buf_append_octet(out, '.');
			state->is_line_blank = first == '\r' && part.len == 1;
		} else if (part.len > 0) {
			state->is_line_blank = false;
		}
		state->line_octets += part.len;
		buf_append_slice(out, part);
		if (cursor_accept(&c, '\n')) {
			buf_append_octet(out, '\n');
			next_line(state);
		}
	}
	return !out->overflowed;
}

bool multiline_end(struct multiline *state, struct buf *out)
{
	if (state->line_octets > 0)
		buf_append_string(out, "\r\n");
	return buf_append_string(out, ".\r\n");
}
