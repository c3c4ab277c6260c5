/*
 * attempt.c - a message's attempt, from being taken up to what came of it.
 *
 * An attempt is: lookup is asked who the message is for, jobs are done by
 * agents, failures are reported, and what came of it is written to the file.
 * Each of these ends in attempt_review(), which finds out what is still missing
 * and does the next thing.  Nothing here waits.
 */
#include <errno.h>
#include <event2/event.h>
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
	TAKEN_UP_AT_ONCE = 200,
	SECOND_US = 1000000,
	UNREADABLE_RETRY_SECONDS = 60,
	OTHER_WAITS_US = 60 * SECOND_US, /* the longest of those that are no retries */
};

static struct mail_list unsaved = TAILQ_HEAD_INITIALIZER(unsaved);
static struct event *timer;
static uint64_t timer_due_us; /* 0: not set */

static struct retry_limits retry_limits(void)
{
	return (struct retry_limits){
	    .first_us = (uint64_t)settings->queue.retry_first * SECOND_US,
	    .longest_us = (uint64_t)settings->queue.retry_longest * SECOND_US,
	    .expire_us = (uint64_t)settings->queue.expire * SECOND_US,
	};
}

/* --- what has to be done when ------------------------------------------------- */

static void on_timer(int fd, short what, void *context)
{
	(void)fd;
	(void)what;
	(void)context;
	timer_due_us = 0;
	attempt_pump();
}

/* Wake up when the first message is due, and room for it may be expected. */
static void set_timer(void)
{
	struct schedule_entry *first = schedule_first(&queue.schedule);
	uint64_t now = clock_monotonic_us(), due;
	struct timeval wait;

	if (first == NULL || queue.is_closed || queue.active >= ACTIVE_MAX)
		return;
	due = first->due_us > now ? first->due_us : now;
	if (timer_due_us != 0 && timer_due_us <= due)
		return;
	timer_due_us = due;
	wait = (struct timeval){
	    (time_t)((due - now) / SECOND_US), (suseconds_t)((due - now) % SECOND_US)};
	if (timer == NULL)
		timer = evtimer_new(queue.base, on_timer, NULL);
	if (timer == NULL || event_add(timer, &wait) != 0)
		log_error("cannot-set-timer");
}

static struct schedule_now both_clocks(void)
{
	return (struct schedule_now){clock_wall_us(), clock_monotonic_us()};
}

void attempt_wait(struct mail *mail, uint64_t until_us)
{
	uint64_t longest = (uint64_t)settings->queue.retry_longest * SECOND_US;

	if (longest < OTHER_WAITS_US)
		longest = OTHER_WAITS_US;
	mail->state = MAIL_WAITING;
	if (!schedule_set(
		&queue.schedule, &mail->due, schedule_moment(both_clocks(), until_us, longest)))
		log_error("out-of-memory", log_id(mail->file.id));
	set_timer();
}

static void unload(struct mail *mail)
{
	mail_unload(mail);
	queue.active--;
}

static void take_up(struct mail *mail)
{
	schedule_remove(&queue.schedule, &mail->due);
	if (attempt_load(mail))
		attempt_begin(mail);
}

void attempt_pump(void)
{
	struct schedule_entry *first;
	uint64_t now = clock_monotonic_us();

	for (int i = 0; i < TAKEN_UP_AT_ONCE; i++) {
		first = schedule_first(&queue.schedule);
		if (first == NULL || first->due_us > now || queue.is_closed ||
		    process_is_stopping() || queue.active >= ACTIVE_MAX)
			break;
		take_up((struct mail *)((char *)first - offsetof(struct mail, due)));
	}
	set_timer();
}

void attempt_now(struct mail *mail)
{
	if (mail->state != MAIL_WAITING || attempt_is_held(mail) || attempt_is_scheduled(mail))
		return;
	if (mail->loaded != NULL)
		mail->loaded->is_wanted_now =
		    true; /* its last update is still on its way to the disk */
	else
		attempt_wait(mail, 0);
}

bool attempt_is_scheduled(const struct mail *mail)
{
	return mail->release_us > clock_wall_us();
}

