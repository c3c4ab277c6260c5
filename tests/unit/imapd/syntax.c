/* What imapd/syntax.h promises. */
#include <criterion/criterion.h>

#include "imapd/syntax.h"
#include "store/store.h"

static struct arena arena;

static struct syntax over(const char *text)
{
	arena_free(&arena);
	arena = arena_with_limit(1 << 20);
	return syntax_over(slice_string(text), &arena);
}

static void release(void)
{
	arena_free(&arena);
}

TestSuite(syntax, .fini = release);
TestSuite(sequence, .fini = release);

#define assert_slice(s, text) cr_assert(slice_equal((s), SLICE(text)), "%.*s", SLICE_PRINTF(s))

static void assert_astring(const char *text, const char *value)
{
	struct syntax s = over(text);
	struct slice out;

	cr_assert(syntax_astring(&s, &out), "%s", text);
	cr_assert(slice_equal(out, slice_string(value)), "%s gave %.*s", text, SLICE_PRINTF(out));
	cr_assert(syntax_end(&s));
}

static void refuse_astring(const char *text)
{
	struct syntax s = over(text);
	struct slice out;

	cr_assert_not(syntax_astring(&s, &out) && syntax_end(&s), "%s", text);
	cr_assert_not_null(s.fault);
}

Test(syntax, a_string_is_an_atom_quoted_or_a_literal)
{
	assert_astring("alice", "alice");
	assert_astring("a]b", "a]b");
	assert_astring("\"a b\"", "a b");
	assert_astring("\"a\\\"b\\\\c\"", "a\"b\\c");
	assert_astring("\"\"", "");
	assert_astring("{3}\r\na\"b", "a\"b");
	assert_astring("{3+}\r\n\r\nx", "\r\nx");
	assert_astring("{0}\r\n", "");
}

Test(syntax, a_malformed_string_is_refused)
{
	refuse_astring("");
	refuse_astring("\"open");
	refuse_astring("\"line\r\nend\"");
	refuse_astring("\"\\n\"");
	refuse_astring("\"\\");
	refuse_astring("{4}\r\nabc");
	refuse_astring("{}\r\nabc");
	refuse_astring("{3}abc");
	refuse_astring("{99999999999999999999}\r\nabc");
	refuse_astring("a(b");
	refuse_astring("a b");
}

Test(syntax, a_literal_with_a_nul_is_refused)
{
	struct syntax s;
	struct slice out;

	arena = arena_with_limit(100);
	s = syntax_over(SLICE("{3}\r\na\0b"), &arena);
	cr_assert_not(syntax_astring(&s, &out));
}

Test(syntax, a_tag_is_no_longer_than_the_limit_and_holds_no_plus)
{
	char text[SYNTAX_TAG_MAX + 2];
	struct syntax s = over("a+1 NOOP");
	struct slice tag;

	cr_assert(syntax_tag(&s, &tag));
	assert_slice(tag, "a");
	memset(text, 'x', sizeof text);
	text[sizeof text - 1] = '\0';
	s = over(text);
	cr_assert_not(syntax_tag(&s, &tag));
}

Test(syntax, nothing_follows_a_fault)
{
	struct syntax s = over("a b c");
	struct slice out;

	cr_assert_not(syntax_octet(&s, 'x'));
	cr_assert_not(syntax_atom(&s, &out));
	cr_assert_not(syntax_space(&s));
	cr_assert_not(syntax_end(&s));
	cr_assert_not(syntax_accept(&s, 'a'));
}

Test(syntax, a_mailbox_name_becomes_utf_8)
{
	struct syntax s = over("&ZeVnLIqe-/Entw&APw-rfe \"Sent Mail\" iNbOx");
	struct slice name;

	cr_assert(syntax_mailbox(&s, &name));
	assert_slice(name, "日本語/Entwürfe");
	cr_assert(syntax_space(&s) && syntax_mailbox(&s, &name));
	assert_slice(name, "Sent Mail");
	cr_assert(syntax_space(&s) && syntax_mailbox(&s, &name));
	assert_slice(name, "INBOX");
	cr_assert(syntax_end(&s));
	s = over("&bad");
	cr_assert_not(syntax_mailbox(&s, &name));
}

Test(syntax, flags_are_system_flags_and_keywords)
{
	struct syntax s = over("(\\sEEN \\Deleted $Forwarded nonjunk)");
	struct flag_list flags;

	cr_assert(syntax_flag_list(&s, &flags) && syntax_end(&s));
	cr_assert_eq(flags.system, STORE_SEEN | STORE_DELETED);
	cr_assert_eq(flags.keyword_count, 2);
	assert_slice(flags.keywords[0], "$Forwarded");
	s = over("()");
	cr_assert(syntax_flag_list(&s, &flags) && syntax_end(&s));
	s = over("\\Seen $x");
	cr_assert(syntax_store_flags(&s, &flags) && syntax_end(&s));
	cr_assert_eq(flags.keyword_count, 1);
}

Test(syntax, no_client_sets_recent_or_a_flag_that_there_is_not)
{
	const char *const wrong[] = {
	    "(\\Recent)", "(\\Nonsense)", "(\\)", "(a b", "(a  b)", "(a )", ")", "(\\*)"};

	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		struct syntax s = over(wrong[i]);
		struct flag_list flags;

		cr_assert_not(syntax_flag_list(&s, &flags) && syntax_end(&s), "%s", wrong[i]);
	}
}

/* ---- sequence sets ------------------------------------------------------ */

static struct sequence resolved(const char *text, uint32_t largest)
{
	struct syntax s = over(text);
	struct sequence set;

	cr_assert(syntax_sequence(&s, &set) && syntax_end(&s), "%s", text);
	sequence_resolve(&set, largest);
	return set;
}

Test(sequence, ranges_are_put_into_order_and_joined)
{
	struct sequence set = resolved("9,3:5,4:7,1,7:6", 10);

	cr_assert_eq(set.count, 3);
	cr_assert_eq(set.ranges[1].first, 3);
	cr_assert_eq(set.ranges[1].last, 7);
	cr_assert(sequence_has(&set, 1));
	cr_assert_not(sequence_has(&set, 2));
	cr_assert(sequence_has(&set, 5));
	cr_assert_not(sequence_has(&set, 8));
	cr_assert(sequence_has(&set, 9));
	cr_assert_not(sequence_has(&set, 10));
}

Test(sequence, a_star_is_the_largest_number_wherever_it_stands)
{
	struct sequence set = resolved("*", 7);

	cr_assert(sequence_has(&set, 7));
	cr_assert_not(sequence_has(&set, 6));
	set = resolved("*:5", 7);
	cr_assert(sequence_has(&set, 5));
	cr_assert(sequence_has(&set, 7));
	/* RFC 3501, 6.4.8: "559:*" holds the last message even if its UID is below 559. */
	set = resolved("559:*", 7);
	cr_assert(sequence_has(&set, 7));
}

Test(sequence, malformed_sets_are_refused)
{
	const char *const wrong[] = {
	    "", "0", "1:", ":1", "1,,2", "1,", "a", "4294967296", "1:2:3", "-1", "1:*:", "**"};

	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		struct syntax s = over(wrong[i]);
		struct sequence set;

		cr_assert_not(syntax_sequence(&s, &set) && syntax_end(&s), "%s", wrong[i]);
	}
}

Test(sequence, the_largest_number_is_taken)
{
	struct sequence set = resolved("4294967295", 7);

	cr_assert(sequence_has(&set, UINT32_MAX));
	set = resolved("1:4294967295", 7);
	cr_assert(sequence_has(&set, 5));
}
