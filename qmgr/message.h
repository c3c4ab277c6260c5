/*
 * message.h - a message in the queue, as qmgr holds it in memory.
 *
 * Every message of the spool has a small struct mail.  One that is being worked
 * on also has a struct loaded: its envelope, its final targets and what is
 * still to be written to its file.  The number of loaded messages is bounded;
 * the rest wait as names on disk.
 *
 * A target is a final address of the message: a mailbox or a recipient at
 * another host.  Targets come from lookup's answers; what earlier attempts led
 * to is read from the file's records and held against them by address.
 */
#ifndef PETREL_QMGR_MESSAGE_H
#define PETREL_QMGR_MESSAGE_H

#include <sys/queue.h>
#include <sys/tree.h>

#include "common/channel_lookup.h"
#include "common/channel_queue.h"
#include "common/siphash.h"
#include "qmgr/commit.h"
#include "qmgr/outcome.h"
#include "qmgr/schedule.h"
#include "qmgr/spool.h"

enum {
	MAIL_TARGETS_MAX = 100000,             /* in one attempt; who does not fit is in the next */
	MAIL_RECORDS_AMPLE = 16 * 1024 * 1024, /* octets; far below SPOOL_RECORDS_MAX */
};

enum mail_state {
	MAIL_WAITING,  /* for its time, or for room: not loaded */
	MAIL_HELD,     /* in hold/: not loaded */
	MAIL_ACTIVE,   /* loaded and being worked on */
	MAIL_SETTLING, /* delivered; its file stays until the mailboxes are flushed */
};

struct loaded;
struct job;
LIST_HEAD(job_list, job);

struct mail {
	RB_ENTRY(mail) by_id;
	TAILQ_ENTRY(mail) link; /* of the list that its state puts it in */
	struct schedule_entry due;
	struct spool_file file;
	uint64_t generation; /* of the journal segment with its content; 0: none */
	enum mail_state state;
	bool may_be_there; /* a mailbox may have it already */
	/*
	 * Deliveries into mailboxes that the file says were made before this moment, not
	 * long ago, may be gone again with the power; 0: none.  (Wall time.)
	 */
	uint64_t doubtful_us;
	uint64_t release_us; /* its sender wants it to wait until then, as far as is known; 0: no */
	struct loaded *loaded;
};

RB_HEAD(mail_tree, mail);
RB_PROTOTYPE(mail_tree, mail, by_id, mail_compare)
TAILQ_HEAD(mail_list, mail);

enum target_state {
	TARGET_PENDING,
	TARGET_RUNNING,
	TARGET_DELIVERED,
	TARGET_DEFERRED, /* in this attempt */
	TARGET_FAILED,
};

struct target {
	STAILQ_ENTRY(target) link; /* of its job */
	struct job *job;           /* that it was last put in */
	uint32_t index;            /* in loaded->targets */
	uint32_t recipient;        /* in the envelope */
	enum lookup_kind kind;
	enum target_state state;
	bool may_be_there;    /* a mailbox that may have it already */
	bool is_reported;     /* FAILED: the sender was told, or is not to be told; DELIVERED: the same, where a success is to be reported */
	bool has_success_to_report; /* DELIVERED: the sender asked to be told, and nobody after us will */
	bool is_in_report;    /* the same: one is on its way, or was */
	bool is_warned;       /* DEFERRED: the sender was told in this attempt, or is not to be told */
	bool is_recorded;     /* mail_record_outcome has seen this state */
	uint32_t attempts;    /* before this one */
	struct slice address; /* these two in one allocation */
	struct slice place;   /* home of the mailbox, or site; empty: lookup has not said */
	uint16_t code;        /* of what was said last */
	char status[OUTCOME_ENHANCED_MAX];
	char *host; /* who said it; NULL: we */
	char *text;
};

/* Something to be asked of lookup. */
struct question {
	uint32_t recipient;
	struct slice address; /* points into the records */
	bool is_final;        /* only the answer with this very address counts, if there is one */
	bool is_open;         /* not answered yet */
	bool is_asked;        /* the answer is on its way */
	bool is_unfinished;   /* the answer did not come, or could not be kept as a whole */
	uint8_t losses;       /* answers lost with lookup */
};

