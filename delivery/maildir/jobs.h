/*
 * jobs.h - the deliveries that qmgr has given us.
 *
 * Jobs wait in a queue and are done a few at a time in each turn of the event
 * loop, so that a checkpoint, a notice or an order to stop never waits behind
 * all of them.  The results of one turn leave in one packet.
 */
#ifndef PETREL_DELIVERY_MAILDIR_JOBS_H
#define PETREL_DELIVERY_MAILDIR_JOBS_H

#include "common/channel.h"
#include "delivery/maildir/homes.h"

struct event_base;

/* `idle` is called whenever the last job in the queue is done. */
bool jobs_start(struct event_base *base, struct homes *homes, void (*idle)(void));
/* A DELIVERY_JOB.  False: malformed. */
bool jobs_take(struct channel *channel, struct message *m);
/* qmgr does not wait for this result any more: an empty one gives the slot back. */
void jobs_cancel(struct channel *channel, uint64_t job);
/* The channel is gone: nobody waits for its jobs.  The next qmgr gives them out anew. */
void jobs_forget(const struct channel *channel);
bool jobs_are_done(void);

#endif
