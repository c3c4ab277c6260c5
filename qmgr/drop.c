/*
 * drop.c - taking up mail that was submitted while the suite was down (common/drop.h).
 *
 * The files belong to users who can still change them; so a message is copied,
 * and what is copied is what counts.  The user's word is taken for the sender and
 * the recipients only.
 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/conf.h"
#include "common/log.h"
#include "message/received.h"
#include "qmgr/queue.h"
#include "qmgr/record.h"

enum {
	LOOK_SECONDS = 60,
	TAKEN_AT_ONCE = 100, /* files being accepted at a time */
	SECOND_US = 1000000,
};

/* A file whose content is on its way into the queue. */
struct taken {
	struct taken *next;
	char name[SPOOL_NAME_MAX];
};

static struct event *timer;
static struct taken *all_taken;
static unsigned taken_count;

static bool is_taken(const char *name)
{
	for (const struct taken *taken = all_taken; taken != NULL; taken = taken->next)
		if (strcmp(taken->name, name) == 0)
			return true;
	return false;
}

static void taken_free(struct taken *taken)
{
	struct taken **at = &all_taken;

	while (*at != taken)
		at = &(*at)->next;
	*at = taken->next;
	taken_count--;
	free(taken);
}

static void finished(bool is_accepted, message_id id, void *context)
{
	struct taken *taken = context;

	/* A crash before this line has the message taken up twice, and never lost. */
	if (is_accepted && unlinkat(queue.spool.directory[SPOOL_DROP], taken->name, 0) != 0 &&
	    errno != ENOENT) {
		/* It stays known as taken: it must not come again and again. */
		log_error(
		    "cannot-remove", log_id(id), log_string("place", "drop"), log_errno(errno));
		return;
	}
	taken_free(taken);
}

static bool write_trace(struct buf *out, unsigned uid)
{
	char comment[32], id[MESSAGE_ID_TEXT + 1];
	struct received received = {
	    .by = slice_string(settings->hostname),
	    .protocol = RECEIVED_SMTP,
	    .id = slice_of(id, MESSAGE_ID_TEXT),
	    .date = date_local((int64_t)(clock_wall_us() / SECOND_US)),
	};

	snprintf(comment, sizeof comment, "userid %u", uid);
	received.comment = slice_string(comment);
	message_id_format(queue.last_id + 1, id);
	return received_write(&received, out);
}

/* The envelope as we believe it.  False where the file's own makes no sense. */
static bool submit(int fd, uint64_t size, unsigned uid, struct slice record, struct taken *taken)
{
	struct reader r = reader_over(record);
	struct buf trace = buf_with_limit(RECEIVED_MAX);
	struct envelope envelope;
	char client[32];
	message_id id;
	bool is_sound;

	if (!envelope_read(&r, &envelope))
		return false;
	is_sound = reader_finished(&r) && envelope.recipient_count > 0 &&
		   envelope.recipient_count <= (uint64_t)settings->submission.recipients_limit;
	snprintf(client, sizeof client, "uid %u", uid);
	envelope.client = slice_string(client);
	envelope.login = SLICE("");
	envelope.priority = PRIORITY_NORMAL;
	envelope.release_us = 0;
	envelope.hold = SLICE("");
	envelope.arrived_us = clock_wall_us();
	if (is_sound && write_trace(&trace, uid)) {
		envelope.prepend = buf_slice(&trace);
		if (!incoming_submit_file(fd, size, &envelope, finished, taken, &id)) {
			/* No room now: it stays where it is and is found again. */
			log_error(
			    "cannot-take-up", log_string("name", taken->name), log_errno(errno));
			taken_free(taken);
		}
	}
	buf_free(&trace);
	envelope_free(&envelope);
	return is_sound;
}

static bool take_up(int fd, uint64_t size, struct taken *taken)
{
	struct buf records = buf_with_limit(RECORD_PAYLOAD_MAX + RECORD_OVERHEAD);
	struct cursor in;
	struct record record;
	struct stat st;
	uint64_t end;
	bool is_sound = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 &&
			size <= (uint64_t)settings->submission.size_limit &&
			spool_read_records(fd, size, &records, &end) == 0;

	if (is_sound) {
		in = cursor_over(buf_slice(&records));
		is_sound = record_next(&in, &record) == RECORD_WHOLE &&
			   submit(fd, size, st.st_uid, record.payload, taken);
	}
	buf_free(&records);
	return is_sound;
}

static bool found(void *context, const char *name)
{
	struct taken *taken;
	message_id id;
	uint64_t size;
	int fd;

	(void)context;
	/* A dot in front: still being written. */
	if (name[0] == '.' || is_taken(name) || taken_count >= TAKEN_AT_ONCE || queue_is_full())
		return true;
	taken = calloc(1, sizeof *taken);
	if (taken == NULL)
		return false;
	taken->next = all_taken;
	all_taken = taken;
	taken_count++;
	fd = openat(queue.spool.directory[SPOOL_DROP], name,
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 && errno != ELOOP && errno != EACCES) {
		/* Gone again, or we are short of something: another time. */
		log_error("cannot-open", log_string("place", "drop"), log_string("name", name),
		    log_errno(errno));
		taken_free(taken);
		return true;
	}
	if (fd < 0 || !spool_parse_name(slice_string(name), &id, &size) ||
	    !slice_copy(slice_string(name), taken->name, sizeof taken->name) ||
	    !take_up(fd, size, taken)) {
		log_warning("set-aside", log_string("place", "drop"), log_string("name", name));
		if (spool_set_aside(&queue.spool, SPOOL_DROP, name) != 0)
			log_error("cannot-set-aside", log_string("name", name), log_errno(errno));
		taken_free(taken);
	}
	if (fd >= 0)
		close(fd);
	return true;
}

static void look(int fd, short what, void *context)
{
	(void)fd;
	(void)what;
	(void)context;
	if (!queue.is_closed && spool_scan(&queue.spool, SPOOL_DROP, found, NULL) != 0)
		log_error("cannot-read", log_string("place", "drop"), log_errno(errno));
}

bool drop_init(void)
{
	struct timeval interval = {LOOK_SECONDS, 0};

	timer = event_new(queue.base, -1, EV_PERSIST, look, NULL);
	if (timer == NULL || event_add(timer, &interval) != 0)
		return false;
	look(-1, 0, NULL);
	return true;
}
