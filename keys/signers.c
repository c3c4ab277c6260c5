/*
 * signers.c - who signs.
 */
#include "keys/signers.h"

#include <sys/queue.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/process.h"
#include "common/threads.h"

enum {
	STACK = 128 * 1024,
	DIGEST_MAX = 64,    /* octets that an RSA key signs */
	PROCESSORS_MAX = 64
};

/* A question that a thread has. */
struct asked {
	struct task task;          /* first: the threads give back this */
	TAILQ_ENTRY(asked) entry;
	struct channel *channel;   /* NULL: the asker is gone */
	uint32_t request;
	struct signing_key *key;
	struct keys_sign question; /* its input points to `digest` */
	char digest[DIGEST_MAX];
	struct buf signature;
};

static TAILQ_HEAD(, asked) all_asked = TAILQ_HEAD_INITIALIZER(all_asked);

static void answer(struct channel *channel, uint32_t request, const struct keys_sign *question,
    const struct buf *signature)
{
	if (signature->len == 0)
		log_warning("refused-to-sign",
		    log_string("for", role_name(process_peer_role(channel))),
		    log_number("algorithm", question->algorithm),
		    log_string("digest", question->digest));
	write_slice(channel_begin(channel, KEYS_SIGNATURE, request), buf_slice(signature));
	channel_end(channel);
}

static void sign(struct task *task)
{
	struct asked *a = (struct asked *)task;

	signing_key_sign(a->key, &a->question, &a->signature);
}

static void on_signed(struct task *task)
{
	struct asked *a = (struct asked *)task;

	TAILQ_REMOVE(&all_asked, a, entry);
	if (a->channel != NULL)
		answer(a->channel, a->request, &a->question, &a->signature);
	signing_key_free(a->key);
	buf_free(&a->signature);
	free(a);
}

/* False: it is to be signed here and now. */
static bool hand_over(struct channel *asker, uint32_t request, struct signing_key *key,
    const struct keys_sign *question)
{
	struct asked *a;

	if (!signing_key_is_slow(key) || question->input.len > DIGEST_MAX)
		return false;
	a = malloc(sizeof *a);
	if (a == NULL)
		return false;
	*a = (struct asked){.channel = asker,
	    .request = request,
	    .key = key,
	    .question = *question,
	    .signature = buf_with_limit(KEYS_SIGNATURE_MAX)};
	memcpy(a->digest, question->input.data, question->input.len);
	a->question.input = slice_of(a->digest, question->input.len);
	TAILQ_INSERT_TAIL(&all_asked, a, entry);
	threads_submit(&a->task);
	return true;
}

void signers_sign(
    struct channel *asker, uint32_t request, struct signing_key *key, const struct keys_sign *question)
{
	struct buf signature = buf_with_limit(KEYS_SIGNATURE_MAX);

	if (key != NULL && hand_over(asker, request, key, question))
		return;
	if (key != NULL)
		signing_key_sign(key, question, &signature);
	answer(asker, request, question, &signature);
	signing_key_free(key);
	buf_free(&signature);
}

void signers_forget(const struct channel *asker)
{
	struct asked *a;

	TAILQ_FOREACH (a, &all_asked, entry)
		if (a->channel == asker)
			a->channel = NULL;
}

bool signers_start(struct event_base *base, unsigned threads)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);

	if (threads == 0)
		threads = processors < 1 ? 1 : processors > PROCESSORS_MAX ? PROCESSORS_MAX : (unsigned)processors;
	return threads_start(base, threads, STACK, sign, on_signed);
}

void signers_stop(void)
{
	threads_stop();
}
