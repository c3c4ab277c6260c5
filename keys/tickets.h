/*
 * tickets.h - the keys of session tickets: made here, shared by all, changed in time.
 *
 * They live in memory alone, here and in those who speak TLS, so that what was
 * recorded cannot be read once they are gone (RFC 9325, 3.4 and 4.4).  When this process dies
 * they are lost, and clients shake hands in full once more.
 */
#ifndef PETREL_KEYS_TICKETS_H
#define PETREL_KEYS_TICKETS_H

#include "common/channel.h"

struct event_base;

/* Make the first key.  False where there is no randomness or memory. */
bool tickets_start(struct event_base *);
/* The settings are there, or have changed: when the present key is followed by another. */
void tickets_schedule(void);
/* Tell somebody who speaks TLS the present keys. */
void tickets_tell(struct channel *);
/* Overwrite them. */
void tickets_stop(void);

#endif
