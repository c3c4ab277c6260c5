/*
 * delivery.c - jobs, and the agents that ask for them.
 *
 * The targets of a message that share a site make one job.  A job waits at its
 * site until an agent has a free slot and it is the site's turn; then the agent
 * gets it with the open content, and its result gives the slot back.  An agent's
 * death gives its jobs back.
 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/channel_delivery.h"
#include "common/clock.h"
#include "common/conf.h"
#include "common/log.h"
#include "common/process.h"
#include "qmgr/queue.h"

enum {
	SLOTS_MAX = 1000000,        /* of one agent */
	DEATHS_MAX = 3,             /* agents that may die over one job before it is deferred */
	JOB_SECONDS_MAX = 2 * 3600, /* then its agent is taken to have forgotten it */
	SWEEP_SECONDS = 60,
};

STAILQ_HEAD(target_list, target);
TAILQ_HEAD(running_list, job);

struct agent;

struct job {
	struct site_job at_site; /* first: the site gives back pointers to this */
	LIST_ENTRY(job) of_mail;
	TAILQ_ENTRY(job) running; /* of its agent, oldest first */
	RB_ENTRY(job) by_number;
	uint64_t number;
	struct mail *mail;
	enum lookup_kind kind;
	struct target_list targets;
	uint32_t target_count;
	struct agent *agent; /* NULL: it waits */
	uint64_t started_us;
	unsigned deaths;
};

struct agent {
	struct agent *next;
	struct channel *channel;
	enum lookup_kind kind;
	uint32_t slots; /* free */
	struct running_list running;
};

static int job_compare(const struct job *a, const struct job *b)
{
	return (a->number > b->number) - (a->number < b->number);
}

static RB_HEAD(job_tree, job) jobs = RB_INITIALIZER(&jobs);
RB_PROTOTYPE(job_tree, job, by_number, job_compare)
RB_GENERATE(job_tree, job, by_number, job_compare)

static struct sites pools[2]; /* LOOKUP_MAILBOX and LOOKUP_REMOTE */
static struct agent *agents;
static uint64_t last_number;
static unsigned running_count;
static struct event *sweep_timer;
static struct event *pump_event;

static void pump(void);

static struct sites *pool_of(enum lookup_kind kind)
{
	return &pools[kind == LOOKUP_MAILBOX ? 0 : 1];
}

/* --- making jobs ------------------------------------------------------------------ */

static struct job *job_new(struct mail *mail, const struct target *first)
{
	struct slice site = first->kind == LOOKUP_MAILBOX ? SLICE("mailboxes") : first->place;
	struct job *job = calloc(1, sizeof *job);

	if (job == NULL)
		return NULL;
	job->mail = mail;
	job->kind = first->kind;
	job->number = ++last_number;
	job->at_site.priority = mail->loaded->envelope.priority;
	STAILQ_INIT(&job->targets);
	if (!site_add(pool_of(job->kind), site, &job->at_site)) {
		free(job);
		return NULL;
	}
	RB_INSERT(job_tree, &jobs, job);
	LIST_INSERT_HEAD(&mail->loaded->job_list, job, of_mail);
	mail->loaded->jobs++;
	return job;
}

/* It must be at no site and with no agent any more. */
static void job_free(struct job *job)
{
	RB_REMOVE(job_tree, &jobs, job);
	LIST_REMOVE(job, of_mail);
	job->mail->loaded->jobs--;
	free(job);
}

static int by_site(const void *a, const void *b)
{
	const struct target *const *x = a, *const *y = b;

	if ((*x)->kind != (*y)->kind)
		return (*x)->kind < (*y)->kind ? -1 : 1;
	return (*x)->kind == LOOKUP_MAILBOX ? 0 : slice_compare((*x)->place, (*y)->place);
}

static bool same_job(const struct job *job, const struct target *last, const struct target *target)
{
	return job != NULL && job->target_count < DELIVERY_RECIPIENTS_MAX &&
	       by_site(&last, &target) == 0;
}

/* At a site with too much waiting there is room for what goes first. */
static bool may_wait(const struct mail *mail, const struct target *target)
{
	return target->kind == LOOKUP_MAILBOX ||
	       mail->loaded->envelope.priority > PRIORITY_NORMAL ||
	       site_waiting(pool_of(target->kind), target->place) < SITE_WAITING_MAX;
}

