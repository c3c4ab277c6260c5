/*
 * session.c - one client's SMTP session: its input, its waits and its end.
 *
 * Everything starts in the event loop: the client sent something, a question was
 * answered, a timer ran out.  Each of these ends in session_run(), which takes as
 * many commands as it can, and then hands the replies to the stream.
 */
#include "smtpd/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/conf.h"
#include "common/log.h"
#include "common/witness.h"
#include "smtpd/auth.h"
#include "smtpd/chunk.h"
#include "smtpd/commands.h"
#include "smtpd/data.h"
#include "smtpd/delay.h"
#include "smtpd/reply.h"

static TAILQ_HEAD(, session) sessions = TAILQ_HEAD_INITIALIZER(sessions);
static unsigned session_count;
static uint64_t last_number;
static bool is_stopping;

static void stream_readable(struct stream *, void *);
static void stream_drained(struct stream *, void *);
static void stream_secured(struct stream *, void *);
static void stream_ended(struct stream *, enum stream_end, void *);

static const struct stream_handlers handlers = {
    .readable = stream_readable,
    .drained = stream_drained,
    .secured = stream_secured,
    .closed = stream_ended,
};

unsigned sessions_count(void)
{
	return session_count;
}

bool session_is_secured(const struct session *s)
{
	return stream_is_secured(s->stream);
}

bool session_may_authenticate(const struct session *s)
{
	if (s->is_local)
		return false;
	return session_is_secured(s) || settings->auth.cleartext == CLEARTEXT_ALWAYS ||
	       (settings->auth.cleartext == CLEARTEXT_LOOPBACK && s->client.is_loopback);
}

void session_client(const struct session *s, char text[SESSION_CLIENT_MAX])
{
	const char *name = s->client_name != NULL ? s->client_name : "unknown";

	if (s->is_local)
		name = "local";
	snprintf(text, SESSION_CLIENT_MAX, "%s[%s]", name, s->client.text);
}

/* --- the end -------------------------------------------------------------------- */

static void withdraw(struct session *s, struct question *question)
{
	if (question->is_open)
		s->house->withdraw(question);
}

static void drop_recipients(struct session *s)
{
	struct session_recipient *recipient;

	while ((recipient = TAILQ_FIRST(&s->recipients)) != NULL) {
		withdraw(s, &recipient->question);
		TAILQ_REMOVE(&s->recipients, recipient, entry);
		free(recipient->fields);
		free(recipient);
	}
	s->recipient_count = 0;
}

/* A message that qmgr has, or may have, is waited for without the session. */
static void drop_transaction(struct session *s)
{
	if (s->transaction != NULL && s->transaction->question.is_open)
		s->transaction->session = NULL;
	else
		transaction_free(s->transaction);
	s->transaction = NULL;
}

static void drop_questions(struct session *s)
{
	withdraw(s, &s->question);
	withdraw(s, &s->name_question);
	gate_withdraw(s);
	drop_recipients(s);
	drop_transaction(s);
	s->is_blocked = false;
}

static void session_end(struct session *s)
{
	struct client peer = s->peer;
	const struct house *house = s->house;

	drop_questions(s);
	delay_forget(s);
	gate_forget(s);
	auth_forget(s);
	free(s->chunk.against);
	stream_free(s->stream);
	if (s->timer != NULL)
		event_free(s->timer);
	buf_free(&s->held);
	free(s->helo);
	free(s->login);
	free(s->client_name);
	TAILQ_REMOVE(&sessions, s, entry);
	session_count--;
	free(s);
	house->ended(&peer);
}

void session_close(struct session *s)
{
	drop_questions(s);
	delay_forget(s);
	reply_flush(s);
	event_del(s->timer);
	s->phase = PHASE_CLOSING;
	stream_close_when_sent(s->stream);
}

void session_part(struct session *s)
{
	session_close(s);
	stream_part(s->stream);
}

/* --- waiting --------------------------------------------------------------------- */

/* The client is in the middle of a message's octets. */
static bool is_receiving(const struct session *s)
{
	return s->phase == PHASE_CONTENT || s->phase == PHASE_CHUNK;
}

static void end_greeting_delay(struct session *s);
static void session_run(struct session *s);

