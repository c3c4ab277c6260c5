/*
 * capability.c - what imapd says it can do.
 */
#include "imapd/capability.h"

#include "common/conf.h"

void capability_write(struct buf *out)
{
	buf_append_string(out, "IMAP4rev1 LITERAL+ SASL-IR ID ENABLE IDLE NAMESPACE CHILDREN "
			       "UNSELECT UIDPLUS MOVE MULTIAPPEND ESEARCH SEARCHRES LIST-EXTENDED "
			       "LIST-STATUS SPECIAL-USE CREATE-SPECIAL-USE STATUS=SIZE");
	buf_printf(out, " APPENDLIMIT=%lld", (long long)settings->imap.append_limit);
}
