/*
 * milter_header.h - a message's header while milters change it.
 *
 * The header is a list of fields: first those that Petrel adds in front of the
 * content (they travel in the envelope), then the content's own.  A milter's
 * changes go into the list; the next milter is shown what the list holds by
 * then.  At the end the list is written out again in two parts: what goes in
 * front of the content, and, only where the content's own fields were changed,
 * the content's new header.
 *
 * Numbering is sendmail's.  Changes count the fields of a name that the milter
 * was shown, from 1; a field that it deleted keeps its number until it is done.
 * Insertions count all fields, with our own Received, which no milter is shown:
 * 0 is in front of it, 1 behind it.
 *
 * Values become whole lines: whatever line ends a milter writes, each is CR LF
 * here, and a line that does not begin with a blank is given one, so that no
 * value ends its field.
 */
#ifndef PETREL_POLICY_MILTER_HEADER_H
#define PETREL_POLICY_MILTER_HEADER_H

#include "common/buf.h"
#include "common/slice.h"
#include "message/arena.h"

enum {
	MILTER_HEADER_MAX = 512 * 1024, /* octets of a content's header that milters are shown */
	MILTER_FIELDS_MAX = 20000,
	MILTER_ADDED_MAX = 1024 * 1024 /* octets of fields that all milters of a message write */
};

struct milter_field {
	struct slice name;  /* empty: a line that is no field; not shown to milters */
	struct slice value; /* behind the colon, folded, without the last line end */
	struct slice whole; /* with the line end */
	bool is_content;    /* it is the content's */
	bool is_hidden;     /* our Received */
	bool is_deleted;
	bool is_above;      /* it was above our trace, and is not counted in insertions */
};

struct milter_header {
	struct milter_field *fields;
	size_t count;
	size_t room;
	struct arena text;       /* of new fields */
	bool has_header;         /* the content begins with a header */
	bool has_trace;          /* one is hidden */
	bool is_content_changed; /* milter_header_write_content has something new */
};

/*
 * prepend  what Petrel adds in front, its Received first; its last empty line, if any, is left out
 * content  the content's header, up to its empty line; empty where the content has none
 * Both must outlive the list.  False where there are too many fields or memory is short.
 */
bool milter_header_begin(struct milter_header *header, struct slice prepend, struct slice content);
void milter_header_free(struct milter_header *header);

/* The next field that a milter is shown, from *at on; NULL: no more. */
const struct milter_field *milter_header_next(const struct milter_header *header, size_t *at);

/*
 * What a milter asks for.  has_space: its values bring the blank behind the colon
 * along.  False where a limit is met: the change is not made.
 */
bool milter_header_add(
    struct milter_header *header, struct slice name, struct slice value, bool has_space);
bool milter_header_insert(struct milter_header *header, size_t index, struct slice name,
    struct slice value, bool has_space);
/* An empty value deletes.  A field that is not there is added, or was deleted before. */
bool milter_header_change(struct milter_header *header, size_t index, struct slice name,
    struct slice value, bool has_space);
/* A milter is done: what it deleted is gone. */
void milter_header_settle(struct milter_header *header);

/* What is to stand in front of the content.  With an empty line where the content has no header. */
bool milter_header_write_prepend(const struct milter_header *header, struct buf *out);
/* The content's header with its empty line; nothing where it has none. */
bool milter_header_write_content(const struct milter_header *header, struct buf *out);

#endif
