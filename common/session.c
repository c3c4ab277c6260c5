/*
 * session.c - a process for each active user.
 *
 * The parent keeps the rights to change root directory and uid and does nothing
 * else.  A child has two kinds of channels: one to master, which hands it
 * connections and lets it end, and one to a front daemon for each connection.
 */
#include "common/session.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/fsuid.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/log.h"
#include "common/sandbox.h"

/* Where a child keeps what the parent gave it. */
enum { CONTROL_SOCKET_OF_CHILD = 3, LOG_SOCKET_OF_CHILD = 4, FREE_IN_CHILD = 5, LIFTED = 16 };

enum { EXIT_MILLISECONDS = 500 /* how long a child's last messages may take to leave */ };

struct session {
	LIST_ENTRY(session) entry;
	struct channel *channel;
	void *context;
	struct session_begin facts; /* its input is empty after `connected` */
	bool begun;
	bool ended;                 /* session_end() was called, or the client is gone */
	bool released;              /* the protocol has let go of its context */
	struct event *farewell;     /* releases the context from the loop */
	uint64_t octets_in, octets_out;
};

static const struct session_protocol *protocol;
static uid_t owner_uid;
static gid_t owner_gid;
static bool privileged;

/* In a child. */
static struct event_base *base;
static struct channel *to_master, *to_log;
static struct event *linger;
static LIST_HEAD(, session) sessions = LIST_HEAD_INITIALIZER(sessions);
static uint32_t connections_seen;

struct event_base *session_base(void)
{
	return base;
}

/* --- a client's connection -------------------------------------------------------- */

const struct session_begin *session_facts(const struct session *s)
{
	return &s->facts;
}

void session_send(struct session *s, struct slice octets)
{
	while (octets.len > 0 && !s->ended) {
		struct slice part = slice_part(octets, 0, SESSION_DATA_MAX);

		buf_append_slice(channel_begin(s->channel, SESSION_DATA, 0)->out, part);
		channel_end(s->channel);
		s->octets_out += part.len;
		octets = slice_from(octets, part.len);
	}
}

bool session_is_congested(const struct session *s)
{
	return channel_is_congested(s->channel);
}

void session_pause(struct session *s)
{
	channel_pause(s->channel);
}

void session_resume(struct session *s)
{
	if (!s->ended)
		channel_resume(s->channel);
}

void session_each(void (*each)(struct session *session, void *context, void *argument), void *argument)
{
	struct session *s, *next;

	LIST_FOREACH_SAFE(s, &sessions, entry, next)
	if (s->begun && !s->ended)
		each(s, s->context, argument);
}

static void over(struct session *s)
{
	s->ended = true;
	/* Whoever paused it does not wait for its end: the front closes the channel, and that has to be seen. */
	channel_resume(s->channel);
	event_active(s->farewell, EV_TIMEOUT, 0);
}

void session_end(struct session *s, uint32_t commands)
{
	struct writer *w;

	if (s->ended)
		return;
	w = channel_begin(s->channel, SESSION_COUNTS, 0);
	write_u64(w, s->octets_in);
	write_u64(w, s->octets_out);
	write_u32(w, commands);
	channel_end(s->channel);
	channel_send(s->channel, SESSION_END, 0);
	over(s);
}

static void wait_for_more_work(void)
{
	struct timeval wait = {protocol->linger == NULL ? 0 : (time_t)protocol->linger(), 0};

	if (LIST_EMPTY(&sessions))
		event_add(linger, &wait);
}

static void release(struct session *s)
{
	if (s->begun && !s->released)
		protocol->ended(s, s->context);
	s->released = true;
}

/* What is still to be sent goes on being sent: the front closes the channel when it has it all. */
static void on_farewell(int socket, short what, void *argument)
{
	(void)socket;
	(void)what;
	release(argument);
}

static bool begin(struct session *s, struct message *m)
{
	struct reader r = message_reader(m);
	struct slice input;

	if (s->begun || !session_begin_read(&r, &s->facts))
		return false;
	input = s->facts.input;
	s->begun = protocol->connected(s, &s->facts, &s->context);
	s->facts.input = slice_of(NULL, 0);
	if (!s->begun) {
		channel_send(s->channel, SESSION_END, 0);
		over(s);
	} else if (input.len > 0 && !s->ended) {
		s->octets_in += input.len;
		protocol->data(s, s->context, input);
	}
	return true;
}

