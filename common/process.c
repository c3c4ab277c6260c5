/*
 * process.c - what every process of the suite does to come into being.
 *
 * Descriptor 3 is the control channel.  CONTROL_SETUP is the first message on
 * it; nothing more is read until the rights that it speaks of are all that is left.
 */
#include "common/process.h"

#include <errno.h>
#include <event2/event.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "common/capabilities.h"
#include "common/log.h"
#include "common/sandbox.h"

enum {
	CONTROL_SOCKET = 3,
	SETUP_SECONDS = 20,    /* how long master may take to say who we are */
	EXIT_MILLISECONDS = 500 /* how long the last messages may take to leave */
};

/* An open channel to a peer. */
struct peer {
	struct peer *next;
	struct channel *channel;
	const struct process_peer *how;
	uint32_t number; /* master's, of this channel */
};

static const struct process *self;
static struct event_base *base;
static struct channel *master;
static struct channel *log_channel;
static uint32_t log_number_of_channel;
static struct peer *peers;
static struct conf *conf;
static struct control_setup setup;
static enum { UNBORN, SET_UP, LIVING } state;
static unsigned turn; /* among several instances of a role */
static bool stopping;
static int exit_status;

struct event_base *process_base(void)
{
	return base;
}

struct channel *process_master(void)
{
	return master;
}

unsigned process_instance(void)
{
	return setup.instance;
}

bool process_is_stopping(void)
{
	return stopping;
}

/* --- peers ------------------------------------------------------------------- */

static uint32_t peer_tag(enum role role, unsigned instance)
{
	return (uint32_t)role << 16 | (instance & 0xffff);
}

enum role process_peer_role(const struct channel *channel)
{
	return (enum role)(channel_tag(channel) >> 16);
}

unsigned process_peer_instance(const struct channel *channel)
{
	return channel_tag(channel) & 0xffff;
}

struct channel *process_peer_at(enum role role, unsigned instance)
{
	for (struct peer *p = peers; p != NULL; p = p->next)
		if (channel_tag(p->channel) == peer_tag(role, instance))
			return p->channel;
	return NULL;
}

struct channel *process_peer(enum role role)
{
	unsigned count = 0, which;

	for (struct peer *p = peers; p != NULL; p = p->next)
		count += process_peer_role(p->channel) == role;
	if (count == 0)
		return NULL;
	which = turn++ % count;
	for (struct peer *p = peers; p != NULL; p = p->next)
		if (process_peer_role(p->channel) == role && which-- == 0)
			return p->channel;
	return NULL;
}

void process_each_peer(enum role role, void (*each)(struct channel *channel, void *context), void *context)
{
	struct peer *next;

	for (struct peer *p = peers; p != NULL; p = next) {
		next = p->next;
		if (process_peer_role(p->channel) == role)
			each(p->channel, context);
	}
}

static const struct process_peer *how_to_treat(enum role role)
{
	for (const struct process_peer *p = self->peers; p != NULL && p->role != ROLE_NONE; p++)
		if (p->role == role)
			return p;
	return NULL;
}

/* Where the peer lives on, master makes a new channel. */
static void tell_master(uint32_t number)
{
	if (number == 0 || master == NULL || stopping)
		return;
	write_u32(channel_begin(master, CONTROL_PEER_LOST, 0), number);
	channel_end(master);
}

/* Take a channel out of the list; the entry is freed, the channel is not. */
static const struct process_peer *remove_peer(const struct channel *channel, uint32_t *number)
{
	for (struct peer **at = &peers; *at != NULL; at = &(*at)->next)
		if ((*at)->channel == channel) {
			struct peer *gone = *at;
			const struct process_peer *how = gone->how;

			*at = gone->next;
			*number = gone->number;
			free(gone);
			return how;
		}
	return NULL;
}

static bool on_peer_message(struct channel *channel, struct message *m, void *context)
{
	const struct process_peer *how = how_to_treat(process_peer_role(channel));
	bool ok = how != NULL && how->message != NULL && how->message(channel, m, context);

	if (!ok)
		log_error("malformed-message", log_string("peer", role_name(process_peer_role(channel))), log_number("type", m->type));
	return ok;
}

static void on_peer_closed(struct channel *channel, void *context)
{
	uint32_t number = 0;
	const struct process_peer *how = remove_peer(channel, &number);

	tell_master(number);
	if (how != NULL && how->closed != NULL)
		how->closed(channel, context);
}

static void on_peer_drained(struct channel *channel, void *context)
{
	const struct process_peer *how = how_to_treat(process_peer_role(channel));

	if (how != NULL && how->drained != NULL)
		how->drained(channel, context);
}

static const struct channel_handlers peer_handlers = {on_peer_message, on_peer_closed, on_peer_drained};

static bool on_log_message(struct channel *channel, struct message *m, void *context)
{
	(void)channel;
	(void)m;
	(void)context;
	return false; /* the logger has nothing to say */
}

static void on_log_closed(struct channel *channel, void *context)
{
	(void)context;
	if (channel == log_channel) {
		log_channel = NULL;
		log_set_channel(NULL);
		log_hold(); /* master starts it again, or makes a new channel */
		tell_master(log_number_of_channel);
	}
}

