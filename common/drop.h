/*
 * drop.h - mail that sendmail(1) leaves in the spool's drop/ while the suite is down.
 *
 * A file is named as in the rest of the spool, "ID,S=size": size octets of content
 * with CRLF line ends, then one record with the envelope.  Its writer
 *
 *     creates ".ID" (O_EXCL, mode 0644: the directory, not the file, keeps others
 *     out), writes content and record, fsync()s, and renames it to "ID,S=size".
 *
 * qmgr takes up what it finds at its start and once a minute.  It believes the
 * sender and the recipients; who wrote the file it learns from the file's owner.
 * What makes no sense goes to bad/.
 */
#ifndef PETREL_COMMON_DROP_H
#define PETREL_COMMON_DROP_H

#include "common/channel_queue.h"
#include "common/id.h"

enum {
	DROP_NAME_MAX = MESSAGE_ID_TEXT + 3 + 20 + 1,
	DROP_RECORDS_MAX = 16 * 1024 * 1024, /* octets of the record */
};

/* "ID,S=size", NUL-terminated. */
void drop_format_name(message_id id, uint64_t size, char name[DROP_NAME_MAX]);
/* Append the record that ends the file; false where the buf's limit does not allow it. */
bool drop_append_envelope(struct buf *out, const struct envelope *envelope);

#endif
