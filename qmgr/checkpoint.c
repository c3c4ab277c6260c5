/*
 * checkpoint.c - when the journal may forget.
 *
 * A full segment is used again when everything it says is on disk elsewhere: in
 * the spool's file system, which a worker flushes, and in the mailboxes, which
 * delivery/maildir flushes when asked.  From the moment that a checkpoint begins
 * no message relies on the segments that it is about.
 *
 * A message whose delivery into a mailbox is covered by neither the journal nor
 * a flush keeps its file until the next flush of the mailboxes.
 */
#include <event2/event.h>

#include "common/channel_delivery.h"
#include "common/clock.h"
#include "common/conf.h"
#include "common/log.h"
#include "common/process.h"
#include "qmgr/queue.h"

enum {
	TICK_SECONDS = 5,           /* also the longest time that a kept file waits for a flush */
	KEPT_MAX = 1000,            /* kept files that do not wait for the tick */
	SEGMENT_SECONDS_MAX = 1800, /* a segment is checkpointed after this time, full or not */
	FINAL_SECONDS = 3,
};

static struct {
	bool is_running;
	uint64_t full; /* the segments up to this one are to be retired */
	bool needs_spool;
	bool spool_asked;
	bool needs_mailboxes;
	bool mailboxes_asked;
	uint64_t begun; /* segments up to this one are not relied on any more */
	bool is_dirty;  /* something was delivered since the mailboxes were last flushed */
	struct mail_list kept;
	size_t kept_count;
	struct mail_list settling; /* kept before the running checkpoint began */
	struct commit settle;
	struct commit rotate;
	struct commit grow;
	bool is_rotating;
	uint64_t rotated_us;
	unsigned to_grow;
	struct event *tick;
	struct event *final_timer;
	void (*final)(bool is_complete);
} state;

static void end_if_done(void);

bool checkpoint_holds(uint64_t generation)
{
	return generation > state.begun;
}

void checkpoint_note_delivery(void)
{
	state.is_dirty = true;
}

void checkpoint_keep(struct mail *mail)
{
	TAILQ_INSERT_TAIL(&state.kept, mail, link);
	if (++state.kept_count >= KEPT_MAX)
		checkpoint_review();
}

/* --- the mailboxes ------------------------------------------------------------------ */

static void end_final(bool is_complete)
{
	void (*final)(bool is_complete) = state.final;

	state.final = NULL;
	if (final != NULL)
		final(is_complete);
}

static bool mailboxes_flushed(struct message *answer, void *context)
{
	struct reader r;
	bool is_flushed;

	(void)context;
	state.mailboxes_asked = false;
	if (answer == NULL)
		return true; /* asked again when the agent is back, or at the next tick */
	r = message_reader(answer);
	is_flushed = read_bool(&r);
	if (answer->type != DELIVERY_FLUSHED || !reader_finished(&r))
		return false;
	if (!is_flushed) {
		log_error("cannot-flush-mailboxes");
		return true;
	}
	state.needs_mailboxes = false;
	end_if_done();
	return true;
}

static void ask_mailboxes(void)
{
	struct channel *agent = process_peer(ROLE_DELIVERY_MAILDIR);

	if (!state.needs_mailboxes || state.mailboxes_asked || agent == NULL)
		return;
	channel_call(agent, DELIVERY_CHECKPOINT, mailboxes_flushed, NULL, NULL);
	state.mailboxes_asked = channel_end(agent);
}

void checkpoint_agent_opened(void)
{
	ask_mailboxes();
}

/* --- the spool ----------------------------------------------------------------------- */

static void spool_flushed(struct commit *commit)
{
	state.spool_asked = false;
	if (commit->error != 0) {
		log_error("cannot-flush-spool", log_errno(commit->error));
		return;
	}
	state.needs_spool = false;
	end_if_done();
}

static void ask_spool(void)
{
	if (!state.needs_spool || state.spool_asked || queue.is_closed)
		return;
	state.spool_asked = true;
	state.settle = (struct commit){.kind = COMMIT_SETTLE, .finished = spool_flushed};
	committer_submit(queue.committer, &state.settle);
}

/* --- beginning and ending --------------------------------------------------------------- */

