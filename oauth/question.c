/*
 * question.c - questions about tokens: who waits for what.
 */
#include "oauth/question.h"

#include <sys/queue.h>

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "common/channel_auth.h"
#include "common/channel_oauth.h"
#include "common/clock.h"
#include "common/log.h"
#include "oauth/answer.h"
#include "oauth/cache.h"
#include "oauth/https.h"
#include "oauth/server.h"

struct question {
	TAILQ_ENTRY(question) entry;
	struct channel *channel; /* NULL: the asker is gone */
	uint32_t request;
	uint64_t asked_us;
	struct cache_key key;
	bool has_key;
	unsigned generation; /* of the settings it was asked under */
	struct https *https; /* NULL: it waits */
	size_t token_len;
	char token[AUTH_TOKEN_MAX];
};

static TAILQ_HEAD(, question) waiting = TAILQ_HEAD_INITIALIZER(waiting);
static TAILQ_HEAD(, question) running = TAILQ_HEAD_INITIALIZER(running);
static size_t waiting_count, running_count;
static struct cache *cache;
static struct event *second; /* while some wait */
static unsigned generation;

/* --- answers ------------------------------------------------------------------------- */

static void reply(
    struct channel *channel, uint32_t request, enum oauth_verdict verdict, const char *account)
{
	struct oauth_answer answer = {.verdict = (uint8_t)verdict};

	if (verdict == OAUTH_GOOD)
		slice_copy(slice_string(account), answer.account, sizeof answer.account);
	oauth_answer_write(channel_begin(channel, OAUTH_ANSWER, request), &answer);
	channel_end(channel);
}

/* The end of it; it is in no list. */
static void finish(struct question *q, enum oauth_verdict verdict, const char *account)
{
	if (q->channel != NULL)
		reply(q->channel, q->request, verdict, account);
	explicit_bzero(q, sizeof *q);
	free(q);
}

static void finish_first(enum oauth_verdict verdict)
{
	struct question *q = TAILQ_FIRST(&waiting);

	TAILQ_REMOVE(&waiting, q, entry);
	waiting_count--;
	finish(q, verdict, NULL);
}

/* For as long as the setting says, and not longer than the token is good for. */
static void remember(const struct question *q, const struct answer *answer)
{
	uint64_t now = clock_monotonic_us(), seconds = (uint64_t)settings->oauth.cache;
	int64_t left = answer->expires - (int64_t)(clock_wall_us() / 1000000);

	if (!q->has_key || q->generation != generation)
		return;
	if (answer->expires != 0 && left < (int64_t)seconds)
		seconds = left < 0 ? 0 : (uint64_t)left;
	cache_remember(cache, &q->key, answer->said.account, now, now + seconds * 1000000);
}

static void on_answered(void *context, struct slice body, const char *fault)
{
	struct question *q = context;
	struct answer answer = {.said.verdict = OAUTH_UNKNOWN};

	TAILQ_REMOVE(&running, q, entry);
	running_count--;
	if (fault != NULL ||
	    !answer_read(body, settings, (int64_t)(clock_wall_us() / 1000000), &answer, &fault)) {
		log_warning("introspection-failed", log_string("reason", fault));
		answer.said.verdict = OAUTH_UNKNOWN;
	} else if (answer.said.verdict == OAUTH_GOOD) {
		remember(q, &answer);
	}
	finish(q, (enum oauth_verdict)answer.said.verdict, answer.said.account);
	questions_resume();
}

/* --- turns ---------------------------------------------------------------------------- */

static bool is_late(const struct question *q)
{
	return clock_monotonic_us() - q->asked_us >= (uint64_t)settings->oauth.timeout * 1000000;
}

static void start_first(void)
{
	struct question *q = TAILQ_FIRST(&waiting);
	struct slice token = slice_of(q->token, q->token_len);

	TAILQ_REMOVE(&waiting, q, entry);
	waiting_count--;
	q->https = https_ask(token, on_answered, q);
	explicit_bzero(q->token, sizeof q->token);
	if (q->https == NULL) {
		finish(q, OAUTH_UNKNOWN, NULL);
		return;
	}
	TAILQ_INSERT_TAIL(&running, q, entry);
	running_count++;
}

void questions_resume(void)
{
	while (!TAILQ_EMPTY(&waiting)) {
		enum server_state state;

		if (is_late(TAILQ_FIRST(&waiting))) {
			log_warning(
			    "introspection-failed", log_string("reason", "no turn in time"));
			finish_first(OAUTH_UNKNOWN);
			continue;
		}
		if (running_count >= (size_t)settings->oauth.connections)
			return;
		state = server_look();
		if (state == SERVER_AWAITED)
			return;
		if (state == SERVER_UNKNOWN)
			finish_first(OAUTH_UNKNOWN);
		else
			start_first();
	}
}

static void on_second(evutil_socket_t fd, short what, void *context)
{
	const struct timeval wait = {1, 0};

	(void)fd, (void)what, (void)context;
	questions_resume();
	if (!TAILQ_EMPTY(&waiting))
		evtimer_add(second, &wait);
}

/* --- asking --------------------------------------------------------------------------- */

void question_ask(struct channel *channel, uint32_t request, struct slice token)
{
	struct question *q =
	    waiting_count + running_count < QUESTIONS_MAX ? calloc(1, sizeof *q) : NULL;
	const char *account;

	if (q == NULL || token.len > sizeof q->token || settings->oauth.introspection == NULL) {
		free(q);
		reply(channel, request, OAUTH_UNKNOWN, NULL);
		return;
	}
	q->channel = channel;
	q->request = request;
	q->asked_us = clock_monotonic_us();
	q->generation = generation;
	q->has_key = settings->oauth.cache > 0 && cache_key(cache, token, &q->key);
	account = q->has_key ? cache_find(cache, &q->key, q->asked_us) : NULL;
	if (account != NULL) {
		finish(q, OAUTH_GOOD, account);
		return;
	}
	memcpy(q->token, token.data, token.len);
	q->token_len = token.len;
	TAILQ_INSERT_TAIL(&waiting, q, entry);
	waiting_count++;
	questions_resume();
	if (!TAILQ_EMPTY(&waiting) && !evtimer_pending(second, NULL))
		on_second(-1, 0, NULL);
}

void questions_forget(const struct channel *channel)
{
	struct question *q;

	TAILQ_FOREACH (q, &waiting, entry)
		if (q->channel == channel)
			q->channel = NULL;
	TAILQ_FOREACH (q, &running, entry)
		if (q->channel == channel)
			q->channel = NULL;
}

bool questions_start(struct event_base *base)
{
	cache = cache_new();
	second = evtimer_new(base, on_second, NULL);
	server_start();
	return cache != NULL && second != NULL && https_start(base);
}

void questions_reload(void)
{
	generation++;
	cache_clear(cache);
	server_reload();
	questions_resume();
}

void questions_stop(void)
{
	struct question *q;

	while (!TAILQ_EMPTY(&waiting))
		finish_first(OAUTH_UNKNOWN);
	while ((q = TAILQ_FIRST(&running)) != NULL) {
		TAILQ_REMOVE(&running, q, entry);
		https_cancel(q->https);
		finish(q, OAUTH_UNKNOWN, NULL);
	}
	event_free(second);
	https_stop();
	server_stop();
	cache_free(cache);
}
