/*
 * commands.c - the verbs of SMTP: one function each, in a table.
 */
#include "smtpd/commands.h"

#include <stdlib.h>
#include <string.h>

#include "common/conf.h"
#include "common/log.h"
#include "message/address.h"
#include "message/encoding.h"
#include "message/spelling.h"
#include "smtpd/auth.h"
#include "smtpd/chunk.h"
#include "smtpd/data.h"
#include "smtpd/gate.h"
#include "smtpd/limits.h"
#include "smtpd/parameters.h"
#include "smtpd/recipients.h"
#include "smtpd/reply.h"
#include "smtpd/session.h"
#include "smtpd/submit.h"
#include "smtpd/wishes.h"
#include "smtpd/xclient.h"

enum {
	HELO_MAX = 255,  /* octets of a domain (RFC 5321, 4.5.3.1.2) */
	VERBS_MAX = 24   /* octets looked at */
};

/* --- HELO, EHLO ------------------------------------------------------------------ */

static void client_named(void *asker, struct slice name, bool is_certain)
{
	struct session *s = asker;

	if (name.len > 0)
		s->client_name = slice_dup(name);
	s->name_state = is_certain ? ACCESS_NAME_NONE : ACCESS_NAME_FAILED;
	gate_named(s);
}

static void ask_name(struct session *s)
{
	if (s->is_local || s->client_name != NULL || s->name_state != ACCESS_NAME_PENDING ||
	    s->name_question.is_open)
		return;
	if (s->client.is_loopback) {
		s->client_name = strdup("localhost"); /* RFC 6761, 6.3 */
		return;
	}
	s->name_question.asker = s;
	s->name_question.answered.name = client_named;
	if (!s->house->name(&s->name_question, &s->client))
		s->name_state = ACCESS_NAME_FAILED;
}

/* Nothing may be sent behind these commands before they are answered (RFC 2920, 3.1). */
static void note_pipelining(struct session *s, const char *behind)
{
	if (s->is_pipelining || s->is_local || evbuffer_get_length(stream_input(s->stream)) == 0)
		return;
	s->is_pipelining = true;
	log_info("pipelined-early", log_string("client", s->client.text),
	    log_string("behind", behind));
}

/* Clients say all sorts of things here; what matters is that it can stand in a header. */
static bool greet(struct session *s, struct slice name, bool is_extended)
{
	char *helo;

	if (name.len == 0 || name.len > HELO_MAX || slice_find(name, 0, ' ') >= 0) {
		reply(s, 501, NULL, "Say who you are: a domain or an address literal");
		return false;
	}
	helo = slice_dup(name);
	if (helo == NULL) {
		reply(s, 451, "4.3.0", "Out of memory");
		return false;
	}
	free(s->helo);
	s->helo = helo;
	s->has_greeted = true;
	s->is_extended = is_extended;
	session_reset(s);
	ask_name(s);
	return true;
}

static void offer_extensions(struct session *s)
{
	reply_more(s, 250, NULL, "%s", settings->hostname);
	reply_more(s, 250, NULL, "PIPELINING");
	reply_more(s, 250, NULL, "SIZE %llu", (unsigned long long)submit_size_limit(s));
	if (!s->is_local && !session_is_secured(s) && s->house->tls() != NULL)
		reply_more(s, 250, NULL, "STARTTLS");
	if (s->login == NULL && session_may_authenticate(s))
		auth_offer(s);
	reply_more(s, 250, NULL, "8BITMIME");
	reply_more(s, 250, NULL, "CHUNKING");
	reply_more(s, 250, NULL, "DSN");
	reply_more(s, 250, NULL, "SMTPUTF8");
	reply_more(s, 250, NULL, "LIMITS RCPTMAX=%u", submit_recipients_limit(s));
	wishes_offer(s);
	if (xclient_is_offered(s))
		reply_more(s, 250, NULL, XCLIENT_OFFER);
	reply(s, 250, NULL, "ENHANCEDSTATUSCODES");
	reply_flush(s);
}

static void helo_judged(struct session *s, const struct verdict *against)
{
	if (against != NULL) {
		s->has_greeted = s->is_local;
		gate_refuse(s, against);
	} else if (s->is_extended) {
		offer_extensions(s);
	} else {
		reply(s, 250, NULL, "%s", settings->hostname);
	}
}

