/*
 * main.c - the master of the suite: from start to stop.
 *
 * master reads the configuration, makes directories and sockets, starts every
 * process with its rights and channels, starts again what dies, and stops all in
 * order.  It parses nothing that came from the network.
 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "access/rules.h"
#include "common/clock.h"
#include "common/conf.h"
#include "common/log.h"
#include "master/admin.h"
#include "master/background.h"
#include "master/certificates.h"
#include "master/children.h"
#include "master/directories.h"
#include "master/hangup.h"
#include "master/listeners.h"
#include "master/services.h"
#include "master/sessions.h"
#include "paths.h"

enum { LISTEN_TRIES = 50, LISTEN_AGAIN_MS = 100, FILES_WANTED = 262144 };

static const char *conf_path = PETREL_CONFDIR "/petrel.conf";
static const char *programs = PETREL_LIBEXECDIR;
static struct conf *conf;
static struct event_base *base;
static bool privileged, stopping, failed;
static int pid_file = -1;
static char pid_path[1100];

static void usage(void)
{
	fprintf(stderr, "usage: master [-b] [-c file] [-p directory]\n");
	exit(EX_USAGE);
}

/* --- configuration -------------------------------------------------------------- */

static struct conf *read_configuration(char error[CONF_ERROR_MAX])
{
	struct conf *new = conf_new();

	if (new != NULL && conf_read_file(new, conf_path, error) && conf_check(new, error) &&
	    access_rules_check(&new->values.access, error))
		return new;
	conf_free(new);
	return NULL;
}

static void put_in_force(struct conf *new)
{
	conf = new;
	settings = &conf->values;
	log_set_level((enum log_level)settings->log.level);
}

/* Settings that only a restart changes keep the value that they have; say which. */
static bool keep_fixed_settings(const struct conf *old, const struct conf *new, char message[ADMIN_ERROR_MAX])
{
	struct buf names = buf_with_limit(ADMIN_ERROR_MAX / 2);

	for (size_t row = 0; row < conf_table_size; row++) {
		struct buf before = buf_with_limit(65536), after = buf_with_limit(65536);

		conf_value_print(&before, old, row);
		conf_value_print(&after, new, row);
		if (conf_table[row].at_start && !slice_equal(buf_slice(&before), buf_slice(&after)))
			buf_printf(&names, "%s%s", names.len > 0 ? ", " : "", conf_table[row].name);
		buf_free(&before);
		buf_free(&after);
	}
	if (names.len > 0)
		snprintf(message, ADMIN_ERROR_MAX, "needs a restart to change: %.*s", (int)names.len, names.data);
	buf_free(&names);
	return message[0] == '\0';
}

static bool reload(char message[ADMIN_ERROR_MAX])
{
	char error[CONF_ERROR_MAX], trouble[LISTENER_ERROR_MAX];
	struct conf *old = conf, *new = read_configuration(error);
	unsigned changed;

	message[0] = '\0';
	if (stopping) {
		snprintf(message, ADMIN_ERROR_MAX, "stopping");
		conf_free(new);
		new = NULL;
	} else if (new == NULL) {
		snprintf(message, ADMIN_ERROR_MAX, "%s", error);
	} else if (!keep_fixed_settings(old, new, message)) {
		conf_free(new);
		new = NULL;
	} else if (!listeners_update(&new->values, &changed, trouble)) {
		snprintf(message, ADMIN_ERROR_MAX, "%s", trouble);
		conf_free(new);
		new = NULL;
	}
	if (new == NULL) {
		log_error("reload-failed", log_string("reason", message));
		return false;
	}
	put_in_force(new);
	children_reload(new);
	certificates_reload();
	children_send_listeners(changed);
	conf_free(old);
	log_info("reloaded", log_string("file", conf_path));
	return true;
}

/* --- the life of the suite -------------------------------------------------------- */

/* Tell systemd, by its protocol: a datagram to the socket in $NOTIFY_SOCKET. */
static void notify(const char *state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const char *path = getenv("NOTIFY_SOCKET");
	int sock;

	if (path == NULL || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof address.sun_path)
		return;
	memcpy(address.sun_path, path, strlen(path));
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sock == -1)
		return;
	(void)sendto(sock, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address,
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path)));
	close(sock);
}

static void all_ready(void)
{
	children_send_listeners(~0u);
	log_info("ready", log_string("version", PACKAGE_VERSION), log_string("hostname", settings->hostname));
	notify("READY=1\nSTATUS=Taking mail");
	background_ready();
}

static void name_if_not_ready(const struct child *child, void *context)
{
	if (!child->ready)
		buf_printf(context, " %s", role_name(child->row->role));
}