static void restart_timer(struct session *s)
{
	int64_t seconds =
	    is_receiving(s) ? settings->smtp.data_timeout : settings->smtp.command_timeout;

	if (!s->is_delayed) /* it is in use then */
		event_add(s->timer, &(struct timeval){.tv_sec = seconds});
}

static bool awaits_answer(const struct session *s)
{
	return s->is_blocked || s->recipient_count > 0;
}

static void timed_out(int descriptor, short events, void *context)
{
	struct session *s = context;

	(void)descriptor, (void)events;
	if (s->phase == PHASE_GREETING) {
		end_greeting_delay(s);
		return;
	}
	if (delay_is_over(s)) {
		reply_send(s);
		restart_timer(s);
		session_run(s);
		return;
	}
	if (awaits_answer(s)) {
		/* It is not the client who is silent; questions have time-outs of their own. */
		restart_timer(s);
		return;
	}
	log_info("client-timed-out", log_string("client", s->client.text),
	    log_string("during", is_receiving(s) ? "message" : "commands"));
	reply(s, 421, "4.4.2", "%s timed out, closing connection", settings->hostname);
	session_close(s);
}

void session_expect(struct session *s, enum session_phase phase)
{
	struct stream_limits limits = stream_default_limits;

	s->phase = (uint8_t)phase;
	limits.input = is_receiving(s) ? SESSION_CONTENT_INPUT : SESSION_COMMAND_INPUT;
	limits.read_seconds = 0; /* our own timer, so that the client is told */
	limits.handshake_seconds = SESSION_HANDSHAKE_SECONDS;
	stream_set_limits(s->stream, &limits);
}

void session_block(struct session *s)
{
	s->is_blocked = true;
}

void session_reset(struct session *s)
{
	drop_transaction(s);
	s->pace.since_us = 0;
}

void session_forget(struct session *s)
{
	drop_questions(s);
	auth_forget(s);
	free(s->helo);
	s->helo = NULL;
	free(s->login);
	s->login = NULL;
	s->has_greeted = s->is_extended = false;
	s->skips_line = false;
}

/* --- input ------------------------------------------------------------------------- */

static const char bare_line[] = "Lines end in CR LF";

enum line { LINE_NONE, LINE_READY, LINE_TOO_LONG, LINE_BARE };

/*
 * Look at the next line: `octets` is its length with its end, and its text
 * (without the end) is copied out.  Nothing is taken from the input, except where
 * a line grows too long to be held: then its octets are forgotten as they come.
 */
static enum line peek_line(
    struct session *s, char text[SESSION_AUTH_LINE_MAX], struct slice *line, size_t *octets)
{
	struct evbuffer *input = stream_input(s->stream);
	struct evbuffer_ptr end = evbuffer_search_eol(input, NULL, NULL, EVBUFFER_EOL_LF);
	size_t len;

	if (end.pos < 0) {
		if (evbuffer_get_length(input) >= SESSION_AUTH_LINE_MAX || s->skips_line) {
			s->skips_line = true;
			evbuffer_drain(input, evbuffer_get_length(input));
		}
		return LINE_NONE;
	}
	*octets = (size_t)end.pos + 1;
	if (s->skips_line || *octets > SESSION_AUTH_LINE_MAX)
		return LINE_TOO_LONG;
	len = (size_t)end.pos;
	evbuffer_copyout(input, text, len);
	if (len > 0 && text[len - 1] == '\r')
		len--;
	else if (settings->smtp.bare_line_ends == BARE_LINE_ENDS_REFUSE)
		return LINE_BARE;
	*line = slice_of(text, len);
	return LINE_READY;
}

static void drop_line(struct session *s, size_t octets)
{
	s->skips_line = false;
	evbuffer_drain(stream_input(s->stream), octets);
}

/* The line holds, or may hold, a password: nothing of it stays in the buffer's memory. */
static void wipe_line(struct session *s, size_t octets)
{
	struct evbuffer *input = stream_input(s->stream);
	struct evbuffer_iovec piece;

	while (octets > 0 && evbuffer_peek(input, -1, NULL, &piece, 1) >= 1) {
		size_t len = piece.iov_len < octets ? piece.iov_len : octets;

		explicit_bzero(piece.iov_base, len);
		drop_line(s, len);
		octets -= len;
	}
}

