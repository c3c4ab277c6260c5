/*
 * A message on its way through the milters, between two processes.
 */
#include "common/channel_filter.h"

#include <criterion/criterion.h>

static struct slice recipients[] = {SLICE("a@b.example"), SLICE("c@d.example")};
static struct filter_recipient changes[] = {
    {true,  SLICE("a@b.example")},
    {false, SLICE("<c@d>")      }
};

static const struct filter_question question = {
    .about = {.stage = GATE_MESSAGE,
	      .session = 7,
	      .transaction = 2,
	      .size = 1000,
	      .message = 9,
	      .sender = SLICE("x@y.example"),
	      .recipient_count = 2},
    .prepend = SLICE("Received: by us\r\n"),
    .has_header = true,
    .recipient_count = 2,
    .recipients = recipients,
};

static const struct filter_answer answer = {
    .verdict = {.answer = VERDICT_HOLD, .text = "odd", .by = "milter m"},
    .has_content = true,
    .size = 2000,
    .prepend = SLICE("X: y\r\nReceived: by us\r\n"),
    .has_sender = true,
    .sender = SLICE(""),
    .change_count = 2,
    .changes = changes,
};

Test(channel_filter, a_question_arrives_as_it_was_asked_and_no_part_of_it_does)
{
	struct buf out = buf_with_limit(65536);
	struct writer w = {&out};
	struct filter_question read;
	struct reader r;

	filter_question_write(&w, &question);
	r = reader_over(buf_slice(&out));
	cr_assert(filter_question_read(&r, &read));
	cr_assert_eq(read.about.session, 7);
	cr_assert_eq(read.about.size, 1000);
	cr_assert(slice_equal(read.prepend, question.prepend) && read.has_header);
	cr_assert_eq(read.recipient_count, 2);
	cr_assert(slice_equal(read.recipients[1], recipients[1]));
	filter_question_free(&read);
	for (size_t len = 0; len < out.len; len++) {
		r = reader_over(slice_of(out.data, len));
		cr_assert_not(filter_question_read(&r, &read), "%zu", len);
	}
	buf_free(&out);
}

Test(channel_filter, an_answer_arrives_as_it_was_given_and_no_part_of_it_does)
{
	struct buf out = buf_with_limit(65536);
	struct writer w = {&out};
	struct filter_answer read;
	struct reader r;

	filter_answer_write(&w, &answer);
	r = reader_over(buf_slice(&out));
	cr_assert(filter_answer_read(&r, &read));
	cr_assert_eq(read.verdict.answer, VERDICT_HOLD);
	cr_assert_str_eq(read.verdict.text, "odd");
	cr_assert(read.has_content && read.size == 2000 && read.has_sender && read.sender.len == 0);
	cr_assert(slice_equal(read.prepend, answer.prepend));
	cr_assert(read.changes[0].is_added && !read.changes[1].is_added);
	cr_assert(slice_equal(read.changes[1].address, changes[1].address));
	filter_answer_free(&read);
	for (size_t len = 0; len < out.len; len++) {
		r = reader_over(slice_of(out.data, len));
		cr_assert_not(filter_answer_read(&r, &read), "%zu", len);
	}
	buf_free(&out);
}

Test(channel_filter, what_could_not_stand_in_an_envelope_is_not_taken)
{
	static const char *const prepends[] = {
	    "X: y", "X: y\n", "X: y\r\n\r\nbody\r\n", "X: a\rb\r\n"};
	struct filter_recipient bad = {true, SLICE("a\r\nb")};

	for (size_t i = 0; i < sizeof prepends / sizeof prepends[0] + 1; i++) {
		struct buf out = buf_with_limit(65536);
		struct writer w = {&out};
		struct filter_answer wrong = answer, read;
		struct reader r;

		if (i < sizeof prepends / sizeof prepends[0])
			wrong.prepend = slice_string(prepends[i]);
		else
			wrong.changes = &bad, wrong.change_count = 1;
		filter_answer_write(&w, &wrong);
		r = reader_over(buf_slice(&out));
		cr_assert_not(filter_answer_read(&r, &read), "%zu", i);
		buf_free(&out);
	}
}

Test(channel_filter, the_settings_say_whose_mail_a_milter_sees)
{
	struct conf *conf = conf_new();
	char error[CONF_ERROR_MAX];

	cr_assert_not_null(conf);
	cr_assert_not(filter_is_wanted(&conf->values, SERVICE_MX, false), "nobody's, by default");
	cr_assert(conf_read_text(conf, SLICE("milter a { address unix:/a; services submission }\n"),
		      "x", error),
	    "%s", error);
	cr_assert_not(filter_is_wanted(&conf->values, SERVICE_MX, false));
	cr_assert(filter_is_wanted(&conf->values, SERVICE_SUBMISSION, false));
	cr_assert(filter_is_wanted(&conf->values, SERVICE_SUBMISSIONS, false));
	cr_assert_not(filter_is_wanted(&conf->values, SERVICE_SUBMISSION, true));
	cr_assert_eq(policy_stages(&conf->values, SERVICE_SUBMISSION, false, true),
	    1u << GATE_MAIL | 1u << GATE_RCPT | 1u << GATE_DATA);
	cr_assert_eq(policy_stages(&conf->values, SERVICE_MX, false, true), 0);
	conf_free(conf);
}
