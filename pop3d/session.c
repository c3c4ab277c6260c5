/*
 * session.c - a client of pop3d before login: greeting, lines out of its
 * octets, and what becomes of its login.
 */
#include <event2/buffer.h>
#include <stdlib.h>
#include <string.h>

#include "common/conf.h"
#include "pop3d/login.h"

static int64_t connections_limit(void)
{
	return settings->pop3.connections_limit;
}

static int64_t login_timeout(void)
{
	return settings->pop3.login_timeout;
}

static bool greet(struct front_client *client, void **context)
{
	struct login *login = calloc(1, sizeof *login);

	if (login == NULL)
		return false;
	login->client = client;
	*context = login;
	front_printf(client, "+OK %s Petrel POP3 is ready\r\n", settings->hostname);
	return true;
}

void login_forget_name(struct login *login)
{
	free((char *)login->name.data);
	login->name = slice_of(NULL, 0);
}

static void released(void *context)
{
	struct login *login = context;

	login_forget_name(login);
	free(login);
}

static void send_away(struct login *login, const char *why)
{
	if (!front_is_talking(login->client))
		return;
	front_printf(login->client, "-ERR %s\r\n", why);
	front_end(login->client);
}

/* False: no whole line is there. */
static bool take_line(struct login *login, struct evbuffer *in)
{
	struct slice octets = slice_of(evbuffer_pullup(in, -1), evbuffer_get_length(in));
	ssize_t end = slice_find(octets, 0, '\n');
	struct slice line;

	if (end == -1 ? octets.len > LOGIN_LINE_MAX : end > LOGIN_LINE_MAX) {
		send_away(login, "The line is too long");
		return false;
	}
	if (end == -1)
		return false;
	line = slice_part(octets, 0, (size_t)end);
	if (slice_ends_with(line, SLICE("\r")))
		line.len--;
	login_run(login, line);
	/* STLS has thrown the input away, this line with it. */
	if (evbuffer_get_length(in) == 0)
		return false;
	/* It may have been a password. */
	explicit_bzero(evbuffer_pullup(in, end + 1), (size_t)end + 1);
	evbuffer_drain(in, (size_t)end + 1);
	if (login->bad_commands >= LOGIN_BAD_MAX)
		send_away(login, "Too many malformed commands");
	return true;
}

static void input(struct front_client *client, void *context)
{
	struct evbuffer *in = front_input(client);

	while (front_is_talking(client) && evbuffer_get_length(in) > 0 && take_line(context, in))
		;
}

/* RFC 3206 and 2449. */
static const char *response_to(enum auth_verdict verdict)
{
	switch (verdict) {
	case AUTH_REFUSED:
		return "[AUTH] Wrong name or password";
	case AUTH_LIMITED:
		return "[SYS/TEMP] Too many failures; try again later";
	default:
		return "[SYS/TEMP] Cannot log you in just now; try again later";
	}
}

static void refused(struct front_client *client, void *context, enum auth_verdict verdict)
{
	struct login *login = context;

	if (verdict == AUTH_MALFORMED) {
		login->bad_commands++;
		front_say(client, SLICE("-ERR The response is malformed\r\n"));
		return;
	}
	front_printf(client, "-ERR %s\r\n", response_to(verdict));
	if (++login->failures >= LOGIN_FAILURES_MAX)
		front_end(client);
}

static void logged_in(struct front_client *client, void *context)
{
	(void)context;
	front_say(client, SLICE("+OK Logged in\r\n"));
}

const struct front_protocol pop3_front = {
    .role = ROLE_POP3D,
    .service = SERVICE_POP3,
    .tls_service = SERVICE_POP3S,
    .input_limit = 2 * LOGIN_LINE_MAX,
    .connections_limit = connections_limit,
    .login_timeout = login_timeout,
    .farewells =
	{
	    [FRONT_TIMED_OUT] = "-ERR You took too long to log in\r\n",
	    [FRONT_STOPPING] = "-ERR [SYS/TEMP] The server is shutting down\r\n",
	    [FRONT_SESSION_LOST] = "-ERR [SYS/TEMP] Internal error; it has been logged\r\n",
	    [FRONT_TOO_MANY] = "-ERR [SYS/TEMP] Too many connections; try again later\r\n",
	    [FRONT_NO_MEMORY] = "-ERR [SYS/TEMP] Out of memory; try again later\r\n",
	},
    .greet = greet,
    .input = input,
    .refused = refused,
    .logged_in = logged_in,
    .released = released,
};
