/*
 * services.c - the judge that asks other programs by Postfix's policy delegation protocol.
 *
 * Each service has a few connections, which are kept.  A connection carries one
 * request at a time; who finds all of them busy waits in the service's queue.
 *
 * A service may do to us what it likes: what it says is a reply within its limits and
 * its time, or the connection is closed and the service has failed.  Only where an
 * old connection ends before the first octet of a reply is the request sent again:
 * services close connections that have been idle, and nobody can know when.
 */
#include "policy/services.h"

#include <event2/event.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/process.h"
#include "policy/delegation.h"
#include "policy/dial.h"

enum {
	CONNECTIONS_MAX = 16,  /* to one service */
	IDLE_SECONDS = 300,    /* that a connection without work is kept */
	PAUSE_US = 1000 * 1000 /* before a service that could not be reached is tried again */
};

struct connection {
	TAILQ_ENTRY(connection) entry;
	struct delegate *service;
	struct dial *dial;     /* NULL: there is a stream */
	struct stream *stream; /* NULL: there is a dial */
	struct asking *asking; /* whose reply is waited for; NULL: idle */
	bool has_served;       /* before this one */
};

struct delegate {
	TAILQ_ENTRY(delegate) entry;
	char *word;                    /* as the settings have it */
	struct policy_service setting; /* points into it */
	bool is_named;                 /* by the settings that are in force */
	bool is_failing;
	uint64_t paused_until_us;
	unsigned connection_count;
	TAILQ_HEAD(, connection) connections;
	TAILQ_HEAD(, asking) waiting;
	unsigned asking_count; /* waiting or on a connection */
};

/* An inquiry that this judge has. */
struct asking {
	TAILQ_ENTRY(asking) entry; /* in service->waiting, while it has no connection */
	struct inquiry *inquiry;
	struct delegate *service;
	struct connection *connection;
	struct event *deadline;
	bool was_sent_twice;
};

static TAILQ_HEAD(, delegate) services = TAILQ_HEAD_INITIALIZER(services);

static void run(struct delegate *service);
static void ask_next(struct asking *asking, struct delegate *service);

/* --- coming and going ------------------------------------------------------------- */

static void free_connection(struct connection *connection)
{
	struct delegate *service = connection->service;

	dial_cancel(connection->dial);
	stream_free(connection->stream);
	TAILQ_REMOVE(&service->connections, connection, entry);
	service->connection_count--;
	free(connection);
}

static void free_delegate(struct delegate *service)
{
	struct connection *connection;

	while ((connection = TAILQ_FIRST(&service->connections)) != NULL)
		free_connection(connection);
	TAILQ_REMOVE(&services, service, entry);
	free(service->word);
	free(service);
}

static void free_if_done(struct delegate *service)
{
	if (!service->is_named && service->asking_count == 0)
		free_delegate(service);
}

static struct delegate *find(const char *word)
{
	struct delegate *service;

	TAILQ_FOREACH (service, &services, entry) {
		if (strcmp(service->word, word) == 0)
			return service;
	}
	return NULL;
}

static struct delegate *new_delegate(const char *word)
{
	struct delegate *service = calloc(1, sizeof *service);

	if (service == NULL)
		return NULL;
	service->word = strdup(word);
	if (service->word == NULL ||
	    !policy_service_parse(slice_string(service->word), &service->setting)) {
		free(service->word);
		free(service);
		return NULL;
	}
	TAILQ_INIT(&service->connections);
	TAILQ_INIT(&service->waiting);
	TAILQ_INSERT_TAIL(&services, service, entry);
	return service;
}

void services_configure(void)
{
	const struct conf_list *words = &settings->policy.services;
	struct delegate *service, *next;

	TAILQ_FOREACH (service, &services, entry)
		service->is_named = false;
	/* In the order of the settings; those that go are in front then. */
	for (size_t i = 0; i < words->count; i++) {
		service = find(words->words[i]);
		if (service == NULL)
			service = new_delegate(words->words[i]);
		if (service == NULL) {
			log_error("service-unusable", log_string("service", words->words[i]));
			continue;
		}
		service->is_named = true;
		TAILQ_REMOVE(&services, service, entry);
		TAILQ_INSERT_TAIL(&services, service, entry);
	}
	TAILQ_FOREACH_SAFE (service, &services, entry, next)
		free_if_done(service);
}

