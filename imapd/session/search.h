/*
 * search.h - the keys of SEARCH (RFC 3501, 6.4.4): parsed, bound to a view, matched.
 *
 * A search is a tree of keys.  Texts are folded once, when parsed; what a key
 * needs of a message is asked for only when no cheaper key has decided already:
 * the children of an AND stand in the order of what they cost.
 */
#ifndef PETREL_IMAPD_SESSION_SEARCH_H
#define PETREL_IMAPD_SESSION_SEARCH_H

#include "imapd/syntax.h"
#include "message/mime.h"
#include "store/store.h"

enum {
	SEARCH_DEPTH_MAX = 32,              /* levels of OR, NOT and parentheses */
	SEARCH_KEYS_MAX = 2000,             /* in one command */
	SEARCH_PART_MAX = 8 * 1024 * 1024,  /* octets of one part's body that are looked at */
	SEARCH_TEXT_MAX = 32 * 1024 * 1024, /* the same, decoded */
};

/* In the order of what it costs to ask. */
enum search_kind {
	SEARCH_ALL,
	SEARCH_FLAGS, /* flags & mask == wanted */
	SEARCH_KEYWORD,
	SEARCH_SEQUENCE,
	SEARCH_UID,
	SEARCH_INTERNAL_DATE,
	SEARCH_SIZE,
	SEARCH_NOT,
	SEARCH_OR,
	SEARCH_AND,
	SEARCH_SENT_DATE,
	SEARCH_ENVELOPE, /* a text in one of its fields */
	SEARCH_HEADER,
	SEARCH_BODY,
	SEARCH_TEXT,
};

enum search_order { SEARCH_BEFORE, SEARCH_ON, SEARCH_SINCE };

struct search_key {
	enum search_kind kind;
	int cost;                 /* the highest kind in it */
	struct search_key *inner; /* NOT, OR, AND: the first child */
	struct search_key *next;  /* its sibling */
	uint32_t mask, wanted;    /* FLAGS */
	struct slice name;        /* KEYWORD, HEADER */
	uint64_t bits;            /* KEYWORD: after search_bind; 0: no message has it */
	struct sequence sequence; /* SEQUENCE, UID */
	enum search_order order;  /* dates */
	int64_t day;              /* dates: days since 1970 */
	bool larger;              /* SIZE: larger than, else smaller than */
	uint64_t size;
	unsigned field;    /* ENVELOPE: enum envelope_field */
	struct slice text; /* folded */
};

/* What a client wants to know of what was found (RFC 4731, 5182). */
enum search_return {
	RETURN_MIN = 1 << 0,
	RETURN_MAX = 1 << 1,
	RETURN_ALL = 1 << 2,
	RETURN_COUNT = 1 << 3,
	RETURN_SAVE = 1 << 4,
};

struct search {
	struct search_key *key;
	bool is_extended; /* the answer is ESEARCH, and tells: */
	unsigned returned; /* of enum search_return */
	struct slice unknown_charset; /* where parsing failed for it: NO [BADCHARSET] */
};

/* Parse what follows "SEARCH ".  The keys live in the syntax's arena. */
bool syntax_search(struct syntax *s, struct search *out);

/*
 * Give numbers to "*", bits to keywords, as the view has them now, and UIDs to "$":
 * those in `saved`, which has to last as long as the search.
 */
enum store_error search_bind(
    struct search *search, struct store_view *view, const struct sequence *saved);

/* What a key may ask about a message.  Each is asked for at most when needed; false: cannot be had. */
struct search_subject {
	uint32_t seq;
	const struct store_message *facts;
	bool (*size)(void *context, uint32_t seq, uint64_t *size);
	bool (*envelope)(void *context, uint32_t seq, struct slice *envelope);
	bool (*mime)(void *context, uint32_t seq, const struct mime **mime);
	void *context;
};

/* A message of which something cannot be had matches no key that asks for it, and no NOT of such a key. */
enum search_verdict { SEARCH_NO, SEARCH_YES, SEARCH_UNKNOWN };

enum search_verdict search_matches(
    const struct search_key *key, const struct search_subject *subject);

#endif
