/*
 * dsn.c - the report as a message: its header, its three parts, the machine's account.
 */
#include "message/dsn.h"

#include <stdio.h>

#include "message/address.h"
#include "message/dsn_text.h"
#include "message/encoding.h"
#include "message/header.h"
#include "message/lines.h"

enum {
	BOUNDARY_MAX = 64,
	BOUNDARY_TRIES = 1000,
	VALUE_MAX = 2 * DSN_TEXT_MAX,
};

struct report {
	const struct dsn *dsn;
	struct buf *out;
	char boundary[BOUNDARY_MAX];
	bool is_utf8; /* the forms of RFC 6533 */
};

const char *dsn_action_name(enum dsn_action action)
{
	static const char *const names[] = {
	    [DSN_FAILED] = "failed",
	    [DSN_DELAYED] = "delayed",
	    [DSN_DELIVERED] = "delivered",
	    [DSN_RELAYED] = "relayed",
	    [DSN_EXPANDED] = "expanded",
	};

	return names[action];
}

static size_t shown_recipients(const struct dsn *dsn)
{
	return dsn->recipient_count < DSN_RECIPIENTS_MAX ? dsn->recipient_count
							 : DSN_RECIPIENTS_MAX;
}

/* As many whole fields as DSN_HEADER_MAX takes. */
static struct slice returned_header(struct slice message)
{
	struct header_walk walk = header_walk_over(message);
	struct header_field field;
	size_t len = 0;

	while (header_next(&walk, &field) && walk.at <= DSN_HEADER_MAX)
		len = walk.at;
	return slice_part(message, 0, len);
}

static struct slice returned(const struct dsn *dsn)
{
	return dsn->return_full ? dsn->message : returned_header(dsn->message);
}

static bool needs_utf8(const struct dsn *dsn)
{
	if (!is_ascii(dsn->to) || (dsn->smtputf8 && !is_ascii(returned(dsn))))
		return true;
	for (size_t i = 0; i < shown_recipients(dsn); i++)
		if (!is_ascii(dsn->recipients[i].address) ||
		    !is_ascii(dsn->recipients[i].original_recipient))
			return true;
	return false;
}

/* ---- fields ------------------------------------------------------------- */

/* "Name: type; text", nothing where the text is empty.  Seven bits unless the report is UTF-8. */
static void write_typed(
    struct report *report, const char *name, const char *type, struct slice text)
{
	struct buf value = buf_with_limit(VALUE_MAX);

	if (text.len == 0)
		return;
	buf_append_string(&value, type);
	for (size_t i = 0; i < text.len && i < DSN_TEXT_MAX; i++) {
		bool is_eight_bit = (unsigned char)text.data[i] > 127;

		buf_append_octet(&value, is_eight_bit && !report->is_utf8 ? '?' : text.data[i]);
	}
	header_write(report->out, name, buf_slice(&value));
	buf_free(&value);
}

static void write_date_field(struct report *report, const char *name, struct date date)
{
	struct buf value = buf_with_limit(DATE_TEXT_MAX);

	if (date_write(&date, &value))
		header_write(report->out, name, buf_slice(&value));
	buf_free(&value);
}

/* Whether an interval or a moment was asked for: it is this moment. */
static void write_release(struct report *report, int64_t seconds)
{
	const struct date date = {seconds, 0};
	struct buf value = buf_with_limit(DATE_TEXT_MAX);

	if (date_write_timestamp(&date, &value))
		write_typed(report, "Future-Release-Request", "until;", buf_slice(&value));
	buf_free(&value);
}

static void write_seconds_field(struct report *report, const char *name, int64_t seconds)
{
	if (seconds != 0)
		write_date_field(
		    report, name, (struct date){seconds, report->dsn->date.zone_minutes});
}

/* ---- the header --------------------------------------------------------- */

static void write_mailer_daemon(struct report *report)
{
	struct buf address = buf_with_limit(VALUE_MAX), value = buf_with_limit(VALUE_MAX);

	buf_append_string(&address, "MAILER-DAEMON@");
	buf_append_slice(&address, report->dsn->reporting_mta);
	header_append_mailbox(&value, SLICE("Mail Delivery System"), buf_slice(&address));
	write_typed(report, "From", "", buf_slice(&value));
	buf_free(&address);
	buf_free(&value);
}

