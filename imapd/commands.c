/*
 * commands.c - the verbs of IMAP before login.
 */
#include <string.h>

#include "common/log.h"
#include "imapd/capability.h"
#include "imapd/id.h"
#include "imapd/login.h"

/*
 * A verb is given its arguments, from behind the verb on.  Where they are
 * malformed it returns, and what syntax.h noted as the fault is the reply.
 */
typedef void login_verb(struct login *login, struct syntax *s);

static login_verb cmd_authenticate, cmd_capability, cmd_id, cmd_login, cmd_logout, cmd_noop,
    cmd_starttls;

static const struct {
	struct slice name;
	login_verb *run;
} commands[] = {
    {SLICE("AUTHENTICATE"), cmd_authenticate},
    {SLICE("CAPABILITY"),   cmd_capability  },
    {SLICE("ID"),           cmd_id          },
    {SLICE("LOGIN"),        cmd_login       },
    {SLICE("LOGOUT"),       cmd_logout      },
    {SLICE("NOOP"),         cmd_noop        },
    {SLICE("STARTTLS"),     cmd_starttls    },
};

static login_verb *find_command(struct slice name)
{
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
		if (slice_equal_nocase(name, commands[i].name))
			return commands[i].run;
	return NULL;
}

static void reply(struct login *login, const char *text)
{
	front_printf(login->client, "%s %s\r\n", login->tag, text);
}

static void reply_bad(struct login *login, const char *fault)
{
	login->bad_commands++;
	front_printf(login->client, "%s BAD %s\r\n", login->tag, fault);
}

static void run(struct login *login, struct syntax *s)
{
	struct slice tag, name;
	login_verb *verb = NULL;

	strcpy(login->tag, "*");
	if (syntax_tag(s, &tag) && syntax_space(s)) {
		slice_copy(tag, login->tag, sizeof login->tag);
		if (syntax_atom(s, &name)) {
			verb = find_command(name);
			if (verb == NULL)
				syntax_fail(s, "Unknown command, or one that needs a login");
		}
	}
	if (verb != NULL)
		verb(login, s);
	if (s->fault != NULL)
		reply_bad(login, s->fault);
}

static void take_response(struct login *login, struct slice line)
{
	if (slice_equal(line, SLICE("*"))) {
		front_sasl_cancel(login->client);
		reply_bad(login, "Authentication cancelled");
	} else {
		front_sasl_take(login->client, line);
	}
}

void login_run(struct login *login)
{
	struct arena arena = arena_with_limit(LOGIN_ARENA_MAX);
	struct syntax s = syntax_over(gather_text(&login->gather), &arena);

	if (front_sasl_is_open(login->client))
		take_response(login, gather_text(&login->gather));
	else
		run(login, &s);
	arena_free(&arena);
	/* It may be a password. */
	gather_wipe(&login->gather);
}

/* ---- verbs --------------------------------------------------------------- */

void login_capabilities(const struct login *login, struct buf *out)
{
	buf_append_string(out, "CAPABILITY ");
	capability_write(out);
	if (front_offers_tls(login->client))
		buf_append_string(out, " STARTTLS");
	if (front_may_login(login->client))
		front_sasl_offer(login->client, " AUTH=", out);
	else
		buf_append_string(out, " LOGINDISABLED");
}

static void cmd_capability(struct login *login, struct syntax *s)
{
	struct buf capabilities = buf_with_limit(1024);

	if (!syntax_end(s))
		return;
	login_capabilities(login, &capabilities);
	front_printf(login->client, "* %.*s\r\n", SLICE_PRINTF(buf_slice(&capabilities)));
	buf_free(&capabilities);
	reply(login, "OK CAPABILITY completed");
}

static void cmd_noop(struct login *login, struct syntax *s)
{
	if (syntax_end(s))
		reply(login, "OK NOOP completed");
}

static void cmd_logout(struct login *login, struct syntax *s)
{
	if (!syntax_end(s))
		return;
	front_say(login->client, SLICE("* BYE Logging out\r\n"));
	reply(login, "OK LOGOUT completed");
	front_end(login->client);
}

static void cmd_id(struct login *login, struct syntax *s)
{
	struct buf text = buf_with_limit(2048);

	if (syntax_id(s, &text)) {
		log_debug("client-id", log_slice("id", buf_slice(&text)));
		front_say(login->client, SLICE(ID_RESPONSE));
		reply(login, "OK ID completed");
	}
	buf_free(&text);
}

static void cmd_starttls(struct login *login, struct syntax *s)
{
	if (!syntax_end(s))
		return;
	if (!front_offers_tls(login->client)) {
		reply_bad(login, "TLS is not offered here");
		return;
	}
	reply(login, "OK Begin the handshake");
	if (!front_start_tls(login->client)) {
		front_end(login->client);
		return;
	}
	/* Nothing that was said in the clear counts (RFC 3501, 6.2.1). */
	login->bad_commands = login->failures = 0;
}

static bool refuse_in_the_clear(struct login *login)
{
	if (front_may_login(login->client))
		return false;
	login->failures++;
	reply(login, "NO [PRIVACYREQUIRED] Passwords are only taken under TLS");
	return true;
}

static void cmd_login(struct login *login, struct syntax *s)
{
	struct slice name, password;

	if (!syntax_space(s) || !syntax_astring(s, &name) || !syntax_space(s) ||
	    !syntax_astring(s, &password) || !syntax_end(s))
		return;
	if (!refuse_in_the_clear(login))
		front_login(login->client, "LOGIN", name, password);
}

/* "PLAIN", or with SASL-IR (RFC 4959) "PLAIN response". */
static void cmd_authenticate(struct login *login, struct syntax *s)
{
	struct slice mechanism, response = {NULL, 0};

	if (!syntax_space(s) || !syntax_atom(s, &mechanism))
		return;
	if (!front_sasl_offers(login->client, mechanism)) {
		reply(login, "NO [CANNOT] That mechanism is not offered");
		return;
	}
	if (refuse_in_the_clear(login))
		return;
	if (syntax_accept(s, ' ') && !syntax_atom(s, &response))
		return;
	if (syntax_end(s))
		front_sasl_begin(login->client, mechanism, response);
}
