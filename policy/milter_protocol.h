/*
 * milter_protocol.h - the packets of the milter protocol, version 6.
 *
 * The protocol is sendmail's: a packet is a length of 32 bits in network order,
 * a letter, and what belongs to the letter.  The mail server sends commands, the
 * milter replies.  Texts end with a NUL; numbers are in network order.
 *
 * Here is what a packet looks like and nothing of what follows from it: see
 * milter_talk.h for the conversation.  What a milter sends is bounded and judged
 * before anybody sees it: texts without NUL, names that can be a header field's.
 */
#ifndef PETREL_POLICY_MILTER_PROTOCOL_H
#define PETREL_POLICY_MILTER_PROTOCOL_H

#include "common/buf.h"
#include "common/slice.h"

struct evbuffer;

enum {
	MILTER_VERSION = 6,
	MILTER_VERSION_MIN = 2,
	MILTER_CHUNK_MAX = 65535,      /* octets of the body in one packet */
	MILTER_PACKET_MAX = 65535 + 1, /* octets of a reply with its letter, but for a new body */
	MILTER_FRAME = 4,              /* octets of the length */
	MILTER_BODY_PACKET_MAX =
	    1 << 30,           /* of a reply that brings a new body: it is taken piecemeal */
	MILTER_NAME_MAX = 255, /* octets of a header field's name */
	MILTER_STAGES = 7
};

enum milter_command {
	MILTER_NEGOTIATE = 'O',
	MILTER_MACROS = 'D',
	MILTER_CONNECT = 'C',
	MILTER_HELO = 'H',
	MILTER_MAIL = 'M',
	MILTER_RCPT = 'R',
	MILTER_DATA = 'T',
	MILTER_HEADER = 'L',
	MILTER_END_OF_HEADER = 'N',
	MILTER_BODY = 'B',
	MILTER_END_OF_BODY = 'E',
	MILTER_ABORT = 'A',
	MILTER_QUIT = 'Q',
	MILTER_QUIT_NEW_CONNECTION =
	    'K', /* forget this client; another follows on this connection */
	MILTER_UNKNOWN = 'U'
};

enum milter_letter {
	MILTER_ADD_RCPT = '+',
	MILTER_ADD_RCPT_PARAMETERS = '2',
	MILTER_DELETE_RCPT = '-',
	MILTER_SHUTDOWN = '4',
	MILTER_ACCEPT = 'a',
	MILTER_REPLACE_BODY = 'b',
	MILTER_CONTINUE = 'c',
	MILTER_DISCARD = 'd',
	MILTER_CHANGE_FROM = 'e',
	MILTER_CONNECTION_FAILED = 'f',
	MILTER_ADD_HEADER = 'h',
	MILTER_INSERT_HEADER = 'i',
	MILTER_CHANGE_HEADER = 'm',
	MILTER_PROGRESS = 'p',
	MILTER_QUARANTINE = 'q',
	MILTER_REJECT = 'r',
	MILTER_SKIP = 's',
	MILTER_TEMPFAIL = 't',
	MILTER_REPLY_CODE = 'y'
};

/* What a milter may do to a message (SMFIF_*). */
enum milter_action {
	MILTER_MAY_ADD_HEADERS = 0x001,
	MILTER_MAY_REPLACE_BODY = 0x002,
	MILTER_MAY_ADD_RCPT = 0x004,
	MILTER_MAY_DELETE_RCPT = 0x008,
	MILTER_MAY_CHANGE_HEADERS = 0x010,
	MILTER_MAY_QUARANTINE = 0x020,
	MILTER_MAY_CHANGE_FROM = 0x040,
	MILTER_MAY_ADD_RCPT_PARAMETERS = 0x080,
	MILTER_MAY_LIST_MACROS = 0x100,
	MILTER_ACTIONS_OFFERED = 0x1ff
};

