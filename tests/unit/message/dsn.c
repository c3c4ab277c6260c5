/* What dsn.h promises. */
#include <criterion/criterion.h>

#include "message/dsn.h"
#include "message/header.h"
#include "message/imap_text.h"
#include "message/mime.h"

static const char original[] =
    "From: alice@a.test\nTo: bob@b.test\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\n"
    "Message-ID: <x@a.test>\n\nsecret body\n";

static struct dsn_recipient recipient;
static struct dsn dsn;
static struct buf out;
static struct mime mime;

static void setup(void)
{
	recipient = (struct dsn_recipient){
	    .address = SLICE("bob@b.test"),
	    .original_recipient = SLICE("rfc822;Bob@b.test"),
	    .action = DSN_FAILED,
	    .status = SLICE("5.1.1"),
	    .diagnostic = SLICE("550 5.1.1 No such user here"),
	    .is_smtp_reply = true,
	    .remote_mta = SLICE("mx.b.test"),
	    .last_attempt = 855889374,
	};
	dsn = (struct dsn){
	    .reporting_mta = SLICE("mail.a.test"),
	    .to = SLICE("alice@a.test"),
	    .id = SLICE("3QK7ABCD"),
	    .date = {855889374, -210},
	    .envelope_id = SLICE("QQ314159"),
	    .queue_id = SLICE("3QK6ZZZZ"),
	    .arrival = {855889000, 0   },
	    .release = 855889060,
	    .message = SLICE(original),
	    .recipients = &recipient,
	    .recipient_count = 1,
	};
	out = buf_with_limit(1 << 22);
	mime = (struct mime){0};
}

static void teardown(void)
{
	mime_free(&mime);
	buf_free(&out);
}

TestSuite(dsn, .init = setup, .fini = teardown);

static void write_and_parse(void)
{
	mime_free(&mime);
	buf_clear(&out);
	cr_assert(dsn_write(&dsn, &out));
	cr_assert(mime_parse(buf_slice(&out), &mime));
	cr_assert_geq(mime.count, 4);
	cr_assert(mime_is(&mime.parts[0], SLICE("multipart"), SLICE("report")));
}

static void assert_field(struct slice header, const char *name, const char *value)
{
	struct buf line = buf_with_limit(4096);
	struct header_field field;

	cr_assert(header_find(header, slice_string(name), &field), "%s is missing", name);
	header_unfold(field.value, &line);
	cr_expect(slice_equal(buf_slice(&line), slice_string(value)), "%s: %.*s", name,
	    SLICE_PRINTF(buf_slice(&line)));
	buf_free(&line);
}

/* The fields about the recipient: what follows the empty line in the status part. */
static struct slice recipient_fields(void)
{
	struct slice status = mime_body(&mime, &mime.parts[2]);

	return slice_from(status, header_end(status));
}

static bool text_says(const char *words)
{
	struct slice text = mime_body(&mime, &mime.parts[1]);
	struct buf line = buf_with_limit(1 << 16);
	bool says;

	/* However it was wrapped. */
	for (size_t i = 0; i < text.len; i++)
		if (!strchr("\r\n ", text.data[i]) ||
		    (line.len > 0 && line.data[line.len - 1] != ' '))
			buf_append_octet(&line, strchr("\r\n ", text.data[i]) ? ' ' : text.data[i]);
	says = slice_search(buf_slice(&line), slice_string(words)) >= 0;
	buf_free(&line);
	return says;
}

Test(dsn, a_report_has_the_header_of_a_report)
{
	struct slice header;

	write_and_parse();
	header = mime_header(&mime, &mime.parts[0]);
	assert_field(header, "From", "Mail Delivery System <MAILER-DAEMON@mail.a.test>");
	assert_field(header, "To", "alice@a.test");
	assert_field(header, "Date", "Thu, 13 Feb 1997 23:32:54 -0330");
	assert_field(header, "Message-ID", "<3QK7ABCD@mail.a.test>");
	assert_field(header, "In-Reply-To", "<x@a.test>");
	assert_field(header, "Auto-Submitted", "auto-replied");
	assert_field(header, "Subject", "Your message could not be delivered");
	assert_field(header, "MIME-Version", "1.0");
	cr_assert(
	    slice_equal(mime_parameter_find(&mime.parts[0].parameters, SLICE("report-type"))->value,
		SLICE("delivery-status")));
}

