/*
 * question.c - a question of a peer, from the first query to the answer.
 *
 * A question takes at most two rounds of queries: for MX, the records and then
 * all hosts' addresses at once; for the name of an address, the PTR records and
 * then the names' addresses, since anyone can claim any name there.  When its
 * time is up it is answered with what has come in.
 */
#include "resolver/question.h"

#include <event2/event.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "common/log.h"

enum {
	NAMES_MAX = 8, /* PTR records of one address that are followed */
	QUERIES_MAX = 2 * RESOLVER_HOSTS_MAX
};

/* One query to the DNS. */
struct query {
	struct question *question;
	struct dns_query *running; /* NULL: not asked, or answered */
	enum dns_type type;
	unsigned which; /* host or name of the question */
};

/* What is known of a host's addresses so far. */
struct host_addresses {
	struct address_list v4;
	struct address_list v6;
};

struct question {
	TAILQ_ENTRY(question) entry;
	struct channel *channel;
	uint32_t request;
	enum resolver_type type;
	char name[RESOLVER_NAME_MAX + 1]; /* what the first query is for */
	struct event *deadline;
	const char *failure; /* why something could not be found out */
	bool second_round;
	unsigned running;
	unsigned query_count;
	struct query queries[QUERIES_MAX];

	/* RESOLVER_MX, RESOLVER_ADDRESS */
	struct resolver_hosts *hosts;
	struct host_addresses *addresses; /* as many as there are hosts */

	/* RESOLVER_NAME */
	struct resolver_address address;
	enum resolver_status name_status;
	unsigned name_count;
	unsigned confirmed; /* the first name that points back; NAMES_MAX: none yet */
	char names[NAMES_MAX][RESOLVER_NAME_MAX + 1];
};

static TAILQ_HEAD(, question) questions = TAILQ_HEAD_INITIALIZER(questions);
static size_t question_count;
static struct event_base *event_base;
static struct dns *current_dns;
static unsigned question_timeout;

static void round_ended(struct question *q);

void questions_use(struct event_base *base, struct dns *dns, unsigned timeout_seconds)
{
	event_base = base;
	current_dns = dns;
	question_timeout = timeout_seconds;
}

/* --- coming and going -------------------------------------------------------- */

static void free_question(struct question *q)
{
	for (unsigned i = 0; i < q->query_count; i++)
		dns_cancel(q->queries[i].running);
	TAILQ_REMOVE(&questions, q, entry);
	question_count--;
	event_free(q->deadline);
	free(q->hosts);
	free(q->addresses);
	free(q);
}

void questions_forget(const struct channel *channel)
{
	struct question *q, *next;

	for (q = TAILQ_FIRST(&questions); q != NULL; q = next) {
		next = TAILQ_NEXT(q, entry);
		if (q->channel == channel)
			free_question(q);
	}
}

static void send_hosts(
    struct channel *channel, uint32_t request, const struct resolver_hosts *hosts)
{
	resolver_hosts_write(channel_begin(channel, RESOLVER_HOSTS, request), hosts);
	channel_end(channel);
}

static void send_name(
    struct channel *channel, uint32_t request, enum resolver_status status, const char *name)
{
	struct writer *w = channel_begin(channel, RESOLVER_NAMED, request);

	write_u8(w, (uint8_t)status);
	write_string(w, name);
	channel_end(channel);
}

/* An answer without a question to the DNS. */
static void send_status(
    struct channel *channel, uint32_t request, enum resolver_type type, enum resolver_status status)
{
	struct resolver_hosts none = {.status = (uint8_t)status};

	if (type == RESOLVER_NAME)
		send_name(channel, request, status, "");
	else
		send_hosts(channel, request, &none);
}

static enum resolver_status status_of(const struct question *q)
{
	return q->type == RESOLVER_NAME ? q->name_status : (enum resolver_status)q->hosts->status;
}

static void answer_question(struct question *q)
{
	static const char *const types[] = {
	    [RESOLVER_MX] = "mx", [RESOLVER_ADDRESS] = "address", [RESOLVER_NAME] = "name"};

	if (status_of(q) == RESOLVER_TEMPORARY)
		log_warning("dns-failed", log_string("question", types[q->type]),
		    log_string("name", q->name), log_string("reason", q->failure));
	if (q->type == RESOLVER_NAME)
		send_name(q->channel, q->request, q->name_status,
		    q->name_status == RESOLVER_OK ? q->names[q->confirmed] : "");
	else
		send_hosts(q->channel, q->request, q->hosts);
	free_question(q);
}

/* --- what queries bring ------------------------------------------------------ */

