/*
 * main.c - smtpd: set-up, listening sockets, limits.
 *
 * Several smtpd processes wait on the same listening sockets; each takes a few
 * connections at a time, so that the others have theirs.  What a session needs
 * to know it asks of other processes (peers.c): smtpd itself has no files, no
 * keys and no tables.
 */
#include <errno.h>
#include <event2/event.h>
#include <malloc.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "common/process.h"
#include "common/proxied.h"
#include "common/signing.h"
#include "common/witness.h"
#include "smtpd/client.h"
#include "smtpd/limits.h"
#include "smtpd/peers.h"
#include "smtpd/rules.h"
#include "smtpd/session.h"

enum {
	ACCEPTED_AT_ONCE = 8,          /* connections of one socket in one turn */
	LISTENERS_MAX = 64,            /* sockets of all services */
	MEMORY_KEPT = 4 * 1024 * 1024, /* octets of the heap's end */
	STOP_SECONDS = 10,             /* sessions have to end after `stop` */
	PAUSE_SECONDS = 1              /* no accepting when descriptors have run out */
};

struct listener {
	struct event *event; /* NULL: free */
	int socket;
	enum service service;
};

static struct listener listeners[LISTENERS_MAX];
static struct event *pause_end;
static struct event *stop_end;

static void session_ended(const struct client *client);
static struct house house = {.tls = signing_server, .ended = session_ended};

/* --- connections ----------------------------------------------------------------------- */

static void exit_if_done(void)
{
	if (process_is_stopping() && sessions_count() == 0)
		process_exit(EX_OK);
}

static void session_ended(const struct client *client)
{
	limits_disconnect(client);
	exit_if_done();
}

/* Said without a session: there is to be none. */
static void turn_away(int socket, enum service service, const char *why)
{
	char text[512];
	int len = snprintf(text, sizeof text, "421 4.7.0 %s %s\r\n", settings->hostname, why);

	/* Under TLS from the start nobody would understand it. */
	if (service != SERVICE_SUBMISSIONS && len > 0 && len < (int)sizeof text)
		(void)send(socket, text, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT);
	close(socket);
}

