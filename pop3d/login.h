/*
 * login.h - a client of pop3d that has not logged in yet.
 */
#ifndef PETREL_POP3D_LOGIN_H
#define PETREL_POP3D_LOGIN_H

#include "front/front.h"

enum {
	LOGIN_LINE_MAX =
	    12288,          /* octets of a command: SASL responses are longer than RFC 2449's 255 */
	LOGIN_BAD_MAX = 20, /* malformed commands before the client is sent away */
	LOGIN_FAILURES_MAX = 10, /* refused logins likewise */
};

struct login {
	struct front_client *client;
	struct slice name;   /* what USER gave; empty: none yet.  Allocated */
	unsigned bad_commands, failures;
};

extern const struct front_protocol pop3_front;

/* commands.c: one line, without its end. */
void login_run(struct login *login, struct slice line);
/* Forget what USER gave. */
void login_forget_name(struct login *login);

#endif
