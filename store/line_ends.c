/*
 * line_ends.c - CRLF on the wire, LF on disk, block by block.
 */
#include "store/line_ends.h"

static size_t put(struct to_disk *state, const char *data, size_t len, char *out)
{
	if (len == 0)
		return 0;
	memmove(out, data, len);
	state->wrote_cr = out[len - 1] == '\r';
	state->crlf_size += len;
	return len;
}

static size_t put_line_end(struct to_disk *state, char *out)
{
	/* After CR CR LF one CR is left in front of the LF: reading will not add another. */
	state->crlf_size += state->wrote_cr ? 1 : 2;
	state->wrote_cr = false;
	*out = '\n';
	return 1;
}

size_t to_disk_block(struct to_disk *state, struct slice in, char *out)
{
	struct cursor c = cursor_over(in);
	size_t written = 0;

	if (state->held_cr && !cursor_done(&c)) {
		state->held_cr = false;
		if (cursor_peek(&c) != '\n')
			written += put(state, "\r", 1, out);
	}
	while (!cursor_done(&c)) {
		struct slice line = cursor_take_until(&c, '\n');
		bool ends = !cursor_done(&c);

		if (line.len > 0 && line.data[line.len - 1] == '\r') {
			line.len--;
			state->held_cr = !ends;
		}
		written += put(state, line.data, line.len, out + written);
		if (cursor_accept(&c, '\n'))
			written += put_line_end(state, out + written);
	}
	state->disk_size += written;
	return written;
}

size_t to_disk_end(struct to_disk *state, char *out)
{
	if (!state->held_cr)
		return 0;
	state->held_cr = false;
	state->disk_size++;
	return put(state, "\r", 1, out);
}

size_t from_disk_block(bool *after_cr, struct slice in, char *out, size_t room, size_t *taken)
{
	struct cursor c = cursor_over(in);
	size_t written = 0;

	while (!cursor_done(&c) && written < room) {
		struct slice line = cursor_take_until(&c, '\n');
		size_t fits = line.len < room - written ? line.len : room - written;

		if (fits > 0) {
			memcpy(out + written, line.data, fits);
			written += fits;
			*after_cr = line.data[fits - 1] == '\r';
		}
		if (fits < line.len) {
			c.at = line.data + fits;
			break;
		}
		if (cursor_done(&c))
			break;
		if (room - written < (*after_cr ? 1U : 2U))
			break;
		cursor_skip(&c, 1);
		if (!*after_cr)
			out[written++] = '\r';
		out[written++] = '\n';
		*after_cr = false;
	}
	*taken = (size_t)(c.at - in.data);
	return written;
}

uint64_t from_disk_size(bool *after_cr, struct slice in)
{
	struct cursor c = cursor_over(in);
	uint64_t size = in.len;

	while (!cursor_done(&c)) {
		struct slice line = cursor_take_until(&c, '\n');

		if (line.len > 0)
			*after_cr = line.data[line.len - 1] == '\r';
		if (!cursor_accept(&c, '\n'))
			break;
		if (!*after_cr)
			size++;
		*after_cr = false;
	}
	return size;
}