uint64_t attempt_due_us(const struct mail *mail)
{
	return mail->due.place == SCHEDULE_NOWHERE
		   ? 0
		   : schedule_wall_time(both_clocks(), mail->due.due_us);
}

/* --- loading -------------------------------------------------------------------- */

/* A file that makes no sense is kept for a person, and is a message no more. */
static void give_up_file(struct mail *mail, int error)
{
	char name[SPOOL_NAME_MAX];

	spool_format_name(mail->file.id, mail->file.size, name);
	log_error("unreadable", log_id(mail->file.id),
	    log_string("place", spool_place_name(mail->file.place)), log_errno(error));
	if (error != ENOENT && spool_set_aside(&queue.spool, mail->file.place, name) != 0)
		log_error("cannot-set-aside", log_id(mail->file.id), log_errno(errno));
	queue_forget(mail);
}

bool attempt_load(struct mail *mail)
{
	struct buf records = buf_with_limit(SPOOL_RECORDS_MAX);
	int fd = spool_open_file(&queue.spool, &mail->file, O_RDONLY), error = 0;
	uint64_t end;

	if (fd < 0 || spool_read_records(fd, mail->file.size, &records, &end) != 0 ||
	    !mail_load(mail, &records))
		error = errno;
	if (fd >= 0)
		close(fd);
	buf_free(&records);
	if (error == 0) {
		queue.active++;
		return true;
	}
	if (error == EBADMSG || error == ENOENT || error == EFBIG || error == ELOOP) {
		give_up_file(mail, error);
	} else {
		log_error("cannot-load", log_id(mail->file.id), log_errno(error));
		if (mail->state == MAIL_WAITING)
			attempt_wait(
			    mail, clock_wall_us() + (uint64_t)UNREADABLE_RETRY_SECONDS * SECOND_US);
	}
	return false;
}

/* --- writing down ----------------------------------------------------------------- */

static void updated(struct commit *commit);

/* Put what is pending, and the message's new place, into the next flush. */
static void submit_update(
    struct mail *mail, enum spool_place to, uint64_t next_attempt_us, bool is_settled)
{
	struct loaded *l = mail->loaded;
	struct buf records = l->update.records;

	buf_clear(&records);
	l->update = (struct commit){
	    .kind = COMMIT_UPDATE,
	    .file = mail->file,
	    .to = to,
	    .next_attempt_us = next_attempt_us,
	    .is_settled = is_settled,
	    .end = l->end,
	    .records = l->pending,
	    .finished = updated,
	    .context = mail,
	};
	l->pending = records;
	l->is_updating = true;
	committer_submit(queue.committer, &l->update);
}

static void end_in(
    struct mail *mail, enum mail_state state, enum spool_place to, uint64_t next_attempt_us)
{
	mail->state = state;
	mail->loaded->is_ending = true;
	submit_update(mail, to, next_attempt_us, false);
}

/* What is to be reported is over when the report is durable, not before: a crash repeats it. */
static bool is_report_owed(const struct target *target)
{
	if (target->is_reported)
		return false;
	return target->state == TARGET_FAILED ||
	       (target->state == TARGET_DELIVERED && target->has_success_to_report);
}

void attempt_record(struct mail *mail, struct target *target)
{
	if (target->is_recorded || target->state == TARGET_PENDING ||
	    target->state == TARGET_RUNNING || is_report_owed(target))
		return;
	mail->loaded->recorded_us = clock_wall_us();
	if (!mail_record_expansion(mail) ||
	    !mail_record_outcome(mail, target, mail->loaded->recorded_us))
		log_error("cannot-record", log_id(mail->file.id));
	target->is_recorded = true;
	if (target->state == TARGET_DELIVERED && target->kind == LOOKUP_MAILBOX)
		mail->loaded->is_in_mailbox = true;
}

