/*
 * question.h - questions about tokens: who waits for what.
 *
 *     asked --> cached? --> waits its turn --> asked by HTTPS --> answered
 *
 * Bounded in number and in time; a question for which there is no time or no room
 * is answered OAUTH_UNKNOWN.
 */
#ifndef PETREL_OAUTH_QUESTION_H
#define PETREL_OAUTH_QUESTION_H

#include "common/channel.h"

/* Questions at a time, those that wait included. */
enum { QUESTIONS_MAX = 1000 };

bool questions_start(struct event_base *);
/* It will be answered on the same channel. */
void question_ask(struct channel *, uint32_t request, struct slice token);
/* The asker is gone. */
void questions_forget(const struct channel *);
/* Something that those which wait may have waited for has come. */
void questions_resume(void);
/* Whoever was asked, and how, has changed: nothing that was said before counts. */
void questions_reload(void);
void questions_stop(void);

#endif
