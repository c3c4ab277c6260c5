/* What imapd/gather.h promises. */
#include <criterion/criterion.h>

#include "imapd/gather.h"

static enum gather_event give(struct gather *g, const char *text)
{
	size_t taken;

	return gather_take(g, slice_string(text), &taken);
}

/* Give a whole dialogue octet by octet, letting every literal in; the last event that was not GATHER_MORE. */
static enum gather_event give_octets(struct gather *g, struct slice in)
{
	enum gather_event last = GATHER_MORE;

	for (size_t i = 0; i < in.len; i++) {
		size_t taken;
		enum gather_event event = gather_take(g, slice_part(in, i, 1), &taken);

		cr_assert_eq(taken, 1);
		if (event == GATHER_LITERAL)
			cr_assert(gather_accept(g));
		if (event != GATHER_MORE)
			last = event;
	}
	return last;
}

#define assert_text(g, text)                                                                       \
	cr_assert(                                                                                 \
	    slice_equal(gather_text(&(g)), SLICE(text)), "%.*s", SLICE_PRINTF(gather_text(&(g))))

Test(gather, a_line_is_a_command_without_its_end)
{
	struct gather g = gather_with_limit(100);
	size_t taken;

	cr_assert_eq(gather_take(&g, SLICE("a NOOP\r\nb NOOP\r\n"), &taken), GATHER_COMMAND);
	cr_assert_eq(taken, 8);
	assert_text(g, "a NOOP");
	gather_next(&g);
	cr_assert_eq(give(&g, "b NOOP\n"), GATHER_COMMAND);
	assert_text(g, "b NOOP");
	gather_free(&g);
}

Test(gather, a_literal_that_was_let_in_is_in_the_text)
{
	struct gather g = gather_with_limit(100);

	cr_assert_eq(give(&g, "a LOGIN {5}\r\n"), GATHER_LITERAL);
	cr_assert_eq(g.literal_len, 5);
	cr_assert(g.literal_waits);
	cr_assert(gather_accept(&g));
	cr_assert_eq(give(&g, "alice {6}\r\n"), GATHER_LITERAL);
	cr_assert(gather_accept(&g));
	cr_assert_eq(give(&g, "secret\r\n"), GATHER_COMMAND);
	assert_text(g, "a LOGIN {5}\r\nalice {6}\r\nsecret");
	gather_free(&g);
}

Test(gather, it_is_the_same_octet_by_octet)
{
	struct gather g = gather_with_limit(100);

	cr_assert_eq(
	    give_octets(&g, SLICE("a LOGIN {5+}\r\nalice {0+}\r\n \"x\"\r\n")), GATHER_COMMAND);
	cr_assert_not(g.literal_waits);
	assert_text(g, "a LOGIN {5+}\r\nalice {0+}\r\n \"x\"");
	gather_free(&g);
}

Test(gather, what_a_literal_holds_announces_nothing)
{
	struct gather g = gather_with_limit(100);

	cr_assert_eq(give(&g, "a X {5}\r\n"), GATHER_LITERAL);
	cr_assert(gather_accept(&g));
	cr_assert_eq(give(&g, "{999}\r\n"), GATHER_COMMAND);
	assert_text(g, "a X {5}\r\n{999}");
	gather_free(&g);
}

Test(gather, a_literal_too_large_for_the_text_is_not_let_in)
{
	struct gather g = gather_with_limit(100);

	cr_assert_eq(give(&g, "a X {18446744073709551615}\r\n"), GATHER_COMMAND,
	    "20 digits announce nothing");
	gather_next(&g);
	cr_assert_eq(give(&g, "a X {9999999999999999999}\r\n"), GATHER_LITERAL);
	cr_assert_not(gather_accept(&g));
	cr_assert(gather_refuse(&g), "the client waits to be asked");
	cr_assert_eq(give(&g, "b NOOP\r\n"), GATHER_COMMAND);
	assert_text(g, "b NOOP");
	gather_free(&g);
}

Test(gather, a_refused_literal_that_comes_unasked_is_thrown_away_with_its_command)
{
	struct gather g = gather_with_limit(20);
	size_t taken;
	struct slice in =
	    SLICE("b NOOP\r\n\r\n\r\nc NOOP\r\n0123456789 {3+}\r\nxyz and more\r\nd NOOP\r\n");

	cr_assert_eq(give(&g, "a X {30+}\r\n"), GATHER_LITERAL);
	cr_assert_not(gather_refuse(&g));
	cr_assert_eq(gather_take(&g, in, &taken), GATHER_REFUSED);
	gather_next(&g);
	cr_assert_eq(give(&g, in.data + taken), GATHER_COMMAND);
	assert_text(g, "d NOOP");
	gather_free(&g);
}

Test(gather, a_streamed_literal_is_handed_over_and_not_kept)
{
	struct gather g = gather_with_limit(40);
	size_t taken;

	cr_assert_eq(give(&g, "a APPEND x {100}\r\n"), GATHER_LITERAL);
	gather_stream(&g);
	cr_assert(gather_is_streaming(&g));
	for (int i = 0; i < 4; i++)
		cr_assert_eq(gather_streamed(&g, SLICE("0123456789012345678901234")).len, 25);
	cr_assert_not(gather_is_streaming(&g));
	cr_assert_eq(gather_take(&g, SLICE("\r\nb NOOP\r\n"), &taken), GATHER_COMMAND);
	cr_assert_eq(taken, 2);
	assert_text(g, "");
	gather_free(&g);
}

Test(gather, a_streamed_literal_takes_no_more_than_is_its_own)
{
	struct gather g = gather_with_limit(40);

	give(&g, "a APPEND x {3}\r\n");
	gather_stream(&g);
	cr_assert_eq(gather_streamed(&g, SLICE("abc\r\nb NOOP\r\n")).len, 3);
	cr_assert_not(gather_is_streaming(&g));
	gather_free(&g);
}

Test(gather, a_command_never_grows_past_the_limit)
{
	struct gather g = gather_with_limit(20);

	for (int i = 0; i < 4; i++)
		cr_assert_eq(give(&g, "01234"), GATHER_MORE);
	cr_assert_eq(give(&g, "5"), GATHER_TOO_LONG);
	cr_assert_leq(g.text.len, 20);
	gather_free(&g);
}

Test(gather, a_plain_line_announces_nothing)
{
	struct gather g = gather_with_limit(40);

	g.plain = true;
	cr_assert_eq(give(&g, "DONE{5}\r\n"), GATHER_COMMAND);
	gather_free(&g);
}
