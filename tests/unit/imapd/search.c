/* What imapd/session/search.h promises. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <time.h>

#include "imapd/session/search.h"

static const char message[] = "From: =?utf-8?q?J=C3=BCrgen?= <juergen@example.org>\n"
			      "Subject: =?utf-8?b?R3LDvMOfZQ==?= from Bonn\n"
			      "X-Spam: no\n"
			      "Content-Type: multipart/mixed; boundary=b\n"
			      "\n"
			      "--b\n"
			      "Content-Type: text/plain; charset=utf-8\n"
			      "Content-Transfer-Encoding: base64\n"
			      "\n"
			      "TGllYmUgR3LDvMOfZSBhdXMgS8O2bG4K\n"
			      "--b\n"
			      "Content-Type: application/pdf; name=\"rechnung.pdf\"\n"
			      "\n"
			      "aW52aXNpYmxl\n"
			      "--b--\n";

static const char envelope[] =
    "(\"Tue, 1 Feb 1994 23:30:00 -0800\" \"=?utf-8?b?R3LDvMOfZQ==?= from Bonn\" "
    "((\"=?utf-8?q?J=C3=BCrgen?=\" NIL \"juergen\" \"example.org\")) NIL NIL "
    "((NIL NIL \"bob\" \"a.test\")({5}\r\nCarol NIL \"c\" \"a.test\")) NIL NIL NIL "
    "\"<id@example.org>\")";

static struct arena arena;
static unsigned envelopes_read, messages_read;

static bool size_is(void *context, uint32_t seq, uint64_t *size)
{
	(void)context;
	(void)seq;
	*size = 1000;
	return true;
}

static bool envelope_is(void *context, uint32_t seq, struct slice *out)
{
	(void)context;
	(void)seq;
	envelopes_read++;
	*out = SLICE(envelope);
	return true;
}

static bool the_mime_is(void *context, uint32_t seq, const struct mime **out)
{
	(void)seq;
	messages_read++;
	*out = context;
	return true;
}

static bool cannot_read(void *context, uint32_t seq, const struct mime **out)
{
	(void)context;
	(void)seq;
	(void)out;
	return false;
}

static enum search_verdict match_with(
    const char *keys, bool (*mime_of)(void *, uint32_t, const struct mime **))
{
	struct store_message facts = {
	    .uid = 50, .flags = STORE_SEEN | STORE_RECENT, .internal_date = 760000000};
	struct search_subject subject = {5, &facts, size_is, envelope_is, mime_of, NULL};
	struct syntax s;
	struct search search;
	struct mime mime;
	enum search_verdict verdict;

	arena = arena_with_limit(1 << 20);
	s = syntax_over(slice_string(keys), &arena);
	cr_assert(syntax_search(&s, &search) && syntax_end(&s), "%s: %s", keys, s.fault);
	cr_assert(mime_parse(SLICE(message), &mime));
	subject.context = &mime;
	verdict = search_matches(search.key, &subject);
	mime_free(&mime);
	arena_free(&arena);
	return verdict;
}

static bool matches(const char *keys)
{
	return match_with(keys, the_mime_is) == SEARCH_YES;
}

#define finds(keys)  cr_assert(matches(keys), "%s", keys)
#define misses(keys) cr_assert_not(matches(keys), "%s", keys)

Test(search, flags)
{
	finds("ALL");
	finds("SEEN");
	misses("UNSEEN");
	finds("UNDELETED UNDRAFT UNFLAGGED UNANSWERED");
	misses("SEEN DELETED");
	finds("RECENT");
	misses("NEW");
	misses("OLD");
	finds("UNKEYWORD $Junk");
	misses("KEYWORD $Junk");
}

Test(search, numbers)
{
	finds("5");
	finds("1:10");
	misses("1:4,6");
	finds("UID 50");
	misses("UID 5");
	finds("LARGER 999");
	misses("LARGER 1000");
	finds("SMALLER 1001");
	misses("SMALLER 1000");
}

Test(search, the_day_of_arrival)
{
	setenv("TZ", "UTC", 1);
	tzset();
	/* 760000000 is 31-Jan-1994 07:06:40 UTC. */
	finds("ON 31-Jan-1994");
	finds("BEFORE 1-Feb-1994");
	misses("BEFORE 31-Jan-1994");
	finds("SINCE \"31-Jan-1994\"");
	misses("SINCE 1-Feb-1994");
}

Test(search, the_day_of_sending_is_the_writers)
{
	finds("SENTON 1-Feb-1994");
	misses("SENTON 2-Feb-1994");
	finds("SENTSINCE 1-Feb-1994");
	finds("SENTBEFORE 2-Feb-1994");
}

