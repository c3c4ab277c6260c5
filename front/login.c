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
#include "message/encoding.h"

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

static void refuse(struct front_client *client, enum auth_verdict verdict)
{
	if (client->session_socket != -1)
		close(client->session_socket);
	client->session_socket = -1;
	client->session_refused = false;
	client->account[0] = '\0';
	client->state = FRONT_TALKING;
	front_protocol->refused(client, client->context, verdict);
	front_login_begin(client);
}

static void log_in(struct front_client *client)
{
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

void front_login(struct front_client *client, const char *mechanism, struct slice authorize,
    struct slice name, struct slice password)
{
	struct auth_password question = {
	    .service = (uint32_t)front_protocol->service,
	    .connection = client->number,
	    .tls = stream_is_secured(client->stream),
	    .name = name,
	    .authorize = authorize,
	    .password = password,
	};
	struct channel *auth = process_peer(ROLE_AUTH);

	if (name.len > AUTH_NAME_MAX || authorize.len > AUTH_NAME_MAX ||
	    password.len > AUTH_PASSWORD_MAX) {
		front_protocol->refused(client, client->context, AUTH_REFUSED);
		return;
	}
	if (auth == NULL) {
		front_protocol->refused(client, client->context, AUTH_TEMPORARY);
		return;
	}
	snprintf(question.mechanism, sizeof question.mechanism, "%s", mechanism);
	snprintf(question.client, sizeof question.client, "%s", client->address);
	client->state = FRONT_ASKING;
	client->auth = auth;
	auth_password_write(
	    channel_call(auth, AUTH_PASSWORD, on_answer, client, &client->question), &question);
	if (channel_end(auth))
		return;
	client->auth = NULL;
	client->state = FRONT_TALKING;
	front_protocol->refused(client, client->context, AUTH_TEMPORARY);
}

/* [authorize] NUL name NUL password */
static bool login_decoded(struct front_client *client, struct slice message)
{
	ssize_t first = slice_find(message, 0, '\0');
	ssize_t second = first == -1 ? -1 : slice_find(message, (size_t)first + 1, '\0');
	struct slice authorize, name, password;

	if (second == -1)
		return false;
	authorize = slice_part(message, 0, (size_t)first);
	name = slice_part(message, (size_t)first + 1, (size_t)(second - first - 1));
	password = slice_from(message, (size_t)second + 1);
	if (slice_is_empty(name) || slice_is_empty(password) || slice_find(password, 0, '\0') != -1)
		return false;
	front_login(client, "PLAIN", authorize, name, password);
	return true;
}

bool front_login_plain(struct front_client *client, struct slice response)
{
	struct buf decoded = buf_with_limit(2 * AUTH_NAME_MAX + AUTH_PASSWORD_MAX + 2);
	bool ok = base64_decode(response, &decoded) && login_decoded(client, buf_slice(&decoded));

	buf_wipe(&decoded);
	return ok;
}

void front_login_cancel(struct front_client *client)
{
	if (client->auth != NULL)
		channel_forget(client->auth, client->question);
	client->auth = NULL;
	if (client->session_socket != -1)
		close(client->session_socket);
	client->session_socket = -1;
}
