/*
 * main.c - oauth: the process that asks whether a token is good.
 *
 * auth gives it tokens, and it asks the server that the settings name, by HTTPS.
 * It has the secret that the server knows us by, and no file, and nobody but auth
 * and resolver to talk to.  There is none where the settings name no server.
 */
#include <openssl/crypto.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/channel_auth.h"
#include "common/channel_oauth.h"
#include "common/log.h"
#include "common/process.h"
#include "oauth/https.h"
#include "oauth/question.h"
#include "oauth/server.h"

static bool on_message(struct channel *channel, struct message *m, void *context)
{
	struct reader r = message_reader(m);
	struct slice token = read_slice_max(&r, AUTH_TOKEN_MAX);
	bool well_formed = m->type == OAUTH_TOKEN && reader_finished(&r);

	(void)context;
	if (well_formed)
		question_ask(channel, m->request, token);
	if (m->body.len > 0)
		explicit_bzero((void *)(uintptr_t)m->body.data, m->body.len);
	return well_formed;
}

static void on_closed(struct channel *channel, void *context)
{
	(void)context;
	questions_forget(channel);
}

/* resolver says nothing unasked. */
static bool unasked(struct channel *channel, struct message *m, void *context)
{
	(void)channel, (void)m, (void)context;
	return false;
}

static bool prepare(void)
{
	/* The administrator's openssl.cnf is for other programs, and out of sight soon. */
	if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) == 1 && https_prepare() &&
	    server_prepare())
		return true;
	log_error("cannot-start-https");
	return false;
}

static bool start(struct event_base *base)
{
	return questions_start(base) && channel_send(process_master(), CONTROL_READY, 0);
}

static void take_file(enum control_file kind, const char *name, int descriptor)
{
	if (descriptor == -1)
		return;
	switch (kind) {
	case CONTROL_FILE_OAUTH_SECRET:
		server_take_secret(name, descriptor);
		break;
	case CONTROL_FILE_OAUTH_AUTHORITIES:
		server_take_authorities(name, descriptor);
		break;
	default:
		close(descriptor);
	}
}

static void stop(void)
{
	questions_stop();
	process_exit(EX_OK);
}

static const struct process_peer peers[] = {
    {.role = ROLE_AUTH,     .message = on_message, .closed = on_closed},
    {.role = ROLE_RESOLVER,  .message = unasked},
    {.role = ROLE_NONE},
};

static const struct process process = {
    .role = ROLE_OAUTH,
    .peers = peers,
    .prepare = prepare,
    .start = start,
    .reload = questions_reload,
    .stop = stop,
    .file = take_file,
};

int main(int argc, char **argv)
{
	return process_main(&process, argc, argv);
}
