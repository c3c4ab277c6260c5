/*
 * verdict.h - what an SMTP client is to be told of an address.
 */
#ifndef PETREL_LOOKUP_VERDICT_H
#define PETREL_LOOKUP_VERDICT_H

#include "common/channel_lookup.h"
#include "lookup/directory.h"

/*
 * May mail for this recipient be taken?
 *
 * address    canonical
 * may_relay  the client is one of ours, and may send to other hosts
 *
 * An alias all of whose members would come back as errors is refused here, so
 * that no bounce has to be sent for it.
 */
void verdict_on_recipient(
    struct directory *d, struct slice address, bool may_relay, struct lookup_verdict *verdict);

/*
 * May this login send as `sender`?  It may as its own account (with any
 * extension), as every alias that reaches its mailbox, as what the table
 * `senders` grants it, and with the null sender.
 */
void verdict_on_sender(
    struct directory *d, struct slice login, struct slice sender, struct lookup_verdict *verdict);

#endif