static void take_ptr(struct question *q, const struct dns_answer *answer)
{
	q->name_status = answer->status;
	for (size_t i = 0; i < answer->count && q->name_count < NAMES_MAX; i++)
		if (dns_name_text(answer->records[i], q->names[q->name_count]) &&
		    q->names[q->name_count][0] != '\0')
			q->name_count++;
	if (answer->status == RESOLVER_OK && q->name_count == 0)
		q->name_status = RESOLVER_NO_DATA;
}

/* The address that one of its names has; the first such name is the one. */
static void take_confirmation(
    struct question *q, const struct query *query, const struct dns_answer *answer)
{
	if (answer_has_address(answer, &q->address) && query->which < q->confirmed)
		q->confirmed = query->which;
	if (answer->status == RESOLVER_TEMPORARY)
		q->name_status = RESOLVER_TEMPORARY;
}

static void take_answer(struct query *query, const struct dns_answer *answer)
{
	struct question *q = query->question;

	if (answer->status == RESOLVER_TEMPORARY)
		q->failure = answer->reason;
	/* Who the hosts are; where they are is another matter, that their certificates settle. */
	if (q->hosts != NULL && (query->type == DNS_MX || q->type != RESOLVER_MX))
		q->hosts->secure &= answer->secure;
	switch (query->type) {
	case DNS_MX:
		if (answer->status == RESOLVER_OK)
			answer_take_mx(answer, arc4random_uniform, q->hosts);
		else
			q->hosts->status = (uint8_t)answer->status;
		q->hosts->implicit = answer->status == RESOLVER_NO_DATA;
		break;
	case DNS_PTR:
		take_ptr(q, answer);
		break;
	case DNS_TXT: /* records.c's */
		break;
	case DNS_A:
	case DNS_AAAA:
		if (q->type == RESOLVER_NAME)
			take_confirmation(q, query, answer);
		else if (query->type == DNS_A)
			answer_take_addresses(
			    answer, AF_INET, arc4random_uniform, &q->addresses[query->which].v4);
		else
			answer_take_addresses(
			    answer, AF_INET6, arc4random_uniform, &q->addresses[query->which].v6);
		break;
	}
}

static void on_answer(void *context, const struct dns_answer *answer)
{
	struct query *query = context;

	query->running = NULL;
	take_answer(query, answer);
	if (--query->question->running == 0)
		round_ended(query->question);
}

/* A query that will get no answer. */
static void give_up_on(struct query *query, const char *reason)
{
	static struct dns_answer none;

	none = (struct dns_answer){.status = RESOLVER_TEMPORARY, .reason = reason};
	take_answer(query, &none);
}

static const char *name_of(const struct query *query)
{
	const struct question *q = query->question;

	if (!q->second_round)
		return q->name;
	return q->type == RESOLVER_NAME ? q->names[query->which]
					: q->hosts->hosts[query->which].name;
}

static void start_query(struct query *query)
{
	query->running = dns_ask(current_dns, name_of(query), query->type, on_answer, query);
	if (query->running != NULL)
		query->question->running++;
	else
		give_up_on(query, "the resolver is unusable");
}

static void ask(struct question *q, enum dns_type type, unsigned which)
{
	struct query *query = &q->queries[q->query_count++];

	*query = (struct query){q, NULL, type, which};
	start_query(query);
}

/* --- the two rounds ---------------------------------------------------------- */

static void ask_for_addresses(struct question *q)
{
	q->addresses = calloc(q->hosts->count, sizeof *q->addresses);
	if (q->addresses == NULL) {
		q->hosts->status = RESOLVER_TEMPORARY;
		q->hosts->count = 0;
		q->failure = "out of memory";
		return;
	}
	for (unsigned i = 0; i < q->hosts->count; i++) {
		ask(q, DNS_A, i);
		ask(q, DNS_AAAA, i);
	}
}

/* The name itself is the only host. */
static void begin_with_name(struct question *q)
{
	q->hosts->status = RESOLVER_OK;
	q->hosts->count = 1;
	memcpy(q->hosts->hosts[0].name, q->name, sizeof q->name);
}

static void begin_second_round(struct question *q)
{
	q->second_round = true;
	q->query_count = 0;
	if (q->type == RESOLVER_NAME) {
		for (unsigned i = 0; i < q->name_count; i++)
			ask(q, q->address.family == AF_INET ? DNS_A : DNS_AAAA, i);
		return;
	}
	/* Without MX records the domain itself is where its mail goes (RFC 5321, 5.1). */
	if (q->hosts->implicit)
		begin_with_name(q);
	if (q->hosts->status == RESOLVER_OK)
		ask_for_addresses(q);
}

