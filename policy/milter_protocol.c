/*
 * milter_protocol.c - the packets of the milter protocol, version 6.
 */
#include "policy/milter_protocol.h"

#include <event2/buffer.h>

/* --- commands ------------------------------------------------------------------ */

enum { COMMAND_MAX = MILTER_CHUNK_MAX + 1 + 65536 }; /* a body chunk, or a field with its name */

struct milter_packet milter_packet_begin(struct evbuffer *out, char letter)
{
	struct milter_packet packet = {out, buf_with_limit(MILTER_FRAME + COMMAND_MAX)};

	buf_append(&packet.body, "\0\0\0\0", MILTER_FRAME);
	buf_append_octet(&packet.body, letter);
	return packet;
}

void milter_put_u32(struct milter_packet *packet, uint32_t value)
{
	unsigned char octets[4] = {(unsigned char)(value >> 24), (unsigned char)(value >> 16),
	    (unsigned char)(value >> 8), (unsigned char)value};

	buf_append(&packet->body, octets, sizeof octets);
}

void milter_put_u16(struct milter_packet *packet, uint16_t value)
{
	unsigned char octets[2] = {(unsigned char)(value >> 8), (unsigned char)value};

	buf_append(&packet->body, octets, sizeof octets);
}

void milter_put_octet(struct milter_packet *packet, char octet)
{
	buf_append_octet(&packet->body, octet);
}

void milter_put_octets(struct milter_packet *packet, struct slice octets)
{
	buf_append_slice(&packet->body, octets);
}

void milter_put_text(struct milter_packet *packet, struct slice text)
{
	ssize_t nul = slice_find(text, 0, '\0');

	buf_append_slice(&packet->body, nul < 0 ? text : slice_part(text, 0, (size_t)nul));
	buf_append_octet(&packet->body, '\0');
}

bool milter_packet_end(struct milter_packet *packet)
{
	struct buf *body = &packet->body;
	bool good = !body->overflowed;

	if (good) {
		uint32_t len = (uint32_t)(body->len - MILTER_FRAME);

		body->data[0] = (char)(len >> 24);
		body->data[1] = (char)(len >> 16);
		body->data[2] = (char)(len >> 8);
		body->data[3] = (char)len;
		good = evbuffer_add(packet->out, body->data, body->len) == 0;
	}
	buf_free(body);
	return good;
}

/* --- fields of a reply ------------------------------------------------------------- */

static bool take_u32(struct cursor *in, uint32_t *out)
{
	struct slice octets = cursor_take(in, 4);

	if (octets.data == NULL)
		return false;
	*out = 0;
	for (size_t i = 0; i < 4; i++)
		*out = *out << 8 | (unsigned char)octets.data[i];
	return true;
}

static bool take_text(struct cursor *in, struct slice *out)
{
	*out = cursor_take_until(in, '\0');
	return cursor_accept(in, '\0');
}

/* The last text of a packet: some milters leave its NUL out. */
static bool take_last_text(struct cursor *in, struct slice *out)
{
	*out = cursor_take_until(in, '\0');
	cursor_accept(in, '\0');
	return cursor_done(in);
}

/* RFC 5322, 2.2: printable, without the colon. */
static bool is_field_name(struct slice name)
{
	if (name.len == 0 || name.len > MILTER_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		int c = (unsigned char)name.data[i];

		if (c <= ' ' || c >= 0x7f || c == ':')
			return false;
	}
	return true;
}

static bool take_field(struct cursor *in, struct milter_reply *reply)
{
	return take_text(in, &reply->first) && is_field_name(reply->first) &&
	       take_last_text(in, &reply->second);
}

/* An address, and what may stand behind it. */
static bool take_address(struct cursor *in, struct milter_reply *reply)
{
	if (!take_text(in, &reply->first))
		return false;
	return cursor_done(in) || take_last_text(in, &reply->second);
}

