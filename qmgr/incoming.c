/*
 * incoming.c - how messages come into the queue.
 *
 * smtpd has spool files opened ahead and writes to them; a commit names one of
 * those that this very smtpd was given.  Reports and local submissions take the
 * same way, with qmgr as the writer.  A message is in the queue from the moment
 * that the committer says it is durable.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/conf.h"
#include "common/log.h"
#include "common/process.h"
#include "qmgr/queue.h"
#include "qmgr/record.h"

enum {
	OPEN_AT_ONCE_MAX = CHANNEL_DESCRIPTORS_MAX / 2,
	RECEPTIONS_MAX =
	    20000, /* files that all smtpds together may have open or being committed */
	COPIED_AT_ONCE = 65536,
	RECORDS_MAX = RECORD_PAYLOAD_MAX + RECORD_OVERHEAD,
};

/* A file in tmp/ that somebody writes to, or whose commit is on its way. */
struct reception {
	RB_ENTRY(reception) by_id;
	message_id id;
	struct channel *channel; /* smtpd's; NULL: ours, or its smtpd is gone */
	uint32_t request;        /* of its commit */
	bool is_committing;
	bool is_spoilt; /* its content could not be replaced: it is not to be committed */
	struct commit commit;
	struct mail *mail; /* from the commit on */
	incoming_finished finished;
	void *context;
};

static int reception_compare(const struct reception *a, const struct reception *b)
{
	return (a->id > b->id) - (a->id < b->id);
}

static RB_HEAD(reception_tree, reception) receptions = RB_INITIALIZER(&receptions);
static unsigned reception_count;
RB_PROTOTYPE(reception_tree, reception, by_id, reception_compare)
RB_GENERATE(reception_tree, reception, by_id, reception_compare)

static struct reception *reception_new(struct channel *channel)
{
	struct reception *reception;

	if (reception_count >= RECEPTIONS_MAX) {
		errno = EAGAIN;
		return NULL;
	}
	reception = calloc(1, sizeof *reception);
	if (reception == NULL)
		return NULL;
	reception->id = queue_next_id();
	reception->channel = channel;
	RB_INSERT(reception_tree, &receptions, reception);
	reception_count++;
	return reception;
}

static void reception_free(struct reception *reception)
{
	RB_REMOVE(reception_tree, &receptions, reception);
	reception_count--;
	free(reception);
}

static void reception_abandon(struct reception *reception)
{
	if (spool_abandon(&queue.spool, reception->id) != 0 && errno != ENOENT)
		log_error("cannot-remove", log_id(reception->id), log_string("place", "tmp"),
		    log_errno(errno));
	reception_free(reception);
}

static struct reception *find_open(struct channel *channel, message_id id)
{
	struct reception wanted = {.id = id};
	struct reception *reception = RB_FIND(reception_tree, &receptions, &wanted);

	return reception != NULL && reception->channel == channel && !reception->is_committing
		   ? reception
		   : NULL;
}

/* --- commits ------------------------------------------------------------------ */

static void log_queued(const struct mail *mail)
{
	const struct envelope *envelope = &mail->loaded->envelope;

	log_info("queued", log_id(mail->file.id), log_slice("from", envelope->sender),
	    log_number("size", mail->file.size),
	    log_number("recipients", envelope->recipient_count),
	    log_slice("client", envelope->client), log_slice("login", envelope->login));
}

/* The message is durable: from here on it is the queue's. */
static void enter_queue(struct reception *reception)
{
	struct mail *mail = reception->mail;

	mail->file = reception->commit.file;
	mail->generation = reception->commit.generation;
	log_queued(mail);
	queue_add(mail);
	if (queue.active <= ACTIVE_MAX || queue.is_closed) {
		attempt_begin(mail);
		return;
	}
	/* Too many are in memory: it waits on disk for its turn. */
	mail_unload(mail);
	queue.active--;
	attempt_wait(mail, 0);
}

static enum queue_verdict verdict_of(int error)
{
	if (error == 0)
		return QUEUE_ACCEPTED;
	return error == ENOSPC || error == EDQUOT ? QUEUE_FULL : QUEUE_FAILED;
}