static bool has_talked(int socket)
{
	char octet;

	return recv(socket, &octet, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/* is_anonymous: a load balancer did not say for whom it speaks (proxied.h). */
static void connected(
    int socket, enum service service, const struct sockaddr *address, bool is_anonymous)
{
	struct client client;
	const char *limit;

	if (!client_from_address(&client, address)) {
		close(socket);
		return;
	}
	if (sessions_count() >= (uint64_t)settings->smtp.connections_limit) {
		log_warning("too-many-connections", log_string("client", client.text),
		    log_string("limit", "smtp.connections-limit"));
		turn_away(socket, service, "too many connections, try again later");
		return;
	}
	limit = limits_connect(&client);
	if (limit != NULL) {
		log_warning("client-limited", log_string("client", client.text),
		    log_string("limit", limit), log_string("at", "connect"));
		turn_away(socket, service, "too much from your address or network, try again later");
		return;
	}
	client.is_loopback = client.is_loopback && !is_anonymous;
	client.may_relay =
	    !is_anonymous && client_is_in(&client, &settings->smtp.relay_networks);
	client.talked_early = service == SERVICE_MX && has_talked(socket);
	if (client.talked_early)
		log_info("talked-early", log_string("client", client.text));
	if (!session_begin(process_base(), socket, service, &client, &house)) {
		log_warning("no-session", log_string("client", client.text),
		    log_string("reason", service == SERVICE_SUBMISSIONS && signing_server() == NULL
					     ? "no certificate"
					     : "out of memory"));
		limits_disconnect(&client);
	}
}

static void arrived(int socket, enum service service, const struct sockaddr *peer)
{
	if (!proxied_expects_header(socket, peer))
		connected(socket, service, peer, false);
	else if (proxied_count() < (uint64_t)settings->smtp.connections_limit)
		proxied_wait(process_base(), socket, service, peer, connected);
	else
		close(socket);
}

/* A user of this host; master has asked the kernel who. */
static bool local_connected(struct message *m)
{
	struct reader r = message_reader(m);
	struct control_client user;
	struct client client;
	int socket;

	if (!control_client_read(&r, &user) || !reader_finished(&r) ||
	    user.request != CONTROL_REQUEST_SUBMIT || m->descriptor_count != 1)
		return false;
	socket = message_take_descriptor(m, 0);
	client_from_user(&client, user.uid, user.user);
	if (process_is_stopping())
		turn_away(socket, SERVICE_SUBMISSION, "shutting down");
	else if (!session_begin(process_base(), socket, SERVICE_SUBMISSION, &client, &house))
		log_warning("no-session", log_string("client", client.text),
		    log_string("reason", "out of memory"));
	return true;
}

/* The administrator asks what a client from somewhere else would hear. */
static bool trial_connected(struct message *m)
{
	struct reader r = message_reader(m);
	enum service service = (enum service)read_u8(&r);
	struct slice text = read_slice_max(&r, CLIENT_TEXT_MAX);
	struct host_address address;
	struct sockaddr_storage from;
	struct client client;
	int socket;

	if (!reader_finished(&r) || service > SERVICE_SUBMISSIONS || m->descriptor_count != 1 ||
	    !host_address_parse(text, &address))
		return false;
	socket = message_take_descriptor(m, 0);
	host_address_to_socket(&address, 0, &from);
	client_from_address(&client, (struct sockaddr *)&from);
	client.is_trial = true;
	client.may_relay = client_is_in(&client, &settings->smtp.relay_networks);
	limits_follow(&client);
	log_info("trial", log_string("client", client.text));
	/* There is no TLS on the way from there; who has logged in is told by XCLIENT. */
	if (service == SERVICE_SUBMISSIONS)
		service = SERVICE_SUBMISSION;
	if (!session_begin(process_base(), socket, service, &client, &house))
		log_warning("no-session", log_string("client", client.text),
		    log_string("reason", "out of memory"));
	return true;
}

/* --- listening ---------------------------------------------------------------------------- */

static void resume_accepting(int descriptor, short events, void *context)
{
	(void)descriptor, (void)events, (void)context;
	for (size_t i = 0; i < LISTENERS_MAX; i++) {
		if (listeners[i].event != NULL)
			event_add(listeners[i].event, NULL);
	}
}

/* Descriptors or memory have run out: better wait than spin. */
static void pause_accepting(int error)
{
	log_warning("cannot-accept", log_errno(error));
	for (size_t i = 0; i < LISTENERS_MAX; i++) {
		if (listeners[i].event != NULL)
			event_del(listeners[i].event);
	}
	evtimer_add(pause_end, &(struct timeval){.tv_sec = PAUSE_SECONDS});
}

static void accept_some(int descriptor, short events, void *context)
{
	const struct listener *listener = context;

	(void)events;
	for (int i = 0; i < ACCEPTED_AT_ONCE; i++) {
		struct sockaddr_storage address;
		socklen_t len = sizeof address;
		int socket = accept4(
		    descriptor, (struct sockaddr *)&address, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (socket >= 0) {
			arrived(socket, listener->service, (struct sockaddr *)&address);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			pause_accepting(errno);
		/* Anything else says that there is no connection any more: another process was faster, or the client left. */
		return;
	}
}

static void listen_on(enum service service, int socket)
{
	int on = 1;

	/* Replies are written whole; connections inherit that none waits for an acknowledgement. */
	(void)setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	for (size_t i = 0; i < LISTENERS_MAX; i++) {
		struct listener *listener = &listeners[i];

		if (listener->event != NULL)
			continue;
		listener->socket = socket;
		listener->service = service;
		listener->event =
		    event_new(process_base(), socket, EV_READ | EV_PERSIST, accept_some, listener);
		if (listener->event != NULL && event_add(listener->event, NULL) == 0)
			return;
		break;
	}
	log_error("cannot-listen", log_string("service", service_name(service)));
	close(socket);
}

static void stop_listening(enum service service)
{
	for (size_t i = 0; i < LISTENERS_MAX; i++) {
		struct listener *listener = &listeners[i];

		if (listener->event == NULL || listener->service != service)
			continue;
		event_free(listener->event);
		listener->event = NULL;
		close(listener->socket);
	}
}

/* --- a process's life ------------------------------------------------------------------------------ */

static bool prepare(void)
{
	/* The memory of one message is the next one's: the kernel need not have it in between. */
	mallopt(M_TRIM_THRESHOLD, MEMORY_KEPT);
	mallopt(M_MMAP_THRESHOLD, MEMORY_KEPT);
	tzset(); /* dates are written from behind the root directory */
	return signing_prepare();
}

static bool start(struct event_base *base)
{
	peers_furnish(&house);
	rules_configure();
	pause_end = evtimer_new(base, resume_accepting, NULL);
	return pause_end != NULL && channel_send(process_master(), CONTROL_READY, 0);
}


static void reload(void)
{
	signing_reload();
	peers_reload();
	rules_configure();
}

static void take_file(enum control_file kind, const char *name, int file)
{
	if (file != -1 && kind == CONTROL_FILE_TALLY) {
		if (!limits_take_table(file, process_instance()))
			log_error("no-limits", log_string("reason", "the table cannot be mapped"));
	} else if (file != -1 && kind == CONTROL_FILE_CLIENT_AUTHORITIES)
		witness_take_authorities(name, file);
	else if (file != -1)
		close(file);
}

static bool control(struct message *m)
{
	if (m->type == CONTROL_CERTIFICATES)
		return signing_take_certificates(m);
	if (m->type == CONTROL_TRIAL)
		return trial_connected(m);
	return m->type == CONTROL_CLIENT && local_connected(m);
}

static void stop_late(int descriptor, short events, void *context)
{
	(void)descriptor, (void)events, (void)context;
	log_info("sessions-left", log_number("sessions", sessions_count()));
	process_exit(EX_OK);
}

static void stop(void)
{
	for (int service = 0; service < SERVICE_COUNT; service++)
		stop_listening((enum service)service);
	proxied_stop();
	stop_end = evtimer_new(process_base(), stop_late, NULL);
	if (stop_end != NULL)
		evtimer_add(stop_end, &(struct timeval){.tv_sec = STOP_SECONDS});
	sessions_stop();
	exit_if_done();
}

int main(int argc, char **argv)
{
	static const struct process smtpd = {
	    .role = ROLE_SMTPD,
	    .peers = smtpd_peers,
	    .prepare = prepare,
	    .start = start,
	    .reload = reload,
	    .stop = stop,
	    .listener = listen_on,
	    .unlisten = stop_listening,
	    .file = take_file,
	    .control = control,
	};

	return process_main(&smtpd, argc, argv);
}
