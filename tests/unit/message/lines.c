/* What lines.h promises. */
#include <criterion/criterion.h>

#include "message/lines.h"

static const struct slice mixed = {"a\nb\r\n\n\r\r\nc\rd\n", 13};
static const struct slice mixed_crlf = {"a\r\nb\r\n\r\n\r\r\nc\rd\r\n", 16};

Test(lines, every_line_end_becomes_crlf_and_no_other_octet_changes)
{
	struct buf out = buf_with_limit(100);
	struct line_state state = {0};

	cr_assert(lines_to_crlf(mixed, &state, &out));
	cr_assert(slice_equal(buf_slice(&out), mixed_crlf));
	cr_assert_eq(lines_crlf_size(mixed), mixed_crlf.len);
	buf_free(&out);
}

Test(lines, pieces_give_what_the_whole_gives)
{
	for (size_t size = 1; size <= mixed.len; size++) {
		struct buf crlf = buf_with_limit(100), lf = buf_with_limit(100);
		struct line_state to_crlf = {0}, to_lf = {0};

		for (size_t at = 0; at < mixed.len; at += size) {
			cr_assert(lines_to_crlf(slice_part(mixed, at, size), &to_crlf, &crlf));
			cr_assert(lines_to_lf(slice_part(mixed, at, size), &to_lf, &lf));
		}
		cr_assert(lines_to_lf_finish(&to_lf, &lf));
		cr_assert(slice_equal(buf_slice(&crlf), mixed_crlf));
		cr_assert(slice_equal(buf_slice(&lf), SLICE("a\nb\n\n\r\nc\rd\n")));
		buf_free(&crlf);
		buf_free(&lf);
	}
}

Test(lines, a_cr_at_the_very_end_is_kept)
{
	struct buf out = buf_with_limit(100);
	struct line_state state = {0};

	cr_assert(lines_to_lf(SLICE("a\r\r"), &state, &out));
	cr_assert(lines_to_lf_finish(&state, &out));
	cr_assert(slice_equal(buf_slice(&out), SLICE("a\r\r")));
	buf_free(&out);
}

Test(lines, any_part_of_the_crlf_view_can_be_had)
{
	for (size_t from = 0; from <= mixed_crlf.len + 1; from++)
		for (size_t max = 0; max <= mixed_crlf.len + 1; max++) {
			struct buf out = buf_with_limit(100);

			cr_assert(lines_to_crlf_part(mixed, from, max, &out));
			cr_assert(slice_equal(buf_slice(&out), slice_part(mixed_crlf, from, max)));
			buf_free(&out);
		}
}

Test(lines, a_part_may_be_asked_for_beyond_all_numbers)
{
	struct buf out = buf_with_limit(100);

	cr_assert(lines_to_crlf_part(mixed, UINT64_MAX - 1, UINT64_MAX, &out));
	cr_assert_eq(out.len, 0);
	cr_assert(lines_to_crlf_part(mixed, 1, UINT64_MAX, &out));
	cr_assert_eq(out.len, 15);
	buf_free(&out);
}
