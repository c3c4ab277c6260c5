/*
 * limits.c - how much one client, and one network, may do.
 */
#include "smtpd/limits.h"

#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/tally.h"
#include "smtpd/delay.h"
#include "smtpd/session.h"

enum { MINUTE = 60, NAME_MAX_LENGTH = 64 };

/* The two that every client is counted as. */
enum scope { SCOPE_CLIENT, SCOPE_NETWORK };

static struct tally *table;

static const struct {
	const char *name;
	size_t offset; /* in struct conf_limits */
} rows[LIMIT_COUNT] = {
    [LIMIT_CONNECTIONS] = {"connections",            offsetof(struct conf_limits, connections)           },
    [LIMIT_CONNECTIONS_PER_MINUTE] = {"connections-per-minute",
			   offsetof(struct conf_limits,                           connections_per_minute)},
    [LIMIT_MESSAGES] = {"messages",               offsetof(struct conf_limits, messages)              },
    [LIMIT_RECIPIENTS] = {"recipients",             offsetof(struct conf_limits, recipients)            },
    [LIMIT_AUTH_FAILURES] = {"auth-failures",          offsetof(struct conf_limits, auth_failures)         },
    [LIMIT_ERRORS] = {"errors",                 offsetof(struct conf_limits, errors)                },
    [LIMIT_UNKNOWN_RECIPIENTS] = {"unknown-recipients",
			   offsetof(struct conf_limits,                           unknown_recipients)    },
};

bool limits_take_table(int file, unsigned worker)
{
	struct tally *new = tally_map(file, worker);

	if (new == NULL)
		return false;
	tally_unmap(table);
	table = new;
	return true;
}

static uint32_t now_seconds(void)
{
	return (uint32_t)(clock_monotonic_us() / 1000000);
}

static uint32_t window_of(enum limit limit)
{
	return limit == LIMIT_CONNECTIONS_PER_MINUTE ? MINUTE : (uint32_t)settings->limits.window;
}

/* 0: there is none. */
static uint64_t allowed(enum limit limit, enum scope scope)
{
	const struct conf_limits *limits =
	    scope == SCOPE_CLIENT ? &settings->limits.client : &settings->limits.network;
	int64_t value;

	memcpy(&value, (const char *)limits + rows[limit].offset, sizeof value);
	return (uint64_t)value;
}

static const char *name_of(enum limit limit, enum scope scope)
{
	static char name[NAME_MAX_LENGTH];

	snprintf(name, sizeof name, "limits.%s.%s", scope == SCOPE_CLIENT ? "client" : "network",
	    rows[limit].name);
	return name;
}

/* --- who is counted where ------------------------------------------------------------ */

static unsigned bits_of(uint8_t family, enum scope scope)
{
	if (family == AF_INET)
		return scope == SCOPE_CLIENT ? 32 : (unsigned)settings->limits.ipv4_network;
	return (unsigned)(scope == SCOPE_CLIENT ? settings->limits.ipv6_client
						: settings->limits.ipv6_network);
}

static tally_row row_of(const struct client *client, enum scope scope)
{
	struct host_address address = client_address(client);
	struct network network = network_of(&address, bits_of(address.family, scope));
	uint8_t key[sizeof network.base.octets + 2];

	/* A network and the client that is all of it are two rows. */
	memcpy(key, network.base.octets, sizeof network.base.octets);
	key[sizeof key - 2] = (uint8_t)network.bits;
	key[sizeof key - 1] = (uint8_t)(address.family == AF_INET ? scope : scope + 2);
	return tally_find(table, slice_of(key, sizeof key), now_seconds());
}

void limits_follow(struct client *client)
{
	bool has_address = client->family == AF_INET || client->family == AF_INET6;

	client->rows[SCOPE_CLIENT] = client->rows[SCOPE_NETWORK] = 0;
	if (table == NULL || !has_address || client_is_in(client, &settings->limits.exempt))
		return;
	client->rows[SCOPE_CLIENT] = row_of(client, SCOPE_CLIENT);
	client->rows[SCOPE_NETWORK] = row_of(client, SCOPE_NETWORK);
}

/* --- counting ------------------------------------------------------------------------- */

void limits_count(const struct client *client, enum limit limit, uint32_t amount)
{
	if (client->is_trial)
		return;
	for (int scope = SCOPE_CLIENT; scope <= SCOPE_NETWORK; scope++)
		if (client->rows[scope] != 0)
			tally_add(table, client->rows[scope], (unsigned)limit, amount,
			    now_seconds(), window_of(limit));
}

static uint64_t count_of(const struct client *client, enum limit limit, enum scope scope)
{
	if (limit == LIMIT_CONNECTIONS)
		return tally_connections(table, client->rows[scope]);
	return tally_add(
	    table, client->rows[scope], (unsigned)limit, 0, now_seconds(), window_of(limit));
}

const char *limits_against(const struct client *client, enum limit limit)
{
	for (int scope = SCOPE_CLIENT; scope <= SCOPE_NETWORK; scope++) {
		uint64_t most = allowed(limit, (enum scope)scope);

		if (client->rows[scope] != 0 && most > 0 &&
		    count_of(client, limit, (enum scope)scope) >= most)
			return name_of(limit, (enum scope)scope);
	}
	return NULL;
}