/* The next command, where there is one and it may run now.  False: not before something happens. */
static bool take_command(struct session *s)
{
	char text[SESSION_AUTH_LINE_MAX];
	struct slice line, arguments;
	const struct command *command;
	size_t octets;

	switch (peek_line(s, text, &line, &octets)) {
	case LINE_NONE:
		return false;
	case LINE_TOO_LONG:
		if (s->recipient_count > 0)
			return false;
		drop_line(s, octets);
		reply(s, 500, "5.5.2", "Line too long");
		return true;
	case LINE_BARE:
		if (s->recipient_count > 0)
			return false;
		wipe_line(s, octets);
		reply(s, 500, "5.5.2", bare_line);
		return true;
	case LINE_READY:
		break;
	}
	command = command_find(line, &arguments);
	/* Replies keep the order of the commands: only RCPT need not wait for the RCPTs before it. */
	if (s->recipient_count > 0 && (command == NULL || !command->joins_recipients ||
					  s->recipient_count >= SESSION_RECIPIENTS_ASKED))
		return false;
	if (command != NULL && command->is_secret)
		wipe_line(s, octets);
	else
		drop_line(s, octets);
	command_run(s, command, line, octets, arguments);
	if (command != NULL && command->is_secret)
		explicit_bzero(text, sizeof text);
	return true;
}

static bool take_response(struct session *s)
{
	char text[SESSION_AUTH_LINE_MAX];
	struct slice line;
	size_t octets;

	switch (peek_line(s, text, &line, &octets)) {
	case LINE_NONE:
		return false;
	case LINE_BARE:
		wipe_line(s, octets);
		auth_forget(s);
		session_expect(s, PHASE_COMMAND);
		reply(s, 500, "5.5.2", bare_line);
		return true;
	case LINE_TOO_LONG:
		wipe_line(s, octets);
		auth_too_long(s);
		return true;
	case LINE_READY:
		wipe_line(s, octets);
		auth_response(s, line);
		explicit_bzero(text, sizeof text);
		return true;
	}
	return false;
}

/* A client that sends an octet now and then is never silent, and never done. */
static bool is_too_slow(struct session *s, size_t octets)
{
	uint64_t now_us = clock_monotonic_us();
	uint64_t passed_us = now_us - s->pace.since_us;
	uint64_t window_us = (uint64_t)settings->smtp.data_rate_window * 1000000;
	bool is_slow;

	/* A program on this host may write its message while it finds out what to say. */
	if (s->is_local)
		return false;
	s->pace.octets += octets;
	if (s->pace.since_us != 0 && passed_us < window_us)
		return false;
	is_slow = s->pace.since_us != 0 &&
		  s->pace.octets < (double)settings->smtp.data_rate * (double)passed_us / 1e6;
	s->pace = (struct pace){.since_us = now_us};
	return is_slow;
}

/* Take what there is of a message, or of a chunk. */
static bool receive(struct session *s, bool (*take)(struct session *s))
{
	struct evbuffer *input = stream_input(s->stream);
	size_t before = evbuffer_get_length(input);
	bool has_ended;

	restart_timer(s);
	has_ended = take(s);
	if (has_ended || !is_receiving(s) || !is_too_slow(s, before - evbuffer_get_length(input)))
		return has_ended;
	log_info("client-too-slow", log_string("client", s->client.text));
	reply(s, 421, "4.4.2", "%s waits no longer for so slow a message, closing connection",
	    settings->hostname);
	session_close(s);
	return false;
}

static bool take_input(struct session *s)
{
	if (s->is_blocked || delay_holds(s) || !stream_has_room(s->stream) ||
	    s->house->is_congested()) {
		/* Now it is not the client who is slow. */
		s->pace.since_us = 0;
		return false;
	}
	switch (s->phase) {
	case PHASE_COMMAND:
		return take_command(s);
	case PHASE_AUTH:
		return take_response(s);
	case PHASE_CONTENT:
		return receive(s, data_take);
	case PHASE_CHUNK:
		return receive(s, chunk_take);
	default:
		return false;
	}
}

