/*
 * attempt_private.h - shared by the kinds of attempts: attempt.c has what is the
 * same for all of them and passwords, conversation.c has SCRAM.
 */
#ifndef PETREL_AUTH_ATTEMPT_PRIVATE_H
#define PETREL_AUTH_ATTEMPT_PRIVATE_H

#include <sys/queue.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include "auth/attempt.h"
#include "auth/cache.h"
#include "auth/throttle.h"
#include "auth/workers.h"

struct conversation;

struct attempt {
	struct work work; /* first: the threads give back this */
	LIST_ENTRY(attempt) entry;
	struct event timer;
	struct channel *channel; /* NULL: the asker is gone */
	uint32_t request;
	uint32_t service;
	unsigned instance;
	uint64_t connection;
	uint64_t began_us;
	uint64_t verified_us; /* when its turn came */
	unsigned generation;  /* of the credentials it is held against */
	bool tls;
	bool is_known; /* there is such an account */
	bool has_proof;
	struct conversation *conversation; /* conversation.c's; or NULL */
	void (*turn)(struct attempt *);    /* what to do when its turn comes; NULL: verify the password */
	const char *status;                /* token.c's: of a refusal; or NULL */
	struct buf token, authorize;       /* token.c's */
	struct cache_proof proof;
	char mechanism[24];
	char client[64];
	char network[THROTTLE_NETWORK];
	char account[CREDENTIALS_ACCOUNT_MAX + 1];
};

/* NULL where there are too many. */
struct attempt *attempt_new(
    struct channel *, uint32_t request, const struct auth_question *question);
/*
 * Whose attempt it is, and may it be one?  A false attempt has been refused: where
 * the name is none, another account is to be acted for, or TLS is missing.
 */
bool attempt_identify(struct attempt *, struct slice name, struct slice authorize);
/* Does that name, as a client gave it, mean this account? */
bool attempt_names(struct slice name, const char *account);
/* The credentials in force; NULL: none. */
const struct credentials *attempt_credentials(struct attempt *);
/* Verify once those who guess have waited: calls `verify`, or answers AUTH_LIMITED. */
void attempt_take_turn(struct attempt *);
/* Call `then` with the attempt later; replaces what was scheduled before. */
void attempt_schedule(struct attempt *, event_callback_fn then, uint64_t wait_us);

/* Answer what was asked, whoever it was. */
void auth_reply(struct channel *, uint32_t request, const struct auth_result *result);

/* Each of these is the end: the attempt is gone, or will be without further ado. */
void attempt_succeed(struct attempt *);
void attempt_refuse(struct attempt *, const char *reason);
void attempt_answer(struct attempt *, enum auth_verdict);
void attempt_malformed(struct attempt *, const char *reason);
void attempt_free(struct attempt *);

/* The account's failures are forgotten: it has proved who it is. */
void attempt_proved(struct attempt *);

/* token.c: why it was refused, for a client that understands it; AUTH_CHALLENGE_MAX at most. */
void token_write_reason(const struct attempt *, struct buf *out);

/* conversation.c */
void conversation_free(struct attempt *);
void conversations_forget_channel(const struct channel *);

#endif
