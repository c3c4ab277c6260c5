/*
 * dsn_text.c - the part of a report that a person reads.
 *
 * It is for somebody who knows what an e-mail is and nothing of SMTP: what
 * happened comes first, then for each recipient what the other side said, in
 * its own words, and what can be done about it.
 */
#include "message/dsn_text.h"

#include "message/charset.h"
#include "message/encoding.h"
#include "message/header.h"

enum {
	TEXT_COLUMNS = 72,
	WORD_OCTETS_MAX = 400, /* a longer word is broken: no line may reach 998 octets */
	STATUS_DIGITS_MAX = 3,
};

/* ---- wrapped paragraphs ------------------------------------------------- */

struct paragraph {
	struct buf *out;
	size_t indent;
	size_t column; /* 0: nothing on the line yet */
};

static void start_line(struct paragraph *p)
{
	for (size_t i = 0; i < p->indent; i++)
		buf_append_octet(p->out, ' ');
	p->column = p->indent;
}

static void put_word(struct paragraph *p, struct slice word, size_t columns)
{
	if (p->column > p->indent && p->column + 1 + columns > TEXT_COLUMNS) {
		buf_append_string(p->out, "\r\n");
		p->column = 0;
	}
	if (p->column == 0) {
		start_line(p);
	} else {
		buf_append_octet(p->out, ' ');
		p->column++;
	}
	buf_append_slice(p->out, word);
	p->column += columns;
}

static size_t columns_of(struct slice word)
{
	struct cursor c = cursor_over(word);
	size_t columns = 0;

	while (utf8_next(&c) != -1)
		columns++;
	return columns;
}

/* Words from anywhere: what is not text separates them or becomes '?'. */
static void put_words(struct paragraph *p, struct slice text)
{
	struct buf word = buf_with_limit(WORD_OCTETS_MAX + 4);
	struct cursor c = cursor_over(text);
	int32_t code_point;

	do {
		const char *start = c.at;
		bool is_end = false;

		code_point = utf8_next(&c);
		if (code_point == -2)
			buf_append_octet(&word, '?');
		else if (code_point > ' ' && (code_point < 0x7f || code_point > 0x9f))
			buf_append_slice(&word, cursor_since(&c, start));
		else
			is_end = true;
		if (word.len > 0 && (is_end || word.len >= WORD_OCTETS_MAX)) {
			put_word(p, buf_slice(&word), columns_of(buf_slice(&word)));
			buf_clear(&word);
		}
	} while (code_point != -1);
	buf_free(&word);
}

static void end_paragraph(struct paragraph *p)
{
	buf_append_string(p->out, "\r\n");
	p->column = 0;
}

static void write_paragraph(struct buf *out, size_t indent, struct slice text)
{
	struct paragraph p = {out, indent, 0};

	put_words(&p, text);
	end_paragraph(&p);
}

static void write_blank_line(struct buf *out)
{
	buf_append_string(out, "\r\n");
}

/* ---- status codes in plain words ---------------------------------------- */

static bool take_status_number(struct cursor *c)
{
	size_t digits = 0;

	while (octet_is_digit(cursor_peek(c)) && digits < STATUS_DIGITS_MAX) {
		cursor_skip(c, 1);
		digits++;
	}
	return digits > 0;
}

static bool is_status(struct slice status)
{
	struct cursor c = cursor_over(status);

	return (cursor_accept(&c, '2') || cursor_accept(&c, '4') || cursor_accept(&c, '5')) &&
	       cursor_accept(&c, '.') && take_status_number(&c) && cursor_accept(&c, '.') &&
	       take_status_number(&c) && cursor_done(&c);
}

struct slice dsn_status(const struct dsn_recipient *recipient)
{
	if (is_status(recipient->status))
		return recipient->status;
	switch (recipient->action) {
	case DSN_FAILED:
		return SLICE("5.0.0");
	case DSN_DELAYED:
		return SLICE("4.0.0");
	default:
		return SLICE("2.0.0");
	}
}

