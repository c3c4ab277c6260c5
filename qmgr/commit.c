/*
 * commit.c - making what happened durable, away from the event loop.
 */
#include "qmgr/commit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "qmgr/entry.h"

enum {
	WORKERS_MAX = 64,
	UPDATES_WAITING_MAX = 4096, /* then they no longer wait for company */
	SEGMENT_WAIT_US = 1000000,
};

STAILQ_HEAD(commit_list, commit);

struct lane {
	struct commit_list queue;
	unsigned urgent; /* in the queue: somebody waits for them */
	unsigned count;
	pthread_cond_t filled;
};

struct committer {
	const struct spool *spool;
	struct journal *journal;
	struct committer_options options;
	pthread_mutex_t lock;
	struct lane journal_lane; /* taken whole by the committer thread */
	struct lane worker_lane;  /* taken one by one by the workers */
	struct commit_list finished;
	unsigned accepting; /* COMMIT_ACCEPTs that are not collected yet */
	unsigned unfinished;
	_Atomic bool stopping;
	int descriptor;
	pthread_t thread;
	pthread_t workers[WORKERS_MAX];
	unsigned worker_count;
	_Atomic uint64_t flushes;
};

/* --- work on files ---------------------------------------------------------- */

/* Open tmp/ID; what smtpd said of its size must be true. */
static int open_received(struct committer *c, const struct commit *commit)
{
	char name[MESSAGE_ID_TEXT + 1];
	struct stat st;
	int fd;

	message_id_format(commit->file.id, name);
	fd = openat(c->spool->directory[SPOOL_TMP], name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == commit->file.size)
		return fd;
	close(fd);
	errno = EBADMSG;
	return -1;
}

static int publish(struct committer *c, struct commit *commit, int fd)
{
	if (spool_append(fd, commit->file.size, buf_slice(&commit->records)) != 0 ||
	    spool_publish(c->spool, commit->file.id, commit->file.size) != 0)
		return -1;
	commit->file.place = SPOOL_NEW;
	commit->end = commit->file.size + commit->records.len;
	return 0;
}

/* The message was not accepted: no trace of it stays. */
static void take_back(struct committer *c, struct commit *commit, int error)
{
	commit->error = error == 0 ? EIO : error;
	if (commit->file.place == SPOOL_NEW)
		spool_remove(c->spool, &commit->file);
	else
		spool_abandon(c->spool, commit->file.id);
}

/* A message that is durable as a file before anything else is said of it. */
static void accept_as_file(struct committer *c, struct commit *commit)
{
	int fd = open_received(c, commit);

	if (fd < 0 || publish(c, commit, fd) != 0 || spool_flush_file(c->spool, fd, SPOOL_NEW) != 0)
		take_back(c, commit, errno);
	if (fd >= 0)
		close(fd);
}

static int update_file(struct committer *c, struct commit *commit)
{
	int fd = -1, result = 0;

	if (commit->to == SPOOL_NOWHERE)
		return spool_remove(c->spool, &commit->file);
	if (commit->records.len > 0 || commit->to == SPOOL_CUR) {
		fd = spool_open_file(c->spool, &commit->file, O_RDWR);
		if (fd < 0)
			return -1;
	}
	if (commit->records.len > 0 &&
	    spool_append(fd, commit->end, buf_slice(&commit->records)) != 0)
		result = -1;
	else
		commit->end += commit->records.len;
	if (commit->to == SPOOL_CUR && spool_set_time(fd, commit->next_attempt_us) != 0)
		result = -1;
	if (commit->to != commit->file.place &&
	    spool_move(c->spool, &commit->file, commit->to) != 0)
		result = -1;
	if (fd >= 0)
		close(fd);
	return result;
}

/* --- the journal ------------------------------------------------------------ */

/* End the batch: its commits are durable now, or, where that failed, not accepted. */
static void flush_batch(struct committer *c, struct commit_list *batch, struct commit_list *done)
{
	uint64_t generation = 0;
	int error = 0;
	struct commit *commit;

	if (!journal_is_clean(c->journal)) {
		atomic_fetch_add(&c->flushes, 1);
		if (journal_flush(c->journal, &generation) != 0)
			error = errno;
	}
	STAILQ_FOREACH (commit, batch, link) {
		if (commit->kind != COMMIT_ACCEPT)
			continue;
		if (error != 0 && !commit->filed)
			take_back(c, commit, error);
		else if (!commit->filed)
			commit->generation = generation;
	}
	STAILQ_CONCAT(done, batch);
}

