/*
 * dsn_text.h - between the files of the report: the part that a person reads.
 */
#ifndef PETREL_MESSAGE_DSN_TEXT_H
#define PETREL_MESSAGE_DSN_TEXT_H

#include "message/dsn.h"

/* The status to show: as given, or the plainest of the action's class. */
struct slice dsn_status(const struct dsn_recipient *recipient);

/* What the report is about, in a few words. */
const char *dsn_subject(const struct dsn *dsn);

/* Append the text: what happened, to whom, what the other side said, what to do. */
bool dsn_write_text(const struct dsn *dsn, struct buf *out);

#endif