static void committed(struct commit *commit)
{
	struct reception *reception = commit->context;

	if (commit->error != 0)
		log_error("cannot-store", log_id(reception->id), log_errno(commit->error));
	if (reception->channel != NULL && reception->finished == NULL) {
		write_u8(channel_begin(reception->channel, QUEUE_COMMITTED, reception->request),
		    (uint8_t)verdict_of(commit->error));
		channel_end(reception->channel);
	}
	if (commit->error == 0)
		enter_queue(reception);
	else
		mail_free(reception->mail);
	if (reception->finished != NULL)
		reception->finished(commit->error == 0, reception->id, reception->context);
	reception_free(reception);
}

/* Begin the commit of tmp/ID; takes the records over.  False where they make no sense (errno). */
static bool commit(struct reception *reception, uint64_t size, struct buf *records)
{
	struct spool_file file = {.id = reception->id, .place = SPOOL_TMP, .size = size};
	struct mail *mail = mail_new(&file);

	if (mail == NULL || !mail_load(mail, records)) {
		int saved = mail == NULL ? ENOMEM : errno;

		free(mail);
		errno = saved;
		return false;
	}
	mail->state = MAIL_ACTIVE;
	reception->mail = mail;
	reception->is_committing = true;
	reception->commit = (struct commit){
	    .kind = COMMIT_ACCEPT,
	    .file = file,
	    /* Lent: the committer reads them only, and the message stays until it is done. */
	    .records = mail->loaded->records,
	    .finished = committed,
	    .context = reception,
	};
	committer_submit(queue.committer, &reception->commit);
	return true;
}

/* --- smtpd -------------------------------------------------------------------- */

static bool open_files(struct channel *channel, struct message *m)
{
	struct reader r = message_reader(m);
	uint32_t wanted = read_u32(&r), count = 0;
	struct reception *opened[OPEN_AT_ONCE_MAX];
	int descriptors[OPEN_AT_ONCE_MAX];
	struct writer *w;

	if (!reader_finished(&r) || m->request == 0)
		return false;
	if (wanted > OPEN_AT_ONCE_MAX)
		wanted = OPEN_AT_ONCE_MAX;
	while (count < wanted && !queue.is_closed && !process_is_stopping() && !queue_is_full()) {
		struct reception *reception = reception_new(channel);

		if (reception == NULL)
			break;
		descriptors[count] = spool_create(&queue.spool, reception->id);
		if (descriptors[count] < 0) {
			log_error("cannot-open", log_id(reception->id), log_errno(errno));
			reception_free(reception);
			break;
		}
		opened[count++] = reception;
	}
	w = channel_begin(channel, QUEUE_OPENED, m->request);
	write_u32(w, count);
	for (uint32_t i = 0; i < count; i++)
		write_u64(w, opened[i]->id);
	for (uint32_t i = 0; i < count; i++)
		channel_attach(channel, descriptors[i]);
	channel_end(channel);
	return true;
}

static void refuse(struct channel *channel, uint32_t request, enum queue_verdict verdict)
{
	write_u8(channel_begin(channel, QUEUE_COMMITTED, request), (uint8_t)verdict);
	channel_end(channel);
}

static bool commit_file(struct channel *channel, struct message *m)
{
	struct reader r = message_reader(m);
	struct reception *reception = find_open(channel, read_u64(&r));
	uint64_t size = read_u64(&r);
	struct buf records = buf_with_limit(RECORDS_MAX);

	if (!reader_ok(&r) || m->request == 0 || reception == NULL || size > INT64_MAX)
		return false;
	if (queue.is_closed || queue_is_full()) {
		reception_abandon(reception);
		refuse(channel, m->request, QUEUE_FULL);
		return true;
	}
	if (reception->is_spoilt) {
		reception_abandon(reception);
		refuse(channel, m->request, QUEUE_FAILED);
		return true;
	}
	reception->request = m->request;
	if (record_append(&records, RECORD_ENVELOPE, cursor_rest(&r.in)) &&
	    commit(reception, size, &records))
		return true;
	buf_free(&records);
	if (errno == EBADMSG)
		return false;
	reception_abandon(reception);
	refuse(channel, m->request, QUEUE_FAILED);
	return true;
}

static bool abort_file(struct channel *channel, struct message *m)
{
	struct reader r = message_reader(m);
	struct reception *reception = find_open(channel, read_u64(&r));

	if (!reader_finished(&r) || reception == NULL)
		return false;
	reception_abandon(reception);
	return true;
}

