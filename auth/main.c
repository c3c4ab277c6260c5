/*
 * main.c - auth: the process that knows who has which password.
 *
 * smtpd, imapd and pop3d ask it about a name and a password, or pass SCRAM's
 * messages on; it answers, and on a reader's success asks master for that user's session.  The credentials are in
 * its own directory, which is all it sees of the file system.
 */
#include <openssl/crypto.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "auth/attempt.h"
#include "auth/external.h"
#include "auth/file.h"
#include "auth/secret.h"
#include "auth/token.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/process.h"

/* A front daemon asks about its own services only. */
static bool is_own_service(enum role role, uint32_t service)
{
	switch (service) {
	case SERVICE_MX:
	case SERVICE_SUBMISSION:
	case SERVICE_SUBMISSIONS:
		return role == ROLE_SMTPD;
	case SERVICE_IMAP:
	case SERVICE_IMAPS:
		return role == ROLE_IMAPD;
	case SERVICE_POP3:
	case SERVICE_POP3S:
		return role == ROLE_POP3D;
	default:
		return false;
	}
}

static bool answer_question(
    struct channel *channel, uint32_t request, const struct auth_question *question)
{
	switch (question->type) {
	case AUTH_PASSWORD:
		if (!is_own_service(process_peer_role(channel), question->service))
			return false;
		attempt_begin(channel, request, question);
		return true;
	case AUTH_SCRAM:
		return is_own_service(process_peer_role(channel), question->service) &&
		       conversation_begin(channel, request, question);
	case AUTH_EXTERNAL:
		if (!is_own_service(process_peer_role(channel), question->service))
			return false;
		external_begin(channel, request, question);
		return true;
	case AUTH_TOKEN:
		if (!is_own_service(process_peer_role(channel), question->service))
			return false;
		token_begin(channel, request, question);
		return true;
	case AUTH_RESPONSE:
		return conversation_respond(channel, request, question);
	default:
		conversation_cancel(channel, question);
		return true;
	}
}

static bool on_message(struct channel *channel, struct message *m, void *context)
{
	struct reader r = message_reader(m);
	struct auth_question question;
	bool well_formed;

	(void)context;
	well_formed = auth_question_read(&r, m->type, &question) && reader_finished(&r) &&
		      answer_question(channel, m->request, &question);
	/* There is a password in it. */
	if (m->body.len > 0)
		explicit_bzero((void *)(uintptr_t)m->body.data, m->body.len);
	return well_formed;
}

static void on_closed(struct channel *channel, void *context)
{
	(void)context;
	attempts_forget_channel(channel);
}

static bool prepare(void)
{
	/* The administrator's openssl.cnf is for other programs, and out of sight soon. */
	return OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) == 1 &&
	       file_open_directory(settings->directory.auth) &&
	       secret_open(settings->directory.auth);
}

static bool start(struct event_base *base)
{
	unsigned generation;

	if (!attempts_start(base) || !external_start(base))
		return false;
	/* What is wrong with the file is better told now than at the first login. */
	file_credentials(&generation);
	return channel_send(process_master(), CONTROL_READY, 0);
}

static void reload(void)
{
	unsigned generation;

	attempts_reload();
	external_reload();
	file_reload();
	file_credentials(&generation);
}

static void take_file(enum control_file kind, const char *name, int descriptor)
{
	if (descriptor != -1 && kind == CONTROL_FILE_CLIENT_AUTHORITIES)
		external_take_authorities(name, descriptor);
	else if (descriptor != -1)
		close(descriptor);
}

static bool control(struct message *m)
{
	return m->type == CONTROL_CERTIFICATES && external_take_certificates(m);
}

static void stop(void)
{
	attempts_stop();
	external_stop();
	file_close();
	process_exit(EX_OK);
}

/* oauth says nothing unasked. */
static bool unasked(struct channel *channel, struct message *m, void *context)
{
	(void)channel, (void)m, (void)context;
	return false;
}

static const struct process_peer peers[] = {
    {.role = ROLE_SMTPD, .opened = external_opened, .message = on_message, .closed = on_closed},
    {.role = ROLE_IMAPD, .opened = external_opened, .message = on_message, .closed = on_closed},
    {.role = ROLE_POP3D, .opened = external_opened, .message = on_message, .closed = on_closed},
    {.role = ROLE_OAUTH, .message = unasked},
    {.role = ROLE_NONE},
};

static const struct process process = {
    .role = ROLE_AUTH,
    .peers = peers,
    .prepare = prepare,
    .start = start,
    .reload = reload,
    .stop = stop,
    .file = take_file,
    .control = control,
};

int main(int argc, char **argv)
{
	return process_main(&process, argc, argv);
}
