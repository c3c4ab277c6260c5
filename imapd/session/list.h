/*
 * list.h - what a LIST command asks for (RFC 3501, 6.3.8; extended: RFC 5258, 5819, 6154).
 */
#ifndef PETREL_IMAPD_SESSION_LIST_H
#define PETREL_IMAPD_SESSION_LIST_H

#include "imapd/session/commands.h"

enum { LIST_PATTERNS_MAX = 32 };

/* Which mailboxes are meant, besides the patterns. */
enum list_selection {
	SELECT_SUBSCRIBED = 1 << 0,
	SELECT_SPECIAL_USE = 1 << 1,
	SELECT_RECURSIVE = 1 << 2, /* also those with a meant one below them that no pattern reaches */
};

/* What is told of them, besides what is always told: children and special use. */
enum list_return { RETURN_SUBSCRIBED = 1 << 0 };

struct list_request {
	/* Reference and mailbox together, in modified UTF-7 like the names they are held against. */
	struct buf patterns[LIST_PATTERNS_MAX];
	size_t pattern_count;
	bool is_extended; /* the client knows of \NonExistent and the like */
	bool asks_for_delimiter; /* an empty pattern: a question about the hierarchy */
	unsigned selected; /* of enum list_selection */
	unsigned returned; /* of enum list_return */
	unsigned status;   /* of enum status_item */
};

/* Parse what follows "LIST" or "LSUB"; of the latter only the plain form.  Pair with list_request_free either way. */
bool list_request_take(struct syntax *s, bool may_extend, struct list_request *out);
void list_request_free(struct list_request *request);

#endif
