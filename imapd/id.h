/*
 * id.h - ID (RFC 2971): who a client says it is.
 */
#ifndef PETREL_IMAPD_ID_H
#define PETREL_IMAPD_ID_H

#include "imapd/syntax.h"

/*
 * Parse the arguments of ID, from behind the verb to the end of the command, and
 * append them to `out` as "name=value " for the log.
 */
bool syntax_id(struct syntax *s, struct buf *out);

/* What we say: the whole response, with CRLF. */
#define ID_RESPONSE "* ID (\"name\" \"Petrel\")\r\n"

#endif
