/*
 * connection.c - one TCP connection to another host.
 */
#include "delivery/smtp/connection.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"
#include "delivery/smtp/pool.h"
#include "message/encoding.h"

enum {
	INPUT_MAX = 16384,
	OUTPUT_MAX = 262144, /* the commands of the largest exchange fit (BATCH_MAX) */
	WRITE_SECONDS = 180, /* RFC 5321, 4.5.3.2.5 */
	HANDSHAKE_SECONDS = 60,
	SLOWEST_OCTETS = 2048 /* a second: a host that takes a message more slowly is given up */
};

static struct tls_client *tls_client;
static unsigned count;

bool connection_prepare(void)
{
	const struct tls_settings defaults = {0};
	struct buf error = buf_with_limit(512);

	if (tls_init())
		tls_client = tls_client_new(&defaults, slice_of(NULL, 0), &error);
	if (tls_client == NULL)
		log_error("cannot-set-up-tls", log_slice("reason", buf_slice(&error)));
	buf_free(&error);
	return tls_client != NULL;
}

unsigned connection_count(void)
{
	return count;
}

bool connection_is_usable(const struct connection *c)
{
	return dialogue_is_idle(&c->dialogue) && evbuffer_get_length(stream_input(c->stream)) == 0;
}

bool connection_awaits_verdict(const struct connection *c)
{
	return c->dialogue.state == DIALOGUE_END;
}

void connection_abort(struct connection *c)
{
	pool_remove(c);
	event_free(c->idle_timer);
	count--;
	stream_free(c->stream);
	free(c);
}

void connection_end(struct connection *c)
{
	log_debug(
	    "connection-closed", log_string("relay", c->name), log_number("messages", c->messages));
	if (c->dialogue.state == DIALOGUE_OVER) {
		connection_abort(c);
		return;
	}
	pool_remove(c);
	c->transaction = NULL;
	dialogue_quit(&c->dialogue);
	stream_set_deadline(c->stream, 0);
	stream_close_when_sent(c->stream);
}

/* --- what a dialogue asks for --------------------------------------------------- */

static void settled(struct connection *c)
{
	c->transaction = NULL;
	c->handlers->settled(c, c->context);
}

static void refused(struct connection *c, const char *status, const char *text)
{
	log_debug("connection-failed", log_string("relay", c->name), log_string("reason", text));
	c->is_used_up = dialogue_is_used_up(&c->dialogue);
	if (c->transaction != NULL) {
		c->transaction = NULL;
		c->handlers->refused(c, status, text, c->context);
	}
	/* A session that stands ends with a goodbye. */
	if (dialogue_is_idle(&c->dialogue))
		connection_end(c);
	else
		connection_abort(c);
}

/* What the host does not offer is held against what the message really holds. */
static bool find_needs(struct connection *c)
{
	struct transaction *t = c->transaction;
	const struct delivery_job *job = t->job;
	unsigned offers = c->dialogue.offers;
	struct content_facts facts = {0};

	if ((job->body == BODY_8BITMIME && (offers & OFFERS_8BITMIME) == 0) ||
	    (job->smtputf8 && (offers & OFFERS_SMTPUTF8) == 0))
		if (!content_examine(c->content_fd, job->offset, job->size, job->prepend, &facts))
			return false;
	t->needs_8bitmime = facts.body_is_8bit;
	t->needs_smtputf8 = (job->smtputf8 && facts.header_is_8bit) || !is_ascii(job->sender);
	for (uint32_t i = 0; i < t->count; i++)
		if (t->recipients[i].state == RECIPIENT_OPEN)
			t->has_utf8_recipients |= !is_ascii(t->recipients[i].recipient->address);
	return true;
}

static void content_failed(struct connection *c, int error)
{
	log_error("cannot-read-message", log_id(c->transaction->job->id), log_errno(error));
	transaction_settle_rest(
	    c->transaction, DELIVERY_DEFERRED, "4.3.0", "the message cannot be read just now");
	/* Whatever was begun is never ended: without an end of data the host has no message. */
	c->dialogue.state = DIALOGUE_OVER;
	settled(c);
}

