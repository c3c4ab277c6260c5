/*
 * token.c - OAUTHBEARER and XOAUTH2: a login by an access token.
 */
#include "auth/token.h"

#include <stdlib.h>
#include <string.h>

#include "auth/attempt_private.h"
#include "common/channel_oauth.h"
#include "common/log.h"
#include "common/process.h"

/* What a client does about it: get another token, or ask for one that may do more. */
static const char invalid_token[] = "invalid_token";
static const char insufficient_scope[] = "insufficient_scope";

/* --- why not ----------------------------------------------------------------------------- */

/* The words of these settings are such as may stand in JSON (conf_form_word). */
static void write_scope(struct buf *out)
{
	const struct conf_list *scope = &settings->oauth.scope;

	if (scope->count == 0)
		return;
	buf_append_string(out, ",\"scope\":\"");
	for (size_t i = 0; i < scope->count; i++)
		buf_printf(out, "%s%s", i == 0 ? "" : " ", scope->words[i]);
	buf_append_octet(out, '"');
}

/* RFC 7628, 3.2.2; or what XOAUTH2's clients know. */
static void write_reason(const struct attempt *a, struct buf *out)
{
	if (strcmp(a->mechanism, "XOAUTH2") == 0) {
		buf_printf(out, "{\"status\":\"%s\",\"schemes\":\"Bearer\"",
		    a->status == insufficient_scope ? "403" : "401");
		write_scope(out);
	} else {
		buf_printf(out, "{\"status\":\"%s\"", a->status);
		write_scope(out);
		if (settings->oauth.configuration != NULL)
			buf_printf(
			    out, ",\"openid-configuration\":\"%s\"", settings->oauth.configuration);
	}
	buf_append_octet(out, '}');
}

void token_write_reason(const struct attempt *a, struct buf *out)
{
	write_reason(a, out);
	if (!out->overflowed)
		return;
	buf_clear(out);
	buf_printf(out, "{\"status\":\"%s\"}", a->status);
}

static void refuse(struct attempt *a, const char *status, const char *reason)
{
	a->status = status;
	attempt_refuse(a, reason);
}

/* --- the answer ---------------------------------------------------------------------------- */

/* It is good; is it for an account of ours, and for the one that the client has named? */
static void identify(struct attempt *a, const char *name)
{
	const struct credentials *credentials = attempt_credentials(a);
	struct credential ignored;

	a->status = invalid_token;
	if (credentials == NULL) {
		attempt_answer(a, AUTH_TEMPORARY);
		return;
	}
	if (!attempt_identify(a, slice_string(name), buf_slice(&a->authorize)))
		return;
	if (credentials_find(credentials, slice_string(a->account), &ignored))
		attempt_succeed(a);
	else
		attempt_refuse(a, "no such account");
	explicit_bzero(&ignored, sizeof ignored);
}

static void take_verdict(struct attempt *a, const struct oauth_answer *answer)
{
	switch ((enum oauth_verdict)answer->verdict) {
	case OAUTH_GOOD:
		identify(a, answer->account);
		break;
	case OAUTH_INACTIVE:
		refuse(a, invalid_token, "the token is not active");
		break;
	case OAUTH_NO_SCOPE:
		refuse(a, insufficient_scope, "the token is not good for mail");
		break;
	case OAUTH_ELSEWHERE:
		refuse(a, invalid_token, "the token is not meant for this host");
		break;
	case OAUTH_NO_ACCOUNT:
		refuse(a, invalid_token, "the token is nobody's");
		break;
	default:
		log_warning("token-unknown", log_string("client", a->client),
		    log_string("consequence", "the client was told to come back"));
		attempt_answer(a, AUTH_TEMPORARY);
	}
}

static bool on_answer(struct message *m, void *context)
{
	struct oauth_answer answer = {.verdict = OAUTH_UNKNOWN};
	bool good = true;

	if (m != NULL) {
		struct reader r = message_reader(m);

		good = m->type == OAUTH_ANSWER && oauth_answer_read(&r, &answer) &&
		       reader_finished(&r);
		if (!good)
			answer = (struct oauth_answer){.verdict = OAUTH_UNKNOWN};
	}
	take_verdict(context, &answer);
	return good;
}

/* --- the question ---------------------------------------------------------------------------- */

static void ask(struct attempt *a)
{
	struct channel *oauth = process_peer(ROLE_OAUTH);
	bool is_asked = false;

	if (oauth != NULL) {
		write_slice(
		    channel_call(oauth, OAUTH_TOKEN, on_answer, a, NULL), buf_slice(&a->token));
		is_asked = channel_end(oauth);
	}
	buf_wipe(&a->token);
	if (!is_asked)
		attempt_answer(a, AUTH_TEMPORARY);
}

void token_begin(struct channel *channel, uint32_t request, const struct auth_question *question)
{
	struct attempt *a = attempt_new(channel, request, question);

	if (a == NULL) {
		auth_reply(channel, request, &(struct auth_result){.verdict = AUTH_TEMPORARY});
		return;
	}
	a->turn = ask;
	if (!a->tls || settings->oauth.introspection == NULL)
		attempt_refuse(a, "tokens are taken under TLS only, and where the settings say so");
	else if (question->token.len == 0)
		refuse(a, invalid_token, "no token");
	else if (!buf_append_slice(&a->token, question->token) ||
		 !buf_append_slice(&a->authorize, question->authorize))
		attempt_answer(a, AUTH_TEMPORARY);
	else
		attempt_take_turn(a);
}
