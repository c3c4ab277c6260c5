/*
 * sessions.c - which user's session process runs, and bringing connections to it.
 */
#include "master/sessions.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/tree.h>
#include <unistd.h>

#include "common/channel.h"
#include "common/log.h"
#include "master/children.h"

enum {
	SESSIONS_MAX = 100000,
	FILES_OF_SUITE = 4096 /* descriptors that sessions leave for all else that master does */
};

/* A process that serves one account's connections of one service. */
struct session_process {
	RB_ENTRY(session_process) entry; /* while it takes connections */
	struct channel *channel;
	uint32_t service;
	uint32_t connections; /* handed to it so far */
	bool is_ending;       /* it may end: the next connection gets a new process */
	char account[sizeof((struct control_session *)0)->account];
};

static int compare(const struct session_process *a, const struct session_process *b)
{
	int order = strcmp(a->account, b->account);

	if (order == 0)
		order = (a->service > b->service) - (a->service < b->service);
	return order;
}

static RB_HEAD(session_processes, session_process) processes = RB_INITIALIZER(&processes);
RB_PROTOTYPE(session_processes, session_process, entry, compare)
RB_GENERATE(session_processes, session_process, entry, compare)
static unsigned process_count; /* those that are ending, too */

unsigned sessions_count(void)
{
	return process_count;
}

static void forget(struct session_process *p)
{
	if (!p->is_ending)
		RB_REMOVE(session_processes, &processes, p);
	process_count--;
	free(p);
}

/*
 * The only thing that a session process says: that it has nothing to do, and how
 * many connections it has been given.  Where more are on their way to it, it stays.
 */
static bool on_message(struct channel *channel, struct message *m, void *context)
{
	struct session_process *p = context;
	struct reader r = message_reader(m);
	uint32_t seen = read_u32(&r);

	if (m->type != CONTROL_SESSION_IDLE || !reader_finished(&r))
		return false;
	if (seen != p->connections)
		return true;
	RB_REMOVE(session_processes, &processes, p);
	p->is_ending = true;
	channel_send(channel, CONTROL_SESSION_END, 0);
	return true;
}

static void on_closed(struct channel *channel, void *context)
{
	(void)channel;
	forget(context);
}

static const struct channel_handlers handlers = {on_message, on_closed, NULL};

static struct session_process *find(const struct control_session *wanted)
{
	struct session_process key = {.service = wanted->service};

	memcpy(key.account, wanted->account, sizeof key.account);
	return RB_FIND(session_processes, &processes, &key);
}

static bool is_room_for_one_more(void)
{
	struct rlimit files;

	if (process_count >= SESSIONS_MAX || getrlimit(RLIMIT_NOFILE, &files) == -1)
		return false;
	return process_count < (files.rlim_cur > 2 * FILES_OF_SUITE ? files.rlim_cur - FILES_OF_SUITE : files.rlim_cur / 2);
}

static struct session_process *start(struct event_base *base, const struct control_session *wanted)
{
	enum role role = wanted->service == SERVICE_IMAP ? ROLE_IMAP_SESSION : ROLE_POP3_SESSION;
	struct child *parent = children_any(role);
	struct session_process *p;
	int sockets[2], log_socket;

	if (parent == NULL || !is_room_for_one_more() || (log_socket = children_connect_log(role)) == -1)
		return NULL;
	if (channel_pair(sockets) == -1) {
		close(log_socket);
		return NULL;
	}
	p = calloc(1, sizeof *p);
	if (p == NULL || (p->channel = channel_new(base, sockets[0], &handlers, p)) == NULL) {
		free(p);
		close(sockets[0]);
		close(sockets[1]);
		close(log_socket);
		return NULL;
	}
	p->service = wanted->service;
	memcpy(p->account, wanted->account, sizeof p->account);
	RB_INSERT(session_processes, &processes, p);
	process_count++;
	control_session_write(channel_begin(parent->channel, CONTROL_SESSION_FORK, 0), wanted);
	channel_attach(parent->channel, sockets[1]);
	channel_attach(parent->channel, log_socket);
	channel_end(parent->channel);
	return p;
}

void sessions_connect(struct event_base *base, const struct control_session *wanted)
{
	struct child *front = children_find(wanted->service == SERVICE_IMAP ? ROLE_IMAPD : ROLE_POP3D, wanted->instance);
	struct session_process *p;
	int sockets[2] = {-1, -1};

	if (front == NULL)
		return; /* it died since; its clients are gone with it */
	p = channel_pair(sockets) == -1 ? NULL : find(wanted);
	if (p == NULL && sockets[0] != -1)
		p = start(base, wanted);
	if (p == NULL) {
		log_error("cannot-start-session", log_string("account", wanted->account), log_number("running", process_count));
		if (sockets[0] != -1) {
			close(sockets[0]);
			close(sockets[1]);
		}
	} else {
		control_session_write(channel_begin(p->channel, CONTROL_SESSION_CONNECT, 0), wanted);
		channel_attach(p->channel, sockets[0]);
		channel_end(p->channel);
		p->connections++;
	}
	control_session_write(channel_begin(front->channel, CONTROL_SESSION_READY, 0), wanted);
	if (p != NULL)
		channel_attach(front->channel, sockets[1]);
	channel_end(front->channel);
}

void sessions_close(void)
{
	struct session_process *p;

	while ((p = RB_ROOT(&processes)) != NULL) {
		channel_free(p->channel);
		forget(p);
	}
}