static void cmd_helo(struct session *s, struct slice arguments)
{
	note_pipelining(s, "HELO");
	if (greet(s, arguments, false))
		gate_ask(s, GATE_HELO, helo_judged);
}

static void cmd_ehlo(struct session *s, struct slice arguments)
{
	note_pipelining(s, "EHLO");
	if (greet(s, arguments, true))
		gate_ask(s, GATE_HELO, helo_judged);
}

/* --- STARTTLS, AUTH --------------------------------------------------------------- */

static void cmd_starttls(struct session *s, struct slice arguments)
{
	struct tls_server *tls = s->house->tls();

	(void)arguments;
	if (session_is_secured(s) || s->is_local) {
		reply(s, 503, "5.5.1", "TLS is not to be had here");
		return;
	}
	if (tls == NULL) {
		reply(s, 454, "4.7.0", "TLS not available");
		return;
	}
	session_forget(s);
	reply(s, 220, "2.0.0", "Ready to start TLS");
	reply_send(s);
	/* Throws away what the client, or somebody between, has sent behind the command. */
	if (!session_start_tls(s, tls))
		session_close(s);
}

/* Too many passwords were wrong: this one is not even looked at. */
static void turn_away(struct session *s)
{
	reply(s, 421, "4.7.0", "%s too many failed logins, try again later", settings->hostname);
	session_close(s);
}

static void cmd_auth(struct session *s, struct slice arguments)
{
	if (s->is_local || s->login != NULL || s->transaction != NULL)
		reply(s, 503, "5.5.1", "AUTH is not to be used now");
	else if (!session_may_authenticate(s))
		reply(s, 538, "5.7.11", "Encryption required for authentication");
	else if (limits_against_auth(s) == NULL)
		auth_begin(s, arguments);
	else
		turn_away(s);
}

/* --- MAIL --------------------------------------------------------------------------- */

/* "<postmaster>", and what a user of this host leaves out: the domain is ours (RFC 5321, 4.5.1). */
static void qualify(struct address *address)
{
	if (address->is_null || address->domain.len > 0)
		return;
	address->domain = slice_string(
	    settings->domains.count > 0 ? settings->domains.words[0] : settings->hostname);
}

/* "FROM:" or "TO:", blanks, a path; then parameters.  What many clients write is taken: a blank after the colon. */
static bool parse_path(struct slice arguments, struct slice keyword, unsigned flags,
    struct address *address, struct slice *parameters)
{
	struct cursor in = cursor_over(arguments);
	ssize_t len;

	if (!cursor_accept_nocase(&in, keyword))
		return false;
	while (octet_is_space(cursor_peek(&in)))
		cursor_skip(&in, 1);
	len = address_parse_path(cursor_rest(&in), flags, address);
	if (len < 0)
		return false;
	cursor_skip(&in, (size_t)len);
	*parameters = cursor_rest(&in);
	qualify(address);
	return true;
}

/* Octets above 127 in an envelope that was not said to have them (RFC 6531, 3.5). */
static const struct refusal not_ascii = {
    553, "5.6.7", "Only ASCII is taken in the envelope without SMTPUTF8"};

/* The form inside the house (spelling.h), or a reply that says why there is none. */
static bool sender_is_written(struct session *s, const struct address *address,
    struct slice arguments, bool smtputf8, struct buf *out)
{
	if (!smtputf8 && !is_ascii(arguments)) {
		reply(s, not_ascii.code, not_ascii.status, "%s", not_ascii.text);
		return false;
	}
	if (!address_write_house(address, out)) {
		reply(s, 501, "5.1.7", "Not an address that mail can be sent from");
		return false;
	}
	return true;
}

static void mail_judged(struct session *s, const struct verdict *against)
{
	if (against == NULL) {
		wishes_reply(s);
		return;
	}
	session_reset(s);
	gate_refuse(s, against);
}

static void sender_answered(void *asker, const struct lookup_verdict *verdict)
{
	struct session *s = asker;

	s->is_blocked = false;
	if (verdict != NULL && verdict->answer == LOOKUP_ACCEPTED) {
		gate_ask(s, GATE_MAIL, mail_judged);
	} else {
		if (verdict != NULL)
			log_info("sender-refused",
			    log_slice("from", transaction_sender(s->transaction)),
			    log_string("client", s->client.text), log_string("login", s->login),
			    log_string("status", verdict->status), log_string("reason", verdict->text));
		session_reset(s);
		if (verdict != NULL)
			reply_verdict(s, verdict);
		else
			reply(s, 451, "4.3.0", "Temporary failure, try again later");
	}
	if (!s->is_blocked)
		session_unblock(s);
}

