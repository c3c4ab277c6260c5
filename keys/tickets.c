/*
 * tickets.c - the keys of session tickets.
 */
#include "keys/tickets.h"

#include <event2/event.h>
#include <openssl/rand.h>
#include <string.h>

#include "common/channel_keys.h"
#include "common/clock.h"
#include "common/conf.h"
#include "common/log.h"
#include "common/process.h"

/* The present key, and the one before. */
static struct keys_ticket tickets[KEYS_TICKETS_MAX];
static size_t count;
static uint64_t made_us; /* monotonic; the present key */
static struct event *rotation;

static bool make(struct keys_ticket *ticket)
{
	return RAND_bytes(ticket->name, sizeof ticket->name) == 1 &&
	       RAND_priv_bytes(ticket->cipher, sizeof ticket->cipher) == 1 &&
	       RAND_priv_bytes(ticket->mac, sizeof ticket->mac) == 1;
}

void tickets_tell(struct channel *channel)
{
	keys_tickets_write(channel_begin(channel, KEYS_TICKETS, 0), tickets, count);
	channel_end(channel);
}

static void tell(struct channel *channel, void *context)
{
	(void)context;
	tickets_tell(channel);
}

static void on_rotation(evutil_socket_t fd, short what, void *context)
{
	struct keys_ticket fresh;

	(void)fd;
	(void)what;
	(void)context;
	if (make(&fresh)) {
		tickets[1] = tickets[0];
		tickets[0] = fresh;
		count = 2;
		process_each_peer(ROLE_SMTPD, tell, NULL);
		process_each_peer(ROLE_IMAPD, tell, NULL);
		process_each_peer(ROLE_POP3D, tell, NULL);
		log_debug("ticket-key-changed");
	}
	explicit_bzero(&fresh, sizeof fresh);
	made_us = clock_monotonic_us();
	tickets_schedule();
}

bool tickets_start(struct event_base *base)
{
	rotation = evtimer_new(base, on_rotation, NULL);
	count = 1;
	made_us = clock_monotonic_us();
	return rotation != NULL && make(&tickets[0]);
}

/* A reload does not make a key older or younger than it is. */
void tickets_schedule(void)
{
	uint64_t due = made_us + (uint64_t)settings->tls.ticket_rotation * 1000000;
	uint64_t now = clock_monotonic_us(), left = due > now ? due - now : 1;
	const struct timeval wait = {(time_t)(left / 1000000), (suseconds_t)(left % 1000000)};

	if (settings->tls.ticket_rotation > 0)
		evtimer_add(rotation, &wait);
	else
		evtimer_del(rotation);
}

void tickets_stop(void)
{
	explicit_bzero(tickets, sizeof tickets);
	count = 0;
}
