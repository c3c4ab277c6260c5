/*
 * milter_talk.c - the conversation with one milter about one message.
 */
#include "policy/milter_talk.h"

#include <event2/buffer.h>

/* --- negotiation --------------------------------------------------------------------- */

void milter_talk_begin(struct milter_talk *talk, struct evbuffer *out)
{
	struct milter_packet packet = milter_packet_begin(out, MILTER_NEGOTIATE);

	*talk = (struct milter_talk){.out = out, .awaited = MILTER_NEGOTIATE};
	for (int i = 0; i < MILTER_STAGES; i++)
		talk->names[i] = buf_with_limit(MILTER_LIST_MAX);
	milter_put_u32(&packet, MILTER_VERSION);
	milter_put_u32(&packet, MILTER_ACTIONS_OFFERED);
	milter_put_u32(&packet, MILTER_STEPS_OFFERED);
	milter_packet_end(&packet);
}

void milter_talk_free(struct milter_talk *talk)
{
	for (int i = 0; i < MILTER_STAGES; i++)
		buf_free(&talk->names[i]);
}

static enum milter_event broken(struct milter_talk *talk, const char *problem)
{
	talk->problem = problem;
	return MILTER_BROKEN;
}

static bool keep_lists(struct milter_talk *talk, struct slice lists)
{
	enum milter_stage stage;
	struct slice names;
	bool is_good;

	while (milter_next_list(&lists, &stage, &names, &is_good)) {
		buf_clear(&talk->names[stage]);
		if (!buf_append_slice(&talk->names[stage], names))
			return false;
		talk->lists |= 1u << stage;
	}
	return is_good;
}

static enum milter_event negotiated(struct milter_talk *talk, const struct milter_reply *reply)
{
	if (reply->version < MILTER_VERSION_MIN || reply->version > MILTER_VERSION)
		return broken(talk, "a version of the protocol that is not ours");
	if ((reply->actions & ~(uint32_t)MILTER_ACTIONS_OFFERED) != 0)
		return broken(talk, "actions that were not offered");
	if ((reply->steps & ~(uint32_t)MILTER_STEPS_OFFERED) != 0)
		return broken(talk, "protocol steps that were not offered");
	talk->version = reply->version;
	talk->actions = reply->actions;
	talk->steps = reply->steps;
	/* DATA came with version 4; who is older does not know the packet. */
	if (talk->version < 4)
		talk->steps |= MILTER_NO_DATA;
	if (!keep_lists(talk, reply->lists))
		return broken(talk, "a malformed list of macros");
	talk->awaited = '\0';
	return MILTER_ANSWERED;
}

/* --- commands ---------------------------------------------------------------------------- */

/* Is this step left out? */
static bool is_unwanted(const struct milter_talk *talk, uint32_t step)
{
	return (talk->steps & step) != 0;
}

static bool sent(struct milter_talk *talk, char command, uint32_t silent)
{
	if ((talk->steps & silent) != 0)
		return false;
	talk->awaited = command;
	return true;
}

static void put_macros(struct milter_talk *talk, enum milter_stage stage, char command,
    const struct milter_facts *facts, struct slice recipient)
{
	struct slice asked = slice_of(NULL, 0);

	if ((talk->lists & 1u << stage) != 0)
		asked = slice_of(talk->names[stage].len > 0 ? talk->names[stage].data : "",
		    talk->names[stage].len);
	milter_put_macros(talk->out, stage, command, asked, facts, recipient);
}

bool milter_talk_connect(struct milter_talk *talk, const struct milter_facts *facts)
{
	bool is_network = facts->family == AF_INET || facts->family == AF_INET6;
	struct milter_packet packet;

	talk->has_seen_enough = talk->is_behind_one = false;
	if (is_unwanted(talk, MILTER_NO_CONNECT))
		return false;
	put_macros(talk, MILTER_AT_CONNECT, MILTER_CONNECT, facts, SLICE(""));
	packet = milter_packet_begin(talk->out, MILTER_CONNECT);
	if (!is_network)
		milter_put_text(&packet, SLICE("localhost"));
	else
		milter_put_text(
		    &packet, facts->client_name.len > 0 ? facts->client_name : SLICE("unknown"));
	/* A user of this host has no address; milters know such mail as this host's own. */
	milter_put_octet(&packet, facts->family == AF_INET6 ? '6' : '4');
	milter_put_u16(&packet, facts->port);
	milter_put_text(&packet, is_network ? facts->address : SLICE("127.0.0.1"));
	milter_packet_end(&packet);
	return sent(talk, MILTER_CONNECT, MILTER_SILENT_CONNECT);
}

