/*
 * queue.h - the queue as a whole: what the files of qmgr share.
 *
 * A message's way: incoming.c (or drop.c, or bounce.c) has it accepted by the
 * committer; queue_add() makes it known; attempt.c leads it through an attempt:
 * expand.c asks lookup who it is for, delivery.c gives jobs to agents that ask
 * for them, bounce.c tells the sender what failed; then attempt.c writes down
 * what came of it and removes it, or lets it wait for the next attempt.
 */
#ifndef PETREL_QMGR_QUEUE_H
#define PETREL_QMGR_QUEUE_H

#include "common/channel.h"
#include "qmgr/commit.h"
#include "qmgr/journal.h"
#include "qmgr/message.h"
#include "qmgr/schedule.h"
#include "qmgr/site.h"
#include "qmgr/spool.h"

struct event_base;

enum {
	ACTIVE_MAX = 20000,      /* messages loaded at a time */
	SITE_WAITING_MAX = 4000, /* loaded messages that may wait for one site */
	SHORT_OF_ROOM_SECONDS = 30,
};

struct queue {
	struct event_base *base;
	struct spool spool;
	struct journal *journal; /* NULL where durability is `file` */
	struct committer *committer;
	struct mail_tree mails;
	size_t count;
	size_t active; /* loaded ones */
	struct schedule schedule;
	message_id last_id;
	bool is_closed; /* at the end: nothing new is begun or submitted */
};

extern struct queue queue;

/* --- queue.c */

message_id queue_next_id(void);
/* Make a message known.  It becomes the queue's. */
void queue_add(struct mail *mail);
/* Forget a message; it is freed. */
void queue_forget(struct mail *mail);
struct mail *queue_find(message_id id);
/* The first message with this identifier or a higher one. */
struct mail *queue_from(message_id id);
/* There is no room for more mail: too many messages, too little space, too much waiting for the disk. */
bool queue_is_full(void);
/* Put an envelope record at the end of `records`; false where it does not fit. */
bool queue_append_envelope(struct buf *records, const struct envelope *envelope);

/* --- incoming.c: smtpd */

bool incoming_message(struct channel *channel, struct message *m, void *context);
void incoming_closed(struct channel *channel, void *context);

/*
 * Accept a message that qmgr writes itself.  `content` becomes tmp/ID and is
 * committed with the envelope; `finished` is told whether that worked, once and
 * later.  False where it could not even be begun (errno): `finished` is not called.
 */
typedef void (*incoming_finished)(bool is_accepted, message_id id, void *context);
bool incoming_submit(struct slice content, const struct envelope *envelope,
    incoming_finished finished, void *context, message_id *id);
/* The same for content in a file, of which `size` octets are copied. */
bool incoming_submit_file(int from, uint64_t size, const struct envelope *envelope,
    incoming_finished finished, void *context, message_id *id);

/* --- attempt.c */

/* Begin the attempt of a message that is loaded and in the queue. */
void attempt_begin(struct mail *mail);
/* Something that the attempt waited for has happened. */
void attempt_review(struct mail *mail);
/* Note for the file what has come of a target; written with the next update. */
void attempt_record(struct mail *mail, struct target *target);
/* Load what is due, as far as there is room; sets the timer for what is not. */
void attempt_pump(void);
/* Let a message that is not loaded wait until then (wall time; 0: for its turn). */
void attempt_wait(struct mail *mail, uint64_t until_us);
/* Until when it waits; 0 where it does not. */
uint64_t attempt_due_us(const struct mail *mail);
/* Try at the next opportunity: an administrator's word.  Nothing happens to what is held or scheduled. */
void attempt_now(struct mail *mail);
/* Its sender wants it to wait, and the time has not come. */
bool attempt_is_scheduled(const struct mail *mail);
/* Delete, hold or release; at once, or when a running attempt is over. */
void attempt_delete(struct mail *mail);
void attempt_hold(struct mail *mail);
void attempt_release(struct mail *mail);
/* It is held, or will be. */
bool attempt_is_held(const struct mail *mail);
/* Read the records of a message that is not loaded, and load it; false where that fails (it may be gone then). */
bool attempt_load(struct mail *mail);
/* Before the end: put what is known of running attempts into the last flush. */
void attempt_save_all(void);
/* Try again to write what could not be written. */
void attempt_save_unsaved(void);
bool attempt_is_all_saved(void);
/* A message whose file was kept is settled: it goes. */
void attempt_remove_settled(struct mail *mail);

/* --- expand.c: lookup */

bool expand_init(void);
void expand_begin(struct mail *mail);
void expand_forget(struct mail *mail);
void expand_opened(struct channel *channel);
bool expand_message(struct channel *channel, struct message *m, void *context);
void expand_drained(struct channel *channel, void *context);

/* --- delivery.c: agents */

bool delivery_init(void);
void delivery_reload(void);
/*
 * Make jobs for the pending targets; loaded->jobs says how many.  Targets whose
 * site has too much waiting stay pending.  Agents get the jobs later.
 */
void delivery_dispatch(struct mail *mail);
/* Take back the jobs that are not running. */
void delivery_recall(struct mail *mail);
/* An administrator's word: no site is taken for dead any more. */
void delivery_forgive(void);
void delivery_opened(struct channel *channel);
bool delivery_message(struct channel *channel, struct message *m, void *context);
void delivery_closed(struct channel *channel, void *context);
void delivery_drained(struct channel *channel, void *context);
unsigned delivery_running(void);
/* Some mailbox may have got what its agent has not told of yet. */
bool delivery_may_be_in_mailbox(void);

/* --- bounce.c */

/*
 * Tell the sender of failed targets that he was not told of yet, and where
 * `may_warn` of deferred ones that are late.  Marks them as reported at once where
 * nobody is to be told, else when the report is durable.
 */
void bounce_report(struct mail *mail, bool may_warn);
/* The same for delivered targets whose success the sender wants to know of. */
void bounce_report_success(struct mail *mail);

/* --- checkpoint.c */

/* The journal holds this message's content, and no checkpoint of it has begun. */
bool checkpoint_holds(uint64_t generation);
/* A delivery into a mailbox has happened. */
void checkpoint_note_delivery(void);
/* Keep a message's file until the mailboxes were flushed, then attempt_remove_settled() it. */
void checkpoint_keep(struct mail *mail);
/* Begin one if one is needed. */
void checkpoint_review(void);
/* delivery/maildir is there (again). */
void checkpoint_agent_opened(void);
bool checkpoint_init(void);
/*
 * At the end: flush what was delivered into mailboxes, then call `finished`, now or
 * later.  is_complete is false where that could not be had in time.
 */
void checkpoint_final(void (*finished)(bool is_complete));

/* --- drop.c */

/* Take up what was submitted while the suite was down, and look again now and then. */
bool drop_init(void);

/* --- control.c: the administrator */

bool control_message(struct message *m);

#endif
