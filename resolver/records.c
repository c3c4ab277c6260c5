/*
 * records.c - questions of peers for the records of a name, as they are.
 *
 * What fails is not logged here: whoever asks knows whether it matters.
 */
#include "resolver/records.h"

#include <event2/event.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "common/log.h"

enum { QUESTIONS_MAX = 16384 };

struct asked {
	TAILQ_ENTRY(asked) entry;
	struct channel *channel;
	uint32_t request;
	enum resolver_type type;
	struct dns_query *query;
	struct event *deadline;
	char name[RESOLVER_NAME_MAX + 1];
};

static TAILQ_HEAD(, asked) all = TAILQ_HEAD_INITIALIZER(all);
static size_t asked_count;
static struct event_base *event_base;
static struct dns *current_dns;
static unsigned timeout;

void records_use(struct event_base *base, struct dns *dns, unsigned timeout_seconds)
{
	event_base = base;
	current_dns = dns;
	timeout = timeout_seconds;
}

static void send_records(
    struct channel *channel, uint32_t request, const struct resolver_records *records)
{
	resolver_records_write(channel_begin(channel, RESOLVER_RECORDS, request), records);
	channel_end(channel);
}

static void send_status(struct channel *channel, uint32_t request, enum resolver_status status)
{
	const struct resolver_records none = {.status = (uint8_t)status};

	send_records(channel, request, &none);
}

static void free_asked(struct asked *asked)
{
	dns_cancel(asked->query);
	if (asked->deadline != NULL)
		event_free(asked->deadline);
	TAILQ_REMOVE(&all, asked, entry);
	asked_count--;
	free(asked);
}

static void on_answer(void *context, const struct dns_answer *answer)
{
	static char texts[RESOLVER_RECORDS_MAX][RESOLVER_RECORD_MAX];
	struct asked *asked = context;
	struct resolver_records records = {.status = (uint8_t)answer->status, .ttl = answer->ttl};

	asked->query = NULL;
	for (size_t i = 0; i < answer->count && records.count < RESOLVER_RECORDS_MAX; i++) {
		struct slice record = answer->records[i];

		if (asked->type == RESOLVER_TXT)
			record = slice_of(texts[records.count],
			    dns_text(record, texts[records.count], RESOLVER_RECORD_MAX));
		else if (record.len != 4)
			continue;
		records.records[records.count++] = record;
	}
	send_records(asked->channel, asked->request, &records);
	free_asked(asked);
}

static bool start(struct asked *asked)
{
	asked->query = dns_ask(current_dns, asked->name,
	    asked->type == RESOLVER_TXT ? DNS_TXT : DNS_A, on_answer, asked);
	return asked->query != NULL;
}

static void give_up(struct asked *asked)
{
	send_status(asked->channel, asked->request, RESOLVER_TEMPORARY);
	free_asked(asked);
}

static void on_deadline(evutil_socket_t socket, short what, void *context)
{
	(void)socket, (void)what;
	give_up(context);
}

void records_ask(
    struct channel *channel, uint32_t request, enum resolver_type type, const char *name)
{
	struct timeval limit = {.tv_sec = (time_t)timeout};
	struct asked *asked;

	if (!dns_name_is_valid(slice_string(name))) {
		send_status(channel, request, RESOLVER_BAD_NAME);
		return;
	}
	asked = asked_count < QUESTIONS_MAX ? calloc(1, sizeof *asked) : NULL;
	if (asked == NULL) {
		log_warning("questions-limit", log_number("questions", asked_count));
		send_status(channel, request, RESOLVER_TEMPORARY);
		return;
	}
	asked->channel = channel;
	asked->request = request;
	asked->type = type;
	slice_copy(slice_string(name), asked->name, sizeof asked->name);
	TAILQ_INSERT_TAIL(&all, asked, entry);
	asked_count++;
	asked->deadline = evtimer_new(event_base, on_deadline, asked);
	if (asked->deadline == NULL || evtimer_add(asked->deadline, &limit) != 0 || !start(asked))
		give_up(asked);
}

void records_move(struct dns *dns)
{
	struct asked *asked, *next;

	current_dns = dns;
	for (asked = TAILQ_FIRST(&all); asked != NULL; asked = next) {
		next = TAILQ_NEXT(asked, entry);
		dns_cancel(asked->query);
		if (!start(asked))
			give_up(asked);
	}
}

void records_forget(const struct channel *channel)
{
	struct asked *asked, *next;

	for (asked = TAILQ_FIRST(&all); asked != NULL; asked = next) {
		next = TAILQ_NEXT(asked, entry);
		if (asked->channel == channel)
			free_asked(asked);
	}
}
