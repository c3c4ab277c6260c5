/*
 * queue.c - which messages there are.
 */
#include "qmgr/queue.h"

#include <stdlib.h>
#include <sys/statvfs.h>

#include "common/clock.h"
#include "common/conf.h"
#include "common/log.h"
#include "qmgr/record.h"

enum { SPACE_CHECK_US = 1000000 };

struct queue queue;

message_id queue_next_id(void)
{
	queue.last_id = message_id_next(queue.last_id);
	return queue.last_id;
}

void queue_add(struct mail *mail)
{
	RB_INSERT(mail_tree, &queue.mails, mail);
	queue.count++;
	if (mail->loaded != NULL)
		queue.active++;
}

void queue_forget(struct mail *mail)
{
	RB_REMOVE(mail_tree, &queue.mails, mail);
	queue.count--;
	if (mail->loaded != NULL)
		queue.active--;
	schedule_remove(&queue.schedule, &mail->due);
	mail_free(mail);
}

struct mail *queue_find(message_id id)
{
	struct mail wanted = {.file = {.id = id}};

	return RB_FIND(mail_tree, &queue.mails, &wanted);
}

struct mail *queue_from(message_id id)
{
	struct mail wanted = {.file = {.id = id}};

	return RB_NFIND(mail_tree, &queue.mails, &wanted);
}

/* Asked of the file system once a second at most. */
static bool space_is_short(void)
{
	static uint64_t checked_us;
	static bool is_short;
	uint64_t now = clock_monotonic_us();
	bool was_short = is_short;
	struct statvfs st;

	if (checked_us != 0 && now - checked_us < SPACE_CHECK_US)
		return is_short;
	checked_us = now;
	is_short = fstatvfs(queue.spool.root, &st) == 0 &&
		   ((uint64_t)st.f_bavail * st.f_frsize < (uint64_t)settings->queue.free_space ||
		       (st.f_files > 0 && st.f_favail == 0));
	if (is_short != was_short) {
		if (is_short)
			log_error("spool-disk-full",
			    log_number("free", (uint64_t)st.f_bavail * st.f_frsize));
		else
			log_info("spool-disk-has-room",
			    log_number("free", (uint64_t)st.f_bavail * st.f_frsize));
	}
	return is_short;
}

bool queue_is_full(void)
{
	return queue.count >= (size_t)settings->queue.messages_limit ||
	       committer_is_full(queue.committer) || space_is_short();
}

bool queue_append_envelope(struct buf *records, const struct envelope *envelope)
{
	struct buf payload = buf_with_limit(RECORD_PAYLOAD_MAX);
	struct writer w = {&payload};
	bool fitted;

	envelope_write(&w, envelope);
	fitted =
	    !payload.overflowed && record_append(records, RECORD_ENVELOPE, buf_slice(&payload));
	buf_free(&payload);
	return fitted;
}