/* "<id@host>" of the report, and by the original's, where it is a reply. */
static void write_message_ids(struct report *report)
{
	struct buf id = buf_with_limit(VALUE_MAX);
	struct header_field field;
	struct slice original;

	buf_append_octet(&id, '<');
	buf_append_slice(&id, report->dsn->id);
	buf_append_octet(&id, '@');
	buf_append_slice(&id, report->dsn->reporting_mta);
	buf_append_octet(&id, '>');
	write_typed(report, "Message-ID", "", buf_slice(&id));
	buf_free(&id);
	if (header_find(report->dsn->message, SLICE("Message-ID"), &field)) {
		struct cursor c = cursor_over(field.value);

		if (header_next_message_id(&c, &original) && original.len <= HEADER_LINE_MAX / 2) {
			write_typed(report, "In-Reply-To", "", original);
			write_typed(report, "References", "", original);
		}
	}
}

static void write_header(struct report *report)
{
	struct buf type = buf_with_limit(VALUE_MAX);

	write_date_field(report, "Date", report->dsn->date);
	write_mailer_daemon(report);
	write_typed(report, "To", "", report->dsn->to);
	write_typed(report, "Subject", "", slice_string(dsn_subject(report->dsn)));
	write_message_ids(report);
	buf_append_string(report->out, "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n");
	buf_printf(&type, "multipart/report; report-type=delivery-status; boundary=\"%s\"",
	    report->boundary);
	header_write(report->out, "Content-Type", buf_slice(&type));
	buf_free(&type);
	buf_append_string(report->out, "\r\n");
}

/* ---- the parts ---------------------------------------------------------- */

static void start_part(
    struct report *report, const char *type, const char *description, bool is_eight_bit)
{
	buf_printf(report->out, "--%s\r\n", report->boundary);
	header_write(report->out, "Content-Description", slice_string(description));
	header_write(report->out, "Content-Type", slice_string(type));
	buf_printf(
	    report->out, "Content-Transfer-Encoding: %s\r\n\r\n", is_eight_bit ? "8bit" : "7bit");
}

static void write_text_part(struct report *report)
{
	struct buf text = buf_with_limit(report->out->limit);

	if (!dsn_write_text(report->dsn, &text))
		report->out->overflowed = true;
	start_part(
	    report, "text/plain; charset=utf-8", "What happened", !is_ascii(buf_slice(&text)));
	buf_append_slice(report->out, buf_slice(&text));
	buf_append_string(report->out, "\r\n");
	buf_free(&text);
}

/* RFC 6533, 3: an address that is not ASCII is of type utf-8, and escaped in its own way. */
static void write_utf8_address(
    struct report *report, const char *name, const char *type, struct slice address)
{
	struct buf encoded = buf_with_limit(VALUE_MAX);

	if (utf8_address_encode(address, report->is_utf8, &encoded))
		write_typed(report, name, type, buf_slice(&encoded));
	else
		write_typed(report, name, type, address);
	buf_free(&encoded);
}

static void write_recipient_fields(struct report *report, const struct dsn_recipient *recipient)
{
	struct slice original = recipient->original_recipient;
	struct slice utf8 = SLICE("utf-8;");

	buf_append_string(report->out, "\r\n");
	if (slice_starts_with_nocase(original, utf8))
		write_utf8_address(
		    report, "Original-Recipient", "utf-8;", slice_from(original, utf8.len));
	else
		write_typed(report, "Original-Recipient", "", original);
	if (is_ascii(recipient->address))
		write_typed(report, "Final-Recipient", "rfc822; ", recipient->address);
	else
		write_utf8_address(report, "Final-Recipient", "utf-8; ", recipient->address);
	write_typed(report, "Action", "", slice_string(dsn_action_name(recipient->action)));
	write_typed(report, "Status", "", dsn_status(recipient));
	write_typed(report, "Remote-MTA", "dns; ", recipient->remote_mta);
	write_typed(report, "Diagnostic-Code", recipient->is_smtp_reply ? "smtp; " : "x-petrel; ",
	    recipient->diagnostic);
	write_seconds_field(report, "Last-Attempt-Date", recipient->last_attempt);
	if (recipient->action == DSN_DELAYED)
		write_seconds_field(report, "Will-Retry-Until", recipient->retry_until);
}

