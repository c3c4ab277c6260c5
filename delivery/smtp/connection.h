/*
 * connection.h - one TCP connection to another host: a stream and a dialogue.
 *
 * A connection carries one transaction after another.  Between two it waits in
 * the pool (pool.h) for the next job of its site.
 */
#ifndef PETREL_DELIVERY_SMTP_CONNECTION_H
#define PETREL_DELIVERY_SMTP_CONNECTION_H

#include <sys/queue.h>

#include "common/network.h"
#include "common/stream.h"
#include "delivery/smtp/content.h"
#include "delivery/smtp/dialogue.h"
#include "delivery/smtp/site.h"

struct connection;

/* What the owner of a transaction is told.  Either may come before connection_carry returns. */
struct connection_handlers {
	/*
	 * Every recipient is settled.  The owner keeps the connection (pool_put)
	 * where connection_is_usable, or ends it (connection_end).
	 */
	void (*settled)(struct connection *connection, void *context);
	/*
	 * No session, or it ended before it said anything about the message.  The
	 * connection is gone when this returns.
	 *
	 * status, text  for those recipients that are still open, should nothing else help
	 */
	void (*refused)(
	    struct connection *connection, const char *status, const char *text, void *context);
};

struct connection {
	struct stream *stream;
	struct dialogue dialogue;
	struct target target;
	char name[TARGET_NAME_MAX]; /* "mx1.example.net[192.0.2.1]:25" */
	char tls_name[HOST_ADDRESS_TEXT];
	char tls[96];               /* "TLSv1.3 TLS_AES_256_GCM_SHA384"; empty: in the clear */
	char site[DELIVERY_SITE_MAX + 1];
	unsigned messages; /* carried so far, the present one included */
	bool is_used_up;   /* its host takes no more messages in this session; in another one it does */
	bool is_connected;
	bool tls_failed; /* the handshake did: another try without TLS may help */

	/* What it carries. */
	struct transaction *transaction; /* NULL: nothing */
	struct content content;
	int content_fd;
	const struct connection_handlers *handlers;
	void *context;

	/* The pool's. */
	TAILQ_ENTRY(connection) next_idle;
	bool is_pooled;
	uint64_t last_job; /* whose result asked for another; 0: the answer is there */
	struct event *idle_timer;
};

/* Load what TLS needs, while there are files. */
bool connection_prepare(void);
/* NULL with errno where there is not even a socket. */
struct connection *connection_open(
    struct event_base *base, const struct target *target, struct slice site,
    struct tls_policy policy);
/* Carry this as soon as the session stands.  Transaction and descriptor stay the owner's. */
void connection_carry(struct connection *connection, struct transaction *transaction,
    int content_fd, const struct connection_handlers *handlers, void *context);
/* It can take another transaction: nothing is under way, and the host said nothing unasked. */
bool connection_is_usable(const struct connection *connection);
/* The end of data was given out: the message may be there whatever happens now. */
bool connection_awaits_verdict(const struct connection *connection);
/*
 * Say goodbye, where there is somebody to say it to, and close; the connection
 * takes care of itself from now on.
 */
void connection_end(struct connection *connection);
/* Drop it as it stands.  No handler is called. */
void connection_abort(struct connection *connection);
/* Connections that exist, those that are being closed included. */
unsigned connection_count(void);

#endif
