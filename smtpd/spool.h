/*
 * spool.h - files of the spool that qmgr has opened ahead for us.
 *
 * A few are always kept, so that DATA is answered without a question, and asked
 * for in batches.  How many follows what the load has needed so far.
 */
#ifndef PETREL_SMTPD_SPOOL_H
#define PETREL_SMTPD_SPOOL_H

#include "smtpd/house.h"

/* See house.h: house.file, house.commit, house.abort. */
enum house_file spool_file(struct question *question, struct spool_file *file);
bool spool_commit(struct question *question, struct spool_file *file, uint64_t size,
    const struct envelope *envelope);
void spool_abort(struct spool_file *file, bool is_untouched);
/* See house.h: house.read, house.replace. */
bool spool_read(struct question *question, const struct spool_file *file);
void spool_replace(const struct spool_file *file, struct spool_file *other);
/* A question of spool_file's is not to be answered any more. */
void spool_withdraw(struct question *question);
/* See house.h: house.has_room. */
bool spool_has_room(uint64_t size);

/* There is a qmgr (again): fill up. */
void spool_opened(void);
/* qmgr is gone, and what it had opened with it: its successor sweeps such files away. */
void spool_closed(void);

#endif
