/*
 * chunk.h - BDAT: a message in chunks whose sizes are said before (RFC 3030).
 */
#ifndef PETREL_SMTPD_CHUNK_H
#define PETREL_SMTPD_CHUNK_H

#include <stdbool.h>

#include "common/slice.h"

struct session;

/*
 * The command.  Whatever is wrong with it, as many octets as it says are its
 * chunk's and never commands; where it does not say how many, the session ends.
 */
void chunk_begin(struct session *s, struct slice arguments);
/* Take what there is of the chunk.  False where more has to come first. */
bool chunk_take(struct session *s);

#endif
