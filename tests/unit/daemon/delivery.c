/*
 * delivery.c - the test in qmgr's place.
 */
#include "tests/unit/daemon/delivery.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

static bool on_result(struct qmgr *q, struct message *m)
{
	struct delivery_result result;
	struct reader r = message_reader(m);

	cr_assert(delivery_result_read(&r, &result));
	q->has_result = true;
	q->results++;
	q->job = result.job;
	q->reuse = result.reuse;
	q->site_failed = result.site_failed;
	slice_copy(result.remote, q->remote, sizeof q->remote);
	slice_copy(result.tls, q->tls, sizeof q->tls);
	q->count = result.count;
	for (uint32_t i = 0; i < result.count && i < OUTCOMES_MAX; i++) {
		q->outcomes[i].index = result.recipients[i].index;
		q->outcomes[i].outcome = result.recipients[i].outcome;
		slice_copy(result.recipients[i].status, q->outcomes[i].status,
		    sizeof q->outcomes[i].status);
		slice_copy(
		    result.recipients[i].text, q->outcomes[i].text, sizeof q->outcomes[i].text);
	}
	delivery_result_free(&result);
	return true;
}

static bool on_message(struct channel *channel, struct message *m, void *context)
{
	struct qmgr *q = context;
	struct reader r = message_reader(m);

	(void)channel;
	if (m->type == DELIVERY_RESULT)
		return on_result(q, m);
	cr_assert_eq(m->type, DELIVERY_WANT);
	q->slots += read_u32(&r);
	q->has_wanted = true;
	return reader_finished(&r);
}

static void on_closed(struct channel *channel, void *context)
{
	(void)channel;
	((struct qmgr *)context)->channel = NULL;
}

static const struct channel_handlers handlers = {on_message, on_closed, NULL};

void qmgr_open(struct qmgr *q, struct daemon *daemon)
{
	*q = (struct qmgr){.daemon = daemon};
	q->channel = daemon_peer_with(daemon, ROLE_QMGR, 0, &handlers, q);
	daemon_run_until(daemon, &q->has_wanted);
}

void qmgr_give(struct qmgr *q, const struct delivery_job *job, int content)
{
	delivery_job_write(channel_begin(q->channel, DELIVERY_JOB, 0), job);
	channel_attach(q->channel, fcntl(content, F_DUPFD_CLOEXEC, 0));
	cr_assert(channel_end(q->channel));
}

void qmgr_await(struct qmgr *q)
{
	q->has_result = false;
	daemon_run_until(q->daemon, &q->has_result);
}

int content_of(struct slice text)
{
	int fd = memfd_create("content", MFD_CLOEXEC);

	cr_assert_eq(write(fd, text.data, text.len), (ssize_t)text.len);
	return fd;
}