/* What earlier attempts led to, by address. */
struct history {
	struct slice address; /* points into the records */
	enum outcome_status status;
	uint32_t attempts;
	bool is_doubtful; /* done, but not surely on disk there */
	struct slice text;
};

struct loaded {
	struct mail *mail;
	uint64_t serial; /* of this loading: another one has other questions */
	struct buf
	    records;  /* of the file, as read or accepted; envelope and history point into it */
	uint64_t end; /* of the file's whole records */
	struct envelope envelope;
	struct history *history; /* sorted by address */
	size_t history_count;
	struct question *questions;
	size_t question_count;
	size_t question_next; /* the first that was not asked yet */
	size_t questions_open;
	bool is_expansion_known; /* the file holds the expansion records that it needs */
	struct target **targets;
	size_t target_count;
	size_t target_room;
	uint32_t *by_address; /* hash table of index + 1; its size is a power of two */
	size_t by_address_size;
	struct siphash_key key;
	uint32_t attempts;  /* made before */
	uint64_t tried_us;  /* wall time of the last of them; 0: none */
	uint64_t recorded_us; /* and of the last outcome of this one; 0: none */
	bool is_dispatched; /* the jobs of this attempt were made */
	unsigned jobs;      /* of this attempt that have not ended */
	struct job_list job_list;
	bool is_in_mailbox; /* some mailbox got it, in this attempt or an earlier one */
	bool is_expanding;  /* in the line for lookup */
	TAILQ_ENTRY(loaded) expanding;
	struct buf pending;      /* records that are not written yet */
	bool is_attempt_counted; /* some outcome of this attempt is recorded */
	struct commit update;
	bool is_updating;
	bool is_unsaved;     /* the update could not be written, and will be tried again */
	bool is_ending;      /* the attempt is over: the next update is the last */
	bool is_wanted_now;  /* a flush or release that came while the attempt was ending */
	unsigned reports;    /* bounces being accepted */
	bool is_report_lost; /* a bounce could not be stored */
	bool is_cut_short;   /* some questions were never answered */
	bool is_unfinished;  /* somebody is left for whom no target could be made */
	bool is_unwanted;    /* delete when the attempt is over */
	bool is_to_be_held;  /* hold when the attempt is over */
};

struct mail *mail_new(const struct spool_file *file);
/* Frees what is loaded as well.  It must be in no tree, list or schedule. */
void mail_free(struct mail *mail);

/*
 * Load from the records of its file, which it takes over (cleared on success).
 * False where they make no sense, or memory is short (errno ENOMEM).
 */
bool mail_load(struct mail *mail, struct buf *records);
void mail_unload(struct mail *mail);

/*
 * Take over an answer of lookup: adds the targets that are new.  Errors become
 * targets that are deferred or failed already.  False where not all of them could be
 * kept (memory, MAIL_TARGETS_MAX): those who were go ahead, the question is put off.
 */
bool mail_take_answer(
    struct mail *mail, struct question *question, const struct lookup_expansion *expansion);
/* The answer did not come, or cannot be kept: it is deferred, and will be asked for again. */
void mail_put_off(struct mail *mail, struct question *question, const char *reason);

/* Note what came of a target, in memory; texts are copied, and may be cut off. */
void target_conclude(struct target *target, enum target_state state, struct slice status,
    struct slice host, struct slice text);
/*
 * Append to mail->loaded->pending what should be known of a target after a restart.
 * Once the file holds more than MAIL_RECORDS_AMPLE that is only what is needed: what
 * is done, without words, and that there was one more attempt.
 */
bool mail_record_outcome(struct mail *mail, const struct target *target, uint64_t now_us);
/* Append the expansion records, once, where recipients became something else than themselves. */
bool mail_record_expansion(struct mail *mail);

/* What earlier attempts led to for an address; NULL: nothing is known. */
const struct history *mail_find_history(const struct loaded *loaded, struct slice address);
/* How many targets are in this state. */
size_t mail_count(const struct mail *mail, enum target_state state);

#endif