/* Whoever waits for us is not kept waiting for ever; what is there to be told may be more than one process. */
static void on_late_start(int socket, short what, void *argument)
{
	struct buf names = buf_with_limit(1024);

	(void)socket;
	(void)what;
	(void)argument;
	children_each(name_if_not_ready, &names);
	if (names.len == 0 || stopping)
		return;
	fprintf(stderr, "petrel: not ready after %lld seconds:%.*s; the start goes on in the background, see petrel status\n",
	    (long long)settings->process.start_timeout, (int)names.len, names.data);
	background_late();
	buf_free(&names);
}

static bool watch_start(void)
{
	const struct timeval limit = {settings->process.start_timeout, 0};
	struct event *late = event_new(base, -1, 0, on_late_start, NULL);

	return late != NULL && event_add(late, &limit) == 0;
}

static void all_gone(void)
{
	sessions_close();
	event_base_loopbreak(base);
}

static void stop(void)
{
	if (stopping)
		return;
	stopping = true;
	log_info("stopping");
	notify("STOPPING=1");
	listeners_close();
	children_stop();
}

/* The reasons are on standard error and in the log already. */
static void give_up(void)
{
	if (!stopping)
		fprintf(stderr, "petrel: a process ends again and again; giving up\n");
	failed = true;
	stop();
}

static bool on_child_message(struct child *child, struct message *m)
{
	struct control_session session;
	struct reader r = message_reader(m);

	if (m->type == CONTROL_CONNECT && child->row->role == ROLE_POLICY)
		return services_connect(child->channel, settings, m);
	/* Who has logged in is auth's word and nobody else's. */
	if (m->type != CONTROL_SESSION || child->row->role != ROLE_AUTH || !control_session_read(&r, &session))
		return false;
	if (!stopping)
		sessions_connect(base, &session);
	return true;
}

static void on_sigchld(int signal_number, short what, void *argument)
{
	pid_t pid;
	int status;

	(void)signal_number;
	(void)what;
	(void)argument;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		children_ended(pid, status);
}

static void on_sighup(int signal_number, short what, void *argument)
{
	char message[ADMIN_ERROR_MAX];

	(void)signal_number;
	(void)what;
	(void)argument;
	/* Without the command that looks at files first, the settings alone have to do. */
	if (!stopping && !hangup(base, conf_path))
		reload(message);
}

static void on_sigterm(int signal_number, short what, void *argument)
{
	(void)signal_number;
	(void)what;
	(void)argument;
	stop();
}

static bool watch_signals(void)
{
	static const struct {
		int number;
		event_callback_fn callback;
	} watched[] = {{SIGCHLD, on_sigchld}, {SIGHUP, on_sighup}, {SIGTERM, on_sigterm}, {SIGINT, on_sigterm}};

	for (size_t i = 0; i < sizeof watched / sizeof watched[0]; i++) {
		struct event *e = evsignal_new(base, watched[i].number, watched[i].callback, NULL);

		if (e == NULL || event_add(e, NULL) == -1)
			return false;
	}
	return true;
}

/* --- start ------------------------------------------------------------------------ */

/* The file at that path is still the one that is open: another master may have removed it on its way out. */
static bool is_still_there(int file, const char *path)
{
	struct stat opened, found;

	return fstat(file, &opened) == 0 && lstat(path, &found) == 0 && opened.st_dev == found.st_dev && opened.st_ino == found.st_ino;
}

/*
 * Only one master at a time: the lock on the pid file is held for life and falls
 * with the process.  A file that is there without a lock was left by one that died.
 */
