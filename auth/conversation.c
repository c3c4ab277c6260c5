/*
 * conversation.c - SCRAM: an attempt of several messages.
 *
 *     AUTH_SCRAM ---> CLIENT_FINAL ---> waits its turn ---> ACKNOWLEDGEMENT ---> answered
 *                     (awaited)         (throttle)          (awaited)
 *
 * There is one for a client's connection at most.  Its struct attempt lives from
 * the first message to the last; between two of them nobody is answered, and a
 * timer ends it where the asker has forgotten to.
 *
 * Whoever begins and does not go on costs memory, and an attempt of those that
 * there may be (attempt.h).  So a front daemon has so many at a time, and beyond
 * that the one that has waited longest for its client gives way: clients take a
 * moment, and those who begin for the sake of it push each other out.
 *
 * Whether an account exists shows nowhere: one without a verifier gets a salt that
 * is its own (credentials.h), and is refused at the end, at the same place.
 */
#include <sys/queue.h>
#include <sys/tree.h>

#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "auth/attempt_private.h"
#include "auth/scram.h"
#include "auth/secret.h"
#include "common/clock.h"
#include "common/conf.h"
#include "common/log.h"

enum {
	IDLE_SECONDS = 120, /* for the client's next message; front daemons cancel before that */
	OF_FRONT_MAX = 1000, /* that wait for their clients, of one front daemon */
	TELL_SECONDS = 60,   /* between two lines in the log about that */
};

enum awaited {
	AWAITS_NOTHING, /* the asker waits for us */
	AWAITS_CLIENT_FINAL,
	AWAITS_ACKNOWLEDGEMENT /* the client has our proof, and may not like it */
};

struct conversation {
	RB_ENTRY(conversation) entry;
	TAILQ_ENTRY(conversation) awaited_entry; /* while its client is waited for */
	bool is_listed;
	struct channel *channel;
	uint64_t connection;
	struct attempt *attempt;
	enum awaited awaited;
	struct scram scram;
};

static int compare(const struct conversation *a, const struct conversation *b)
{
	if (a->channel != b->channel)
		return (uintptr_t)a->channel < (uintptr_t)b->channel ? -1 : 1;
	return (a->connection > b->connection) - (a->connection < b->connection);
}

static RB_HEAD(conversations, conversation) conversations = RB_INITIALIZER(&conversations);
RB_PROTOTYPE(conversations, conversation, entry, compare)
RB_GENERATE(conversations, conversation, entry, compare)

/* Those whose clients are waited for, in the order in which that began; of all front daemons. */
static TAILQ_HEAD(, conversation) awaiting = TAILQ_HEAD_INITIALIZER(awaiting);
static unsigned awaiting_count;

/* --- the end ------------------------------------------------------------------------- */

static void await_nothing(struct conversation *c)
{
	if (c->awaited != AWAITS_NOTHING) {
		TAILQ_REMOVE(&awaiting, c, awaited_entry);
		awaiting_count--;
	}
	c->awaited = AWAITS_NOTHING;
}

static void unlist(struct conversation *c)
{
	if (c->is_listed)
		RB_REMOVE(conversations, &conversations, c);
	c->is_listed = false;
}

void conversation_free(struct attempt *a)
{
	struct conversation *c = a->conversation;

	a->conversation = NULL;
	await_nothing(c);
	unlist(c);
	scram_end(&c->scram);
	explicit_bzero(c, sizeof *c);
	free(c);
}

static struct conversation *find(struct channel *channel, uint64_t connection)
{
	struct conversation wanted = {.channel = channel, .connection = connection};

	return RB_FIND(conversations, &conversations, &wanted);
}

/* Nobody goes on with it.  A proof that is under way counts all the same. */
static void abandon(struct conversation *c)
{
	unlist(c);
	if (c->awaited != AWAITS_NOTHING)
		attempt_free(c->attempt);
	else
		c->attempt->channel = NULL;
}

void conversation_cancel(struct channel *channel, const struct auth_question *question)
{
	struct conversation *c = find(channel, question->connection);

	if (c != NULL)
		abandon(c);
}

void conversations_forget_channel(const struct channel *channel)
{
	struct conversation *c, *next;

	for (c = RB_MIN(conversations, &conversations); c != NULL; c = next) {
		next = RB_NEXT(conversations, &conversations, c);
		if (c->channel == channel)
			abandon(c);
	}
}

static void on_idle(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	attempt_free(context);
}

static void tell(const struct conversation *c)
{
	static uint64_t told_us;
	uint64_t now = clock_monotonic_us();

	if (told_us != 0 && now - told_us < (uint64_t)TELL_SECONDS * 1000000)
		return;
	told_us = now;
	log_warning("too-many-conversations", log_string("client", c->attempt->client),
	    log_number("limit", OF_FRONT_MAX));
}

/* Make room for one more of that front daemon's. */
static void limit(const struct channel *channel)
{
	struct conversation *c, *longest = NULL;
	unsigned count = 0;

	if (awaiting_count < OF_FRONT_MAX)
		return;
	TAILQ_FOREACH (c, &awaiting, awaited_entry) {
		if (c->channel != channel)
			continue;
		count++;
		if (longest == NULL)
			longest = c;
	}
	if (count < OF_FRONT_MAX)
		return;
	tell(longest);
	abandon(longest);
}

/* --- our messages -------------------------------------------------------------------- */

