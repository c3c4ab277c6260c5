/*
 * The conversation with a milter.
 */
#include "policy/milter_talk.h"

#include <criterion/criterion.h>
#include <event2/buffer.h>

static struct milter_talk talk;
static struct evbuffer *in, *out;
static const struct milter_facts facts = {
    .hostname = SLICE("mail.example"),
    .service = SLICE("mx"),
    .family = AF_INET,
    .address = SLICE("192.0.2.1"),
    .helo = SLICE("client.example"),
    .sender = SLICE("a@b.example"),
    .id = SLICE("0001"),
};

static enum milter_event says(struct slice octets)
{
	evbuffer_add(in, octets.data, octets.len);
	return milter_talk_input(&talk, in);
}

/* The letters of the packets that were sent, macros left out; they are gone then. */
static const char *sent(void)
{
	static char letters[64];
	struct slice stream = slice_of(evbuffer_pullup(out, -1), evbuffer_get_length(out));
	struct cursor c = cursor_over(stream);
	size_t count = 0;

	while (cursor_left(&c) > 4) {
		struct slice len = cursor_take(&c, 4);
		size_t n = (size_t)(unsigned char)len.data[2] << 8 | (unsigned char)len.data[3];
		struct slice packet = cursor_take(&c, n);

		cr_assert_not_null(packet.data);
		if (packet.data[0] != 'D')
			letters[count++] = packet.data[0];
	}
	letters[count] = '\0';
	evbuffer_drain(out, evbuffer_get_length(out));
	return letters;
}

#define AGREE(actions, steps) SLICE("\0\0\0\x0dO\0\0\0\6" actions steps)
#define EVERYTHING            "\0\0\1\xff"
#define NO_STEPS              "\0\0\0\0"

static void open_talk(void)
{
	in = evbuffer_new();
	out = evbuffer_new();
	milter_talk_begin(&talk, out);
	cr_assert_str_eq(sent(), "O");
}

static void close_talk(void)
{
	milter_talk_free(&talk);
	evbuffer_free(in);
	evbuffer_free(out);
}

TestSuite(milter_talk, .init = open_talk, .fini = close_talk);

Test(milter_talk, commands_wait_for_their_answers)
{
	cr_assert_eq(says(AGREE(EVERYTHING, NO_STEPS)), MILTER_ANSWERED);
	cr_assert(milter_talk_connect(&talk, &facts));
	cr_assert_str_eq(sent(), "C");
	cr_assert_eq(says(SLICE("\0\0\0\1")), MILTER_WAITS);
	cr_assert_eq(says(SLICE("c")), MILTER_ANSWERED);
	cr_assert_eq(talk.says.word, MILTER_SAYS_CONTINUE);
	cr_assert(milter_talk_rcpt(&talk, &facts, SLICE("x@y")));
	cr_assert_eq(says(SLICE("\0\0\0\x0ey550 5.7.1 no\0")), MILTER_ANSWERED);
	cr_assert_eq(talk.says.word, MILTER_SAYS_REJECT);
	cr_assert_eq(talk.says.code.code, 550);
}

Test(milter_talk, silent_and_unwanted_steps_are_not_waited_for)
{
	cr_assert_eq(says(AGREE(EVERYTHING, "\0\0\x10\x02")), MILTER_ANSWERED);
	cr_assert_not(milter_talk_connect(&talk, &facts));
	cr_assert_str_eq(sent(), "C");
	cr_assert_not(milter_talk_helo(&talk, &facts));
	cr_assert_str_eq(sent(), "");
}

Test(milter_talk, what_was_not_offered_is_not_agreed_on)
{
	cr_assert_eq(says(AGREE("\0\0\2\0", NO_STEPS)), MILTER_BROKEN);
}

Test(milter_talk, a_reply_to_nothing_breaks_it)
{
	cr_assert_eq(says(AGREE(EVERYTHING, NO_STEPS)), MILTER_ANSWERED);
	cr_assert_eq(says(SLICE("\0\0\0\1c")), MILTER_BROKEN);
}