static bool lock_pid_file(bool *was_left_behind)
{
	char text[32] = "";

	snprintf(pid_path, sizeof pid_path, "%s/petrel.pid", settings->directory.run);
	do {
		if (pid_file != -1)
			close(pid_file);
		pid_file = open(pid_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
		if (pid_file == -1) {
			fprintf(stderr, "petrel: %s: %s\n", pid_path, strerror(errno));
			return false;
		}
		*was_left_behind = read(pid_file, text, sizeof text - 1) > 0;
		if (flock(pid_file, LOCK_EX | LOCK_NB) == -1) {
			fprintf(stderr, "petrel: already running as process %lu (%s is locked)\n", strtoul(text, NULL, 10), pid_path);
			return false;
		}
	} while (!is_still_there(pid_file, pid_path));
	return true;
}

static bool write_pid(void)
{
	char text[32];
	int len = snprintf(text, sizeof text, "%ld\n", (long)getpid());

	/* Who is the master is no secret. */
	return fchmod(pid_file, 0644) == 0 && ftruncate(pid_file, 0) == 0 && pwrite(pid_file, text, (size_t)len, 0) == len;
}

/* What is read again at a reload is found from any directory; ours may go away. */
static bool leave_directory(void)
{
	char *directory = NULL, *whole = NULL;

	if (conf_path[0] != '/') {
		directory = getcwd(NULL, 0);
		if (directory == NULL || asprintf(&whole, "%s/%s", directory, conf_path) == -1)
			whole = NULL;
		free(directory);
		if (whole == NULL)
			return false;
		conf_path = whole;
	}
	return chdir("/") == 0;
}

/* The processes of a master that died end when they notice, and let go of its sockets then. */
static bool listen_patiently(bool is_after_crash, char *error)
{
	const struct timespec pause = {0, LISTEN_AGAIN_MS * 1000000};
	unsigned changed;

	for (int tries = is_after_crash ? LISTEN_TRIES : 1;; tries--) {
		errno = 0;
		if (listeners_update(settings, &changed, error))
			return true;
		if (errno != EADDRINUSE || tries <= 1)
			return false;
		nanosleep(&pause, NULL);
	}
}

static bool prepare(void)
{
	char error[DIRECTORY_ERROR_MAX];
	bool is_after_crash;

	if (!privileged)
		fprintf(stderr, "petrel: started as uid %u: every process runs as that user and keeps the host's root directory\n", (unsigned)geteuid());
	if (!directories_make(settings, privileged, error)) {
		fprintf(stderr, "petrel: %s\n", error);
		return false;
	}
	if (!lock_pid_file(&is_after_crash) || !write_pid())
		return false;
	if (!listen_patiently(is_after_crash, error)) {
		fprintf(stderr, "petrel: %s\n", error);
		return false;
	}
	return true;
}

static bool run(void)
{
	static const struct admin_orders admin_orders = {reload, stop};
	struct children_orders orders = {.programs = programs,
	    .conf = conf,
	    .privileged = privileged,
	    .message = on_child_message,
	    .all_ready = all_ready,
	    .give_up = give_up,
	    .all_gone = all_gone};
	char error[ADMIN_ERROR_MAX];
	bool started;

	base = event_base_new();
	if (base == NULL || !watch_signals() || !watch_start() || !certificates_watch(base))
		return false;
	if (!admin_open(base, settings, privileged, &admin_orders, error)) {
		fprintf(stderr, "petrel: %s\n", error);
		return false;
	}
	orders.base = base;
	started = children_start(&orders);
	if (started)
		event_base_dispatch(base);
	admin_close();
	return started;
}

/* A descriptor that a library or a child takes for standard error must not be something else. */
static void fill_standard_descriptors(void)
{
	int null;

	do
		null = open("/dev/null", O_RDWR);
	while (null != -1 && null <= STDERR_FILENO);
	if (null != -1)
		close(null);
}

/* A channel to every user's session process takes a descriptor, and the processes of the suite are to have theirs still. */
static void raise_files_limit(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == -1)
		return;
	if (privileged && files.rlim_max < FILES_WANTED) {
		files.rlim_cur = files.rlim_max = FILES_WANTED;
		if (setrlimit(RLIMIT_NOFILE, &files) == 0 || getrlimit(RLIMIT_NOFILE, &files) == -1)
			return;
	}
	files.rlim_cur = files.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &files);
}

int main(int argc, char **argv)
{
	char error[CONF_ERROR_MAX];
	bool background = false, ran;
	struct conf *initial;
	int option;

	while ((option = getopt(argc, argv, "bc:p:")) != -1) {
		switch (option) {
		case 'b':
			background = true;
			break;
		case 'c':
			conf_path = optarg;
			break;
		case 'p':
			programs = optarg;
			break;
		default:
			usage();
		}
	}
	if (optind != argc)
		usage();
	log_set_name("petrel");
	umask(077);
	privileged = geteuid() == 0;
	fill_standard_descriptors();
	raise_files_limit();
	initial = read_configuration(error);
	if (initial == NULL) {
		fprintf(stderr, "petrel: %s\n", error);
		return EX_CONFIG;
	}
	put_in_force(initial);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	/* Who reads the errors of the start may be gone later. */
	signal(SIGPIPE, SIG_IGN);
	if (background)
		background_enter(settings->log.to == LOG_TO_STDERR);
	if (!prepare())
		return EX_UNAVAILABLE;
	if (!leave_directory()) {
		fprintf(stderr, "petrel: cannot leave this directory: %s\n", strerror(errno));
		return EX_OSERR;
	}
	ran = run();
	unlink(pid_path);
	return !ran ? EX_OSERR : failed ? EX_UNAVAILABLE : EX_OK;
}