void delivery_dispatch(struct mail *mail)
{
	struct loaded *l = mail->loaded;
	struct target **pending = calloc(l->target_count + 1, sizeof *pending);
	struct job *job = NULL;
	size_t count = 0;

	if (pending == NULL) {
		log_error("out-of-memory", log_id(mail->file.id));
		return;
	}
	for (size_t i = 0; i < l->target_count; i++)
		if (l->targets[i]->state == TARGET_PENDING)
			pending[count++] = l->targets[i];
	if (count > 1)
		qsort(pending, count, sizeof *pending, by_site);
	for (size_t i = 0; i < count; i++) {
		struct target *target = pending[i];

		if (!same_job(job, i == 0 ? NULL : pending[i - 1], target)) {
			job = NULL;
			if (may_wait(mail, target))
				job = job_new(mail, target);
		}
		if (job == NULL)
			continue;
		STAILQ_INSERT_TAIL(&job->targets, target, link);
		target->job = job;
		job->target_count++;
	}
	free(pending);
	/* Not now: a job may end while it is given out, and its message is still being looked at. */
	if (l->jobs > 0)
		event_active(pump_event, EV_TIMEOUT, 0);
}

void delivery_recall(struct mail *mail)
{
	struct job *job, *next;

	LIST_FOREACH_SAFE (job, &mail->loaded->job_list, of_mail, next) {
		if (job->agent != NULL)
			continue;
		site_remove(pool_of(job->kind), &job->at_site);
		job_free(job);
	}
}

/* --- what came of a job -------------------------------------------------------------- */

/* Fields that would say nothing, or nothing new, are left out. */
static void log_outcome(const struct mail *mail, const struct target *target, const char *tls)
{
	static const char *const events[] = {[TARGET_DELIVERED] = "delivered",
	    [TARGET_DEFERRED] = "deferred",
	    [TARGET_FAILED] = "failed"};
	enum { FIELDS_MAX = 11 }; /* all of them and the end */
	uint64_t now = clock_wall_us(), arrived = mail->loaded->envelope.arrived_us;
	struct slice recipient = mail->loaded->envelope.recipients[target->recipient].address;
	struct log_field fields[FIELDS_MAX] = {
	    log_id(mail->file.id),
	    log_slice("to", target->address),
	};
	size_t count = 2;

	if (!slice_equal(recipient, target->address))
		fields[count++] = log_slice("orig_to", recipient);
	fields[count++] =
	    log_slice(target->kind == LOOKUP_MAILBOX ? "mailbox" : "site", target->place);
	if (target->host != NULL && target->host[0] != '\0')
		fields[count++] = log_string("host", target->host);
	if (tls[0] != '\0')
		fields[count++] = log_string("tls", tls);
	fields[count++] = log_string("status", target->status);
	if (target->text != NULL && target->state != TARGET_DELIVERED)
		fields[count++] = log_string("text", target->text);
	if (target->attempts > 0)
		fields[count++] = log_number("attempt", target->attempts + 1);
	fields[count++] = log_number("delay_ms", now > arrived ? (now - arrived) / 1000 : 0);
	fields[count].kind = LOG_KIND_END;
	log_write(LEVEL_INFO, events[target->state], fields);
}

/* The sender asked to be told, and we are the last host that can (RFC 3461, 5.2). */
static bool has_success_to_report(
    const struct mail *mail, const struct target *target, bool passes_dsn)
{
	const struct envelope *envelope = &mail->loaded->envelope;

	return target->state == TARGET_DELIVERED && !passes_dsn && envelope->sender.len > 0 &&
	       (envelope->recipients[target->recipient].notify & NOTIFY_SUCCESS) != 0;
}

static void conclude(struct job *job, struct target *target, enum target_state state,
    struct slice status, struct slice host, struct slice text, const char *tls, bool passes_dsn)
{
	target_conclude(target, state, status, host, text);
	target->has_success_to_report = has_success_to_report(job->mail, target, passes_dsn);
	if (state == TARGET_DELIVERED && target->kind == LOOKUP_MAILBOX)
		checkpoint_note_delivery();
	log_outcome(job->mail, target, tls);
	attempt_record(job->mail, target);
}

/* The job is over; it was taken off its site and its agent. */
static void end_job(struct job *job)
{
	struct mail *mail = job->mail;

	job_free(job);
	bounce_report_success(mail);
	attempt_review(mail);
}

/* Whatever was not concluded is deferred for the same reason. */
static void defer_job(struct job *job, const char *status, struct slice host, struct slice text)
{
	struct target *target;

	STAILQ_FOREACH (target, &job->targets, link)
		if (target->state == TARGET_PENDING || target->state == TARGET_RUNNING)
			conclude(
			    job, target, TARGET_DEFERRED, slice_string(status), host, text, "", false);
	end_job(job);
}

