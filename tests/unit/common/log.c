/* What log.h promises. */
#include <criterion/criterion.h>

#include "common/buf.h"
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
