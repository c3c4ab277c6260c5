/*
 * children.c - starting processes, wiring them, and starting again what dies.
 *
 * A process that dies is started again at once; one that keeps dying waits twice
 * as long each time.  Its peers get the end of a new channel for each that they
 * had to it, and take the end of the old one as "answer lost".
 */
#include "master/children.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/tally.h"
#include "master/certificates.h"
#include "master/links.h"
#include "master/listeners.h"

enum {
	CONTROL_SOCKET = 3,
	CHILDREN_MAX = 512,
	STEADY_SECONDS = 10,      /* a process that lived as long is no longer "dying again and again" */
	DELAY_FIRST_MS = 100,
	DELAY_LONGEST_MS = 30000,
	START_ATTEMPTS = 5,       /* of a process, before the suite has come up once */
	STAGE_SECONDS = 15        /* how long one stage of a stop may take before it is cut short */
};

static struct children_orders orders;
static struct child children[CHILDREN_MAX];
static size_t child_count;
static bool all_were_ready, listeners_are_out;
static enum table_stage stopping_stage = STAGE_COUNT; /* STAGE_COUNT: not stopping */
static struct event *stage_timer;

static bool start_child(struct child *child);

struct child *children_find(enum role role, unsigned instance)
{
	for (size_t i = 0; i < child_count; i++)
		if (children[i].row->role == role && children[i].instance == instance && children[i].channel != NULL)
			return &children[i];
	return NULL;
}

struct child *children_any(enum role role)
{
	static unsigned turn;

	for (size_t i = 0; i < child_count; i++) {
		struct child *child = &children[(i + turn) % child_count];

		if (child->row->role == role && child->channel != NULL) {
			turn++;
			return child;
		}
	}
	return NULL;
}

void children_each(void (*each)(const struct child *child, void *context), void *context)
{
	for (size_t i = 0; i < child_count; i++)
		each(&children[i], context);
}

/* --- what a child is told ------------------------------------------------------- */

static bool on_no_message(struct channel *channel, struct message *m, void *context)
{
	(void)channel;
	(void)m;
	(void)context;
	return false;
}

static void on_log_closed(struct channel *channel, void *context)
{
	(void)channel;
	(void)context;
	log_set_channel(NULL);
	if (stopping_stage == STAGE_COUNT)
		log_hold();
}

static const struct channel_handlers log_handlers = {on_no_message, on_log_closed, NULL};

/* master's own channel to the logger. */
static void connect_own_log(struct child *logger)
{
	int sockets[2];
	struct channel *channel;

	if (channel_pair(sockets) == -1)
		return;
	links_hand_over(logger, ROLE_MASTER, 0, sockets[1]);
	channel = channel_new(orders.base, sockets[0], &log_handlers, NULL);
	if (channel == NULL)
		close(sockets[0]);
	log_set_channel(channel);
}

int children_connect_log(enum role role)
{
	static unsigned number;
	struct child *logger = children_any(ROLE_LOGGER);
	int sockets[2];

	if (logger == NULL || channel_pair(sockets) == -1)
		return -1;
	/* Instance 0 is the parent of the sessions. */
	number = number % 65535 + 1;
	links_hand_over(logger, role, number, sockets[1]);
	return sockets[0];
}

static bool are_to_talk(enum role a, enum role b)
{
	if (a == ROLE_LOGGER || b == ROLE_LOGGER)
		return true;
	for (size_t i = 0; i < table_channel_count; i++)
		if ((table_channels[i].one == a && table_channels[i].other == b) ||
		    (table_channels[i].one == b && table_channels[i].other == a))
			return true;
	return false;
}

static void wire(struct child *child)
{
	for (size_t i = 0; i < child_count; i++) {
		struct child *other = &children[i];

		if (other != child && other->channel != NULL && are_to_talk(child->row->role, other->row->role))
			links_connect(child, other);
	}
	if (child->row->role == ROLE_LOGGER)
		connect_own_log(child);
}

