/*
 * background.c - the process that was started waits for the one that stays.
 */
#include "master/background.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

static int ready_pipe = -1; /* an octet, of these; its end where the start failed */
static const char is_ready = 'r', is_late = 'l';

/* Pass on what has come; false at the end. */
static bool relay_errors(int errors)
{
	char text[4096];
	ssize_t len = read(errors, text, sizeof text);

	if (len > 0)
		(void)!write(STDERR_FILENO, text, (size_t)len);
	return len > 0 || (len == -1 && errno == EINTR);
}

static void wait_for_the_other(int ready, int errors)
{
	struct pollfd watched[2] = {{ready, POLLIN, 0}, {errors, POLLIN, 0}};
	char octet = '\0';

	while (watched[0].revents == 0) {
		if (poll(watched, 2, -1) == -1 && errno != EINTR)
			break;
		if (watched[1].revents != 0 && !relay_errors(errors))
			watched[1].fd = -1;
	}
	if (read(ready, &octet, 1) == -1)
		octet = '\0';
	/* Others may hold the far end for a while yet: take what is there and no more. */
	if (errors != -1 && fcntl(errors, F_SETFL, O_NONBLOCK) == 0)
		while (relay_errors(errors))
			;
	exit(octet == is_ready ? EX_OK : octet == is_late ? EX_TEMPFAIL : EX_UNAVAILABLE);
}

static void leave_terminal(int errors)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	if (null != -1) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		close(null);
	}
	if (errors != -1) {
		dup2(errors, STDERR_FILENO);
		close(errors);
	}
}

void background_enter(bool keeps_errors)
{
	int ready[2], errors[2] = {-1, -1};
	pid_t child;

	if (pipe2(ready, O_CLOEXEC) == -1 || (!keeps_errors && pipe2(errors, O_CLOEXEC) == -1) ||
	    (child = fork()) == -1) {
		fprintf(stderr, "petrel: %s\n", strerror(errno));
		exit(EX_OSERR);
	}
	if (child > 0) {
		close(ready[1]);
		if (errors[1] != -1)
			close(errors[1]);
		wait_for_the_other(ready[0], errors[0]);
	}
	close(ready[0]);
	if (errors[0] != -1)
		close(errors[0]);
	ready_pipe = ready[1];
	leave_terminal(errors[1]);
}

static void let_go(char octet)
{
	if (ready_pipe == -1)
		return;
	(void)!write(ready_pipe, &octet, 1);
	close(ready_pipe);
	ready_pipe = -1;
}

void background_ready(void)
{
	let_go(is_ready);
}

void background_late(void)
{
	let_go(is_late);
}
