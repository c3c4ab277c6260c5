/*
 * services.h - connections to UNIX sockets of other programs, for processes that see no paths.
 */
#ifndef PETREL_MASTER_SERVICES_H
#define PETREL_MASTER_SERVICES_H

#include "common/channel.h"
#include "common/conf.h"

/*
 * CONTROL_CONNECT from a child: connect to the socket whose path it names, where the
 * settings name that path too, and hand the connection over.  Never waits.  False:
 * the message was malformed.
 */
bool services_connect(struct channel *child, const struct settings *settings, struct message *m);

#endif
