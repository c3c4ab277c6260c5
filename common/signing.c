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

#include "common/log.h"
#include "common/process.h"

enum { AGAIN_MILLISECONDS = 100 }; /* between attempts while keys is not there */

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
static struct buf judged = {.limit = CHANNEL_BODY_MAX}; /* what keys said of the certificates */

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

/* --- ticket keys ---------------------------------------------------------------------- */

bool signing_message(struct channel *channel, struct message *m, void *context)
{
	struct keys_ticket tickets[KEYS_TICKETS_MAX];
	struct reader r = message_reader(m);
	size_t count;

	(void)channel;
	(void)context;
	if (m->type != KEYS_TICKETS)
		return false;
	count = keys_tickets_read(&r, tickets);
	tls_set_ticket_keys(tickets, count);
	explicit_bzero(tickets, sizeof tickets);
	return count > 0;
}

/* --- certificates ------------------------------------------------------------------- */

static void add(struct tls_server *fresh, const struct control_certificate *certificate, size_t *count)
{
	struct buf error = buf_with_limit(512);

	if (tls_server_add_certificate(fresh, certificate->chain, &error))
		++*count;
	else
		log_error("cannot-use-certificate", log_slice("file", certificate->file),
		    log_slice("reason", buf_slice(&error)));
	buf_free(&error);
}

/* Connections that are there keep what they have. */
static void show(void)
{
	const struct tls_settings wanted = {
	    .only_tls13 = settings->tls.minimum == TLS_VERSION_1_3,
	    .ticket_seconds = (unsigned)settings->tls.ticket_rotation,
	};
	struct tls_server *fresh = tls_server_new(&wanted);
	struct reader r = reader_over(buf_slice(&judged));
	struct control_certificate certificate;
	size_t count = 0;

	if (fresh == NULL) {
		log_error("cannot-start-tls");
		return;
	}
	for (uint32_t left = read_u32(&r); left > 0; left--)
		if (control_certificate_read(&r, &certificate) && certificate.chain.len > 0)
			add(fresh, &certificate, &count);
	tls_server_free(server);
	server = fresh;
	if (count == 0) {
		tls_server_free(server);
		server = NULL;
	}
	log_debug("certificates", log_number("count", count));
}

bool signing_take_certificates(const struct message *m)
{
	struct reader r = message_reader(m);
	struct control_certificate certificate;

	for (uint32_t left = read_u32(&r); left > 0 && reader_ok(&r); left--)
		control_certificate_read(&r, &certificate);
	if (!reader_finished(&r))
		return false;
	buf_clear(&judged);
	if (!buf_append_slice(&judged, m->body)) {
		log_error("cannot-use-certificates", log_string("reason", "no memory"));
		return true;
	}
	show();
	return true;
}

void signing_reload(void)
{
	if (judged.len > 0)
		show();
}

struct tls_server *signing_server(void)
{
	return server;
}