bool milter_talk_helo(struct milter_talk *talk, const struct milter_facts *facts)
{
	struct milter_packet packet;

	if (is_unwanted(talk, MILTER_NO_HELO))
		return false;
	put_macros(talk, MILTER_AT_HELO, MILTER_HELO, facts, SLICE(""));
	packet = milter_packet_begin(talk->out, MILTER_HELO);
	milter_put_text(&packet, facts->helo.len > 0 ? facts->helo : facts->hostname);
	milter_packet_end(&packet);
	return sent(talk, MILTER_HELO, MILTER_SILENT_HELO);
}

static void put_path(struct milter_packet *packet, struct slice address)
{
	milter_put_octet(packet, '<');
	milter_put_octets(packet, address);
	milter_put_text(packet, SLICE(">"));
}

bool milter_talk_mail(struct milter_talk *talk, const struct milter_facts *facts)
{
	struct milter_packet packet;

	if (is_unwanted(talk, MILTER_NO_MAIL))
		return false;
	put_macros(talk, MILTER_AT_MAIL, MILTER_MAIL, facts, SLICE(""));
	packet = milter_packet_begin(talk->out, MILTER_MAIL);
	put_path(&packet, facts->sender);
	milter_packet_end(&packet);
	return sent(talk, MILTER_MAIL, MILTER_SILENT_MAIL);
}

bool milter_talk_rcpt(
    struct milter_talk *talk, const struct milter_facts *facts, struct slice address)
{
	struct milter_packet packet;

	if (is_unwanted(talk, MILTER_NO_RCPT))
		return false;
	put_macros(talk, MILTER_AT_RCPT, MILTER_RCPT, facts, address);
	packet = milter_packet_begin(talk->out, MILTER_RCPT);
	put_path(&packet, address);
	milter_packet_end(&packet);
	return sent(talk, MILTER_RCPT, MILTER_SILENT_RCPT);
}

static void put_bare(struct milter_talk *talk, char command)
{
	struct milter_packet packet = milter_packet_begin(talk->out, command);

	milter_packet_end(&packet);
}

bool milter_talk_data(struct milter_talk *talk, const struct milter_facts *facts)
{
	if (is_unwanted(talk, MILTER_NO_DATA))
		return false;
	put_macros(talk, MILTER_AT_DATA, MILTER_DATA, facts, SLICE(""));
	put_bare(talk, MILTER_DATA);
	return sent(talk, MILTER_DATA, MILTER_SILENT_DATA);
}

/* Milters are shown lines that end with LF alone. */
static void put_value(struct milter_packet *packet, struct slice value)
{
	struct cursor in = cursor_over(value);

	while (!cursor_done(&in)) {
		struct slice line = cursor_take_until(&in, '\n');

		if (!cursor_done(&in) && line.len > 0 && line.data[line.len - 1] == '\r')
			line.len--;
		milter_put_octets(packet, line);
		if (cursor_accept(&in, '\n'))
			milter_put_octet(packet, '\n');
	}
	milter_put_octet(packet, '\0');
}

bool milter_talk_header(struct milter_talk *talk, struct slice name, struct slice value)
{
	struct milter_packet packet;

	if (is_unwanted(talk, MILTER_NO_HEADERS))
		return false;
	if (!is_unwanted(talk, MILTER_LEADING_SPACE) && value.len > 0 && value.data[0] == ' ')
		value = slice_from(value, 1);
	packet = milter_packet_begin(talk->out, MILTER_HEADER);
	milter_put_text(&packet, name);
	/* No packet is longer than what milters are made for: of a longer value they see the beginning. */
	put_value(&packet, slice_part(value, 0, MILTER_CHUNK_MAX - name.len - 2));
	milter_packet_end(&packet);
	return sent(talk, MILTER_HEADER, MILTER_SILENT_HEADER);
}

