/* What slice.h promises. */
#include <criterion/criterion.h>

#include <stdlib.h>

#include "common/slice.h"

Test(slice, parts_are_clipped_to_the_whole)
{
	struct slice s = SLICE("abcdef");

	cr_assert(slice_equal(slice_part(s, 2, 2), SLICE("cd")));
	cr_assert(slice_equal(slice_part(s, 4, 100), SLICE("ef")));
	cr_assert_eq(slice_part(s, 100, 1).len, 0);
}

Test(slice, numbers_are_decimal_digits_and_nothing_else)
{
	uint64_t n;

	cr_assert(slice_number(SLICE("18446744073709551615"), UINT64_MAX, &n));
	cr_assert_eq(n, UINT64_MAX);
	cr_assert_not(slice_number(SLICE("18446744073709551616"), UINT64_MAX, &n));
	cr_assert_not(slice_number(SLICE(""), UINT64_MAX, &n));
	cr_assert_not(slice_number(SLICE("-1"), UINT64_MAX, &n));
	cr_assert_not(slice_number(SLICE(" 1"), UINT64_MAX, &n));
	cr_assert_not(slice_number(SLICE("11"), 10, &n));
}

Test(slice, comparison_without_case_touches_ascii_letters_only)
{
	cr_assert(slice_equal_nocase(SLICE("EHLO"), SLICE("ehlo")));
	cr_assert_not(slice_equal_nocase(SLICE("[\\]"), SLICE("{|}")));
	cr_assert(slice_ends_with_nocase(SLICE("mail.Example.ORG"), SLICE(".example.org")));
}

Test(slice, trim_takes_blanks_and_line_ends_off_both_ends)
{
	cr_assert(slice_equal(slice_trim(SLICE(" \ta b\r\n")), SLICE("a b")));
	cr_assert_eq(slice_trim(SLICE(" \r\n")).len, 0);
}

Test(slice, copy_refuses_what_does_not_fit)
{
	char small[4];

	cr_assert(slice_copy(SLICE("abc"), small, sizeof small));
	cr_assert_str_eq(small, "abc");
	cr_assert_not(slice_copy(SLICE("abcd"), small, sizeof small));
	cr_assert_str_empty(small);
}

Test(cursor, never_leaves_its_slice)
{
	struct cursor c = cursor_over(SLICE("ab"));

	cr_assert_eq(cursor_peek_at(&c, 1), 'b');
	cr_assert_eq(cursor_peek_at(&c, 2), -1);
	cr_assert_eq(cursor_take(&c, 3).len, 0);
	cr_assert_eq(cursor_next(&c), 'a');
	cursor_skip(&c, 10);
	cr_assert_eq(cursor_next(&c), -1);
	cr_assert(cursor_done(&c));
}
