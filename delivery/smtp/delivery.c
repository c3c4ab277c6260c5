/*
 * delivery.c - a job's way: find its hosts, try them in order, report.
 *
 * A job goes to a connection that waits for its site, or else has the resolver
 * asked for hosts and tries their addresses one after another until one gives a
 * session.  What a host then says about the message is final for this attempt;
 * what hosts say about themselves is only kept for the report, should none do.
 */
#include "delivery/smtp/delivery.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/process.h"
#include "delivery/smtp/broken_tls.h"
#include "delivery/smtp/connection.h"
#include "delivery/smtp/pool.h"

enum { DESCRIPTORS_BESIDES = 64 /* channels, the event loop's own */ };

struct delivery {
	TAILQ_ENTRY(delivery) next;
	struct channel *qmgr; /* NULL: gone, nobody waits for the result */
	struct delivery_job job;
	struct transaction transaction;
	int content;
	struct tls_policy policy;
	struct site site;
	struct route route;
	unsigned at; /* the target being tried */
	struct connection *connection;
	bool has_asked_another;
	char remote[TARGET_NAME_MAX]; /* who put it off, while another is asked */
	bool is_reuse; /* the connection was there before: its end says nothing about the host */
	struct channel *resolver; /* while a question is open */
	uint32_t question;
	char status[DELIVERY_STATUS_MAX + 1]; /* of the last host that gave no session */
	char text[REPLY_TEXT_MAX];
	char body[]; /* the message that `job` points into */
};

static struct event_base *base;
static TAILQ_HEAD(delivery_list, delivery) deliveries = TAILQ_HEAD_INITIALIZER(deliveries);
static unsigned count;
static uint64_t room = UINT64_MAX; /* for jobs; each holds its content and its connection */

void delivery_start(struct event_base *the_base)
{
	struct rlimit files;

	base = the_base;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur != RLIM_INFINITY)
		room = files.rlim_cur > 2 * DESCRIPTORS_BESIDES
			   ? (files.rlim_cur - DESCRIPTORS_BESIDES) / 2
			   : 1;
}

unsigned delivery_count(void)
{
	return count;
}

unsigned delivery_slots(void)
{
	uint64_t wanted = (uint64_t)settings->delivery.smtp_connections;

	return (unsigned)(wanted < room ? wanted : room);
}

static void delivery_free(struct delivery *d)
{
	if (d->resolver != NULL)
		channel_forget(d->resolver, d->question);
	TAILQ_REMOVE(&deliveries, d, next);
	count--;
	if (d->content != -1)
		close(d->content);
	transaction_free(&d->transaction);
	delivery_job_free(&d->job);
	free(d);
}

static void delivery_drop(struct delivery *d)
{
	if (d->connection != NULL)
		connection_abort(d->connection);
	delivery_free(d);
}

static void try_hosts(struct delivery *d);
static void find_hosts(struct delivery *d);

/*
 * Why it has not gone yet.  While some host may take it later, what others never will
 * counts for nothing.
 */
static void keep_reason(struct delivery *d, const char *status, const char *text)
{
	if (d->status[0] == '4' && status[0] == '5')
		return;
	snprintf(d->status, sizeof d->status, "%s", status);
	snprintf(d->text, sizeof d->text, "%s", text);
}

/* --- the report ------------------------------------------------------------------ */

static void write_result(
    struct delivery *d, const struct connection *c, bool reuse, bool site_failed)
{
	struct delivery_recipient_result *results = calloc(d->transaction.count, sizeof *results);
	struct delivery_result result = {
	    .job = d->job.job,
	    .reuse = reuse,
	    .site_failed = site_failed,
	    .passes_dsn = c != NULL && (c->dialogue.offers & OFFERS_DSN) != 0,
	    .remote = slice_string(c == NULL ? d->remote : c->name),
	    .tls = c == NULL ? slice_of("", 0) : slice_string(c->tls),
	    .count = results == NULL ? 0 : d->transaction.count,
	    .recipients = results,
	};

	for (uint32_t i = 0; i < result.count; i++) {
		const struct transaction_recipient *r = &d->transaction.recipients[i];

		results[i] = (struct delivery_recipient_result){
		    .index = r->recipient->index,
		    .outcome = (uint8_t)r->outcome,
		    .status = slice_string(r->status),
		    .text = slice_string(r->text),
		};
	}
	delivery_result_write(channel_begin(d->qmgr, DELIVERY_RESULT, 0), &result);
	channel_end(d->qmgr);
	free(results);
}

/*
 * qmgr died meanwhile: the next one has the message sent again, and somebody may
 * wonder why it came twice.
 */
static void log_unreported(const struct delivery *d, const struct connection *c)
{
	for (uint32_t i = 0; i < d->transaction.count; i++) {
		const struct transaction_recipient *r = &d->transaction.recipients[i];

		log_info("outcome-unreported", log_id(d->job.id),
		    log_slice("to", r->recipient->address), log_string("relay", c->name),
		    log_string("status", r->status), log_string("text", r->text));
	}
}

/*
 * What a host has said of a recipient before another was asked stands, where that one
 * says nothing.
 */