/* As much of the content as the connection takes.  False where that settled the transaction. */
static bool send_content(struct connection *c)
{
	while (c->dialogue.state == DIALOGUE_DATA && stream_has_room(c->stream))
		switch (content_send(&c->content, stream_output(c->stream))) {
		case CONTENT_MORE:
			break;
		case CONTENT_SENT:
			dialogue_content_sent(&c->dialogue);
			break;
		case CONTENT_FAILED:
			content_failed(c, c->content.error);
			return false;
		}
	return true;
}

static void set_deadline(struct connection *c)
{
	unsigned seconds = dialogue_patience(&c->dialogue, settings);

	if (c->dialogue.state == DIALOGUE_DATA)
		seconds = (unsigned)settings->delivery.data_timeout +
			  (unsigned)(c->content.left / SLOWEST_OCTETS);
	stream_set_deadline(c->stream, seconds);
}

static void act(struct connection *c, enum dialogue_action action);

static void start(struct connection *c)
{
	if (c->transaction == NULL)
		return;
	c->messages++;
	if (find_needs(c)) {
		act(c, dialogue_start(&c->dialogue, c->transaction));
	} else {
		log_error("cannot-read-message", log_id(c->transaction->job->id), log_errno(errno));
		transaction_settle_rest(c->transaction, DELIVERY_DEFERRED, "4.3.0",
		    "the message cannot be read just now");
		settled(c);
	}
}

/* What its certificate has to name: the host, or the address that was given in its place. */
static const char *tls_name(struct connection *c)
{
	struct host_address address;

	if (c->target.host[0] != '[')
		return c->target.host;
	host_address_from_octets(&address, c->target.address.family, c->target.address.octets);
	host_address_print(&address, c->tls_name);
	return c->tls_name;
}

/* Do what the dialogue asks for.  The connection may be gone afterwards. */
static void act(struct connection *c, enum dialogue_action action)
{
	switch (action) {
	case DO_WAIT:
		set_deadline(c);
		break;
	case DO_HANDSHAKE:
		stream_set_deadline(c->stream, 0);
		if (!stream_start_tls_client(c->stream, tls_client, tls_name(c),
			c->dialogue.policy.least >= PROTECTION_VERIFIED ? TLS_VERIFY_NAME
									: TLS_VERIFY_NONE))
			refused(c, "4.3.2", "out of memory for TLS");
		break;
	case DO_START:
		stream_set_deadline(c->stream, 0);
		start(c);
		break;
	case DO_CONTENT:
		content_begin(&c->content, c->content_fd, c->transaction->job->offset,
		    c->transaction->job->size, c->transaction->job->prepend);
		if (send_content(c))
			set_deadline(c);
		break;
	case DO_TAKE:
		stream_set_deadline(c->stream, 0);
		settled(c);
		break;
	case DO_GIVE_UP:
		refused(c, c->dialogue.failure.status, c->dialogue.failure.text);
		break;
	}
}

void connection_carry(struct connection *c, struct transaction *transaction, int content_fd,
    const struct connection_handlers *handlers, void *context)
{
	c->transaction = transaction;
	c->content_fd = content_fd;
	c->handlers = handlers;
	c->context = context;
	if (dialogue_is_idle(&c->dialogue))
		start(c);
}

/* --- what the stream tells ------------------------------------------------------- */

