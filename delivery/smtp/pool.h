/*
 * pool.h - connections that wait for another message to the same site.
 */
#ifndef PETREL_DELIVERY_SMTP_POOL_H
#define PETREL_DELIVERY_SMTP_POOL_H

#include "delivery/smtp/connection.h"

/*
 * Keep a usable connection.  `job` is the one whose result asks for another:
 * until qmgr has answered, the connection waits; then for
 * delivery.idle-connection.
 */
void pool_put(struct connection *connection, uint64_t job);
/* qmgr has no other for this one's site. */
void pool_no_more(uint64_t job);
/* The connection to this site that was used last and gives so much, taken out; NULL where there is none. */
struct connection *pool_take(struct slice site, enum protection least);
/* Say goodbye to the one that waits longest, to make room.  False where there is none. */
bool pool_end_oldest(void);
/* Say goodbye to all. */
void pool_end_all(void);
/* Take it out where it is in; every connection that goes away calls this. */
void pool_remove(struct connection *connection);
/* The timer of a new connection; the connection owns it. */
struct event *pool_timer(struct event_base *base, struct connection *connection);

#endif
