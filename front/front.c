/*
 * front.c - a front daemon: accepting clients, TLS, and what they say before login.
 */
#include "front/front.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/log.h"
#include "common/network.h"
#include "common/proxied.h"
#include "common/signing.h"
#include "common/witness.h"
#include "front/private.h"

enum {
	ACCEPTED_AT_ONCE =
	    8, /* connections of one socket in one turn: the other workers want theirs */
	LISTENERS_MAX = 64,
	PAUSE_SECONDS = 1, /* no accepting when descriptors have run out */
	LEAVE_SECONDS =
	    10,           /* a client that sends no more has this long to take what it asked for */
	STOP_SECONDS = 5, /* sessions have this long for their goodbyes */
	TALK_OUTPUT_MAX =
	    16384, /* octets of replies that a client may leave untaken before login */
};

struct listener {
	struct event *event; /* NULL: free */
	int socket;
	enum service service;
};

const struct front_protocol *front_protocol;
static struct listener listeners[LISTENERS_MAX];
static struct event *pause_end, *stop_end;
static uint64_t last_number;
static int64_t client_count;

static int compare_numbers(const struct front_client *a, const struct front_client *b)
{
	return (a->number > b->number) - (a->number < b->number);
}

static RB_HEAD(front_numbers, front_client) clients = RB_INITIALIZER(&clients);
RB_PROTOTYPE(front_numbers, front_client, by_number, compare_numbers)
RB_GENERATE(front_numbers, front_client, by_number, compare_numbers)

struct front_client *front_find(uint64_t number)
{
	struct front_client wanted = {.number = number};

	return RB_FIND(front_numbers, &clients, &wanted);
}

/* ---- the end of a client -------------------------------------------------------- */

static void exit_if_done(void)
{
	if (process_is_stopping() && client_count == 0)
		process_exit(EX_OK);
}

void front_let_go(struct front_client *client)
{
	front_login_cancel(client);
	front_pass_end(client);
	if (client->timer != NULL)
		event_free(client->timer);
	client->timer = NULL;
	if (client->context != NULL)
		front_protocol->released(client->context);
	client->context = NULL;
	client->state = FRONT_ENDING;
}

static void free_client(struct front_client *client)
{
	front_let_go(client);
	RB_REMOVE(front_numbers, &clients, client);
	client_count--;
	stream_free(client->stream);
	free(client);
	exit_if_done();
}

void front_end(struct front_client *client)
{
	if (client->state == FRONT_ENDING)
		return;
	/* Whoever calls may be in the middle of using the context: it goes with the stream's end. */
	if (client->state == FRONT_PASSING) {
		front_let_go(client);
	} else {
		front_login_cancel(client);
		if (client->timer != NULL)
			event_del(client->timer);
		client->state = FRONT_ENDING;
	}
	stream_close_when_sent(client->stream);
}

void front_farewell(struct front_client *client, enum front_farewell why)
{
	if (client->state != FRONT_SECURING)
		stream_write(client->stream, slice_string(front_protocol->farewells[why]));
	front_end(client);
}

/* ---- talking -------------------------------------------------------------------- */

bool front_is_talking(const struct front_client *client)
{
	return client->state == FRONT_TALKING;
}

struct evbuffer *front_input(struct front_client *client)
{
	return stream_input(client->stream);
}

void front_say(struct front_client *client, struct slice text)
{
	stream_write(client->stream, text);
}

void front_printf(struct front_client *client, const char *format, ...)
{
	struct buf text = buf_with_limit(4096);
	va_list arguments;

	va_start(arguments, format);
	buf_vprintf(&text, format, arguments);
	va_end(arguments);
	stream_write(client->stream, buf_slice(&text));
	buf_free(&text);
}

bool front_offers_tls(const struct front_client *client)
{
	return signing_server() != NULL && !stream_is_secured(client->stream);
}

bool front_start_tls(struct front_client *client)
{
	if (!stream_start_tls_server(client->stream, signing_server()))
		return false;
	witness_ask(client->stream);
	client->state = FRONT_SECURING;
	return true;
}

/* The protocol has input to look at, and perhaps no more will come. */
void front_login_begin(struct front_client *client)
{
	const struct timeval wait = {front_protocol->login_timeout(), 0};

	if (client->state != FRONT_TALKING)
		return;
	event_add(client->timer, &wait);
	front_protocol->input(client, client->context);
	if (client->state == FRONT_TALKING && client->ended_input)
		front_end(client);
}

static void on_timeout(evutil_socket_t fd, short events, void *context)
{
	(void)fd;
	(void)events;
	front_farewell(context, FRONT_TIMED_OUT);
}

