/*
 * login.c - asking auth who a client is, and waiting for its session.
 *
 * auth answers us and at the same time asks master for a session, so master's
 * answer may come first; the client is logged in when both are there.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "front/private.h"

enum { SESSION_WAIT_SECONDS = 30 };

bool front_may_login(const struct front_client *client)
{
	if (stream_is_secured(client->stream))
		return true;
	switch ((enum conf_cleartext)settings->auth.cleartext) {
	case CLEARTEXT_NEVER:
		return false;
	case CLEARTEXT_LOOPBACK:
		return client->is_loopback;
	case CLEARTEXT_ALWAYS:
		return true;
	}
	return false;
}

/* ---- the answers ---------------------------------------------------------------- */

/* The end of a SASL exchange; auth is told where it does not know. */
static void forget_sasl(struct front_client *client)
{
	const struct auth_question over = {.type = AUTH_CANCEL, .connection = client->number};
	struct channel *auth = process_peer(ROLE_AUTH);

	if (client->sasl == NULL)
		return;
	if (client->sasl->is_known && auth != NULL) {
		auth_question_write(channel_begin(auth, AUTH_CANCEL, 0), &over);
		channel_end(auth);
	}
	sasl_wipe(client->sasl);
	free(client->sasl);
	client->sasl = NULL;
}

/* Within a command: what is in the input is looked at when it is done. */
static void refuse_now(struct front_client *client, enum auth_verdict verdict)
{
	forget_sasl(client);
	front_protocol->refused(client, client->context, verdict);
}

static void refuse(struct front_client *client, enum auth_verdict verdict)
{
	if (client->session_socket != -1)
		close(client->session_socket);
	client->session_socket = -1;
	client->session_refused = false;
	client->account[0] = '\0';
	client->state = FRONT_TALKING;
	refuse_now(client, verdict);
	front_login_begin(client);
}

static void log_in(struct front_client *client)
{
	forget_sasl(client);
	stream_forget_proof(client->stream);
	event_free(client->timer);
	client->timer = NULL;
	front_protocol->logged_in(client, client->context);
	front_protocol->released(client->context);
	client->context = NULL;
	if (!front_pass_begin(client))
		front_farewell(client, FRONT_NO_MEMORY);
}

/*
 * auth and master speak of the same login.  Otherwise one of them speaks of a
 * client of our predecessor's that had this one's number, and must not be believed.
 */
static bool is_same_account(const struct front_client *client, const char *account)
{
	if (strcmp(client->account, account) == 0)
		return true;
	log_error("session-of-another", log_string("account", client->account),
	    log_string("offered", account));
	return false;
}

static void wait_for_session(struct front_client *client)
{
	const struct timeval wait = {SESSION_WAIT_SECONDS, 0};

	client->state = FRONT_WAITING;
	event_add(client->timer, &wait);
}

/* The same in both protocols (RFC 3501, 6.2.2; RFC 5034, 4). */
static void send_challenge(struct front_client *client)
{
	front_printf(client, "+ %.*s\r\n", SLICE_PRINTF(buf_slice(&client->sasl->challenge)));
}

static bool on_answer(struct message *answer, void *context)
{
	struct front_client *client = context;
	struct auth_result result = {.verdict = AUTH_TEMPORARY};
	bool ok = true;

	client->auth = NULL;
	if (answer != NULL) {
		struct reader r = message_reader(answer);

		ok = answer->type == AUTH_RESULT && auth_result_read(&r, &result) &&
		     reader_finished(&r);
		if (!ok)
			result.verdict = AUTH_TEMPORARY;
	}
	if (client->sasl != NULL &&
	    ((result.verdict == AUTH_CONTINUE && client->sasl->is_known &&
		 sasl_challenged(client->sasl, result.challenge)) ||
		(result.verdict == AUTH_REFUSED && sasl_refused(client->sasl, result.challenge)))) {
		client->state = FRONT_TALKING;
		send_challenge(client);
		front_login_begin(client);
		return true;
	}
	/* Whoever has answered so knows that it is over. */
	if (answer != NULL && ok && client->sasl != NULL)
		client->sasl->is_known = false;
	if (result.verdict == AUTH_CONTINUE)
		result.verdict = AUTH_TEMPORARY;
	if (result.verdict != AUTH_OK) {
		refuse(client, (enum auth_verdict)result.verdict);
		return ok;
	}
	if (client->session_refused) {
		refuse(client, AUTH_TEMPORARY);
	} else if (client->session_socket == -1) {
		memcpy(client->account, result.account, sizeof client->account);
		wait_for_session(client);
	} else if (is_same_account(client, result.account))
		log_in(client);
	else
		refuse(client, AUTH_TEMPORARY);
	return true;
}