Test(milter_talk, changes_come_at_the_end_and_only_those_agreed_on)
{
	struct milter_edits edits;
	struct milter_reply edit;
	struct reader list;

	milter_edits_begin(&edits);
	cr_assert_eq(says(AGREE("\0\0\0\1", NO_STEPS)), MILTER_ANSWERED);
	milter_talk_end_of_body(&talk, &facts, &edits);
	cr_assert_eq(says(SLICE("\0\0\0\6hX\0ab\0\0\0\0p")), MILTER_WAITS);
	cr_assert_eq(says(SLICE("")), MILTER_WAITS);
	list = reader_over(buf_slice(&edits.list));
	cr_assert(milter_edits_next(&list, &edit));
	cr_assert(edit.letter == 'h' && slice_equal(edit.second, SLICE("ab")));
	cr_assert_not(milter_edits_next(&list, &edit));
	milter_edits_free(&edits);
}

Test(milter_talk, a_change_that_was_not_agreed_on_breaks_it)
{
	struct milter_edits edits;

	milter_edits_begin(&edits);
	cr_assert_eq(says(AGREE("\0\0\0\1", NO_STEPS)), MILTER_ANSWERED);
	milter_talk_end_of_body(&talk, &facts, &edits);
	cr_assert_eq(says(SLICE("\0\0\0\5-a@b\0")), MILTER_BROKEN);
	milter_edits_free(&edits);
}

Test(milter_talk, a_change_before_the_end_breaks_it)
{
	cr_assert_eq(says(AGREE(EVERYTHING, NO_STEPS)), MILTER_ANSWERED);
	cr_assert(milter_talk_data(&talk, &facts));
	cr_assert_eq(says(SLICE("\0\0\0\6hX\0ab\0")), MILTER_BROKEN);
}

Test(milter_talk, only_after_a_continue_at_the_end_is_it_good_for_another_client)
{
	struct milter_edits edits;

	milter_edits_begin(&edits);
	cr_assert_eq(says(AGREE(EVERYTHING, NO_STEPS)), MILTER_ANSWERED);
	cr_assert_not(milter_talk_end(&talk));
	milter_talk_end_of_body(&talk, &facts, &edits);
	cr_assert_not(milter_talk_end(&talk), "the answer is missing");
	cr_assert_eq(says(SLICE("\0\0\0\1c")), MILTER_ANSWERED);
	sent();
	cr_assert(milter_talk_end(&talk));
	cr_assert_str_eq(sent(), "K");
	cr_assert(milter_talk_connect(&talk, &facts));
	cr_assert_eq(says(SLICE("\0\0\0\1c")), MILTER_ANSWERED);
	milter_talk_end_of_body(&talk, &facts, &edits);
	cr_assert_eq(says(SLICE("\0\0\0\1a")), MILTER_ANSWERED);
	cr_assert_not(milter_talk_end(&talk));
	milter_edits_free(&edits);
}

Test(milter_talk, skip_ends_the_body_and_nothing_else)
{
	cr_assert_eq(says(AGREE(EVERYTHING, "\0\0\4\0")), MILTER_ANSWERED);
	cr_assert(milter_talk_wants_body(&talk));
	cr_assert(milter_talk_body(&talk, SLICE("x")));
	cr_assert_eq(says(SLICE("\0\0\0\1s")), MILTER_ANSWERED);
	cr_assert_not(milter_talk_wants_body(&talk));
	cr_assert(milter_talk_data(&talk, &facts));
	cr_assert_eq(says(SLICE("\0\0\0\1s")), MILTER_BROKEN);
}

Test(milter_talk, values_are_shown_with_bare_line_ends_and_without_the_blank)
{
	cr_assert_eq(says(AGREE(EVERYTHING, NO_STEPS)), MILTER_ANSWERED);
	cr_assert(milter_talk_header(&talk, SLICE("X"), SLICE(" a\r\n\tb")));
	cr_assert(slice_equal(slice_of(evbuffer_pullup(out, -1), evbuffer_get_length(out)),
	    SLICE("\0\0\0\x08LX\0a\n\tb\0")));
}