static void keep_words(struct delivery *d)
{
	for (uint32_t i = 0; i < d->transaction.count; i++) {
		struct transaction_recipient *r = &d->transaction.recipients[i];

		if (d->has_asked_another && r->state == RECIPIENT_OPEN && r->text != NULL)
			r->state = RECIPIENT_SETTLED;
	}
}

/*
 * Nothing more to try: what is still open waits or fails, and the job is
 * reported.  A site that has settled some of the recipients has not failed.
 */
static void give_up(struct delivery *d, enum delivery_outcome outcome, const char *status,
    const char *text, bool site_failed)
{
	keep_words(d);
	site_failed =
	    site_failed && transaction_open_count(&d->transaction) == d->transaction.count;
	transaction_settle_rest(&d->transaction, outcome, status, text);
	if (d->qmgr != NULL)
		write_result(d, NULL, false, site_failed);
	delivery_free(d);
}

/* The first address behind this one that is another host's. */
static unsigned other_host(const struct delivery *d)
{
	const struct target *targets = d->route.targets;
	unsigned at = d->at;

	while (at < d->route.count &&
	       slice_equal_nocase(
		   slice_string(targets[at].host), slice_string(targets[d->at].host)))
		at++;
	return at;
}

/*
 * This host has put off everybody before it took anything: it may be busy, or be
 * wary of strangers, and another of the site's is not (RFC 5321, 5.1).  One other is asked.
 */
static bool may_ask_another(const struct delivery *d)
{
	if (d->qmgr == NULL || d->is_reuse || d->has_asked_another || d->transaction.is_begun ||
	    process_is_stopping() || other_host(d) >= d->route.count)
		return false;
	for (uint32_t i = 0; i < d->transaction.count; i++)
		if (d->transaction.recipients[i].outcome != DELIVERY_DEFERRED)
			return false;
	return true;
}

static void ask_another(struct delivery *d, struct connection *c)
{
	const struct transaction_recipient *first = &d->transaction.recipients[0];

	d->has_asked_another = true;
	snprintf(d->remote, sizeof d->remote, "%s", c->name);
	keep_reason(d, first->status, first->text);
	for (uint32_t i = 0; i < d->transaction.count; i++)
		d->transaction.recipients[i].state = RECIPIENT_OPEN;
	log_info("put-off", log_id(d->job.id), log_string("relay", c->name),
	    log_string("text", first->text));
	d->connection = NULL;
	connection_end(c);
	d->at = other_host(d);
	try_hosts(d);
}

static void on_settled(struct connection *c, void *context)
{
	struct delivery *d = context;
	bool reuse;

	if (may_ask_another(d)) {
		ask_another(d, c);
		return;
	}
	reuse = d->qmgr != NULL && !process_is_stopping() && connection_is_usable(c) &&
		     c->messages < (unsigned)settings->delivery.connection_messages &&
		     !dialogue_is_used_up(&c->dialogue);

	if (d->qmgr != NULL)
		write_result(d, c, reuse, false);
	else
		log_unreported(d, c);
	if (reuse)
		pool_put(c, d->job.job);
	else
		connection_end(c);
	d->connection = NULL;
	delivery_free(d);
}

/* --- trying hosts ------------------------------------------------------------------ */

static void on_refused(struct connection *c, const char *status, const char *text, void *context)
{
	struct delivery *d = context;
	struct target *target = &d->route.targets[d->at];

	d->connection = NULL;
	if (d->is_reuse) {
		d->is_reuse = false;
		find_hosts(d);
		return;
	}
	if (c->is_used_up) {
		try_hosts(d); /* the same one, in another session */
		return;
	}
	keep_reason(d, status, text);
	if (c->tls_failed && d->policy.least == PROTECTION_NONE && !target->in_clear) {
		log_info("tls-failed", log_id(d->job.id), log_string("relay", c->name),
		    log_string("reason", text));
		target->in_clear = true;
		broken_tls_note(target, clock_monotonic_us());
	} else {
		d->at++;
	}
	try_hosts(d);
}

static const struct connection_handlers connection_handlers = {on_settled, on_refused};

/* The next address that gives so much as a socket. */
static void try_hosts(struct delivery *d)
{
	for (; d->at < d->route.count; d->at++) {
		struct target *target = &d->route.targets[d->at];
		char name[TARGET_NAME_MAX];

		if (d->policy.least == PROTECTION_NONE && d->policy.uses_tls &&
		    broken_tls_is_noted(target, clock_monotonic_us()))
			target->in_clear = true;
		if (connection_count() >= delivery_slots())
			pool_end_oldest();
		d->connection = connection_open(base, target, d->job.site, d->policy);
		if (d->connection != NULL) {
			connection_carry(
			    d->connection, &d->transaction, d->content, &connection_handlers, d);
			return;
		}
		target_name(target, name);
		snprintf(d->status, sizeof d->status, "4.4.1");
		snprintf(d->text, sizeof d->text, "connect to %s: %s", name, strerror(errno));
	}
	/* That no host does what this message's sender wants says nothing of other messages. */
	give_up(d, d->status[0] == '5' ? DELIVERY_FAILED : DELIVERY_DEFERRED, d->status, d->text,
	    d->job.tls != TLS_REQUIRED);
}