bool front_session_ready(struct message *m)
{
	struct control_session session;
	struct reader r = message_reader(m);
	struct front_client *client;
	int socket;

	if (!control_session_read(&r, &session) || !reader_finished(&r))
		return false;
	socket = message_take_descriptor(m, 0);
	client = front_find(session.connection);
	/* The client may have left meanwhile; its session notices when the channel closes. */
	if (client == NULL || (client->state != FRONT_ASKING && client->state != FRONT_WAITING) ||
	    client->session_socket != -1) {
		if (socket != -1)
			close(socket);
		return true;
	}
	client->session_socket = socket;
	if (client->state == FRONT_ASKING) {
		client->session_refused = socket == -1;
		memcpy(client->account, session.account, sizeof client->account);
	} else if (socket != -1 && is_same_account(client, session.account))
		log_in(client);
	else
		refuse(client, AUTH_TEMPORARY);
	return true;
}

/* ---- the question ---------------------------------------------------------------- */

static void ask(struct front_client *client, struct auth_question *question)
{
	struct channel *auth = process_peer(ROLE_AUTH);

	if (auth == NULL) {
		refuse_now(client, AUTH_TEMPORARY);
		return;
	}
	question->service = (uint32_t)front_protocol->service;
	question->connection = client->number;
	question->tls = stream_is_secured(client->stream);
	snprintf(question->client, sizeof question->client, "%s", client->address);
	client->state = FRONT_ASKING;
	client->auth = auth;
	auth_question_write(channel_call(auth, (uint16_t)question->type, on_answer, client,
				&client->question),
	    question);
	if (channel_end(auth))
		return;
	client->auth = NULL;
	client->state = FRONT_TALKING;
	refuse_now(client, AUTH_TEMPORARY);
}

void front_login(struct front_client *client, const char *mechanism, struct slice name,
    struct slice password)
{
	struct auth_question question = {
	    .type = AUTH_PASSWORD,
	    .name = name,
	    .password = password,
	};

	if (name.len > AUTH_NAME_MAX || password.len > AUTH_PASSWORD_MAX) {
		refuse_now(client, AUTH_REFUSED);
		return;
	}
	snprintf(question.mechanism, sizeof question.mechanism, "%s", mechanism);
	ask(client, &question);
}

/* ---- SASL -------------------------------------------------------------------------- */

static void go_on(
    struct front_client *client, enum sasl_next next, struct auth_question *question)
{
	struct tls_bindings bindings;
	struct tls_proof proof;

	switch (next) {
	case SASL_CHALLENGE:
		send_challenge(client);
		break;
	case SASL_ASK:
		stream_tls_bindings(client->stream, &bindings);
		stream_client_proof(client->stream, &proof);
		question->transcript = proof.transcript;
		question->verify = proof.verify;
		question->exporter = slice_of(bindings.exporter, bindings.exporter_len);
		question->end_point = slice_of(bindings.end_point, bindings.end_point_len);
		ask(client, question);
		explicit_bzero(&bindings, sizeof bindings);
		break;
	case SASL_REFUSED:
		refuse_now(client, AUTH_REFUSED);
		break;
	case SASL_MALFORMED:
		refuse_now(client, AUTH_MALFORMED);
		break;
	}
	if (client->sasl != NULL)
		sasl_forget_response(client->sasl);
}

bool front_sasl_offers(const struct front_client *client, struct slice mechanism)
{
	return sasl_is_offered(sasl_find(mechanism), sasl_offered(client->stream, false));
}

void front_sasl_begin(struct front_client *client, struct slice mechanism, struct slice initial)
{
	struct auth_question question;

	forget_sasl(client);
	client->sasl = calloc(1, sizeof *client->sasl);
	if (client->sasl == NULL) {
		refuse_now(client, AUTH_TEMPORARY);
		return;
	}
	go_on(client, sasl_begin(client->sasl, sasl_find(mechanism), initial, &question), &question);
}

void front_sasl_take(struct front_client *client, struct slice line)
{
	struct auth_question question;

	go_on(client, sasl_take(client->sasl, line, &question), &question);
}

bool front_sasl_is_open(const struct front_client *client)
{
	return client->sasl != NULL;
}

void front_sasl_cancel(struct front_client *client)
{
	forget_sasl(client);
}

void front_sasl_offer(const struct front_client *client, const char *before, struct buf *out)
{
	sasl_list(out, before, sasl_offered(client->stream, false));
}

void front_login_cancel(struct front_client *client)
{
	if (client->auth != NULL)
		channel_forget(client->auth, client->question);
	client->auth = NULL;
	forget_sasl(client);
	if (client->session_socket != -1)
		close(client->session_socket);
	client->session_socket = -1;
}
