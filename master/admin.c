/*
 * admin.c - the control socket.
 *
 * A connection says one thing to master.  What is master's own is answered;
 * the rest is handed on, descriptor and all, so that master reads no more of it.
 */
#include "master/admin.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/channel.h"
#include "common/channel_admin.h"
#include "common/log.h"
#include "master/certificates.h"
#include "master/children.h"

enum {
	CLIENTS_MAX = 512,
	USERS_CLIENTS_MAX = 32, /* of one user who is not root, */
	OTHERS_MAX = 256,       /* and of all of them together: root is let in when they crowd the door */
	SILENCE_SECONDS = 30,   /* how long a connection may say nothing */
	PAUSE_SECONDS = 1       /* no accepting when descriptors have run out */
};

struct client {
	LIST_ENTRY(client) entry;
	struct channel *channel;
	int socket;        /* the channel's */
	struct event *silence;
	uid_t uid;
	bool waits_for_stop;
};

static LIST_HEAD(, client) clients = LIST_HEAD_INITIALIZER(clients);
static unsigned client_count;
static struct event_base *base;
static struct event *acceptor, *pause_end;
static int listening = -1;
static char socket_path[1100];
static struct admin_orders orders;

/* May do more than submit. */
static bool is_controller(uid_t uid)
{
	return uid == 0 || uid == geteuid();
}

static void client_free(struct client *c)
{
	LIST_REMOVE(c, entry);
	client_count--;
	event_free(c->silence);
	free(c);
}

static void wait_for_word(struct client *c)
{
	const struct timeval limit = {SILENCE_SECONDS, 0};

	event_add(c->silence, &limit);
}

static void done(struct client *c, int status, const char *message)
{
	struct writer *w = channel_begin(c->channel, ADMIN_DONE, 0);

	write_u8(w, (uint8_t)status);
	write_u64(w, 0);
	write_string(w, message);
	channel_end(c->channel);
	wait_for_word(c);
}

static void describe(const struct child *child, void *context)
{
	struct client *c = context;
	struct admin_process p = {
	    .instance = child->instance,
	    .pid = child->channel == NULL ? 0 : (uint32_t)child->pid,
	    .started_us = child->started_wall_us,
	    .restarts = child->restarts,
	};
	const char *user = table_user_name(child->row, settings);

	slice_copy(slice_string(role_name(child->row->role)), p.name, sizeof p.name);
	slice_copy(slice_string(user == NULL ? "root" : user), p.user, sizeof p.user);
	slice_copy(slice_string(table_root_path(child->row, settings)), p.root, sizeof p.root);
	admin_process_write(channel_begin(c->channel, ADMIN_PROCESS, 0), &p);
	channel_end(c->channel);
}

/* Send the client's own connection on to another process; this end is given up. */
static bool hand_over(struct client *c, enum role role, enum control_request request)
{
	struct child *child = children_any(role);
	struct control_client who = {.request = request, .uid = c->uid};
	int copy = child == NULL ? -1 : fcntl(c->socket, F_DUPFD_CLOEXEC, 0);

	if (copy == -1) {
		done(c, EX_TEMPFAIL, "the process that would answer is not running just now; try again");
		return true;
	}
	control_client_write(channel_begin(child->channel, CONTROL_CLIENT, 0), &who);
	channel_attach(child->channel, copy);
	channel_end(child->channel);
	channel_free(c->channel);
	client_free(c);
	return true;
}

/* What users hand over is for a process that waits for no file and connects to nobody. */
static bool is_local_stream(int socket)
{
	int domain, type;
	socklen_t length = sizeof domain;

	return getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0 && domain == AF_UNIX &&
	    getsockopt(socket, SOL_SOCKET, SO_TYPE, &type, &length) == 0 && type == SOCK_STREAM;
}

/* A user's program wants to speak SMTP: an smtpd gets the other end of its connection, and the user's name. */
static bool submit(struct client *c, struct message *m)
{
	struct child *child = children_any(ROLE_SMTPD);
	struct passwd *user = getpwuid(c->uid);
	struct control_client who = {.request = CONTROL_REQUEST_SUBMIT, .uid = c->uid};
	int connection = message_take_descriptor(m, 0);

	if (connection == -1)
		return false;
	if (!is_local_stream(connection)) {
		close(connection);
		return false;
	}
	if (child == NULL) {
		close(connection);
		done(c, EX_TEMPFAIL, "no smtpd is running just now; try again");
		return true;
	}
	if (user == NULL || !slice_copy(slice_string(user->pw_name), who.user, sizeof who.user))
		snprintf(who.user, sizeof who.user, "%u", (unsigned)c->uid);
	control_client_write(channel_begin(child->channel, CONTROL_CLIENT, 0), &who);
	channel_attach(child->channel, connection);
	channel_end(child->channel);
	done(c, EX_OK, "");
	return true;
}

/* An smtpd is to treat this connection as if it came from another host. */
static bool trial(struct client *c, struct message *m)
{
	struct child *child = children_any(ROLE_SMTPD);
	struct reader r = message_reader(m);
	unsigned service = read_u8(&r);
	struct slice address = read_slice_max(&r, 64);
	int connection = message_take_descriptor(m, 0);
	struct writer *w;

	if (connection == -1)
		return false;
	if (!reader_finished(&r) || !is_local_stream(connection)) {
		close(connection);
		return false;
	}
	if (child == NULL) {
		close(connection);
		done(c, EX_TEMPFAIL, "no smtpd is running just now; try again");
		return true;
	}
	w = channel_begin(child->channel, CONTROL_TRIAL, 0);
	write_u8(w, (uint8_t)service);
	write_slice(w, address);
	channel_attach(child->channel, connection);
	channel_end(child->channel);
	done(c, EX_OK, "");
	return true;
}