Test(dsn, the_machines_account_is_that_of_rfc_3464)
{
	struct slice status;

	write_and_parse();
	cr_assert(mime_is(&mime.parts[2], SLICE("message"), SLICE("delivery-status")));
	status = mime_body(&mime, &mime.parts[2]);
	assert_field(status, "Reporting-MTA", "dns; mail.a.test");
	assert_field(status, "Original-Envelope-Id", "QQ314159");
	assert_field(status, "Arrival-Date", "Fri, 14 Feb 1997 02:56:40 +0000");
	assert_field(status, "Future-Release-Request", "until;1997-02-14T02:57:40Z");
	status = recipient_fields();
	assert_field(status, "Original-Recipient", "rfc822;Bob@b.test");
	assert_field(status, "Final-Recipient", "rfc822; bob@b.test");
	assert_field(status, "Action", "failed");
	assert_field(status, "Status", "5.1.1");
	assert_field(status, "Remote-MTA", "dns; mx.b.test");
	assert_field(status, "Diagnostic-Code", "smtp; 550 5.1.1 No such user here");
	assert_field(status, "Last-Attempt-Date", "Thu, 13 Feb 1997 23:32:54 -0330");
}

Test(dsn, the_text_says_what_happened_to_whom_why_and_what_to_do)
{
	write_and_parse();
	cr_assert(mime_is(&mime.parts[1], SLICE("text"), SLICE("plain")));
	cr_assert(text_says("Your message could not be delivered to the following recipients"));
	cr_assert(text_says("bob@b.test"));
	cr_assert(text_says("The mail server mx.b.test said: 550 5.1.1 No such user here"));
	cr_assert(text_says("Check the address for typing mistakes"));
	cr_assert(text_says("Subject: Gr\303\274\303\237e"));
	cr_assert(text_says("postmaster@mail.a.test (our name for your message is 3QK6ZZZZ)."));
}

Test(dsn, a_delay_is_told_as_no_failure)
{
	recipient.action = DSN_DELAYED;
	recipient.status = SLICE("4.4.1");
	recipient.retry_until = 856889374;
	write_and_parse();
	assert_field(buf_slice(&out), "Subject", "Your message is delayed");
	assert_field(recipient_fields(), "Action", "delayed");
	assert_field(recipient_fields(), "Will-Retry-Until", "Tue, 25 Feb 1997 13:19:34 -0330");
	cr_assert(text_says("We go on trying until Tue, 25 Feb 1997"));
	cr_assert(text_says("You need not send it again."));
	cr_assert_not(text_says("given up"));
}

Test(dsn, success_is_told_without_advice)
{
	recipient.action = DSN_DELIVERED;
	recipient.status = SLICE("");
	write_and_parse();
	assert_field(buf_slice(&out), "Subject", "Your message was delivered");
	assert_field(recipient_fields(), "Status", "2.0.0");
	cr_assert_not(text_says("said:"));
}

Test(dsn, the_header_is_returned_and_the_body_only_if_asked_for)
{
	write_and_parse();
	cr_assert(mime_is(&mime.parts[3], SLICE("text"), SLICE("rfc822-headers")));
	cr_assert(slice_search(buf_slice(&out), SLICE("secret body")) < 0);
	assert_field(mime_body(&mime, &mime.parts[3]), "Message-ID", "<x@a.test>");
	dsn.return_full = true;
	write_and_parse();
	cr_assert_eq(mime.parts[3].kind, MIME_MESSAGE);
	cr_assert(
	    slice_ends_with(mime_body(&mime, &mime.parts[3]), SLICE("\r\n\r\nsecret body\r\n")));
}

Test(dsn, an_endless_header_is_returned_in_part)
{
	struct buf message = buf_with_limit(1 << 20);

	for (int i = 0; i < 3000; i++)
		buf_printf(&message, "X-Field-%d: this is one of very many fields\n", i);
	dsn.message = buf_slice(&message);
	write_and_parse();
	cr_assert_leq(out.len, DSN_HEADER_MAX + 8192);
	cr_assert_gt(out.len, DSN_HEADER_MAX);
	buf_free(&message);
}

Test(dsn, addresses_beyond_ascii_take_the_forms_of_rfc_6533)
{
	recipient.address = SLICE("j\303\274rgen@b.test");
	write_and_parse();
	cr_assert(mime_is(&mime.parts[2], SLICE("message"), SLICE("global-delivery-status")));
	cr_assert(mime_is(&mime.parts[3], SLICE("message"), SLICE("global-headers")));
	assert_field(recipient_fields(), "Final-Recipient", "utf-8; j\303\274rgen@b.test");
}

Test(dsn, addresses_of_type_utf8_are_escaped_as_rfc_6533_has_it)
{
	recipient.original_recipient = SLICE("utf-8;j\303\274rgen+x@b.test");
	write_and_parse();
	assert_field(recipient_fields(), "Original-Recipient", "utf-8;j\303\274rgen\\x{2B}x@b.test");
	assert_field(recipient_fields(), "Final-Recipient", "rfc822; bob@b.test");
	cr_assert(mime_is(&mime.parts[2], SLICE("message"), SLICE("global-delivery-status")));
}

