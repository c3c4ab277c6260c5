/*
 * pair.h - two streams with a socket between them, for tests.
 */
#ifndef PETREL_TESTS_UNIT_TLS_PAIR_H
#define PETREL_TESTS_UNIT_TLS_PAIR_H

#include "common/stream.h"
#include "keys/keyring.h"

/* A stream and what its handlers were told. */
struct side {
	struct stream *stream;
	unsigned readable, drained, connected, secured, closed;
	enum stream_end end;
	char error[128];
	bool in_call;      /* set by a test around its own calls: no handler may run then */
	bool free_at_read; /* free the stream in `readable` */
	bool free_at_close;
	void (*on_readable)(struct side *); /* after the count */
};

struct pair {
	struct event_base *base;
	struct side server, client;
};

extern const struct stream_handlers side_handlers;

void pair_open(struct pair *);
void pair_close(struct pair *);
/* Run the loop until the condition is true, or five seconds are over (the test fails). */
void pair_run_until(struct pair *, bool (*condition)(struct pair *));
/* Run the loop for so long. */
void pair_run_for(struct pair *, unsigned milliseconds);
/* The input of a side as a string, taken out of it. */
char *side_take(struct side *);

bool both_secured(struct pair *);
bool server_closed(struct pair *);
bool client_closed(struct pair *);
bool server_read(struct pair *);
bool client_read(struct pair *);

/* A key of that kind ("RSA", "EC", "ED25519") as PEM, and a self-signed certificate for it. */
void make_certificate(
    const char *kind, const char *name, struct buf *key_pem, struct buf *chain_pem);

/*
 * A signer that has `ring` sign, each time after the event loop has turned a few
 * times: the handshake is really suspended.
 */
struct late_signer {
	struct event_base *base;
	struct keyring *ring;
	unsigned asked, cancelled;
	bool silent;      /* never answers */
	unsigned waiting; /* milliseconds until the answer */
};
void late_signer_use(struct late_signer *);

#endif
