/*
 * attempt.c - one attempt to log in, from the question to the answer.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "auth/attempt_private.h"
#include "auth/credentials.h"
#include "auth/file.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/process.h"
#include "table/entry.h"

enum {
	WAIT_SECONDS_MAX = 60, /* for one's turn; then the answer is AUTH_LIMITED */
	ACCOUNT_PARALLEL = 8,  /* attempts of one account at a time */
	NETWORK_FREE = 10,     /* failures of one network before it waits */
};

static LIST_HEAD(, attempt) attempts = LIST_HEAD_INITIALIZER(attempts);
static unsigned attempt_count;
static struct event_base *loop;
static struct cache *cache;
static struct throttle *throttle;
static struct siphash_key decoy_key;
static unsigned cached_generation; /* of the credentials that the cache knows about */

/* --- rules ------------------------------------------------------------------------------ */

static struct throttle_rule account_rule(void)
{
	return (struct throttle_rule){
	    .first_us = (uint64_t)settings->auth.failure_delay * 1000000,
	    .parallel = ACCOUNT_PARALLEL,
	};
}

static struct throttle_rule network_rule(void)
{
	return (struct throttle_rule){
	    .first_us = (uint64_t)settings->auth.failure_delay * 1000000,
	    .free = NETWORK_FREE,
	};
}

static bool is_loopback(const char *client)
{
	return strncmp(client, "127.", 4) == 0 || strcmp(client, "::1") == 0 ||
	       strncmp(client, "::ffff:127.", 11) == 0;
}

/* The front daemon sees to this, too; a password that came in the clear is not worth much. */
static bool may_be_clear(const struct attempt *a)
{
	switch (settings->auth.cleartext) {
	case CLEARTEXT_ALWAYS:
		return true;
	case CLEARTEXT_LOOPBACK:
		return is_loopback(a->client);
	default:
		return false;
	}
}

/* The login name as an account: without a domain it is in the first of ours. */
static bool name_account(struct slice name, char account[CREDENTIALS_ACCOUNT_MAX + 1])
{
	char whole[CREDENTIALS_ACCOUNT_MAX + 1];
	int len;

	if (slice_find_last(name, '@') >= 0 || settings->domains.count == 0)
		return credentials_canonical(name, account);
	if (slice_find(name, 0, '\0') >= 0)
		return false;
	len = snprintf(
	    whole, sizeof whole, "%.*s@%s", SLICE_PRINTF(name), settings->domains.words[0]);
	return len > 0 && (size_t)len < sizeof whole &&
	       credentials_canonical(slice_of(whole, (size_t)len), account);
}

/* --- answers ---------------------------------------------------------------------------- */

void attempt_free(struct attempt *a)
{
	if (a->conversation != NULL)
		conversation_free(a);
	buf_wipe(&a->token);
	buf_wipe(&a->authorize);
	evtimer_del(&a->timer);
	LIST_REMOVE(a, entry);
	attempt_count--;
	explicit_bzero(a, sizeof *a);
	free(a);
}

void auth_reply(struct channel *channel, uint32_t request, const struct auth_result *result)
{
	auth_result_write(channel_begin(channel, AUTH_RESULT, request), result);
	channel_end(channel);
}

void attempt_answer(struct attempt *a, enum auth_verdict verdict)
{
	struct auth_result result = {.verdict = (uint8_t)verdict};
	struct buf reason = buf_with_limit(AUTH_CHALLENGE_MAX);

	if (verdict == AUTH_OK)
		slice_copy(slice_string(a->account), result.account, sizeof result.account);
	if (verdict == AUTH_REFUSED && a->status != NULL)
		token_write_reason(a, &reason);
	result.challenge = buf_slice(&reason);
	if (a->channel != NULL)
		auth_reply(a->channel, a->request, &result);
	buf_free(&reason);
	attempt_free(a);
}

static void log_attempt(
    enum log_level level, const char *event, const struct attempt *a, const char *reason)
{
	struct log_field fields[] = {
	    log_string("client", a->client),
	    log_string("account", a->account),
	    log_string("mechanism", a->mechanism),
	    log_string("service", service_name((enum service)a->service)),
	    log_string("tls", a->tls ? "yes" : "no"),
	    log_string("reason", reason),
	    {LOG_KIND_END, NULL, {NULL, 0}, 0},
	};

	if (reason == NULL)
		fields[5] = fields[6];
	log_write(level, event, fields);
}

/*
 * A reader's success is a session.  It is asked of master here, not by the front
 * daemon, whose word would not be enough.
 */
