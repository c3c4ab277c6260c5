/*
 * syntax.h - the words of IMAP commands (RFC 3501, 9).
 *
 * A struct syntax walks over one gathered command.  Each function takes one
 * thing of the grammar or fails, leaving a sentence for the client's BAD in
 * `fault`; after a failure the walk is over.  Slices point into the command
 * where they can and into the arena where escapes had to be undone.
 */
#ifndef PETREL_IMAPD_SYNTAX_H
#define PETREL_IMAPD_SYNTAX_H

#include "common/slice.h"
#include "message/arena.h"

enum {
	SYNTAX_TAG_MAX = 128,
	SYNTAX_SET_MAX = 16384, /* ranges of a sequence set */
	SYNTAX_FLAGS_MAX = 128, /* flags in a list */
};

struct syntax {
	struct cursor in;
	struct arena *arena;
	const char *fault;
};

static inline struct syntax syntax_over(struct slice command, struct arena *arena)
{
	return (struct syntax){cursor_over(command), arena, NULL};
}

/* Fail with a sentence of the caller's; gives false. */
bool syntax_fail(struct syntax *s, const char *fault);

bool syntax_is_atom_octet(int c);
bool syntax_is_atom(struct slice word);

/* What ends the command: nothing may be left. */
bool syntax_end(struct syntax *s);
/* Exactly one blank. */
bool syntax_space(struct syntax *s);
/* One octet that must come now. */
bool syntax_octet(struct syntax *s, char octet);
/* Take a blank (or `octet`) where it comes; no failure where it does not. */
static inline bool syntax_accept(struct syntax *s, char octet)
{
	return s->fault == NULL && cursor_accept(&s->in, octet);
}
static inline bool syntax_at(const struct syntax *s, char octet)
{
	return s->fault == NULL && cursor_peek(&s->in) == (unsigned char)octet;
}

bool syntax_tag(struct syntax *s, struct slice *out);
bool syntax_atom(struct syntax *s, struct slice *out);
/* An atom in which "]" may stand, or a string. */
bool syntax_astring(struct syntax *s, struct slice *out);
/* Quoted or literal. */
bool syntax_string(struct syntax *s, struct slice *out);
/* A string, or NIL: then an empty slice with data NULL. */
bool syntax_nstring(struct syntax *s, struct slice *out);
bool syntax_number(struct syntax *s, uint64_t max, uint64_t *out);

/* A mailbox name: UTF-8 from modified UTF-7, not checked otherwise; "INBOX" in any case becomes "INBOX". */
bool syntax_mailbox(struct syntax *s, struct slice *out);
/* A mailbox name or pattern as it stands: wildcards included, not decoded. */
bool syntax_list_mailbox(struct syntax *s, struct slice *out);

/* ---- sequence sets ------------------------------------------------------ */

enum { SYNTAX_STAR = 0 }; /* "*" as a number: no message has it */

struct range {
	uint32_t first, last; /* first <= last; SYNTAX_STAR in either until sequence_resolve() */
};

struct sequence {
	struct range *ranges;
	size_t count;
	bool is_saved; /* "$": what the last search has saved (RFC 5182); no ranges then */
};

bool syntax_sequence(struct syntax *s, struct sequence *out);

/*
 * Put the largest number in use in the place of "*", and the ranges into
 * ascending order without overlaps.
 */
void sequence_resolve(struct sequence *sequence, uint32_t largest);
/* In a resolved sequence.  Logarithmic. */
bool sequence_has(const struct sequence *sequence, uint32_t number);

/* ---- flags -------------------------------------------------------------- */

struct flag_list {
	uint32_t system; /* STORE_SEEN ... */
	struct slice *keywords;
	size_t keyword_count;
};

/* "(\Seen $Forwarded)".  \Recent is refused: no client may set it (RFC 3501, 2.3.2). */
bool syntax_flag_list(struct syntax *s, struct flag_list *out);
/* The same, or without the parentheses up to the end, as STORE allows. */
bool syntax_store_flags(struct syntax *s, struct flag_list *out);

#endif
