/*
 * hangup.c - SIGHUP does what `petrel reload` does: by running it.
 */
#include "master/hangup.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/log.h"
#include "paths.h"

enum { SAID_MAX = 16384 };

static struct event *reading; /* what the command says; NULL: none is running */
static struct buf said;
static bool is_wanted_again;

static void log_complaints(void)
{
	struct cursor c = cursor_over(buf_slice(&said));

	while (!cursor_done(&c)) {
		struct slice line = cursor_take_until(&c, '\n');

		cursor_skip(&c, 1);
		if (slice_starts_with(line, SLICE("petrel: ")))
			line = slice_from(line, strlen("petrel: "));
		if (line.len > 0)
			log_error("reload-failed", log_slice("reason", line));
	}
}

static void on_said(int descriptor, short what, void *conf_path)
{
	struct event_base *base = event_get_base(reading);
	char text[4096];
	ssize_t got = read(descriptor, text, sizeof text);

	(void)what;
	if (got > 0) {
		/* What does not fit is not needed: the first complaint is there. */
		(void)buf_append(&said, text, (size_t)got);
		return;
	}
	if (got < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	log_complaints();
	buf_free(&said);
	event_free(reading);
	reading = NULL;
	close(descriptor);
	if (!is_wanted_again)
		return;
	is_wanted_again = false;
	hangup(base, conf_path);
}

static bool run(const char *conf_path, int output)
{
	const char *arguments[] = {"petrel", "-c", conf_path, "reload", NULL};
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t none;
	pid_t pid;
	int error;

	sigemptyset(&none);
	if (posix_spawn_file_actions_init(&files) != 0)
		return false;
	if (posix_spawnattr_init(&attributes) != 0) {
		posix_spawn_file_actions_destroy(&files);
		return false;
	}
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&files, output, STDERR_FILENO);
	error = posix_spawn(&pid, PETREL_SBINDIR "/petrel", &files, &attributes,
	    (char *const *)arguments, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&files);
	errno = error;
	return error == 0;
}

bool hangup(struct event_base *base, const char *conf_path)
{
	int ends[2];
	bool runs;

	if (reading != NULL) {
		is_wanted_again = true;
		return true;
	}
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) == -1)
		return false;
	said = buf_with_limit(SAID_MAX);
	runs = run(conf_path, ends[1]);
	close(ends[1]);
	if (runs)
		reading = event_new(base, ends[0], EV_READ | EV_PERSIST, on_said,
		    (void *)(uintptr_t)conf_path);
	if (reading == NULL || event_add(reading, NULL) == -1) {
		log_error("cannot-run", log_string("program", PETREL_SBINDIR "/petrel"),
		    log_errno(errno));
		if (reading != NULL)
			event_free(reading);
		reading = NULL;
		close(ends[0]);
		return runs;
	}
	return true;
}
