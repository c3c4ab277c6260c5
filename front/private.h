/*
 * private.h - shared by the files of front/ alone.
 */
#ifndef PETREL_FRONT_PRIVATE_H
#define PETREL_FRONT_PRIVATE_H

#include <sys/tree.h>

#include "front/front.h"
#include "message/sasl.h"

enum front_state {
	FRONT_SECURING, /* the TLS handshake is under way; nothing is said */
	FRONT_TALKING,  /* the protocol takes commands */
	FRONT_ASKING,   /* auth is asked; master may answer before it */
	FRONT_WAITING,  /* for the session */
	FRONT_PASSING,  /* octets go both ways */
	FRONT_ENDING    /* the last words are on their way */
};

struct front_client {
	RB_ENTRY(front_client) by_number;
	RB_ENTRY(front_client) by_account; /* while PASSING */
	uint64_t number;
	enum front_state state;
	struct stream *stream;
	char address[64];
	bool is_loopback;
	bool greeted;
	bool ended_input;     /* the client will send no more */
	void *context;        /* the protocol's, until login */
	struct event *timer;  /* until login */
	struct channel *auth; /* ASKING */
	struct sasl *sasl;    /* NULL: no exchange is under way */
	uint32_t question;
	bool session_refused; /* master has none for now */
	int session_socket;   /* -1, or what master handed over before auth had answered */
	struct channel *session;
	char account[sizeof((struct auth_result *)0)
			 ->account];    /* as whoever answered first has said */
	uint64_t octets_in, octets_out; /* passed since login */
	uint32_t commands;              /* what the session says at its end */
};

extern const struct front_protocol *front_protocol;

/* front.c */
/* Say a farewell of the protocol's, and end. */
void front_farewell(struct front_client *client, enum front_farewell why);
/* Let go of everything but the stream: no session, no question, not found under its account any more. */
void front_let_go(struct front_client *client);

/* login.c */
void front_login_begin(struct front_client *client);
void front_login_cancel(struct front_client *client);
/* From master: CONTROL_SESSION_READY. */
bool front_session_ready(struct message *m);
struct front_client *front_find(uint64_t number);

/* pass.c */
/* The session stands: begin to pass octets.  False: it could not be. */
bool front_pass_begin(struct front_client *client);
/* The client has sent something, or the session takes something again. */
void front_pass_input(struct front_client *client);
/* The client takes something again. */
void front_pass_drained(struct front_client *client);
/* The client is gone, or the suite stops (`goodbye`). */
void front_pass_tell_end(struct front_client *client, bool goodbye);
void front_pass_end(struct front_client *client);
/* delivery/maildir is there, and what it says. */
void front_maildir_opened(struct channel *maildir);
bool front_new_mail(struct channel *channel, struct message *m, void *context);

#endif
