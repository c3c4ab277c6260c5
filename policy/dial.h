/*
 * dial.h - a connection to a program that the settings name.
 *
 * A host's port is connected to from here; a UNIX socket by master, which hands the
 * connection over.
 */
#ifndef PETREL_POLICY_DIAL_H
#define PETREL_POLICY_DIAL_H

#include "common/policy_service.h"
#include "common/stream.h"

struct dial;

/* With a stream that has the handlers and context given to dial(), or with NULL and what went wrong. */
typedef void dial_done(void *context, struct stream *stream, const char *problem);

/*
 * Connect.  A stream to a host is returned at once and may still be on its way: its
 * handler `closed` says where it does not get there, in `seconds` at the latest.
 *
 * NULL: where *pending is not NULL, `done` will be called later, exactly once, unless
 * dial_cancel() is; where it is NULL, no connection is to be had now.
 */
struct stream *dial(const struct service_address *to, unsigned seconds,
    const struct stream_handlers *handlers, void *context, dial_done *done, struct dial **pending);
/* NULL is fine. */
void dial_cancel(struct dial *pending);

#endif
