/*
 * section.h - a piece of a message on its way to the client.
 *
 * A section is found once, its size with CRLF line ends counted, and then sent
 * piece by piece as the client takes it; nothing of it is kept in memory but what
 * a header's picked fields need.
 */
#ifndef PETREL_IMAPD_SESSION_SECTION_H
#define PETREL_IMAPD_SESSION_SECTION_H

#include "imapd/session/connection.h"
#include "imapd/session/fetch_items.h"
#include "message/lines.h"

struct section_source {
	enum {
		SECTION_IS_NIL,     /* the message has no such part */
		SECTION_IN_CONTENT, /* the whole message, read through a window */
		SECTION_IN_FILE,    /* stored octets, mapped */
		SECTION_IN_MEMORY,  /* picked fields */
	} where;
	uint64_t left; /* octets to be sent */
	uint64_t at;   /* SECTION_IN_CONTENT, SECTION_IN_MEMORY: offset of the next */
	struct store_content *content;
	struct slice stored; /* SECTION_IN_FILE: what comes next, with line ends as stored */
	uint64_t skip;       /* of its octets with CRLF, these are before the part that is wanted */
	struct line_state lines;
	struct buf memory;
};

/* Find a section of a message of the selected mailbox. */
enum store_error section_open(struct connection *c, uint32_t seq,
    const struct fetch_section *wanted, struct section_source *out);
/* Send a piece; STEP_DONE: that was the last.  What cannot be read any more cuts the connection off. */
enum step section_send(struct connection *c, struct section_source *source);
void section_close(struct section_source *source);

#endif