/* A user of ours may use some addresses and not others, and send so much and no more; lookup knows. */
static void accept_sender(struct session *s, struct slice address)
{
	if (!submit_has_account(s)) {
		gate_ask(s, GATE_MAIL, mail_judged);
		return;
	}
	s->question.asker = s;
	s->question.answered.verdict = sender_answered;
	if (s->house->sender(&s->question, slice_string(s->login), address, true)) {
		session_block(s);
	} else {
		session_reset(s);
		reply(s, 451, "4.3.0", "Temporary failure, try again later");
	}
}

static void cmd_mail(struct session *s, struct slice arguments)
{
	struct buf address = buf_with_limit(ENVELOPE_ADDRESS_MAX);
	struct mail_parameters mail = mail_parameters_none();
	struct address parsed;
	struct slice parameters;
	unsigned flags = ADDRESS_LENIENT | (s->is_local ? ADDRESS_NO_DOMAIN : 0);

	if (s->transaction != NULL) {
		reply(s, 503, "5.5.1", "One message at a time: sender already given");
	} else if (!submit_may_send(s)) {
		return;
	} else if (!parse_path(arguments, SLICE("FROM:"), flags, &parsed, &parameters)) {
		reply(s, 501, "5.1.7", "Syntax: MAIL FROM:<address>");
	} else if (!mail_parameters_take(s, parameters, &mail) ||
		   !sender_is_written(s, &parsed, arguments, mail.smtputf8, &address)) {
		;
	} else if (!s->house->queue_is_open()) {
		reply(s, 451, "4.3.0", "The queue is not available, try again later");
	} else if ((s->transaction = transaction_new(s, s->house)) == NULL ||
		   !transaction_set_sender(s->transaction, buf_slice(&address)) ||
		   !transaction_set_envid(s->transaction, buf_slice(&mail.envid))) {
		session_reset(s);
		reply(s, 451, "4.3.0", "Out of memory");
	} else {
		s->transaction->body = (uint8_t)mail.body;
		s->transaction->ret = (uint8_t)mail.ret;
		wishes_grant(&mail.wishes, s->transaction);
		s->transaction->declared_size = mail.size;
		s->transaction_count++;
		s->transaction->smtputf8 = mail.smtputf8;
		accept_sender(s, buf_slice(&address));
	}
	mail_parameters_free(&mail);
	buf_free(&address);
}

/* --- RCPT ------------------------------------------------------------------------------- */

/* The recipient that the command asks for, or why it cannot be one. */
static const struct refusal *read_recipient(struct session *s, struct slice arguments,
    struct buf *address, struct rcpt_parameters *rcpt)
{
	static const struct refusal syntax = {501, "5.1.3", "Syntax: RCPT TO:<address>"};
	static const struct refusal unspeakable = {
	    501, "5.1.3", "Not an address that mail can be sent to"};
	bool smtputf8 = s->transaction->smtputf8;
	struct address parsed;
	struct slice parameters;
	const struct refusal *refusal;
	unsigned flags = ADDRESS_LENIENT | ADDRESS_POSTMASTER | ADDRESS_NOT_NULL |
			 (s->is_local ? ADDRESS_NO_DOMAIN : 0);

	if (!parse_path(arguments, SLICE("TO:"), flags, &parsed, &parameters))
		return &syntax;
	if (!smtputf8 && !is_ascii(arguments))
		return &not_ascii;
	refusal = rcpt_parameters_take(parameters, smtputf8, rcpt);
	if (refusal != NULL)
		return refusal;
	return address_write_house(&parsed, address) ? NULL : &unspeakable;
}

