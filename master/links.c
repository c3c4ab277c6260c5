/*
 * links.c - the channels between processes, as master made them.
 *
 * Every channel has a number, which both its ends know.  A pair of processes has
 * one channel, so news of a channel with another number is old news.
 */
#include "master/links.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/log.h"

enum {
	LINKS_MAX = 65536,
	AGAIN_SECONDS = 1 /* between the end of a channel and a new one: whoever breaks them again and again is slow */
};

struct link {
	struct child *one, *other;
	uint32_t number;
	bool is_broken;
};

static struct link *links;
static size_t link_count;
static uint32_t last_number; /* 0 is nobody's */
static struct event *again;

static void on_again(int socket, short what, void *argument);

bool links_start(struct event_base *base)
{
	again = event_new(base, -1, 0, on_again, NULL);
	return again != NULL;
}

/* The entry of a pair; NULL where there are too many. */
static struct link *find_or_add(struct child *one, struct child *other)
{
	struct link *more;

	for (size_t i = 0; i < link_count; i++)
		if ((links[i].one == one && links[i].other == other) || (links[i].one == other && links[i].other == one))
			return &links[i];
	more = link_count == LINKS_MAX ? NULL : reallocarray(links, link_count + 1, sizeof *links);
	if (more == NULL)
		return NULL;
	links = more;
	links[link_count] = (struct link){.one = one, .other = other};
	return &links[link_count++];
}

static void hand_over(struct child *to, struct control_peer peer, int socket)
{
	control_peer_write(channel_begin(to->channel, CONTROL_PEER, 0), &peer);
	channel_attach(to->channel, socket);
	channel_end(to->channel);
}

void links_hand_over(struct child *to, enum role role, unsigned instance, int socket)
{
	hand_over(to, (struct control_peer){.role = role, .instance = instance}, socket);
}

void links_connect(struct child *one, struct child *other)
{
	struct link *link = find_or_add(one, other);
	int sockets[2];

	if (link == NULL || channel_pair(sockets) == -1) {
		log_error("cannot-make-channel", log_string("one", role_name(one->row->role)), log_string("other", role_name(other->row->role)),
		    log_errno(link == NULL ? ENOMEM : errno));
		return;
	}
	link->number = ++last_number;
	link->is_broken = false;
	hand_over(one, (struct control_peer){other->row->role, other->instance, link->number}, sockets[0]);
	hand_over(other, (struct control_peer){one->row->role, one->instance, link->number}, sockets[1]);
}

bool links_lost(const struct child *reporter, struct message *m)
{
	const struct timeval wait = {AGAIN_SECONDS, 0};
	struct reader r = message_reader(m);
	uint32_t number = read_u32(&r);

	if (!reader_finished(&r))
		return false;
	for (size_t i = 0; i < link_count; i++)
		if (links[i].number == number && (links[i].one == reporter || links[i].other == reporter)) {
			links[i].is_broken = true;
			if (!event_pending(again, EV_TIMEOUT, NULL))
				event_add(again, &wait);
		}
	return true;
}

static void on_again(int socket, short what, void *argument)
{
	(void)socket;
	(void)what;
	(void)argument;
	for (size_t i = 0; i < link_count; i++) {
		struct link *link = &links[i];

		if (!link->is_broken)
			continue;
		link->is_broken = false;
		/* Whoever is started again gets all its channels then. */
		if (link->one->channel == NULL || link->other->channel == NULL)
			continue;
		log_warning("channel-made-again", log_string("one", role_name(link->one->row->role)),
		    log_string("other", role_name(link->other->row->role)));
		links_connect(link->one, link->other);
	}
}