/* clang-format off */
/* RFC 3463: the first that the status begins with, behind its class, says what to tell. */
static const struct advice {
	struct slice status;
	const char *failed;
	const char *delayed;
} advices[] = {
    {{".1.10", 5}, "The domain of this address does not take mail at all. Check the address.", NULL},
    {{".1.1", 4},
	"There is no such mailbox. Check the address for typing mistakes, or ask the recipient for "
	"the right one in some other way.",
	NULL},
    {{".1.2", 4},
	"The domain of this address (the part after the @) cannot be found. Check it for typing "
	"mistakes.",
	"The domain of this address (the part after the @) cannot be found at the moment."},
    {{".1.", 3}, "Something is wrong with the address. Check it, and send your message again.", NULL},
    {{".2.1", 4}, "The recipient's mailbox is closed.", "The recipient's mailbox is closed for now."},
    {{".2.2", 4},
	"The recipient's mailbox is full. Tell the recipient in some other way, and send your "
	"message again later.",
	"The recipient's mailbox is full at the moment."},
    {{".2.3", 4}, "Your message is too large for this recipient. Send a smaller one.", NULL},
    {{".3.4", 4}, "Your message is too large for the recipient's mail server. Send a smaller one.",
	NULL},
    {{".3.", 3},
	"The recipient's mail server is in trouble. Send your message again later.",
	"The recipient's mail server is in trouble at the moment."},
    {{".4.6", 4},
	"Your message went in circles between mail servers. The recipient's administrator must "
	"repair that.",
	NULL},
    {{".4.7", 4},
	"We tried for as long as we may. Send your message again later, or reach the recipient in "
	"some other way.",
	NULL},
    {{".4.", 3},
	"The recipient's mail server could not be reached. Check the part of the address after "
	"the @, or send your message again later.",
	"The recipient's mail server cannot be reached at the moment."},
    {{".6.", 3},
	"The recipient's mail server cannot take a message of this form. Send it in a simpler one, "
	"as plain text or without its attachments.",
	NULL},
    {{".7.", 3},
	"The recipient's mail server refused your message for reasons of policy; it may have taken "
	"it for spam. If what it said does not help you, reach the recipient in some other way.",
	"The recipient's mail server does not take your message just now, for reasons of policy. That "
	"is common with first messages."},
};
/* clang-format on */

static const char *advice_for(const struct dsn_recipient *recipient)
{
	struct slice detail = slice_from(dsn_status(recipient), 1);

	for (size_t i = 0; i < sizeof(advices) / sizeof(advices[0]); i++) {
		const struct advice *advice = &advices[i];
		bool is_subject = advice->status.data[advice->status.len - 1] == '.';

		if (is_subject ? slice_starts_with(detail, advice->status)
			       : slice_equal(detail, advice->status))
			return recipient->action == DSN_FAILED ? advice->failed : advice->delayed;
	}
	return NULL;
}

/* ---- recipients --------------------------------------------------------- */

static void write_diagnostic(const struct dsn_recipient *recipient, struct buf *out)
{
	struct paragraph p = {out, 4, 0};

	if (recipient->diagnostic.len == 0)
		return;
	if (recipient->remote_mta.len > 0 && recipient->is_smtp_reply) {
		put_words(&p, SLICE("The mail server "));
		put_words(&p, slice_part(recipient->remote_mta, 0, DSN_TEXT_MAX));
		put_words(&p, SLICE("said:"));
	} else {
		put_words(&p, SLICE("The reason:"));
	}
	end_paragraph(&p);
	write_paragraph(out, 8, slice_part(recipient->diagnostic, 0, DSN_TEXT_MAX));
}

static void write_retry_until(
    const struct dsn *dsn, const struct dsn_recipient *recipient, struct buf *out)
{
	struct date until = {recipient->retry_until, dsn->date.zone_minutes};
	struct buf text = buf_with_limit(DSN_TEXT_MAX);

	if (recipient->action != DSN_DELAYED || recipient->retry_until == 0)
		return;
	buf_append_string(&text, "We go on trying until ");
	if (date_write(&until, &text)) {
		buf_append_octet(&text, '.');
		write_paragraph(out, 4, buf_slice(&text));
	}
	buf_free(&text);
}

static void write_recipient(
    const struct dsn *dsn, const struct dsn_recipient *recipient, struct buf *out)
{
	const char *advice = NULL;

	write_blank_line(out);
	write_paragraph(out, 2, slice_part(recipient->address, 0, DSN_TEXT_MAX));
	if (recipient->action == DSN_FAILED || recipient->action == DSN_DELAYED) {
		write_diagnostic(recipient, out);
		advice = advice_for(recipient);
	}
	if (advice != NULL)
		write_paragraph(out, 4, slice_string(advice));
	write_retry_until(dsn, recipient, out);
}

/* ---- the whole ---------------------------------------------------------- */

