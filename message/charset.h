/*
 * charset.h - text for people: character sets, encoded words, folding for search.
 *
 * What comes out is valid UTF-8 whatever went in.
 */
#ifndef PETREL_MESSAGE_CHARSET_H
#define PETREL_MESSAGE_CHARSET_H

#include "common/buf.h"
#include "common/slice.h"

enum {
	CHARSET_NAME_MAX = 64,
};

/*
 * Have the C library load its converters for the charsets that mail uses, and
 * keep them: a process calls this once, before it loses sight of the file
 * system.  Without it, US-ASCII, UTF-8, ISO-8859-1 and Windows-1252 still work.
 */
void charset_preload(void);

/*
 * Append `in`, written in `charset`, as UTF-8; what is malformed becomes U+FFFD.
 * False (and nothing appended) where the charset is unknown, or `out` is full.
 */
bool charset_to_utf8(struct slice charset, struct slice in, struct buf *out);

/*
 * Append the value of a header field as text: unfolded, RFC 2047 encoded words
 * decoded (adjacent ones joined, characters split between them included).  An
 * encoded word of unknown charset stays as written.  Octets above 127 outside
 * are taken as UTF-8 if they are all together valid UTF-8, else as Windows-1252.
 */
bool header_decode(struct slice value, struct buf *out);

/* Octets of unknown charset as text: UTF-8 if valid, else Windows-1252. */
bool text_guess(struct slice in, struct buf *out);

/* i;ascii-casemap (RFC 4790, 9.2): ASCII letters in upper case, all else as it is. */
bool fold_ascii(struct slice in, struct buf *out);

/*
 * Fold UTF-8 for search, so that octet search finds what a person means: simple
 * lower-casing of Latin, Greek, Cyrillic, Armenian and full-width letters, by
 * fold_code_point().  Both sides of a comparison, and every stored term, must
 * have gone through the same version: FOLD_VERSION changes with the table.
 */
bool fold_text(struct slice in, struct buf *out);
uint32_t fold_code_point(uint32_t code_point);
enum { FOLD_VERSION = 1 };

#endif
