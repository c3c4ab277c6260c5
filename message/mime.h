/*
 * mime.h - the tree of parts that a message is (RFC 2045, 2046).
 *
 * The parser is total: any octets, with LF or CRLF line ends, give a tree of at
 * most MIME_PARTS_MAX parts and MIME_DEPTH_MAX levels, in linear time.  Offsets
 * are into the message as it is stored; sizes are what IMAP counts, with CRLF
 * for every line end.
 *
 * parts[0] is the message itself.  A multipart's children are its parts; a
 * message/rfc822's one child is the message within.  The order of parts[] is
 * that of the message: a part comes before its children.
 */
#ifndef PETREL_MESSAGE_MIME_H
#define PETREL_MESSAGE_MIME_H

#include "common/slice.h"
#include "message/arena.h"

enum {
	MIME_DEPTH_MAX = 64, /* levels of nesting; a multipart or message beyond is left unopened */
	MIME_PARTS_MAX = 1000,             /* what follows belongs to the last part */
	MIME_PARAMETERS_MAX = 64,          /* of one field; more are left out */
	MIME_LANGUAGES_MAX = 16,           /* of Content-Language; more are left out */
	MIME_BOUNDARY_MAX = 256,           /* octets; RFC 2046 allows 70 */
	MIME_PARAMETER_SECTIONS_MAX = 100, /* RFC 2231 continuations of one parameter */
	MIME_FIELD_MAX = 16384,            /* octets of one Content-* field that are looked at */
	MIME_NO_PART = -1,
};

enum mime_kind {
	MIME_LEAF,      /* anything that is not opened */
	MIME_TEXT,      /* text/...: a leaf whose lines IMAP tells */
	MIME_MULTIPART, /* children are its parts */
	MIME_MESSAGE,   /* message/rfc822: one child */
};

struct mime_parameter {
	struct slice name;  /* as written, with any RFC 2231 "*0*" at its end */
	struct slice value; /* without quotes; see mime_parameter_text() */
};

struct mime_parameters {
	const struct mime_parameter *items;
	size_t count;
};

struct mime_part {
	enum mime_kind kind;
	int parent;      /* index into parts[], MIME_NO_PART for the message itself */
	int first_child; /* MIME_NO_PART: none */
	int next;        /* the next sibling, or MIME_NO_PART */
	int depth;       /* 0 for the message itself */

	/* Where it lies: stored octets, from the start of the message. */
	size_t header_start;
	size_t body_start; /* behind the empty line that ends the header */
	size_t body_end;
	/* What IMAP counts: octets with CRLF line ends. */
	uint64_t header_octets; /* with the empty line */
	uint64_t body_octets;
	uint64_t body_lines; /* line ends in the body */

	/*
	 * As written; empty, with data NULL, where the field is missing.  Where a
	 * multipart or message cannot be opened (a limit, an encoding that hides
	 * it), the type is given as application/octet-stream, which a client will
	 * offer to save; a multipart without a boundary is text/plain.
	 */
	struct slice type;    /* "text" where missing or malformed; never empty */
	struct slice subtype; /* "plain" */
	struct mime_parameters parameters;
	struct slice encoding; /* Content-Transfer-Encoding; "7bit" where missing */
	struct slice id;
	struct slice description; /* unfolded */
	struct slice md5;
	struct slice disposition; /* "attachment" */
	struct mime_parameters disposition_parameters;
	const struct slice *languages;
	size_t language_count;
	struct slice location; /* unfolded, inner blanks removed (RFC 2557, 4.4.2) */
};

struct mime {
	struct slice message;
	struct mime_part *parts;
	size_t count;
	size_t room;
	bool truncated;    /* a limit was met: the tree is coarser than the message */
	struct arena text; /* what does not lie in the message as it is */
};

/*
 * Parse `message` into `out`, which refers to it from then on.  False only when
 * memory ran out.  Release with mime_free() in any case.
 */
bool mime_parse(struct slice message, struct mime *out);
void mime_free(struct mime *mime);

/* The stored octets of a part. */
struct slice mime_header(const struct mime *mime, const struct mime_part *part);
struct slice mime_body(const struct mime *mime, const struct mime_part *part);

/* The part is of this type and subtype, in any case; an empty subtype stands for all. */
bool mime_is(const struct mime_part *part, struct slice type, struct slice subtype);

/*
 * Append a part's body decoded from base64 or quoted-printable; other encodings
 * as they are.
 */
bool mime_decode_body(const struct mime *mime, const struct mime_part *part, struct buf *out);

/* The same for a text part as UTF-8, by its charset (an unknown one is guessed at). */
bool mime_decode_text(const struct mime *mime, const struct mime_part *part, struct buf *out);

/* The parameter exactly so called, or NULL. */
const struct mime_parameter *mime_parameter_find(
    const struct mime_parameters *parameters, struct slice name);

/*
 * Append a parameter's value as UTF-8: RFC 2231 continuations put together and
 * decoded, or the plain value with RFC 2047 words that should not be there
 * decoded too.  False where there is no such parameter.
 */
bool mime_parameter_text(
    const struct mime_parameters *parameters, struct slice name, struct buf *out);

/*
 * Parse "value; name=value; ..." by itself, as in Content-Type and
 * Content-Disposition.  *value is what comes before the first semicolon.
 * Slices point into `field` or `text`.  False only when memory ran out.
 */
bool mime_parse_field(struct slice field, struct arena *text, struct slice *value,
    struct mime_parameters *parameters);

#endif
