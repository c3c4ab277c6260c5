/*
 * links.h - the channels between processes, as master made them.
 */
#ifndef PETREL_MASTER_LINKS_H
#define PETREL_MASTER_LINKS_H

#include "master/children.h"

bool links_start(struct event_base *base);
/* Give both a channel to the other, instead of one that they may have had. */
void links_connect(struct child *one, struct child *other);
/* Give one process an end of a channel to somebody whom this table does not know. */
void links_hand_over(struct child *to, enum role role, unsigned instance, int socket);
/*
 * A process says (CONTROL_PEER_LOST) that a channel has ended.  Where its peer has
 * died, a new one comes with the peer's successor; where both live on, because one
 * found the other's words malformed or too many, they get a new one after a
 * moment.  False: malformed.
 */
bool links_lost(const struct child *reporter, struct message *m);

#endif