Test(search, texts_are_decoded_and_folded)
{
	finds("SUBJECT \"GRÜßE FROM\"");
	finds("SUBJECT {7}\r\ngrüße");
	misses("SUBJECT utf-8");
	finds("FROM {7}\r\njürgen");
	finds("FROM juergen@EXAMPLE.org");
	finds("TO bob@a.test");
	finds("TO \"carol <c@a.test>\"");
	misses("CC bob");
	finds("CHARSET ISO-8859-1 SUBJECT {5}\r\nGr\xfc\xdf"
	      "e");
}

Test(search, headers)
{
	finds("HEADER x-spam NO");
	finds("HEADER X-Spam \"\"");
	misses("HEADER X-Other \"\"");
	finds("HEADER Subject Bonn");
	finds("HEADER Message-ID id@example");
}

Test(search, bodies_are_decoded)
{
	finds("BODY \"liebe grüße aus köln\"");
	misses("BODY TGllYmUg");
	misses("BODY Bonn");
	finds("TEXT Bonn");
	finds("TEXT \"köln\"");
	finds("BODY rechnung.pdf");
	misses("BODY invisible");
}

Test(search, and_or_not)
{
	finds("NOT UNSEEN");
	finds("OR UNSEEN SEEN");
	misses("OR UNSEEN DELETED");
	finds("OR (SEEN FLAGGED) (SEEN UNFLAGGED)");
	misses("NOT (SEEN)");
	finds("NOT NOT NOT UNSEEN");
	misses("SEEN NOT (OR 5 6)");
}

Test(search, what_the_index_decides_reads_no_message)
{
	messages_read = envelopes_read = 0;
	misses("TEXT Bonn SUBJECT Bonn UNSEEN");
	cr_assert_eq(messages_read, 0);
	cr_assert_eq(envelopes_read, 0);
	misses("TEXT Bonn SUBJECT Berlin");
	cr_assert_eq(messages_read, 0);
	cr_assert_eq(envelopes_read, 1);
}

Test(search, a_message_that_cannot_be_read_matches_neither_a_key_nor_its_contrary)
{
	cr_assert_eq(match_with("BODY x", cannot_read), SEARCH_UNKNOWN);
	cr_assert_eq(match_with("NOT BODY x", cannot_read), SEARCH_UNKNOWN);
	cr_assert_eq(match_with("OR SEEN BODY x", cannot_read), SEARCH_YES);
	cr_assert_eq(match_with("UNSEEN BODY x", cannot_read), SEARCH_NO);
}

static bool parses(struct slice keys)
{
	struct syntax s;
	struct search search;
	bool ok;

	arena = arena_with_limit(1 << 22);
	s = syntax_over(keys, &arena);
	ok = syntax_search(&s, &search) && syntax_end(&s);
	arena_free(&arena);
	return ok;
}

Test(search, malformed_keys_are_refused)
{
	const char *const wrong[] = {"", "NOT", "OR SEEN", "(SEEN", "SEEN)", "()",
	    "BEFORE yesterday", "SINCE 31-Jan", "HEADER x", "LARGER x", "UID", "UID x",
	    "KEYWORD (x)", "SEEN  UNSEEN", "SEEN ", "NONSENSE", "BODY", "CHARSET UTF-8"};

	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		cr_assert_not(parses(slice_string(wrong[i])), "%s", wrong[i]);
}

Test(search, an_unknown_charset_is_named)
{
	struct syntax s;
	struct search search;

	arena = arena_with_limit(1 << 20);
	s = syntax_over(SLICE("CHARSET x-klingon BODY q"), &arena);
	cr_assert_not(syntax_search(&s, &search));
	cr_assert(slice_equal(search.unknown_charset, SLICE("x-klingon")));
	arena_free(&arena);
}

Test(search, depth_and_number_of_keys_are_limited)
{
	struct buf deep = buf_with_limit(1 << 20), many = buf_with_limit(1 << 20);

	for (int i = 0; i < 10000; i++) {
		buf_append_string(&deep, "NOT ");
		buf_append_string(&many, "SEEN ");
	}
	buf_append_string(&deep, "SEEN");
	buf_append_string(&many, "SEEN");
	cr_assert_not(parses(buf_slice(&deep)));
	cr_assert_not(parses(buf_slice(&many)));
	cr_assert(parses(slice_from(buf_slice(&deep), deep.len - 4 - 4 * 31)));
	buf_free(&deep);
	buf_free(&many);
}