static const struct channel_handlers log_handlers = {on_log_message, on_log_closed, NULL};

static void open_log(int socket, uint32_t number)
{
	struct channel *old = log_channel;

	log_number_of_channel = number;
	log_channel = channel_new(base, socket, &log_handlers, NULL);
	if (log_channel == NULL)
		close(socket);
	log_set_channel(log_channel);
	channel_free(old);
}

static void replace_old_channel(enum role role, unsigned instance)
{
	struct channel *old = process_peer_at(role, instance);
	const struct process_peer *how;
	uint32_t number;

	/* The peer died, and its successor's channel came before we saw the end of the old one. */
	if (old == NULL)
		return;
	how = remove_peer(old, &number);
	channel_lose(old);
	if (how->closed != NULL)
		how->closed(old, NULL);
	channel_free(old);
}

static bool open_peer(struct message *m)
{
	struct control_peer who;
	struct reader r = message_reader(m);
	int socket = control_peer_read(&r, &who) ? message_take_descriptor(m, 0) : -1;
	const struct process_peer *how;
	struct peer *peer;

	if (socket == -1)
		return false;
	if (who.role == ROLE_LOGGER && self->role != ROLE_LOGGER) {
		open_log(socket, who.number);
		return true;
	}
	how = how_to_treat((enum role)who.role);
	peer = how == NULL ? NULL : calloc(1, sizeof *peer);
	if (peer == NULL) {
		close(socket);
		return how != NULL;
	}
	replace_old_channel((enum role)who.role, who.instance);
	peer->channel = channel_new(base, socket, &peer_handlers, NULL);
	if (peer->channel == NULL) {
		close(socket);
		free(peer);
		return true;
	}
	channel_set_tag(peer->channel, peer_tag((enum role)who.role, who.instance));
	peer->how = how;
	peer->number = who.number;
	peer->next = peers;
	peers = peer;
	if (how->opened != NULL)
		how->opened(peer->channel);
	return true;
}

/* --- orders from master -------------------------------------------------------- */

static void take_settings(struct conf *new)
{
	struct conf *old = conf;

	conf = new;
	settings = &new->values;
	log_set_level((enum log_level)settings->log.level);
	conf_free(old);
}

static bool reload(struct message *m)
{
	struct conf *new = conf_decode(m->body);

	if (new == NULL)
		return false;
	take_settings(new);
	if (self->reload != NULL)
		self->reload();
	return true;
}

static bool listener(struct message *m)
{
	struct reader r = message_reader(m);
	unsigned service = read_u8(&r);
	int socket = message_take_descriptor(m, 0);

	if (!reader_finished(&r) || service >= SERVICE_COUNT)
		return false;
	if (socket == -1 && self->unlisten != NULL)
		self->unlisten((enum service)service);
	else if (socket != -1 && self->listener != NULL && !stopping)
		self->listener((enum service)service, socket);
	else if (socket != -1)
		close(socket);
	return true;
}

static bool take_file(struct message *m)
{
	struct reader r = message_reader(m);
	unsigned kind = read_u8(&r);
	char name[1024];
	int file = message_take_descriptor(m, 0);

	read_string(&r, name, sizeof name);
	if (!reader_finished(&r) || kind >= CONTROL_FILE_COUNT) {
		if (file != -1)
			close(file);
		return false;
	}
	if (self->file != NULL)
		self->file((enum control_file)kind, name, file);
	else if (file != -1)
		close(file);
	return true;
}

static void stop(void)
{
	if (stopping)
		return;
	stopping = true;
	if (self->stop != NULL)
		self->stop();
	else
		process_exit(EX_OK);
}

/* Who we are to be.  It comes alone: what master says to the process that we become is not for the one we are. */
static bool take_setup(struct channel *channel, struct message *m)
{
	struct reader r = message_reader(m);
	struct conf *initial;

	if (state != UNBORN || m->type != CONTROL_SETUP || !control_setup_read(&r, &setup) || setup.role != self->role)
		return false;
	initial = conf_decode(setup.settings);
	setup.settings = slice_of(NULL, 0);
	if (initial == NULL)
		return false;
	take_settings(initial);
	state = SET_UP;
	channel_pause(channel);
	event_base_loopbreak(base);
	return true;
}

static bool on_master_message(struct channel *channel, struct message *m, void *context)
{
	(void)context;
	if (state != LIVING)
		return take_setup(channel, m);
	switch (m->type) {
	case CONTROL_PEER:
		return open_peer(m);
	case CONTROL_LISTENER:
		return listener(m);
	case CONTROL_FILE:
		return take_file(m);
	case CONTROL_RELOAD:
		return reload(m);
	case CONTROL_STOP:
		stop();
		return true;
	default:
		return self->control != NULL && self->control(m);
	}
}

/* Without master there is nobody to answer to. */
static void on_master_closed(struct channel *channel, void *context)
{
	(void)channel;
	(void)context;
	master = NULL;
	if (!stopping)
		exit_status = EX_UNAVAILABLE;
	event_base_loopbreak(base);
}

