/*
 * checkpoint.h - making everything that was delivered so far durable.
 *
 * Flushing a file system takes as long as it takes, so a thread does it while
 * the event loop goes on delivering.
 */
#ifndef PETREL_DELIVERY_MAILDIR_CHECKPOINT_H
#define PETREL_DELIVERY_MAILDIR_CHECKPOINT_H

#include "common/channel.h"

struct event_base;

/* `root_fd` is a directory of the file system to flush, and stays the caller's. */
bool checkpoint_start(struct event_base *base, int root_fd);
/* Flush what was delivered before now, and answer this call (DELIVERY_FLUSHED). */
void checkpoint_take(struct channel *channel, uint32_t request);
/* The channel is gone: its calls are answered no more. */
void checkpoint_forget(const struct channel *channel);

#endif
