/*
 * spool.c - files of the spool that qmgr has opened ahead for us.
 */
#include "smtpd/spool.h"

#include <sys/statvfs.h>
#include <unistd.h>

#include "common/conf.h"
#include "common/process.h"

enum {
	KEPT_FIRST = 8,                             /* files kept at first */
	KEPT_MAX = 128,                             /* and at most */
	ASKED_AT_ONCE = CHANNEL_DESCRIPTORS_MAX / 2 /* what fills one packet */
};

/* A ring: the oldest identifier is used first, so that messages' order is nearly that of their identifiers. */
static struct spool_file files[KEPT_MAX];
static unsigned first_file;
static unsigned file_count;
static unsigned asked;             /* files that are on their way */
static unsigned kept = KEPT_FIRST; /* files that we want to have */
static unsigned generation;
static TAILQ_HEAD(, question) waiting = TAILQ_HEAD_INITIALIZER(waiting);
static unsigned waiting_count;

static bool opened(struct message *m, void *context);

static void put_file(const struct spool_file *file)
{
	files[(first_file + file_count++) % KEPT_MAX] = *file;
}

static struct spool_file take_file(void)
{
	struct spool_file file = files[first_file];

	first_file = (first_file + 1) % KEPT_MAX;
	file_count--;
	return file;
}

/* Ask for more where half of what we want is gone. */
static void refill(void)
{
	struct channel *qmgr = process_peer(ROLE_QMGR);
	unsigned wanted = kept + waiting_count;

	if (qmgr == NULL || process_is_stopping() || file_count + asked > wanted / 2)
		return;
	while (file_count + asked < wanted) {
		unsigned count = wanted - file_count - asked;
		struct writer *w;

		if (count > ASKED_AT_ONCE)
			count = ASKED_AT_ONCE;
		w = channel_call(qmgr, QUEUE_OPEN, opened, (void *)(uintptr_t)count, NULL);
		write_u32(w, count);
		if (!channel_end(qmgr))
			return;
		asked += count;
	}
}

static struct question *next_waiting(void)
{
	struct question *question = TAILQ_FIRST(&waiting);

	TAILQ_REMOVE(&waiting, question, waiting);
	waiting_count--;
	question->is_open = false;
	return question;
}

static void give_files(void)
{
	while (waiting_count > 0 && file_count > 0) {
		struct question *question = next_waiting();
		struct spool_file file = take_file();

		question->answered.file(question->asker, &file, false);
	}
}

/* Nothing will come: those who wait now are told, not those who ask meanwhile. */
static void refuse_files(bool full)
{
	for (unsigned count = waiting_count; count > 0 && waiting_count > 0; count--) {
		struct question *question = next_waiting();

		question->answered.file(question->asker, NULL, full);
	}
}

static void give_back(message_id id)
{
	struct channel *qmgr = process_peer(ROLE_QMGR);

	if (qmgr == NULL)
		return;
	write_u64(channel_begin(qmgr, QUEUE_ABORT, 0), id);
	channel_end(qmgr);
}

static bool keep_files(struct message *m, unsigned wanted, unsigned *count)
{
	struct reader r = message_reader(m);

	*count = read_u32(&r);
	if (m->type != QUEUE_OPENED || *count > wanted || m->descriptor_count != *count)
		return false;
	for (unsigned i = 0; i < *count; i++) {
		struct spool_file file = {.id = read_u64(&r), .generation = generation};

		if (!reader_ok(&r))
			return false;
		/* Sessions that ended have given theirs back meanwhile. */
		if (file_count == KEPT_MAX) {
			give_back(file.id);
			continue;
		}
		file.descriptor = message_take_descriptor(m, i);
		put_file(&file);
	}
	return reader_finished(&r);
}

static bool opened(struct message *m, void *context)
{
	unsigned wanted = (unsigned)(uintptr_t)context;
	unsigned count = 0;

	asked -= wanted;
	if (m == NULL) {
		refuse_files(false);
		return true;
	}
	if (!keep_files(m, wanted, &count))
		return false;
	give_files();
	if (count == 0)
		refuse_files(true);
	else if (count == wanted)
		refill();
	return true;
}

