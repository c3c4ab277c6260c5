/*
 * encoding.h - octets in other clothes: base64, quoted-printable, UTF-8, modified UTF-7.
 *
 * All append to a buf whose limit is the caller's bound, and return false where
 * it did not fit or (the strict ones) where the input is malformed; what was
 * appended before the fault stays in the buf then.  Linear time.
 */
#ifndef PETREL_MESSAGE_ENCODING_H
#define PETREL_MESSAGE_ENCODING_H

#include "common/buf.h"
#include "common/slice.h"

/* ---- base64 (RFC 4648, 4) ----------------------------------------------- */

/* On one line, padded. */
bool base64_encode(struct slice in, struct buf *out);
/* In lines of 76 that end with CRLF, as a message body. */
bool base64_encode_lines(struct slice in, struct buf *out);
/* Strict, for protocols: the alphabet, right padding, and nothing else. */
bool base64_decode(struct slice in, struct buf *out);
/* Lenient, for message bodies: other octets are skipped, padding may be missing or early. */
bool base64_decode_lenient(struct slice in, struct buf *out);

/* ---- quoted-printable (RFC 2045, 6.7) ----------------------------------- */

/* Total: what is no valid escape stays as it is; blanks at line ends are dropped. */
bool quoted_printable_decode(struct slice in, struct buf *out);
/* The "Q" encoding of RFC 2047, 4.2: the same without line breaks, '_' for a blank. */
bool q_decode(struct slice in, struct buf *out);

/* ---- UTF-8 (RFC 3629) --------------------------------------------------- */

enum { UNICODE_MAX = 0x10ffff, UNICODE_REPLACEMENT = 0xfffd };

/* Take the next code point, 0 to UNICODE_MAX; -1 at the end; -2 where malformed (one octet is taken). */
int32_t utf8_next(struct cursor *in);
/* Shortest forms only, no surrogates, nothing above UNICODE_MAX. */
bool utf8_is_valid(struct slice in);
/* Valid, and without the controls of ASCII and of the block behind it, which terminals obey. */
bool utf8_is_printable(struct slice in);
bool utf8_append(struct buf *out, uint32_t code_point);
/* Copy, with U+FFFD for each octet that is malformed. */
bool utf8_append_clean(struct buf *out, struct slice in);
/* Holds no octet above 127. */
bool is_ascii(struct slice in);

/* ---- modified UTF-7, the names of IMAP mailboxes (RFC 3501, 5.1.3) ------ */

/* From UTF-8; false where `in` is not valid UTF-8, or has a NUL, which no name has. */
bool mutf7_encode(struct slice in, struct buf *out);
/* To UTF-8; false for everything that mutf7_encode() would not have written, so that a name has one spelling. */
bool mutf7_decode(struct slice in, struct buf *out);

#endif