/* What an administrator asked for while the attempt was ending is done now that it has ended. */
static void after_last_update(struct mail *mail, uint64_t next_attempt_us)
{
	struct loaded *l = mail->loaded;
	bool is_wanted_now = l->is_wanted_now, is_unwanted = l->is_unwanted,
	     is_to_be_held = l->is_to_be_held;
	bool was_held = mail->state == MAIL_HELD;

	if (was_held && l->envelope.hold.len > 0)
		log_info("held", log_id(mail->file.id), log_slice("reason", l->envelope.hold));
	else if (was_held)
		log_info("held", log_id(mail->file.id));
	unload(mail);
	if (!was_held)
		attempt_wait(mail, next_attempt_us);
	if (is_unwanted)
		attempt_delete(mail);
	else if (was_held && is_wanted_now)
		attempt_release(mail);
	else if (!was_held && is_to_be_held && !is_wanted_now)
		attempt_hold(mail);
	else if (is_wanted_now)
		attempt_now(mail);
	set_timer();
}

static void remove_finished(struct mail *mail)
{
	log_info("removed", log_id(mail->file.id));
	queue_forget(mail);
	set_timer();
}

/* What the file does not know would be done again: the message stays in memory until it is written. */
static bool is_unsaved(const struct loaded *l, const struct commit *commit)
{
	if (commit->error == 0 || commit->error == ENOENT)
		return false;
	return commit->to == SPOOL_NOWHERE || (commit->records.len > 0 && commit->end == l->end);
}

void attempt_save_unsaved(void)
{
	struct mail_list again = TAILQ_HEAD_INITIALIZER(again);
	struct mail *mail;

	TAILQ_CONCAT(&again, &unsaved, link);
	while ((mail = TAILQ_FIRST(&again)) != NULL) {
		TAILQ_REMOVE(&again, mail, link);
		committer_submit(queue.committer, &mail->loaded->update);
	}
}

bool attempt_is_all_saved(void)
{
	return TAILQ_EMPTY(&unsaved);
}

static void updated(struct commit *commit)
{
	struct mail *mail = commit->context;
	struct loaded *l = mail->loaded;
	uint64_t next_attempt_us =
	    commit->next_attempt_us; /* the commit is part of what is unloaded */

	if (commit->error != 0 && !l->is_unsaved)
		log_error("cannot-update", log_id(mail->file.id),
		    log_string("place", spool_place_name(commit->to)), log_errno(commit->error));
	mail->file.place = commit->file.place;
	l->is_unsaved = is_unsaved(l, commit);
	if (l->is_unsaved) {
		TAILQ_INSERT_TAIL(&unsaved, mail, link);
		return;
	}
	l->end = commit->end;
	l->is_updating = false;
	if (!l->is_ending) {
		attempt_review(mail);
		return;
	}
	switch (mail->state) {
	case MAIL_ACTIVE:
		remove_finished(mail);
		break;
	case MAIL_WAITING:
	case MAIL_HELD:
		after_last_update(mail, next_attempt_us);
		break;
	case MAIL_SETTLING:
		unload(mail);
		checkpoint_keep(mail);
		set_timer();
		break;
	}
}

/* --- the end of an attempt ---------------------------------------------------------- */

/* Everybody has it, or never will. */
static void end_finished(struct mail *mail)
{
	/*
	 * The journal or the file has to outlive a delivery that no flush has covered
	 * yet.  Where there is no journal the agent flushes before it answers.
	 */
	if (mail->loaded->is_in_mailbox && queue.journal != NULL &&
	    !checkpoint_holds(mail->generation))
		end_in(mail, MAIL_SETTLING, mail->file.place, 0);
	else
		end_in(mail, MAIL_ACTIVE, SPOOL_NOWHERE, 0);
}

/* Too old: what could not be delivered yet has failed.  The last reply stays: a person wants to read it. */
static void expire(struct mail *mail)
{
	for (size_t i = 0; i < mail->loaded->target_count; i++) {
		struct target *target = mail->loaded->targets[i];

		if (target->state != TARGET_DEFERRED)
			continue;
		target_conclude(target, TARGET_FAILED, SLICE("4.4.7"), slice_string(target->host),
		    target->text == NULL ? SLICE("delivery time expired")
					 : slice_string(target->text));
		target->is_recorded = false;
		log_warning("expired", log_id(mail->file.id), log_slice("to", target->address),
		    log_number("attempts", target->attempts + 1),
		    log_string("reason", target->text));
	}
}