/* --- what becomes of an asking ------------------------------------------------------ */

/* Off its service; what its connection would say now is not for anybody. */
static void leave(struct asking *asking)
{
	struct delegate *service = asking->service;

	if (asking->connection != NULL) {
		asking->connection->asking = NULL;
		free_connection(asking->connection);
		asking->connection = NULL;
	} else if (service != NULL) {
		TAILQ_REMOVE(&service->waiting, asking, entry);
	}
	asking->service = NULL;
	if (service != NULL)
		service->asking_count--;
}

static void free_asking(struct asking *asking)
{
	event_free(asking->deadline);
	free(asking);
}

/* Its turn is over with this verdict. */
static void judge(struct asking *asking, const struct verdict *verdict)
{
	struct inquiry *inquiry = asking->inquiry;

	free_asking(asking);
	inquiry_judged(inquiry, verdict);
}

static struct verdict verdict_by(const struct delegate *service, enum verdict_answer answer,
    const struct delegation_reply *reply)
{
	char text[VERDICT_TEXT_MAX], by[VERDICT_BY_MAX];

	slice_copy(slice_part(reply->text, 0, sizeof text - 1), text, sizeof text);
	slice_copy(slice_part(service->setting.name, 0, sizeof by - 1), by, sizeof by);
	return verdict_of(reply->ends_connection ? VERDICT_DISCONNECT : answer,
	    reply->code != 0          ? reply->code
	    : answer == VERDICT_DEFER ? 450
				      : 0,
	    reply->status, text, by);
}

static void log_words(const struct asking *asking, const struct delegation_reply *reply)
{
	const struct policy_question *q = &asking->inquiry->question;
	char address[HOST_ADDRESS_TEXT] = "";

	host_address_print(&q->address, address);
	log_info("service-says", log_slice("service", asking->service->setting.name),
	    log_slice("action", reply->word), log_slice("text", reply->text),
	    log_string("client", address), log_slice("from", q->sender),
	    log_slice("to", q->recipient));
}

/* False: it has not decided, and the next service is asked. */
static bool has_decided(
    struct asking *asking, const struct delegation_reply *reply, struct verdict *verdict)
{
	struct inquiry *inquiry = asking->inquiry;
	const struct delegate *service = asking->service;

	switch (reply->action) {
	case ACTION_OK:
		*verdict = verdict_by(service, VERDICT_ACCEPT, reply);
		return true;
	case ACTION_REFUSE:
		*verdict = verdict_by(service, VERDICT_REFUSE, reply);
		return true;
	case ACTION_DEFER:
		*verdict = verdict_by(service, VERDICT_DEFER, reply);
		return true;
	case ACTION_DISCARD:
		*verdict = verdict_by(service, VERDICT_DISCARD, reply);
		return true;
	case ACTION_DEFER_IF_PERMIT:
		inquiry->if_accepted = verdict_by(service, VERDICT_DEFER, reply);
		return false;
	case ACTION_DEFER_IF_REJECT:
		inquiry->if_refused = verdict_by(service, VERDICT_DEFER, reply);
		return false;
	case ACTION_HOLD:
		if (inquiry->if_accepted.answer == VERDICT_NONE)
			inquiry->if_accepted = verdict_by(service, VERDICT_HOLD, reply);
		return false;
	case ACTION_PREPEND:
		inquiry_add_field(inquiry, reply->text);
		return false;
	case ACTION_WARN:
	case ACTION_INFO:
	case ACTION_UNKNOWN:
		log_words(asking, reply);
		return false;
	case ACTION_DUNNO:
		return false;
	}
	return false;
}

/* The connection that it came on is free again when this begins. */
static void take_reply(struct asking *asking, const struct delegation_reply *reply)
{
	struct delegate *service = asking->service;
	struct verdict verdict;
	bool decided;

	if (service->is_failing)
		log_info("service-works-again", log_slice("service", service->setting.name));
	service->is_failing = false;
	decided = has_decided(asking, reply, &verdict);
	asking->connection = NULL;
	asking->service = NULL;
	service->asking_count--;
	event_del(asking->deadline);
	if (decided)
		judge(asking, &verdict);
	else
		ask_next(asking, service);
}