/* Room for an entry, flushing and waiting as it takes.  False where it cannot go into the journal. */
static bool make_room(
    struct committer *c, size_t length, struct commit_list *batch, struct commit_list *done)
{
	for (;;) {
		switch (journal_reserve(c->journal, length)) {
		case JOURNAL_READY:
			return true;
		case JOURNAL_FLUSH_FIRST:
			flush_batch(c, batch, done);
			break;
		case JOURNAL_NO_SEGMENT:
			/* A checkpoint frees one; at the end nobody makes checkpoints any more. */
			if (c->stopping)
				return false;
			journal_wait_for_segment(
			    c->journal, clock_monotonic_us() + SEGMENT_WAIT_US);
			break;
		case JOURNAL_TOO_LARGE:
		case JOURNAL_FAILED:
			return false;
		}
	}
}

static int journal_content(struct committer *c, struct commit *commit)
{
	size_t size = (size_t)commit->file.size;
	char *payload, *content;
	int fd = open_received(c, commit), failed;

	if (fd < 0)
		return -1;
	payload = journal_begin(
	    c->journal, JOURNAL_ACCEPTED, accepted_entry_length(commit->records.len, size));
	content = accepted_entry_write(
	    payload, commit->file.id, commit->file.size, buf_slice(&commit->records), true);
	failed =
	    spool_read_at(fd, content, size, 0) != (ssize_t)size || publish(c, commit, fd) != 0;
	if (failed)
		journal_cancel(c->journal);
	else
		journal_end(c->journal);
	close(fd);
	return failed ? -1 : 0;
}

static void journal_accept(
    struct committer *c, struct commit *commit, struct commit_list *batch, struct commit_list *done)
{
	size_t content = commit->filed ? 0 : (size_t)commit->file.size;

	if (!make_room(c, accepted_entry_length(commit->records.len, content), batch, done)) {
		if (!commit->filed)
			accept_as_file(c, commit);
		commit->filed = true;
		return;
	}
	journal_note_id(c->journal, commit->file.id);
	if (commit->filed) {
		accepted_entry_write(journal_begin(c->journal, JOURNAL_ACCEPTED,
					 accepted_entry_length(commit->records.len, 0)),
		    commit->file.id, commit->file.size, buf_slice(&commit->records), false);
		journal_end(c->journal);
	} else if (journal_content(c, commit) != 0) {
		take_back(c, commit, errno);
	}
}

static void journal_update(
    struct committer *c, struct commit *commit, struct commit_list *batch, struct commit_list *done)
{
	struct updated_entry entry = {
	    .id = commit->file.id,
	    .size = commit->file.size,
	    .place = commit->to,
	    .next_attempt_us = commit->next_attempt_us,
	    .is_settled = commit->is_settled,
	    .records = buf_slice(&commit->records),
	};
	size_t length = updated_entry_length(commit->records.len);
	/*
	 * Room first: while it is waited for, a flush of the spool could make the file say
	 * "delivered" before anything says that the mailbox was not flushed yet.
	 */
	bool has_room = c->journal != NULL && make_room(c, length, batch, done);

	if (update_file(c, commit) != 0)
		commit->error = errno;
	if (!has_room)
		return;
	updated_entry_write(journal_begin(c->journal, JOURNAL_UPDATED, length), &entry);
	journal_end(c->journal);
}

/* Everything that gathered: files first, then one flush. */
static void commit_all(struct committer *c, struct commit_list *taken, struct commit_list *done)
{
	struct commit_list batch = STAILQ_HEAD_INITIALIZER(batch);
	struct commit *commit;

	while ((commit = STAILQ_FIRST(taken)) != NULL) {
		STAILQ_REMOVE_HEAD(taken, link);
		switch (commit->kind) {
		case COMMIT_ACCEPT:
			if (commit->error == 0)
				journal_accept(c, commit, &batch, done);
			break;
		case COMMIT_UPDATE:
			journal_update(c, commit, &batch, done);
			break;
		case COMMIT_ROTATE:
			if (c->journal != NULL) {
				flush_batch(c, &batch, done);
				journal_rotate(c->journal);
			}
			break;
		case COMMIT_SETTLE:
		case COMMIT_GROW:
			break;
		}
		if (commit->kind == COMMIT_ACCEPT && commit->error != 0)
			STAILQ_INSERT_TAIL(done, commit, link);
		else
			STAILQ_INSERT_TAIL(&batch, commit, link);
	}
	if (c->journal != NULL)
		flush_batch(c, &batch, done);
	else
		STAILQ_CONCAT(done, &batch);
}

/* --- threads ------------------------------------------------------------------ */

