/*
 * limits.h - how much one client, and one network, may do.
 *
 * Counted in a table that all smtpd processes share (common/tally.h): what they
 * allow together is what the settings say, whichever of them a client comes to.
 * Without the table nothing is limited; master hands it over before the first
 * listening socket.
 */
#ifndef PETREL_SMTPD_LIMITS_H
#define PETREL_SMTPD_LIMITS_H

#include "smtpd/client.h"
#include "smtpd/gate.h"

enum limit {
	LIMIT_CONNECTIONS, /* at a time */
	LIMIT_CONNECTIONS_PER_MINUTE,
	LIMIT_MESSAGES, /* this and the others: in limits.window */
	LIMIT_RECIPIENTS,
	LIMIT_AUTH_FAILURES,
	LIMIT_ERRORS,
	LIMIT_UNKNOWN_RECIPIENTS,
	LIMIT_COUNT
};

/* The table is in that file, which is closed.  False where it is none. */
bool limits_take_table(int file, unsigned worker);

/*
 * A client connects: count it.  The name of the setting that is against it
 * ("limits.client.connections"), or NULL; then it is to be limits_disconnect()ed.
 */
const char *limits_connect(struct client *client);
void limits_disconnect(const struct client *client);
/* The client is another from now on (XCLIENT): what it does is counted there, its connection where it was. */
void limits_follow(struct client *client);

/* The client has done something more. */
void limits_count(const struct client *client, enum limit limit, uint32_t amount);
/* The name of the setting that is against one more, or NULL. */
const char *limits_against(const struct client *client, enum limit limit);

/* The limits' word on a stage: one of gate.c's checks. */
void limits_check(const struct gate_question *question, struct verdict *verdict);
/*
 * lookup has answered about a recipient.  After too many that there are not, *verdict
 * is replaced (true), whatever it is: who probes is not to learn which there are.
 */
bool limits_note_recipient(struct session *s, bool is_unknown, struct verdict *verdict);
/* AUTH failed; and may it be tried again?  The name of the setting that is against it, or NULL. */
void limits_note_auth_failure(struct session *s);
const char *limits_against_auth(struct session *s);

#endif
