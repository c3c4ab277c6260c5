/*
 * milter.h - milters as judges of sessions, and of messages.
 *
 * A milter is asked about a message, not about a connection: with MAIL it is told
 * who connected and how it said hello, and what it thinks of that is the answer to
 * MAIL.  Several are asked one after the other, in the order of the settings.
 *
 * What a milter was told is remembered until the message is decided.  Whatever is
 * lost on the way, a connection or this whole process, is told again from the
 * facts that each question brings: at the end of a message all of them.
 */
#ifndef PETREL_POLICY_MILTER_H
#define PETREL_POLICY_MILTER_H

#include "common/channel.h"
#include "policy/inquiry.h"

struct event_base;

/* Before rights are given up. */
bool milters_prepare(void);
/* At the start, and at a reload. */
bool milters_start(struct event_base *base);
void milters_reload(void);

/* For the table of judges. */
bool milters_are_concerned(const struct policy_question *question);
void milters_ask(struct inquiry *inquiry);
void milters_forget(struct inquiry *inquiry);

/* FILTER_MESSAGE; false where it is malformed. */
bool milters_filter(struct channel *channel, struct message *m);
/* POLICY_ENDED. */
void milters_ended(const struct channel *channel, uint64_t session);
/* That smtpd is gone. */
void milters_closed(const struct channel *channel);

#endif