/* --- finding hosts ------------------------------------------------------------------ */

static bool on_hosts(struct message *answer, void *context)
{
	struct delivery *d = context;
	struct route_failure failure;
	struct resolver_hosts hosts;
	bool is_read = false;

	d->resolver = NULL;
	if (answer != NULL && answer->type == RESOLVER_HOSTS) {
		struct reader r = message_reader(answer);

		is_read = resolver_hosts_read(&r, &hosts);
	}
	if (!is_read)
		give_up(d, DELIVERY_DEFERRED, "4.4.3", "no answer from the resolver", true);
	else if (!route_by_hosts(
		     &d->site, &hosts, slice_string(settings->hostname), &d->route, &failure))
		give_up(d, failure.outcome, failure.status, failure.text,
		    failure.outcome == DELIVERY_DEFERRED);
	else if (d->job.tls == TLS_REQUIRED && d->site.kind == SITE_MX && !hosts.secure)
		give_up(d, DELIVERY_FAILED, "5.7.10",
		    "the sender requires TLS (REQUIRETLS), and the domain's MX records are not "
		    "secured by DNSSEC",
		    false);
	else
		try_hosts(d);
	return answer == NULL || is_read;
}

static void find_hosts(struct delivery *d)
{
	uint16_t question = d->site.kind == SITE_MX ? RESOLVER_MX : RESOLVER_ADDRESS;

	d->at = 0;
	if (d->site.kind == SITE_ADDRESS) {
		route_to_address(&d->site, &d->route);
		try_hosts(d);
		return;
	}
	d->resolver = process_peer(ROLE_RESOLVER);
	if (d->resolver == NULL) {
		give_up(d, DELIVERY_DEFERRED, "4.4.3", "the resolver is not there", true);
		return;
	}
	write_string(channel_call(d->resolver, question, on_hosts, d, &d->question), d->site.name);
	if (!channel_end(d->resolver)) {
		d->resolver = NULL;
		give_up(d, DELIVERY_DEFERRED, "4.4.3", "the resolver could not be asked", true);
	}
}

/* --- jobs --------------------------------------------------------------------------- */

/* NULL where it is malformed or memory is short. */
static struct delivery *delivery_new(struct channel *qmgr, struct slice body)
{
	struct delivery *d = calloc(1, sizeof *d + body.len);
	struct reader r;

	if (d == NULL)
		return NULL;
	d->qmgr = qmgr;
	d->content = -1;
	memcpy(d->body, body.data, body.len);
	r = reader_over(slice_of(d->body, body.len));
	if (!delivery_job_read(&r, &d->job)) {
		free(d);
		return NULL;
	}
	if (!transaction_begin(&d->transaction, &d->job)) {
		delivery_job_free(&d->job);
		free(d);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&deliveries, d, next);
	count++;
	return d;
}

bool delivery_take(struct channel *qmgr, struct message *m)
{
	struct delivery *d = delivery_new(qmgr, m->body);
	struct connection *waiting;

	if (d == NULL)
		return false;
	d->content = message_take_descriptor(m, 0);
	if (d->content == -1) {
		delivery_free(d);
		return false;
	}
	if (!site_parse(d->job.site, (uint16_t)settings->delivery.smtp_port, &d->site)) {
		log_error("not-a-site", log_id(d->job.id), log_slice("site", d->job.site));
		give_up(d, DELIVERY_DEFERRED, "4.3.5",
		    "this host's configuration names no place to send the message to", false);
		return true;
	}
	d->policy = tls_policy_for(settings, d->job.tls);
	waiting = pool_take(d->job.site, d->policy.least);
	if (waiting == NULL) {
		find_hosts(d);
		return true;
	}
	d->connection = waiting;
	d->is_reuse = true;
	connection_carry(waiting, &d->transaction, d->content, &connection_handlers, d);
	return true;
}

void delivery_cancel(struct channel *qmgr, uint64_t job)
{
	const struct delivery_result nothing = {.job = job};
	struct delivery *d;

	TAILQ_FOREACH (d, &deliveries, next)
		if (d->qmgr == qmgr && d->job.job == job) {
			delivery_drop(d);
			delivery_result_write(channel_begin(qmgr, DELIVERY_RESULT, 0), &nothing);
			channel_end(qmgr);
			return;
		}
}

void delivery_forget(const struct channel *qmgr)
{
	struct delivery *d, *next;

	TAILQ_FOREACH_SAFE (d, &deliveries, next, next) {
		if (d->qmgr != qmgr)
			continue;
		d->qmgr = NULL;
		if (d->connection == NULL || !connection_awaits_verdict(d->connection))
			delivery_drop(d);
	}
}

void delivery_stop(void)
{
	struct delivery *d, *next;

	TAILQ_FOREACH_SAFE (d, &deliveries, next, next)
		if (d->connection == NULL || !d->connection->dialogue.mail_accepted)
			delivery_drop(d);
}
