/*
 * smtp_crowd.c - a crowd of clients that are there and want nothing.
 *
 *     smtp_crowd --port N [--connections N] [--starttls] [--trickle SECONDS]
 *
 * Opens the connections (a limited number at a time), greets on each, with or
 * without TLS, says
 *
 *     connected 10000 failed 0 seconds 4.2
 *
 * and then holds them until its standard input ends.  With --trickle each client
 * also sends a command without end, one octet in so many seconds: what is known as
 * a slow loris.  The last line tells how many connections the server still had:
 *
 *     left 10000
 *
 * Clients have addresses from 127.0.0.0/8, a few hundred connections each, so
 * that ports do not run out and a limit for each address is not what is measured.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/clock.h"

enum {
	CONNECTIONS_MAX = 1000000,
	UNDER_WAY_MAX = 200, /* connections that are being opened */
	OF_ONE_ADDRESS = 250,
	EVENTS_MAX = 256,
	TICK_MILLISECONDS = 10,
	LINE_OCTETS = 400 /* of the command that never ends, before it starts again */
};

enum phase { CONNECTING, GREETING, STARTTLS, HANDSHAKE, HELLO, HERE, GONE };

struct client {
	int socket;
	enum phase phase;
	SSL *tls;
	unsigned sent; /* octets of the endless command */
};

static struct options {
	unsigned port, connections, trickle;
	bool starttls;
} options = {.connections = 1000};

static struct client *clients;
static SSL_CTX *context;
static unsigned begun, under_way, here, failed;
static int poller;

static void watch(struct client *c, int how, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.ptr = c};

	if (epoll_ctl(poller, how, c->socket, &e) == -1)
		err(EX_OSERR, "epoll_ctl");
}

static void settle(struct client *c, enum phase phase)
{
	if (c->phase < HERE)
		under_way--;
	if (c->phase == HERE)
		here--;
	c->phase = phase;
	if (phase == HERE)
		here++;
}

static void leave(struct client *c)
{
	if (c->phase < HERE)
		failed++;
	settle(c, GONE);
	SSL_free(c->tls);
	c->tls = NULL;
	close(c->socket);
}

/* Small enough for any socket's buffer. */
static void say(struct client *c, const char *text, size_t len)
{
	ssize_t sent = c->tls != NULL ? SSL_write(c->tls, text, (int)len)
				      : send(c->socket, text, len, MSG_NOSIGNAL);

	if (sent != (ssize_t)len)
		leave(c);
}

static void shake_hands(struct client *c)
{
	int done = SSL_do_handshake(c->tls), why;

	if (done == 1) {
		watch(c, EPOLL_CTL_MOD, EPOLLIN);
		c->phase = HELLO;
		say(c, "EHLO crowd.example\r\n", 20);
		return;
	}
	why = SSL_get_error(c->tls, done);
	if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
		watch(c, EPOLL_CTL_MOD, why == SSL_ERROR_WANT_READ ? EPOLLIN : EPOLLOUT);
	else
		leave(c);
}

static void begin_tls(struct client *c)
{
	c->tls = SSL_new(context);
	if (c->tls == NULL || SSL_set_fd(c->tls, c->socket) != 1)
		errx(EX_OSERR, "TLS");
	SSL_set_connect_state(c->tls);
	c->phase = HANDSHAKE;
	shake_hands(c);
}

/* A reply came: the last of its lines is looked at. */
static void go_on(struct client *c, const char *reply, size_t len)
{
	bool is_whole = len > 2 && reply[len - 1] == '\n';

	if (c->phase == HERE || !is_whole)
		return;
	if (reply[0] != '2') {
		leave(c);
	} else if (c->phase == GREETING && options.starttls) {
		c->phase = STARTTLS;
		say(c, "STARTTLS\r\n", 10);
	} else if (c->phase == GREETING) {
		c->phase = HELLO;
		say(c, "EHLO crowd.example\r\n", 20);
	} else if (c->phase == STARTTLS) {
		begin_tls(c);
	} else if (c->phase == HELLO) {
		settle(c, HERE);
	}
}

static void read_reply(struct client *c)
{
	char text[4096];
	ssize_t len = c->tls != NULL ? SSL_read(c->tls, text, sizeof text)
				     : recv(c->socket, text, sizeof text, 0);

	if (len > 0)
		go_on(c, text, (size_t)len);
	else if (c->tls != NULL ? SSL_get_error(c->tls, (int)len) != SSL_ERROR_WANT_READ
				: len == 0 || errno != EAGAIN)
		leave(c);
}