Test(dsn, a_header_that_is_utf8_is_returned_as_such)
{
	dsn.message = SLICE("Subject: Gr\303\266\303\237e\n");
	write_and_parse();
	cr_assert(mime_is(&mime.parts[3], SLICE("text"), SLICE("rfc822-headers")));
	dsn.smtputf8 = true;
	write_and_parse();
	cr_assert(mime_is(&mime.parts[2], SLICE("message"), SLICE("global-delivery-status")));
	cr_assert(mime_is(&mime.parts[3], SLICE("message"), SLICE("global-headers")));
	dsn.return_full = true;
	write_and_parse();
	cr_assert(mime_is(&mime.parts[3], SLICE("message"), SLICE("global")));
}

Test(dsn, eight_bit_words_of_the_other_side_do_not_make_the_account_eight_bit)
{
	recipient.diagnostic = SLICE("550 \303\251 \377");
	write_and_parse();
	assert_field(recipient_fields(), "Diagnostic-Code", "smtp; 550 ?? ?");
	cr_assert(text_says("550 \303\251 ?"));
}

Test(dsn, what_the_other_side_says_cannot_forge_the_report)
{
	recipient.diagnostic =
	    SLICE("550 no\r\n\r\n--=_3QK7ABCD_0--\r\nFinal-Recipient: x\r\n\r\n\0");
	recipient.remote_mta = SLICE("mx\r\nX-Forged: y");
	dsn.envelope_id = SLICE("x\r\n\r\nFinal-Recipient: rfc822; z");
	write_and_parse();
	cr_assert_eq(mime.count, 4);
	cr_assert_eq(header_count(recipient_fields(), SLICE("Final-Recipient")), 1);
	cr_assert_eq(header_count(recipient_fields(), SLICE("X-Forged")), 0);
}

Test(dsn, the_original_cannot_end_its_part)
{
	dsn.message = SLICE("Subject: x\n--=_3QK7ABCD_0--\n--=_3QK7ABCD_1\n");
	write_and_parse();
	cr_assert_eq(mime.count, 4);
	cr_assert(slice_search(mime_body(&mime, &mime.parts[3]), SLICE("--=_3QK7ABCD_1")) >= 0);
}

Test(dsn, no_text_ends_a_part_when_it_is_folded)
{
	char text[200];

	/* Somewhere in this range the word between has a line of its own. */
	for (int length = 1; length < 80; length++) {
		snprintf(text, sizeof text, "%0*d --=_3QK7ABCD_0-- %070d", length, 0, 0);
		dsn.queue_id = slice_string(text);
		write_and_parse();
		cr_assert_eq(mime.count, 4, "after %d octets", length);
	}
}

Test(dsn, nothing_is_reported_to_the_null_sender)
{
	dsn.to = SLICE("");
	cr_assert_not(dsn_write(&dsn, &out));
	cr_assert_eq(out.len, 0);
}

Test(dsn, what_is_no_status_code_is_not_shown_as_one)
{
	static const char *const malformed[] = {
	    "", "5", "5.1", "6.1.1", "5.1.1.1", "5.1234.1", "5..1", "x"};

	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
		recipient.status = slice_string(malformed[i]);
		write_and_parse();
		assert_field(recipient_fields(), "Status", "5.0.0");
	}
}

Test(dsn, recipients_beyond_the_limit_are_told_as_a_number)
{
	static struct dsn_recipient many[DSN_RECIPIENTS_MAX + 7];

	for (size_t i = 0; i < DSN_RECIPIENTS_MAX + 7; i++)
		many[i] = recipient;
	dsn.recipients = many;
	dsn.recipient_count = DSN_RECIPIENTS_MAX + 7;
	write_and_parse();
	cr_assert(slice_search(buf_slice(&out), SLICE("There are 7 more recipients")) >= 0);
}

Test(dsn, lines_stay_below_the_limit_of_smtp)
{
	char text[3000];
	struct cursor c;

	memset(text, 'x', sizeof(text));
	recipient.diagnostic = slice_of(text, sizeof(text));
	recipient.remote_mta = recipient.diagnostic;
	recipient.address = recipient.diagnostic;
	write_and_parse();
	c = cursor_over(buf_slice(&out));
	while (!cursor_done(&c)) {
		cr_assert_leq(cursor_take_until(&c, '\n').len, HEADER_LINE_MAX + 1);
		cursor_skip(&c, 1);
	}
}
