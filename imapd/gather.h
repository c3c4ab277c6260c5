/*
 * gather.h - putting a client's IMAP command together (RFC 3501, 2.2.1 and 4.3).
 *
 * A command is a line, or several with literals between them: each line but the
 * last ends with "{5}" or "{5+}" (RFC 7888), and that many octets follow.  A
 * gather takes input in pieces of any size, looks at each octet once, and ends
 * with the whole command in one text in which the announcements of literals
 * still stand.  Whoever owns the gather decides about each literal before an
 * octet of it is taken: into the text, past the text, or not at all.
 */
#ifndef PETREL_IMAPD_GATHER_H
#define PETREL_IMAPD_GATHER_H

#include "common/buf.h"
#include "common/slice.h"

enum {
	GATHER_COMMAND_MAX = 65536, /* octets of a command after login, literals in it included */
	GATHER_LOGIN_MAX = 16384,   /* the same before login: a token is long */
};

enum gather_event {
	GATHER_MORE,    /* all input was taken: come again with more */
	GATHER_COMMAND, /* gather_text() is a whole command; gather_next() before going on */
	GATHER_LITERAL, /* literal_len octets are announced: decide with one of the functions below */
	GATHER_REFUSED,  /* the rest of a command whose literal was refused has been thrown away */
	GATHER_TOO_LONG, /* the text's limit is met; nothing sensible can follow */
};

struct gather {
	struct buf text;
	size_t line_start;    /* in text: a literal's octets before it are not looked at */
	uint64_t literal_len; /* announced, or still to come */
	bool literal_waits;   /* the client sends it only after "+" */
	bool plain; /* the next line is data (SASL, DONE): "{5}" at its end is nothing special */
	enum {
		GATHER_IN_LINE,
		GATHER_DECIDING,
		GATHER_TAKING,
		GATHER_STREAMING,
		GATHER_SKIPPING_LITERAL,
		GATHER_SKIPPING_LINE,
	} state;
};

static inline struct gather gather_with_limit(size_t limit)
{
	return (struct gather){.text = buf_with_limit(limit)};
}

/* Take from `in` what belongs to the command, at most all of it; *taken octets were. */
enum gather_event gather_take(struct gather *g, struct slice in, size_t *taken);

/* The command, without the line end that closes it; inner line ends are CRLF. */
struct slice gather_text(const struct gather *g);

/* Forget the command, and be ready for the next. */
void gather_next(struct gather *g);
/* The same, overwriting it: it may hold a password. */
void gather_wipe(struct gather *g);
void gather_free(struct gather *g);

/* After GATHER_LITERAL: let it into the text.  False where it does not fit. */
bool gather_accept(struct gather *g);

/*
 * After GATHER_LITERAL: do not take it.  True where the client was waiting to be
 * asked for it: the command is over, and so is its text.  False where it comes
 * unasked: it and the rest of the command are thrown away, then comes
 * GATHER_REFUSED.
 */
bool gather_refuse(struct gather *g);

/*
 * After GATHER_LITERAL: hand it over in pieces, and forget the text up to it.
 * gather_streamed() gives the part of `in` that belongs to the literal, and once
 * it is complete gather_take() goes on with the line behind it.
 */
void gather_stream(struct gather *g);
struct slice gather_streamed(struct gather *g, struct slice in);
static inline bool gather_is_streaming(const struct gather *g)
{
	return g->state == GATHER_STREAMING;
}

#endif
