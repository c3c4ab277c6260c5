/* What imapd/session/pattern.h, fetch_items.h and envelope.h promise. */
#include <criterion/criterion.h>

#include "common/clock.h"
#include "imapd/session/envelope.h"
#include "imapd/session/fetch_items.h"
#include "imapd/session/pattern.h"

static bool matches(const char *pattern, const char *name)
{
	return pattern_matches(slice_string(pattern), slice_string(name));
}

Test(pattern, a_star_crosses_levels_and_a_percent_does_not)
{
	cr_assert(matches("*", "a/b/c"));
	cr_assert(matches("%", "a"));
	cr_assert_not(matches("%", "a/b"));
	cr_assert(matches("a/%", "a/b"));
	cr_assert_not(matches("a/%", "a/b/c"));
	cr_assert(matches("a/*", "a/b/c"));
	cr_assert_not(matches("a/*", "a"));
	cr_assert(matches("%/%", "a/b"));
	cr_assert(matches("*c", "a/b/c"));
	cr_assert(matches("a*b%c", "aXXbYYc"));
	cr_assert_not(matches("a%c", "a/c"));
	cr_assert(matches("", ""));
	cr_assert_not(matches("", "a"));
	cr_assert(matches("**%%", "a/b"));
}

Test(pattern, inbox_is_inbox_in_any_case_and_nothing_else_is)
{
	cr_assert(matches("inbox", "INBOX"));
	cr_assert(matches("InBox/Sub", "INBOX/Sub"));
	cr_assert_not(matches("inbox/sub", "INBOX/Sub"));
	cr_assert_not(matches("sent", "Sent"));
}

Test(pattern, many_wildcards_cost_no_more_than_their_number)
{
	char pattern[PATTERN_MAX + 1], name[256];
	uint64_t begun = clock_monotonic_us();

	for (size_t i = 0; i < sizeof pattern - 1; i++)
		pattern[i] = i % 2 == 0 ? '*' : 'a';
	pattern[sizeof pattern - 1] = '\0';
	memset(name, 'a', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	for (int i = 0; i < 20; i++)
		cr_assert_not(matches(pattern, name));
	cr_assert_lt(clock_monotonic_us() - begun, 2000000);
}

static struct arena arena;

static bool parse(const char *text, struct fetch_items *items)
{
	struct syntax s;

	arena_free(&arena);
	arena = arena_with_limit(1 << 20);
	s = syntax_over(slice_string(text), &arena);
	return syntax_fetch_items(&s, items) && syntax_end(&s);
}

static void release(void)
{
	arena_free(&arena);
}

TestSuite(fetch_items, .fini = release);

static void assert_label(const char *text, const char *label, bool sets_seen)
{
	struct fetch_items items;

	cr_assert(parse(text, &items), "%s", text);
	cr_assert_eq(items.section_count, 1);
	cr_assert(slice_equal(items.sections[0].label, slice_string(label)), "%s: %.*s", text,
	    SLICE_PRINTF(items.sections[0].label));
	cr_assert_eq(items.sets_seen, sets_seen, "%s", text);
}

Test(fetch_items, facts_and_macros)
{
	struct fetch_items items;

	cr_assert(parse("FAST", &items));
	cr_assert_eq(items.facts, FETCH_FLAGS | FETCH_INTERNALDATE | FETCH_SIZE);
	cr_assert(parse("(flags uid BODY bodystructure)", &items));
	cr_assert_eq(items.facts, FETCH_FLAGS | FETCH_UID | FETCH_BODY | FETCH_BODYSTRUCTURE);
	cr_assert(parse("ENVELOPE", &items));
	cr_assert_not(parse("(FAST UID)", &items), "a macro stands alone");
}

Test(fetch_items, a_section_is_answered_as_it_was_asked_for)
{
	assert_label("BODY[]", "BODY[]", true);
	assert_label("BODY.PEEK[]", "BODY[]", false);
	assert_label("body.peek[1.2.mime]", "BODY[1.2.MIME]", false);
	assert_label(
	    "(BODY.PEEK[HEADER.FIELDS (From \"To\")])", "BODY[HEADER.FIELDS (From To)]", false);
	assert_label(
	    "BODY[1.HEADER.FIELDS.NOT (\"a b\")]", "BODY[1.HEADER.FIELDS.NOT (\"a b\")]", true);
	assert_label("BODY[TEXT]<10.20>", "BODY[TEXT]<10>", true);
	assert_label("RFC822", "RFC822", true);
	assert_label("rfc822.header", "RFC822.HEADER", false);
	assert_label("RFC822.TEXT", "RFC822.TEXT", true);
}

Test(fetch_items, what_is_malformed_is_refused)
{
	const char *const wrong[] = {"", "()", "(", "(FLAGS", "FLAGS)", "BODY[", "BODY[]<",
	    "BODY[]<1>", "BODY[]<1.0>", "BODY[0]", "BODY[MIME]", "BODY[1.2.NONSENSE]",
	    "BODY[HEADER.FIELDS]", "BODY[HEADER.FIELDS ()]", "BODYX[]", "NONSENSE", "(FLAGS  UID)",
	    "BODY[]<4294967296.1>", "RFC822[]"};
	struct fetch_items items;

	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		cr_assert_not(parse(wrong[i], &items), "%s", wrong[i]);
}

Test(envelope, a_field_is_read_back_as_text)
{
	struct slice text = SLICE("(\"date\" {3}\r\na\"b ((\"A \\\"B\\\"\" NIL \"a\" \"x\")(NIL "
				  "NIL \"b\" \"y\")) NIL NIL "
				  "((NIL NIL \"group\" NIL)(NIL NIL \"c\" \"z\")(NIL NIL NIL NIL)) "
				  "NIL NIL NIL \"<id>\")");
	struct buf out = buf_with_limit(1000);

	cr_assert(envelope_text(text, ENVELOPE_SUBJECT, &out));
	cr_assert(slice_equal(buf_slice(&out), SLICE("a\"b")));
	buf_clear(&out);
	cr_assert(envelope_text(text, ENVELOPE_FROM, &out));
	cr_assert(slice_equal(buf_slice(&out), SLICE("A \"B\" <a@x>,  <b@y>")), "%.*s",
	    SLICE_PRINTF(buf_slice(&out)));
	buf_clear(&out);
	cr_assert(envelope_text(text, ENVELOPE_CC, &out));
	cr_assert_eq(out.len, 0);
	cr_assert(envelope_text(text, ENVELOPE_MESSAGE_ID, &out));
	cr_assert(slice_equal(buf_slice(&out), SLICE("<id>")));
	cr_assert_not(envelope_text(SLICE("(\"date\" NIL ((NIL NIL \"a\""), ENVELOPE_FROM, &out));
	cr_assert_not(envelope_text(SLICE(""), ENVELOPE_DATE, &out));
	buf_free(&out);
}
