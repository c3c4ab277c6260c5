/* What text.h promises. */
#include <criterion/criterion.h>

#include <string.h>

#include "table/text.h"

/* Writes entries down as "line[key]=[value];". */
static bool note(void *context, struct slice key, struct slice value, uint32_t line)
{
	return buf_printf(
	    context, "%u[%.*s]=[%.*s];", line, SLICE_PRINTF(key), SLICE_PRINTF(value));
}

static void expect(enum table_syntax syntax, struct slice text, const char *expected)
{
	struct buf notes = buf_with_limit(65536);
	struct table_error error = {""};

	cr_assert(table_text_parse(text, syntax, "t", note, &notes, &error), "%s", error.text);
	cr_assert(slice_equal(buf_slice(&notes), slice_string(expected)), "%.*s",
	    SLICE_PRINTF(buf_slice(&notes)));
	buf_free(&notes);
}

static void expect_error(enum table_syntax syntax, struct slice text, const char *expected)
{
	struct buf notes = buf_with_limit(65536);
	struct table_error error = {""};

	cr_assert_not(table_text_parse(text, syntax, "t", note, &notes, &error));
	cr_assert_str_eq(error.text, expected);
	buf_free(&notes);
}

Test(table_text, an_entry_is_a_key_and_the_rest_of_its_line)
{
	expect(TABLE_PLAIN, SLICE("a b\nc \t d e \n"), "1[a]=[b];2[c]=[d e];");
	expect(TABLE_PLAIN, SLICE("alone"), "1[alone]=[];");
	expect(TABLE_PLAIN, SLICE(""), "");
}

Test(table_text, comments_and_empty_lines_are_passed_over)
{
	expect(
	    TABLE_PLAIN, SLICE("# c\n\n  # c\na b # no comment\n   \n"), "4[a]=[b # no comment];");
}

Test(table_text, a_line_that_begins_with_a_blank_continues_the_entry)
{
	expect(TABLE_PLAIN, SLICE("a b,\n  c,\n# comment between\n\td\ne f\n"),
	    "1[a]=[b, c, d];5[e]=[f];");
	expect(TABLE_PLAIN, SLICE("a\n b\n"), "1[a]=[b];");
}

Test(table_text, a_continuation_of_nothing_is_refused)
{
	expect_error(TABLE_PLAIN, SLICE("# c\n  a b\n"),
	    "t:2: \"a b\": a line that begins with a blank continues an entry, but there is none");
}

Test(table_text, lines_may_end_with_cr_lf)
{
	expect(TABLE_PLAIN, SLICE("a b\r\n c\r\n"), "1[a]=[b c];");
}

Test(table_text, keys_are_folded_and_values_are_not)
{
	expect(TABLE_PLAIN, SLICE("Alice@Example.ORG Quota\n"), "1[alice@example.org]=[Quota];");
}

Test(table_text, a_quoted_key_may_hold_anything_printable)
{
	expect(TABLE_PLAIN, SLICE("\"a b:#\\\"\\\\\" c\n"), "1[a b:#\"\\]=[c];");
	expect(TABLE_ALIASES, SLICE("\"a b\": c\n\"d\" : e\n"), "1[a b]=[c];2[d]=[e];");
	expect_error(TABLE_ALIASES, SLICE("\"f\"g: x\n"),
	    "t:1: \"\"f\"g: x\": a blank is missing after the closing quote");
}

Test(table_text, a_quote_that_is_not_closed_is_refused)
{
	expect_error(
	    TABLE_PLAIN, SLICE("a b\n\"c d\n"), "t:2: \"\"c d\": the closing quote is missing");
	expect_error(TABLE_PLAIN, SLICE("\"c\\"), "t:1: \"\"c\\\": the closing quote is missing");
}

Test(table_text, an_alias_takes_a_colon_with_or_without_blanks)
{
	expect(TABLE_ALIASES, SLICE("a:b\nc: d\ne : f\ng h\ni:: j\n"),
	    "1[a]=[b];2[c]=[d];3[e]=[f];4[g]=[h];5[i]=[: j];");
}

Test(table_text, an_alias_of_nothing_is_refused)
{
	expect_error(TABLE_ALIASES, SLICE("a: b\nroot:\nc: d\n"),
	    "t:2: \"root\": nothing stands after the name");
	expect_error(TABLE_ALIASES, SLICE(": b\n"), "t:1: \": b\": the name is empty");
}

Test(table_text, control_characters_are_refused_and_shown_escaped)
{
	expect_error(TABLE_PLAIN, SLICE("a b\x1b[2J\n"), "t:1: \"\\x1b[2J\": control character");
	expect_error(TABLE_PLAIN, SLICE("a \0b\n"), "t:1: \"\\x00b\": control character");
	expect_error(TABLE_PLAIN, SLICE("a b\rc\n"), "t:1: \"\\x0dc\": control character");
}

Test(table_text, keys_and_values_have_a_limit)
{
	static char text[TABLE_VALUE_MAX + 100];
	struct buf notes = buf_with_limit(10);
	struct table_error error;

	memset(text, 'k', TABLE_KEY_MAX + 1);
	cr_assert_not(table_text_parse(
	    slice_of(text, TABLE_KEY_MAX + 1), TABLE_PLAIN, "t", note, &notes, &error));
	cr_assert_not_null(strstr(error.text, "the key is too long"));
	text[1] = ' ';
	memset(text + 2, 'v', TABLE_VALUE_MAX + 1);
	cr_assert_not(table_text_parse(
	    slice_of(text, TABLE_VALUE_MAX + 3), TABLE_PLAIN, "t", note, &notes, &error));
	cr_assert_str_eq(error.text, "t:1: \"k\": the value is too long");
	buf_free(&notes);
}