static void happened(struct client *c)
{
	switch (c->phase) {
	case CONNECTING:
		c->phase = GREETING;
		watch(c, EPOLL_CTL_MOD, EPOLLIN);
		return;
	case HANDSHAKE:
		shake_hands(c);
		return;
	case GONE:
		return;
	default:
		read_reply(c);
	}
}

static void begin(struct client *c, unsigned number)
{
	struct sockaddr_in from = {.sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(0x7f010001 + number / OF_ONE_ADDRESS * 256)};
	struct sockaddr_in to = {.sin_family = AF_INET,
	    .sin_port = htons((uint16_t)options.port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	c->socket = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->socket == -1 || bind(c->socket, (struct sockaddr *)&from, sizeof from) == -1)
		err(EX_OSERR, "socket");
	under_way++;
	watch(c, EPOLL_CTL_ADD, EPOLLOUT);
	if (connect(c->socket, (struct sockaddr *)&to, sizeof to) == -1 && errno != EINPROGRESS)
		leave(c);
}

/* One octet of each client whose turn it is, the crowd spread over the seconds. */
static void trickle(uint64_t now_ms)
{
	static uint64_t done;
	uint64_t due = now_ms * options.connections / (options.trickle * UINT64_C(1000));

	if (done == 0 || due - done > options.connections)
		done = due;
	for (; done < due; done++) {
		struct client *c = &clients[done % options.connections];

		if (c->phase != HERE)
			continue;
		if (++c->sent % LINE_OCTETS == 0)
			say(c, "\r\n", 2);
		else
			say(c, c->sent % LINE_OCTETS == 1 ? "NOOP x" : "x", c->sent % LINE_OCTETS == 1 ? 6 : 1);
	}
}

/* False once standard input has ended. */
static bool wait_and_serve(int milliseconds)
{
	struct epoll_event events[EVENTS_MAX];
	int count = epoll_wait(poller, events, EVENTS_MAX, milliseconds);
	bool goes_on = true;
	char ignored[64];

	for (int i = 0; i < count; i++) {
		if (events[i].data.ptr != NULL)
			happened(events[i].data.ptr);
		else if (read(STDIN_FILENO, ignored, sizeof ignored) <= 0)
			goes_on = false;
	}
	return goes_on;
}

static void gather(void)
{
	uint64_t began_us = clock_monotonic_us();

	while (here + failed < options.connections) {
		for (; begun < options.connections && under_way < UNDER_WAY_MAX; begun++)
			begin(&clients[begun], begun);
		if (!wait_and_serve(-1))
			break;
	}
	printf("connected %u failed %u seconds %.1f\n", here, failed,
	    (double)(clock_monotonic_us() - began_us) / 1e6);
	fflush(stdout);
}

static void set_up(void)
{
	struct epoll_event input = {.events = EPOLLIN, .data.ptr = NULL};
	struct rlimit files = {options.connections + 64, options.connections + 64};

	if (setrlimit(RLIMIT_NOFILE, &files) == -1)
		err(EX_OSERR, "%u descriptors", options.connections);
	poller = epoll_create1(EPOLL_CLOEXEC);
	clients = calloc(options.connections, sizeof *clients);
	context = SSL_CTX_new(TLS_client_method());
	if (poller == -1 || clients == NULL || context == NULL)
		err(EX_OSERR, "set-up");
	SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
	if (epoll_ctl(poller, EPOLL_CTL_ADD, STDIN_FILENO, &input) == -1)
		err(EX_OSERR, "standard input");
}

static void usage(void)
{
	fprintf(stderr, "usage: smtp_crowd --port N [--connections N] [--starttls] [--trickle SECONDS]\n");
	exit(EX_USAGE);
}

static unsigned number(const char *text, unsigned max)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*end != '\0' || value == 0 || value > max)
		usage();
	return (unsigned)value;
}

int main(int argc, char **argv)
{
	static const struct option names[] = {{"port", required_argument, NULL, 'p'},
	    {"connections", required_argument, NULL, 'c'}, {"starttls", no_argument, NULL, 's'},
	    {"trickle", required_argument, NULL, 't'}, {NULL, 0, NULL, 0}};
	int option;

	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (option == 'p')
			options.port = number(optarg, 65535);
		else if (option == 'c')
			options.connections = number(optarg, CONNECTIONS_MAX);
		else if (option == 's')
			options.starttls = true;
		else if (option == 't')
			options.trickle = number(optarg, 3600);
		else
			usage();
	}
	if (options.port == 0)
		usage();
	set_up();
	gather();
	while (wait_and_serve(options.trickle > 0 ? TICK_MILLISECONDS : -1)) {
		if (options.trickle > 0)
			trickle(clock_monotonic_us() / 1000);
	}
	printf("left %u\n", here);
	return failed > 0;
}