enum house_file spool_file(struct question *question, struct spool_file *file)
{
	if (process_peer(ROLE_QMGR) == NULL)
		return HOUSE_FILE_NONE;
	if (file_count > 0) {
		*file = take_file();
		refill();
		return HOUSE_FILE_GIVEN;
	}
	/* More were needed than were kept. */
	if (kept < KEPT_MAX)
		kept *= 2;
	question->is_open = true;
	question->channel = NULL;
	TAILQ_INSERT_TAIL(&waiting, question, waiting);
	waiting_count++;
	refill();
	return HOUSE_FILE_ASKED;
}

void spool_withdraw(struct question *question)
{
	TAILQ_REMOVE(&waiting, question, waiting);
	waiting_count--;
	question->is_open = false;
}

static bool committed(struct message *m, void *context)
{
	struct question *question = context;
	unsigned verdict = QUEUE_FAILED;
	bool good = true;

	question->is_open = false;
	if (m != NULL) {
		struct reader r = message_reader(m);

		verdict = read_u8(&r);
		good = m->type == QUEUE_COMMITTED && reader_finished(&r) &&
		       verdict < QUEUE_VERDICT_COUNT;
		if (!good)
			verdict = QUEUE_FAILED;
	}
	question->answered.committed(question->asker, (enum queue_verdict)verdict);
	return good;
}

bool spool_commit(struct question *question, struct spool_file *file, uint64_t size,
    const struct envelope *envelope)
{
	struct channel *qmgr = process_peer(ROLE_QMGR);
	struct writer *w;

	close(file->descriptor);
	if (qmgr == NULL || file->generation != generation)
		return false;
	w = channel_call(qmgr, QUEUE_COMMIT, committed, question, &question->request);
	write_u64(w, file->id);
	write_u64(w, size);
	envelope_write(w, envelope);
	if (!channel_end(qmgr)) {
		/* The envelope is too large for a message, which transaction.c does not let happen. */
		write_u64(channel_begin(qmgr, QUEUE_ABORT, 0), file->id);
		channel_end(qmgr);
		return false;
	}
	question->channel = qmgr;
	question->is_open = true;
	return true;
}

void spool_abort(struct spool_file *file, bool is_untouched)
{
	if (process_peer(ROLE_QMGR) != NULL && file->generation == generation) {
		if (is_untouched && file_count < KEPT_MAX) {
			put_file(file);
			*file = no_spool_file;
			return;
		}
		give_back(file->id);
	}
	close(file->descriptor);
	*file = no_spool_file;
}

bool spool_has_room(uint64_t size)
{
	struct statvfs fs;
	uint64_t free_octets, wanted = (uint64_t)settings->queue.free_space;

	if (file_count == 0 || fstatvfs(files[first_file].descriptor, &fs) != 0)
		return true;
	free_octets = (uint64_t)fs.f_bavail * fs.f_frsize;
	return free_octets >= wanted && free_octets - wanted >= size;
}

static bool readable(struct message *m, void *context)
{
	struct question *question = context;
	bool good = m == NULL || (m->type == QUEUE_READABLE && m->body.len == 0);

	question->is_open = false;
	question->answered.readable(
	    question->asker, m == NULL || !good ? -1 : message_take_descriptor(m, 0));
	return good;
}

bool spool_read(struct question *question, const struct spool_file *file)
{
	struct channel *qmgr = process_peer(ROLE_QMGR);

	if (qmgr == NULL || file->generation != generation)
		return false;
	write_u64(channel_call(qmgr, QUEUE_READ, readable, question, &question->request), file->id);
	question->channel = qmgr;
	question->is_open = channel_end(qmgr);
	return question->is_open;
}

void spool_replace(const struct spool_file *file, struct spool_file *other)
{
	struct channel *qmgr = process_peer(ROLE_QMGR);

	/* Where this cannot be said, neither can the commit that follows it. */
	if (qmgr != NULL && file->generation == generation && other->generation == generation) {
		struct writer *w = channel_begin(qmgr, QUEUE_REPLACE, 0);

		write_u64(w, file->id);
		write_u64(w, other->id);
		channel_end(qmgr);
	}
	close(other->descriptor);
	*other = no_spool_file;
}

void spool_opened(void)
{
	refill();
}

void spool_closed(void)
{
	generation++;
	while (file_count > 0)
		close(take_file().descriptor);
	refuse_files(false);
}