static void on_connected(struct stream *stream, void *context)
{
	const struct stream_limits limits = {
	    .input = INPUT_MAX,
	    .output = OUTPUT_MAX,
	    .write_seconds = WRITE_SECONDS,
	    .handshake_seconds = HANDSHAKE_SECONDS,
	};
	struct connection *c = context;

	c->is_connected = true;
	/* The end of a message must not wait until the host acknowledges what is before it. */
	(void)setsockopt(stream_fd(stream), IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	stream_set_limits(stream, &limits);
	set_deadline(c);
}

static void on_readable(struct stream *stream, void *context)
{
	struct connection *c = context;
	uint64_t replies = c->dialogue.replies;
	enum dialogue_action action = dialogue_input(&c->dialogue, stream_input(stream));

	/* An octet now and then is no progress; the deadline stands until a reply is whole. */
	if (action != DO_WAIT || c->dialogue.replies != replies)
		act(c, action);
}

static void on_drained(struct stream *stream, void *context)
{
	struct connection *c = context;

	(void)stream;
	if (c->dialogue.state == DIALOGUE_DATA && send_content(c) &&
	    c->dialogue.state == DIALOGUE_END)
		set_deadline(c);
}

static void on_secured(struct stream *stream, void *context)
{
	struct connection *c = context;
	struct tls_facts facts;

	stream_tls_facts(stream, &facts);
	snprintf(c->tls, sizeof c->tls, "%s %s", facts.protocol, facts.cipher);
	log_debug("secured", log_string("relay", c->name), log_string("tls", c->tls),
	    log_string("verified", facts.verified ? "yes" : "no"));
	act(c, dialogue_secured(&c->dialogue, facts.verified));
}

static void describe_end(const struct connection *c, enum stream_end end, char text[REPLY_TEXT_MAX])
{
	int error = stream_errno(c->stream);

	if (end == STREAM_END_OF_INPUT || end == STREAM_CLOSED)
		snprintf(text, REPLY_TEXT_MAX, "the other side closed the connection");
	else if (end == STREAM_TIMED_OUT)
		snprintf(text, REPLY_TEXT_MAX, "time-out");
	else if (error != 0)
		snprintf(text, REPLY_TEXT_MAX, "%s", strerror(error));
	else
		snprintf(text, REPLY_TEXT_MAX, "%s", stream_error(c->stream));
}

static void on_closed(struct stream *stream, enum stream_end end, void *context)
{
	struct connection *c = context;
	char why[REPLY_TEXT_MAX], text[REPLY_TEXT_MAX];

	(void)stream;
	/* Nobody waits for it: it was kept for reuse, or has said goodbye. */
	if (c->transaction == NULL) {
		connection_abort(c);
		return;
	}
	describe_end(c, end, why);
	if (!c->is_connected) {
		snprintf(text, sizeof text, "connect to %.300s: %.600s", c->name, why);
		refused(c, "4.4.1", text);
	} else if (c->dialogue.state == DIALOGUE_HANDSHAKE) {
		c->tls_failed = true;
		snprintf(text, sizeof text, "the TLS handshake failed: %.900s", why);
		refused(c, "4.7.5", text);
	} else {
		act(c, dialogue_lost(&c->dialogue, why));
	}
}

static const struct stream_handlers stream_handlers = {
    .readable = on_readable,
    .drained = on_drained,
    .connected = on_connected,
    .secured = on_secured,
    .closed = on_closed,
};

static socklen_t socket_address(const struct target *target, struct sockaddr_storage *out)
{
	*out = (struct sockaddr_storage){.ss_family = target->address.family};
	if (target->address.family == AF_INET6) {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;

		in6->sin6_port = htons(target->port);
		memcpy(&in6->sin6_addr, target->address.octets, sizeof in6->sin6_addr);
		return sizeof *in6;
	}
	((struct sockaddr_in *)out)->sin_port = htons(target->port);
	memcpy(
	    &((struct sockaddr_in *)out)->sin_addr, target->address.octets, sizeof(struct in_addr));
	return sizeof(struct sockaddr_in);
}

struct connection *connection_open(
    struct event_base *base, const struct target *target, struct slice site,
    struct tls_policy policy)
{
	struct connection *c = calloc(1, sizeof *c);
	struct sockaddr_storage address;
	socklen_t address_len = socket_address(target, &address);

	if (c == NULL)
		return NULL;
	c->target = *target;
	target_name(target, c->name);
	slice_copy(site, c->site, sizeof c->site);
	c->idle_timer = pool_timer(base, c);
	if (c->idle_timer != NULL)
		c->stream = stream_connect(base, (const struct sockaddr *)&address, address_len,
		    NULL, 0, (unsigned)settings->delivery.connect_timeout, &stream_handlers, c);
	if (c->stream == NULL) {
		int error = errno;

		if (c->idle_timer != NULL)
			event_free(c->idle_timer);
		free(c);
		errno = error;
		return NULL;
	}
	dialogue_begin(&c->dialogue, stream_output(c->stream), settings->hostname,
	    target->in_clear ? (struct tls_policy){PROTECTION_NONE, false} : policy);
	count++;
	return c;
}
