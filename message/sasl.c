/*
 * sasl.c - a SASL exchange as SMTP, IMAP and POP3 have in common.
 */
#include "message/sasl.h"

#include "common/conf.h"
#include "message/encoding.h"

/* Around a token: "n,a=...,", "auth=Bearer " and a few keys that nobody asks for. */
enum { TOKEN_MESSAGE_MAX = AUTH_TOKEN_MAX + 3 * AUTH_NAME_MAX + 512 };

static const char *const names[SASL_MECHANISM_COUNT] = {
    [SASL_EXTERNAL] = "EXTERNAL",
    [SASL_SCRAM_SHA_256_PLUS] = "SCRAM-SHA-256-PLUS",
    [SASL_SCRAM_SHA_256] = "SCRAM-SHA-256",
    [SASL_OAUTHBEARER] = "OAUTHBEARER",
    [SASL_XOAUTH2] = "XOAUTH2",
    [SASL_PLAIN] = "PLAIN",
    [SASL_LOGIN] = "LOGIN",
};

/* --- what there is ------------------------------------------------------------------- */

enum sasl_mechanism sasl_find(struct slice name)
{
	unsigned mechanism = 0;

	while (mechanism < SASL_MECHANISM_COUNT &&
	       !slice_equal_nocase(name, slice_string(names[mechanism])))
		mechanism++;
	return (enum sasl_mechanism)mechanism;
}

const char *sasl_name(enum sasl_mechanism mechanism)
{
	return names[mechanism];
}

unsigned sasl_offered(const struct stream *stream, bool login)
{
	unsigned offered = 1u << SASL_PLAIN;
	struct tls_bindings bindings;
	struct tls_proof proof;

	stream_tls_bindings(stream, &bindings);
	if (login)
		offered |= 1u << SASL_LOGIN;
	if (settings->auth.scram)
		offered |= 1u << SASL_SCRAM_SHA_256;
	if (settings->auth.scram && (bindings.exporter_len > 0 || bindings.end_point_len > 0))
		offered |= 1u << SASL_SCRAM_SHA_256_PLUS;
	if (settings->tls.client_authorities != NULL && stream_client_proof(stream, &proof))
		offered |= 1u << SASL_EXTERNAL;
	/* Who has a token is who it says (RFC 7628, 2): never in the clear. */
	if (settings->oauth.introspection != NULL && stream_is_secured(stream))
		offered |= 1u << SASL_OAUTHBEARER | 1u << SASL_XOAUTH2;
	return offered;
}

bool sasl_is_offered(enum sasl_mechanism mechanism, unsigned offered)
{
	return mechanism < SASL_MECHANISM_COUNT && (offered & 1u << mechanism) != 0;
}

void sasl_list(struct buf *out, const char *before, unsigned offered)
{
	for (unsigned i = 0; i < SASL_MECHANISM_COUNT; i++)
		if (sasl_is_offered((enum sasl_mechanism)i, offered))
			buf_printf(out, "%s%s", before, names[i]);
}

/* --- the mechanisms ---------------------------------------------------------------------- */

static enum sasl_next challenge_with(struct sasl *s, const char *text)
{
	buf_clear(&s->challenge);
	buf_append_string(&s->challenge, text);
	return SASL_CHALLENGE;
}

static enum sasl_next ask(const struct sasl *s, enum auth_type type, struct auth_question *question)
{
	question->type = type;
	slice_copy(
	    slice_string(names[s->mechanism]), question->mechanism, sizeof question->mechanism);
	return SASL_ASK;
}

static enum sasl_next ask_password(const struct sasl *s, struct slice authorize, struct slice name,
    struct slice password, struct auth_question *question)
{
	if (name.len == 0 || name.len > AUTH_NAME_MAX || authorize.len > AUTH_NAME_MAX ||
	    password.len == 0 || password.len > AUTH_PASSWORD_MAX ||
	    slice_find(password, 0, '\0') >= 0)
		return SASL_MALFORMED;
	*question =
	    (struct auth_question){.authorize = authorize, .name = name, .password = password};
	return ask(s, AUTH_PASSWORD, question);
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
	enum auth_type type = s->is_known ? AUTH_RESPONSE : AUTH_SCRAM;

	*question = (struct auth_question){.message = buf_slice(&s->response)};
	if (question->message.len > AUTH_MESSAGE_MAX)
		return SASL_MALFORMED;
	s->is_known = true;
	return ask(s, type, question);
}

/* The identity to act as, or nothing: the certificate says who it is. */
static enum sasl_next take_external(struct sasl *s, struct auth_question *question)
{
	*question = (struct auth_question){.authorize = buf_slice(&s->response)};
	if (question->authorize.len > AUTH_NAME_MAX ||
	    slice_find(question->authorize, 0, '\0') >= 0)
		return SASL_MALFORMED;
	return ask(s, AUTH_EXTERNAL, question);
}

/* --- tokens (RFC 7628, 3.1) ------------------------------------------------------------------ */

enum { SEPARATOR = 1 };

/* b64token (RFC 6750, 2.1), or nothing: a client that wants to be told where to get one. */
static bool is_token(struct slice text)
{
	size_t len = text.len;

	while (len > 0 && text.data[len - 1] == '=')
		len--;
	for (size_t i = 0; i < len; i++)
		if (!octet_is_alnum(text.data[i]) &&
		    (text.data[i] == '\0' || strchr("-._~+/", text.data[i]) == NULL))
			return false;
	return text.len <= AUTH_TOKEN_MAX && (len > 0 || text.len == 0);
}

