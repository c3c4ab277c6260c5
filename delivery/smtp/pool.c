/*
 * pool.c - connections that wait for another message to the same site.
 */
#include "delivery/smtp/pool.h"

enum { ANSWER_SECONDS = 5 /* how long a connection waits for qmgr's answer at the least */ };

/* The one used last is at the head. */
static TAILQ_HEAD(idle_head, connection) idle = TAILQ_HEAD_INITIALIZER(idle);

static void on_timer(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	connection_end(context);
}

struct event *pool_timer(struct event_base *base, struct connection *connection)
{
	return evtimer_new(base, on_timer, connection);
}

static void wait_for(struct connection *c, int64_t seconds)
{
	event_add(c->idle_timer, &(struct timeval){seconds, 0});
}

void pool_put(struct connection *c, uint64_t job)
{
	int64_t seconds = settings->delivery.idle_connection;

	TAILQ_INSERT_HEAD(&idle, c, next_idle);
	c->is_pooled = true;
	c->last_job = job;
	wait_for(c, seconds < ANSWER_SECONDS ? ANSWER_SECONDS : seconds);
}

void pool_remove(struct connection *c)
{
	if (!c->is_pooled)
		return;
	TAILQ_REMOVE(&idle, c, next_idle);
	c->is_pooled = false;
	event_del(c->idle_timer);
}

void pool_no_more(uint64_t job)
{
	struct connection *c;

	TAILQ_FOREACH (c, &idle, next_idle)
		if (c->last_job == job) {
			c->last_job = 0;
			if (settings->delivery.idle_connection == 0)
				connection_end(c);
			else
				wait_for(c, settings->delivery.idle_connection);
			return;
		}
}

struct connection *pool_take(struct slice site, enum protection least)
{
	struct connection *c, *next;

	TAILQ_FOREACH_SAFE (c, &idle, next_idle, next) {
		if (!slice_equal(slice_string(c->site), site) ||
		    dialogue_protection(&c->dialogue) < least)
			continue;
		pool_remove(c);
		if (connection_is_usable(c))
			return c;
		connection_end(c);
	}
	return NULL;
}

bool pool_end_oldest(void)
{
	struct connection *oldest = TAILQ_LAST(&idle, idle_head);

	if (oldest == NULL)
		return false;
	connection_end(oldest);
	return true;
}

void pool_end_all(void)
{
	while (pool_end_oldest())
		;
}
