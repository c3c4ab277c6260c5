/*
 * connection.c - one conversation over the control socket.
 */
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#include "ctl/ctl.h"

struct ctl_connection {
	struct event_base *base;
	struct channel *channel; /* NULL: it has ended */
	ctl_answer answer;
	void *context;
	bool finished; /* ADMIN_DONE or ADMIN_GO came */
	bool go;
	int status;
	uint64_t count;
};

static bool done(struct ctl_connection *c, struct message *m)
{
	struct reader r = message_reader(m);
	char text[1024];

	c->status = read_u8(&r);
	c->count = read_u64(&r);
	read_string(&r, text, sizeof text);
	if (!reader_finished(&r))
		return false;
	if (text[0] != '\0')
		fprintf(stderr, "petrel: %s\n", text);
	c->finished = true;
	event_base_loopbreak(c->base);
	return true;
}

static bool on_message(struct channel *channel, struct message *m, void *context)
{
	struct ctl_connection *c = context;

	(void)channel;
	if (m->type == ADMIN_DONE)
		return done(c, m);
	if (m->type == ADMIN_GO) {
		c->finished = c->go = true;
		event_base_loopbreak(c->base);
		return true;
	}
	return c->answer != NULL && c->answer(m, c->context);
}

static void on_closed(struct channel *channel, void *context)
{
	struct ctl_connection *c = context;

	(void)channel;
	c->channel = NULL;
	event_base_loopbreak(c->base);
}

static const struct channel_handlers handlers = {on_message, on_closed, NULL};

static int connect_socket(void)
{
	struct sockaddr_un address;
	int directory, failure, sock;
	bool connected;

	if (!admin_address(settings->directory.run, &address, &directory))
		return -1;
	sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	connected = sock != -1 && connect(sock, (struct sockaddr *)&address, sizeof address) == 0;
	failure = errno;
	if (directory != -1)
		close(directory);
	if (!connected && sock != -1)
		close(sock);
	errno = failure;
	return connected ? sock : -1;
}

struct ctl_connection *ctl_connect(void)
{
	struct ctl_connection *c = calloc(1, sizeof *c);
	int sock = connect_socket();

	if (c == NULL || sock == -1 || (c->base = event_base_new()) == NULL ||
	    (c->channel = channel_new(c->base, sock, &handlers, c)) == NULL) {
		int failure = errno;

		if (sock != -1)
			close(sock);
		if (c != NULL && c->base != NULL)
			event_base_free(c->base);
		free(c);
		errno = failure;
		return NULL;
	}
	return c;
}

struct channel *ctl_channel(struct ctl_connection *c)
{
	return c->channel;
}

int ctl_wait(struct ctl_connection *c, ctl_answer answer, void *context, uint64_t *count)
{
	c->answer = answer;
	c->context = context;
	c->finished = c->go = false;
	while (c->channel != NULL && !c->finished)
		event_base_dispatch(c->base);
	if (!c->finished)
		return ctl_fail(EX_UNAVAILABLE, "the suite closed the connection");
	if (count != NULL)
		*count = c->count;
	return c->status;
}

bool ctl_wait_for_go(struct ctl_connection *c)
{
	int status = ctl_wait(c, NULL, NULL, NULL);

	return status == EX_OK && c->go && c->channel != NULL;
}

void ctl_disconnect(struct ctl_connection *c)
{
	if (c == NULL)
		return;
	channel_free(c->channel);
	event_base_free(c->base);
	free(c);
}

int ctl_not_running(void)
{
	if (errno == EACCES || errno == EPERM)
		return ctl_fail(EX_NOPERM, "%s/control: %s", settings->directory.run, strerror(errno));
	return ctl_fail(EX_UNAVAILABLE, "not running (nobody answers at %s/control)", settings->directory.run);
}
