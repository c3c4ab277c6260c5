/*
 * imap_text.c - IMAP strings, and the ENVELOPE (RFC 3501, 7.4.2).
 */
#include "message/imap_text.h"

#include "message/header.h"

/* RFC 3501, 9, QUOTED-CHAR: no line ends, no NUL, seven bits. */
static bool can_be_quoted(struct slice s)
{
	if (s.len > IMAP_QUOTED_MAX)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.data[i];

		if (c == '\r' || c == '\n' || c == 0 || c > 127)
			return false;
	}
	return true;
}

bool imap_write_string(struct slice s, struct buf *out)
{
	bool is_quoted = can_be_quoted(s);

	if (is_quoted)
		buf_append_octet(out, '"');
	else
		buf_printf(out, "{%zu}\r\n", s.len);
	for (size_t i = 0; i < s.len && !out->overflowed; i++) {
		if (is_quoted && (s.data[i] == '"' || s.data[i] == '\\'))
			buf_append_octet(out, '\\');
		buf_append_octet(out, s.data[i] == '\0' ? '?' : s.data[i]);
	}
	if (is_quoted)
		buf_append_octet(out, '"');
	return !out->overflowed;
}

bool imap_write_nstring(struct slice s, struct buf *out)
{
	return s.data == NULL ? buf_append_string(out, "NIL") : imap_write_string(s, out);
}

/* ---- the envelope ------------------------------------------------------- */

/* In the order of the envelope. */
enum envelope_field {
	DATE,
	SUBJECT,
	FROM,
	SENDER,
	REPLY_TO,
	TO,
	CC,
	BCC,
	IN_REPLY_TO,
	MESSAGE_ID,
	FIELDS
};

static const struct slice envelope_names[FIELDS] = {
    {"Date",        4 },
    {"Subject",     7 },
    {"From",        4 },
    {"Sender",      6 },
    {"Reply-To",    8 },
    {"To",          2 },
    {"Cc",          2 },
    {"Bcc",         3 },
    {"In-Reply-To", 11},
    {"Message-ID",  10}
};

static bool is_address_field(int field)
{
	return field >= FROM && field <= BCC;
}

struct envelope {
	struct slice texts[FIELDS];        /* values, still folded; data NULL: no such field */
	struct address_list lists[FIELDS]; /* of the address fields */
};

/* The first field of a name counts, except that addresses of several are put together. */
static bool read_envelope(struct slice header, struct envelope *envelope)
{
	struct header_walk walk = header_walk_over(header);
	struct header_field field;
	bool has_memory = true;

	while (has_memory && header_next(&walk, &field))
		for (int i = 0; i < FIELDS; i++) {
			if (!slice_equal_nocase(field.name, envelope_names[i]))
				continue;
			if (is_address_field(i))
				has_memory = address_list_add(&envelope->lists[i],
				    slice_part(field.value, 0, HEADER_VALUE_MAX));
			else if (envelope->texts[i].data == NULL)
				envelope->texts[i] = slice_part(field.value, 0, HEADER_VALUE_MAX);
		}
	return has_memory;
}

static void write_text(struct slice value, struct buf *out)
{
	struct buf line = buf_with_limit(HEADER_VALUE_MAX);

	if (value.data == NULL) {
		buf_append_string(out, "NIL");
		return;
	}
	header_unfold(value, &line);
	imap_write_string(buf_slice(&line), out);
	out->overflowed = out->overflowed || line.overflowed;
	buf_free(&line);
}

/* NIL in the host's place marks a group, so a mailbox has some string in both. */
static void write_address(const struct header_address *address, struct buf *out)
{
	buf_append_octet(out, '(');
	switch (address->kind) {
	case HEADER_ADDRESS_MAILBOX:
		imap_write_nstring(address->name, out);
		buf_append_octet(out, ' ');
		imap_write_nstring(address->route, out);
		buf_append_octet(out, ' ');
		imap_write_string(address->local, out);
		buf_append_octet(out, ' ');
		imap_write_string(address->domain, out);
		break;
	case HEADER_ADDRESS_GROUP_START:
		buf_append_string(out, "NIL NIL ");
		imap_write_string(address->name, out);
		buf_append_string(out, " NIL");
		break;
	case HEADER_ADDRESS_GROUP_END:
		buf_append_string(out, "NIL NIL NIL NIL");
		break;
	}
	buf_append_octet(out, ')');
}

static void write_addresses(const struct address_list *list, struct buf *out)
{
	if (list->count == 0) {
		buf_append_string(out, "NIL");
		return;
	}
	buf_append_octet(out, '(');
	for (size_t i = 0; i < list->count && !out->overflowed; i++)
		write_address(&list->items[i], out);
	buf_append_octet(out, ')');
}

static void write_envelope(const struct envelope *envelope, struct buf *out)
{
	buf_append_octet(out, '(');
	for (int i = 0; i < FIELDS; i++) {
		const struct address_list *list = &envelope->lists[i];

		if (i > 0)
			buf_append_octet(out, ' ');
		/* Whoever wrote it sent it and takes replies, where nothing else is said. */
		if ((i == SENDER || i == REPLY_TO) && list->count == 0)
			list = &envelope->lists[FROM];
		if (is_address_field(i))
			write_addresses(list, out);
		else
			write_text(envelope->texts[i], out);
	}
	buf_append_octet(out, ')');
}

bool imap_write_envelope(struct slice header, struct buf *out)
{
	struct envelope envelope = {0};
	bool has_memory;

	for (int i = 0; i < FIELDS; i++)
		envelope.lists[i] = address_list_empty();
	has_memory = read_envelope(header, &envelope);
	if (has_memory)
		write_envelope(&envelope, out);
	for (int i = 0; i < FIELDS; i++)
		address_list_free(&envelope.lists[i]);
	return has_memory && !out->overflowed;
}