static void finish(struct question *q)
{
	if (q->type == RESOLVER_NAME) {
		if (q->confirmed < NAMES_MAX)
			q->name_status = RESOLVER_OK;
		else if (q->name_status == RESOLVER_OK)
			q->name_status = RESOLVER_NO_NAME;
	} else if (q->hosts->status == RESOLVER_OK) {
		for (unsigned i = 0; i < q->hosts->count; i++)
			host_take_addresses(
			    &q->hosts->hosts[i], &q->addresses[i].v4, &q->addresses[i].v6);
		answer_finish_hosts(q->hosts, q->type == RESOLVER_MX && !q->hosts->implicit);
	}
	answer_question(q);
}

static void round_ended(struct question *q)
{
	if (!q->second_round)
		begin_second_round(q);
	if (q->running == 0)
		finish(q);
}

static void on_deadline(evutil_socket_t socket, short what, void *context)
{
	struct question *q = context;

	(void)socket;
	(void)what;
	for (unsigned i = 0; i < q->query_count; i++) {
		struct query *query = &q->queries[i];

		if (query->running == NULL)
			continue;
		dns_cancel(query->running);
		query->running = NULL;
		give_up_on(query, "timed out");
	}
	q->running = 0;
	finish(q);
}

void questions_move(struct dns *dns)
{
	struct question *q, *next;

	current_dns = dns;
	for (q = TAILQ_FIRST(&questions); q != NULL; q = next) {
		next = TAILQ_NEXT(q, entry);
		for (unsigned i = 0; i < q->query_count; i++) {
			if (q->queries[i].running == NULL)
				continue;
			dns_cancel(q->queries[i].running);
			q->running--;
			start_query(&q->queries[i]);
		}
		if (q->running == 0)
			round_ended(q);
	}
}

/* --- questions --------------------------------------------------------------- */

/* NULL where there is no room; the question has been answered then. */
static struct question *new_question(
    struct channel *channel, uint32_t request, enum resolver_type type)
{
	struct timeval limit = {.tv_sec = (time_t)question_timeout};
	struct question *q = question_count < QUESTIONS_MAX ? calloc(1, sizeof *q) : NULL;

	if (q != NULL) {
		q->channel = channel;
		q->request = request;
		q->type = type;
		q->confirmed = NAMES_MAX;
		q->deadline = evtimer_new(event_base, on_deadline, q);
		if (type != RESOLVER_NAME)
			q->hosts = calloc(1, sizeof *q->hosts);
		if (q->deadline != NULL && (q->hosts != NULL || type == RESOLVER_NAME) &&
		    evtimer_add(q->deadline, &limit) == 0) {
			if (q->hosts != NULL)
				q->hosts->secure = true;
			TAILQ_INSERT_TAIL(&questions, q, entry);
			question_count++;
			return q;
		}
		if (q->deadline != NULL)
			event_free(q->deadline);
		free(q->hosts);
		free(q);
	}
	log_warning("questions-limit", log_number("questions", question_count));
	send_status(channel, request, type, RESOLVER_TEMPORARY);
	return NULL;
}

/* The same for the two questions that are about a name. */
static struct question *new_question_about(
    struct channel *channel, uint32_t request, enum resolver_type type, const char *name)
{
	struct question *q;

	if (!dns_name_is_valid(slice_string(name))) {
		send_status(channel, request, type, RESOLVER_BAD_NAME);
		return NULL;
	}
	q = new_question(channel, request, type);
	if (q != NULL)
		slice_copy(slice_string(name), q->name, sizeof q->name);
	return q;
}

void question_mx(struct channel *channel, uint32_t request, const char *domain)
{
	struct question *q = new_question_about(channel, request, RESOLVER_MX, domain);

	if (q == NULL)
		return;
	ask(q, DNS_MX, 0);
	if (q->running == 0)
		finish(q);
}

void question_address(struct channel *channel, uint32_t request, const char *name)
{
	struct question *q = new_question_about(channel, request, RESOLVER_ADDRESS, name);

	if (q == NULL)
		return;
	begin_with_name(q);
	q->second_round = true;
	ask_for_addresses(q);
	if (q->running == 0)
		finish(q);
}

void question_name(
    struct channel *channel, uint32_t request, const struct resolver_address *address)
{
	struct question *q = new_question(channel, request, RESOLVER_NAME);

	if (q == NULL)
		return;
	q->address = *address;
	dns_reverse_name(address, q->name);
	ask(q, DNS_PTR, 0);
	if (q->running == 0)
		finish(q);
}
