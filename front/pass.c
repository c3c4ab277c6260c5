/*
 * pass.c - passing octets between a client and its session.
 */
#include <event2/buffer.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/channel_mailbox.h"
#include "common/channel_session.h"
#include "common/log.h"
#include "front/private.h"

static int compare_accounts(const struct front_client *a, const struct front_client *b)
{
	int order = strcmp(a->account, b->account);

	return order != 0 ? order : (a->number > b->number) - (a->number < b->number);
}

static RB_HEAD(front_accounts, front_client) accounts = RB_INITIALIZER(&accounts);
RB_PROTOTYPE(front_accounts, front_client, by_account, compare_accounts)
RB_GENERATE(front_accounts, front_client, by_account, compare_accounts)

/* ---- from the client to the session ------------------------------------------- */

static void send_piece(struct front_client *client, struct evbuffer *input)
{
	size_t len = evbuffer_get_length(input);
	struct writer *w = channel_begin(client->session, SESSION_DATA, 0);
	char *room;

	if (len > SESSION_DATA_MAX)
		len = SESSION_DATA_MAX;
	room = buf_extend(w->out, len);
	if (room != NULL)
		evbuffer_remove(input, room, len);
	client->octets_in += len;
	channel_end(client->session);
}

void front_pass_input(struct front_client *client)
{
	struct evbuffer *input = stream_input(client->stream);

	while (client->state == FRONT_PASSING && evbuffer_get_length(input) > 0 &&
	       !channel_is_congested(client->session))
		send_piece(client, input);
}

/* ---- from the session to the client ------------------------------------------- */

static void log_logout(const struct front_client *client, const char *how)
{
	log_info("logout", log_string("account", client->account),
	    log_string("client", client->address), log_string("how", how),
	    log_number("in", client->octets_in), log_number("out", client->octets_out),
	    log_number("commands", client->commands));
}

static void take_octets(struct front_client *client, struct slice octets)
{
	stream_write(client->stream, octets);
	client->octets_out += octets.len;
	if (!stream_has_room(client->stream))
		channel_pause(client->session);
}

static bool take_counts(struct front_client *client, struct message *m)
{
	struct reader r = message_reader(m);

	/* What went through our hands we have counted ourselves. */
	read_u64(&r);
	read_u64(&r);
	client->commands = read_u32(&r);
	return reader_finished(&r);
}

static bool on_message(struct channel *channel, struct message *m, void *context)
{
	struct front_client *client = context;

	(void)channel;
	if (client->state != FRONT_PASSING)
		return true;
	switch (m->type) {
	case SESSION_DATA:
		if (m->body.len > SESSION_DATA_MAX)
			return false;
		take_octets(client, m->body);
		return true;
	case SESSION_COUNTS:
		return take_counts(client, m);
	case SESSION_END:
		log_logout(client, "session");
		front_end(client);
		return true;
	default:
		return false;
	}
}

static void on_closed(struct channel *channel, void *context)
{
	struct front_client *client = context;

	(void)channel;
	client->session = NULL;
	if (client->state != FRONT_PASSING)
		return;
	log_logout(client, "session lost");
	front_farewell(client, FRONT_SESSION_LOST);
}

static void on_drained(struct channel *channel, void *context)
{
	(void)channel;
	front_pass_input(context);
}

static const struct channel_handlers session_handlers = {on_message, on_closed, on_drained};

void front_pass_drained(struct front_client *client)
{
	if (client->session != NULL)
		channel_resume(client->session);
}

/* ---- new mail --------------------------------------------------------------------- */

static void say_of_account(struct channel *maildir, enum mailbox_type type, const char *account)
{
	write_string(channel_begin(maildir, (uint16_t)type, 0), account);
	channel_end(maildir);
}

static void watch(struct channel *maildir, void *account)
{
	say_of_account(maildir, MAILBOX_WATCH, account);
}

static void unwatch(struct channel *maildir, void *account)
{
	say_of_account(maildir, MAILBOX_UNWATCH, account);
}

