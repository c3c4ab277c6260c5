/* What header.h promises about fields. */
#include <criterion/criterion.h>

#include "message/encoding.h"
#include "message/header.h"

Test(header, fields_are_walked_in_order_and_lie_end_to_end)
{
	const struct slice messages[] = {
	    SLICE("Subject: hi\r\n there\r\nTo : bob\r\n\r\nbody: no\r\n"),
	    SLICE("Subject: hi\n there\nTo : bob\n\nbody: no\n"),
	};

	for (size_t i = 0; i < 2; i++) {
		struct header_walk walk = header_walk_over(messages[i]);
		struct header_field field;

		cr_assert(header_next(&walk, &field));
		cr_assert(slice_equal(field.name, SLICE("Subject")));
		cr_assert_eq(field.whole.data, messages[i].data);
		cr_assert_eq(field.whole.len, walk.at);
		cr_assert(header_next(&walk, &field));
		cr_assert(slice_equal(field.name, SLICE("To")));
		cr_assert(slice_equal(field.value, SLICE(" bob")));
		cr_assert_not(header_next(&walk, &field));
		cr_assert(slice_starts_with(slice_from(messages[i], walk.body), SLICE("body: no")));
		cr_assert_eq(walk.body, header_end(messages[i]));
	}
}

Test(header, a_line_that_is_no_field_has_no_name_and_ends_nothing)
{
	struct slice message = SLICE("From x@y Mon\n lead\n: v\na b: c\n\001: d\nSubject: x\n\n");
	struct header_walk walk = header_walk_over(message);
	struct header_field field;

	for (int i = 0; i < 4; i++) {
		cr_assert(header_next(&walk, &field));
		cr_assert_eq(field.name.len, 0);
	}
	cr_assert(slice_equal(field.value, SLICE("\001: d")));
	cr_assert(header_find(message, SLICE("SUBJECT"), &field));
}

Test(header, a_message_may_be_all_header_or_all_body)
{
	struct header_field field;

	cr_assert_eq(header_end(SLICE("")), 0);
	cr_assert_eq(header_end(SLICE("\nbody")), 1);
	cr_assert_eq(header_end(SLICE("\r\nbody")), 2);
	cr_assert_eq(header_end(SLICE("a: b")), 4);
	cr_assert_eq(header_end(SLICE("a: b\n")), 5);
	cr_assert(header_find(SLICE("a:b"), SLICE("A"), &field));
	cr_assert(slice_equal(field.value, SLICE("b")));
	cr_assert_not(header_find(SLICE("\na: b"), SLICE("a"), &field));
	cr_assert_not(header_find(SLICE(""), SLICE("a"), &field));
}

Test(header, a_line_of_blanks_continues_the_header)
{
	cr_assert_eq(header_end(SLICE("a: b\n \nc: d\n\nx")), 13);
}

Test(header, hops_and_loops_are_counted)
{
	struct slice message = SLICE("Received: a\nreceived: b\n c\nX-Received: d\n"
				     "Delivered-To: Bob@Example.org \n\nReceived: e\n");

	cr_assert_eq(header_count(message, SLICE("Received")), 2);
	cr_assert(header_has(message, SLICE("Delivered-To"), SLICE("bob@example.org")));
	cr_assert_not(header_has(message, SLICE("Delivered-To"), SLICE("b@example.org")));
}

Test(header, unfolding_drops_line_ends_and_nothing_else)
{
	struct buf out = buf_with_limit(100);

	cr_assert(header_unfold(SLICE(" a\r\n b\n\tc\rd \r\n"), &out));
	cr_assert(slice_equal(buf_slice(&out), SLICE("a b\tc\rd")));
	buf_clear(&out);
	out.limit = 3;
	cr_assert_not(header_unfold(SLICE("abcd"), &out));
	buf_free(&out);
}

Test(header, message_ids_are_found_among_anything)
{
	struct cursor c = cursor_over(SLICE("x <a@b>\r\n (c) <d@e><f g@h> <> <i <j@k> <l"));
	struct slice id;

	cr_assert(header_next_message_id(&c, &id));
	cr_assert(slice_equal(id, SLICE("<a@b>")));
	cr_assert(header_next_message_id(&c, &id));
	cr_assert(slice_equal(id, SLICE("<d@e>")));
	cr_assert(header_next_message_id(&c, &id));
	cr_assert(slice_equal(id, SLICE("<j@k>")));
	cr_assert_not(header_next_message_id(&c, &id));
}

/* ---- writing ------------------------------------------------------------ */

static struct buf out;

static void setup(void)
{
	out = buf_with_limit(1 << 20);
}