static void cmd_rcpt(struct session *s, struct slice arguments)
{
	struct buf address = buf_with_limit(ENVELOPE_ADDRESS_MAX);
	struct rcpt_parameters rcpt = rcpt_parameters_none();
	const struct refusal *refusal;

	if (s->transaction == NULL) {
		reply(s, 503, "5.5.1", "Give the sender first: MAIL FROM:<address>");
	} else if (s->transaction->has_content) {
		reply(s, 503, "5.5.1", "The message was begun already");
	} else if ((refusal = read_recipient(s, arguments, &address, &rcpt)) != NULL) {
		recipient_refuse(s, *refusal);
	} else {
		recipient_ask(s, &(struct envelope_recipient){buf_slice(&address),
				     buf_slice(&rcpt.original), rcpt.notify});
	}
	rcpt_parameters_free(&rcpt);
	buf_free(&address);
}

/* --- the others ----------------------------------------------------------------------------- */

static void data_judged(struct session *s, const struct verdict *against)
{
	if (against == NULL) {
		data_begin(s);
		return;
	}
	session_reset(s);
	gate_refuse(s, against);
}

static void cmd_data(struct session *s, struct slice arguments)
{
	(void)arguments;
	if (s->transaction == NULL)
		reply(s, 503, "5.5.1", "Give sender and recipients first");
	else if (s->transaction->has_content)
		reply(s, 503, "5.5.1", "The message was begun with BDAT: go on with BDAT, or RSET");
	else if (s->transaction->recipient_count == 0)
		reply(s, 554, "5.5.1", "No valid recipients");
	else
		gate_ask(s, GATE_DATA, data_judged);
}

static void cmd_bdat(struct session *s, struct slice arguments)
{
	chunk_begin(s, arguments);
}

static void cmd_rset(struct session *s, struct slice arguments)
{
	(void)arguments;
	session_reset(s);
	reply(s, 250, "2.0.0", "Ok");
}

static void cmd_noop(struct session *s, struct slice arguments)
{
	(void)arguments;
	reply(s, 250, "2.0.0", "Ok");
	reply_flush(s);
}

/* SMTPUTF8 may stand at the end (RFC 6531, 3.7.4.2); what is said needs it not. */
static bool says_smtputf8(struct slice arguments)
{
	ssize_t blank = slice_find_last(arguments, ' ');

	return blank > 0 &&
	       slice_equal_nocase(slice_from(arguments, (size_t)blank + 1), SLICE("SMTPUTF8"));
}

static void cmd_vrfy(struct session *s, struct slice arguments)
{
	if (arguments.len == 0)
		reply(s, 501, "5.5.4", "Syntax: VRFY address");
	else if (!is_ascii(arguments) && !says_smtputf8(arguments))
		reply(s, not_ascii.code, not_ascii.status, "%s", not_ascii.text);
	else
		reply(s, 252, "2.0.0", "Send some mail, and I shall try to deliver it");
	reply_flush(s);
}

static void cmd_expn(struct session *s, struct slice arguments)
{
	(void)arguments;
	reply(s, 502, "5.5.1", "EXPN is not implemented");
	reply_flush(s);
}

static void cmd_help(struct session *s, struct slice arguments)
{
	(void)arguments;
	reply_more(
	    s, 214, "2.0.0", "HELO EHLO STARTTLS AUTH MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT");
	reply(s, 214, "2.0.0", "See RFC 5321; postmaster reads mail");
}

static void cmd_xclient(struct session *s, struct slice arguments)
{
	xclient_take(s, arguments);
}

static void cmd_quit(struct session *s, struct slice arguments)
{
	(void)arguments;
	reply(s, 221, "2.0.0", "%s closing connection", settings->hostname);
	session_part(s);
}

/* --- the table ---------------------------------------------------------------------------------- */