/* clang-format off */
/* In the order in which they matter to the reader. */
static const struct telling {
	enum dsn_action action;
	const char *subject;
	const char *headline;
	const char *ending;
} tellings[] = {
    {DSN_FAILED, "Your message could not be delivered",
	"Your message could not be delivered to the following recipients, and we have given up "
	"trying:",
	NULL},
    {DSN_DELAYED, "Your message is delayed",
	"Your message has not yet been delivered to the following recipients:",
	"You need not send it again. We will tell you if it cannot be delivered in the end."},
    {DSN_DELIVERED, "Your message was delivered",
	"Your message was put into the mailboxes of the following recipients:", NULL},
    {DSN_RELAYED, "Your message was passed on",
	"Your message was passed on to the mail servers of the following recipients. They do not "
	"promise to tell us what becomes of it:",
	NULL},
    {DSN_EXPANDED, "Your message was passed on to a list",
	"Your message was passed on to the members of the following lists:", NULL},
};
/* clang-format on */

enum { TELLINGS = sizeof(tellings) / sizeof(tellings[0]) };

static size_t shown_recipients(const struct dsn *dsn)
{
	return dsn->recipient_count < DSN_RECIPIENTS_MAX ? dsn->recipient_count
							 : DSN_RECIPIENTS_MAX;
}

static bool has_action(const struct dsn *dsn, enum dsn_action action)
{
	for (size_t i = 0; i < shown_recipients(dsn); i++)
		if (dsn->recipients[i].action == action)
			return true;
	return false;
}

const char *dsn_subject(const struct dsn *dsn)
{
	for (size_t i = 0; i < TELLINGS; i++)
		if (has_action(dsn, tellings[i].action))
			return tellings[i].subject;
	return tellings[0].subject;
}

static void write_telling(const struct dsn *dsn, const struct telling *telling, struct buf *out)
{
	if (!has_action(dsn, telling->action))
		return;
	write_blank_line(out);
	write_paragraph(out, 0, slice_string(telling->headline));
	for (size_t i = 0; i < shown_recipients(dsn); i++)
		if (dsn->recipients[i].action == telling->action)
			write_recipient(dsn, &dsn->recipients[i], out);
	if (telling->ending != NULL) {
		write_blank_line(out);
		write_paragraph(out, 0, slice_string(telling->ending));
	}
}

/* "Subject: ...", so that the reader knows which message is meant. */
static void write_original_field(const struct dsn *dsn, const char *name, struct buf *out)
{
	struct paragraph p = {out, 2, 0};
	struct buf text = buf_with_limit(DSN_TEXT_MAX);
	struct header_field field;

	if (!header_find(dsn->message, slice_string(name), &field))
		return;
	header_decode(slice_part(field.value, 0, DSN_TEXT_MAX / 4), &text);
	put_words(&p, slice_string(name));
	buf_append_octet(out, ':');
	p.column++;
	put_words(&p, buf_slice(&text));
	end_paragraph(&p);
	buf_free(&text);
}

static void write_about(const struct dsn *dsn, struct buf *out)
{
	struct paragraph p = {out, 0, 0};

	write_blank_line(out);
	write_paragraph(out, 0, SLICE("The message in question:"));
	write_blank_line(out);
	write_original_field(dsn, "Subject", out);
	write_original_field(dsn, "To", out);
	write_original_field(dsn, "Date", out);
	write_blank_line(out);
	put_words(
	    &p, SLICE("Its header is attached. If you need help, forward this whole report to"));
	put_words(&p, SLICE("postmaster@"));
	/* The address is one word. */
	buf_append_slice(out, dsn->reporting_mta);
	p.column += dsn->reporting_mta.len;
	if (dsn->queue_id.len > 0) {
		put_words(&p, SLICE("(our name for your message is "));
		put_words(&p, dsn->queue_id);
		buf_append_string(out, ").");
	} else {
		buf_append_octet(out, '.');
	}
	end_paragraph(&p);
}

bool dsn_write_text(const struct dsn *dsn, struct buf *out)
{
	struct paragraph p = {out, 0, 0};

	put_words(&p, SLICE("This is the mail system at"));
	put_words(&p, dsn->reporting_mta);
	buf_append_octet(out, '.');
	end_paragraph(&p);
	for (size_t i = 0; i < TELLINGS; i++)
		write_telling(dsn, &tellings[i], out);
	if (dsn->recipient_count > DSN_RECIPIENTS_MAX) {
		write_blank_line(out);
		buf_printf(out, "There are %zu more recipients that are not told of here.\r\n",
		    dsn->recipient_count - DSN_RECIPIENTS_MAX);
	}
	write_about(dsn, out);
	return !out->overflowed;
}
