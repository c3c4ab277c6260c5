/*
 * id.h - message identifiers.
 *
 * An identifier is a 64-bit number that grows with time: microseconds of wall
 * time, moved on by one where the clock stands still or steps back.  As text it
 * is 13 characters of the alphabet below (Crockford's base 32, lower case: no
 * i, l, o, u), whose order as text is their order in time.
 */
#ifndef PETREL_COMMON_ID_H
#define PETREL_COMMON_ID_H

#include "common/slice.h"

typedef uint64_t message_id;

enum { MESSAGE_ID_TEXT = 13 }; /* characters, without the NUL */

/* The next identifier after `last`, never equal to or below it. */
message_id message_id_next(message_id last);
/* Write the text form, NUL-terminated. */
void message_id_format(message_id id, char text[MESSAGE_ID_TEXT + 1]);
/* False where the text is not exactly one identifier. Zero is not one. */
bool message_id_parse(struct slice text, message_id *id);

#endif