static const struct command commands[] = {
  /* verb, function, line_max, has_arguments, needs_greeting, joins_recipients, is_secret, is_followed */
    {SLICE("HELO"),     cmd_helo,     SESSION_LINE_MAX,      true,  false, false, false, false},
    {SLICE("EHLO"),     cmd_ehlo,     SESSION_LINE_MAX,      true,  false, false, false, false},
    {SLICE("MAIL"),     cmd_mail,     SESSION_PATH_LINE_MAX, true,  true,  false, false, false},
    {SLICE("RCPT"),     cmd_rcpt,     SESSION_PATH_LINE_MAX, true,  true,  true,  false, false},
    {SLICE("DATA"),     cmd_data,     SESSION_LINE_MAX,      false, true,  false, false, false},
    {SLICE("BDAT"),     cmd_bdat,     SESSION_LINE_MAX,      true,  false, false, false, true },
    {SLICE("RSET"),     cmd_rset,     SESSION_LINE_MAX,      false, false, false, false, false},
    {SLICE("NOOP"),     cmd_noop,     SESSION_LINE_MAX,      true,  false, false, false, false},
    {SLICE("QUIT"),     cmd_quit,     SESSION_LINE_MAX,      false, false, false, false, false},
    {SLICE("STARTTLS"), cmd_starttls, SESSION_LINE_MAX,      false, false, false, false, false},
    {SLICE("AUTH"),     cmd_auth,     SESSION_AUTH_LINE_MAX, true,  true,  false, true,  false},
    {SLICE("VRFY"),     cmd_vrfy,     SESSION_LINE_MAX,      true,  false, false, false, false},
    {SLICE("EXPN"),     cmd_expn,     SESSION_LINE_MAX,      true,  false, false, false, false},
    {SLICE("XCLIENT"),  cmd_xclient,  SESSION_PATH_LINE_MAX, true,  false, false, false, false},
    {SLICE("HELP"),     cmd_help,     SESSION_LINE_MAX,      true,  false, false, false, false},
};

/* What is said by programs that take us for something else; a browser made to talk to a mail server among them. */
static const struct slice foreign_verbs[] = {SLICE("GET"), SLICE("POST"), SLICE("PUT"),
    SLICE("HEAD"), SLICE("CONNECT"), SLICE("OPTIONS"), SLICE("PRI"), SLICE("PROXY")};

static struct slice verb_of(struct slice line)
{
	struct cursor in = cursor_over(slice_part(line, 0, VERBS_MAX));
	const char *start = in.at;

	while (!cursor_done(&in) && !octet_is_space(cursor_peek(&in)))
		cursor_skip(&in, 1);
	return cursor_since(&in, start);
}

const struct command *command_find(struct slice line, struct slice *arguments)
{
	struct slice verb = verb_of(line);

	*arguments = slice_trim(slice_from(line, verb.len));
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
		if (slice_equal_nocase(verb, commands[i].verb))
			return &commands[i];
	}
	return NULL;
}

/* Neither NUL nor other control characters have any place in a command. */
static bool is_text(struct slice line)
{
	for (size_t i = 0; i < line.len; i++) {
		if (octet_is_control((unsigned char)line.data[i]) && line.data[i] != '\t')
			return false;
	}
	return true;
}

static void unknown_command(struct session *s, struct slice line)
{
	struct slice verb = verb_of(line);

	for (size_t i = 0; i < sizeof foreign_verbs / sizeof foreign_verbs[0]; i++) {
		if (!slice_equal_nocase(verb, foreign_verbs[i]))
			continue;
		log_info("not-a-mail-client", log_string("client", s->client.text),
		    log_slice("verb", verb));
		reply(s, 421, "4.7.0", "%s this is a mail server", settings->hostname);
		session_close(s);
		return;
	}
	reply(s, 500, "5.5.1", "Command not recognized");
}

/* It cannot even be tried, and the client was told why. */
static bool is_refused(struct session *s, const struct command *command, struct slice line,
    size_t octets, struct slice arguments)
{
	if (octets > (command == NULL ? SESSION_LINE_MAX : command->line_max))
		reply(s, 500, "5.5.2", "Line too long");
	else if (!is_text(line))
		reply(s, 500, "5.5.2", "Control characters in a command");
	else if (!utf8_is_valid(line))
		reply(s, 500, "5.5.2", "Neither ASCII nor UTF-8");
	else if (command == NULL)
		unknown_command(s, line);
	else if (!command->has_arguments && arguments.len > 0)
		reply(s, 501, "5.5.4", "%.*s takes no arguments", SLICE_PRINTF(command->verb));
	else if (command->needs_greeting && !s->has_greeted)
		reply(s, 503, "5.5.1", "Say HELO or EHLO first");
	else
		return false;
	return true;
}

void command_run(struct session *s, const struct command *command, struct slice line, size_t octets,
    struct slice arguments)
{
	if (!is_refused(s, command, line, octets, arguments))
		command->run(s, arguments);
	else if (command != NULL && command->is_followed)
		session_close(s); /* what follows is no commands, and nobody knows where it ends */
}