static bool take_negotiation(struct cursor *in, struct milter_reply *reply)
{
	if (!take_u32(in, &reply->version) || !take_u32(in, &reply->actions) ||
	    !take_u32(in, &reply->steps))
		return false;
	reply->lists = cursor_rest(in);
	return true;
}

bool milter_parse_reply(struct slice packet, struct milter_reply *reply)
{
	struct cursor in = cursor_over(packet);
	int letter = cursor_next(&in);

	*reply = (struct milter_reply){.letter = (char)letter};
	switch (letter) {
	case MILTER_NEGOTIATE:
		return take_negotiation(&in, reply);
	case MILTER_ADD_RCPT:
	case MILTER_DELETE_RCPT:
	case MILTER_QUARANTINE:
	case MILTER_REPLY_CODE:
		return take_last_text(&in, &reply->first) && reply->first.len > 0;
	case MILTER_ADD_RCPT_PARAMETERS:
	case MILTER_CHANGE_FROM:
		return take_address(&in, reply) && reply->first.len > 0;
	case MILTER_ADD_HEADER:
		return take_field(&in, reply);
	case MILTER_INSERT_HEADER:
	case MILTER_CHANGE_HEADER:
		return take_u32(&in, &reply->index) && take_field(&in, reply);
	case MILTER_REPLACE_BODY:
		reply->first = cursor_rest(&in);
		return true;
	case MILTER_SHUTDOWN:
	case MILTER_ACCEPT:
	case MILTER_CONTINUE:
	case MILTER_DISCARD:
	case MILTER_CONNECTION_FAILED:
	case MILTER_PROGRESS:
	case MILTER_REJECT:
	case MILTER_SKIP:
	case MILTER_TEMPFAIL:
		/* What may stand behind the letter means nothing. */
		return true;
	default:
		return false;
	}
}

bool milter_next_list(
    struct slice *lists, enum milter_stage *stage, struct slice *names, bool *is_good)
{
	struct cursor in = cursor_over(*lists);
	uint32_t number;

	*is_good = true;
	if (cursor_done(&in))
		return false;
	if (!take_u32(&in, &number) || number >= MILTER_STAGES || !take_text(&in, names)) {
		*is_good = false;
		return false;
	}
	*stage = (enum milter_stage)number;
	*lists = cursor_rest(&in);
	return true;
}

/* --- framing ----------------------------------------------------------------------- */

enum { BODY_PIECE = 16384 };

static enum milter_read read_body(
    struct milter_reader *reader, struct evbuffer *in, struct milter_reply *reply)
{
	size_t len = evbuffer_get_length(in);
	unsigned char *piece;

	if (len > reader->body_left)
		len = reader->body_left;
	if (len > BODY_PIECE)
		len = BODY_PIECE;
	if (len == 0)
		return MILTER_READ_NOTHING;
	piece = evbuffer_pullup(in, (ev_ssize_t)len);
	if (piece == NULL)
		return MILTER_READ_BROKEN;
	*reply =
	    (struct milter_reply){.letter = MILTER_REPLACE_BODY, .first = slice_of(piece, len)};
	reader->body_left -= (uint32_t)len;
	reader->used = len;
	return MILTER_READ_REPLY;
}

enum milter_read milter_read_reply(
    struct milter_reader *reader, struct evbuffer *in, struct milter_reply *reply)
{
	unsigned char start[MILTER_FRAME + 1];
	struct cursor frame = cursor_over(slice_of(start, MILTER_FRAME));
	unsigned char *packet;
	uint32_t len = 0;