static void greet(struct front_client *client)
{
	client->state = FRONT_TALKING;
	if (client->greeted)
		return;
	client->greeted = true;
	if (!front_protocol->greet(client, &client->context))
		front_farewell(client, FRONT_NO_MEMORY);
}

/* ---- the stream ------------------------------------------------------------------ */

static void take_input(struct front_client *client)
{
	if (client->state == FRONT_PASSING)
		front_pass_input(client);
	else if (client->state == FRONT_TALKING)
		front_protocol->input(client, client->context);
}

static void on_readable(struct stream *stream, void *context)
{
	(void)stream;
	take_input(context);
}

static void on_drained(struct stream *stream, void *context)
{
	(void)stream;
	front_pass_drained(context);
}

static void on_secured(struct stream *stream, void *context)
{
	struct front_client *client = context;

	witness_log(stream, client->address);
	greet(client);
}

/* It may still want the answers to what it has sent. */
static void on_end_of_input(struct front_client *client)
{
	client->ended_input = true;
	stream_set_deadline(client->stream, LEAVE_SECONDS);
	take_input(client);
	if (client->state == FRONT_TALKING || client->state == FRONT_SECURING)
		front_end(client);
}

static void on_closed(struct stream *stream, enum stream_end end, void *context)
{
	struct front_client *client = context;

	if (end == STREAM_END_OF_INPUT) {
		on_end_of_input(client);
		return;
	}
	if (end == STREAM_TLS_FAILED)
		log_info("tls-failed", log_string("client", client->address),
		    log_string("reason", stream_error(stream)));
	if (client->state == FRONT_PASSING)
		front_pass_tell_end(client, false);
	free_client(client);
}

static const struct stream_handlers stream_handlers = {
    .readable = on_readable, .drained = on_drained, .secured = on_secured, .closed = on_closed};

/* ---- accepting -------------------------------------------------------------------- */

