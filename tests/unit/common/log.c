/* What log.h promises. */
#include <criterion/criterion.h>

#include <event2/event.h>

#include "common/buf.h"
#include "common/channel.h"
#include "common/log.h"

static void expect(const struct log_field *fields, const char *expected)
{
	struct buf out = buf_with_limit(LOG_LINE_MAX);

	log_render(&out, "event", fields);
	cr_assert(slice_equal(buf_slice(&out), slice_string(expected)), "%.*s", (int)out.len, out.data);
	buf_free(&out);
}

Test(log, a_line_is_an_event_and_fields)
{
	expect(LOG_FIELDS(log_id(1), log_string("to", "bob@example.org"), log_number("size", 12), log_signed("delay", -1)),
	    "event id=0000000000001 to=bob@example.org size=12 delay=-1");
}

Test(log, nothing_from_outside_can_forge_a_line_or_a_field)
{
	expect(LOG_FIELDS(log_slice("helo", SLICE("a\r\nevent id=1 to=b"))), "event helo=\"a\\x0d\\x0aevent id=1 to=b\"");
	expect(LOG_FIELDS(log_slice("helo", SLICE("a\" x=\"b\\"))), "event helo=\"a\\\" x=\\\"b\\\\\"");
	expect(LOG_FIELDS(log_slice("helo", SLICE("\xc3\xa4\x1b[2J"))), "event helo=\"\\xc3\\xa4\\x1b[2J\"");
	expect(LOG_FIELDS(log_slice("from", SLICE(""))), "event from=\"\"");
}

Test(log, a_line_too_long_is_cut_between_fields_and_says_so)
{
	static char text[LOG_LINE_MAX];
	struct buf out = buf_with_limit(LOG_LINE_MAX);

	memset(text, 'x', sizeof text);
	log_render(&out, "event", LOG_FIELDS(log_string("a", "b"), log_slice("text", slice_of(text, sizeof text)), log_string("c", "d")));
	cr_assert(slice_equal(buf_slice(&out), SLICE("event a=b [cut]")));
	buf_free(&out);
}

static unsigned lines, told;

static bool on_line(struct channel *channel, struct message *m, void *context)
{
	(void)channel;
	(void)context;
	lines++;
	told += slice_search(m->body, SLICE("lines-lost count=")) >= 0;
	return true;
}

static void on_closed(struct channel *channel, void *context)
{
	(void)channel;
	(void)context;
	cr_assert(false, "the channel was given up");
}

Test(log, a_logger_that_is_far_behind_costs_lines_and_is_not_given_up)
{
	static const struct channel_handlers handlers = {on_line, on_closed, NULL};
	struct event_base *base = event_base_new();
	struct channel *logger;
	static char text[1000];
	const unsigned written = CHANNEL_QUEUE_MAX / sizeof text + 10000;
	int sockets[2];

	memset(text, 'x', sizeof text - 1);
	cr_assert_eq(channel_pair(sockets), 0);
	log_set_channel(channel_new(base, sockets[0], &handlers, NULL));
	logger = channel_new(base, sockets[1], &handlers, NULL);
	channel_pause(logger);
	for (unsigned i = 0; i < written; i++) {
		log_error("event", log_string("text", text));
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
	channel_resume(logger);
	for (int i = 0; i < 2000; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
	cr_assert_gt(lines, 1000);
	cr_assert_lt(lines, written);
	log_error("event");
	for (int i = 0; i < 10; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
	cr_assert_eq(told, 1, "how many were lost is told");
}
