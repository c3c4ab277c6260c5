/*
 * milter_talk.h - the conversation with one milter about one message, without a socket.
 *
 * The engine puts packets into one evbuffer and reads replies out of another.
 * Whoever owns it moves octets between these and the milter, keeps the time, and
 * says what comes next.  A command is given when the one before is answered; the
 * engine leaves out what the milter does not want and waits for no answer where
 * the milter gives none.
 *
 * A milter's wishes about a message are written down as they come and count only
 * with its last word (milter_edits): one that dies in the middle has changed nothing.
 *
 * What comes unasked, is malformed, or was not negotiated breaks the conversation.
 */
#ifndef PETREL_POLICY_MILTER_TALK_H
#define PETREL_POLICY_MILTER_TALK_H

#include "common/codec.h"
#include "policy/milter_facts.h"
#include "policy/milter_protocol.h"

enum {
	MILTER_EDITS_MAX = 10000,              /* wishes about one message */
	MILTER_EDITS_OCTETS = 2 * 1024 * 1024, /* and their octets, without a new body */
	MILTER_LIST_MAX = 2048                 /* octets of a list of macros */
};

/* What a milter says to a command, after all. */
enum milter_word {
	MILTER_SAYS_CONTINUE,
	MILTER_SAYS_ACCEPT, /* it does not want to hear more of this message */
	MILTER_SAYS_REJECT,
	MILTER_SAYS_TEMPFAIL,
	MILTER_SAYS_DISCARD, /* take it and throw it away */
	MILTER_SAYS_SHUTDOWN /* send the client away */
};

struct milter_says {
	enum milter_word word;
	struct milter_code code; /* code.code 0: none given */
};

/* A milter's wishes about a message, in its order. */
struct milter_edits {
	struct buf list; /* letter, u32 index, two slices, each */
	unsigned count;
	bool has_body;
	/* Takes a piece of the new body; false: it cannot be taken.  NULL: bodies are not taken. */
	bool (*body)(struct slice piece, void *context);
	void *context;
};

enum milter_event {
	MILTER_WAITS,    /* for more */
	MILTER_ANSWERED, /* `says` holds it; or negotiation is done */
	MILTER_BROKEN    /* `problem` says why */
};

struct milter_talk {
	struct evbuffer *out;
	uint32_t version, actions, steps;
	unsigned lists; /* stages for which the milter named macros */
	struct buf names[MILTER_STAGES];
	struct milter_reader reader;
	char awaited;               /* the command that is unanswered; 0: none */
	bool has_seen_enough;       /* of the body */
	bool is_behind_one;         /* the end of a message was answered, and by CONTINUE */
	uint64_t progress;          /* replies taken: whether the milter lives */
	struct milter_edits *edits; /* at the end of the body */
	struct milter_says says;
	const char *problem;
};

/* A connection stands: negotiate.  `out` must outlive the conversation. */
void milter_talk_begin(struct milter_talk *talk, struct evbuffer *out);
void milter_talk_free(struct milter_talk *talk);

/*
 * Commands.  True where an answer is to come; false where the milter says
 * nothing to this, or does not want to hear it: go on.
 */
bool milter_talk_connect(struct milter_talk *talk, const struct milter_facts *facts);
bool milter_talk_helo(struct milter_talk *talk, const struct milter_facts *facts);
bool milter_talk_mail(struct milter_talk *talk, const struct milter_facts *facts);
bool milter_talk_rcpt(
    struct milter_talk *talk, const struct milter_facts *facts, struct slice address);
bool milter_talk_data(struct milter_talk *talk, const struct milter_facts *facts);
/* value: behind the colon, folded, with its lines ended by CRLF */
bool milter_talk_header(struct milter_talk *talk, struct slice name, struct slice value);
bool milter_talk_end_of_header(struct milter_talk *talk, const struct milter_facts *facts);
/* At most MILTER_CHUNK_MAX octets. */
bool milter_talk_body(struct milter_talk *talk, struct slice octets);
/* Always answered. */
void milter_talk_end_of_body(
    struct milter_talk *talk, const struct milter_facts *facts, struct milter_edits *edits);

/* It wants no header fields, no body, or no more of it. */
bool milter_talk_wants_headers(const struct milter_talk *talk);
bool milter_talk_wants_body(const struct milter_talk *talk);

/* Octets have come. */
enum milter_event milter_talk_input(struct milter_talk *talk, struct evbuffer *in);

/*
 * The client, or this message, is done with.  True where the connection can be
 * used for another client: milter_talk_connect is next.  False: it is to be closed.
 */
bool milter_talk_end(struct milter_talk *talk);
/* Say goodbye on a connection that is not used any more. */
void milter_talk_quit(struct milter_talk *talk);

/* --- edits -------------------------------------------------------------------------- */

void milter_edits_begin(struct milter_edits *edits);
void milter_edits_free(struct milter_edits *edits);
/* Take the next wish off the list; false at its end. */
bool milter_edits_next(struct reader *list, struct milter_reply *edit);

#endif
