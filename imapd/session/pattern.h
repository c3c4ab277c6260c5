/*
 * pattern.h - the wildcards of LIST and LSUB (RFC 3501, 6.3.8).
 */
#ifndef PETREL_IMAPD_SESSION_PATTERN_H
#define PETREL_IMAPD_SESSION_PATTERN_H

#include "common/slice.h"

enum { PATTERN_MAX = 1024 }; /* octets; a longer one matches nothing */

/*
 * Does a name match?  "*" stands for anything, "%" for anything without '/'.  The
 * level INBOX is compared in any case.  Work is bounded by the product of the
 * lengths, whatever the wildcards are.
 */
bool pattern_matches(struct slice pattern, struct slice name);

#endif