static struct front_client *first_of(const char *account)
{
	struct front_client from = {.number = 0};
	struct front_client *client;

	snprintf(from.account, sizeof from.account, "%s", account);
	client = RB_NFIND(front_accounts, &accounts, &from);
	return client != NULL && strcmp(client->account, account) == 0 ? client : NULL;
}

static void enter_account(struct front_client *client)
{
	bool is_first = first_of(client->account) == NULL;

	RB_INSERT(front_accounts, &accounts, client);
	if (is_first)
		process_each_peer(ROLE_DELIVERY_MAILDIR, watch, client->account);
}

static void leave_account(struct front_client *client)
{
	RB_REMOVE(front_accounts, &accounts, client);
	if (first_of(client->account) == NULL)
		process_each_peer(ROLE_DELIVERY_MAILDIR, unwatch, client->account);
}

/* It knows nothing yet of what we want to hear. */
void front_maildir_opened(struct channel *maildir)
{
	const char *last = "";
	struct front_client *client;

	RB_FOREACH (client, front_accounts, &accounts) {
		if (strcmp(client->account, last) != 0)
			say_of_account(maildir, MAILBOX_WATCH, client->account);
		last = client->account;
	}
}

bool front_new_mail(struct channel *channel, struct message *m, void *context)
{
	char account[sizeof((struct front_client *)NULL)->account];
	struct reader r = message_reader(m);

	(void)channel;
	(void)context;
	read_string(&r, account, sizeof account);
	if (m->type != MAILBOX_NEW || !reader_finished(&r))
		return false;
	for (struct front_client *client = first_of(account);
	     client != NULL && strcmp(client->account, account) == 0;
	     client = RB_NEXT(front_accounts, &accounts, client))
		channel_send(client->session, SESSION_NEW_MAIL, 0);
	return true;
}

/* ---- beginning and end --------------------------------------------------------- */

static void describe_tls(const struct front_client *client, char *text, size_t size)
{
	struct tls_facts facts;

	text[0] = '\0';
	if (!stream_is_secured(client->stream))
		return;
	stream_tls_facts(client->stream, &facts);
	snprintf(text, size, "%s %s", facts.protocol, facts.cipher);
}

bool front_pass_begin(struct front_client *client)
{
	struct stream_limits limits = stream_default_limits;
	struct session_begin begin = {.input = slice_of(NULL, 0)};
	struct tls_facts facts;

	client->session =
	    channel_new(process_base(), client->session_socket, &session_handlers, client);
	if (client->session == NULL)
		close(client->session_socket);
	client->session_socket = -1;
	if (client->session == NULL)
		return false;
	snprintf(begin.client, sizeof begin.client, "%s", client->address);
	describe_tls(client, begin.tls, sizeof begin.tls);
	session_begin_write(channel_begin(client->session, SESSION_BEGIN, 0), &begin);
	channel_end(client->session);
	/* How long a client may be silent is for its session to say. */
	limits.read_seconds = 0;
	stream_set_limits(client->stream, &limits);
	client->state = FRONT_PASSING;
	enter_account(client);
	stream_tls_facts(client->stream, &facts);
	log_info("login", log_string("account", client->account),
	    log_string("client", client->address),
	    log_string("tls", begin.tls[0] == '\0' ? "none" : begin.tls),
	    log_string("resumed", facts.resumed ? "yes" : "no"));
	front_pass_input(client);
	return true;
}

void front_pass_tell_end(struct front_client *client, bool goodbye)
{
	struct writer *w = channel_begin(client->session, SESSION_END, 0);

	if (goodbye)
		write_u8(w, 1);
	channel_end(client->session);
	channel_flush(client->session);
	if (!goodbye)
		log_logout(client, "client");
}

void front_pass_end(struct front_client *client)
{
	if (client->state == FRONT_PASSING)
		leave_account(client);
	channel_free(client->session);
	client->session = NULL;
}
