/*
 * session.h - a process for each active user.
 *
 * imap-session and pop3-session start as a parent that is linked and set up and
 * takes orders from master alone.  For a user's first connection the parent
 * forks; the child goes into the user's home for good (root directory, uid,
 * system-call filter) and then serves all of that user's connections of the
 * service.  When the last has ended it lingers for a while and asks master for
 * leave to end.
 */
#ifndef PETREL_COMMON_SESSION_H
#define PETREL_COMMON_SESSION_H

#include "common/channel.h"
#include "common/channel_session.h"
#include "common/process.h"

struct event_base;
/* One connection of a client, from login to its end. */
struct session;

/* What a protocol does with its users' connections. */
struct session_protocol {
	enum role role;
	/* In the child, with final rights, once.  `home` is the open home directory (also "/" for a privileged suite).  False ends the process. */
	bool (*start)(struct event_base *base, int home, const char *account);
	/* A client has logged in.  *context is the protocol's own; `begin` lives as long as the call.  False: out of memory; the connection is ended. */
	bool (*connected)(struct session *session, const struct session_begin *begin, void **context);
	/* Octets from the client, to be consumed whole (session_pause() stops more from coming). */
	void (*data)(struct session *session, void *context, struct slice octets);
	/* Output that was held back by session_is_congested() may go on.  Optional. */
	void (*drained)(struct session *session, void *context);
	/* Something was delivered to this account.  Optional. */
	void (*new_mail)(struct session *session, void *context);
	/* The suite stops: say goodbye and session_end(). */
	void (*goodbye)(struct session *session, void *context);
	/* The client is gone, or session_end() was called: free the context. */
	void (*ended)(struct session *session, void *context);
	/* How long to wait for another connection before the process ends, seconds.  Optional; none: not at all. */
	int64_t (*linger)(void);
};

/* main() of the parent. */
int session_main(const struct session_protocol *protocol, int argc, char **argv);

/* Send octets to the client; queued without bound, so ask session_is_congested() first where there is much. */
void session_send(struct session *session, struct slice octets);
bool session_is_congested(const struct session *session);
/* Stop or go on taking the client's octets. */
void session_pause(struct session *session);
void session_resume(struct session *session);
/*
 * Everything is said: the front closes the client's connection once all is sent.
 * `ended` is called, from the event loop, not from within this call.  `commands`
 * is for the log line.
 */
void session_end(struct session *session, uint32_t commands);
/* The client's address and TLS facts, as the front told them. */
const struct session_begin *session_facts(const struct session *session);
struct event_base *session_base(void);
/* Call `each` for every open connection of this user (to tell them of a change). */
void session_each(void (*each)(struct session *session, void *context, void *argument), void *argument);

#endif
