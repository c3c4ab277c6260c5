/*
 * smtp_load.c - a client that sends many messages over many connections at
 * once, and counts which of them were acknowledged.
 *
 *     smtp_load --port N --recipients LIST [options]
 *
 * One process and one epoll loop, so that it takes one core at most.  Message
 * number n goes to the n-th of the recipients, round and round, and has its
 * number in its Message-ID, by which the other end can tell a lost message and
 * a doubled one.  The exit status is 1 where a message was not
 * acknowledged.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/clock.h"

enum {
	SESSIONS_MAX = 20000,
	MESSAGES_MAX = 10000000,
	CONTENT_MAX = 64 * 1024 * 1024,
	RECIPIENTS_MAX = 100000,
	COPIES_MAX = 1000,
	REPLY_MAX = 4096,
	NUMBER_MAX = 64,  /* the line with a message's number */
	LINE_OCTETS = 72, /* of a message's body, its end included */
	EVENTS_MAX = 256,
	TICK_MILLISECONDS = 200
};

/* What a session waits for. */
enum phase { CONNECTING, GREETING, HELLO, MAIL, RCPT, DATA, CONTENT, QUIT, OVER };

static struct options {
	const char *host;
	unsigned port;
	unsigned sessions, messages, per_connection, copies, seconds;
	size_t size;
	const char *sender;
	bool pipelined;
	char **recipients;
	unsigned recipient_count;
} options = {.host = "127.0.0.1",
    .sessions = 1,
    .messages = 1,
    .copies = 1,
    .seconds = 120,
    .size = 4096,
    .sender = "load@client.example"};

struct session {
	int socket;
	enum phase phase;
	unsigned replies_left; /* of this phase: one for each RCPT */
	unsigned number;       /* of the message under way */
	unsigned sent;         /* messages of this connection */
	bool has_message;
	bool is_ahead; /* the next message's envelope left with the present one's content */
	unsigned next_number;
	uint64_t began_us, next_began_us;
	char reply[REPLY_MAX];
	size_t reply_len;
	char *commands; /* room for one envelope */
	size_t commands_len;
	char number_line[NUMBER_MAX];
	struct iovec out[3];
	unsigned out_count;
	bool waits_to_write;
};

static int poller;
static char *content; /* what follows the line with the number, the end of data included */
static size_t content_len, commands_room;
static unsigned next_number, acknowledged, failed, open_sessions;
static uint32_t *latencies_us;

static void session_open(struct session *s);
static void session_go_on(struct session *s);

/* --- what is said ------------------------------------------------------------------ */

static void watch(struct session *s, int how, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.ptr = s};

	if (epoll_ctl(poller, how, s->socket, &e) == -1)
		err(EX_OSERR, "epoll_ctl");
}

