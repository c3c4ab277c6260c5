/*
 * capability.h - what imapd says it can do.
 *
 * Some clients (Outlook) look for IDLE only before login, so both lists hold
 * everything that works after it.  Nothing stands here that does not work.
 */
#ifndef PETREL_IMAPD_CAPABILITY_H
#define PETREL_IMAPD_CAPABILITY_H

#include "common/buf.h"

/* Append "IMAP4rev1 ...", without "CAPABILITY". */
void capability_write(struct buf *out);

#endif
