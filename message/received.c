/*
 * received.c - the trace field, from texts that nobody vouches for.
 */
#include "message/received.h"

#include "message/encoding.h"
#include "message/header.h"

enum { TAB_COLUMNS = 8, NAME_COLUMNS = sizeof("Received:") - 1 };

const char *received_protocol_name(unsigned protocol)
{
	static const char *const smtp[] = {"ESMTP", "ESMTPS", "ESMTPA", "ESMTPSA"};
	static const char *const lmtp[] = {"LMTP", "LMTPS", "LMTPA", "LMTPSA"};
	static const char *const utf8_smtp[] = {"UTF8SMTP", "UTF8SMTPS", "UTF8SMTPA", "UTF8SMTPSA"};
	static const char *const utf8_lmtp[] = {"UTF8LMTP", "UTF8LMTPS", "UTF8LMTPA", "UTF8LMTPSA"};
	unsigned security = (protocol & RECEIVED_TLS ? 1 : 0) | (protocol & RECEIVED_AUTH ? 2 : 0);
	bool is_utf8 = protocol & RECEIVED_UTF8;

	if (protocol & RECEIVED_LMTP)
		return is_utf8 ? utf8_lmtp[security] : lmtp[security];
	if (!(protocol & RECEIVED_EXTENDED))
		return "SMTP";
	return is_utf8 ? utf8_smtp[security] : smtp[security];
}

/* The field as it grows, in pieces that are never broken within. */
struct trace {
	struct buf *out;
	size_t column;
	bool takes_utf8;
};

/*
 * A blank, or a fold where the line would grow too long or `own_line` wants one.  The
 * name never stands alone on its line: some readers take that for an empty field.
 */
static void separate(struct trace *trace, size_t len, bool own_line)
{
	bool is_too_long = trace->column + 1 + len > HEADER_LINE_WANTED;

	if (own_line || (is_too_long && trace->column > NAME_COLUMNS)) {
		buf_append_string(trace->out, "\r\n\t");
		trace->column = TAB_COLUMNS;
	} else {
		buf_append_octet(trace->out, ' ');
		trace->column++;
	}
	trace->column += len;
}

static void add_piece(struct trace *trace, struct slice piece, bool own_line)
{
	separate(trace, piece.len, own_line);
	buf_append_slice(trace->out, piece);
}

/* Append octets of `text`, '?' for those of `forbidden` and all that is not printable. */
static void append_clean(
    const struct trace *trace, struct buf *piece, struct slice text, const char *forbidden)
{
	bool takes_utf8 = trace->takes_utf8 && utf8_is_valid(text);

	for (size_t i = 0; i < text.len && i < RECEIVED_WORD_MAX; i++) {
		int c = (unsigned char)text.data[i];
		bool is_fine =
		    c > 127 ? takes_utf8 : c >= ' ' && c != 0x7f && strchr(forbidden, c) == NULL;

		buf_append_octet(piece, is_fine ? (char)c : '?');
	}
}

/* What would end or nest a comment, or be taken for the next clause. */
static const char no_word[] = " ()<>;,\"\\";
static const char no_comment[] = "()\\";

static void add_word(struct trace *trace, const char *clause, struct slice word, bool own_line)
{
	struct buf piece = buf_with_limit(RECEIVED_MAX);

	buf_printf(&piece, "%s ", clause);
	append_clean(trace, &piece, word, no_word);
	add_piece(trace, buf_slice(&piece), own_line);
	buf_free(&piece);
}

static void add_comment(struct trace *trace, struct slice text)
{
	struct buf piece = buf_with_limit(RECEIVED_MAX);

	buf_append_octet(&piece, '(');
	append_clean(trace, &piece, text, no_comment);
	buf_append_octet(&piece, ')');
	add_piece(trace, buf_slice(&piece), false);
	buf_free(&piece);
}

/* "(mail.example.net [192.0.2.1])": what we saw, beside what we were told. */
static void add_client(struct trace *trace, struct slice name, struct slice address)
{
	struct buf piece = buf_with_limit(RECEIVED_MAX);

	buf_append_octet(&piece, '(');
	append_clean(trace, &piece, name.len == 0 ? SLICE("unknown") : name, no_word);
	buf_append_string(&piece, slice_find(address, 0, ':') >= 0 ? " [IPv6:" : " [");
	append_clean(trace, &piece, address, no_word);
	buf_append_string(&piece, "])");
	add_piece(trace, buf_slice(&piece), false);
	buf_free(&piece);
}

static void add_recipient(struct trace *trace, struct slice recipient)
{
	struct buf piece = buf_with_limit(RECEIVED_MAX);

	buf_append_string(&piece, "for <");
	append_clean(trace, &piece, recipient, "<>");
	buf_append_string(&piece, ">");
	add_piece(trace, buf_slice(&piece), true);
	buf_free(&piece);
}

static void add_priority(struct trace *trace, int priority)
{
	struct buf piece = buf_with_limit(RECEIVED_WORD_MAX);

	buf_printf(&piece, "PRIORITY %d", priority);
	add_piece(trace, buf_slice(&piece), false);
	buf_free(&piece);
}

static void add_date(struct trace *trace, const struct date *date)
{
	struct buf piece = buf_with_limit(DATE_TEXT_MAX);
	const struct date epoch = {0};

	buf_append_octet(trace->out, ';');
	trace->column++;
	/* A clock gone mad must not keep mail out. */
	if (!date_write(date, &piece))
		date_write(&epoch, &piece);
	add_piece(trace, buf_slice(&piece), false);
	buf_free(&piece);
}

bool received_write(const struct received *received, struct buf *out)
{
	struct trace trace = {out, NAME_COLUMNS, received->protocol & RECEIVED_UTF8};
	bool has_client = received->helo.len > 0 || received->client_address.len > 0;

	buf_append_string(out, "Received:");
	if (has_client)
		add_word(&trace, "from",
		    received->helo.len == 0 ? SLICE("unknown") : received->helo, false);
	if (received->client_address.len > 0)
		add_client(&trace, received->client_name, received->client_address);
	add_word(&trace, "by", received->by, has_client);
	if (!has_client && received->comment.len > 0)
		add_comment(&trace, received->comment);
	if (has_client)
		add_word(&trace, "with", slice_string(received_protocol_name(received->protocol)),
		    false);
	add_word(&trace, "id", received->id, false);
	if (received->tls.len > 0)
		add_comment(&trace, received->tls);
	if (received->priority != 0)
		add_priority(&trace, received->priority);
	/* Half an address is worse than none. */
	if (received->recipient.len > 0 && received->recipient.len <= RECEIVED_WORD_MAX)
		add_recipient(&trace, received->recipient);
	add_date(&trace, &received->date);
	buf_append_string(out, "\r\n");
	return !out->overflowed;
}
