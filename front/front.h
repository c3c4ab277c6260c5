/*
 * front.h - what imapd and pop3d have in common: a client's way from its TCP
 * connection to its session.
 *
 * A front daemon accepts, does TLS for the connection's whole life and speaks
 * the protocol before login.  Once auth has said yes, master hands over a channel
 * to the user's session process, and from then on the front passes octets both
 * ways and understands none of them.  It holds no more than two bounded buffers
 * for a client: where one side does not take what the other says, the other is
 * not read from.
 */
#ifndef PETREL_FRONT_FRONT_H
#define PETREL_FRONT_FRONT_H

#include "common/channel_auth.h"
#include "common/process.h"
#include "common/stream.h"

/* One client's connection. */
struct front_client;

/* Why the front says goodbye of its own accord. */
enum front_farewell {
	FRONT_TIMED_OUT,    /* did not log in in time */
	FRONT_STOPPING,     /* the suite stops; before login */
	FRONT_SESSION_LOST, /* the session process is gone */
	FRONT_TOO_MANY,     /* more clients than the limit allows */
	FRONT_NO_MEMORY,
	FRONT_FAREWELL_COUNT
};

/* What differs between the protocols. */
struct front_protocol {
	enum role role;
	enum service service;     /* the one with STARTTLS; sessions are asked for under its name */
	enum service tls_service; /* the one with TLS from the start */
	size_t input_limit;       /* octets that a client may send ahead before it has logged in */
	int64_t (*connections_limit)(void);
	int64_t (*login_timeout)(void);              /* seconds */
	const char *farewells[FRONT_FAREWELL_COUNT]; /* whole lines, with CRLF */
	/* A client is there: greet it.  *context is the protocol's own.  False: out of memory. */
	bool (*greet)(struct front_client *client, void **context);
	/*
	 * Octets are in front_input(): take commands out of it for as long as
	 * front_is_talking().  Called again after whatever stopped that has passed.
	 */
	void (*input)(struct front_client *client, void *context);
	/* The answer to a login was no, or (AUTH_MALFORMED) it was none: say so. */
	void (*refused)(struct front_client *client, void *context, enum auth_verdict verdict);
	/* It was yes, and the session is there: say so.  What is in the input goes to the session. */
	void (*logged_in)(struct front_client *client, void *context);
	/* Free the context; after login, or at the end of a client that never did. */
	void (*released)(void *context);
};

/* main() of a front daemon. */
int front_main(const struct front_protocol *protocol, int argc, char **argv);

/* ---- for the protocol, before login ------------------------------------------ */

/* Commands are taken: no login, no handshake and no goodbye is under way. */
bool front_is_talking(const struct front_client *client);
struct evbuffer *front_input(struct front_client *client);
void front_say(struct front_client *client, struct slice text);
void front_printf(struct front_client *client, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* STARTTLS can be offered: there is a certificate, and TLS is not on yet. */
bool front_offers_tls(const struct front_client *client);
/*
 * Begin the handshake, once what was said is sent.  Input that is buffered is
 * thrown away; the protocol throws away what it remembers.
 */
bool front_start_tls(struct front_client *client);

/* Passwords are taken here: under TLS, or where auth.cleartext allows it. */
bool front_may_login(const struct front_client *client);
/*
 * Ask auth, and master for a session.  What is given is copied.  What becomes of it
 * is told by front_protocol's refused and logged_in.
 */
void front_login(struct front_client *client, const char *mechanism, struct slice name,
    struct slice password);

/* Is it among the SASL mechanisms that are offered to this client?  Its name, in any case. */
bool front_sasl_offers(const struct front_client *client, struct slice mechanism);
/* Append their names, each with `before` before it. */
void front_sasl_offer(const struct front_client *client, const char *before, struct buf *out);
/*
 * Begin an exchange with a mechanism that is offered.  Challenges are sent from here;
 * each line that the client sends while the exchange is open goes to
 * front_sasl_take, but for "*", which cancels.  The end is told as that of front_login.
 *
 * initial   the initial response in base64, or "="; empty: none
 */
void front_sasl_begin(struct front_client *client, struct slice mechanism, struct slice initial);
bool front_sasl_is_open(const struct front_client *client);
void front_sasl_take(struct front_client *client, struct slice line);
void front_sasl_cancel(struct front_client *client);

/* The end, once what was said is sent. */
void front_end(struct front_client *client);

#endif