static bool on_front_message(struct channel *channel, struct message *m, void *context)
{
	struct session *s = context;

	(void)channel;
	if (s->ended)
		return true;
	if (m->type == SESSION_BEGIN)
		return begin(s, m);
	if (!s->begun)
		return false;
	switch (m->type) {
	case SESSION_DATA:
		s->octets_in += m->body.len;
		protocol->data(s, s->context, m->body);
		return true;
	case SESSION_NEW_MAIL:
		if (protocol->new_mail != NULL)
			protocol->new_mail(s, s->context);
		return true;
	case SESSION_END:
		if (m->body.len > 0)
			protocol->goodbye(s, s->context);
		else
			over(s);
		return true;
	default:
		return false;
	}
}

static void on_front_closed(struct channel *channel, void *context)
{
	struct session *s = context;

	(void)channel;
	s->ended = true;
	release(s);
	event_free(s->farewell);
	LIST_REMOVE(s, entry);
	free(s);
	wait_for_more_work();
}

static void on_front_drained(struct channel *channel, void *context)
{
	struct session *s = context;

	(void)channel;
	if (s->begun && !s->ended && protocol->drained != NULL)
		protocol->drained(s, s->context);
}

static const struct channel_handlers front_handlers = {on_front_message, on_front_closed, on_front_drained};

/* --- orders from master, in a child -------------------------------------------------- */

static void on_linger(int socket, short what, void *argument)
{
	(void)socket;
	(void)what;
	(void)argument;
	if (!LIST_EMPTY(&sessions))
		return;
	write_u32(channel_begin(to_master, CONTROL_SESSION_IDLE, 0), connections_seen);
	channel_end(to_master);
}

static bool connect_client(struct message *m)
{
	struct control_session wanted;
	struct reader r = message_reader(m);
	int socket = message_take_descriptor(m, 0);
	struct session *s;

	if (!control_session_read(&r, &wanted) || socket == -1)
		return false;
	connections_seen++;
	event_del(linger);
	s = calloc(1, sizeof *s);
	if (s != NULL)
		s->farewell = event_new(base, -1, 0, on_farewell, s);
	if (s == NULL || s->farewell == NULL || (s->channel = channel_new(base, socket, &front_handlers, s)) == NULL) {
		if (s != NULL && s->farewell != NULL)
			event_free(s->farewell);
		free(s);
		close(socket);
		wait_for_more_work();
		return true;
	}
	LIST_INSERT_HEAD(&sessions, s, entry);
	return true;
}

static bool on_order(struct channel *channel, struct message *m, void *context)
{
	(void)channel;
	(void)context;
	switch (m->type) {
	case CONTROL_SESSION_CONNECT:
		return connect_client(m);
	case CONTROL_SESSION_END:
		event_base_loopbreak(base);
		return true;
	default:
		return false;
	}
}

static void on_master_gone(struct channel *channel, void *context)
{
	(void)channel;
	(void)context;
	to_master = NULL;
	event_base_loopbreak(base);
}

static const struct channel_handlers order_handlers = {on_order, on_master_gone, NULL};

static bool on_log_message(struct channel *channel, struct message *m, void *context)
{
	(void)channel;
	(void)m;
	(void)context;
	return false; /* the logger has nothing to say */
}

static void on_log_closed(struct channel *channel, void *context)
{
	(void)channel;
	(void)context;
	to_log = NULL;
	log_set_channel(NULL);
}

static const struct channel_handlers log_handlers = {on_log_message, on_log_closed, NULL};

/* --- from parent to child -------------------------------------------------------------- */