/* Nobody needs to find out once more that the site cannot be reached. */
static void defer_waiting(
    struct sites *pool, struct site *site, struct slice host, struct slice text)
{
	struct site_job_list waiting = TAILQ_HEAD_INITIALIZER(waiting);
	struct site_job *at_site;

	while ((at_site = site_first(site)) != NULL) {
		site_remove(pool, at_site);
		TAILQ_INSERT_TAIL(&waiting, at_site, link);
	}
	while ((at_site = TAILQ_FIRST(&waiting)) != NULL) {
		TAILQ_REMOVE(&waiting, at_site, link);
		defer_job((struct job *)at_site, "4.4.1", host, text);
	}
}

/* --- agents ---------------------------------------------------------------------------- */

static struct agent *agent_of(const struct channel *channel)
{
	struct agent *agent = agents;

	while (agent != NULL && agent->channel != channel)
		agent = agent->next;
	return agent;
}

void delivery_opened(struct channel *channel)
{
	struct agent *agent = calloc(1, sizeof *agent);

	if (agent == NULL) {
		log_error("out-of-memory");
		return;
	}
	agent->channel = channel;
	agent->kind =
	    process_peer_role(channel) == ROLE_DELIVERY_MAILDIR ? LOOKUP_MAILBOX : LOOKUP_REMOTE;
	TAILQ_INIT(&agent->running);
	agent->next = agents;
	agents = agent;
	if (agent->kind == LOOKUP_MAILBOX)
		checkpoint_agent_opened();
}

static void take_from_agent(struct job *job)
{
	struct target *target;

	TAILQ_REMOVE(&job->agent->running, job, running);
	job->agent = NULL;
	running_count--;
	STAILQ_FOREACH (target, &job->targets, link)
		if (target->state == TARGET_RUNNING)
			target->state = TARGET_PENDING;
}

static void give_to_agent(struct agent *agent, struct job *job)
{
	struct target *target;

	job->agent = agent;
	job->started_us = clock_monotonic_us();
	TAILQ_INSERT_TAIL(&agent->running, job, running);
	running_count++;
	STAILQ_FOREACH (target, &job->targets, link)
		if (target->state == TARGET_PENDING)
			target->state = TARGET_RUNNING;
}

static void write_job(
    struct writer *w, const struct job *job, struct delivery_recipient *recipients)
{
	const struct mail *mail = job->mail;
	const struct envelope *envelope = &mail->loaded->envelope;
	const struct target *target;
	struct delivery_job out = {
	    .job = job->number,
	    .id = mail->file.id,
	    .size = mail->file.size,
	    .arrived_us = envelope->arrived_us,
	    .site = job->kind == LOOKUP_REMOTE ? STAILQ_FIRST(&job->targets)->place : SLICE(""),
	    .sender = envelope->sender,
	    .prepend = envelope->prepend,
	    .envid = envelope->envid,
	    .body = envelope->body,
	    .ret = envelope->ret,
	    .smtputf8 = envelope->smtputf8,
	    .tls = envelope->tls,
	    .priority = envelope->priority,
	    .attempt = mail->loaded->attempts + 1,
	    .recipients = recipients,
	};

	STAILQ_FOREACH (target, &job->targets, link) {
		const struct envelope_recipient *accepted =
		    &envelope->recipients[target->recipient];

		if (target->state != TARGET_RUNNING)
			continue;
		recipients[out.recipient_count++] = (struct delivery_recipient){
		    .index = target->index,
		    .address = target->address,
		    .original = accepted->original,
		    .mailbox = job->kind == LOOKUP_MAILBOX ? target->place : SLICE(""),
		    .envelope_address = accepted->address,
		    .notify = accepted->notify,
		};
		if (target->may_be_there)
			out.redeliver = true;
	}
	delivery_job_write(w, &out);
}

/* Send a job that was just taken from its site.  False where it was deferred instead. */
static bool send_job(struct agent *agent, struct job *job)
{
	struct delivery_recipient *recipients = calloc(job->target_count, sizeof *recipients);
	int fd = spool_open_file(&queue.spool, &job->mail->file, O_RDONLY);
	bool is_sent = false;

	if (fd >= 0 && recipients != NULL) {
		give_to_agent(agent, job);
		write_job(channel_begin(agent->channel, DELIVERY_JOB, 0), job, recipients);
		channel_attach(agent->channel, fd);
		is_sent = channel_end(agent->channel);
		if (!is_sent)
			take_from_agent(job);
	} else {
		log_error("cannot-open", log_id(job->mail->file.id), log_errno(errno));
	}
	free(recipients);
	if (is_sent)
		return true;
	site_finish(pool_of(job->kind), &job->at_site, SITE_UNKNOWN);
	defer_job(
	    job, "4.3.0", slice_of("", 0), SLICE("the message could not be read from the queue"));
	return false;
}

