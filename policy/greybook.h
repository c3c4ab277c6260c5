/*
 * greybook.h - where the greylist is written down: a Berkeley DB of policy's own.
 *
 * It is a cache: what cannot be read is set aside and begun anew, and where nothing
 * can be written mail goes its way.  Triplets are in it as keyed hashes only; the key is
 * made with the file.  It has transactions, so that a process that is killed leaves it whole.
 *
 * All functions may set the book aside and open a new one; false says that there is
 * none, and has been logged.
 */
#ifndef PETREL_POLICY_GREYBOOK_H
#define PETREL_POLICY_GREYBOOK_H

#include "policy/greylist.h"

/* directory: a descriptor of policy's own, which is kept. */
bool greybook_open(int directory);
void greybook_close(void);
bool greybook_is_open(void);

/* All zeros in *entry where there is none. */
bool greybook_triplet(struct slice triplet, struct grey_entry *entry);
/* Where there are `limit` entries already, an old one near by goes. */
bool greybook_set_triplet(struct slice triplet, const struct grey_entry *entry, uint64_t limit);
bool greybook_network(const char *network, struct grey_entry *entry);
bool greybook_set_network(const char *network, const struct grey_entry *entry);
/* Nothing is remembered of it any more.  *was_there: it was. */
bool greybook_forget_network(const char *network, bool *was_there);

/*
 * The next networks behind `after` (empty: from the first on), in order of their texts,
 * at most `limit`.  Returns how many there were; fewer than `limit`: no more are.
 */
unsigned greybook_networks(const char *after, unsigned limit,
    void (*each)(const char *network, const struct grey_entry *entry, void *context),
    void *context);

/* Look at the next `count` entries, in turns round the book, and drop those that are stale. */
void greybook_sweep(unsigned count, uint64_t now_s, const struct grey_terms *terms);
/* Bound the log that recovery would have to read. */
void greybook_checkpoint(void);
uint64_t greybook_count(void);

#endif
