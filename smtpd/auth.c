/*
 * auth.c - AUTH (RFC 4954): PLAIN (RFC 4616) and LOGIN.
 */
#include "smtpd/auth.h"

#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/channel_auth.h"
#include "common/log.h"
#include "message/encoding.h"
#include "smtpd/reply.h"
#include "smtpd/session.h"

enum mechanism { MECHANISM_PLAIN, MECHANISM_LOGIN };

struct sasl {
	enum mechanism mechanism;
	bool has_name;   /* LOGIN: the name was given, the password comes next */
	struct buf name; /* LOGIN */
};

void sasl_free(struct sasl *sasl)
{
	if (sasl == NULL)
		return;
	buf_wipe(&sasl->name);
	free(sasl);
}

/* The exchange is over, one way or the other. */
static void finish(struct session *s)
{
	sasl_free(s->sasl);
	s->sasl = NULL;
	session_expect(s, PHASE_COMMAND);
}

static void malformed(struct session *s)
{
	finish(s);
	reply(s, 501, "5.5.2", "Malformed authentication response");
}

void sasl_too_long(struct session *s)
{
	finish(s);
	reply(s, 500, "5.5.6", "Authentication exchange line too long");
}

/* --- the answer ---------------------------------------------------------------------- */

static void accept_login(struct session *s, const struct auth_result *result)
{
	s->login = strdup(result->account);
	if (s->login == NULL)
		reply(s, 454, "4.7.0", "Temporary authentication failure");
	else
		reply(s, 235, "2.7.0", "Authentication successful");
}

static void login_answered(void *asker, const struct auth_result *result)
{
	struct session *s = asker;

	finish(s);
	if (result == NULL)
		reply(s, 454, "4.7.0", "Temporary authentication failure");
	else if (result->verdict == AUTH_OK && result->account[0] != '\0')
		accept_login(s, result);
	else if (result->verdict == AUTH_REFUSED)
		reply(s, 535, "5.7.8", "Authentication credentials invalid");
	else if (result->verdict == AUTH_LIMITED)
		reply(s, 454, "4.7.0", "Too many failed logins, try again later");
	else
		reply(s, 454, "4.7.0", "Temporary authentication failure");
	session_unblock(s);
}

static void ask(struct session *s, struct slice authorize, struct slice name, struct slice password)
{
	struct auth_password question = {
	    .service = (uint32_t)s->service,
	    .connection = s->number,
	    .tls = session_is_secured(s),
	    .name = name,
	    .authorize = authorize,
	    .password = password,
	};
	bool is_plain = s->sasl->mechanism == MECHANISM_PLAIN;

	if (name.len == 0 || name.len > AUTH_NAME_MAX || authorize.len > AUTH_NAME_MAX ||
	    password.len == 0 || password.len > AUTH_PASSWORD_MAX) {
		malformed(s);
		return;
	}
	slice_copy(is_plain ? SLICE("PLAIN") : SLICE("LOGIN"), question.mechanism,
	    sizeof question.mechanism);
	slice_copy(slice_string(s->client.text), question.client, sizeof question.client);
	s->question.asker = s;
	s->question.answered.login = login_answered;
	if (s->house->login(&s->question, &question)) {
		session_block(s);
	} else {
		finish(s);
		reply(s, 454, "4.7.0", "Temporary authentication failure");
	}
}

/* --- the mechanisms ---------------------------------------------------------------------- */

/* authorization identity NUL name NUL password (RFC 4616, 2) */
static void plain(struct session *s, struct slice message)
{
	struct cursor in = cursor_over(message);
	struct slice authorize = cursor_take_until(&in, '\0');
	bool first = cursor_accept(&in, '\0');
	struct slice name = cursor_take_until(&in, '\0');
	bool second = cursor_accept(&in, '\0');
	struct slice password = cursor_rest(&in);

	if (!first || !second || slice_find(password, 0, '\0') >= 0)
		malformed(s);
	else
		ask(s, authorize, name, password);
}

static void login(struct session *s, struct slice message)
{
	struct sasl *sasl = s->sasl;

	if (slice_find(message, 0, '\0') >= 0) {
		malformed(s);
	} else if (sasl->has_name) {
		ask(s, slice_of(NULL, 0), buf_slice(&sasl->name), message);
	} else if (!buf_append_slice(&sasl->name, message)) {
		malformed(s);
	} else {
		sasl->has_name = true;
		reply(s, 334, NULL, "UGFzc3dvcmQ6"); /* "Password:" */
	}
}

static void take_message(struct session *s, struct slice encoded)
{
	struct buf message = buf_with_limit(SESSION_AUTH_LINE_MAX);

	if (!base64_decode(encoded, &message))
		malformed(s);
	else if (s->sasl->mechanism == MECHANISM_PLAIN)
		plain(s, buf_slice(&message));
	else
		login(s, buf_slice(&message));
	buf_wipe(&message);
}

void sasl_response(struct session *s, struct slice line)
{
	if (slice_equal(line, SLICE("*"))) {
		finish(s);
		reply(s, 501, "5.7.0", "Authentication cancelled");
	} else {
		take_message(s, line);
	}
}

void sasl_begin(struct session *s, struct slice arguments)
{
	struct cursor in = cursor_over(arguments);
	struct slice name = cursor_take_until(&in, ' ');
	struct slice initial = slice_trim(cursor_rest(&in));
	bool is_plain = slice_equal_nocase(name, SLICE("PLAIN"));

	if (!is_plain && !slice_equal_nocase(name, SLICE("LOGIN"))) {
		reply(s, 504, "5.5.4", "Unrecognized authentication mechanism");
		return;
	}
	s->sasl = calloc(1, sizeof *s->sasl);
	if (s->sasl == NULL) {
		reply(s, 454, "4.7.0", "Temporary authentication failure");
		return;
	}
	s->sasl->mechanism = is_plain ? MECHANISM_PLAIN : MECHANISM_LOGIN;
	s->sasl->name = buf_with_limit(AUTH_NAME_MAX);
	session_expect(s, PHASE_AUTH);
	if (slice_equal(initial, SLICE("=")))
		take_message(s, slice_of("", 0)); /* an empty one (RFC 4954, 4) */
	else if (initial.len > 0)
		take_message(s, initial);
	else if (is_plain)
		reply(s, 334, NULL, "%s", "");
	else
		reply(s, 334, NULL, "VXNlcm5hbWU6"); /* "Username:" */
}