	evbuffer_drain(in, reader->used);
	reader->used = 0;
	if (reader->body_left > 0)
		return read_body(reader, in, reply);
	if (evbuffer_copyout(in, start, sizeof start) < (ev_ssize_t)sizeof start) {
		/* A packet without a letter would be waited for in vain. */
		return evbuffer_get_length(in) == MILTER_FRAME &&
			       memcmp(start, "\0\0\0\0", MILTER_FRAME) == 0
			   ? MILTER_READ_BROKEN
			   : MILTER_READ_NOTHING;
	}
	take_u32(&frame, &len);
	if (start[MILTER_FRAME] == MILTER_REPLACE_BODY && len > 1) {
		if (len > MILTER_BODY_PACKET_MAX)
			return MILTER_READ_BROKEN;
		evbuffer_drain(in, sizeof start);
		reader->body_left = len - 1;
		return read_body(reader, in, reply);
	}
	if (len == 0 || len > MILTER_PACKET_MAX)
		return MILTER_READ_BROKEN;
	if (evbuffer_get_length(in) < MILTER_FRAME + len)
		return MILTER_READ_NOTHING;
	packet = evbuffer_pullup(in, (ev_ssize_t)(MILTER_FRAME + len));
	reader->used = MILTER_FRAME + len;
	return packet != NULL && milter_parse_reply(slice_of(packet + MILTER_FRAME, len), reply)
		   ? MILTER_READ_REPLY
		   : MILTER_READ_BROKEN;
}

/* --- reply codes ---------------------------------------------------------------------- */

static bool take_digits(struct cursor *in, size_t max, uint64_t *out)
{
	struct cursor start = *in;
	size_t count = 0;

	while (count <= max && octet_is_digit(cursor_peek(in))) {
		cursor_skip(in, 1);
		count++;
	}
	return count >= 1 && count <= max &&
	       slice_number(cursor_since(in, start.at), UINT32_MAX, out);
}

/* RFC 3463, 2: class, subject, detail. */
static bool take_status(struct cursor *in, struct slice *out)
{
	struct cursor at = *in;
	const char *start = at.at;
	uint64_t number;

	if (!take_digits(&at, 1, &number) || (number != 4 && number != 5) ||
	    !cursor_accept(&at, '.') || !take_digits(&at, 3, &number) || !cursor_accept(&at, '.') ||
	    !take_digits(&at, 3, &number) || (!cursor_done(&at) && cursor_peek(&at) != ' '))
		return false;
	*out = cursor_since(&at, start);
	*in = at;
	return true;
}

static bool is_clean(struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if (octet_is_control((unsigned char)text.data[i]))
			return false;
	return true;
}

/* One line: the code, "-" or a blank, perhaps a status, text. */
static bool read_code_line(struct slice line, bool is_first, struct milter_code *out)
{
	struct cursor in = cursor_over(line);
	struct slice status;
	uint64_t code;
	size_t len = strlen(out->text);
	struct slice text;

	if (!take_digits(&in, 3, &code) || code < 400 || code > 599 || !is_clean(line) ||
	    (!is_first && code != out->code))
		return false;
	if (!cursor_done(&in) && !cursor_accept(&in, '-') && !cursor_accept(&in, ' '))
		return false;
	out->code = (unsigned)code;
	while (cursor_accept(&in, ' '))
		;
	/* A status of another class than the code's would be two answers in one. */
	if (take_status(&in, &status) && is_first && status.data[0] == '0' + (char)(code / 100))
		slice_copy(status, out->status, sizeof out->status);
	text = slice_trim(cursor_rest(&in));
	if (!is_first && len + 1 < sizeof out->text)
		out->text[len++] = ' ';
	text = slice_part(text, 0, sizeof out->text - 1 - len);
	memcpy(out->text + len, text.len > 0 ? text.data : "", text.len);
	out->text[len + text.len] = '\0';
	return true;
}

bool milter_parse_code(struct slice text, struct milter_code *out)
{
	struct cursor in = cursor_over(slice_trim(text));
	bool is_first = true;

	*out = (struct milter_code){0};
	do {
		struct slice line = cursor_take_until(&in, '\n');

		cursor_accept(&in, '\n');
		if (line.len > 0 && line.data[line.len - 1] == '\r')
			line.len--;
		if (!read_code_line(line, is_first, out))
			return false;
		is_first = false;
	} while (!cursor_done(&in));
	return true;
}
