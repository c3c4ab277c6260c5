/*
 * control.c - the administrator's view of what policy knows.
 *
 * master hands over the connection of a command.  A listing is given in parts, one in
 * each turn of the event loop, so that it holds up no session.
 */
#include "policy/control.h"

#include <event2/event.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/channel_admin.h"
#include "common/channel_control.h"
#include "common/clock.h"
#include "common/conf.h"
#include "common/log.h"
#include "common/process.h"
#include "policy/dnslists.h"
#include "policy/greybook.h"
#include "policy/greylisting.h"

enum { CLIENTS_MAX = 16, STEP_NETWORKS = 200 };

struct client {
	struct channel *channel; /* NULL: gone, and an inquiry still runs */
	struct event *step;
	bool is_listing, is_looking;
	uint64_t count;
	char last[GREYLIST_NETWORK_TEXT]; /* that was listed */
	struct policy_question question;  /* of ADMIN_POLICY_LOOK */
	struct buf texts;
};

static unsigned client_count;

static const char no_greylist[] =
    "there is no greylist: greylist.clients is nobody, or it is not usable";

static void free_client(struct client *c)
{
	event_free(c->step);
	buf_free(&c->texts);
	free(c);
	client_count--;
}

static void done(struct client *c, int status, const char *text)
{
	struct writer *w = channel_begin(c->channel, ADMIN_DONE, 0);

	write_u8(w, (uint8_t)status);
	write_u64(w, c->count);
	write_string(w, text);
	channel_end(c->channel);
	c->is_listing = c->is_looking = false;
}

/* --- the greylist --------------------------------------------------------------------- */

static void send_network(const char *network, const struct grey_entry *entry, void *context)
{
	const struct grey_terms terms = greylist_terms(settings);
	struct client *c = context;
	struct admin_network shown = {
	    .successes = entry->count == GREYLIST_ALLOWED ? 0 : entry->count,
	    .last_s = entry->last_s,
	    .is_allowed = greylist_allows(entry, clock_wall_us() / 1000000, &terms),
	    .is_by_hand = entry->count == GREYLIST_ALLOWED,
	};

	slice_copy(slice_string(network), shown.network, sizeof shown.network);
	slice_copy(slice_string(network), c->last, sizeof c->last);
	admin_network_write(channel_begin(c->channel, ADMIN_GREYLIST_NETWORK, 0), &shown);
	channel_end(c->channel);
	c->count++;
}

static void on_step(int socket, short what, void *context)
{
	struct client *c = context;

	(void)socket, (void)what;
	if (!c->is_listing || channel_is_congested(c->channel))
		return;
	if (greybook_networks(c->last, STEP_NETWORKS, send_network, c) < STEP_NETWORKS)
		done(c, EX_OK, "");
	else
		event_active(c->step, EV_TIMEOUT, 0);
}

/* "192.0.2.0/24", or an address in it, as the greylist has it. */
static bool read_network(struct message *m, char network[GREYLIST_NETWORK_TEXT])
{
	struct reader r = message_reader(m);
	struct slice text = read_slice_max(&r, 64);
	ssize_t slash = slice_find(text, 0, '/');
	struct host_address address;

	if (!reader_finished(&r) ||
	    !host_address_parse(slash < 0 ? text : slice_part(text, 0, (size_t)slash), &address))
		return false;
	greylist_network(&address, network);
	return slash < 0 || slice_equal(text, slice_string(network));
}

static void change(struct client *c, struct message *m)
{
	struct grey_entry allowed = {
	    .last_s = clock_wall_us() / 1000000, .count = GREYLIST_ALLOWED};
	char network[GREYLIST_NETWORK_TEXT];
	bool was_there = true;

	allowed.first_s = allowed.last_s;
	if (!greybook_is_open()) {
		done(c, EX_UNAVAILABLE, no_greylist);
	} else if (!read_network(m, network)) {
		done(c, EX_DATAERR,
		    "give an address, or a whole network: 192.0.2.0/24, 2001:db8::/64");
	} else if (m->type == ADMIN_GREYLIST_ALLOW
		       ? !greybook_set_network(network, &allowed)
		       : !greybook_forget_network(network, &was_there)) {
		done(c, EX_IOERR, "the greylist cannot be written");
	} else {
		log_info(m->type == ADMIN_GREYLIST_ALLOW ? "greylist-allowed" : "greylist-forgot",
		    log_string("network", network));
		c->count = was_there;
		done(c, EX_OK, "");
	}
}

