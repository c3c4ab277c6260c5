/*
 * channel_auth.h - who is this client?  Asked of auth by smtpd, imapd and pop3d.
 */
#ifndef PETREL_COMMON_CHANNEL_AUTH_H
#define PETREL_COMMON_CHANNEL_AUTH_H

#include "common/codec.h"

enum auth_type {
	AUTH_PASSWORD = 1, /* call: struct auth_password.  Answer AUTH_RESULT */
	AUTH_RESULT        /* struct auth_result */
	/* SCRAM's exchange gets its own types beside these. */
};

enum { AUTH_NAME_MAX = 320, AUTH_PASSWORD_MAX = 1024 };

/* A name and a password in the clear (PLAIN, LOGIN, USER/PASS).  Both sides wipe it after use. */
struct auth_password {
	uint32_t service;        /* enum service: an IMAP or POP3 login also starts a session */
	uint64_t connection;     /* the asker's number for the client's connection */
	char mechanism[24];      /* "PLAIN", "LOGIN", "USER", for the log */
	char client[64];         /* the client's address */
	bool tls;
	struct slice name;       /* as the client gave it */
	struct slice authorize;  /* SASL authorization identity; empty: none */
	struct slice password;
};

enum auth_verdict {
	AUTH_OK,
	AUTH_REFUSED,   /* wrong name or password: 535 5.7.8, [AUTHENTICATIONFAILED] */
	AUTH_TEMPORARY, /* cannot tell now: 454 4.7.0, [UNAVAILABLE] */
	AUTH_LIMITED,   /* too many failures from there: 454 4.7.0 later, [LIMIT] */
	AUTH_VERDICT_COUNT
};

struct auth_result {
	uint8_t verdict;         /* enum auth_verdict */
	char account[321];       /* AUTH_OK: the account's canonical address */
};

void auth_password_write(struct writer *w, const struct auth_password *question);
bool auth_password_read(struct reader *r, struct auth_password *question);
void auth_result_write(struct writer *w, const struct auth_result *result);
bool auth_result_read(struct reader *r, struct auth_result *result);

#endif