static void session_write(struct session *s)
{
	while (s->out_count > 0) {
		ssize_t written = writev(s->socket, s->out, (int)s->out_count);

		if (written < 0) {
			if (errno != EAGAIN)
				break; /* reading tells why */
			if (!s->waits_to_write)
				watch(s, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
			s->waits_to_write = true;
			return;
		}
		while (s->out_count > 0 && (size_t)written >= s->out[0].iov_len) {
			written -= (ssize_t)s->out[0].iov_len;
			memmove(s->out, s->out + 1, --s->out_count * sizeof s->out[0]);
		}
		if (s->out_count > 0) {
			s->out[0].iov_base = (char *)s->out[0].iov_base + written;
			s->out[0].iov_len -= (size_t)written;
		}
	}
	if (s->waits_to_write)
		watch(s, EPOLL_CTL_MOD, EPOLLIN);
	s->waits_to_write = false;
}

static void queue_octets(struct session *s, const void *data, size_t len)
{
	if (len > 0)
		s->out[s->out_count++] = (struct iovec){(void *)(uintptr_t)data, len};
}

static void say(struct session *s, const char *line)
{
	queue_octets(s, line, strlen(line));
	session_write(s);
}

__attribute__((format(printf, 2, 3))) static void add_command(
    struct session *s, const char *format, ...)
{
	va_list arguments;
	int len;

	va_start(arguments, format);
	len = vsnprintf(
	    s->commands + s->commands_len, commands_room - s->commands_len, format, arguments);
	va_end(arguments);
	if (len < 0 || (size_t)len >= commands_room - s->commands_len)
		errx(EX_SOFTWARE, "an envelope does not fit %zu octets", commands_room);
	s->commands_len += (size_t)len;
}

static const char *recipient(unsigned number, unsigned copy)
{
	return options
	    .recipients[(number * (size_t)options.copies + copy) % options.recipient_count];
}

static void add_envelope(struct session *s, unsigned number)
{
	s->commands_len = 0;
	add_command(s, "MAIL FROM:<%s>\r\n", options.sender);
	for (unsigned i = 0; i < options.copies; i++)
		add_command(s, "RCPT TO:<%s>\r\n", recipient(number, i));
	add_command(s, "DATA\r\n");
}

/* --- a message ---------------------------------------------------------------------- */

static bool connection_is_used_up(const struct session *s)
{
	return options.per_connection > 0 && s->sent >= options.per_connection;
}

static void say_mail(struct session *s)
{
	s->commands_len = 0;
	add_command(s, "MAIL FROM:<%s>\r\n", options.sender);
	queue_octets(s, s->commands, s->commands_len);
	session_write(s);
}

static void say_recipient(struct session *s)
{
	s->commands_len = 0;
	add_command(s, "RCPT TO:<%s>\r\n", recipient(s->number, options.copies - s->replies_left));
	queue_octets(s, s->commands, s->commands_len);
	session_write(s);
}

static void begin_message(struct session *s)
{
	bool was_ahead = s->is_ahead;

	s->number = was_ahead ? s->next_number : next_number++;
	s->began_us = was_ahead ? s->next_began_us : clock_monotonic_us();
	s->is_ahead = false;
	s->has_message = true;
	s->sent++;
	s->phase = MAIL;
	if (was_ahead)
		return;
	if (!options.pipelined) {
		say_mail(s);
		return;
	}
	add_envelope(s, s->number);
	queue_octets(s, s->commands, s->commands_len);
	session_write(s);
}

static void say_content(struct session *s)
{
	int len =
	    snprintf(s->number_line, sizeof s->number_line, "Message-ID: <%u@load>\r\n", s->number);

	s->phase = CONTENT;
	queue_octets(s, s->number_line, (size_t)len);
	queue_octets(s, content, content_len);
	if (options.pipelined && next_number < options.messages && !connection_is_used_up(s)) {
		s->is_ahead = true;
		s->next_number = next_number++;
		s->next_began_us = clock_monotonic_us();
		add_envelope(s, s->next_number);
		queue_octets(s, s->commands, s->commands_len);
	}
	session_write(s);
}

static void message_acknowledged(struct session *s)
{
	latencies_us[acknowledged++] = (uint32_t)(clock_monotonic_us() - s->began_us);
	s->has_message = false;
	session_go_on(s);
}

static void session_go_on(struct session *s)
{
	if (s->is_ahead || (next_number < options.messages && !connection_is_used_up(s))) {
		begin_message(s);
		return;
	}
	s->phase = QUIT;
	say(s, "QUIT\r\n");
}

static void session_close(struct session *s)
{
	failed += s->has_message + s->is_ahead;
	s->has_message = s->is_ahead = false;
	close(s->socket);
	s->phase = OVER;
	open_sessions--;
}

static void session_fail(struct session *s, const char *why)
{
	static unsigned told;

	if (told++ < 10)
		warnx("a session in phase %d ends: %s", (int)s->phase, why);
	session_close(s);
}

/* --- what is answered --------------------------------------------------------------- */

static void take_reply(struct session *s, char *line)
{
	char wanted = s->phase == DATA ? '3' : '2';

	if (line[0] != wanted) {
		session_fail(s, line);
		return;
	}
	switch (s->phase) {
	case GREETING:
		s->phase = HELLO;
		say(s, "EHLO client.example\r\n");
		return;
	case HELLO:
		session_go_on(s);
		return;
	case MAIL:
		s->phase = RCPT;
		s->replies_left = options.copies;
		if (!options.pipelined)
			say_recipient(s);
		return;
	case RCPT:
		if (--s->replies_left > 0) {
			if (!options.pipelined)
				say_recipient(s);
			return;
		}
		s->phase = DATA;
		if (!options.pipelined)
			say(s, "DATA\r\n");
		return;
	case DATA:
		say_content(s);
		return;
	case CONTENT:
		message_acknowledged(s);
		return;
	default:
		session_close(s);
	}
}

static void take_lines(struct session *s)
{
	char *line = s->reply, *end = s->reply + s->reply_len, *newline;

	while (s->phase != OVER && (newline = memchr(line, '\n', (size_t)(end - line))) != NULL) {
		*newline = '\0';
		if (newline - line >= 4 && line[3] != '-')
			take_reply(s, line);
		line = newline + 1;
	}
	s->reply_len = (size_t)(end - line);
	memmove(s->reply, line, s->reply_len);
}

static void session_read(struct session *s)
{
	ssize_t got = read(s->socket, s->reply + s->reply_len, sizeof s->reply - s->reply_len);

	if (got < 0 && errno == EAGAIN)
		return;
	if (got <= 0) {
		session_fail(s, got == 0 ? "the server has closed it" : strerror(errno));
		return;
	}
	s->reply_len += (size_t)got;
	take_lines(s);
}

static void session_ready(struct session *s, uint32_t events)
{
	int one = 1;

	if (s->phase == CONNECTING && (events & EPOLLOUT) != 0) {
		s->phase = GREETING;
		setsockopt(s->socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		watch(s, EPOLL_CTL_MOD, EPOLLIN);
	}
	if ((events & EPOLLOUT) != 0 && s->waits_to_write)
		session_write(s);
	if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
		session_read(s);
	if (s->phase == OVER && next_number < options.messages)
		session_open(s);
}

static void session_open(struct session *s)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options.port)};

	if (inet_pton(AF_INET, options.host, &to.sin_addr) != 1)
		errx(EX_USAGE, "%s is not an IPv4 address", options.host);
	s->socket = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->socket == -1)
		err(EX_OSERR, "socket");
	s->phase = CONNECTING;
	s->sent = s->out_count = 0;
	s->reply_len = 0;
	s->waits_to_write = false;
	open_sessions++;
	if (connect(s->socket, (struct sockaddr *)&to, sizeof to) == -1 && errno != EINPROGRESS)
		err(EX_UNAVAILABLE, "%s:%u", options.host, options.port);
	watch(s, EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT);
}

