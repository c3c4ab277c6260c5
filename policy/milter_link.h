/*
 * milter_link.h - connections to milters.
 *
 * A link is a connection on which a milter has agreed how to talk.  It serves one
 * client's message at a time; afterwards, where the milter knows how to begin
 * anew, it waits for the next.  A link keeps the time: whoever uses it is told of
 * an answer, or that there will be none.
 *
 * Functions of `struct milter_link_user` are called from the event loop only.
 */
#ifndef PETREL_POLICY_MILTER_LINK_H
#define PETREL_POLICY_MILTER_LINK_H

#include "common/conf.h"
#include "policy/milter_talk.h"

struct event_base;
struct milter_link;

/* One milter as the settings have it, with its connections. */
struct milter;

enum {
	MILTERS_MAX = 16,
	MILTER_IDLE_LINKS = 16,   /* kept of one milter */
	MILTER_IDLE_SECONDS = 60, /* for so long */
	MILTER_OUTPUT_WANTED =
	    256 * 1024 /* octets that wait for a milter before its owner does, too */
};

/* Read the settings: at the start, and at each reload.  Messages that are under way keep the milters they have. */
bool milters_configure(struct event_base *base);

/* The milters in their order. */
size_t milters_count(void);
struct milter *milters_at(size_t which);
/* For as long as somebody points to it. */
struct milter *milter_hold(struct milter *milter);
void milter_release(struct milter *milter);
const struct conf_milter *milter_settings(const struct milter *milter);

struct milter_link_user {
	void (*ready)(void *context);    /* the milter can be told of a client */
	void (*answered)(void *context); /* link->talk.says has it */
	void (*drained)(void *context);  /* there is room for more */
	/*
	 * The link is gone.  is_stale: it had served somebody before, and the milter
	 * has said nothing since: it may have closed it meanwhile.
	 */
	void (*failed)(void *context, const char *why, bool is_stale);
};

/*
 * A link to a milter.  `ready` or `failed` will be called.
 * is_fresh: not one that served somebody before.
 * NULL where memory is short.
 */
struct milter_link *milter_link_open(
    struct milter *milter, bool is_fresh, const struct milter_link_user *user, void *context);
/* Done with it: kept for the next, or closed.  NULL is fine. */
void milter_link_close(struct milter_link *link);

struct milter_talk *milter_link_talk(struct milter_link *link);
/* An answer is awaited, for so long; a sign of life begins it anew. */
void milter_link_expect(struct milter_link *link, int64_t seconds);
/* No more than the stream wants is waiting to be sent. */
bool milter_link_has_room(struct milter_link *link);

#endif
