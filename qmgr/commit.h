/*
 * commit.h - making what happened durable, away from the event loop.
 *
 * The event loop submits commits and gets them back, finished, through a
 * descriptor that becomes readable.  One thread, the committer, works on files,
 * writes what has gathered into the journal and flushes once for all of it.
 * Workers beside it flush what is not in the journal: large messages, all
 * messages where `durability` is `file`, and the spool at a checkpoint.
 *
 * The order within the committer is what recovery relies on: a file is changed
 * first, then the journal says so.  A checkpoint therefore finds in the file
 * system all that the journal said before it.
 */
#ifndef PETREL_QMGR_COMMIT_H
#define PETREL_QMGR_COMMIT_H

#include <sys/queue.h>

#include "common/buf.h"
#include "qmgr/journal.h"
#include "qmgr/spool.h"

enum commit_kind {
	COMMIT_ACCEPT, /* tmp/ID becomes new/ID,S=size; finished when durable */
	COMMIT_UPDATE, /* append records, move or remove; finished when done, durable with the next flush */
	COMMIT_ROTATE, /* end the journal's current segment */
	COMMIT_SETTLE, /* flush the spool's file system */
	COMMIT_GROW,   /* make another journal segment if one is missing */
};

struct commit {
	STAILQ_ENTRY(commit) link; /* the committer's, from submit until finished */
	enum commit_kind kind;
	struct spool_file file;   /* where it is; `place` is new afterwards */
	enum spool_place to;      /* UPDATE: where it goes; SPOOL_NOWHERE: away */
	uint64_t next_attempt_us; /* UPDATE to SPOOL_CUR */
	bool is_settled;          /* UPDATE: every mailbox delivery of it is flushed */
	uint64_t end;       /* UPDATE: the file's length up to its last whole record; moved on */
	struct buf records; /* to be appended; the submitter's to free */
	void (*finished)(struct commit *commit);
	void *context;       /* the submitter's */
	int error;           /* out: 0 or errno */
	uint64_t generation; /* out: the journal segment that holds it; 0: none holds its content */
	uint64_t queued_us;  /* the committer's */
	bool filed;          /* the committer's: the file work is done */
};

struct committer_options {
	uint64_t message_limit; /* content above this is flushed as a file, octets */
	unsigned workers;       /* threads beside the committer, at least 1 */
	unsigned linger_ms;     /* how long updates wait for company */
	unsigned waiting_max;   /* messages being accepted at which committer_is_full */
};

struct committer;

/*
 * Start the threads.  `journal` is started, or NULL where `durability` is
 * `file`; both stay the caller's and must outlive the committer.  NULL with errno.
 */
struct committer *committer_new(
    const struct spool *spool, struct journal *journal, const struct committer_options *options);
/*
 * Finish everything that was submitted (callbacks included, which must submit
 * nothing more), then end the threads.
 */
void committer_free(struct committer *committer);

/* Hand over; comes back through commit->finished from committer_collect. */
void committer_submit(struct committer *committer, struct commit *commit);
/* No more messages should be accepted just now (452 4.3.1). */
bool committer_is_full(struct committer *committer);
/* Readable while something is finished. */
int committer_descriptor(const struct committer *committer);
/* Call `finished` of each finished commit; returns how many. */
unsigned committer_collect(struct committer *committer);
/* How many flushes of the journal there were. */
uint64_t committer_flushes(const struct committer *committer);

#endif