static const struct channel_handlers master_handlers = {on_master_message, on_master_closed, NULL};

void process_exit(int status)
{
	exit_status = status;
	event_base_loopbreak(base);
}

/* --- coming into being --------------------------------------------------------- */

static bool limit_resources(void)
{
	struct rlimit files = {setup.files_limit, setup.files_limit};
	struct rlimit hard;

	if (setrlimit(RLIMIT_NOFILE, &files) == 0)
		return true;
	/* Not even root may raise the limit everywhere (containers): do with what there is. */
	if (errno != EPERM || getrlimit(RLIMIT_NOFILE, &hard) == -1)
		return false;
	files.rlim_cur = files.rlim_max = hard.rlim_max;
	return setrlimit(RLIMIT_NOFILE, &files) == 0;
}

/* The parent of session processes stays root, but only as far as making such a process takes it. */
static bool keep_what_sessions_need(void)
{
	if (setgroups(0, NULL) == 0 &&
	    capabilities_keep(CAPABILITY(CAP_SETUID) | CAPABILITY(CAP_SETGID) | CAPABILITY(CAP_SYS_CHROOT)))
		return true;
	log_error("cannot-drop-capabilities", log_errno(errno));
	return false;
}

/*
 * Root directory, group, user, in this order: each takes away the right to do
 * the one before.
 */
static bool change_identity(void)
{
	if (!setup.privileged)
		return true;
	if (setup.root[0] != '\0' && (chroot(setup.root) == -1 || chdir("/") == -1)) {
		log_error("cannot-change-root", log_string("directory", setup.root), log_errno(errno));
		return false;
	}
	if (setup.uid == 0)
		return keep_what_sessions_need();
	if (setgroups(0, NULL) == -1 || setresgid(setup.gid, setup.gid, setup.gid) == -1 ||
	    setresuid(setup.uid, setup.uid, setup.uid) == -1) {
		log_error("cannot-change-user", log_number("uid", setup.uid), log_errno(errno));
		return false;
	}
	return true;
}

static void ignore_signals(void)
{
	/* Signals are master's business; it tells us over the channel.  A terminal's ^C reaches the whole group. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
}

static bool start_loop(void)
{
	struct event_config *config = event_config_new();

	/* The monotonic clock at its full precision costs a system call a turn; milliseconds do. */
	if (config != NULL)
		base = event_base_new_with_config(config);
	event_config_free(config);
	if (base == NULL)
		return false;
	master = channel_new(base, CONTROL_SOCKET, &master_handlers, NULL);
	return master != NULL;
}

static bool is_started_by_master(void)
{
	int type;
	socklen_t length = sizeof type;

	return getsockopt(CONTROL_SOCKET, SOL_SOCKET, SO_TYPE, &type, &length) == 0 && type == SOCK_SEQPACKET;
}

static void on_no_setup(int socket, short what, void *argument)
{
	(void)socket;
	(void)what;
	(void)argument;
	event_base_loopbreak(base);
}

/* Run the loop for the first message alone: who we are to be. */
static bool wait_for_setup(void)
{
	const struct timeval limit = {SETUP_SECONDS, 0};
	struct event *timer = event_new(base, -1, 0, on_no_setup, NULL);

	if (timer == NULL || event_add(timer, &limit) == -1)
		return false;
	event_base_dispatch(base);
	event_free(timer);
	return state == SET_UP && master != NULL;
}

/* From the first message to the last; an exit status. */
static int live(char **argv)
{
	log_set_name(role_name(self->role));
	tzset(); /* reads a file that the root directory will hide */
	ignore_signals();
	if (!is_started_by_master()) {
		fprintf(stderr, "%s: this program is a part of Petrel and is started by it; see petrel(8)\n", argv[0]);
		return EX_USAGE;
	}
	if (!start_loop())
		return EX_OSERR;
	if (!wait_for_setup()) {
		log_error("no-settings-from-master");
		return EX_PROTOCOL;
	}
	if (!limit_resources()) {
		log_error("cannot-limit-resources", log_errno(errno));
		return EX_OSERR;
	}
	if ((self->prepare != NULL && !self->prepare()) || !change_identity())
		return EX_OSERR;
	if (!sandbox_enter(self->role)) {
		log_error("cannot-enter-sandbox", log_errno(errno));
		return EX_OSERR;
	}
	state = LIVING;
	channel_resume(master);
	if (self->start != NULL && !self->start(base))
		return EX_OSERR;
	event_base_dispatch(base);
	if (log_channel != NULL)
		channel_drain(log_channel, EXIT_MILLISECONDS);
	for (struct peer *p = peers; p != NULL; p = p->next)
		channel_drain(p->channel, EXIT_MILLISECONDS);
	if (master != NULL)
		channel_drain(master, EXIT_MILLISECONDS);
	return exit_status;
}

int process_main(const struct process *process, int argc, char **argv)
{
	int status;

	(void)argc;
	self = process;
	if (self->role != ROLE_LOGGER)
		log_hold();
	status = live(argv);
	log_release();
	return status;
}
