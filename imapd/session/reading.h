/*
 * reading.h - the message that a connection reads just now.
 *
 * It stays open from one command to the next, so that a client that fetches a
 * large message in pieces does not make us open, parse and scan it for each.
 */
#ifndef PETREL_IMAPD_SESSION_READING_H
#define PETREL_IMAPD_SESSION_READING_H

#include "imapd/session/connection.h"
#include "message/mime.h"

/* The content of a message of the selected mailbox; it belongs to the reading. */
enum store_error reading_content(struct connection *c, uint32_t seq, struct store_content **out);
/* Its stored octets, mapped: with LF line ends, valid as long as the reading. */
enum store_error reading_stored(struct connection *c, uint32_t seq, struct slice *out);
/* The tree of its parts. */
enum store_error reading_mime(struct connection *c, uint32_t seq, const struct mime **out);
void reading_close(struct connection *c);

#endif
