/* What process.h promises of a daemon's start: the real process keys, and a master that does everything wrong. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/conf.h"
#include "tests/unit/daemon/daemon.h"

enum { HEADER_OCTETS = 12, PATIENCE_MILLISECONDS = 5000 };

static pid_t pid;
static int control; /* master's end */
static FILE *errors;

static void start(void)
{
	int sockets[2];

	errors = tmpfile();
	cr_assert_eq(channel_pair(sockets), 0);
	pid = fork();
	if (pid == 0) {
		dup2(fileno(errors), STDERR_FILENO);
		if (sockets[1] == 3)
			fcntl(3, F_SETFD, 0);
		else
			dup2(sockets[1], 3);
		close_range(4, ~0u, 0);
		execl("keys/keys", "keys/keys", (char *)NULL);
		_exit(127);
	}
	close(sockets[1]);
	control = sockets[0];
}

static int status_of_end(void)
{
	int status;

	for (int i = 0; i < PATIENCE_MILLISECONDS / 10; i++) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
		usleep(10000);
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return 255;
}

static bool said(const char *text)
{
	static char all[65536];
	size_t len;

	rewind(errors);
	len = fread(all, 1, sizeof all - 1, errors);
	all[len] = '\0';
	return strstr(all, text) != NULL;
}

/* A message as it stands in a packet. */
static void append_message(struct buf *packet, uint16_t type, struct slice body)
{
	struct writer w = {packet};

	write_u16(&w, type);
	write_u16(&w, 0);
	write_u32(&w, 0);
	write_slice(&w, body);
}

static void send_packet(const struct buf *packet)
{
	cr_assert_eq(send(control, packet->data, packet->len, MSG_NOSIGNAL), (ssize_t)packet->len);
}

static void append_setup(struct buf *packet, enum role role, const char *text)
{
	struct buf settings_text = buf_with_limit(CONF_ENCODED_MAX), body = buf_with_limit(CONF_ENCODED_MAX);
	struct writer w = {&settings_text}, body_writer = {&body};
	struct conf *conf = conf_new();
	struct control_setup setup = {.role = role, .files_limit = 64};
	char error[CONF_ERROR_MAX];

	cr_assert(conf_read_text(conf, slice_string(text), "test", error), "%s", error);
	conf_encode(&w, conf);
	setup.settings = buf_slice(&settings_text);
	control_setup_write(&body_writer, &setup);
	append_message(packet, CONTROL_SETUP, buf_slice(&body));
	conf_free(conf);
	buf_free(&settings_text);
	buf_free(&body);
}

static bool says_ready(void)
{
	struct pollfd p = {control, POLLIN, 0};
	char packet[64];

	return poll(&p, 1, PATIENCE_MILLISECONDS) == 1 && recv(control, packet, sizeof packet, MSG_DONTWAIT) == HEADER_OCTETS &&
	    packet[0] == CONTROL_READY;
}

Test(process, a_daemon_that_is_started_by_hand_says_what_it_is)
{
	int status;

	errors = tmpfile();
	pid = fork();
	if (pid == 0) {
		dup2(fileno(errors), STDERR_FILENO);
		close_range(3, ~0u, 0);
		execl("keys/keys", "keys/keys", (char *)NULL);
		_exit(127);
	}
	status = status_of_end();
	cr_assert_eq(status, EX_USAGE, "%d", status);
	cr_assert(said("is a part of Petrel and is started by it"));
}

Test(process, a_master_that_goes_away_before_it_has_said_anything_ends_the_daemon)
{
	start();
	close(control);
	cr_assert_eq(status_of_end(), EX_PROTOCOL);
}

Test(process, a_first_message_that_is_no_setup_ends_the_daemon)
{
	static const struct {
		const char *octets;
		size_t len;
	} bad[] = {
	    {"x", 1},
	    {"\1\0\0\0\0\0\0\0\0\0\0\0", 12},      /* an empty setup */
	    {"\6\0\0\0\0\0\0\0\0\0\0\0", 12},      /* stop */
	    {"\1\0\0\0\0\0\0\0\377\0\0\0abc", 15}, /* shorter than it says */
	};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		start();
		cr_assert_eq(send(control, bad[i].octets, bad[i].len, 0), (ssize_t)bad[i].len);
		cr_assert_eq(status_of_end(), EX_PROTOCOL, "packet %zu", i);
		cr_assert(said("no-settings-from-master"));
		close(control);
		fclose(errors);
	}
}

Test(process, a_setup_for_another_role_ends_the_daemon)
{
	struct buf packet = buf_with_limit(65536);

	start();
	append_setup(&packet, ROLE_AUTH, "");
	send_packet(&packet);
	cr_assert_eq(status_of_end(), EX_PROTOCOL);
}

Test(process, an_order_in_the_packet_of_the_setup_is_not_obeyed)
{
	struct buf packet = buf_with_limit(65536);

	start();
	append_setup(&packet, ROLE_KEYS, "");
	append_message(&packet, CONTROL_PEER, SLICE(""));
	send_packet(&packet);
	cr_assert_eq(status_of_end(), EX_PROTOCOL, "it would come before the rights are given up");
}

Test(process, without_a_logger_a_daemons_lines_come_out_on_standard_error_at_its_end)
{
	struct daemon d;

	errors = tmpfile();
	dup2(fileno(errors), STDERR_FILENO);
	daemon_start(&d, "keys/keys", ROLE_KEYS, "");
	daemon_send_file(&d, CONTROL_FILE_KEY, "no-key.pem", open("/dev/null", O_RDONLY));
	cr_assert_eq(daemon_stop(&d), 0);
	cr_assert(said("keys: cannot-use-key file=no-key.pem"));
}

Test(process, a_master_that_goes_away_ends_the_daemon)
{
	struct buf packet = buf_with_limit(65536);

	start();
	append_setup(&packet, ROLE_KEYS, "");
	send_packet(&packet);
	cr_assert(says_ready());
	close(control);
	cr_assert_eq(status_of_end(), EX_UNAVAILABLE);
}

Test(process, a_malformed_order_ends_the_daemon)
{
	struct buf packet = buf_with_limit(65536), order = buf_with_limit(64);

	start();
	append_setup(&packet, ROLE_KEYS, "");
	send_packet(&packet);
	cr_assert(says_ready());
	append_message(&order, CONTROL_RELOAD, SLICE("these are no settings"));
	send_packet(&order);
	cr_assert_eq(status_of_end(), EX_UNAVAILABLE);
}

Test(process, settings_larger_than_a_packet_arrive)
{
	static char text[400000];
	size_t len = 0;
	struct daemon d;

	len += (size_t)snprintf(text, sizeof text, "domains {");
	for (int i = 0; i < 8000; i++)
		len += (size_t)snprintf(text + len, sizeof text - len, " domain-%d.example.org", i);
	snprintf(text + len, sizeof text - len, " }\n");
	daemon_start(&d, "keys/keys", ROLE_KEYS, text);
	cr_assert_eq(daemon_stop(&d), 0);
}
