/*
 * control.h - the administrator's view of what policy knows.
 */
#ifndef PETREL_POLICY_CONTROL_H
#define PETREL_POLICY_CONTROL_H

#include "common/channel.h"

/* CONTROL_CLIENT from master: the connection of a command.  False: malformed. */
bool control_take_client(struct message *m);

#endif