const char *limits_connect(struct client *client)
{
	/* Who has been guessing, or has understood nothing so far, need not come in to be told so. */
	static const enum limit asked[] = {LIMIT_CONNECTIONS, LIMIT_CONNECTIONS_PER_MINUTE,
	    LIMIT_ERRORS, LIMIT_UNKNOWN_RECIPIENTS};
	const char *against = NULL;

	limits_follow(client);
	for (size_t i = 0; against == NULL && i < sizeof asked / sizeof asked[0]; i++)
		against = limits_against(client, asked[i]);
	/* An attempt counts, too: who keeps trying stays outside. */
	limits_count(client, LIMIT_CONNECTIONS_PER_MINUTE, 1);
	for (int scope = SCOPE_CLIENT; against == NULL && scope <= SCOPE_NETWORK; scope++)
		if (client->rows[scope] != 0)
			tally_connect(table, client->rows[scope]);
	return against;
}

void limits_disconnect(const struct client *client)
{
	if (client->is_trial)
		return;
	for (int scope = SCOPE_CLIENT; scope <= SCOPE_NETWORK; scope++)
		if (client->rows[scope] != 0)
			tally_disconnect(table, client->rows[scope]);
}

/* --- in a session ----------------------------------------------------------------------- */

/* Users have limits of their own, by login; those who may relay are the administrator's. */
static bool is_limited(const struct session *s)
{
	return !gate_is_trusted(s);
}

/* One line each time, for people and for fail2ban: the client comes first. */
static void log_limited(const struct session *s, const char *limit, const char *at)
{
	log_warning("client-limited", log_string("client", s->client.text),
	    log_string("limit", limit), log_string("at", at));
}

static void defer(struct session *s, enum limit limit, const char *status, const char *text,
    const char *at, struct verdict *verdict)
{
	const char *against = limits_against(&s->client, limit);

	if (against == NULL) {
		limits_count(&s->client, limit, 1);
		return;
	}
	log_limited(s, against, at);
	*verdict = verdict_of(VERDICT_DEFER, 450, status, text, against);
}

static bool probes(const struct session *s, const char **limit)
{
	*limit = "smtp.unknown-recipients-limit";
	if (s->unknown_recipients >= settings->smtp.unknown_recipients_limit)
		return true;
	*limit = limits_against(&s->client, LIMIT_UNKNOWN_RECIPIENTS);
	return *limit != NULL;
}

/* Who goes on asking without being told anything is sent away. */
static void tell_nothing(struct session *s, const char *limit, struct verdict *verdict)
{
	static const char text[] = "Too many recipients that there are not; try again later";
	bool is_enough = ++s->unanswered_recipients > settings->smtp.unknown_recipients_limit;

	if (s->unanswered_recipients == 1 || is_enough)
		log_limited(s, limit, "rcpt");
	*verdict = verdict_of(is_enough ? VERDICT_DISCONNECT : VERDICT_DEFER, is_enough ? 421 : 450,
	    "4.7.1", text, limit);
	delay_all_replies(s, (unsigned)settings->smtp.tarpit_delay);
}

static void check_early_talker(struct session *s, struct verdict *verdict)
{
	if (s->client.talked_early && settings->smtp.early_talkers == EARLY_TALKERS_REFUSE)
		*verdict = verdict_of(VERDICT_REFUSE, 550, "5.5.1",
		    "Your host talked before it was greeted", "smtp.early-talkers");
}

void limits_check(const struct gate_question *question, struct verdict *verdict)
{
	struct session *s = question->session;
	const char *limit;

	if (!is_limited(s))
		return;
	if (question->stage == GATE_MAIL) {
		defer(s, LIMIT_MESSAGES, "4.7.1",
		    "Too many messages from your address or network; try again later", "mail",
		    verdict);
	} else if (question->stage == GATE_RCPT && probes(s, &limit)) {
		tell_nothing(s, limit, verdict);
	} else if (question->stage == GATE_RCPT) {
		defer(s, LIMIT_RECIPIENTS, "4.7.1",
		    "Too many recipients from your address or network; try again later", "rcpt",
		    verdict);
		if (verdict->answer == VERDICT_NONE)
			check_early_talker(s, verdict);
	}
}

bool limits_note_recipient(struct session *s, bool is_unknown, struct verdict *verdict)
{
	const char *limit;
	bool is_replaced;

	if (!is_limited(s))
		return false;
	/* Others were asked about at the same time: their answers came too late to be given. */
	is_replaced = probes(s, &limit);
	if (is_replaced)
		tell_nothing(s, limit, verdict);
	if (is_unknown) {
		s->unknown_recipients++;
		limits_count(&s->client, LIMIT_UNKNOWN_RECIPIENTS, 1);
	}
	return is_replaced;
}

void limits_note_auth_failure(struct session *s)
{
	limits_count(&s->client, LIMIT_AUTH_FAILURES, 1);
}

const char *limits_against_auth(struct session *s)
{
	const char *limit = limits_against(&s->client, LIMIT_AUTH_FAILURES);

	if (limit != NULL)
		log_limited(s, limit, "auth");
	return limit;
}
