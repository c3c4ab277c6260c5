/*
 * submit.h - what is different where a client submits its own user's mail (RFC 6409).
 */
#ifndef PETREL_SMTPD_SUBMIT_H
#define PETREL_SMTPD_SUBMIT_H

#include "common/buf.h"
#include "common/id.h"
#include "common/slice.h"

struct session;
struct content;

/* The client is a user of ours, by password or by being on this host. */
bool submit_is_user(const struct session *s);

/* Say 530 where MAIL has to wait for STARTTLS or AUTH; true where it need not. */
bool submit_may_send(struct session *s);

/* Append the fields that the message lacks: Date (RFC 6409, 8.2), Message-ID (8.3). */
bool submit_missing_fields(
    const struct content *content, message_id id, uint64_t now_us, struct buf *out);

#endif