/* No reply is to be had. */
static void fail(struct asking *asking, const char *reason)
{
	struct delegate *service = asking->service;
	struct verdict verdict;
	char by[VERDICT_BY_MAX];

	if (!service->is_failing)
		log_warning("service-failed", log_slice("service", service->setting.name),
		    log_string("reason", reason));
	service->is_failing = true;
	leave(asking);
	event_del(asking->deadline);
	if (service->setting.accepts_on_failure) {
		ask_next(asking, service);
	} else {
		slice_copy(slice_part(service->setting.name, 0, sizeof by - 1), by, sizeof by);
		verdict = verdict_of(VERDICT_DEFER, 451, "4.3.0", NULL, by);
		judge(asking, &verdict);
	}
}

static void on_deadline(int socket, short what, void *context)
{
	struct asking *asking = context;
	struct delegate *service = asking->service;

	(void)socket, (void)what;
	fail(asking, "timed out");
	run(service);
	free_if_done(service);
}

/* --- connections ----------------------------------------------------------------------- */

static bool send_request(struct connection *connection)
{
	const struct inquiry *inquiry = connection->asking->inquiry;
	const struct policy_question *q = &inquiry->question;
	struct buf request = buf_with_limit(DELEGATION_REQUEST_MAX);
	char instance[64];
	bool written;

	snprintf(instance, sizeof instance, "%x.%llx.%llx", process_peer_instance(inquiry->channel),
	    (unsigned long long)q->session, (unsigned long long)q->transaction);
	written = delegation_write(
	    &request, q, slice_string(instance), connection->service->setting.context);
	if (written)
		stream_write(connection->stream, buf_slice(&request));
	buf_free(&request);
	return written;
}

/* A connection is over; who waited on it may be asked for on another. */
static void lose(struct connection *connection, const char *reason)
{
	struct delegate *service = connection->service;
	struct asking *asking = connection->asking;
	bool may_send_again = asking != NULL && connection->has_served && !asking->was_sent_twice &&
			      evbuffer_get_length(stream_input(connection->stream)) == 0;

	if (may_send_again) {
		asking->connection = NULL;
		asking->was_sent_twice = true;
		connection->asking = NULL;
		free_connection(connection);
		TAILQ_INSERT_HEAD(&service->waiting, asking, entry);
	} else if (asking != NULL) {
		if (!connection->has_served)
			service->paused_until_us = clock_monotonic_us() + PAUSE_US;
		fail(asking, reason);
	} else {
		free_connection(connection);
	}
	run(service);
	free_if_done(service);
}

static void on_readable(struct stream *stream, void *context)
{
	struct connection *connection = context;
	struct delegate *service = connection->service;
	struct asking *asking = connection->asking;
	struct evbuffer *input = stream_input(stream);
	char text[DELEGATION_REPLY_MAX];
	ssize_t len = evbuffer_copyout(input, text, sizeof text);
	struct delegation_reply reply;
	size_t octets = 0;

	if (asking == NULL) {
		lose(connection, "it spoke unasked");
		return;
	}
	switch (delegation_read(slice_of(text, len < 0 ? 0 : (size_t)len), &reply, &octets)) {
	case DELEGATION_MORE:
		return;
	case DELEGATION_MALFORMED:
		/* It will not do better on the next request. */
		connection->has_served = false;
		lose(connection, "malformed reply");
		return;
	case DELEGATION_READY:
		break;
	}
	evbuffer_drain(input, octets);
	connection->asking = NULL;
	connection->has_served = true;
	if (evbuffer_get_length(input) > 0)
		free_connection(connection); /* the next request would get an answer to none */
	take_reply(asking, &reply);
	run(service);
	free_if_done(service);
}

static void on_closed(struct stream *stream, enum stream_end end, void *context)
{
	lose(context, end == STREAM_END_OF_INPUT || end == STREAM_CLOSED
			  ? "it closed the connection"
		      : end == STREAM_TIMED_OUT ? "timed out"
						: stream_error(stream));
}

static const struct stream_handlers handlers = {.readable = on_readable, .closed = on_closed};

/* There is a stream, or there will be none. */
static void begin(struct connection *connection, struct stream *stream, const char *problem)
{
	struct stream_limits limits = stream_default_limits;

	connection->stream = stream;
	if (stream == NULL) {
		connection->service->paused_until_us = clock_monotonic_us() + PAUSE_US;
		fail(connection->asking, problem);
		return;
	}
	limits.input = DELEGATION_REPLY_MAX;
	limits.read_seconds = IDLE_SECONDS;
	stream_set_limits(stream, &limits);
	if (!send_request(connection))
		fail(connection->asking, "the request is too long");
}

