/*
 * signers.h - who signs: the event loop what is quick, threads what is not.
 *
 * A signature by an RSA key takes ten times what the rest of keys does for a
 * handshake, and would keep the processes that ask on several processors waiting
 * for one.  Signatures by the other kinds take less than handing them over does.
 */
#ifndef PETREL_KEYS_SIGNERS_H
#define PETREL_KEYS_SIGNERS_H

#include "common/channel.h"
#include "keys/keyring.h"

struct event_base;

/* 0 threads: one for each processor.  False where not even one can be had. */
bool signers_start(struct event_base *, unsigned threads);
/*
 * Answer a question with KEYS_SIGNATURE, now or later.
 *
 * key  taken over; NULL: there is none, and the answer says so
 */
void signers_sign(
    struct channel *asker, uint32_t request, struct signing_key *key, const struct keys_sign *question);
/* Somebody who may have asked is gone. */
void signers_forget(const struct channel *asker);
void signers_stop(void);

#endif
