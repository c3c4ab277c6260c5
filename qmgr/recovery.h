/*
 * recovery.h - making the spool whole after any kind of end.
 *
 * Looks at every name in new/, cur/ and hold/, replays the journal, and puts into
 * the files what only the journal still knows: messages whose file is missing,
 * short or different, records that were not flushed, moves and removals.  When
 * it is done the files are the whole truth, flushed, and the journal is empty.
 * docs/durability.md lists the states it may find.
 *
 * A recovery that is cut off is simply run again.
 */
#ifndef PETREL_QMGR_RECOVERY_H
#define PETREL_QMGR_RECOVERY_H

#include "qmgr/journal.h"
#include "qmgr/spool.h"

struct recovery {
	/* What is in the queue now, oldest first; free() it. */
	struct spool_file *files;
	size_t file_count;
	/* What was found and done. */
	unsigned swept;        /* unfinished receptions removed from tmp/ */
	unsigned rebuilt;      /* files written anew from the journal */
	unsigned completed;    /* files that got records from the journal */
	unsigned removed;      /* finished messages whose file was still there */
	unsigned unsettled;    /* deliveries into mailboxes that will be looked at again */
	unsigned set_aside;    /* files moved to bad/ */
	unsigned missing;      /* accepted messages that neither file nor journal hold */
	message_id high_water; /* the highest identifier seen anywhere */
};

/* Called for what an administrator should know; `what` is an event's name, `name` a file's. */
typedef void (*recovery_report)(
    void *context, const char *what, const char *place, const char *name);

/*
 * Recover the spool.  `journal` is open and not started; afterwards it is
 * started.  It may be NULL: then only the files count.  0, or -1 with errno:
 * nothing may be accepted then.
 */
int recovery_run(const struct spool *spool, struct journal *journal, recovery_report report,
    void *context, struct recovery *out);

#endif