static void begin(uint64_t full)
{
	state.is_running = true;
	state.full = full;
	if (full > state.begun)
		state.begun = full;
	TAILQ_CONCAT(&state.settling, &state.kept, link);
	state.kept_count = 0;
	state.needs_spool = full != 0;
	state.needs_mailboxes = state.is_dirty || !TAILQ_EMPTY(&state.settling);
	state.is_dirty = false;
	ask_spool();
	ask_mailboxes();
	end_if_done();
}

static void end_if_done(void)
{
	struct mail *mail;

	if (!state.is_running || state.needs_spool || state.needs_mailboxes)
		return;
	state.is_running = false;
	if (state.full != 0) {
		journal_retire(queue.journal, state.full);
		log_debug("checkpoint", log_number("generation", state.full));
	}
	while (!queue.is_closed && (mail = TAILQ_FIRST(&state.settling)) != NULL) {
		TAILQ_REMOVE(&state.settling, mail, link);
		attempt_remove_settled(mail);
	}
	if (state.final != NULL)
		end_final(true);
	else
		checkpoint_review();
}

void checkpoint_review(void)
{
	uint64_t full;

	if (state.is_running || queue.is_closed)
		return;
	full = queue.journal == NULL ? 0 : journal_full_generation(queue.journal);
	if (full != 0 || state.kept_count >= KEPT_MAX)
		begin(full);
}

static void rotated(struct commit *commit)
{
	(void)commit;
	state.is_rotating = false;
	checkpoint_review();
}

/* The journal must not hold the whole story of a quiet week. */
static void rotate_if_old(void)
{
	uint64_t now = clock_monotonic_us();

	if (queue.journal == NULL || state.is_rotating || queue.is_closed ||
	    now - state.rotated_us < (uint64_t)SEGMENT_SECONDS_MAX * 1000000)
		return;
	state.rotated_us = now;
	state.is_rotating = true;
	state.rotate = (struct commit){.kind = COMMIT_ROTATE, .finished = rotated};
	committer_submit(queue.committer, &state.rotate);
}

static void on_tick(int fd, short what, void *context)
{
	(void)fd;
	(void)what;
	(void)context;
	if (!queue.is_closed)
		attempt_save_unsaved();
	ask_spool();
	ask_mailboxes();
	rotate_if_old();
	checkpoint_review();
	if (!state.is_running && state.kept_count > 0 && !queue.is_closed)
		begin(0);
}

static void grown(struct commit *commit)
{
	if (commit->error != 0)
		log_error("cannot-make-journal-segment", log_errno(commit->error));
	if (--state.to_grow == 0 || queue.is_closed)
		return;
	committer_submit(queue.committer, commit);
}

bool checkpoint_init(void)
{
	struct timeval interval = {TICK_SECONDS, 0};

	TAILQ_INIT(&state.kept);
	TAILQ_INIT(&state.settling);
	state.rotated_us = clock_monotonic_us();
	/* What an earlier life delivered was settled by recovery. */
	state.tick = event_new(queue.base, -1, EV_PERSIST, on_tick, NULL);
	if (state.tick == NULL || event_add(state.tick, &interval) != 0)
		return false;
	if (queue.journal != NULL) {
		state.to_grow = (unsigned)settings->queue.journal_segments;
		state.grow = (struct commit){.kind = COMMIT_GROW, .finished = grown};
		committer_submit(queue.committer, &state.grow);
	}
	return true;
}

/* --- the end --------------------------------------------------------------------------- */

static void out_of_time(int fd, short what, void *context)
{
	(void)fd;
	(void)what;
	(void)context;
	end_final(false);
}

void checkpoint_final(void (*finished)(bool is_complete))
{
	struct timeval wait = {FINAL_SECONDS, 0};

	state.final = finished;
	if (!state.is_running && !state.is_dirty && state.kept_count == 0) {
		end_final(true);
		return;
	}
	state.final_timer = evtimer_new(queue.base, out_of_time, NULL);
	if (state.final_timer == NULL || event_add(state.final_timer, &wait) != 0) {
		end_final(false);
		return;
	}
	if (!state.is_running)
		begin(0);
}