static bool read_file(struct channel *channel, struct message *m)
{
	struct reader r = message_reader(m);
	struct reception *reception = find_open(channel, read_u64(&r));
	int fd;

	if (!reader_finished(&r) || m->request == 0 || reception == NULL)
		return false;
	fd = spool_open_received(&queue.spool, reception->id);
	if (fd < 0)
		log_error("cannot-open", log_id(reception->id), log_errno(errno));
	channel_begin(channel, QUEUE_READABLE, m->request);
	if (fd >= 0)
		channel_attach(channel, fd);
	channel_end(channel);
	return true;
}

/* Nothing is promised about either yet, so a rename is all: the commit makes durable what is there then. */
static bool replace_file(struct channel *channel, struct message *m)
{
	struct reader r = message_reader(m);
	struct reception *reception = find_open(channel, read_u64(&r));
	struct reception *other = find_open(channel, read_u64(&r));

	if (!reader_finished(&r) || reception == NULL || other == NULL || reception == other)
		return false;
	if (spool_replace(&queue.spool, reception->id, other->id) == 0) {
		reception_free(other);
		return true;
	}
	log_error("cannot-replace", log_id(reception->id), log_errno(errno));
	reception->is_spoilt = true;
	reception_abandon(other);
	return true;
}

bool incoming_message(struct channel *channel, struct message *m, void *context)
{
	(void)context;
	switch (m->type) {
	case QUEUE_OPEN:
		return open_files(channel, m);
	case QUEUE_COMMIT:
		return commit_file(channel, m);
	case QUEUE_ABORT:
		return abort_file(channel, m);
	case QUEUE_READ:
		return read_file(channel, m);
	case QUEUE_REPLACE:
		return replace_file(channel, m);
	default:
		return false;
	}
}

void incoming_closed(struct channel *channel, void *context)
{
	struct reception *reception, *next;

	(void)context;
	RB_FOREACH_SAFE (reception, reception_tree, &receptions, next) {
		if (reception->channel != channel)
			continue;
		/* What is being committed is, although nobody is left to say so to the client. */
		if (reception->is_committing)
			reception->channel = NULL;
		else
			reception_abandon(reception);
	}
}

/* --- our own ------------------------------------------------------------------- */

static bool submit(struct reception *reception, uint64_t size, const struct envelope *envelope)
{
	struct buf records = buf_with_limit(RECORDS_MAX);

	if (queue_append_envelope(&records, envelope) && commit(reception, size, &records))
		return true;
	buf_free(&records);
	return false;
}

static struct reception *begin_submission(
    incoming_finished finished, void *context, int *fd, message_id *id)
{
	struct reception *reception = queue.is_closed ? NULL : reception_new(NULL);

	if (reception == NULL)
		return NULL;
	reception->finished = finished;
	reception->context = context;
	*id = reception->id;
	*fd = spool_create(&queue.spool, reception->id);
	if (*fd >= 0)
		return reception;
	reception_free(reception);
	return NULL;
}

/* With errno kept. */
static bool end_submission(struct reception *reception, int fd, bool is_written, uint64_t size,
    const struct envelope *envelope)
{
	int saved = errno;

	close(fd);
	if (is_written && submit(reception, size, envelope))
		return true;
	if (is_written)
		saved = errno;
	reception_abandon(reception);
	errno = saved;
	return false;
}

bool incoming_submit(struct slice content, const struct envelope *envelope,
    incoming_finished finished, void *context, message_id *id)
{
	int fd;
	struct reception *reception = begin_submission(finished, context, &fd, id);

	return reception != NULL &&
	       end_submission(reception, fd, spool_write_at(fd, content.data, content.len, 0) == 0,
		   content.len, envelope);
}

static bool copy(int from, int to, uint64_t size)
{
	static char part[COPIED_AT_ONCE];

	for (uint64_t at = 0; at < size;) {
		size_t wanted = size - at < sizeof part ? (size_t)(size - at) : sizeof part;

		if (spool_read_at(from, part, wanted, at) != (ssize_t)wanted ||
		    spool_write_at(to, part, wanted, at) != 0)
			return false;
		at += wanted;
	}
	return true;
}

bool incoming_submit_file(int from, uint64_t size, const struct envelope *envelope,
    incoming_finished finished, void *context, message_id *id)
{
	int fd;
	struct reception *reception = begin_submission(finished, context, &fd, id);

	return reception != NULL &&
	       end_submission(reception, fd, copy(from, fd, size), size, envelope);
}