static bool ask_for_session(const struct attempt *a)
{
	struct control_session session = {
	    .instance = a->instance,
	    .connection = a->connection,
	};
	char mailbox[MAILBOX_PATH_MAX];

	switch (a->service) {
	case SERVICE_IMAP:
	case SERVICE_IMAPS:
		session.service = SERVICE_IMAP;
		break;
	case SERVICE_POP3:
	case SERVICE_POP3S:
		session.service = SERVICE_POP3;
		break;
	default:
		return true;
	}
	if (a->channel == NULL || process_master() == NULL ||
	    !account_mailbox_path(slice_string(a->account), mailbox) ||
	    !slice_copy(slice_string(mailbox), session.mailbox, sizeof session.mailbox) ||
	    !slice_copy(slice_string(a->account), session.account, sizeof session.account))
		return false;
	control_session_write(channel_begin(process_master(), CONTROL_SESSION, 0), &session);
	return channel_end(process_master());
}

void attempt_succeed(struct attempt *a)
{
	if (ask_for_session(a)) {
		log_attempt(LEVEL_INFO, "login", a, NULL);
		attempt_answer(a, AUTH_OK);
	} else {
		log_attempt(LEVEL_ERROR, "login-without-session", a, NULL);
		attempt_answer(a, AUTH_TEMPORARY);
	}
}

void attempt_malformed(struct attempt *a, const char *reason)
{
	log_attempt(LEVEL_WARNING, "auth-failed", a, reason);
	attempt_answer(a, AUTH_MALFORMED);
}

static void on_delayed_refusal(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	attempt_answer(context, AUTH_REFUSED);
}

void attempt_schedule(struct attempt *a, event_callback_fn then, uint64_t wait_us)
{
	const struct timeval wait = {(time_t)(wait_us / 1000000), (suseconds_t)(wait_us % 1000000)};

	evtimer_del(&a->timer);
	event_assign(&a->timer, loop, -1, 0, then, a);
	evtimer_add(&a->timer, &wait);
}

/* The line that fail2ban reads comes at once, the answer after a while. */
void attempt_refuse(struct attempt *a, const char *reason)
{
	const struct throttle_rule by_account = account_rule(), by_network = network_rule();
	uint64_t now = clock_monotonic_us();
	uint64_t wait = 0;
	uint64_t network_wait =
	    throttle_failed(throttle, slice_string(a->network), &by_network, a->verified_us, now);

	/* A token, or a certificate, that is good for nothing may be nobody's. */
	if (a->account[0] != '\0')
		wait = throttle_failed(
		    throttle, slice_string(a->account), &by_account, a->verified_us, now);
	log_attempt(LEVEL_WARNING, "auth-failed", a, reason);
	attempt_schedule(a, on_delayed_refusal, wait > network_wait ? wait : network_wait);
}

/* --- verifying -------------------------------------------------------------------------- */

static void on_turn(evutil_socket_t fd, short what, void *context);

void attempt_proved(struct attempt *a)
{
	throttle_succeeded(throttle, slice_string(a->account));
}

/* The thread's word. */
static void on_verified(struct work *work)
{
	struct attempt *a = (struct attempt *)(void *)work;
	uint64_t now = clock_monotonic_us();

	throttle_end(throttle, slice_string(a->account));
	if (!a->is_known) {
		attempt_refuse(a, "no such account");
		return;
	}
	if (!work->right) {
		attempt_refuse(a, "wrong password");
		return;
	}
	attempt_proved(a);
	if (a->has_proof && a->generation == cached_generation)
		cache_remember(
		    cache, &a->proof, now, now + (uint64_t)settings->auth.cache * 1000000);
	attempt_succeed(a);
}

static void verify(struct attempt *a, const struct credentials *credentials)
{
	struct slice account = slice_string(a->account);

	a->is_known = credentials_find(credentials, account, &a->work.credential);
	if (!a->is_known)
		credentials_decoy(credentials, account, decoy_key, &a->work.credential);
	a->verified_us = clock_monotonic_us();
	throttle_begin(throttle, account, a->verified_us);
	workers_submit(&a->work);
}

const struct credentials *attempt_credentials(struct attempt *a)
{
	const struct credentials *credentials = file_credentials(&a->generation);

	if (a->generation != cached_generation) {
		cache_clear(cache);
		cached_generation = a->generation;
	}
	return credentials;
}

