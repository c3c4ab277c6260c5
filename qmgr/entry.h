/*
 * entry.h - what the entries of the journal say.
 */
#ifndef PETREL_QMGR_ENTRY_H
#define PETREL_QMGR_ENTRY_H

#include "common/codec.h"
#include "qmgr/journal.h"
#include "qmgr/spool.h"

/* JOURNAL_ACCEPTED: the file new/ID,S=size came to be. */
struct accepted_entry {
	message_id id;
	uint64_t size;
	struct slice records; /* what follows the content in the file */
	bool has_content;     /* else the file itself was flushed */
	struct slice content;
};

/* JOURNAL_UPDATED: these records were appended, and the file is now there. */
struct updated_entry {
	message_id id;
	uint64_t size;
	enum spool_place place; /* SPOOL_NOWHERE: it was removed */
	uint64_t next_attempt_us;
	bool is_settled; /* what was delivered to mailboxes so far is flushed there */
	struct slice records;
};

/* Octets of an accepted entry's payload. */
size_t accepted_entry_length(size_t records, size_t content);
/*
 * Write the payload except the content; returns where that is to be put, the
 * last `content` octets of the payload.
 */
char *accepted_entry_write(
    char *payload, message_id id, uint64_t size, struct slice records, bool has_content);
bool accepted_entry_read(struct slice payload, struct accepted_entry *entry);

size_t updated_entry_length(size_t records);
void updated_entry_write(char *payload, const struct updated_entry *entry);
bool updated_entry_read(struct slice payload, struct updated_entry *entry);

#endif
