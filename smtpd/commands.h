/*
 * commands.h - the verbs of SMTP.
 */
#ifndef PETREL_SMTPD_COMMANDS_H
#define PETREL_SMTPD_COMMANDS_H

#include "common/slice.h"

struct session;

struct command {
	struct slice verb;
	void (*run)(struct session *s, struct slice arguments);
	uint16_t line_max;     /* octets, with CRLF */
	bool has_arguments;    /* others refuse any (RFC 5321, 4.1.1) */
	bool needs_greeting;   /* HELO or EHLO first */
	bool joins_recipients; /* need not wait for the replies to RCPTs before it */
	bool is_secret;        /* its line may hold a password */
	bool is_followed;      /* by octets that are no commands */
};

/* The verb that the line begins with, in any case; NULL: no such.  `arguments` is what follows it, trimmed. */
const struct command *command_find(struct slice line, struct slice *arguments);

/*
 * Do it, or say why not.
 *
 * octets  length of the line with its end
 */
void command_run(struct session *s, const struct command *command, struct slice line, size_t octets,
    struct slice arguments);

#endif
