/*
 * attempt.h - one attempt to log in, from the question to the answer.
 *
 *     asked --> waits its turn --> verified by a thread --> answered
 *                  (throttle)          (workers)        (a refusal after a delay)
 *
 * A password that was verified a moment ago (cache) is answered at once.  In a
 * conversation (SCRAM) the proof takes the password's place, and no thread is needed;
 * a token (token.h) and a certificate (external.h) need none either.
 */
#ifndef PETREL_AUTH_ATTEMPT_H
#define PETREL_AUTH_ATTEMPT_H

#include "common/channel.h"
#include "common/channel_auth.h"

struct event_base;

/* Attempts at a time, those that wait included; beyond it the answer is "not now". */
enum { ATTEMPTS_MAX = 10000 };

/* Set up; starts threads.  False, and a line in the log, where that fails. */
bool attempts_start(struct event_base *);
/* A password came in; it will be answered on the same channel. */
void attempt_begin(struct channel *, uint32_t request, const struct auth_question *question);
/* AUTH_SCRAM came in, AUTH_RESPONSE, AUTH_CANCEL; false where the asker breaks the rules. */
bool conversation_begin(struct channel *, uint32_t request, const struct auth_question *question);
bool conversation_respond(struct channel *, uint32_t request, const struct auth_question *question);
void conversation_cancel(struct channel *, const struct auth_question *question);
/* An asker is gone: nobody waits for its answers any more. */
void attempts_forget_channel(const struct channel *);
/* The credentials or the settings changed: what was verified before does not count. */
void attempts_reload(void);
void attempts_stop(void);

#endif