static void end_deferred(struct mail *mail, uint64_t next_us)
{
	struct loaded *l = mail->loaded;

	log_info("waiting", log_id(mail->file.id), log_number("attempts", l->attempts + 1),
	    log_number("seconds", (next_us - clock_wall_us()) / SECOND_US));
	end_in(mail, MAIL_WAITING, SPOOL_CUR, next_us);
}

/* Nothing was tried of what is left, because its sites had no room: it comes back soon, unchanged. */
static void end_short_of_room(struct mail *mail)
{
	uint64_t next = clock_wall_us() + ((uint64_t)SHORT_OF_ROOM_SECONDS +
					      arc4random_uniform(SHORT_OF_ROOM_SECONDS)) *
					      SECOND_US;

	if (mail->loaded->pending.len > 0) {
		end_in(mail, MAIL_WAITING, mail->file.place, next);
		return;
	}
	unload(mail);
	attempt_wait(mail, next);
}

static void record_all(struct mail *mail)
{
	for (size_t i = 0; i < mail->loaded->target_count; i++)
		attempt_record(mail, mail->loaded->targets[i]);
}

/* An administrator cut the attempt short.  False where there is nothing left to delete or hold. */
static bool end_by_order(struct mail *mail)
{
	struct loaded *l = mail->loaded;

	if (l->is_unwanted) {
		log_info("deleted", log_id(mail->file.id));
		end_in(mail, MAIL_ACTIVE, SPOOL_NOWHERE, 0);
		return true;
	}
	if (!l->is_to_be_held ||
	    (!l->is_cut_short && !l->is_unfinished && mail_count(mail, TARGET_DEFERRED) == 0 &&
		mail_count(mail, TARGET_PENDING) == 0))
		return false;
	record_all(mail);
	end_in(mail, MAIL_HELD, SPOOL_HOLD, 0);
	return true;
}

static void end_attempt(struct mail *mail)
{
	struct loaded *l = mail->loaded;
	struct retry_limits limits = retry_limits();
	uint64_t now = clock_wall_us(), next = 0;

	if (end_by_order(mail))
		return;
	if (!l->is_report_lost) {
		if (mail_count(mail, TARGET_DEFERRED) > 0 || l->is_unfinished)
			next = retry_at(&limits, envelope_begins_us(&l->envelope), now,
			    l->attempts + 1, arc4random());
		if (next == 0)
			expire(mail);
		bounce_report(mail, next != 0);
		if (l->reports > 0)
			return;
	}
	/* What could not be reported, or not even be tried, counts as deferred, however old it is. */
	if (l->is_report_lost || (l->is_unfinished && next == 0))
		next = now + retry_delay_us(&limits, l->attempts + 1, arc4random());
	record_all(mail);
	if (next != 0)
		end_deferred(mail, next);
	else if (mail_count(mail, TARGET_PENDING) > 0)
		end_short_of_room(mail);
	else
		end_finished(mail);
}

void attempt_review(struct mail *mail)
{
	struct loaded *l = mail->loaded;

	if (queue.is_closed || l->is_ending || l->questions_open > 0)
		return;
	if (!l->is_dispatched) {
		l->is_dispatched = true;
		if (!l->is_unwanted && !l->is_to_be_held)
			delivery_dispatch(mail);
	}
	if (l->is_updating)
		return;
	if (l->jobs == 0 && l->reports == 0) {
		end_attempt(mail);
		return;
	}
	/* Where others are still tried, what is known must not wait for them. */
	if (l->pending.len > 0)
		submit_update(mail, mail->file.place, 0, false);
}

/* A success whose report is already on its way to the disk, and there before what is written now. */
static void record_successes(struct mail *mail)
{
	for (size_t i = 0; i < mail->loaded->target_count; i++) {
		struct target *target = mail->loaded->targets[i];

		if (target->state == TARGET_DELIVERED && target->is_in_report) {
			target->is_reported = true;
			attempt_record(mail, target);
		}
	}
}