/* Steps that are left out, not answered, or done in another way (SMFIP_*). */
enum milter_step {
	MILTER_NO_CONNECT = 0x000001,
	MILTER_NO_HELO = 0x000002,
	MILTER_NO_MAIL = 0x000004,
	MILTER_NO_RCPT = 0x000008,
	MILTER_NO_BODY = 0x000010,
	MILTER_NO_HEADERS = 0x000020,
	MILTER_NO_END_OF_HEADER = 0x000040,
	MILTER_SILENT_HEADER = 0x000080, /* from here on: sends no reply to ... */
	MILTER_NO_UNKNOWN = 0x000100,
	MILTER_NO_DATA = 0x000200,
	MILTER_MAY_SKIP = 0x000400,      /* may say that it has seen enough of the body */
	MILTER_REJECTED_RCPT = 0x000800, /* wants to hear of refused recipients, too */
	MILTER_SILENT_CONNECT = 0x001000,
	MILTER_SILENT_HELO = 0x002000,
	MILTER_SILENT_MAIL = 0x004000,
	MILTER_SILENT_RCPT = 0x008000,
	MILTER_SILENT_DATA = 0x010000,
	MILTER_SILENT_UNKNOWN = 0x020000,
	MILTER_SILENT_END_OF_HEADER = 0x040000,
	MILTER_SILENT_BODY = 0x080000,
	MILTER_LEADING_SPACE =
	    0x100000, /* values of header fields keep the blank behind the colon */
	/*
	 * Everything but MILTER_REJECTED_RCPT: milters are asked about recipients that
	 * the house has accepted, and what it refuses costs them nothing.
	 */
	MILTER_STEPS_OFFERED = 0x1fffff & ~0x000800
};

/* Where macros are sent, by the numbers of SETSYMLIST (SMFIM_*). */
enum milter_stage {
	MILTER_AT_CONNECT,
	MILTER_AT_HELO,
	MILTER_AT_MAIL,
	MILTER_AT_RCPT,
	MILTER_AT_DATA,
	MILTER_AT_END_OF_BODY,
	MILTER_AT_END_OF_HEADER
};

/* --- commands --------------------------------------------------------------- */

/*
 * Each appends one whole packet to `out`; memory that runs out shows in the
 * result of milter_packet_end.  A packet is begun, given its fields, and ended.
 */
struct milter_packet {
	struct evbuffer *out;
	struct buf body;
};

struct milter_packet milter_packet_begin(struct evbuffer *out, char letter);
void milter_put_u32(struct milter_packet *packet, uint32_t value);
void milter_put_u16(struct milter_packet *packet, uint16_t value);
void milter_put_octet(struct milter_packet *packet, char octet);
/* A text and its NUL.  A text of ours holds none; from the first on it is cut. */
void milter_put_text(struct milter_packet *packet, struct slice text);
void milter_put_octets(struct milter_packet *packet, struct slice octets);
bool milter_packet_end(struct milter_packet *packet);

/* --- replies ----------------------------------------------------------------- */

struct milter_reply {
	char letter;
	/* MILTER_NEGOTIATE */
	uint32_t version, actions, steps;
	struct slice
	    lists; /* what is left: number of a stage, text of names; see milter_next_list */
	/* the others */
	uint32_t index; /* of a header field */
	struct slice
	    first; /* address, name of a field, text of a reply, reason, or a piece of a body */
	struct slice second; /* value of a field, or ESMTP parameters */
};

enum milter_read {
	MILTER_READ_NOTHING, /* more has to come first */
	MILTER_READ_REPLY,
	MILTER_READ_BROKEN /* what comes is no milter's; the connection is of no use any more */
};

/* Where the reading of replies stands; {0} at first. */
struct milter_reader {
	uint32_t body_left; /* octets of a new body that have not come yet */
	size_t used;        /* octets of the input that the last reply lies in */
};

/*
 * The next reply.  Its slices point into `in` and hold until the next call.  A new
 * body comes in as many MILTER_REPLACE_BODY as it takes, whatever its packets are.
 */
enum milter_read milter_read_reply(
    struct milter_reader *reader, struct evbuffer *in, struct milter_reply *reply);

/* One packet without its length; false where it makes no sense.  For milter_read_reply and the fuzzer. */
bool milter_parse_reply(struct slice packet, struct milter_reply *reply);

/* The next list of macros of a negotiation; false at the end, or where it is malformed: then *is_good is false. */
bool milter_next_list(
    struct slice *lists, enum milter_stage *stage, struct slice *names, bool *is_good);

/*
 * A reply code's text ("550 5.7.1 no", or several lines "550-5.7.1 a CRLF 550 5.7.1 b"):
 * code, enhanced status (empty where it has none) and the lines' texts, joined by blanks
 * where there are several.  False where it is no such reply: the codes of its
 * lines differ, it is neither 4xx nor 5xx, or it holds what cannot go to a client.
 */
struct milter_code {
	unsigned code;
	char status[12];
	char text[256]; /* what is longer is cut */
};
bool milter_parse_code(struct slice text, struct milter_code *out);

#endif