/* --- the run ------------------------------------------------------------------------ */

/* Field lines and lines of text up to the size asked for, then the end of data. */
static void make_content(void)
{
	static const char header[] = "From: Load <load@client.example>\r\nTo: many\r\n"
				     "Subject: a message of a load test\r\n\r\n";
	size_t at = sizeof header - 1, end = options.size > at ? options.size : at;

	content = malloc(end + LINE_OCTETS + 5);
	if (content == NULL)
		err(EX_OSERR, "content");
	memcpy(content, header, at);
	while (at < end) {
		size_t len = end - at < LINE_OCTETS ? end - at : LINE_OCTETS;

		if (len < 3)
			len = 3;
		memset(content + at, 'a' + (int)(at / LINE_OCTETS % 26), len - 2);
		memcpy(content + at + len - 2, "\r\n", 2);
		at += len;
	}
	memcpy(content + at, ".\r\n", 3);
	content_len = at + 3;
}

static int compare_latencies(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static double percentile_ms(unsigned percent)
{
	size_t which = (size_t)acknowledged * percent / 100;

	if (acknowledged == 0)
		return 0;
	return latencies_us[which < acknowledged ? which : acknowledged - 1] / 1000.0;
}

static void report(double seconds)
{
	qsort(latencies_us, acknowledged, sizeof latencies_us[0], compare_latencies);
	printf("messages=%u acknowledged=%u failed=%u seconds=%.3f rate=%.1f "
	       "p50_ms=%.2f p95_ms=%.2f p99_ms=%.2f max_ms=%.2f\n",
	    options.messages, acknowledged, failed, seconds, acknowledged / seconds,
	    percentile_ms(50), percentile_ms(95), percentile_ms(99), percentile_ms(100));
}

static void run(void)
{
	struct session *sessions = calloc(options.sessions, sizeof *sessions);
	uint64_t began = clock_monotonic_us(), limit = began + options.seconds * 1000000ULL;

	poller = epoll_create1(EPOLL_CLOEXEC);
	if (sessions == NULL || poller == -1)
		err(EX_OSERR, "sessions");
	for (unsigned i = 0; i < options.sessions; i++) {
		sessions[i].commands = malloc(commands_room);
		if (sessions[i].commands == NULL)
			err(EX_OSERR, "sessions");
		session_open(&sessions[i]);
	}
	while (open_sessions > 0 && clock_monotonic_us() < limit) {
		struct epoll_event events[EVENTS_MAX];
		int count = epoll_wait(poller, events, EVENTS_MAX, TICK_MILLISECONDS);

		for (int i = 0; i < count; i++)
			session_ready(events[i].data.ptr, events[i].events);
	}
	report((double)(clock_monotonic_us() - began) / 1e6);
}

static unsigned number_of(const char *name, const char *text, unsigned long max)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*text == '\0' || *end != '\0' || value > max)
		errx(EX_USAGE, "--%s: a number up to %lu is wanted, not %s", name, max, text);
	return (unsigned)value;
}

