/*
 * mime_part.h - between the files of the MIME parser: what a part's header says.
 */
#ifndef PETREL_MESSAGE_MIME_PART_H
#define PETREL_MESSAGE_MIME_PART_H

#include "message/mime.h"

/*
 * Fill in a part from the fields of `header`; `default_is_message` where the
 * part lies in a multipart/digest (RFC 2046, 5.1.5).  False when memory ran out.
 */
bool mime_part_read_header(
    struct mime_part *part, struct slice header, bool default_is_message, struct arena *text);

/* Make a part text/plain: what RFC 2045, 5.2 asks for where a type cannot be understood. */
void mime_part_set_text(struct mime_part *part);

#endif