static void dialled(void *context, struct stream *stream, const char *problem)
{
	struct connection *connection = context;
	struct delegate *service = connection->service;

	connection->dial = NULL;
	begin(connection, stream, problem);
	run(service);
	free_if_done(service);
}

static struct connection *add_connection(struct delegate *service)
{
	struct connection *connection = calloc(1, sizeof *connection);

	if (connection == NULL)
		return NULL;
	connection->service = service;
	TAILQ_INSERT_TAIL(&service->connections, connection, entry);
	service->connection_count++;
	return connection;
}

static struct connection *idle_connection(struct delegate *service)
{
	struct connection *connection;

	TAILQ_FOREACH (connection, &service->connections, entry) {
		if (connection->asking == NULL)
			return connection;
	}
	return NULL;
}

/* Give the connection to the first of those who wait. */
static void serve(struct connection *connection)
{
	struct delegate *service = connection->service;
	struct asking *asking = TAILQ_FIRST(&service->waiting);
	struct stream *stream;

	TAILQ_REMOVE(&service->waiting, asking, entry);
	asking->connection = connection;
	connection->asking = asking;
	if (connection->stream != NULL) {
		if (!send_request(connection))
			fail(asking, "the request is too long");
		return;
	}
	stream = dial(&service->setting.address, (unsigned)service->setting.timeout_seconds,
	    &handlers, connection, dialled, &connection->dial);
	if (stream != NULL || connection->dial == NULL)
		begin(connection, stream, "it cannot be connected to");
}

/* All who wait and can be served are. */
static void run(struct delegate *service)
{
	while (!TAILQ_EMPTY(&service->waiting)) {
		struct connection *connection = idle_connection(service);

		if (connection == NULL && service->connection_count == CONNECTIONS_MAX)
			return;
		if (connection == NULL && clock_monotonic_us() < service->paused_until_us)
			fail(
			    TAILQ_FIRST(&service->waiting), "it could not be reached a moment ago");
		else if (connection == NULL && (connection = add_connection(service)) == NULL)
			fail(TAILQ_FIRST(&service->waiting), "out of memory");
		else
			serve(connection);
	}
}

/* --- the judge ------------------------------------------------------------------------- */

static bool is_concerned(const struct delegate *service, const struct policy_question *q)
{
	return service->is_named && service->setting.stage == (enum gate_stage)q->stage &&
	       (!q->is_trusted || service->setting.for_all);
}

/* The first service behind `last` (NULL: of all) that has a say. */
static struct delegate *next_service(struct delegate *last, const struct policy_question *q)
{
	struct delegate *service = last == NULL ? TAILQ_FIRST(&services) : TAILQ_NEXT(last, entry);

	while (service != NULL && !is_concerned(service, q))
		service = TAILQ_NEXT(service, entry);
	return service;
}

static void ask_next(struct asking *asking, struct delegate *last)
{
	struct delegate *service = next_service(last, &asking->inquiry->question);

	if (service == NULL) {
		judge(asking, &(struct verdict){.answer = VERDICT_NONE});
		return;
	}
	asking->service = service;
	asking->was_sent_twice = false;
	service->asking_count++;
	TAILQ_INSERT_TAIL(&service->waiting, asking, entry);
	event_add(asking->deadline, &(struct timeval){.tv_sec = service->setting.timeout_seconds});
	run(service);
}

bool services_are_concerned(const struct policy_question *question)
{
	return next_service(NULL, question) != NULL;
}

void services_ask(struct inquiry *inquiry)
{
	struct asking *asking = calloc(1, sizeof *asking);

	if (asking != NULL)
		asking->deadline = evtimer_new(process_base(), on_deadline, asking);
	if (asking == NULL || asking->deadline == NULL) {
		const struct verdict failed =
		    verdict_of(VERDICT_DEFER, 451, "4.3.0", NULL, "policy");

		free(asking);
		inquiry_judged(inquiry, &failed);
		return;
	}
	asking->inquiry = inquiry;
	inquiry->state = asking;
	ask_next(asking, NULL);
}

void services_forget(struct inquiry *inquiry)
{
	struct asking *asking = inquiry->state;
	struct delegate *service = asking->service;

	leave(asking);
	free_asking(asking);
	run(service);
	free_if_done(service);
}
