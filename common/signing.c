/*
 * signing.c - TLS in a daemon whose private keys are with the process `keys`.
 *
 * A question whose answer is lost, because keys died, is asked again: to sign
 * twice does no harm.
 */
#include "common/signing.h"

#include <sys/queue.h>

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/io.h"
#include "common/log.h"
#include "common/process.h"

enum {
	CERTIFICATE_MAX = 1024 * 1024, /* octets of a file */
	AGAIN_MILLISECONDS = 100,      /* between attempts while keys is not there */
};

/* A handshake's question on its way. */
struct question {
	TAILQ_ENTRY(question) entry;
	struct tls_pending *pending;
	struct keys_sign sign;   /* its input points to what follows the structure */
	struct channel *channel; /* where it was asked; NULL: it waits for keys to come back */
	uint32_t request;
};

static TAILQ_HEAD(, question) questions = TAILQ_HEAD_INITIALIZER(questions);
static struct event *again;
static struct tls_server *server;
static bool is_old; /* the next certificate begins anew */

static void forget(struct question *q)
{
	TAILQ_REMOVE(&questions, q, entry);
	free(q);
}

static void ask_later(struct question *q)
{
	const struct timeval wait = {0, AGAIN_MILLISECONDS * 1000};

	q->channel = NULL;
	if (again != NULL && !evtimer_pending(again, NULL))
		evtimer_add(again, &wait);
}

static bool on_signature(struct message *answer, void *context)
{
	struct question *q = context;
	struct tls_pending *pending = q->pending;
	struct slice signature = {NULL, 0};
	struct reader r;
	bool well_formed;

	if (answer == NULL) {
		ask_later(q);
		return true;
	}
	r = message_reader(answer);
	if (answer->type == KEYS_SIGNATURE)
		signature = read_slice_max(&r, KEYS_SIGNATURE_MAX);
	well_formed = answer->type == KEYS_SIGNATURE && reader_finished(&r);
	if (!well_formed)
		signature.len = 0;
	if (signature.len == 0)
		log_error("signature-refused", log_string("digest", q->sign.digest));
	forget(q);
	tls_signed(pending, signature);
	return well_formed;
}

static void ask(struct question *q)
{
	struct channel *keys = process_peer(ROLE_KEYS);

	if (keys == NULL) {
		ask_later(q);
		return;
	}
	keys_sign_write(channel_call(keys, KEYS_SIGN, on_signature, q, &q->request), &q->sign);
	q->channel = keys;
	if (!channel_end(keys))
		ask_later(q);
}

static void on_again(evutil_socket_t fd, short what, void *context)
{
	struct question *q;

	(void)fd;
	(void)what;
	(void)context;
	TAILQ_FOREACH (q, &questions, entry)
		if (q->channel == NULL)
			ask(q);
}

static bool sign(void *context, struct tls_pending *pending, const struct keys_sign *question)
{
	struct question *q = malloc(sizeof *q + question->input.len);

	(void)context;
	if (q == NULL)
		return false;
	*q = (struct question){.pending = pending, .sign = *question};
	memcpy(q + 1, question->input.data, question->input.len);
	q->sign.input = slice_of(q + 1, question->input.len);
	TAILQ_INSERT_TAIL(&questions, q, entry);
	ask(q);
	return true;
}

static void cancel(void *context, struct tls_pending *pending)
{
	struct question *q;

	(void)context;
	TAILQ_FOREACH (q, &questions, entry)
		if (q->pending == pending) {
			if (q->channel != NULL)
				channel_forget(q->channel, q->request);
			forget(q);
			return;
		}
}

bool signing_prepare(void)
{
	static const struct tls_signer by_keys = {sign, cancel, NULL};

	again = evtimer_new(process_base(), on_again, NULL);
	if (again == NULL || !tls_init()) {
		log_error("cannot-start-tls");
		return false;
	}
	tls_set_signer(&by_keys);
	return true;
}

/* --- certificates ------------------------------------------------------------------- */

static void replace(struct slice pem, const char *name)
{
	struct buf error = buf_with_limit(512);
	struct tls_settings defaults = {0};
	struct tls_server *target = is_old || server == NULL ? tls_server_new(&defaults) : server;

	if (target != NULL && tls_server_add_certificate(target, pem, &error)) {
		if (target != server)
			tls_server_free(server);
		server = target;
		is_old = false;
		log_info("certificate-loaded", log_string("file", name));
	} else {
		log_error("cannot-use-certificate", log_string("file", name),
		    log_slice("reason", buf_slice(&error)));
		if (target != server)
			tls_server_free(target);
	}
	buf_free(&error);
}

void signing_take_certificate(const char *name, int descriptor)
{
	struct buf pem = buf_with_limit(CERTIFICATE_MAX);

	if (io_read(descriptor, &pem))
		replace(buf_slice(&pem), name);
	else
		log_error("cannot-read", log_string("file", name), log_errno(errno));
	buf_free(&pem);
	close(descriptor);
}

void signing_reload(void)
{
	is_old = true;
}

struct tls_server *signing_server(void)
{
	return server;
}