/* With the lock held. */
static void finish(struct committer *c, struct commit_list *done)
{
	uint64_t one = 1;
	bool was_empty = STAILQ_EMPTY(&c->finished);

	if (STAILQ_EMPTY(done))
		return;
	STAILQ_CONCAT(&c->finished, done);
	/* The counter of an eventfd cannot overflow here: it is written only when it was read. */
	if (was_empty && write(c->descriptor, &one, sizeof one) < 0)
		abort();
}

static void enqueue(struct lane *lane, struct commit *commit, bool is_urgent)
{
	STAILQ_INSERT_TAIL(&lane->queue, commit, link);
	lane->count++;
	if (is_urgent)
		lane->urgent++;
	/* An update alone starts the clock and no more. */
	if (is_urgent || lane->count == 1 || lane->count == UPDATES_WAITING_MAX)
		pthread_cond_signal(&lane->filled);
}

/* With the lock held: wait until the queue is worth a flush. */
static void wait_for_company(struct committer *c)
{
	struct lane *lane = &c->journal_lane;
	uint64_t linger_us = c->journal == NULL ? 0 : (uint64_t)c->options.linger_ms * 1000;

	while (!c->stopping && lane->urgent == 0 && lane->count < UPDATES_WAITING_MAX) {
		struct commit *oldest = STAILQ_FIRST(&lane->queue);
		struct timespec until;
		uint64_t due;

		if (oldest == NULL) {
			pthread_cond_wait(&lane->filled, &c->lock);
			continue;
		}
		due = oldest->queued_us + linger_us;
		if (clock_monotonic_us() >= due)
			return;
		until = (struct timespec){(time_t)(due / 1000000), (long)(due % 1000000) * 1000};
		pthread_cond_timedwait(&lane->filled, &c->lock, &until);
	}
}