static bool send_setup(struct child *child)
{
	struct buf encoded = buf_with_limit(CONF_ENCODED_MAX);
	struct writer settings_writer = {&encoded};
	struct control_setup setup = {
	    .role = child->row->role,
	    .instance = child->instance,
	    .privileged = orders.privileged,
	    .files_limit = child->row->files_limit,
	};
	const char *user = table_user_name(child->row, &orders.conf->values);
	bool sent = true;

	if (orders.privileged && user != NULL) {
		struct passwd *entry = getpwnam(user);

		if (entry == NULL || entry->pw_uid == 0) {
			log_error("no-such-user", log_string("user", user), log_string("process", role_name(child->row->role)));
			return false;
		}
		setup.uid = entry->pw_uid;
		setup.gid = entry->pw_gid;
	}
	sent = slice_copy(slice_string(table_root_path(child->row, &orders.conf->values)), setup.root, sizeof setup.root);
	conf_encode(&settings_writer, orders.conf);
	setup.settings = buf_slice(&encoded);
	sent = sent && !encoded.overflowed;
	control_setup_write(channel_begin(child->channel, CONTROL_SETUP, 0), &setup);
	sent = channel_end(child->channel) && sent;
	/* A packet of its own: nothing else is read before the rights in it are all that is left. */
	channel_flush(child->channel);
	buf_free(&encoded);
	return sent;
}

static void send_file(struct child *child, enum control_file kind, const char *path)
{
	int file = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct writer *w;

	if (file == -1) {
		if (path != NULL)
			log_error("cannot-open", log_string("file", path), log_errno(errno));
		return;
	}
	w = channel_begin(child->channel, CONTROL_FILE, 0);
	write_u8(w, (uint8_t)kind);
	write_string(w, path);
	channel_attach(child->channel, file);
	channel_end(child->channel);
}

/* The certificate and key files go to keys; what it says of them comes later (certificates.h). */
static void send_files(struct child *child)
{
	if (child->row->takes_certificate)
		send_file(child, CONTROL_FILE_CLIENT_AUTHORITIES, orders.conf->values.tls.client_authorities);
	if (child->row->role == ROLE_OAUTH) {
		send_file(child, CONTROL_FILE_OAUTH_SECRET, orders.conf->values.oauth.client_secret);
		send_file(child, CONTROL_FILE_OAUTH_AUTHORITIES, orders.conf->values.oauth.authorities);
	}
	if (child->row->takes_key)
		certificates_send_files(child);
}

/* One table for all smtpd processes, for as long as master lives: who starts anew finds the others' counts. */
static void send_tally(struct child *child)
{
	static int tally = -1;
	struct writer *w;
	int copy;

	if (child->row->role != ROLE_SMTPD)
		return;
	if (tally == -1)
		tally = tally_create(table_instances(child->row, &orders.conf->values));
	copy = tally == -1 ? -1 : fcntl(tally, F_DUPFD_CLOEXEC, 0);
	if (copy == -1) {
		log_error("no-limits", log_errno(errno));
		return;
	}
	w = channel_begin(child->channel, CONTROL_FILE, 0);
	write_u8(w, CONTROL_FILE_TALLY);
	write_string(w, "tally");
	channel_attach(child->channel, copy);
	channel_end(child->channel);
}

static void send_listener(enum service service, int socket, void *context)
{
	struct child *child = context;
	int copy = fcntl(socket, F_DUPFD_CLOEXEC, 0);

	if (copy == -1) {
		log_error("cannot-hand-over-listener", log_string("service", service_name(service)), log_errno(errno));
		return;
	}
	write_u8(channel_begin(child->channel, CONTROL_LISTENER, 0), (uint8_t)service);
	channel_attach(child->channel, copy);
	channel_end(child->channel);
}

static void send_listeners_to(struct child *child, unsigned services)
{
	for (unsigned service = 0; service < SERVICE_COUNT; service++)
		if ((child->row->services & services & 1u << service) != 0) {
			write_u8(channel_begin(child->channel, CONTROL_LISTENER, 0), (uint8_t)service);
			channel_end(child->channel);
			listeners_each((enum service)service, send_listener, child);
		}
}

void children_send_listeners(unsigned services)
{
	/* All go out when the suite has come up. */
	if (!all_were_ready)
		return;
	listeners_are_out = true;
	for (size_t i = 0; i < child_count; i++)
		if (children[i].channel != NULL)
			send_listeners_to(&children[i], services);
}

void children_reload(struct conf *conf)
{
	orders.conf = conf;
	for (size_t i = 0; i < child_count; i++) {
		if (children[i].channel == NULL)
			continue;
		conf_encode(channel_begin(children[i].channel, CONTROL_RELOAD, 0), conf);
		channel_end(children[i].channel);
		send_files(&children[i]);
	}
}

/* --- a child's life -------------------------------------------------------------- */

static void say_when_all_are_ready(void)
{
	for (size_t i = 0; i < child_count; i++)
		if (!children[i].ready)
			return;
	/* Nobody is greeted without TLS because the certificates are not known yet. */
	if (!all_were_ready && certificates_are_judged()) {
		all_were_ready = true;
		orders.all_ready();
	}
}

