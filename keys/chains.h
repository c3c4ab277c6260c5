/*
 * chains.h - the certificates, held against the private keys.
 *
 * Certificates and keys come as files, and are renewed by programs that write one
 * after the other.  Here is decided which certificates are shown to clients: those
 * that are whole and whose key is in the ring.  Where a file is neither, what it
 * held before stays in force, with the key of that time; so a renewal that is half
 * done, or went wrong, changes nothing.
 */
#ifndef PETREL_KEYS_CHAINS_H
#define PETREL_KEYS_CHAINS_H

#include "common/buf.h"
#include "common/codec.h"
#include "keys/keyring.h"

struct chains;

/* An empty set; NULL where memory is short. */
struct chains *chains_new(void);
void chains_free(struct chains *);

/*
 * Add what a file holds now; pem is copied.  A problem that is not empty says that
 * it could not even be read.  False where memory is short or there are too many.
 */
bool chains_add(
    struct chains *, const char *file, struct slice pem, const char *problem);

/*
 * Judge all that were added, once: each by itself, by its key in `ring`, and by
 * what there was before (NULL: nothing).  Where the old one stays, its key is
 * shared into the ring.  Says in the log what is new, and what is wrong.
 *
 * host  whose certificate is to be the first; empty: the order stays as it is
 */
void chains_judge(struct chains *, struct keyring *ring,
    const struct chains *before, const struct keyring *ring_before, struct slice host);

/*
 * What the process of before had judged, as chains_write() wrote it: into an empty set,
 * to be what there was `before`.  Their keys have to come again.  False: malformed.
 */
bool chains_recall(struct chains *, struct slice told);

/* The body of CONTROL_CERTIFICATES_JUDGED. */
void chains_write(const struct chains *, struct writer *w);
/* Warn in the log of those in force that end within so many seconds. */
void chains_warn(const struct chains *, uint64_t seconds);

#endif