static void take_recipients(char *list)
{
	size_t longest = 0;

	options.recipients = calloc(RECIPIENTS_MAX, sizeof *options.recipients);
	if (options.recipients == NULL)
		err(EX_OSERR, "recipients");
	for (char *one; (one = strsep(&list, ",")) != NULL;) {
		if (options.recipient_count == RECIPIENTS_MAX)
			errx(EX_USAGE, "more than %d recipients", RECIPIENTS_MAX);
		options.recipients[options.recipient_count++] = one;
		if (strlen(one) > longest)
			longest = strlen(one);
	}
	commands_room = longest + 32;
}

static const struct option names[] = {
    {"host",           required_argument, NULL, 'h'},
    {"port",           required_argument, NULL, 'p'},
    {"sessions",       required_argument, NULL, 's'},
    {"messages",       required_argument, NULL, 'm'},
    {"size",           required_argument, NULL, 'z'},
    {"recipients",     required_argument, NULL, 'r'},
    {"copies",         required_argument, NULL, 'c'},
    {"sender",         required_argument, NULL, 'f'},
    {"per-connection", required_argument, NULL, 'n'},
    {"seconds",        required_argument, NULL, 't'},
    {"pipelined",      no_argument,       NULL, 'l'},
    {NULL,             0,                 NULL, 0  }
};

static void usage(void)
{
	fprintf(stderr,
	    "usage: smtp_load --port N --recipients ADDRESS,... [--host ADDRESS] [--sessions N]\n"
	    "    [--messages N] [--size OCTETS] [--copies RECIPIENTS-OF-A-MESSAGE] [--sender "
	    "ADDRESS]\n"
	    "    [--per-connection MESSAGES] [--seconds LIMIT] [--pipelined]\n");
	exit(EX_USAGE);
}

static void take_options(int argc, char **argv)
{
	int which, index = 0;

	while ((which = getopt_long(argc, argv, "", names, &index)) != -1) {
		const char *name = names[index].name;

		switch (which) {
		case 'h':
			options.host = optarg;
			break;
		case 'p':
			options.port = number_of(name, optarg, 65535);
			break;
		case 's':
			options.sessions = number_of(name, optarg, SESSIONS_MAX);
			break;
		case 'm':
			options.messages = number_of(name, optarg, MESSAGES_MAX);
			break;
		case 'z':
			options.size = number_of(name, optarg, CONTENT_MAX);
			break;
		case 'r':
			take_recipients(optarg);
			break;
		case 'c':
			options.copies = number_of(name, optarg, COPIES_MAX);
			break;
		case 'f':
			options.sender = optarg;
			break;
		case 'n':
			options.per_connection = number_of(name, optarg, MESSAGES_MAX);
			break;
		case 't':
			options.seconds = number_of(name, optarg, 3600);
			break;
		case 'l':
			options.pipelined = true;
			break;
		default:
			usage();
		}
	}
	if (optind != argc || options.port == 0 || options.recipient_count == 0 ||
	    options.sessions == 0 || options.messages == 0 || options.copies == 0)
		usage();
	if (options.sessions > options.messages)
		options.sessions = options.messages;
}

int main(int argc, char **argv)
{
	take_options(argc, argv);
	commands_room = commands_room * options.copies + strlen(options.sender) + 64;
	make_content();
	latencies_us = calloc(options.messages, sizeof *latencies_us);
	if (latencies_us == NULL)
		err(EX_OSERR, "latencies");
	run();
	return acknowledged == options.messages ? EX_OK : 1;
}