static bool on_message(struct channel *channel, struct message *m, void *context)
{
	struct child *child = context;

	(void)channel;
	if (m->type == CONTROL_PEER_LOST)
		return stopping_stage != STAGE_COUNT || links_lost(child, m);
	if (m->type == CONTROL_CERTIFICATES_JUDGED && child->row->takes_key) {
		if (!certificates_judged(m))
			return false;
		say_when_all_are_ready();
		return true;
	}
	if (m->type != CONTROL_READY)
		return orders.message(child, m);
	child->ready = true;
	event_del(child->late);
	say_when_all_are_ready();
	return true;
}

/* The process is dead or about to be; SIGCHLD tells when it may be started again. */
static void on_closed(struct channel *channel, void *context)
{
	struct child *child = context;

	(void)channel;
	child->channel = NULL;
	child->ready = false;
	/* It said something malformed, or is stuck on its way out. */
	if (child->pid > 0 && stopping_stage == STAGE_COUNT)
		kill(child->pid, SIGKILL);
}

static const struct channel_handlers handlers = {on_message, on_closed, NULL};

/* What of our environment a process gets to see. */
static char **environment(void)
{
	static const char *const passed[] = {"TZ", "SSL_CERT_FILE", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"};
	static char room[sizeof passed / sizeof passed[0]][512];
	static char path[] = "PATH=/usr/bin:/bin", locale[] = "LC_ALL=C";
	static char *variables[sizeof passed / sizeof passed[0] + 3] = {path, locale};
	size_t count = 2;

	for (size_t i = 0; i < sizeof passed / sizeof passed[0]; i++) {
		const char *value = getenv(passed[i]);

		if (value != NULL && snprintf(room[i], sizeof room[i], "%s=%s", passed[i], value) < (int)sizeof room[i])
			variables[count++] = room[i];
	}
	variables[count] = NULL;
	return variables;
}

/* It hangs; qmgr alone may have a reason: it replays its journal, and starting it again would only make it begin again. */
static void on_late(int socket, short what, void *argument)
{
	struct child *child = argument;

	(void)socket;
	(void)what;
	if (child->pid == 0 || child->ready || stopping_stage != STAGE_COUNT)
		return;
	log_error("not-ready", log_string("process", role_name(child->row->role)), log_number("instance", child->instance),
	    log_number("pid", (uint64_t)child->pid), log_number("seconds", (uint64_t)settings->process.start_timeout));
	if (child->row->role != ROLE_QMGR)
		kill(child->pid, SIGKILL);
}

static void become(const struct child *child, int socket)
{
	char path[1024];
	char *argv[] = {path, NULL};
	sigset_t none;

	snprintf(path, sizeof path, "%s/%s", orders.programs, child->row->program);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (socket == CONTROL_SOCKET)
		fcntl(socket, F_SETFD, 0);
	else
		dup2(socket, CONTROL_SOCKET);
	close_range(CONTROL_SOCKET + 1, ~0u, 0);
	execve(path, argv, environment());
	dprintf(STDERR_FILENO, "master: cannot run %s: %s\n", path, strerror(errno));
	_exit(127);
}

static bool start_child(struct child *child)
{
	const struct timeval limit = {settings->process.start_timeout, 0};
	int sockets[2];

	if (channel_pair(sockets) == -1) {
		log_error("cannot-make-channel", log_string("process", role_name(child->row->role)), log_errno(errno));
		return false;
	}
	child->pid = fork();
	if (child->pid == 0)
		become(child, sockets[1]);
	close(sockets[1]);
	if (child->pid == -1) {
		log_error("cannot-fork", log_string("process", role_name(child->row->role)), log_errno(errno));
		child->pid = 0;
		close(sockets[0]);
		return false;
	}
	child->started_us = clock_monotonic_us();
	child->started_wall_us = clock_wall_us();
	child->ready = false;
	event_add(child->late, &limit);
	child->channel = channel_new(orders.base, sockets[0], &handlers, child);
	if (child->channel == NULL) {
		close(sockets[0]);
		return false;
	}
	if (!send_setup(child))
		return false;
	wire(child);
	if (child->row->takes_certificate || child->row->takes_key)
		certificates_send(child);
	send_files(child);
	send_tally(child);
	if (listeners_are_out)
		send_listeners_to(child, ~0u);
	return true;
}

static void start_later(struct child *child);

static void on_restart(int socket, short what, void *argument)
{
	struct child *child = argument;

	(void)socket;
	(void)what;
	if (stopping_stage != STAGE_COUNT || child->pid != 0)
		return;
	child->restarts++;
	if (!start_child(child))
		start_later(child);
}

/* The first restart is immediate; who dies young again waits longer each time. */
static void start_later(struct child *child)
{
	struct timeval wait;

	if (clock_monotonic_us() - child->started_us > (uint64_t)STEADY_SECONDS * 1000000)
		child->delay_ms = 0;
	wait = (struct timeval){child->delay_ms / 1000, (suseconds_t)(child->delay_ms % 1000) * 1000};
	event_add(child->restart, &wait);
	child->delay_ms = child->delay_ms == 0 ? DELAY_FIRST_MS : child->delay_ms * 2;
	if (child->delay_ms > DELAY_LONGEST_MS)
		child->delay_ms = DELAY_LONGEST_MS;
}

static void next_stage(void);

static bool stage_has_ended(void)
{
	for (size_t i = 0; i < child_count; i++)
		if (children[i].row->stage == stopping_stage && children[i].pid != 0)
			return false;
	return true;
}

static void log_end(const struct child *child, int status)
{
	if (WIFSIGNALED(status))
		log_error("process-killed", log_string("process", role_name(child->row->role)), log_number("instance", child->instance),
		    log_number("pid", (uint64_t)child->pid), log_string("signal", strsignal(WTERMSIG(status))));
	else if (stopping_stage == STAGE_COUNT || WEXITSTATUS(status) != 0)
		log_error("process-ended", log_string("process", role_name(child->row->role)), log_number("instance", child->instance),
		    log_number("pid", (uint64_t)child->pid), log_number("status", (uint64_t)WEXITSTATUS(status)));
}

bool children_ended(pid_t pid, int status)
{
	for (size_t i = 0; i < child_count; i++) {
		struct child *child = &children[i];

		if (child->pid != pid)
			continue;
		log_end(child, status);
		child->pid = 0;
		child->ready = false;
		event_del(child->late);
		channel_free(child->channel);
		child->channel = NULL;
		if (stopping_stage == STAGE_COUNT && !all_were_ready && child->restarts + 1 >= START_ATTEMPTS)
			orders.give_up();
		else if (stopping_stage == STAGE_COUNT)
			start_later(child);
		else if (stage_has_ended())
			next_stage();
		return true;
	}
	return false;
}

bool children_start(const struct children_orders *wanted)
{
	orders = *wanted;
	if (!links_start(orders.base))
		return false;
	for (size_t i = 0; i < table_process_count; i++)
		for (unsigned n = 0; n < table_instances(&table_processes[i], &orders.conf->values); n++) {
			struct child *child = &children[child_count];

			if (child_count == CHILDREN_MAX) {
				log_error("too-many-processes", log_number("limit", CHILDREN_MAX));
				return false;
			}
			*child = (struct child){.row = &table_processes[i], .instance = n};
			child->restart = event_new(orders.base, -1, 0, on_restart, child);
			child->late = event_new(orders.base, -1, 0, on_late, child);
			child_count++;
			if (child->restart == NULL || child->late == NULL || !start_child(child))
				return false;
		}
	return true;
}

/* --- the end --------------------------------------------------------------------- */

static void on_stage_timeout(int socket, short what, void *argument)
{
	(void)socket;
	(void)what;
	(void)argument;
	for (size_t i = 0; i < child_count; i++)
		if (children[i].row->stage == stopping_stage && children[i].pid != 0) {
			log_warning("stop-cut-short", log_string("process", role_name(children[i].row->role)), log_number("pid", (uint64_t)children[i].pid));
			kill(children[i].pid, SIGKILL);
		}
}

static void stop_stage(enum table_stage stage)
{
	struct timeval limit = {STAGE_SECONDS, 0};

	stopping_stage = stage;
	for (size_t i = 0; i < child_count; i++)
		if (children[i].row->stage == stage && children[i].channel != NULL)
			channel_send(children[i].channel, CONTROL_STOP, 0);
	if (stage_timer == NULL)
		stage_timer = event_new(orders.base, -1, 0, on_stage_timeout, NULL);
	event_add(stage_timer, &limit);
	if (stage_has_ended())
		next_stage();
}

static void next_stage(void)
{
	if (stopping_stage + 1 < STAGE_COUNT) {
		stop_stage(stopping_stage + 1);
		return;
	}
	event_free(stage_timer);
	stage_timer = NULL;
	orders.all_gone();
}

void children_stop(void)
{
	if (stopping_stage == STAGE_COUNT)
		stop_stage(STAGE_FRONT);
}