static void shut_down(struct session *s)
{
	reply(s, 421, "4.3.2", "%s shutting down", settings->hostname);
	session_close(s);
}

/* Everything that can be done now is done: let the replies go, and see what is left. */
static void settle(struct session *s)
{
	if (s->phase == PHASE_CLOSING)
		return;
	if (s->held.overflowed) {
		/* Memory is short; a reply that is missing would put all others in the wrong place. */
		session_end(s);
		return;
	}
	if (s->errors >= settings->smtp.errors_limit) {
		log_info("too-many-errors", log_string("client", s->client.text));
		reply(
		    s, 421, "4.7.0", "%s too many errors, closing connection", settings->hostname);
		session_close(s);
		return;
	}
	/* While recipients are asked for, the replies before theirs wait for them. */
	if (s->recipient_count == 0 && delay_begin(s))
		return;
	if (s->recipient_count == 0)
		reply_flush(s);
	if (awaits_answer(s) || s->phase == PHASE_GREETING)
		return;
	if (is_stopping && !is_receiving(s)) {
		shut_down(s);
	} else if (s->input_ended && stream_has_room(s->stream) && !s->house->is_congested()) {
		if (is_receiving(s))
			log_info("client-gone", log_string("client", s->client.text));
		session_close(s);
	}
}

static void session_run(struct session *s)
{
	bool has_taken = false;

	while (s->errors < settings->smtp.errors_limit && !s->held.overflowed && take_input(s))
		has_taken = true;
	if (has_taken && s->phase != PHASE_CLOSING)
		restart_timer(s);
	settle(s);
}

void session_unblock(struct session *s)
{
	s->is_blocked = false;
	/* The answer may have ended it: nothing is read any more, nor waited for. */
	if (s->phase == PHASE_CLOSING)
		return;
	if (s->phase != PHASE_GREETING)
		restart_timer(s);
	session_run(s);
}

void sessions_resume(void)
{
	struct session *s, *next;

	TAILQ_FOREACH_SAFE (s, &sessions, entry, next)
		session_run(s);
}

/* --- the stream ---------------------------------------------------------------------- */

static void stream_readable(struct stream *stream, void *context)
{
	(void)stream;
	session_run(context);
}

static void stream_drained(struct stream *stream, void *context)
{
	(void)stream;
	session_run(context);
}

static void stream_secured(struct stream *stream, void *context)
{
	struct session *s = context;
	struct tls_facts facts;

	stream_tls_facts(stream, &facts);
	restart_timer(s);
	witness_log(stream, s->client.text);
	log_debug("tls", log_string("client", s->client.text),
	    log_string("protocol", facts.protocol), log_string("cipher", facts.cipher),
	    log_string("resumed", facts.resumed ? "yes" : "no"),
	    log_string("server-name", facts.server_name == NULL ? "" : facts.server_name));
}

static void stream_ended(struct stream *stream, enum stream_end end, void *context)
{
	struct session *s = context;

	switch (end) {
	case STREAM_END_OF_INPUT:
		s->input_ended = true;
		if (s->is_delayed) { /* who does not wait need not */
			session_close(s);
			return;
		}
		session_run(s);
		return;
	case STREAM_CLOSED:
		log_debug("disconnected", log_string("client", s->client.text),
		    log_number("messages", s->message_count));
		break;
	case STREAM_TLS_FAILED:
		log_info("tls-failed", log_string("client", s->client.text),
		    log_string("reason", stream_error(stream)));
		break;
	case STREAM_FAILED:
	case STREAM_TIMED_OUT:
		if (is_receiving(s))
			log_info("client-gone", log_string("client", s->client.text),
			    log_string("reason", stream_error(stream)));
		else
			log_debug("connection-lost", log_string("client", s->client.text),
			    log_string("reason", stream_error(stream)));
		break;
	}
	session_end(s);
}

/* --- the beginning --------------------------------------------------------------------- */

bool session_start_tls(struct session *s, struct tls_server *tls)
{
	if (!stream_start_tls_server(s->stream, tls))
		return false;
	/* Hosts are no users, and some do not like to be asked. */
	if (s->service != SERVICE_MX)
		witness_ask(s->stream);
	return true;
}