static bool on_message(struct channel *channel, struct message *m, void *context)
{
	struct client *c = context;
	char message[ADMIN_ERROR_MAX] = "";

	(void)channel;
	event_del(c->silence);
	if (m->type == ADMIN_SUBMIT)
		return submit(c, m);
	if (!is_controller(c->uid)) {
		done(c, EX_NOPERM, "only root may do this");
		return true;
	}
	switch (m->type) {
	case ADMIN_STATUS:
		children_each(describe, c);
		certificates_describe(c->channel);
		done(c, EX_OK, "");
		return true;
	case ADMIN_RELOAD:
		done(c, orders.reload(message) ? EX_OK : EX_CONFIG, message);
		return true;
	case ADMIN_STOP:
		c->waits_for_stop = true;
		orders.stop();
		return true;
	case ADMIN_TRIAL:
		return trial(c, m);
	case ADMIN_QUEUE:
		return hand_over(c, ROLE_QMGR, CONTROL_REQUEST_QUEUE);
	case ADMIN_POLICY:
		return hand_over(c, ROLE_POLICY, CONTROL_REQUEST_POLICY);
	default:
		return false;
	}
}

static void on_closed(struct channel *channel, void *context)
{
	(void)channel;
	client_free(context);
}

static const struct channel_handlers handlers = {on_message, on_closed, NULL};

static void on_silence(int socket, short what, void *argument)
{
	struct client *c = argument;

	(void)socket;
	(void)what;
	channel_free(c->channel);
	client_free(c);
}

static bool is_let_in(uid_t uid)
{
	unsigned same = 0, others = 0;
	struct client *c;

	LIST_FOREACH (c, &clients, entry) {
		same += c->uid == uid;
		others += !is_controller(c->uid);
	}
	return client_count < CLIENTS_MAX && (is_controller(uid) || (same < USERS_CLIENTS_MAX && others < OTHERS_MAX));
}

static void take(int connection)
{
	struct ucred peer;
	socklen_t length = sizeof peer;
	struct client *c;

	if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &length) == -1 || !is_let_in(peer.uid) ||
	    (c = calloc(1, sizeof *c)) == NULL) {
		close(connection);
		return;
	}
	c->uid = peer.uid;
	c->socket = connection;
	c->silence = event_new(base, -1, 0, on_silence, c);
	c->channel = c->silence == NULL ? NULL : channel_new(base, connection, &handlers, c);
	if (c->channel == NULL) {
		if (c->silence != NULL)
			event_free(c->silence);
		free(c);
		close(connection);
		return;
	}
	wait_for_word(c);
	LIST_INSERT_HEAD(&clients, c, entry);
	client_count++;
}

static void on_connection(int socket, short what, void *argument)
{
	const struct timeval pause = {PAUSE_SECONDS, 0};
	int connection = accept4(socket, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)what;
	(void)argument;
	if (connection != -1) {
		take(connection);
	} else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
		/* Whoever waits at the door would wake us again and again. */
		event_del(acceptor);
		event_add(pause_end, &pause);
	}
}

static void on_pause_end(int socket, short what, void *argument)
{
	(void)socket;
	(void)what;
	(void)argument;
	event_add(acceptor, NULL);
}

static bool bind_control(const char *run)
{
	struct sockaddr_un address;
	int directory;
	bool bound;

	if (!admin_address(run, &address, &directory))
		return false;
	bound = bind(listening, (struct sockaddr *)&address, sizeof address) == 0;
	if (directory != -1)
		close(directory);
	return bound;
}

bool admin_open(struct event_base *loop, const struct settings *s, bool privileged, const struct admin_orders *wanted,
    char error[ADMIN_ERROR_MAX])
{
	mode_t mask;
	bool bound;

	base = loop;
	orders = *wanted;
	snprintf(socket_path, sizeof socket_path, "%s/control", s->directory.run);
	/* The lock on the pid file says that whoever left it there is dead. */
	unlink(socket_path);
	listening = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* Anybody may submit mail; what else a client may do its uid decides. */
	mask = umask(privileged ? 0111 : 0177);
	bound = listening != -1 && bind_control(s->directory.run) && listen(listening, 64) == 0;
	umask(mask);
	acceptor = bound ? event_new(base, listening, EV_READ | EV_PERSIST, on_connection, NULL) : NULL;
	pause_end = event_new(base, -1, 0, on_pause_end, NULL);
	if (acceptor == NULL || pause_end == NULL || event_add(acceptor, NULL) == -1) {
		snprintf(error, ADMIN_ERROR_MAX, "%.400s: %s", socket_path, strerror(errno));
		return false;
	}
	return true;
}

void admin_close(void)
{
	struct client *c;

	if (acceptor != NULL)
		event_free(acceptor);
	if (pause_end != NULL)
		event_free(pause_end);
	acceptor = pause_end = NULL;
	if (listening != -1) {
		close(listening);
		unlink(socket_path);
	}
	listening = -1;
	while ((c = LIST_FIRST(&clients)) != NULL) {
		if (c->waits_for_stop)
			done(c, EX_OK, "");
		channel_drain(c->channel, 100);
		channel_free(c->channel);
		client_free(c);
	}
}