/* It may be this attempt's turn. */
void attempt_take_turn(struct attempt *a)
{
	const struct throttle_rule by_account = account_rule(), by_network = network_rule();
	uint64_t now = clock_monotonic_us(), wait, network_wait;
	const struct credentials *credentials = attempt_credentials(a);

	if (credentials == NULL) {
		attempt_answer(a, AUTH_TEMPORARY);
		return;
	}
	/* Who knows the password does not suffer from those who guess it. */
	if (a->has_proof && cache_knows(cache, &a->proof, now)) {
		attempt_succeed(a);
		return;
	}
	wait = a->account[0] == '\0'
		   ? 0
		   : throttle_wait(throttle, slice_string(a->account), &by_account, now);
	network_wait = throttle_wait(throttle, slice_string(a->network), &by_network, now);
	if (network_wait > wait)
		wait = network_wait;
	if (wait == 0 && a->turn != NULL) {
		a->turn(a);
	} else if (wait == 0) {
		verify(a, credentials);
	} else if (now - a->began_us + wait > (uint64_t)WAIT_SECONDS_MAX * 1000000) {
		log_attempt(LEVEL_WARNING, "auth-limited", a, NULL);
		attempt_answer(a, AUTH_LIMITED);
	} else {
		attempt_schedule(a, on_turn, wait);
	}
}

static void on_turn(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	attempt_take_turn(context);
}

/* --- questions --------------------------------------------------------------------------- */

struct attempt *attempt_new(
    struct channel *channel, uint32_t request, const struct auth_question *question)
{
	struct attempt *a = attempt_count < ATTEMPTS_MAX ? calloc(1, sizeof *a) : NULL;

	if (a == NULL)
		return NULL;
	a->channel = channel;
	a->request = request;
	a->service = question->service;
	a->instance = process_peer_instance(channel);
	a->connection = question->connection;
	a->tls = question->tls;
	a->token = buf_with_limit(AUTH_TOKEN_MAX);
	a->authorize = buf_with_limit(AUTH_NAME_MAX);
	a->began_us = a->verified_us = clock_monotonic_us();
	slice_copy(slice_string(question->mechanism), a->mechanism, sizeof a->mechanism);
	slice_copy(slice_string(question->client), a->client, sizeof a->client);
	throttle_network(a->client, a->network);
	/* attempt_begin's reader has checked the length. */
	if (question->password.len > 0)
		memcpy(a->work.password, question->password.data, question->password.len);
	a->work.password_len = question->password.len;
	event_assign(&a->timer, loop, -1, 0, on_turn, a);
	LIST_INSERT_HEAD(&attempts, a, entry);
	attempt_count++;
	return a;
}

bool attempt_names(struct slice name, const char *account)
{
	char named[CREDENTIALS_ACCOUNT_MAX + 1];

	return name_account(name, named) && strcmp(named, account) == 0;
}

bool attempt_identify(struct attempt *a, struct slice name, struct slice authorize)
{
	if (!name_account(name, a->account)) {
		/* For the log, which escapes it, and for the throttle. */
		slice_copy(slice_part(name, 0, sizeof a->account - 1), a->account,
		    sizeof a->account);
		attempt_refuse(a, "not an account's name");
		return false;
	}
	/* Nobody acts for another (RFC 4616, 2: the authorization identity). */
	if (authorize.len > 0 && !attempt_names(authorize, a->account)) {
		attempt_refuse(a, "asked to act for another account");
		return false;
	}
	if (!a->tls && !may_be_clear(a)) {
		attempt_refuse(a, "password in the clear");
		return false;
	}
	return true;
}

void attempt_begin(struct channel *channel, uint32_t request, const struct auth_question *question)
{
	struct attempt *a = attempt_new(channel, request, question);

	if (a == NULL) {
		auth_reply(channel, request, &(struct auth_result){.verdict = AUTH_TEMPORARY});
		return;
	}
	if (!attempt_identify(a, question->name, question->authorize))
		return;
	a->has_proof = settings->auth.cache > 0 &&
		       cache_prove(cache, slice_string(a->account), question->password, &a->proof);
	attempt_take_turn(a);
}

void attempts_forget_channel(const struct channel *channel)
{
	struct attempt *a;

	conversations_forget_channel(channel);
	LIST_FOREACH (a, &attempts, entry)
		if (a->channel == channel)
			a->channel = NULL;
}

bool attempts_start(struct event_base *base)
{
	loop = base;
	cache = cache_new();
	throttle = throttle_new();
	decoy_key = siphash_key_random();
	if (cache == NULL || throttle == NULL ||
	    !workers_start(base, (unsigned)settings->auth.threads, on_verified)) {
		log_error("cannot-start-threads", log_errno(errno));
		return false;
	}
	return true;
}

void attempts_reload(void)
{
	cache_clear(cache);
}

void attempts_stop(void)
{
	workers_stop();
	while (!LIST_EMPTY(&attempts))
		attempt_free(LIST_FIRST(&attempts));
	cache_free(cache);
	throttle_free(throttle);
}
