/*
 * fetch_items.h - what a FETCH asks for (RFC 3501, 6.4.5).
 */
#ifndef PETREL_IMAPD_SESSION_FETCH_ITEMS_H
#define PETREL_IMAPD_SESSION_FETCH_ITEMS_H

#include "imapd/syntax.h"
#include "message/imap_text.h"

enum {
	FETCH_SECTIONS_MAX = 64, /* body sections in one FETCH */
	FETCH_NAMES_MAX = 128,   /* header names in one section */
};

/* What comes from the index, as bits. */
enum {
	FETCH_FLAGS = 1 << 0,
	FETCH_UID = 1 << 1,
	FETCH_INTERNALDATE = 1 << 2,
	FETCH_SIZE = 1 << 3,
	FETCH_ENVELOPE = 1 << 4,
	FETCH_BODY = 1 << 5,
	FETCH_BODYSTRUCTURE = 1 << 6,
	FETCH_TEXTS = FETCH_ENVELOPE | FETCH_BODY | FETCH_BODYSTRUCTURE,
};

/* What comes from the message. */
struct fetch_section {
	struct slice label; /* as it is answered: "BODY[HEADER.FIELDS (From)]<0>", "RFC822.TEXT" */
	struct imap_section section;
	struct slice *names;
	size_t name_count;
	bool is_partial;
	uint64_t from, max; /* octets of a partial fetch */
};

struct fetch_items {
	unsigned facts;
	struct fetch_section *sections;
	size_t section_count;
	bool sets_seen; /* some section is not peeked at */
};

/* Parse "FULL", "FLAGS" or "(FLAGS BODY.PEEK[1.2]<0.100>)".  Everything lives in the syntax's arena. */
bool syntax_fetch_items(struct syntax *s, struct fetch_items *out);

#endif