/* The next agent with a free slot, in turn. */
static struct agent *free_agent(enum lookup_kind kind)
{
	struct agent *best = NULL;

	for (struct agent *agent = agents; agent != NULL; agent = agent->next)
		if (agent->kind == kind && agent->slots > 0 &&
		    !channel_is_congested(agent->channel) &&
		    (best == NULL || agent->slots > best->slots))
			best = agent;
	return best;
}

static void pump_pool(enum lookup_kind kind)
{
	struct agent *agent;
	struct site_job *at_site;

	while (
	    (agent = free_agent(kind)) != NULL && (at_site = sites_take(pool_of(kind))) != NULL) {
		agent->slots--;
		if (!send_job(agent, (struct job *)at_site))
			agent->slots++;
	}
}

static void pump(void)
{
	if (queue.is_closed || process_is_stopping())
		return;
	pump_pool(LOOKUP_MAILBOX);
	pump_pool(LOOKUP_REMOTE);
}

static bool want(struct agent *agent, struct message *m)
{
	struct reader r = message_reader(m);
	uint32_t slots = read_u32(&r);

	if (!reader_finished(&r) || slots > SLOTS_MAX || agent->slots + slots > SLOTS_MAX)
		return false;
	agent->slots += slots;
	pump();
	return true;
}

/* Take over the outcomes; false where the agent speaks of targets that the job does not have. */
static bool take_outcomes(struct job *job, const struct delivery_result *result)
{
	static const enum target_state states[] = {
	    [DELIVERY_DELIVERED] = TARGET_DELIVERED,
	    [DELIVERY_DEFERRED] = TARGET_DEFERRED,
	    [DELIVERY_FAILED] = TARGET_FAILED,
	};
	struct loaded *l = job->mail->loaded;
	char tls[DELIVERY_REMOTE_MAX + 1];
	struct target *target;

	slice_copy(result->tls, tls, sizeof tls);
	for (uint32_t i = 0; i < result->count; i++) {
		const struct delivery_recipient_result *one = &result->recipients[i];

		if (one->index >= l->target_count ||
		    l->targets[one->index]->state != TARGET_RUNNING)
			return false;
		target = l->targets[one->index];
		/* Of several jobs of one message each speaks of its own. */
		if (target->job != job)
			return false;
		conclude(
		    job, target, states[one->outcome], one->status, result->remote, one->text, tls,
		    result->passes_dsn);
	}
	STAILQ_FOREACH (target, &job->targets, link)
		if (target->state == TARGET_RUNNING)
			conclude(job, target, TARGET_DEFERRED, SLICE("4.3.0"), slice_of("", 0),
			    SLICE("the delivery agent did not say"), "", false);
	return true;
}

/* Another job of the same site on the same connection, or word that there is none. */
static void reuse(struct agent *agent, struct sites *pool, struct site *site, uint64_t number)
{
	struct site_job *next = NULL;

	if (!queue.is_closed && !process_is_stopping() && !channel_is_congested(agent->channel))
		next = site_take(pool, site);
	if (next != NULL && send_job(agent, (struct job *)next))
		return;
	agent->slots++;
	write_u64(channel_begin(agent->channel, DELIVERY_NO_MORE, 0), number);
	channel_end(agent->channel);
}

static void take_result(struct agent *agent, struct job *job, const struct delivery_result *result)
{
	struct sites *pool = pool_of(job->kind);
	struct site *site = job->at_site.site;
	const struct delivery_recipient_result *said =
	    result->count > 0 ? &result->recipients[0] : NULL;

	TAILQ_REMOVE(&agent->running, job, running);
	job->agent = NULL;
	running_count--;
	if (result->site_failed)
		defer_waiting(pool, site, result->remote,
		    said == NULL ? SLICE("site not reachable") : said->text);
	if (result->reuse)
		reuse(agent, pool, site, job->number);
	else
		agent->slots++;
	site_finish(pool, &job->at_site, result->site_failed ? SITE_UNREACHABLE : SITE_WORKED);
	end_job(job);
	pump();
}

