/*
 * login.h - a client of imapd that has not logged in yet.
 */
#ifndef PETREL_IMAPD_LOGIN_H
#define PETREL_IMAPD_LOGIN_H

#include "front/front.h"
#include "imapd/gather.h"
#include "imapd/syntax.h"

enum {
	LOGIN_BAD_MAX = 20,      /* malformed commands before the client is sent away */
	LOGIN_FAILURES_MAX = 10, /* refused logins likewise */
	LOGIN_ARENA_MAX = 64 * 1024,
};

struct login {
	struct front_client *client;
	struct gather gather;
	char tag[SYNTAX_TAG_MAX + 1]; /* of the command in hand; "*" where it has none */
	unsigned bad_commands, failures;
};

extern const struct front_protocol imap_front;

/* commands.c: one whole command, or the response that AUTHENTICATE waits for. */
void login_run(struct login *login);
/* Append what is offered to this client now, "CAPABILITY ..." */
void login_capabilities(const struct login *login, struct buf *out);

#endif