static bool read_authorization(struct slice value, struct slice *token)
{
	struct cursor in = cursor_over(slice_trim(value));

	if (cursor_done(&in)) {
		*token = slice_of("", 0);
		return true;
	}
	if (!cursor_accept_nocase(&in, SLICE("Bearer")) ||
	    (!cursor_done(&in) && !cursor_accept(&in, ' ')))
		return false;
	*token = slice_trim(cursor_rest(&in));
	return is_token(*token);
}

/* "key=value" with ^A behind each, and another at the end. */
static bool read_pairs(struct cursor *in, struct slice *user, struct slice *token)
{
	bool has_token = false;

	while (!cursor_accept(in, SEPARATOR)) {
		struct cursor pair = cursor_over(cursor_take_until(in, SEPARATOR));
		struct slice key = cursor_take_until(&pair, '=');

		if (key.len == 0 || !cursor_accept(&pair, '=') || !cursor_accept(in, SEPARATOR))
			return false;
		if (slice_equal_nocase(key, SLICE("user")))
			*user = cursor_rest(&pair);
		if (!slice_equal_nocase(key, SLICE("auth")))
			continue;
		if (has_token || !read_authorization(cursor_rest(&pair), token))
			return false;
		has_token = true;
	}
	return has_token && cursor_done(in);
}

/* "=2C" is a comma and "=3D" an equals sign (RFC 5801, 4). */
static bool decode_identity(struct slice encoded, struct buf *out)
{
	struct cursor in = cursor_over(encoded);

	while (!cursor_done(&in)) {
		int octet = cursor_next(&in);

		if (octet == '=' && cursor_accept_nocase(&in, SLICE("2C")))
			octet = ',';
		else if (octet == '=' && !cursor_accept_nocase(&in, SLICE("3D")))
			return false;
		if (!buf_append_octet(out, (char)octet))
			return false;
	}
	return true;
}

/* "n,a=alice@example.org,^A" (RFC 5801, 4): there is no channel binding. */
static bool read_header(struct sasl *s, struct cursor *in)
{
	if (!cursor_accept_nocase(in, SLICE("n,")) && !cursor_accept_nocase(in, SLICE("y,")))
		return false;
	if (cursor_accept_nocase(in, SLICE("a=")) &&
	    !decode_identity(cursor_take_until(in, ','), &s->name))
		return false;
	return cursor_accept(in, ',') && cursor_accept(in, SEPARATOR);
}

static enum sasl_next take_token(struct sasl *s, struct auth_question *question)
{
	struct cursor in = cursor_over(buf_slice(&s->response));
	struct slice user = {NULL, 0}, token = {NULL, 0};

	if (s->mechanism == SASL_OAUTHBEARER && !read_header(s, &in))
		return SASL_MALFORMED;
	if (!read_pairs(&in, &user, &token))
		return SASL_MALFORMED;
	if (s->mechanism == SASL_OAUTHBEARER)
		user = buf_slice(&s->name);
	if (user.len > AUTH_NAME_MAX || slice_find(user, 0, '\0') >= 0)
		return SASL_MALFORMED;
	*question = (struct auth_question){.authorize = user, .token = token};
	return ask(s, AUTH_TOKEN, question);
}

/* --- the exchange -------------------------------------------------------------------------- */

enum sasl_next sasl_take(struct sasl *s, struct slice line, struct auth_question *question)
{
	sasl_forget_response(s);
	if (s->is_refused)
		return SASL_REFUSED;
	if (!base64_decode(line, &s->response))
		return SASL_MALFORMED;
	switch (s->mechanism) {
	case SASL_PLAIN:
		return take_plain(s, question);
	case SASL_LOGIN:
		return take_login(s, question);
	case SASL_EXTERNAL:
		return take_external(s, question);
	case SASL_OAUTHBEARER:
	case SASL_XOAUTH2:
		return take_token(s, question);
	case SASL_SCRAM_SHA_256:
	case SASL_SCRAM_SHA_256_PLUS:
		return take_scram(s, question);
	case SASL_MECHANISM_COUNT:
		break;
	}
	return SASL_MALFORMED;
}

/* Octets of a response, decoded. */
static size_t response_limit(enum sasl_mechanism mechanism)
{
	return (mechanism == SASL_OAUTHBEARER || mechanism == SASL_XOAUTH2 ? TOKEN_MESSAGE_MAX
									   : AUTH_MESSAGE_MAX) +
	       3; /* base64_decode() asks for whole groups */
}

enum sasl_next sasl_begin(struct sasl *s, enum sasl_mechanism mechanism, struct slice initial,
    struct auth_question *question)
{
	*s = (struct sasl){
	    .mechanism = mechanism,
	    .name = buf_with_limit(AUTH_NAME_MAX),
	    .response = buf_with_limit(response_limit(mechanism)),
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

bool sasl_refused(struct sasl *s, struct slice challenge)
{
	s->is_known = false;
	s->is_refused = challenge.len > 0 && sasl_challenged(s, challenge);
	return s->is_refused;
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