static bool session_set_up(struct session *s, struct event_base *base, int socket)
{
	bool implicit_tls = s->service == SERVICE_SUBMISSIONS && !s->is_local;
	struct tls_server *tls = s->house->tls();

	s->stream = stream_new(base, socket, &handlers, s);
	if (s->stream == NULL)
		return false;
	s->timer = evtimer_new(base, timed_out, s);
	if (s->timer == NULL)
		return false;
	if (s->is_local) {
		s->login = strdup(s->client.user);
		if (s->login == NULL)
			return false;
	}
	session_expect(s, PHASE_COMMAND);
	return !implicit_tls || (tls != NULL && session_start_tls(s, tls));
}

static void say_welcome(struct session *s)
{
	static const struct verdict too_early = {
	    VERDICT_DISCONNECT, 521, "5.5.1", "Talked before it was greeted", "smtp.early-talkers"};

	if (s->client.talked_early && settings->smtp.early_talkers == EARLY_TALKERS_DISCONNECT) {
		gate_log(s, GATE_CONNECT, &too_early, SLICE(""));
		gate_refuse(s, &too_early);
	} else {
		reply(s, 220, NULL, "%s ESMTP", settings->hostname);
	}
}

/* The client was silent until now, or it was not (RFC 5321, 3.1: it has to wait for the greeting). */
static void end_greeting_delay(struct session *s)
{
	if (!s->client.talked_early && evbuffer_get_length(stream_input(s->stream)) > 0) {
		s->client.talked_early = s->peer.talked_early = true;
		log_info("talked-early", log_string("client", s->client.text));
	}
	session_expect(s, PHASE_COMMAND);
	say_welcome(s);
	if (s->phase != PHASE_CLOSING)
		restart_timer(s);
	session_run(s);
}

static void welcome(struct session *s, const struct verdict *against)
{
	unsigned seconds = delay_of_greeting(s);
	struct verdict last;

	s->has_waited = true;
	if (against == NULL && seconds > 0) {
		session_expect(s, PHASE_GREETING);
		event_add(s->timer, &(struct timeval){.tv_sec = seconds});
		return;
	}
	if (against == NULL) {
		say_welcome(s);
		return;
	}
	/* Without a greeting there is nothing that the client could say (RFC 5321, 3.1). */
	last = *against;
	last.answer = VERDICT_DISCONNECT;
	last.code = (uint16_t)verdict_code(against);
	slice_copy(slice_string(verdict_status(against)), last.status, sizeof last.status);
	gate_refuse(s, &last);
}

void session_greet(struct session *s)
{
	gate_ask(s, GATE_CONNECT, welcome);
}

bool session_begin(struct event_base *base, int socket, enum service service,
    const struct client *client, const struct house *house)
{
	struct session *s = calloc(1, sizeof *s);

	if (s == NULL) {
		close(socket);
		return false;
	}
	s->house = house;
	s->client = s->peer = *client;
	s->service = service;
	s->is_local = client->family == AF_UNIX;
	s->has_greeted = s->is_local;
	s->is_submission = service != SERVICE_MX && !s->is_local;
	s->number = ++last_number;
	s->held = buf_with_limit(SESSION_HELD_MAX);
	TAILQ_INIT(&s->recipients);
	if (!session_set_up(s, base, socket)) {
		stream_free(s->stream);
		if (s->timer != NULL)
			event_free(s->timer);
		free(s->login);
		free(s);
		return false;
	}
	TAILQ_INSERT_TAIL(&sessions, s, entry);
	session_count++;
	log_debug("connected", log_string("client", s->client.text),
	    log_string("service", service_name(service)),
	    log_number("early", client->talked_early));
	restart_timer(s);
	session_greet(s);
	settle(s);
	return true;
}

/* --- the end of all ----------------------------------------------------------------------- */

static void session_stop(struct session *s)
{
	bool is_committing = s->transaction != NULL && s->transaction->question.is_open;

	if (s->phase == PHASE_CLOSING || is_committing)
		return;
	if (is_receiving(s))
		session_end(s);
	else
		shut_down(s);
}

void sessions_stop(void)
{
	struct session *s, *next;

	is_stopping = true;
	TAILQ_FOREACH_SAFE (s, &sessions, entry, next)
		session_stop(s);
}