static void write_status_part(struct report *report)
{
	const struct dsn *dsn = report->dsn;

	start_part(report,
	    report->is_utf8 ? "message/global-delivery-status" : "message/delivery-status",
	    "Delivery report", report->is_utf8);
	write_typed(report, "Reporting-MTA", "dns; ", dsn->reporting_mta);
	write_typed(report, "Original-Envelope-Id", "", dsn->envelope_id);
	write_typed(report, "X-Petrel-Queue-ID", "", dsn->queue_id);
	if (dsn->arrival.seconds != 0)
		write_date_field(report, "Arrival-Date", dsn->arrival);
	if (dsn->release != 0)
		write_release(report, dsn->release);
	for (size_t i = 0; i < shown_recipients(dsn) && !report->out->overflowed; i++)
		write_recipient_fields(report, &dsn->recipients[i]);
	buf_append_string(report->out, "\r\n");
}

static void write_original_part(struct report *report)
{
	const struct dsn *dsn = report->dsn;
	struct slice original = returned(dsn);
	struct line_state state = {0};
	const char *type;

	if (dsn->return_full)
		type = report->is_utf8 ? "message/global" : "message/rfc822";
	else
		type = report->is_utf8 ? "message/global-headers" : "text/rfc822-headers";
	start_part(report, type, dsn->return_full ? "Your message" : "Header of your message",
	    !is_ascii(original));
	lines_to_crlf(original, &state, report->out);
	/* Its last line end is its own; one more belongs to the delimiter. */
	if (!slice_ends_with(original, SLICE("\n")))
		buf_append_string(report->out, "\r\n");
	buf_append_string(report->out, "\r\n");
}

/* Does any text that we were given hold this one?  A long one may be folded, and any of its words begin a line. */
static bool is_told(const struct dsn *dsn, struct slice text)
{
	const struct slice texts[] = {dsn->reporting_mta, dsn->to, dsn->envelope_id, dsn->queue_id, dsn->message};

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		if (slice_search(texts[i], text) >= 0)
			return true;
	for (size_t i = 0; i < dsn->recipient_count; i++) {
		const struct dsn_recipient *r = &dsn->recipients[i];

		if (slice_search(r->address, text) >= 0 ||
		    slice_search(r->original_recipient, text) >= 0 ||
		    slice_search(r->diagnostic, text) >= 0 || slice_search(r->remote_mta, text) >= 0)
			return true;
	}
	return false;
}

/* A boundary made of the report's identifier, and in nothing that it tells. */
static bool choose_boundary(struct report *report)
{
	char id[BOUNDARY_MAX / 2];
	size_t len = 0;

	for (size_t i = 0; i < report->dsn->id.len && len < sizeof(id) - 1; i++)
		if (octet_is_alnum((unsigned char)report->dsn->id.data[i]))
			id[len++] = report->dsn->id.data[i];
	id[len] = '\0';
	for (int i = 0; i < BOUNDARY_TRIES; i++) {
		snprintf(report->boundary, sizeof(report->boundary), "=_%s_%d", id, i);
		if (!is_told(report->dsn, slice_string(report->boundary)))
			return true;
	}
	return false;
}

bool dsn_write(const struct dsn *dsn, struct buf *out)
{
	struct report report = {.dsn = dsn, .out = out, .is_utf8 = needs_utf8(dsn)};

	/* Nothing is ever reported to the null sender (RFC 5321, 6.1). */
	if (dsn->to.len == 0 || !choose_boundary(&report))
		return false;
	write_header(&report);
	write_text_part(&report);
	write_status_part(&report);
	write_original_part(&report);
	buf_printf(out, "--%s--\r\n", report.boundary);
	return !out->overflowed;
}