bool milter_talk_end_of_header(struct milter_talk *talk, const struct milter_facts *facts)
{
	if (is_unwanted(talk, MILTER_NO_END_OF_HEADER))
		return false;
	put_macros(talk, MILTER_AT_END_OF_HEADER, MILTER_END_OF_HEADER, facts, SLICE(""));
	put_bare(talk, MILTER_END_OF_HEADER);
	return sent(talk, MILTER_END_OF_HEADER, MILTER_SILENT_END_OF_HEADER);
}

bool milter_talk_wants_headers(const struct milter_talk *talk)
{
	return !is_unwanted(talk, MILTER_NO_HEADERS);
}

bool milter_talk_wants_body(const struct milter_talk *talk)
{
	return !is_unwanted(talk, MILTER_NO_BODY) && !talk->has_seen_enough;
}

bool milter_talk_body(struct milter_talk *talk, struct slice octets)
{
	struct milter_packet packet;

	if (!milter_talk_wants_body(talk) || octets.len == 0)
		return false;
	packet = milter_packet_begin(talk->out, MILTER_BODY);
	milter_put_octets(&packet, octets);
	milter_packet_end(&packet);
	return sent(talk, MILTER_BODY, MILTER_SILENT_BODY);
}

void milter_talk_end_of_body(
    struct milter_talk *talk, const struct milter_facts *facts, struct milter_edits *edits)
{
	put_macros(talk, MILTER_AT_END_OF_BODY, MILTER_END_OF_BODY, facts, SLICE(""));
	put_bare(talk, MILTER_END_OF_BODY);
	talk->edits = edits;
	talk->awaited = MILTER_END_OF_BODY;
}

bool milter_talk_end(struct milter_talk *talk)
{
	/* Whoever is in the middle of something is not asked to start anew. */
	if (talk->awaited != '\0' || talk->problem != NULL || talk->version < MILTER_VERSION ||
	    talk->reader.body_left > 0)
		return false;
	/*
	 * Only there does libmilter take a new client.  After any other answer than
	 * CONTINUE it waits for the old one's next message, and ignores what we say.
	 */
	if (!talk->is_behind_one)
		return false;
	talk->edits = NULL;
	put_bare(talk, MILTER_QUIT_NEW_CONNECTION);
	return true;
}

void milter_talk_quit(struct milter_talk *talk)
{
	put_bare(talk, MILTER_QUIT);
}

/* --- wishes --------------------------------------------------------------------------------- */

void milter_edits_begin(struct milter_edits *edits)
{
	*edits = (struct milter_edits){.list = buf_with_limit(MILTER_EDITS_OCTETS)};
}

void milter_edits_free(struct milter_edits *edits)
{
	buf_free(&edits->list);
}

bool milter_edits_next(struct reader *list, struct milter_reply *edit)
{
	if (cursor_done(&list->in) || !reader_ok(list))
		return false;
	*edit = (struct milter_reply){.letter = (char)read_u8(list)};
	edit->index = read_u32(list);
	edit->first = read_slice(list);
	edit->second = read_slice(list);
	return reader_ok(list);
}

static bool keep_edit(struct milter_edits *edits, const struct milter_reply *reply)
{
	struct writer w = {&edits->list};

	if (++edits->count > MILTER_EDITS_MAX)
		return false;
	write_u8(&w, (uint8_t)reply->letter);
	write_u32(&w, reply->index);
	write_slice(&w, reply->first);
	write_slice(&w, reply->second);
	return !edits->list.overflowed;
}

static bool keep_body(struct milter_edits *edits, struct slice piece)
{
	edits->has_body = true;
	return edits->body != NULL && edits->body(piece, edits->context);
}

/* What a milter must have said that it would do; 0: no wish. */
static uint32_t action_of(char letter)
{
	switch (letter) {
	case MILTER_ADD_HEADER:
	case MILTER_INSERT_HEADER:
		return MILTER_MAY_ADD_HEADERS;
	case MILTER_CHANGE_HEADER:
		return MILTER_MAY_CHANGE_HEADERS;
	case MILTER_REPLACE_BODY:
		return MILTER_MAY_REPLACE_BODY;
	case MILTER_ADD_RCPT:
		return MILTER_MAY_ADD_RCPT;
	case MILTER_ADD_RCPT_PARAMETERS:
		return MILTER_MAY_ADD_RCPT_PARAMETERS;
	case MILTER_DELETE_RCPT:
		return MILTER_MAY_DELETE_RCPT;
	case MILTER_CHANGE_FROM:
		return MILTER_MAY_CHANGE_FROM;
	case MILTER_QUARANTINE:
		return MILTER_MAY_QUARANTINE;
	default:
		return 0;
	}
}

