/*
 * sasl.c - a SASL exchange as SMTP, IMAP and POP3 have in common.
 */
#include "message/sasl.h"

#include "message/encoding.h"

static const char *const names[SASL_MECHANISM_COUNT] = {
    [SASL_PLAIN] = "PLAIN",
    [SASL_LOGIN] = "LOGIN",
    [SASL_SCRAM_SHA_256] = "SCRAM-SHA-256",
    [SASL_SCRAM_SHA_256_PLUS] = "SCRAM-SHA-256-PLUS",
};

/* --- what there is ------------------------------------------------------------------- */

enum sasl_mechanism sasl_find(struct slice name)
{
	enum sasl_mechanism mechanism = SASL_PLAIN;

	while (mechanism < SASL_MECHANISM_COUNT &&
	       !slice_equal_nocase(name, slice_string(names[mechanism])))
		mechanism++;
	return mechanism;
}

const char *sasl_name(enum sasl_mechanism mechanism)
{
	return names[mechanism];
}

bool sasl_is_scram(enum sasl_mechanism mechanism)
{
	return mechanism == SASL_SCRAM_SHA_256 || mechanism == SASL_SCRAM_SHA_256_PLUS;
}

bool sasl_may_bind(const struct tls_bindings *bindings)
{
	return bindings->exporter_len > 0 || bindings->end_point_len > 0;
}

void sasl_offer(struct buf *out, const char *before, bool login, bool scram,
    const struct tls_bindings *bindings)
{
	if (scram && sasl_may_bind(bindings))
		buf_printf(out, "%s%s", before, names[SASL_SCRAM_SHA_256_PLUS]);
	if (scram)
		buf_printf(out, "%s%s", before, names[SASL_SCRAM_SHA_256]);
	buf_printf(out, "%s%s", before, names[SASL_PLAIN]);
	if (login)
		buf_printf(out, "%s%s", before, names[SASL_LOGIN]);
}

/* --- the mechanisms ---------------------------------------------------------------------- */

static enum sasl_next challenge_with(struct sasl *s, const char *text)
{
	buf_clear(&s->challenge);
	buf_append_string(&s->challenge, text);
	return SASL_CHALLENGE;
}

static enum sasl_next ask_password(const struct sasl *s, struct slice authorize, struct slice name,
    struct slice password, struct auth_question *question)
{
	if (name.len == 0 || name.len > AUTH_NAME_MAX || authorize.len > AUTH_NAME_MAX ||
	    password.len == 0 || password.len > AUTH_PASSWORD_MAX ||
	    slice_find(password, 0, '\0') >= 0)
		return SASL_MALFORMED;
	*question = (struct auth_question){
	    .type = AUTH_PASSWORD, .authorize = authorize, .name = name, .password = password};
	slice_copy(
	    slice_string(names[s->mechanism]), question->mechanism, sizeof question->mechanism);
	return SASL_ASK;
}

/* authorization identity NUL name NUL password (RFC 4616, 2) */
static enum sasl_next take_plain(struct sasl *s, struct auth_question *question)
{
	struct cursor in = cursor_over(buf_slice(&s->response));
	struct slice authorize = cursor_take_until(&in, '\0');
	bool first = cursor_accept(&in, '\0');
	struct slice name = cursor_take_until(&in, '\0');
	bool second = cursor_accept(&in, '\0');

	if (!first || !second)
		return SASL_MALFORMED;
	return ask_password(s, authorize, name, cursor_rest(&in), question);
}

static enum sasl_next take_login(struct sasl *s, struct auth_question *question)
{
	struct slice message = buf_slice(&s->response);

	if (s->has_name)
		return ask_password(s, slice_of(NULL, 0), buf_slice(&s->name), message, question);
	if (slice_find(message, 0, '\0') >= 0 || !buf_append_slice(&s->name, message))
		return SASL_MALFORMED;
	s->has_name = true;
	return challenge_with(s, "UGFzc3dvcmQ6"); /* "Password:" */
}

/* Its messages are passed on as they are. */
static enum sasl_next take_scram(struct sasl *s, struct auth_question *question)
{
	*question = (struct auth_question){
	    .type = s->is_known ? AUTH_RESPONSE : AUTH_SCRAM, .message = buf_slice(&s->response)};
	if (question->message.len > AUTH_MESSAGE_MAX)
		return SASL_MALFORMED;
	slice_copy(
	    slice_string(names[s->mechanism]), question->mechanism, sizeof question->mechanism);
	s->is_known = true;
	return SASL_ASK;
}

/* --- the exchange -------------------------------------------------------------------------- */

enum sasl_next sasl_take(struct sasl *s, struct slice line, struct auth_question *question)
{
	sasl_forget_response(s);
	if (!base64_decode(line, &s->response))
		return SASL_MALFORMED;
	switch (s->mechanism) {
	case SASL_PLAIN:
		return take_plain(s, question);
	case SASL_LOGIN:
		return take_login(s, question);
	default:
		return take_scram(s, question);
	}
}

enum sasl_next sasl_begin(struct sasl *s, enum sasl_mechanism mechanism, struct slice initial,
    struct auth_question *question)
{
	*s = (struct sasl){
	    .mechanism = mechanism,
	    .name = buf_with_limit(AUTH_NAME_MAX),
	    .response = buf_with_limit(AUTH_MESSAGE_MAX + 3),
	    .challenge = buf_with_limit((AUTH_CHALLENGE_MAX + 2) / 3 * 4),
	};
	if (slice_equal(initial, SLICE("=")))
		return sasl_take(s, slice_of("", 0), question);
	if (initial.len > 0)
		return sasl_take(s, initial, question);
	return challenge_with(s, mechanism == SASL_LOGIN ? "VXNlcm5hbWU6" : ""); /* "Username:" */
}

bool sasl_challenged(struct sasl *s, struct slice challenge)
{
	buf_clear(&s->challenge);
	return base64_encode(challenge, &s->challenge);
}

void sasl_forget_response(struct sasl *s)
{
	buf_wipe(&s->response);
}

void sasl_wipe(struct sasl *s)
{
	buf_wipe(&s->name);
	buf_wipe(&s->response);
	buf_wipe(&s->challenge);
}
