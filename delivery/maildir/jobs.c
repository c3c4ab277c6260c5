/*
 * jobs.c - the deliveries that qmgr has given us.
 */
#include "delivery/maildir/jobs.h"

#include <event2/event.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <unistd.h>

#include "common/channel_delivery.h"
#include "common/clock.h"
#include "common/conf.h"
#include "common/process.h"
#include "delivery/maildir/deliver.h"
#include "delivery/maildir/watches.h"

enum { TURN_MICROSECONDS = 5000 }; /* of delivering before the event loop gets its turn */

struct job {
	TAILQ_ENTRY(job) next;
	struct channel *channel;
	struct delivery_job what;
	int content;
	uint32_t done; /* recipients */
	struct delivery_recipient_result *results;
	char body[]; /* the message that `what` points into */
};

static TAILQ_HEAD(job_queue, job) queue = TAILQ_HEAD_INITIALIZER(queue);
static struct homes *homes;
static struct event *work_event;
static void (*on_idle)(void);

static void job_free(struct job *job)
{
	if (job->content != -1)
		close(job->content);
	delivery_job_free(&job->what);
	free(job->results);
	free(job);
}

static void send_result(struct job *job)
{
	struct delivery_result result = {
	    .job = job->what.job,
	    .count = job->what.recipient_count,
	    .recipients = job->results,
	};

	delivery_result_write(channel_begin(job->channel, DELIVERY_RESULT, 0), &result);
	channel_end(job->channel);
}

/* One recipient more. */
static void advance(struct job *job)
{
	struct delivery_recipient *recipient = &job->what.recipients[job->done];
	struct delivery_recipient_result *result = &job->results[job->done];

	deliver_to_mailbox(homes, &job->what, job->content, recipient,
	    settings->queue.durability == DURABILITY_FILE, result);
	if (result->outcome == DELIVERY_DELIVERED)
		watches_tell(recipient->address);
	job->done++;
}

static void work(evutil_socket_t fd, short what, void *context)
{
	uint64_t end = clock_monotonic_us() + TURN_MICROSECONDS;
	struct job *job;

	(void)fd;
	(void)what;
	(void)context;
	while ((job = TAILQ_FIRST(&queue)) != NULL && clock_monotonic_us() < end) {
		advance(job);
		if (job->done < job->what.recipient_count)
			continue;
		send_result(job);
		TAILQ_REMOVE(&queue, job, next);
		job_free(job);
	}
	if (job != NULL)
		event_add(work_event, &(struct timeval){0, 0});
	else
		on_idle();
}

bool jobs_start(struct event_base *base, struct homes *the_homes, void (*idle)(void))
{
	homes = the_homes;
	on_idle = idle;
	work_event = evtimer_new(base, work, NULL);
	return work_event != NULL;
}

/* NULL where it is malformed or memory is short. */
static struct job *job_new(struct channel *channel, struct slice body)
{
	struct job *job = malloc(sizeof *job + body.len);
	struct reader r;

	if (job == NULL)
		return NULL;
	*job = (struct job){.channel = channel, .content = -1};
	memcpy(job->body, body.data, body.len);
	r = reader_over(slice_of(job->body, body.len));
	if (delivery_job_read(&r, &job->what))
		job->results = calloc(job->what.recipient_count, sizeof *job->results);
	if (job->results != NULL)
		return job;
	job_free(job);
	return NULL;
}

bool jobs_take(struct channel *channel, struct message *m)
{
	struct job *job = job_new(channel, m->body);

	if (job == NULL)
		return false;
	job->content = message_take_descriptor(m, 0);
	if (job->content == -1) {
		job_free(job);
		return false;
	}
	if (TAILQ_EMPTY(&queue))
		event_add(work_event, &(struct timeval){0, 0});
	TAILQ_INSERT_TAIL(&queue, job, next);
	return true;
}

void jobs_cancel(struct channel *channel, uint64_t number)
{
	const struct delivery_result nothing = {.job = number};
	struct job *job, *next;

	TAILQ_FOREACH_SAFE (job, &queue, next, next)
		if (job->channel == channel && job->what.job == number) {
			TAILQ_REMOVE(&queue, job, next);
			job_free(job);
			delivery_result_write(channel_begin(channel, DELIVERY_RESULT, 0), &nothing);
			channel_end(channel);
		}
}

void jobs_forget(const struct channel *channel)
{
	struct job *job, *next;

	TAILQ_FOREACH_SAFE (job, &queue, next, next)
		if (job->channel == channel) {
			TAILQ_REMOVE(&queue, job, next);
			job_free(job);
		}
}

bool jobs_are_done(void)
{
	return TAILQ_EMPTY(&queue);
}
