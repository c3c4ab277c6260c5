/*
 * What we write into others' messages from texts of outside: the trace field
 * stays one field, and a delivery report stays a report of three parts.
 */
#include "message/dsn.h"
#include "message/header.h"
#include "message/mime.h"
#include "message/received.h"
#include "tests/fuzz/fuzz.h"

enum { OUTPUT_MAX = 1 << 22 };

/* The texts lie in the input one after another, with NULs between. */
static struct slice take_text(struct cursor *c)
{
	struct slice text = cursor_take_until(c, '\0');

	cursor_skip(c, 1);
	return text;
}

static void trace_is_one_field(struct cursor c)
{
	struct received received = {
	    .protocol = (unsigned)cursor_next(&c) & 31, .date = {855889374, -210}
        };
	struct buf out = buf_with_limit(RECEIVED_MAX);
	struct cursor lines;

	received.helo = take_text(&c);
	received.client_name = take_text(&c);
	received.client_address = take_text(&c);
	received.by = take_text(&c);
	received.id = take_text(&c);
	received.tls = take_text(&c);
	received.recipient = take_text(&c);
	received.comment = take_text(&c);
	REQUIRE(received_write(&received, &out));
	REQUIRE(header_end(buf_slice(&out)) == out.len);
	REQUIRE(header_count(buf_slice(&out), SLICE("Received")) == 1);
	lines = cursor_over(buf_slice(&out));
	while (!cursor_done(&lines)) {
		REQUIRE(cursor_take_until(&lines, '\n').len <= HEADER_LINE_MAX);
		cursor_skip(&lines, 1);
		REQUIRE(cursor_done(&lines) || octet_is_space(cursor_peek(&lines)));
	}
	buf_free(&out);
}

static void report_has_three_parts(struct cursor c)
{
	int choices = cursor_next(&c);
	struct dsn_recipient recipient = {
	    .action = (enum dsn_action)(choices < 0 ? 0 : choices % 5),
	    .is_smtp_reply = choices & 32,
	    .retry_until = choices,
	    .last_attempt = choices,
	};
	struct dsn dsn = {
	    .reporting_mta = SLICE("mail.example.org"),
	    .to = SLICE("alice@example.org"),
	    .id = SLICE("3QK7"),
	    .recipients = &recipient,
	    .recipient_count = 1,
	    .return_full = choices & 64,
	};
	struct buf out = buf_with_limit(OUTPUT_MAX);
	struct mime mime;
	struct slice status;

	recipient.address = take_text(&c);
	recipient.original_recipient = take_text(&c);
	recipient.status = take_text(&c);
	recipient.diagnostic = take_text(&c);
	recipient.remote_mta = take_text(&c);
	dsn.envelope_id = take_text(&c);
	dsn.queue_id = take_text(&c);
	dsn.message = cursor_rest(&c);
	REQUIRE(dsn_write(&dsn, &out));
	REQUIRE(mime_parse(buf_slice(&out), &mime));
	REQUIRE(mime.count >= 4 && mime.parts[1].next == 2 && mime.parts[2].next == 3);
	REQUIRE(mime.parts[3].next == MIME_NO_PART);
	status = mime_body(&mime, &mime.parts[2]);
	status = slice_from(status, header_end(status));
	REQUIRE(header_count(status, SLICE("Action")) == 1);
	mime_free(&mime);
	buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	trace_is_one_field(cursor_over(slice_of(data, size)));
	report_has_three_parts(cursor_over(slice_of(data, size)));
	return 0;
}