static enum milter_event edit(struct milter_talk *talk, const struct milter_reply *reply)
{
	bool kept;

	if (talk->awaited != MILTER_END_OF_BODY || talk->edits == NULL)
		return broken(talk, "a change before the end of the message");
	if ((talk->actions & action_of(reply->letter)) == 0)
		return broken(talk, "a change that was not negotiated");
	kept = reply->letter == MILTER_REPLACE_BODY ? keep_body(talk->edits, reply->first)
						    : keep_edit(talk->edits, reply);
	return kept ? MILTER_WAITS : broken(talk, "more changes than can be kept");
}

/* --- answers ---------------------------------------------------------------------------------- */

static enum milter_event answered(struct milter_talk *talk, enum milter_word word)
{
	if (talk->awaited == MILTER_END_OF_BODY)
		talk->is_behind_one = word == MILTER_SAYS_CONTINUE;
	talk->says.word = word;
	talk->awaited = '\0';
	return MILTER_ANSWERED;
}

static enum milter_event code_given(struct milter_talk *talk, struct slice text)
{
	if (!milter_parse_code(text, &talk->says.code))
		return broken(talk, "a reply code that is none");
	return answered(
	    talk, talk->says.code.code < 500 ? MILTER_SAYS_TEMPFAIL : MILTER_SAYS_REJECT);
}

static enum milter_event take(struct milter_talk *talk, const struct milter_reply *reply)
{
	if (talk->awaited == '\0')
		return broken(talk, "a reply to nothing");
	if ((talk->awaited == MILTER_NEGOTIATE) != (reply->letter == MILTER_NEGOTIATE))
		return broken(talk, "a reply that is out of place");
	talk->says.code.code = 0;
	if (action_of(reply->letter) != 0)
		return edit(talk, reply);
	switch (reply->letter) {
	case MILTER_NEGOTIATE:
		return negotiated(talk, reply);
	case MILTER_PROGRESS:
		return MILTER_WAITS;
	case MILTER_CONTINUE:
		return answered(talk, MILTER_SAYS_CONTINUE);
	case MILTER_ACCEPT:
		return answered(talk, MILTER_SAYS_ACCEPT);
	case MILTER_REJECT:
		return answered(talk, MILTER_SAYS_REJECT);
	case MILTER_TEMPFAIL:
		return answered(talk, MILTER_SAYS_TEMPFAIL);
	case MILTER_DISCARD:
		return answered(talk, MILTER_SAYS_DISCARD);
	case MILTER_SHUTDOWN:
		return answered(talk, MILTER_SAYS_SHUTDOWN);
	case MILTER_REPLY_CODE:
		return code_given(talk, reply->first);
	case MILTER_SKIP:
		if (talk->awaited != MILTER_BODY || !is_unwanted(talk, MILTER_MAY_SKIP))
			return broken(talk, "a skip that is out of place");
		talk->has_seen_enough = true;
		return answered(talk, MILTER_SAYS_CONTINUE);
	case MILTER_CONNECTION_FAILED:
		return broken(talk, "it says that it fails");
	default:
		return broken(talk, "a reply that is not known");
	}
}

enum milter_event milter_talk_input(struct milter_talk *talk, struct evbuffer *in)
{
	struct milter_reply reply;

	for (;;) {
		enum milter_event event;

		switch (milter_read_reply(&talk->reader, in, &reply)) {
		case MILTER_READ_NOTHING:
			return MILTER_WAITS;
		case MILTER_READ_BROKEN:
			return broken(talk, "octets that are no reply");
		case MILTER_READ_REPLY:
			break;
		}
		talk->progress++;
		event = take(talk, &reply);
		if (event != MILTER_WAITS)
			return event;
	}
}