/* --- looking ----------------------------------------------------------------------------- */

static void looked(void *context, const struct policy_answer *answer)
{
	struct client *c = context;
	struct admin_facts facts = {.score = answer->score, .listed = answer->listed};

	if (c->channel == NULL) {
		free_client(c);
		return;
	}
	c->question.score = answer->score;
	if (c->question.recipient.len > 0)
		facts.grey = (uint8_t)greylisting_look(&c->question, &facts.wait_s);
	admin_facts_write(channel_begin(c->channel, ADMIN_POLICY_FACTS, 0), &facts);
	channel_end(c->channel);
	done(c, EX_OK, "");
}

/* The slices of the question are the client's. */
static bool take_look(struct client *c, struct message *m)
{
	struct admin_look look;
	struct reader r;

	buf_clear(&c->texts);
	if (!buf_append_slice(&c->texts, m->body))
		return false;
	r = reader_over(buf_slice(&c->texts));
	if (!admin_look_read(&r, &look))
		return false;
	c->question = (struct policy_question){.stage = GATE_CONNECT,
	    .service = SERVICE_MX,
	    .sender = look.sender,
	    .recipient = look.recipient};
	return host_address_parse(slice_string(look.address), &c->question.address);
}

static void look(struct client *c, struct message *m)
{
	static const struct judge lists = {
	    "dnslists", dnslists_are_concerned, dnslists_ask, dnslists_forget};

	if (!take_look(c, m)) {
		done(c, EX_DATAERR, "a client's address is wanted");
		return;
	}
	c->is_looking = true;
	if (!inquiry_ask_one(&c->question, &lists, looked, c))
		done(c, EX_TEMPFAIL, "out of memory");
}

/* --- clients ------------------------------------------------------------------------------- */

static bool on_message(struct channel *channel, struct message *m, void *context)
{
	struct client *c = context;

	(void)channel;
	if (c->is_listing || c->is_looking)
		return false;
	c->count = 0;
	switch (m->type) {
	case ADMIN_GREYLIST_LIST:
		if (!greybook_is_open()) {
			done(c, EX_UNAVAILABLE, no_greylist);
			return true;
		}
		c->is_listing = true;
		c->last[0] = '\0';
		event_active(c->step, EV_TIMEOUT, 0);
		return true;
	case ADMIN_GREYLIST_ALLOW:
	case ADMIN_GREYLIST_FORGET:
		change(c, m);
		return true;
	case ADMIN_POLICY_LOOK:
		look(c, m);
		return true;
	default:
		return false;
	}
}

static void on_closed(struct channel *channel, void *context)
{
	struct client *c = context;

	(void)channel;
	c->channel = NULL;
	c->is_listing = false;
	if (!c->is_looking)
		free_client(c);
}

static void on_drained(struct channel *channel, void *context)
{
	struct client *c = context;

	(void)channel;
	event_active(c->step, EV_TIMEOUT, 0);
}

static const struct channel_handlers handlers = {on_message, on_closed, on_drained};

static void take(int socket)
{
	struct client *c = client_count < CLIENTS_MAX ? calloc(1, sizeof *c) : NULL;

	if (c == NULL) {
		close(socket);
		return;
	}
	c->texts = buf_with_limit(CHANNEL_PACKET_MAX);
	c->step = event_new(process_base(), -1, 0, on_step, c);
	c->channel = c->step == NULL ? NULL : channel_new(process_base(), socket, &handlers, c);
	if (c->channel == NULL) {
		if (c->step != NULL)
			event_free(c->step);
		free(c);
		close(socket);
		return;
	}
	client_count++;
	channel_send(c->channel, ADMIN_GO, 0);
}

bool control_take_client(struct message *m)
{
	struct reader r = message_reader(m);
	struct control_client who;
	int socket;

	if (m->type != CONTROL_CLIENT || !control_client_read(&r, &who) || !reader_finished(&r) ||
	    who.request != CONTROL_REQUEST_POLICY || (socket = message_take_descriptor(m, 0)) == -1)
		return false;
	take(socket);
	return true;
}
