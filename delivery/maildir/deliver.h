/*
 * deliver.h - one recipient's copy of a message, into the mailbox.
 */
#ifndef PETREL_DELIVERY_MAILDIR_DELIVER_H
#define PETREL_DELIVERY_MAILDIR_DELIVER_H

#include "common/channel_delivery.h"
#include "delivery/maildir/homes.h"

/*
 * Write the message into the recipient's mailbox, with Return-Path, Delivered-To
 * and X-Original-To and the job's own header fields in front.
 *
 * flush   flush each file by itself: no checkpoint does it (see channel_delivery.h)
 * result  filled in; its texts live for ever
 * Doing it again is harmless: the file's name comes from message and recipient.
 */
void deliver_to_mailbox(struct homes *homes, const struct delivery_job *job, int content,
    const struct delivery_recipient *recipient, bool flush,
    struct delivery_recipient_result *result);

/* The header fields in front of this recipient's copy; false where they do not fit `out`. */
struct buf;
bool deliver_headers(
    const struct delivery_job *job, const struct delivery_recipient *recipient, struct buf *out);

#endif
