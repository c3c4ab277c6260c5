/*
 * delay.h - making clients wait: before the greeting, and behind their errors.
 *
 * Waiting costs a timer that a session has anyway, and no process; the sessions
 * that are made to wait for replies are bounded (smtp.tarpit-sessions).
 */
#ifndef PETREL_SMTPD_DELAY_H
#define PETREL_SMTPD_DELAY_H

#include <stdbool.h>

struct session;

/* The client has done wrong: hold back what it is told next. */
void delay_next_reply(struct session *s);
/* And every reply from now on. */
void delay_all_replies(struct session *s, unsigned seconds);
/* A reply waits, or is to wait: nothing is sent, and no command is taken. */
bool delay_holds(const struct session *s);
/* Replies have gathered, and this is the time to begin their wait; true where there is one. */
bool delay_begin(struct session *s);
/* The session's timer has run out: true where that was the end of the wait for a reply. */
bool delay_is_over(struct session *s);
/* Nobody is made to wait any more. */
void delay_forget(struct session *s);

/* How long the client is to wait for its greeting, seconds. */
unsigned delay_of_greeting(const struct session *s);

#endif
