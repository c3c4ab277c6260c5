/*
 * records.h - questions of peers for the records of a name, as they are.
 */
#ifndef PETREL_RESOLVER_RECORDS_H
#define PETREL_RESOLVER_RECORDS_H

#include "common/channel.h"
#include "common/channel_resolver.h"
#include "resolver/dns.h"

struct event_base;

/* Whom to ask from now on, and how long an answer may take. */
void records_use(struct event_base *base, struct dns *dns, unsigned timeout_seconds);
/* The same for what was asked already: it is asked anew. */
void records_move(struct dns *dns);
/* A call of RESOLVER_A or RESOLVER_TXT. */
void records_ask(
    struct channel *channel, uint32_t request, enum resolver_type type, const char *name);
/* Whoever asked over that channel is gone. */
void records_forget(const struct channel *channel);

#endif
