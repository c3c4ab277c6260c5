/*
 * idle.c - IDLE (RFC 2177).
 *
 * The client waits; new mail and what the user's other connections change is
 * told at once.  Changes by other programs are noticed at a look now and then.
 */
#include <event2/buffer.h>

#include "imapd/session/commands.h"
#include "imapd/session/reading.h"

static void look_again_later(struct connection *c)
{
	const struct timeval later = {CONNECTION_LOOK_SECONDS, 0};

	event_add(c->again, &later);
}

void cmd_idle(struct connection *c, struct syntax *s)
{
	if (!syntax_end(s))
		return;
	reading_close(c);
	gather_next(&c->gather);
	c->gather.plain = true;
	c->look = true;
	c->phase = PHASE_IDLING;
	say_string(c, "+ idling\r\n");
}

static bool take_line(struct connection *c)
{
	size_t len = evbuffer_get_length(c->in), taken;
	enum gather_event event;

	if (len == 0)
		return false;
	event = gather_take(&c->gather, slice_of(evbuffer_pullup(c->in, -1), len), &taken);
	evbuffer_drain(c->in, taken);
	if (event == GATHER_MORE)
		return false;
	event_del(c->again);
	if (event == GATHER_COMMAND && slice_equal_nocase(gather_text(&c->gather), SLICE("DONE")))
		reply_ok(c, "IDLE completed");
	else
		reply_bad(c, "DONE was expected");
	return true;
}

bool idle_input(struct connection *c)
{
	if (c->announcement.active) {
		announce_step(c);
		return true;
	}
	if (c->look) {
		c->look = false;
		look_again_later(c);
		if (c->view != NULL)
			begin_announcement(c, 0);
		if (c->farewell != NULL)
			say_goodbye(c, c->farewell);
		return true;
	}
	return take_line(c);
}
