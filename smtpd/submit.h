/*
 * submit.h - what is different where a client submits its own user's mail (RFC 6409).
 */
#ifndef PETREL_SMTPD_SUBMIT_H
#define PETREL_SMTPD_SUBMIT_H

#include "common/buf.h"
#include "common/id.h"
#include "common/slice.h"

enum { SUBMIT_AUTHORS_MAX = 10 /* mailboxes in one From field */ };

struct session;
struct content;
struct content_rules;

/* The client is a user of ours, by password or by being on this host. */
bool submit_is_user(const struct session *s);

/*
 * The client has logged in: what it sends is in that account's name, and is counted.
 * Programs on this host write for others too.
 */
bool submit_has_account(const struct session *s);

/* Say 530 where MAIL has to wait for STARTTLS or AUTH; true where it need not. */
bool submit_may_send(struct session *s);

/*
 * The limits of this session: users have their own (RFC 6409, 1), and whoever is
 * to become one, on a port for them, is told of those.
 */
uint64_t submit_size_limit(const struct session *s);
uint32_t submit_recipients_limit(const struct session *s);

/* What is not stored of a user's message, and what has to be known of it. */
void submit_rules(const struct session *s, struct content_rules *rules);

/*
 * The message has come, and there is no problem with it.  Is its author the user
 * who is logged in?  Ends in data_commit() or in a refusal, at once or when lookup
 * has answered: the session is blocked till then.
 */
void submit_examine(struct session *s);

/*
 * Append the fields that the message lacks: From, Date (RFC 6409, 8.2),
 * Message-ID (8.3), and Sender where the author is somebody else (8.1).
 */
bool submit_missing_fields(
    const struct session *s, message_id id, uint64_t now_us, struct buf *out);

#endif