static void *committer_thread(void *argument)
{
	struct committer *c = argument;
	struct commit_list taken = STAILQ_HEAD_INITIALIZER(taken);
	struct commit_list done = STAILQ_HEAD_INITIALIZER(done);

	pthread_mutex_lock(&c->lock);
	while (!c->stopping || c->unfinished > 0) {
		wait_for_company(c);
		if (STAILQ_EMPTY(&c->journal_lane.queue)) {
			if (c->stopping && c->unfinished > 0)
				pthread_cond_wait(&c->journal_lane.filled, &c->lock);
			continue;
		}
		STAILQ_CONCAT(&taken, &c->journal_lane.queue);
		c->journal_lane.urgent = 0;
		c->journal_lane.count = 0;
		pthread_mutex_unlock(&c->lock);
		commit_all(c, &taken, &done);
		pthread_mutex_lock(&c->lock);
		for (struct commit *commit = STAILQ_FIRST(&done); commit != NULL;
		     commit = STAILQ_NEXT(commit, link))
			c->unfinished--;
		finish(c, &done);
	}
	pthread_cond_broadcast(&c->worker_lane.filled);
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

static void work(struct committer *c, struct commit *commit)
{
	switch (commit->kind) {
	case COMMIT_ACCEPT:
		accept_as_file(c, commit);
		commit->filed = true;
		break;
	case COMMIT_SETTLE:
		if (spool_flush_all(c->spool) != 0)
			commit->error = errno;
		break;
	case COMMIT_GROW:
		if (c->journal != NULL && journal_grow(c->journal) < 0)
			commit->error = errno;
		break;
	case COMMIT_UPDATE:
	case COMMIT_ROTATE:
		break;
	}
}

static void *worker_thread(void *argument)
{
	struct committer *c = argument;
	struct commit_list done = STAILQ_HEAD_INITIALIZER(done);

	pthread_mutex_lock(&c->lock);
	while (!c->stopping || c->unfinished > 0) {
		struct commit *commit = STAILQ_FIRST(&c->worker_lane.queue);

		if (commit == NULL) {
			pthread_cond_wait(&c->worker_lane.filled, &c->lock);
			continue;
		}
		STAILQ_REMOVE_HEAD(&c->worker_lane.queue, link);
		c->worker_lane.count--;
		c->worker_lane.urgent--;
		pthread_mutex_unlock(&c->lock);
		work(c, commit);
		pthread_mutex_lock(&c->lock);
		if (commit->kind == COMMIT_ACCEPT && commit->error == 0 && c->journal != NULL) {
			enqueue(&c->journal_lane, commit, true);
			continue;
		}
		c->unfinished--;
		STAILQ_INSERT_TAIL(&done, commit, link);
		finish(c, &done);
		if (c->stopping && c->unfinished == 0)
			pthread_cond_broadcast(&c->journal_lane.filled);
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

static void lane_init(struct lane *lane, const pthread_condattr_t *attributes)
{
	STAILQ_INIT(&lane->queue);
	pthread_cond_init(&lane->filled, attributes);
}

struct committer *committer_new(
    const struct spool *spool, struct journal *journal, const struct committer_options *options)
{
	struct committer *c = calloc(1, sizeof *c);
	pthread_condattr_t attributes;
	unsigned wanted = options->workers < 1 ? 1 : options->workers;
	int error;

	if (c == NULL)
		return NULL;
	c->spool = spool;
	c->journal = journal;
	c->options = *options;
	c->descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->descriptor < 0) {
		free(c);
		return NULL;
	}
	pthread_mutex_init(&c->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	lane_init(&c->journal_lane, &attributes);
	lane_init(&c->worker_lane, &attributes);
	pthread_condattr_destroy(&attributes);
	STAILQ_INIT(&c->finished);
	error = pthread_create(&c->thread, NULL, committer_thread, c);
	if (error != 0) {
		close(c->descriptor);
		free(c);
		errno = error;
		return NULL;
	}
	for (; c->worker_count < wanted && c->worker_count < WORKERS_MAX; c->worker_count++) {
		error = pthread_create(&c->workers[c->worker_count], NULL, worker_thread, c);
		if (error != 0)
			break;
	}
	if (c->worker_count == 0) {
		committer_free(c);
		errno = error;
		return NULL;
	}
	return c;
}

void committer_free(struct committer *c)
{
	if (c == NULL)
		return;
	pthread_mutex_lock(&c->lock);
	c->stopping = true;
	pthread_cond_broadcast(&c->journal_lane.filled);
	pthread_cond_broadcast(&c->worker_lane.filled);
	pthread_mutex_unlock(&c->lock);
	pthread_join(c->thread, NULL);
	for (unsigned i = 0; i < c->worker_count; i++)
		pthread_join(c->workers[i], NULL);
	committer_collect(c);
	close(c->descriptor);
	pthread_cond_destroy(&c->journal_lane.filled);
	pthread_cond_destroy(&c->worker_lane.filled);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

void committer_submit(struct committer *c, struct commit *commit)
{
	bool is_large =
	    commit->kind == COMMIT_ACCEPT && commit->file.size > c->options.message_limit;

	commit->error = 0;
	commit->generation = 0;
	commit->filed = false;
	commit->queued_us = commit->kind == COMMIT_UPDATE ? clock_monotonic_us() : 0;
	pthread_mutex_lock(&c->lock);
	c->unfinished++;
	if (commit->kind == COMMIT_ACCEPT)
		c->accepting++;
	if (commit->kind == COMMIT_SETTLE || commit->kind == COMMIT_GROW || is_large ||
	    (commit->kind == COMMIT_ACCEPT && c->journal == NULL))
		enqueue(&c->worker_lane, commit, true);
	else
		enqueue(&c->journal_lane, commit, commit->kind != COMMIT_UPDATE);
	pthread_mutex_unlock(&c->lock);
}

bool committer_is_full(struct committer *c)
{
	bool is_full;

	pthread_mutex_lock(&c->lock);
	is_full = c->accepting >= c->options.waiting_max;
	pthread_mutex_unlock(&c->lock);
	return is_full;
}

int committer_descriptor(const struct committer *c)
{
	return c->descriptor;
}

unsigned committer_collect(struct committer *c)
{
	struct commit_list finished = STAILQ_HEAD_INITIALIZER(finished);
	struct commit *commit;
	unsigned count = 0, accepted = 0;
	uint64_t signals;

	/* Read before the list is taken: what is finished in between signals again. */
	if (read(c->descriptor, &signals, sizeof signals) < 0 && errno != EAGAIN)
		abort();
	pthread_mutex_lock(&c->lock);
	STAILQ_CONCAT(&finished, &c->finished);
	pthread_mutex_unlock(&c->lock);
	while ((commit = STAILQ_FIRST(&finished)) != NULL) {
		STAILQ_REMOVE_HEAD(&finished, link);
		count++;
		if (commit->kind == COMMIT_ACCEPT)
			accepted++;
		commit->finished(commit);
	}
	pthread_mutex_lock(&c->lock);
	c->accepting -= accepted;
	pthread_mutex_unlock(&c->lock);
	return count;
}

uint64_t committer_flushes(const struct committer *c)
{
	return atomic_load(&c->flushes);
}
