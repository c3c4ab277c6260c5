/*
 * smtp_sink.c - an SMTP server that takes everything and stores nothing.
 *
 *     smtp_sink PORT [ADDRESS]
 *
 * It is the other end of relay tests, and by itself the limit of what a server
 * on this machine could do.  It remembers which Message-ID it has seen (its
 * hash, in a table that is large enough for a run); HELP says how many messages
 * came and how many were different:
 *
 *     214 received 2000 different 2000
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

enum {
	ROOM = 65536, /* what is read of a client at a time; also the longest line */
	REPLIES_MAX = 8192,
	REPLY_MAX = 128,
	SEEN_ROOM = 1 << 24, /* a power of two */
	EVENTS_MAX = 256,
	BACKLOG = 1024
};

struct client {
	int socket;
	bool in_data, in_long_line;
	size_t len;
	char in[ROOM];
	char out[REPLIES_MAX];
	size_t out_len;
};

static unsigned long received, different;
static uint64_t seen[SEEN_ROOM]; /* 0: free */

static void client_close(struct client *c)
{
	close(c->socket);
	free(c);
}

/* Replies gather until all that was read has been looked at.  False: the client does not read them. */
static bool send_replies(struct client *c)
{
	bool sent = c->out_len == 0 ||
		    send(c->socket, c->out, c->out_len, MSG_NOSIGNAL) == (ssize_t)c->out_len;

	c->out_len = 0;
	return sent;
}

static bool reply(struct client *c, const char *line)
{
	size_t len = strlen(line);

	if (len > sizeof c->out - c->out_len && !send_replies(c))
		return false;
	memcpy(c->out + c->out_len, line, len);
	c->out_len += len;
	return true;
}

/* A line is without its line feed, and followed by it: parsing stops there at the latest. */
static bool is_verb(const char *line, size_t len, const char *verb)
{
	return len >= strlen(verb) && strncasecmp(line, verb, strlen(verb)) == 0;
}

/* FNV-1a: nobody here wants two to be the same. */
static uint64_t hash_of(const char *text, size_t len)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
	return hash == 0 ? 1 : hash;
}

static void remember(const char *line, size_t len)
{
	uint64_t hash;
	size_t at;

	if (!is_verb(line, len, "Message-ID:") || different >= SEEN_ROOM / 2)
		return;
	hash = hash_of(line, len);
	for (at = hash % SEEN_ROOM; seen[at] != 0; at = (at + 1) % SEEN_ROOM) {
		if (seen[at] == hash)
			return;
	}
	seen[at] = hash;
	different++;
}

static bool content_line(struct client *c, const char *line, size_t len)
{
	if (len == 2 && line[0] == '.' && line[1] == '\r') {
		c->in_data = false;
		received++;
		return reply(c, "250 2.0.0 taken\r\n");
	}
	if (line[0] == 'M')
		remember(line, len);
	return true;
}

static bool command_line(struct client *c, const char *line, size_t len)
{
	char text[REPLY_MAX];

	if (is_verb(line, len, "MAIL") || is_verb(line, len, "RCPT") ||
	    is_verb(line, len, "RSET") || is_verb(line, len, "NOOP"))
		return reply(c, "250 2.0.0 ok\r\n");
	if (is_verb(line, len, "DATA")) {
		c->in_data = true;
		return reply(c, "354 go on\r\n");
	}
	if (is_verb(line, len, "EHLO"))
		return reply(c, "250-sink.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n"
				"250 ENHANCEDSTATUSCODES\r\n");
	if (is_verb(line, len, "HELO"))
		return reply(c, "250 sink.example\r\n");
	if (is_verb(line, len, "HELP")) {
		snprintf(
		    text, sizeof text, "214 received %lu different %lu\r\n", received, different);
		return reply(c, text);
	}
	if (is_verb(line, len, "QUIT")) {
		reply(c, "221 2.0.0 bye\r\n");
		send_replies(c);
		return false;
	}
	return reply(c, "500 5.5.1 unknown\r\n");
}

/* All whole lines; what is left of the last one moves to the front. */
static bool take_lines(struct client *c)
{
	char *line = c->in, *end = c->in + c->len, *newline;

	while ((newline = memchr(line, '\n', (size_t)(end - line))) != NULL) {
		size_t len = (size_t)(newline - line);

		if (c->in_long_line)
			c->in_long_line = false;
		else if (!(c->in_data ? content_line : command_line)(c, line, len))
			return false;
		line = newline + 1;
	}
	c->len = (size_t)(end - line);
	memmove(c->in, line, c->len);
	if (c->len == sizeof c->in) {
		c->in_long_line = true;
		c->len = 0;
	}
	return send_replies(c);
}

static void client_read(struct client *c)
{
	ssize_t got = read(c->socket, c->in + c->len, sizeof c->in - c->len);

	if (got < 0 && errno == EAGAIN)
		return;
	if (got <= 0) {
		client_close(c);
		return;
	}
	c->len += (size_t)got;
	if (!take_lines(c))
		client_close(c);
}

static void accept_clients(int listener, int poller)
{
	int socket, one = 1;

	while ((socket = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) != -1) {
		struct client *c = malloc(sizeof *c);
		struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};

		if (c == NULL)
			err(EX_OSERR, "client");
		c->socket = socket;
		c->in_data = c->in_long_line = false;
		c->len = c->out_len = 0;
		setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		if (epoll_ctl(poller, EPOLL_CTL_ADD, socket, &e) == -1 ||
		    !reply(c, "220 sink.example ESMTP\r\n") || !send_replies(c))
			client_close(c);
	}
}

static int listen_on(const char *address, const char *port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;

	if (inet_pton(AF_INET, address, &at.sin_addr) != 1)
		errx(EX_USAGE, "%s is not an IPv4 address", address);
	if (listener == -1 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) ||
	    bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, BACKLOG))
		err(EX_UNAVAILABLE, "%s:%s", address, port);
	return listener;
}

int main(int argc, char **argv)
{
	int listener, poller = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event listening = {.events = EPOLLIN, .data.ptr = NULL};

	if (argc < 2 || argc > 3) {
		fprintf(stderr, "usage: smtp_sink PORT [ADDRESS]\n");
		return EX_USAGE;
	}
	listener = listen_on(argc == 3 ? argv[2] : "127.0.0.1", argv[1]);
	if (poller == -1 || epoll_ctl(poller, EPOLL_CTL_ADD, listener, &listening) == -1)
		err(EX_OSERR, "epoll");
	for (;;) {
		struct epoll_event events[EVENTS_MAX];
		int count = epoll_wait(poller, events, EVENTS_MAX, -1);

		for (int i = 0; i < count; i++) {
			if (events[i].data.ptr == NULL)
				accept_clients(listener, poller);
			else
				client_read(events[i].data.ptr);
		}
	}
}
