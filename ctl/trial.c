/*
 * trial.c - a session with the running suite, as if from another host.
 */
#include "ctl/trial.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sysexits.h>
#include <unistd.h>

#include "ctl/ctl.h"

enum { REPLY_SECONDS = 60, LINES_MAX = 100 };

int trial_connect(enum service service, const char *address)
{
	const struct timeval limit = {REPLY_SECONDS, 0};
	struct ctl_connection *c = ctl_connect();
	int sockets[2], status;
	struct writer *w;

	if (c == NULL)
		return -1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) == -1) {
		ctl_disconnect(c);
		return -1;
	}
	setsockopt(sockets[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	w = channel_begin(ctl_channel(c), ADMIN_TRIAL, 0);
	write_u8(w, (uint8_t)service);
	write_string(w, address);
	channel_attach(ctl_channel(c), sockets[1]);
	channel_end(ctl_channel(c));
	status = ctl_wait(c, NULL, NULL, NULL);
	ctl_disconnect(c);
	if (status == EX_OK)
		return sockets[0];
	close(sockets[0]);
	return -1;
}

/* One line without its end; octet by octet, since there are few. */
static bool read_line(int connection, char *line, size_t size)
{
	size_t len = 0;
	char octet;

	while (recv(connection, &octet, 1, 0) == 1) {
		if (octet == '\n') {
			line[len] = '\0';
			return true;
		}
		if (octet != '\r' && len + 1 < size)
			line[len++] = octet;
	}
	return false;
}

bool trial_say(int connection, const char *line, struct trial_reply *reply)
{
	char text[1200];
	int len = line == NULL ? 0 : snprintf(text, sizeof text, "%s\r\n", line);
	uint64_t code;

	*reply = (struct trial_reply){0};
	if (len >= (int)sizeof text || send(connection, text, (size_t)len, MSG_NOSIGNAL) != len)
		return false;
	for (int i = 0; i < LINES_MAX && read_line(connection, text, sizeof text); i++) {
		struct slice said = slice_string(text);

		if (slice_starts_with(said, SLICE("# "))) {
			slice_copy(slice_from(said, 2), reply->by, sizeof reply->by);
		} else if (said.len >= 4 && said.data[3] == ' ') {
			if (!slice_number(slice_part(said, 0, 3), 599, &code))
				return false;
			reply->code = (unsigned)code;
			return slice_copy(said, reply->text, sizeof reply->text);
		}
	}
	return false;
}
