/*
 * delivery.h - a job's way: find its hosts, try them in order, report.
 */
#ifndef PETREL_DELIVERY_SMTP_DELIVERY_H
#define PETREL_DELIVERY_SMTP_DELIVERY_H

#include "common/channel.h"

struct event_base;

void delivery_start(struct event_base *base);
/* A DELIVERY_JOB.  False: malformed. */
bool delivery_take(struct channel *qmgr, struct message *m);
/* qmgr does not wait for this result any more: an empty one gives the slot back. */
void delivery_cancel(struct channel *qmgr, uint64_t job);
/*
 * The channel is gone.  What has not been sent whole is dropped, for the next
 * qmgr gives it out anew; what waits for its verdict may still hear it, for the
 * log.
 */
void delivery_forget(const struct channel *qmgr);
/* Drop what has no transaction under way. */
void delivery_stop(void);
/* Jobs that are not reported. */
unsigned delivery_count(void);
/* Connections that there may be at a time, and so the jobs that we have room for. */
unsigned delivery_slots(void);

#endif
