/*
 * scratch.h - a spool of its own for each test, and ways to damage it.
 */
#ifndef PETREL_TESTS_UNIT_QMGR_SCRATCH_H
#define PETREL_TESTS_UNIT_QMGR_SCRATCH_H

#include "common/buf.h"
#include "qmgr/journal.h"
#include "qmgr/outcome.h"
#include "qmgr/spool.h"

struct scratch {
	char path[64];
	int root;
	struct spool spool;
	struct journal *journal; /* NULL until scratch_journal */
};

enum { SCRATCH_SEGMENT = 64 * 1024 };

void scratch_make(struct scratch *scratch);
void scratch_remove(struct scratch *scratch);
/* Open the journal without starting it (closing one that is open). */
struct journal *scratch_journal(struct scratch *scratch);

/* An envelope record and what it holds: "envelope of N". */
struct buf scratch_envelope(message_id id);
/* Append an outcome of `address` to records. */
void scratch_outcome(struct buf *records, const char *address, enum outcome_status status,
    bool in_mailbox, uint64_t at_us);
/* Write tmp/ID as smtpd does. */
void scratch_receive(struct scratch *scratch, message_id id, struct slice content);
/* Write place/ID,S=size with content and records, cut off after `keep` octets. */
void scratch_file(struct scratch *scratch, enum spool_place place, message_id id,
    struct slice content, struct slice records, size_t keep);
/* Flush one entry into the journal. */
void scratch_accepted(struct scratch *scratch, message_id id, struct slice content,
    struct slice records, bool inside);
void scratch_updated(struct scratch *scratch, message_id id, uint64_t size, enum spool_place place,
    bool is_settled, struct slice records);

/* The whole of a file of the spool; the caller frees.  A buf with data NULL where there is none. */
struct buf scratch_read(struct scratch *scratch, enum spool_place place, const char *name);
bool scratch_exists(struct scratch *scratch, enum spool_place place, message_id id, uint64_t size);
unsigned scratch_count(struct scratch *scratch, enum spool_place place);
/* The last outcome of an address in a file's records, or 0. */
enum outcome_status scratch_status(struct scratch *scratch, enum spool_place place, message_id id,
    uint64_t size, const char *address);
/* The file's content is `content` and its first record the envelope of `id`. */
bool scratch_is_whole(
    struct scratch *scratch, enum spool_place place, message_id id, struct slice content);

#endif
