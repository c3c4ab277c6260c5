/*
 * fields.c - a message's header, read while it passes, as far as smtpd has to know it.
 */
#include "smtpd/fields.h"

static const struct {
	struct slice name;
	enum field field;
} names[] = {
    {SLICE("Received"),   FIELD_RECEIVED  },
    {SLICE("Date"),       FIELD_DATE      },
    {SLICE("Message-ID"), FIELD_MESSAGE_ID},
    {SLICE("From"),       FIELD_FROM      },
    {SLICE("Sender"),     FIELD_SENDER    },
    {SLICE("Bcc"),        FIELD_BCC       },
    {SLICE("Resent-Bcc"), FIELD_RESENT_BCC},
};

static void begin_line(struct fields *fields)
{
	bool waits = fields->dropped != 0 || fields->keeps_from;

	fields->line_len = 0;
	fields->fate = waits ? LINE_OPEN : LINE_STORED;
}

struct fields fields_none(unsigned dropped, bool keeps_from)
{
	struct fields fields = {
	    .dropped = dropped,
	    .keeps_from = keeps_from,
	    .from = buf_with_limit(FIELDS_FROM_MAX),
	    .starts_with_header = true,
	    .is_first_line = true,
	};

	begin_line(&fields);
	return fields;
}

void fields_free(struct fields *fields)
{
	buf_free(&fields->from);
}

/* "Name:", blanks before the colon allowed as in old mail (RFC 5322, 4.5). */
static bool is_field(struct slice line)
{
	ssize_t colon = slice_find(line, 0, ':');
	struct slice name;

	if (colon <= 0)
		return false;
	name = slice_trim(slice_part(line, 0, (size_t)colon));
	for (size_t i = 0; i < name.len; i++) {
		if (name.data[i] <= ' ' || name.data[i] == 0x7f)
			return false;
	}
	return name.len > 0 && !octet_is_space(line.data[0]);
}

enum match { MATCH_NO, MATCH_OPEN, MATCH_YES };

/*
 * Is the line, as far as it has come, of the field called `name`?  *value is
 * what stands behind the colon.  A name with more blanks behind it than are looked
 * at is that name still: nobody gets a field past us by them.
 */
static enum match match_name(struct slice line, struct slice name, struct slice *value)
{
	struct cursor in = cursor_over(line);

	if (line.len <= name.len)
		return slice_starts_with_nocase(name, line) ? MATCH_OPEN : MATCH_NO;
	if (!cursor_accept_nocase(&in, name))
		return MATCH_NO;
	while (octet_is_space(cursor_peek(&in)))
		cursor_skip(&in, 1);
	if (cursor_done(&in)) {
		*value = cursor_rest(&in);
		return line.len == FIELDS_LINE_SEEN ? MATCH_YES : MATCH_OPEN;
	}
	if (!cursor_accept(&in, ':'))
		return MATCH_NO;
	*value = cursor_rest(&in);
	return MATCH_YES;
}

/* Which field it is, if it is known. */
static enum match match_line(struct slice line, enum field *field, struct slice *value)
{
	enum match found = MATCH_NO;

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		enum match match = match_name(line, names[i].name, value);

		if (match == MATCH_YES) {
			*field = names[i].field;
			return MATCH_YES;
		}
		if (match == MATCH_OPEN)
			found = MATCH_OPEN;
	}
	return found;
}

static void found_field(struct fields *fields, enum field field, struct slice value)
{
	fields->current = field;
	fields->seen |= field;
	if (field == FIELD_RECEIVED)
		fields->received_count++;
	if (field != FIELD_FROM)
		return;
	fields->from_count++;
	if (fields->keeps_from)
		buf_append_slice(&fields->from, value);
}

static bool is_folded(const struct fields *fields)
{
	return fields->line_len > 0 && octet_is_space(fields->line[0]);
}

static uint8_t fate_of(const struct fields *fields)
{
	return (fields->current & fields->dropped) != 0 ? LINE_DROPPED : LINE_STORED;
}

/* The line as far as it has come; may settle its fate. */
static void judge(struct fields *fields)
{
	struct slice line = slice_of(fields->line, fields->line_len);
	struct slice value = {0};
	enum field field = FIELD_RECEIVED;

	if (is_folded(fields)) {
		if (fields->keeps_from && fields->current == FIELD_FROM) {
			buf_append_string(&fields->from, "\r\n");
			buf_append_slice(&fields->from, line);
		}
		fields->fate = fate_of(fields);
		return;
	}
	switch (match_line(line, &field, &value)) {
	case MATCH_YES:
		found_field(fields, field, value);
		break;
	case MATCH_NO:
		fields->current = 0;
		break;
	case MATCH_OPEN:
		return;
	}
	fields->fate = fate_of(fields);
}

void fields_octets(struct fields *fields, struct slice text)
{
	struct slice head = slice_part(text, 0, sizeof fields->line - fields->line_len);

	if (text.len == 0)
		return;
	memcpy(fields->line + fields->line_len, head.data, head.len);
	fields->line_len = (uint8_t)(fields->line_len + head.len);
	if (fields->fate == LINE_OPEN) {
		judge(fields);
		text = slice_from(text, head.len);
	}
	/* What is not in `line`, or came when the field was known. */
	if (fields->fate != LINE_OPEN && fields->keeps_from && fields->current == FIELD_FROM)
		buf_append_slice(&fields->from, text);
}

/* "TLS-Required: No" (RFC 8689, 5); it has no other value. */
static bool is_tls_not_required(const struct fields *fields)
{
	struct slice line = slice_of(fields->line, fields->line_len), value;

	return line.len < FIELDS_LINE_SEEN &&
	       match_name(line, SLICE("TLS-Required"), &value) == MATCH_YES &&
	       slice_equal_nocase(slice_trim(value), SLICE("No"));
}

void fields_line_end(struct fields *fields)
{
	struct slice line = slice_of(fields->line, fields->line_len);
	struct slice value;
	enum field field;

	if (fields->is_first_line)
		fields->starts_with_header = line.len == 0 || is_field(line);
	/* What does not begin with a header is all body. */
	if (line.len == 0 || !fields->starts_with_header)
		fields->is_over = true;
	else if (fields->dropped == 0 && !fields->keeps_from && !is_folded(fields) &&
		 match_line(line, &field, &value) == MATCH_YES)
		found_field(fields, field, value);
	else if (fields->fate == LINE_OPEN)
		fields->current = 0;
	if (!fields->is_over && is_tls_not_required(fields))
		fields->is_tls_not_required = true;
	fields->is_first_line = false;
	begin_line(fields);
}