/* Open one component of a mailbox's path, making it where it is missing. */
static int open_component(int parent, const char *name)
{
	if (mkdirat(parent, name, 0700) == -1 && errno != EEXIST)
		return -1;
	return openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* The home directory below the mail root; each component is a plain name, and there is at least one. */
static int open_home(const char *mailbox)
{
	struct cursor c = cursor_over(slice_string(mailbox));
	int directory = open(privileged ? "/" : settings->directory.mail, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	while (directory != -1 && (!cursor_done(&c) || mailbox[0] == '\0')) {
		struct slice component = cursor_take_until(&c, '/');
		char name[256];
		int next;

		cursor_skip(&c, 1);
		if (component.len == 0 || component.data[0] == '.' || !slice_copy(component, name, sizeof name)) {
			close(directory);
			errno = EINVAL;
			return -1;
		}
		next = open_component(directory, name);
		close(directory);
		directory = next;
	}
	return directory;
}

/* Touch files as the mailboxes' owner, as whom they are then made, too. */
static bool take_owners_files(void)
{
	if (!privileged)
		return true;
	if (setgroups(0, NULL) == -1 || setresgid(owner_gid, owner_gid, owner_gid) == -1)
		return false;
	setfsuid(owner_uid);
	/* The only way to ask what it is now. */
	return setfsuid((uid_t)-1) == (int)owner_uid;
}

/* Go into the home for good. */
static bool confine(int home)
{
	if (privileged &&
	    (fchdir(home) == -1 || chroot(".") == -1 || setresuid(owner_uid, owner_uid, owner_uid) == -1))
		return false;
	return sandbox_enter_session();
}

/* From the parent's rights to the user's; the open home, or -1. */
static int move_in(const struct control_session *who)
{
	int home = take_owners_files() ? open_home(who->mailbox) : -1;

	if (home == -1) {
		log_error("cannot-open-home", log_string("account", who->account), log_errno(errno));
	} else if (!confine(home)) {
		log_error("cannot-confine-session", log_string("account", who->account), log_errno(errno));
		close(home);
		home = -1;
	}
	return home;
}

/* A child's whole life. */
static int serve(const struct control_session *who)
{
	int home;

	base = event_base_new();
	if (base == NULL)
		return EX_OSERR;
	to_log = channel_new(base, LOG_SOCKET_OF_CHILD, &log_handlers, NULL);
	log_set_channel(to_log);
	to_master = channel_new(base, CONTROL_SOCKET_OF_CHILD, &order_handlers, NULL);
	linger = event_new(base, -1, 0, on_linger, NULL);
	if (linger == NULL || to_master == NULL)
		return EX_OSERR;
	home = move_in(who);
	if (home == -1 || !protocol->start(base, home, who->account))
		return EX_TEMPFAIL;
	event_base_dispatch(base);
	return EX_OK;
}

/*
 * In the child: keep the control channel and the log, close all that was the
 * parent's.  What libevent has in memory is the parent's and is left alone.
 */
static void become_session(const struct control_session *who, int control, int log_socket)
{
	int status;

	/* Lift what is kept above what it is moved to. */
	control = fcntl(control, F_DUPFD_CLOEXEC, LIFTED);
	log_socket = fcntl(log_socket, F_DUPFD_CLOEXEC, LIFTED);
	/* Where that fails, the parent's own channels are still in their places: there is nobody to tell. */
	if (control == -1 || log_socket == -1 || dup3(control, CONTROL_SOCKET_OF_CHILD, O_CLOEXEC) == -1 ||
	    dup3(log_socket, LOG_SOCKET_OF_CHILD, O_CLOEXEC) == -1 || close_range(FREE_IN_CHILD, ~0u, 0) == -1)
		_exit(EX_OSERR);
	status = serve(who);
	if (to_log != NULL)
		channel_drain(to_log, EXIT_MILLISECONDS);
	_exit(status);
}

/* --- the parent -------------------------------------------------------------------------- */

static bool fork_session(struct message *m)
{
	struct control_session who;
	struct reader r = message_reader(m);
	int control = message_take_descriptor(m, 0);
	int log_socket = message_take_descriptor(m, 1);
	pid_t child;

	if (!control_session_read(&r, &who) || control == -1 || log_socket == -1)
		return false;
	child = fork();
	if (child == 0)
		become_session(&who, control, log_socket);
	if (child == -1)
		log_error("cannot-fork", log_string("account", who.account), log_errno(errno));
	close(control);
	close(log_socket);
	return true;
}

static bool on_control(struct message *m)
{
	return m->type == CONTROL_SESSION_FORK && fork_session(m);
}

static bool prepare(void)
{
	struct passwd *owner = geteuid() == 0 ? getpwnam(settings->user.mail) : NULL;

	privileged = geteuid() == 0;
	if (privileged && owner == NULL) {
		log_error("no-such-user", log_string("user", settings->user.mail));
		return false;
	}
	owner_uid = privileged ? owner->pw_uid : geteuid();
	owner_gid = privileged ? owner->pw_gid : getegid();
	/* Nobody waits for the children: master sees the end of each by its channel. */
	signal(SIGCHLD, SIG_IGN);
	return true;
}

static bool start(struct event_base *loop)
{
	(void)loop;
	channel_send(process_master(), CONTROL_READY, 0);
	return true;
}

int session_main(const struct session_protocol *wanted, int argc, char **argv)
{
	static struct process process;

	protocol = wanted;
	process = (struct process){.role = wanted->role, .prepare = prepare, .start = start, .control = on_control};
	return process_main(&process, argc, argv);
}
