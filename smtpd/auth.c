/*
 * auth.c - AUTH (RFC 4954).
 */
#include "smtpd/auth.h"

#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/channel_auth.h"
#include "common/log.h"
#include "message/sasl.h"
#include "smtpd/limits.h"
#include "smtpd/reply.h"
#include "smtpd/session.h"

void auth_forget(struct session *s)
{
	if (s->sasl == NULL)
		return;
	if (s->sasl->is_known)
		s->house->cancel(s->number);
	sasl_wipe(s->sasl);
	free(s->sasl);
	s->sasl = NULL;
}

/* The exchange is over, one way or the other. */
static void finish(struct session *s)
{
	auth_forget(s);
	session_expect(s, PHASE_COMMAND);
}

static void malformed(struct session *s)
{
	finish(s);
	reply(s, 501, "5.5.2", "Malformed authentication response");
}

void auth_too_long(struct session *s)
{
	finish(s);
	reply(s, 500, "5.5.6", "Authentication exchange line too long");
}

static void send_challenge(struct session *s)
{
	reply_challenge(s, buf_slice(&s->sasl->challenge));
}

/* --- the answer ---------------------------------------------------------------------- */

static void accept_login(struct session *s, const struct auth_result *result)
{
	stream_forget_proof(s->stream);
	s->login = strdup(result->account);
	if (s->login == NULL)
		reply(s, 454, "4.7.0", "Temporary authentication failure");
	else
		reply(s, 235, "2.7.0", "Authentication successful");
}

static void say_refused(struct session *s)
{
	reply(s, 535, "5.7.8", "Authentication credentials invalid");
}

static void refuse_login(struct session *s)
{
	limits_note_auth_failure(s);
	say_refused(s);
}

static void end_with(struct session *s, const struct auth_result *result)
{
	/* Whoever has answered so knows that it is over. */
	if (result != NULL)
		s->sasl->is_known = false;
	finish(s);
	if (result == NULL)
		reply(s, 454, "4.7.0", "Temporary authentication failure");
	else if (result->verdict == AUTH_OK && result->account[0] != '\0')
		accept_login(s, result);
	else if (result->verdict == AUTH_REFUSED)
		refuse_login(s);
	else if (result->verdict == AUTH_MALFORMED)
		reply(s, 501, "5.5.2", "Malformed authentication response");
	else if (result->verdict == AUTH_LIMITED)
		reply(s, 454, "4.7.0", "Too many failed logins, try again later");
	else
		reply(s, 454, "4.7.0", "Temporary authentication failure");
}

/* It counts now: the client need not wait for the reply that says so. */
static void tell_why(struct session *s)
{
	limits_note_auth_failure(s);
	send_challenge(s);
}

static void login_answered(void *asker, const struct auth_result *result)
{
	struct session *s = asker;

	if (result != NULL && result->verdict == AUTH_CONTINUE && s->sasl->is_known &&
	    sasl_challenged(s->sasl, result->challenge))
		send_challenge(s);
	else if (result != NULL && result->verdict == AUTH_REFUSED &&
		 sasl_refused(s->sasl, result->challenge))
		tell_why(s);
	else
		end_with(s, result);
	session_unblock(s);
}

static void ask(struct session *s, struct auth_question *question)
{
	struct tls_bindings bindings;
	struct tls_proof proof;

	stream_tls_bindings(s->stream, &bindings);
	stream_client_proof(s->stream, &proof);
	question->transcript = proof.transcript;
	question->verify = proof.verify;
	question->service = (uint32_t)s->service;
	question->connection = s->number;
	question->tls = session_is_secured(s);
	question->exporter = slice_of(bindings.exporter, bindings.exporter_len);
	question->end_point = slice_of(bindings.end_point, bindings.end_point_len);
	slice_copy(slice_string(s->client.text), question->client, sizeof question->client);
	s->question.asker = s;
	s->question.answered.login = login_answered;
	if (s->house->login(&s->question, question)) {
		session_block(s);
	} else {
		finish(s);
		reply(s, 454, "4.7.0", "Temporary authentication failure");
	}
	explicit_bzero(&bindings, sizeof bindings);
}

/* --- the client's lines ---------------------------------------------------------------- */

static void go_on(struct session *s, enum sasl_next next, struct auth_question *question)
{
	switch (next) {
	case SASL_CHALLENGE:
		send_challenge(s);
		break;
	case SASL_ASK:
		ask(s, question);
		break;
	case SASL_REFUSED:
		finish(s);
		say_refused(s);
		break;
	case SASL_MALFORMED:
		malformed(s);
		break;
	}
	if (s->sasl != NULL)
		sasl_forget_response(s->sasl);
}

void auth_response(struct session *s, struct slice line)
{
	struct auth_question question;

	if (slice_equal(line, SLICE("*"))) {
		finish(s);
		reply(s, 501, "5.7.0", "Authentication cancelled");
	} else {
		go_on(s, sasl_take(s->sasl, line, &question), &question);
	}
}

void auth_begin(struct session *s, struct slice arguments)
{
	struct cursor in = cursor_over(arguments);
	enum sasl_mechanism mechanism = sasl_find(cursor_take_until(&in, ' '));
	struct auth_question question;

	if (!sasl_is_offered(mechanism, sasl_offered(s->stream, true))) {
		reply(s, 504, "5.5.4", "Unrecognized authentication mechanism");
		return;
	}
	s->sasl = calloc(1, sizeof *s->sasl);
	if (s->sasl == NULL) {
		reply(s, 454, "4.7.0", "Temporary authentication failure");
		return;
	}
	s->mechanism = sasl_name(mechanism);
	session_expect(s, PHASE_AUTH);
	go_on(
	    s, sasl_begin(s->sasl, mechanism, slice_trim(cursor_rest(&in)), &question), &question);
}

void auth_offer(struct session *s)
{
	struct buf mechanisms = buf_with_limit(256);

	sasl_list(&mechanisms, " ", sasl_offered(s->stream, true));
	reply_more(s, 250, NULL, "AUTH%.*s", SLICE_PRINTF(buf_slice(&mechanisms)));
	buf_free(&mechanisms);
}
