/*
 * session.c - a client of imapd before login: greeting, commands out of its
 * octets, and what becomes of its login.
 */
#include <event2/buffer.h>
#include <stdlib.h>
#include <string.h>

#include "common/conf.h"
#include "imapd/capability.h"
#include "imapd/login.h"

static int64_t connections_limit(void)
{
	return settings->imap.connections_limit;
}

static int64_t login_timeout(void)
{
	return settings->imap.login_timeout;
}

static bool greet(struct front_client *client, void **context)
{
	struct login *login = calloc(1, sizeof *login);
	struct buf capabilities = buf_with_limit(1024);

	if (login == NULL)
		return false;
	login->client = client;
	login->gather = gather_with_limit(GATHER_LOGIN_MAX);
	*context = login;
	login_capabilities(login, &capabilities);
	front_printf(client, "* OK [%.*s] %s Petrel IMAP is ready\r\n",
	    SLICE_PRINTF(buf_slice(&capabilities)), settings->hostname);
	buf_free(&capabilities);
	return true;
}

static void released(void *context)
{
	struct login *login = context;

	gather_free(&login->gather);
	free(login);
}

/* The tag of a command that is not run. */
static void read_tag(struct login *login)
{
	struct arena arena = arena_with_limit(LOGIN_ARENA_MAX);
	struct syntax s = syntax_over(gather_text(&login->gather), &arena);
	struct slice tag;

	if (!syntax_tag(&s, &tag) || !slice_copy(tag, login->tag, sizeof login->tag))
		strcpy(login->tag, "*");
	arena_free(&arena);
}

static void too_large(struct login *login)
{
	login->bad_commands++;
	front_printf(login->client, "%s BAD [TOOBIG] The literal is too large\r\n", login->tag);
}

static void take_literal(struct login *login)
{
	bool waits = login->gather.literal_waits;

	read_tag(login);
	if (!gather_accept(&login->gather)) {
		if (gather_refuse(&login->gather))
			too_large(login);
	} else if (waits)
		front_say(login->client, SLICE("+ OK\r\n"));
}

static void take_event(struct login *login, enum gather_event event)
{
	switch (event) {
	case GATHER_MORE:
		return;
	case GATHER_COMMAND:
		login_run(login);
		break;
	case GATHER_LITERAL:
		take_literal(login);
		break;
	case GATHER_REFUSED:
		too_large(login);
		break;
	case GATHER_TOO_LONG:
		front_say(login->client, SLICE("* BYE [TOOBIG] The command is too long\r\n"));
		front_end(login->client);
		return;
	}
	if (login->bad_commands >= LOGIN_BAD_MAX && front_is_talking(login->client)) {
		front_say(login->client, SLICE("* BYE Too many malformed commands\r\n"));
		front_end(login->client);
	}
}

static void input(struct front_client *client, void *context)
{
	struct login *login = context;
	struct evbuffer *in = front_input(client);

	while (front_is_talking(client) && evbuffer_get_length(in) > 0) {
		struct slice octets = slice_of(evbuffer_pullup(in, -1), evbuffer_get_length(in));
		enum gather_event event;
		size_t taken;

		/* A response has no literals. */
		login->gather.plain = front_sasl_is_open(client);
		event = gather_take(&login->gather, octets, &taken);
		/* It may be a password. */
		explicit_bzero(evbuffer_pullup(in, (ev_ssize_t)taken), taken);
		evbuffer_drain(in, taken);
		take_event(login, event);
	}
}

static const char *response_to(enum auth_verdict verdict)
{
	switch (verdict) {
	case AUTH_REFUSED:
		return "[AUTHENTICATIONFAILED] Wrong name or password";
	case AUTH_LIMITED:
		return "[LIMIT] Too many failures; try again later";
	default:
		return "[UNAVAILABLE] Cannot log you in just now; try again later";
	}
}

static void refused(struct front_client *client, void *context, enum auth_verdict verdict)
{
	struct login *login = context;

	if (verdict == AUTH_MALFORMED) {
		login->bad_commands++;
		front_printf(client, "%s BAD The response is malformed\r\n", login->tag);
		return;
	}
	front_printf(client, "%s NO %s\r\n", login->tag, response_to(verdict));
	if (++login->failures < LOGIN_FAILURES_MAX)
		return;
	front_say(client, SLICE("* BYE Too many failures\r\n"));
	front_end(client);
}

static void logged_in(struct front_client *client, void *context)
{
	struct login *login = context;
	struct buf capabilities = buf_with_limit(1024);

	capability_write(&capabilities);
	front_printf(client, "%s OK [CAPABILITY %.*s] Logged in\r\n", login->tag,
	    SLICE_PRINTF(buf_slice(&capabilities)));
	buf_free(&capabilities);
}

const struct front_protocol imap_front = {
    .role = ROLE_IMAPD,
    .service = SERVICE_IMAP,
    .tls_service = SERVICE_IMAPS,
    .input_limit = 2 * GATHER_LOGIN_MAX,
    .connections_limit = connections_limit,
    .login_timeout = login_timeout,
    .farewells =
	{
		    [FRONT_TIMED_OUT] = "* BYE You took too long to log in\r\n",
		    [FRONT_STOPPING] = "* BYE The server is shutting down\r\n",
		    [FRONT_SESSION_LOST] = "* BYE [UNAVAILABLE] Internal error; it has been logged\r\n",
		    [FRONT_TOO_MANY] = "* BYE [LIMIT] Too many connections; try again later\r\n",
		    [FRONT_NO_MEMORY] = "* BYE [UNAVAILABLE] Out of memory; try again later\r\n",
		    },
    .greet = greet,
    .input = input,
    .refused = refused,
    .logged_in = logged_in,
    .released = released,
};