static void challenge(struct attempt *a, struct slice message, enum awaited awaited)
{
	struct auth_result result = {.verdict = AUTH_CONTINUE, .challenge = message};

	if (a->channel == NULL) {
		attempt_free(a);
		return;
	}
	limit(a->channel);
	a->conversation->awaited = awaited;
	TAILQ_INSERT_TAIL(&awaiting, a->conversation, awaited_entry);
	awaiting_count++;
	auth_reply(a->channel, a->request, &result);
	attempt_schedule(a, on_idle, (uint64_t)IDLE_SECONDS * 1000000);
}

/* Which of the account's credentials is in force may have changed since we sent its salt. */
static bool is_known_now(struct attempt *a, const struct credentials *credentials)
{
	const struct credential *shown = &a->conversation->scram.credential;
	struct credential now;
	bool known = credentials_scram(credentials, slice_string(a->account), decoy_secret, &now) &&
		     memcmp(now.scram.stored_key, shown->scram.stored_key, SCRAM_KEY) == 0;

	explicit_bzero(&now, sizeof now);
	return known;
}

/* Its turn has come. */
static void verify(struct attempt *a)
{
	const struct credentials *credentials = attempt_credentials(a);
	struct buf message = buf_with_limit(AUTH_CHALLENGE_MAX);
	bool right = scram_verify(&a->conversation->scram, &message);
	bool known = is_known_now(a, credentials);

	a->verified_us = clock_monotonic_us();
	if (!known) {
		attempt_refuse(a, "no such account, or no verifier for SCRAM");
	} else if (!right) {
		attempt_refuse(a, "wrong password");
	} else {
		attempt_proved(a);
		challenge(a, buf_slice(&message), AWAITS_ACKNOWLEDGEMENT);
	}
	buf_wipe(&message);
}

static void send_server_first(struct attempt *a)
{
	struct buf message = buf_with_limit(AUTH_CHALLENGE_MAX);
	const struct credentials *credentials = attempt_credentials(a);
	uint8_t random[SCRAM_NONCE_OCTETS];
	struct credential credential;

	if (credentials == NULL || RAND_bytes(random, sizeof random) != 1) {
		attempt_answer(a, AUTH_TEMPORARY);
		return;
	}
	credentials_scram(credentials, slice_string(a->account), decoy_secret, &credential);
	if (scram_server_first(&a->conversation->scram, &credential, random, &message))
		challenge(a, buf_slice(&message), AWAITS_CLIENT_FINAL);
	else
		attempt_answer(a, AUTH_TEMPORARY);
	explicit_bzero(&credential, sizeof credential);
	buf_wipe(&message);
}

/* --- the client's messages --------------------------------------------------------------- */

static struct attempt *conversation_new(
    struct channel *channel, uint32_t request, const struct auth_question *question)
{
	struct conversation *c = calloc(1, sizeof *c);
	struct attempt *a = c == NULL ? NULL : attempt_new(channel, request, question);

	if (a == NULL) {
		free(c);
		return NULL;
	}
	c->scram = scram_new();
	c->channel = channel;
	c->connection = question->connection;
	c->attempt = a;
	a->conversation = c;
	a->turn = verify;
	RB_INSERT(conversations, &conversations, c);
	c->is_listed = true;
	return a;
}

static void take_client_first(struct attempt *a, const struct auth_question *question, bool is_plus)
{
	struct scram *scram = &a->conversation->scram;
	const char *fault = NULL;
	enum scram_status status = scram_client_first(
	    scram, question->message, is_plus, question->exporter, question->end_point, &fault);

	if (status == SCRAM_MALFORMED)
		attempt_malformed(a, fault);
	else if (!settings->auth.scram)
		attempt_refuse(a, "SCRAM is switched off");
	else if (!attempt_identify(a, slice_string(scram->name), slice_string(scram->authorize)))
		return;
	else if (status == SCRAM_REFUSED)
		attempt_refuse(a, fault);
	else
		send_server_first(a);
}

bool conversation_begin(
    struct channel *channel, uint32_t request, const struct auth_question *question)
{
	bool is_plus = strcmp(question->mechanism, "SCRAM-SHA-256-PLUS") == 0;
	struct attempt *a;

	if (!is_plus && strcmp(question->mechanism, "SCRAM-SHA-256") != 0)
		return false;
	conversation_cancel(channel, question);
	a = conversation_new(channel, request, question);
	if (a == NULL)
		auth_reply(channel, request, &(struct auth_result){.verdict = AUTH_TEMPORARY});
	else
		take_client_first(a, question, is_plus);
	return true;
}

static void take_client_final(struct attempt *a, struct slice message)
{
	const char *fault;

	switch (scram_client_final(&a->conversation->scram, message, &fault)) {
	case SCRAM_MALFORMED:
		attempt_malformed(a, fault);
		break;
	case SCRAM_REFUSED:
		attempt_refuse(a, fault);
		break;
	case SCRAM_GOOD:
		attempt_take_turn(a);
		break;
	}
}

bool conversation_respond(
    struct channel *channel, uint32_t request, const struct auth_question *question)
{
	struct conversation *c = find(channel, question->connection);
	enum awaited awaited;

	if (c == NULL) { /* the client took too long, or we are not who it began with */
		auth_reply(channel, request, &(struct auth_result){.verdict = AUTH_TEMPORARY});
		return true;
	}
	awaited = c->awaited;
	if (awaited == AWAITS_NOTHING)
		return false;
	await_nothing(c);
	c->attempt->request = request;
	c->attempt->began_us = clock_monotonic_us();
	evtimer_del(&c->attempt->timer);
	if (awaited == AWAITS_CLIENT_FINAL)
		take_client_final(c->attempt, question->message);
	else if (slice_is_empty(question->message))
		attempt_succeed(c->attempt);
	else
		attempt_malformed(c->attempt, "something behind the last message");
	return true;
}