/* Said without a client: there is to be none.  Under TLS from the start nobody would understand it. */
static void turn_away(int socket, enum service service, enum front_farewell why)
{
	const char *text = front_protocol->farewells[why];

	if (service == front_protocol->service)
		(void)send(socket, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
	close(socket);
}

static void limit_stream(struct front_client *client)
{
	struct stream_limits limits = stream_default_limits;

	limits.input = front_protocol->input_limit;
	limits.output = TALK_OUTPUT_MAX;
	stream_set_limits(client->stream, &limits);
}

static void begin_client(struct front_client *client, enum service service)
{
	const struct timeval wait = {front_protocol->login_timeout(), 0};

	client->number = ++last_number;
	RB_INSERT(front_numbers, &clients, client);
	client_count++;
	limit_stream(client);
	event_add(client->timer, &wait);
	if (service == front_protocol->service)
		greet(client);
	else if (signing_server() == NULL || !front_start_tls(client))
		front_end(client);
}

/* is_anonymous: a load balancer did not say for whom it speaks (proxied.h). */
static void connected(
    int socket, enum service service, const struct sockaddr *address, bool is_anonymous)
{
	struct front_client *client;
	struct host_address from;

	if (client_count >= front_protocol->connections_limit()) {
		log_warning("too-many-connections",
		    log_number("limit", (uint64_t)front_protocol->connections_limit()));
		turn_away(socket, service, FRONT_TOO_MANY);
		return;
	}
	client = calloc(1, sizeof *client);
	if (client == NULL || !host_address_from_socket(&from, address)) {
		turn_away(socket, service, FRONT_NO_MEMORY);
		free(client);
		return;
	}
	client->session_socket = -1;
	host_address_print(&from, client->address);
	client->is_loopback = !is_anonymous && host_address_is_loopback(&from);
	client->timer = evtimer_new(process_base(), on_timeout, client);
	client->stream = stream_new(process_base(), socket, &stream_handlers, client);
	if (client->timer == NULL || client->stream == NULL) {
		if (client->timer != NULL)
			event_free(client->timer);
		stream_free(client->stream);
		free(client);
		return;
	}
	begin_client(client, service);
}

static void arrived(int socket, enum service service, const struct sockaddr *peer)
{
	if (!proxied_expects_header(socket, peer))
		connected(socket, service, peer, false);
	else if (proxied_count() < front_protocol->connections_limit())
		proxied_wait(process_base(), socket, service, peer, connected);
	else
		close(socket);
}

static void resume_accepting(evutil_socket_t fd, short events, void *context)
{
	(void)fd;
	(void)events;
	(void)context;
	for (size_t i = 0; i < LISTENERS_MAX; i++)
		if (listeners[i].event != NULL)
			event_add(listeners[i].event, NULL);
}

/* Descriptors or memory have run out: better wait than spin. */
static void pause_accepting(int error)
{
	const struct timeval wait = {PAUSE_SECONDS, 0};

	log_warning("not-accepting", log_errno(error));
	for (size_t i = 0; i < LISTENERS_MAX; i++)
		if (listeners[i].event != NULL)
			event_del(listeners[i].event);
	event_add(pause_end, &wait);
}

static void accept_some(evutil_socket_t fd, short events, void *context)
{
	const struct listener *listener = context;

	(void)events;
	for (int i = 0; i < ACCEPTED_AT_ONCE; i++) {
		struct sockaddr_storage address;
		socklen_t len = sizeof address;
		int socket =
		    accept4(fd, (struct sockaddr *)&address, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (socket != -1) {
			arrived(socket, listener->service, (const struct sockaddr *)&address);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			pause_accepting(errno);
		/* Anything else: another worker was faster, or the client has left. */
		return;
	}
}

static void on_listener(enum service service, int socket)
{
	for (size_t i = 0; i < LISTENERS_MAX; i++) {
		struct listener *listener = &listeners[i];

		if (listener->event != NULL)
			continue;
		*listener = (struct listener){
		    event_new(process_base(), socket, EV_READ | EV_PERSIST, accept_some, listener),
		    socket, service};
		if (listener->event != NULL && event_add(listener->event, NULL) == 0)
			return;
		break;
	}
	log_error("cannot-listen", log_string("service", service_name(service)));
	close(socket);
}

static void on_unlisten(enum service service)
{
	for (size_t i = 0; i < LISTENERS_MAX; i++) {
		if (listeners[i].event == NULL || listeners[i].service != service)
			continue;
		event_free(listeners[i].event);
		listeners[i].event = NULL;
		close(listeners[i].socket);
	}
}

/* ---- the process ------------------------------------------------------------------- */

static void on_file(enum control_file kind, const char *name, int descriptor)
{
	if (descriptor != -1 && kind == CONTROL_FILE_CLIENT_AUTHORITIES)
		witness_take_authorities(name, descriptor);
	else if (descriptor != -1)
		close(descriptor);
}

static bool on_control(struct message *m)
{
	if (m->type == CONTROL_CERTIFICATES)
		return signing_take_certificates(m);
	return m->type == CONTROL_SESSION_READY && front_session_ready(m);
}

static bool auth_said(struct channel *channel, struct message *m, void *context)
{
	(void)channel;
	(void)context;
	return witness_take_beacon(m);
}

static bool start(struct event_base *base)
{
	/* Numbers of a process that was here before are not used again. */
	last_number = (uint64_t)arc4random() << 32;
	pause_end = evtimer_new(base, resume_accepting, NULL);
	return pause_end != NULL && channel_send(process_master(), CONTROL_READY, 0);
}

static void on_stop_end(evutil_socket_t fd, short events, void *context)
{
	(void)fd;
	(void)events;
	(void)context;
	process_exit(EX_OK);
}

/* Whoever has logged in hears it from the session, which knows the protocol's state; the others from us. */
static void stop(void)
{
	const struct timeval wait = {STOP_SECONDS, 0};
	struct front_client *client, *next;

	on_unlisten(front_protocol->service);
	on_unlisten(front_protocol->tls_service);
	proxied_stop();
	stop_end = evtimer_new(process_base(), on_stop_end, NULL);
	if (stop_end == NULL || event_add(stop_end, &wait) == -1)
		process_exit(EX_OK);
	for (client = RB_MIN(front_numbers, &clients); client != NULL; client = next) {
		next = RB_NEXT(front_numbers, &clients, client);
		if (client->state == FRONT_PASSING)
			front_pass_tell_end(client, true);
		else if (client->state != FRONT_ENDING)
			front_farewell(client, FRONT_STOPPING);
	}
	exit_if_done();
}

static const struct process_peer peers[] = {
    {.role = ROLE_AUTH,          .message = auth_said},
    {.role = ROLE_KEYS,		.message = signing_message},
    {.role = ROLE_DELIVERY_MAILDIR, .opened = front_maildir_opened, .message = front_new_mail},
    {.role = ROLE_NONE},
};

int front_main(const struct front_protocol *protocol, int argc, char **argv)
{
	static struct process process = {
	    .peers = peers,
	    .prepare = signing_prepare,
	    .start = start,
	    .reload = signing_reload,
	    .stop = stop,
	    .listener = on_listener,
	    .unlisten = on_unlisten,
	    .file = on_file,
	    .control = on_control,
	};

	front_protocol = protocol;
	process.role = protocol->role;
	return process_main(&process, argc, argv);
}