static void teardown(void)
{
	buf_free(&out);
}

TestSuite(header_write, .init = setup, .fini = teardown);

static size_t longest_line(struct slice s)
{
	struct cursor c = cursor_over(s);
	size_t longest = 0;

	while (!cursor_done(&c)) {
		struct slice line = cursor_take_until(&c, '\n');

		cursor_skip(&c, 1);
		cr_assert(
		    line.len > 0 && line.data[line.len - 1] == '\r', "every line ends with CRLF");
		longest = line.len - 1 > longest ? line.len - 1 : longest;
	}
	return longest;
}

Test(header_write, a_line_break_in_a_value_starts_no_new_field)
{
	cr_assert(
	    header_write(&out, "Subject", SLICE("a\r\nBcc: eve@example.org\r\n\r\nbody\rx\ny\0z")));
	cr_assert(
	    slice_equal(buf_slice(&out), SLICE("Subject: a Bcc: eve@example.org body x y z\r\n")));
}

Test(header_write, long_values_are_folded_at_blanks)
{
	struct header_field field;
	char text[600];

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = i % 9 == 8 ? ' ' : 'x';
	cr_assert(header_write(&out, "X-Long", slice_of(text, sizeof(text))));
	cr_assert_leq(longest_line(buf_slice(&out)), HEADER_LINE_WANTED);
	cr_assert(header_find(buf_slice(&out), SLICE("X-Long"), &field));
	cr_assert_eq(field.whole.len, out.len, "all of it is one field");
}

Test(header_write, a_word_without_blanks_is_broken_before_998)
{
	char text[5000];

	memset(text, 'x', sizeof(text));
	cr_assert(header_write(&out, "X-Long", slice_of(text, sizeof(text))));
	cr_assert_leq(longest_line(buf_slice(&out)), HEADER_LINE_MAX);
	buf_clear(&out);
	for (size_t i = 0; i < sizeof(text) - 1; i += 2)
		memcpy(text + i, "\303\251", 2);
	cr_assert(header_write(&out, "X-Long", slice_of(text, sizeof(text))));
	cr_assert_leq(longest_line(buf_slice(&out)), HEADER_LINE_MAX);
	cr_assert(utf8_is_valid(buf_slice(&out)), "characters stay whole");
}

Test(header_write, text_for_people_is_encoded_where_it_must_be)
{
	char text[400];

	cr_assert(header_write_text(&out, "Subject", SLICE("plain")));
	cr_assert(slice_equal(buf_slice(&out), SLICE("Subject: plain\r\n")));
	buf_clear(&out);
	cr_assert(header_write_text(&out, "Subject", SLICE("Gr\303\274\303\237e")));
	cr_assert(slice_equal(buf_slice(&out), SLICE("Subject: =?UTF-8?B?R3LDvMOfZQ==?=\r\n")));
	buf_clear(&out);
	for (size_t i = 0; i < sizeof(text); i += 2)
		memcpy(text + i, "\303\251", 2);
	cr_assert(header_write_text(&out, "Subject", slice_of(text, sizeof(text))));
	cr_assert_leq(longest_line(buf_slice(&out)), HEADER_LINE_WANTED);
	buf_clear(&out);
	cr_assert(header_write_text(&out, "Subject", SLICE("a =?utf-8?q?b?=")));
	cr_assert(
	    slice_search(buf_slice(&out), SLICE("utf-8?q")) < 0, "what looks encoded is encoded");
}

Test(header_write, a_mailbox_is_quoted_as_its_name_needs)
{
	cr_assert(header_append_mailbox(&out, SLICE("Bob Roe"), SLICE("bob@example.org")));
	cr_assert(slice_equal(buf_slice(&out), SLICE("Bob Roe <bob@example.org>")));
	buf_clear(&out);
	cr_assert(header_append_mailbox(&out, SLICE("Roe, \"Bob\""), SLICE("bob@example.org")));
	cr_assert(slice_equal(buf_slice(&out), SLICE("\"Roe, \\\"Bob\\\"\" <bob@example.org>")));
	buf_clear(&out);
	cr_assert(header_append_mailbox(&out, SLICE("B\303\266b"), SLICE("bob@example.org")));
	cr_assert(slice_equal(buf_slice(&out), SLICE("=?UTF-8?B?QsO2Yg==?= <bob@example.org>")));
	buf_clear(&out);
	cr_assert(header_append_mailbox(&out, SLICE(" "), SLICE("bob@example.org")));
	cr_assert(slice_equal(buf_slice(&out), SLICE("bob@example.org")));
}
