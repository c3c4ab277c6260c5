/* What multiline.h promises. */
#include <criterion/criterion.h>

#include "pop3d/session/multiline.h"

/* The response for a message given in pieces; lives until the next call. */
static const char *respond(const char *message, uint64_t body_lines, size_t piece)
{
	static struct buf out = {.limit = 4096};
	struct multiline state = {.body_lines = body_lines};
	struct slice whole = slice_string(message);

	buf_clear(&out);
	for (size_t at = 0; at < whole.len && !state.is_complete; at += piece)
		cr_assert(multiline_write(&state, slice_part(whole, at, piece), &out));
	cr_assert(multiline_end(&state, &out));
	buf_append_octet(&out, '\0');
	return out.data;
}

static void check(const char *message, uint64_t body_lines, const char *response)
{
	for (size_t piece = 1; piece <= strlen(message) + 1; piece++)
		cr_assert_str_eq(respond(message, body_lines, piece), response, "pieces of %zu: %s",
		    piece, respond(message, body_lines, piece));
}

Test(multiline, a_line_that_begins_with_a_dot_gets_another)
{
	check("a: b\r\n\r\n.\r\n..\r\nx.\r\n", UINT64_MAX, "a: b\r\n\r\n..\r\n...\r\nx.\r\n.\r\n");
}

Test(multiline, a_last_line_without_an_end_is_ended)
{
	check("a: b\r\n\r\nend", UINT64_MAX, "a: b\r\n\r\nend\r\n.\r\n");
	check("", UINT64_MAX, ".\r\n");
}

Test(multiline, top_gives_the_header_and_so_many_lines)
{
	static const char message[] = "a: b\r\nc: d\r\n\r\n1\r\n\r\n.3\r\n";

	check(message, 0, "a: b\r\nc: d\r\n\r\n.\r\n");
	check(message, 1, "a: b\r\nc: d\r\n\r\n1\r\n.\r\n");
	check(message, 2, "a: b\r\nc: d\r\n\r\n1\r\n\r\n.\r\n");
	check(message, 3, "a: b\r\nc: d\r\n\r\n1\r\n\r\n..3\r\n.\r\n");
	check(message, 99, "a: b\r\nc: d\r\n\r\n1\r\n\r\n..3\r\n.\r\n");
	check("only: header\r\n", 0, "only: header\r\n.\r\n");
	check("\r\nbody\r\nmore\r\n", 1, "\r\nbody\r\n.\r\n");
}