void attempt_save_all(void)
{
	struct mail *mail;

	RB_FOREACH (mail, mail_tree, &queue.mails) {
		if (mail->loaded == NULL || mail->loaded->is_updating)
			continue;
		record_successes(mail);
		/* The jobs that still run will be done again; what has ended will not. */
		if (mail->loaded->pending.len > 0)
			submit_update(mail, mail->file.place, 0, false);
	}
}

/* --- the beginning of an attempt ------------------------------------------------------- */

/*
 * Nothing is done before the time that the sender wants (RFC 4865): until then it
 * waits in cur/, as after an attempt that there was not.  An administrator's flush
 * finds it there and changes nothing.
 */
static void wait_for_release(struct mail *mail)
{
	uint64_t release_us = mail->loaded->envelope.release_us;

	mail->release_us = release_us;
	if (queue.is_closed)
		return;
	if (mail->file.place != SPOOL_CUR) {
		log_info("scheduled", log_id(mail->file.id),
		    log_number("seconds", (release_us - clock_wall_us()) / SECOND_US));
		end_in(mail, MAIL_WAITING, SPOOL_CUR, release_us);
		return;
	}
	unload(mail);
	attempt_wait(mail, release_us);
}

/* Held before anything else was done, as who took it wanted.  It leaves hold/ for cur/, so once is enough. */
static bool is_held_at_arrival(const struct mail *mail)
{
	return mail->file.place == SPOOL_NEW && mail->loaded->envelope.hold.len > 0;
}

void attempt_begin(struct mail *mail)
{
	mail->state = MAIL_ACTIVE;
	if (is_held_at_arrival(mail)) {
		attempt_hold(mail);
		return;
	}
	if (mail->loaded->envelope.release_us > clock_wall_us()) {
		wait_for_release(mail);
		return;
	}
	if (mail->loaded->questions_open > 0)
		expand_begin(mail);
	else
		attempt_review(mail);
}

/* --- an administrator's word, and the end of settling --------------------------------- */

static void end_at_once(struct mail *mail)
{
	delivery_recall(mail);
	expand_forget(mail);
	attempt_review(mail);
}

void attempt_delete(struct mail *mail)
{
	if (mail->state == MAIL_SETTLING)
		return;
	if (mail->loaded == NULL) {
		schedule_remove(&queue.schedule, &mail->due);
		if (!attempt_load(mail))
			return;
		mail->state = MAIL_ACTIVE;
	}
	mail->loaded->is_unwanted = true;
	if (!mail->loaded->is_ending)
		end_at_once(mail);
}

void attempt_hold(struct mail *mail)
{
	/* Of hold and release the last word counts. */
	if (mail->loaded != NULL)
		mail->loaded->is_wanted_now = false;
	if (mail->state == MAIL_SETTLING || mail->state == MAIL_HELD)
		return;
	if (mail->loaded == NULL) {
		schedule_remove(&queue.schedule, &mail->due);
		if (!attempt_load(mail))
			return;
		mail->state = MAIL_ACTIVE;
	}
	mail->loaded->is_to_be_held = true;
	if (!mail->loaded->is_ending)
		end_at_once(mail);
}

bool attempt_is_held(const struct mail *mail)
{
	return mail->state == MAIL_HELD || (mail->loaded != NULL && mail->loaded->is_to_be_held);
}

void attempt_release(struct mail *mail)
{
	if (!attempt_is_held(mail))
		return;
	/* On its way into hold/, from where it comes back. */
	if (mail->loaded != NULL) {
		mail->loaded->is_wanted_now = true;
		return;
	}
	if (!attempt_load(mail))
		return;
	log_info("released", log_id(mail->file.id));
	end_in(mail, MAIL_WAITING, SPOOL_CUR, clock_wall_us());
}

void attempt_remove_settled(struct mail *mail)
{
	if (!attempt_load(mail))
		return;
	mail->loaded->is_ending = true;
	mail->state = MAIL_ACTIVE;
	submit_update(mail, SPOOL_NOWHERE, 0, true);
}
