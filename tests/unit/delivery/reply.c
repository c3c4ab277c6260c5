/* What reply.h promises. */
#include <criterion/criterion.h>

#include "delivery/smtp/reply.h"

static struct reply reply;

static enum reply_progress take(const char *line)
{
	return reply_take(&reply, slice_string(line));
}

static void status_is(enum reply_stage stage, char class, const char *wanted)
{
	char status[DELIVERY_STATUS_MAX + 1];

	reply_status(&reply, stage, class, status);
	cr_assert_str_eq(status, wanted);
	cr_assert(delivery_status_is_valid(slice_string(status)));
}

TestSuite(smtp_reply, .init = NULL);

Test(smtp_reply, one_line_is_a_reply)
{
	reply_clear(&reply);
	cr_assert_eq(take("250 2.1.0 Ok"), REPLY_WHOLE);
	cr_assert_eq(reply.code, 250);
	cr_assert_str_eq(reply.status, "2.1.0");
	cr_assert_str_eq(reply.text, "250 2.1.0 Ok");
	reply_clear(&reply);
	cr_assert_eq(take("354"), REPLY_WHOLE);
	cr_assert_str_eq(reply.text, "354");
	reply_clear(&reply);
	cr_assert_eq(take("220 "), REPLY_WHOLE);
	cr_assert_str_eq(reply.text, "220");
}

Test(smtp_reply, the_lines_of_one_reply_are_joined_and_the_enhanced_code_is_told_once)
{
	reply_clear(&reply);
	cr_assert_eq(take("550-5.1.1 No such user."), REPLY_MORE);
	cr_assert_eq(take("550-5.1.1 See https://example.net/"), REPLY_MORE);
	cr_assert_eq(take("550 5.1.1 for more."), REPLY_WHOLE);
	cr_assert_str_eq(reply.status, "5.1.1");
	cr_assert_str_eq(reply.text, "550 5.1.1 No such user. See https://example.net/ for more.");
}

Test(smtp_reply, what_is_no_reply_is_refused)
{
	static const char *const lines[] = {"", "2", "25", "25x ok", "250ok", "250_ok", " 250 ok",
	    "hello", "150 early", "199 ok", "600 no", "999 no", "000 no", "-250 ok", "2500 ok",
	    "250\tok", "\xff\xff\xff"};

	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
		reply_clear(&reply);
		cr_assert_eq(take(lines[i]), REPLY_MALFORMED, "\"%s\" was taken", lines[i]);
	}
}

Test(smtp_reply, a_code_that_changes_within_a_reply_is_refused)
{
	reply_clear(&reply);
	cr_assert_eq(take("250-one"), REPLY_MORE);
	cr_assert_eq(take("550 two"), REPLY_MALFORMED);
}

Test(smtp_reply, a_reply_without_an_end_and_a_line_without_an_end_are_refused)
{
	char line[REPLY_LINE_MAX + 2];

	reply_clear(&reply);
	for (int i = 0; i < REPLY_LINES_MAX; i++)
		cr_assert_eq(take("250-and so on"), REPLY_MORE);
	cr_assert_eq(take("250-and so on"), REPLY_MALFORMED);
	cr_assert_lt(reply.text_len, REPLY_TEXT_MAX);

	memset(line, 'x', sizeof line);
	memcpy(line, "250 ", 4);
	reply_clear(&reply);
	cr_assert_eq(reply_take(&reply, slice_of(line, REPLY_LINE_MAX)), REPLY_WHOLE);
	cr_assert_eq(reply.text_len, REPLY_TEXT_MAX - 1, "the text is cut");
	reply_clear(&reply);
	cr_assert_eq(reply_take(&reply, slice_of(line, REPLY_LINE_MAX + 1)), REPLY_MALFORMED);
}

Test(smtp_reply, no_control_character_and_nothing_beyond_ascii_gets_into_the_text)
{
	reply_clear(&reply);
	cr_assert_eq(reply_take(&reply, SLICE("550 a\0b\rc\x1b[31md\x7f\xc3\xa9")), REPLY_WHOLE);
	cr_assert_str_eq(reply.text, "550 a?b?c?[31md???");
}

Test(smtp_reply, an_enhanced_code_is_believed_only_where_it_has_the_replys_class)
{
	reply_clear(&reply);
	take("550 2.0.0 delivered, not");
	cr_assert_str_empty(reply.status);
	status_is(STAGE_RCPT, '5', "5.1.1");
	reply_clear(&reply);
	take("550 5.7.1.1 odd");
	status_is(STAGE_RCPT, '5', "5.1.1");
	reply_clear(&reply);
	take("450 4.2.1");
	cr_assert_str_eq(reply.status, "4.2.1");
	reply_clear(&reply);
	take("550 5.123.456");
	cr_assert_str_eq(reply.status, "5.123.456");
	reply_clear(&reply);
	take("550 5.123.4567");
	cr_assert_str_empty(reply.status);
}

Test(smtp_reply, a_code_alone_stands_for_a_status)
{
	reply_clear(&reply);
	take("250 ok");
	status_is(STAGE_DATA, '2', "2.0.0");
	reply_clear(&reply);
	take("452 full");
	status_is(STAGE_RCPT, '4', "4.5.3");
	status_is(STAGE_DATA, '4', "4.3.1");
	reply_clear(&reply);
	take("554 no");
	status_is(STAGE_DATA, '5', "5.0.0");
	status_is(STAGE_CONNECT, '4', "4.0.0");
	reply_clear(&reply);
	take("554 5.7.1 go away");
	status_is(STAGE_CONNECT, '4', "4.7.1");
}
