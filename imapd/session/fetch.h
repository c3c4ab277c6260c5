/*
 * fetch.h - saying FETCH responses, one message after another.
 */
#ifndef PETREL_IMAPD_SESSION_FETCH_H
#define PETREL_IMAPD_SESSION_FETCH_H

#include "imapd/session/connection.h"
#include "imapd/session/fetch_items.h"

/*
 * Begin the work of telling `items` of the messages `seqs`, and reply "OK VERB
 * completed" when done.  Owns seqs from now on, whatever happens; the items live
 * in the connection's arena.
 */
void begin_fetch(struct connection *c, const struct fetch_items *items, uint32_t *seqs,
    size_t count, const char *verb);

#endif
