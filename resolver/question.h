/*
 * question.h - a question of a peer, from the first query to the answer.
 */
#ifndef PETREL_RESOLVER_QUESTION_H
#define PETREL_RESOLVER_QUESTION_H

#include "common/channel.h"
#include "resolver/dns.h"

struct event_base;

/* More questions than this at a time are answered with RESOLVER_TEMPORARY at once. */
enum { QUESTIONS_MAX = 8192 };

/* Where questions are asked from now on, and how long one may take.  `dns` stays the caller's. */
void questions_use(struct event_base *base, struct dns *dns, unsigned timeout_seconds);

/* Ask what is not answered yet anew, elsewhere. */
void questions_move(struct dns *dns);

/* Each answers on the channel, now or later. */
void question_mx(struct channel *channel, uint32_t request, const char *domain);
void question_address(struct channel *channel, uint32_t request, const char *name);
void question_name(
    struct channel *channel, uint32_t request, const struct resolver_address *address);

/* The channel is gone: nobody waits for its answers any more. */
void questions_forget(const struct channel *channel);

#endif
