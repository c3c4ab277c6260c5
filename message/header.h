/*
 * header.h - the header of a message: walking it, reading its fields, writing ours.
 *
 * Everything that reads is total: any octets give some sequence of fields, and
 * the fields' `whole` slices laid end to end are the header, octet for octet.
 * Lines end with LF or CRLF; a CR elsewhere is an octet like any other.  The
 * header ends at the first empty line, or with the message.
 */
#ifndef PETREL_MESSAGE_HEADER_H
#define PETREL_MESSAGE_HEADER_H

#include "common/buf.h"
#include "common/slice.h"
#include "message/arena.h"

enum {
	HEADER_LINE_MAX = 998,    /* octets of a line without its CRLF (RFC 5322, 2.1.1) */
	HEADER_LINE_WANTED = 78,  /* what we fold to */
	HEADER_VALUE_MAX = 65536, /* octets of one field that we unfold or decode */
	ADDRESS_LIST_MAX = 10000, /* entries taken from one field */
};

struct header_field {
	struct slice name;  /* without blanks before the colon; empty where the line is no field */
	struct slice value; /* after the colon, still folded, without the last line end */
	struct slice whole; /* everything, with the last line end where there is one */
};

/* A walk over the fields of a header. */
struct header_walk {
	struct slice message;
	size_t at;   /* octets walked so far; after the last field: see body */
	size_t body; /* once header_next() was false: offset of the body, after the empty line */
};

static inline struct header_walk header_walk_over(struct slice message)
{
	return (struct header_walk){message, 0, 0};
}

/* The next field; false after the last. */
bool header_next(struct header_walk *walk, struct header_field *out);

/* Offset of the body: behind the empty line, or message.len where there is none. */
size_t header_end(struct slice message);

/* The first field called `name` (in any case); false where there is none. */
bool header_find(struct slice message, struct slice name, struct header_field *out);

/* How many fields are called `name`: hops, by "Received". */
size_t header_count(struct slice message, struct slice name);

/* Some field called `name` has this value, blanks around and ASCII case aside: loops, by "Delivered-To". */
bool header_has(struct slice message, struct slice name, struct slice value);

/*
 * Append a field's value as one line: line ends inside are dropped (the blank
 * behind them stays, RFC 5322, 2.2.3), blanks around the whole are trimmed.
 * `out`'s limit bounds the work.
 */
bool header_unfold(struct slice value, struct buf *out);

/* ---- address lists ------------------------------------------------------ */

enum header_address_kind {
	HEADER_ADDRESS_MAILBOX,
	HEADER_ADDRESS_GROUP_START, /* name is the group's name */
	HEADER_ADDRESS_GROUP_END,
};

struct header_address {
	enum header_address_kind kind;
	struct slice
	    name; /* display name, or the last comment where there is none; not RFC 2047-decoded */
	struct slice route; /* obsolete source route ("@a,@b"), without its colon */
	struct slice local; /* meaning of the local part: without quotes */
	struct slice
	    domain; /* with its brackets where it is a literal; empty where there is none */
};

struct address_list {
	struct header_address *items; /* groups lie flat between their start and end */
	size_t count;
	size_t room;
	bool malformed;    /* something had to be guessed or left out */
	bool truncated;    /* a limit was met: entries are missing at the end */
	struct arena text; /* what the slices point into */
};

struct address_list address_list_empty(void);

/*
 * Parse the value of From, To, Cc, ... (RFC 5322, 3.4 and 4.4: groups, comments,
 * quoted strings, routes), and put what it holds behind what the list holds
 * already.  Any octets give some list, in linear time; a group that is not
 * closed is closed at the end.  False only when memory ran out.
 */
bool address_list_add(struct address_list *list, struct slice value);
void address_list_free(struct address_list *list);

/* Append "local@domain" in canonical form (see address.h); "local" where there is no domain. */
bool header_address_write(const struct header_address *address, struct buf *out);

/* ---- message identifiers ------------------------------------------------ */

/*
 * The next "<left@right>" of a Message-ID, In-Reply-To or References value,
 * brackets included; false where no more come.  Comments and words between are
 * skipped; an identifier never spans a blank or a line end.
 */
bool header_next_message_id(struct cursor *in, struct slice *out);

/* ---- fields that we write ----------------------------------------------- */

/*
 * Append "Name: value CRLF", folded at blanks to HEADER_LINE_WANTED columns and
 * by force before HEADER_LINE_MAX.  Control octets in the value, line breaks
 * above all, become blanks; what is not valid UTF-8 becomes '?'.
 */
bool header_write(struct buf *out, const char *name, struct slice value);

/* The same for a text for people: what is not ASCII becomes RFC 2047 encoded words. */
bool header_write_text(struct buf *out, const char *name, struct slice text);

/*
 * Append a mailbox, "Display Name <local@domain>", to a value that header_write()
 * is to write: the name bare, quoted or RFC 2047-encoded as its octets need.
 * With an empty name it is the address alone, without brackets.
 */
bool header_append_mailbox(struct buf *value, struct slice display_name, struct slice address);

#endif
