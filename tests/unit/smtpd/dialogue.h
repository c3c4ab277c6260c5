/*
 * dialogue.h - what a client says, and what it expects to hear.
 */
#ifndef PETREL_TESTS_DIALOGUE_H
#define PETREL_TESTS_DIALOGUE_H

#include "tests/unit/smtpd/fake_house.h"

/* Say something; every line of what comes has to begin as one line of `expected` does. */
void expect(const char *text, const char *expected);
/* What was heard after `text` is as expected. */
void expect_heard(const char *text, const char *heard, const char *expected);
/* Connected as 192.0.2.1 on the MX port, greeted, MAIL, RCPT and DATA done. */
void start_message(void);

struct exchange {
	const char *say;
	const char *hear; /* lines, each the beginning of one */
};

void play(const struct exchange *exchanges, size_t count);

#define PLAY(...)                                                                                  \
	play((const struct exchange[]){__VA_ARGS__},                                               \
	    sizeof((const struct exchange[]){__VA_ARGS__}) / sizeof(struct exchange))

#endif
