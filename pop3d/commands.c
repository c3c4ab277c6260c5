/*
 * commands.c - the verbs of POP3 before login (RFC 1939, 2449, 2595, 5034).
 */
#include <string.h>

#include "pop3d/login.h"

/* A verb is given what follows it, without the blank between them. */
typedef void login_verb(struct login *login, struct slice argument);

static login_verb cmd_auth, cmd_capa, cmd_pass, cmd_quit, cmd_stls, cmd_user;

static const struct {
	struct slice name;
	login_verb *run;
} commands[] = {
    {SLICE("AUTH"), cmd_auth},
    {SLICE("CAPA"), cmd_capa},
    {SLICE("PASS"), cmd_pass},
    {SLICE("QUIT"), cmd_quit},
    {SLICE("STLS"), cmd_stls},
    {SLICE("USER"), cmd_user},
};

static void reply(struct login *login, const char *text)
{
	front_printf(login->client, "%s\r\n", text);
}

static void reply_bad(struct login *login, const char *fault)
{
	login->bad_commands++;
	front_printf(login->client, "-ERR %s\r\n", fault);
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

void login_run(struct login *login, struct slice line)
{
	ssize_t blank = slice_find(line, 0, ' ');
	struct slice name = blank == -1 ? line : slice_part(line, 0, (size_t)blank);
	struct slice argument = blank == -1 ? slice_of(NULL, 0) : slice_from(line, (size_t)blank + 1);

	if (front_sasl_is_open(login->client)) {
		take_response(login, line);
		return;
	}
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
		if (slice_equal_nocase(name, commands[i].name)) {
			commands[i].run(login, argument);
			return;
		}
	reply_bad(login, "Unknown command, or one that needs a login");
}

/* ---- verbs --------------------------------------------------------------- */

static bool refuse_in_the_clear(struct login *login)
{
	if (front_may_login(login->client))
		return false;
	reply_bad(login, "[AUTH] Passwords are only taken under TLS");
	return true;
}

static void cmd_user(struct login *login, struct slice argument)
{
	argument = slice_trim(argument);
	if (refuse_in_the_clear(login))
		return;
	if (slice_is_empty(argument) || argument.len > AUTH_NAME_MAX) {
		reply_bad(login, "A name is missing, or too long");
		return;
	}
	login_forget_name(login);
	login->name = slice_of(slice_dup(argument), argument.len);
	if (login->name.data == NULL) {
		login->name.len = 0;
		reply(login, "-ERR [SYS/TEMP] Out of memory");
		return;
	}
	/* The same for every name: whether there is such a user is nobody's business. */
	reply(login, "+OK And the password?");
}

/* The argument is the rest of the line: a password may hold blanks (RFC 1939, 7). */
static void cmd_pass(struct login *login, struct slice argument)
{
	if (refuse_in_the_clear(login))
		return;
	if (slice_is_empty(login->name)) {
		reply_bad(login, "USER comes first");
		return;
	}
	front_login(login->client, "USER", login->name, argument);
	login_forget_name(login);
}

static void list_mechanisms(struct login *login)
{
	struct buf names = buf_with_limit(256);

	if (front_may_login(login->client))
		front_sasl_offer(login->client, "\r\n", &names);
	front_printf(login->client, "+OK%.*s\r\n.\r\n", SLICE_PRINTF(buf_slice(&names)));
	buf_free(&names);
}

static void cmd_auth(struct login *login, struct slice argument)
{
	ssize_t blank = slice_find(argument, 0, ' ');
	struct slice mechanism = blank == -1 ? argument : slice_part(argument, 0, (size_t)blank);

	if (slice_is_empty(argument)) {
		/* An old way to ask for the mechanisms. */
		list_mechanisms(login);
		return;
	}
	if (!front_sasl_offers(login->client, mechanism)) {
		reply_bad(login, "That mechanism is not offered");
		return;
	}
	if (refuse_in_the_clear(login))
		return;
	front_sasl_begin(login->client, mechanism,
	    blank == -1 ? slice_of(NULL, 0) : slice_from(argument, (size_t)blank + 1));
}

static void cmd_capa(struct login *login, struct slice argument)
{
	struct buf names = buf_with_limit(256);

	(void)argument;
	front_say(login->client, SLICE("+OK\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\nEXPIRE NEVER\r\n"));
	if (front_may_login(login->client)) {
		front_sasl_offer(login->client, " ", &names);
		front_printf(login->client, "USER\r\nSASL%.*s\r\n", SLICE_PRINTF(buf_slice(&names)));
	}
	buf_free(&names);
	if (front_offers_tls(login->client))
		front_say(login->client, SLICE("STLS\r\n"));
	front_say(login->client, SLICE("IMPLEMENTATION Petrel\r\n.\r\n"));
}

static void cmd_stls(struct login *login, struct slice argument)
{
	(void)argument;
	if (!front_offers_tls(login->client)) {
		reply_bad(login, "TLS is not offered here");
		return;
	}
	reply(login, "+OK Begin the handshake");
	/* Nothing that was said in the clear counts (RFC 2595, 4). */
	login_forget_name(login);
	login->bad_commands = login->failures = 0;
	if (!front_start_tls(login->client))
		front_end(login->client);
}

static void cmd_quit(struct login *login, struct slice argument)
{
	(void)argument;
	reply(login, "+OK Goodbye");
	front_end(login->client);
}