static bool result(struct agent *agent, struct message *m)
{
	struct reader r = message_reader(m);
	struct delivery_result result;
	struct job wanted, *job;
	bool is_sound = true;

	if (!delivery_result_read(&r, &result))
		return false;
	wanted.number = result.job;
	job = RB_FIND(job_tree, &jobs, &wanted);
	if (job == NULL || job->agent != agent)
		agent->slots++; /* of a job that was cancelled */
	else if ((is_sound = take_outcomes(job, &result)))
		take_result(agent, job, &result);
	delivery_result_free(&result);
	return is_sound;
}

bool delivery_message(struct channel *channel, struct message *m, void *context)
{
	struct agent *agent = agent_of(channel);

	(void)context;
	if (agent == NULL)
		return false;
	switch (m->type) {
	case DELIVERY_WANT:
		return want(agent, m);
	case DELIVERY_RESULT:
		return result(agent, m);
	default:
		return false;
	}
}

/* The agent is gone, and what it was doing may be done or not. */
static void give_back(struct job *job)
{
	struct site *site = job->at_site.site;
	struct sites *pool = pool_of(job->kind);
	bool is_done = true;
	struct target *target;

	take_from_agent(job);
	STAILQ_FOREACH (target, &job->targets, link) {
		target->may_be_there = true;
		if (target->state == TARGET_PENDING)
			is_done = false;
	}
	/* Also in the next attempt, which makes its targets anew. */
	job->mail->may_be_there = true;
	if (is_done || ++job->deaths >= DEATHS_MAX) {
		site_finish(pool, &job->at_site, SITE_UNKNOWN);
		defer_job(job, "4.3.0", slice_of("", 0), SLICE("the delivery agent failed"));
		return;
	}
	/* It is back before it is gone, so that its site is not forgotten in between. */
	site->running--;
	site_add_first(pool, site, &job->at_site);
}

void delivery_closed(struct channel *channel, void *context)
{
	struct agent **at = &agents, *agent;
	struct job *job;

	(void)context;
	while (*at != NULL && (*at)->channel != channel)
		at = &(*at)->next;
	if ((agent = *at) == NULL)
		return;
	*at = agent->next;
	while ((job = TAILQ_FIRST(&agent->running)) != NULL)
		give_back(job);
	free(agent);
	pump();
}

void delivery_drained(struct channel *channel, void *context)
{
	(void)channel;
	(void)context;
	pump();
}

/* --- time --------------------------------------------------------------------------------- */

static void cancel(struct job *job)
{
	struct agent *agent = job->agent;

	log_warning(
	    "delivery-timed-out", log_id(job->mail->file.id), log_number("job", job->number));
	write_u64(channel_begin(agent->channel, DELIVERY_CANCEL, 0), job->number);
	channel_end(agent->channel);
	take_from_agent(job);
	job->mail->may_be_there = true;
	site_finish(pool_of(job->kind), &job->at_site, SITE_UNKNOWN);
	defer_job(job, "4.4.7", slice_of("", 0), SLICE("the delivery took too long"));
}

static void sweep(int fd, short what, void *context)
{
	uint64_t now = clock_monotonic_us(), longest = (uint64_t)JOB_SECONDS_MAX * 1000000;

	(void)fd;
	(void)what;
	(void)context;
	for (struct agent *agent = agents; agent != NULL; agent = agent->next) {
		struct job *job;

		while (
		    (job = TAILQ_FIRST(&agent->running)) != NULL && now - job->started_us > longest)
			cancel(job);
	}
	pump();
}

static void on_pump(int fd, short what, void *context)
{
	(void)fd;
	(void)what;
	(void)context;
	pump();
}

bool delivery_init(void)
{
	struct timeval interval = {SWEEP_SECONDS, 0};

	sweep_timer = event_new(queue.base, -1, EV_PERSIST, sweep, NULL);
	pump_event = event_new(queue.base, -1, 0, on_pump, NULL);
	return sweep_timer != NULL && pump_event != NULL &&
	       event_add(sweep_timer, &interval) == 0 &&
	       sites_init(pool_of(LOOKUP_MAILBOX), UINT_MAX) &&
	       sites_init(pool_of(LOOKUP_REMOTE), (unsigned)settings->queue.site_concurrency);
}

void delivery_reload(void)
{
	sites_set_limit(pool_of(LOOKUP_REMOTE), (unsigned)settings->queue.site_concurrency);
}

void delivery_forgive(void)
{
	sites_forgive(pool_of(LOOKUP_REMOTE));
	pump();
}

unsigned delivery_running(void)
{
	return running_count;
}

bool delivery_may_be_in_mailbox(void)
{
	for (const struct agent *agent = agents; agent != NULL; agent = agent->next)
		if (agent->kind == LOOKUP_MAILBOX && !TAILQ_EMPTY(&agent->running))
			return true;
	return false;
}
