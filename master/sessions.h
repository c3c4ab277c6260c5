/*
 * sessions.h - which user's session process runs, and bringing connections to it.
 */
#ifndef PETREL_MASTER_SESSIONS_H
#define PETREL_MASTER_SESSIONS_H

#include "common/channel_control.h"

struct event_base;

/*
 * auth says that a client of a front daemon has logged in: have the account's
 * session process take the connection, starting the process where there is none,
 * and hand both sides their ends of a channel.
 */
void sessions_connect(struct event_base *base, const struct control_session *wanted);
unsigned sessions_count(void);
/* No session process may outlive the suite: each ends when its control channel does. */
void sessions_close(void);

#endif
