/*
 * stream_private.h - what the files behind stream.h share; nobody else includes it.
 *
 * stream.c has the events and the phases of a stream's life, stream_socket.c
 * writes and reads, stream_tls.c turns plain octets into TLS records and back.
 */
#ifndef PETREL_COMMON_STREAM_PRIVATE_H
#define PETREL_COMMON_STREAM_PRIVATE_H

#include <event2/event_struct.h>
#include <openssl/ssl.h>

#include "common/stream.h"

enum stream_phase {
	PHASE_CONNECTING,
	PHASE_OPEN,
	PHASE_CLOSING,   /* stream_close_when_sent: output is leaving */
	PHASE_LINGERING, /* all is sent and our side shut down: waiting for the peer's end */
	PHASE_ENDED,     /* `closed` was called, or is about to be */
};

/* Work that waits for the next turn of the event loop. */
enum {
	SOON_FLUSH = 1,     /* output was added */
	SOON_READABLE = 2,  /* resumed with something in the input */
	SOON_HANDSHAKE = 4, /* begin, or go on after a signature came */
	SOON_CONNECTED = 8, /* connect succeeded or failed at once */
	SOON_END = 16,      /* fail() was called outside the event loop */
};

enum tls_phase {
	TLS_WAITING, /* output from before is still to leave in the clear */
	TLS_SHAKING,
	TLS_SECURED,
};

struct stream_tls {
	SSL *ssl;
	struct evbuffer *wire; /* records that wait for the socket */
	struct tls_witness *witness; /* NULL: the client was asked for no certificate */
	enum tls_phase phase;
	bool verify;       /* the peer's certificate was to be checked */
	bool suspended;    /* the handshake waits for its signature */
	bool starved;      /* or, with many others before it, for its turn to ask for one */
	bool reads_ahead;  /* OpenSSL may hold octets that were not read yet */
	bool notified;     /* close_notify is on its way */
	size_t plain_left; /* octets at the front of the output that still leave in the clear */
};

struct stream {
	struct event_base *base;
	const struct stream_handlers *handlers;
	void *context;
	struct evbuffer *input;
	struct evbuffer *output;
	struct stream_tls *tls; /* NULL in the clear */

	struct event reading;
	struct event writing;
	struct event timer;
	struct event soon;

	struct stream_limits limits;
	uint64_t heard_us; /* the last octet in either direction, or the start of waiting for one */
	uint64_t progress_us; /* when the peer last took output, or output began to wait */
	uint64_t deadline_us; /* the owner's; 0: none */
	uint64_t phase_us;    /* when connecting, the handshake or lingering is over; 0: no limit */
	uint64_t armed_us;    /* when the timer fires; 0: it does not */

	int fd;
	int error;
	const char *error_text;
	enum stream_end end; /* what SOON_END reports */
	enum stream_phase phase;
	unsigned work;    /* SOON_... */
	unsigned depth;   /* > 0: within one of our event callbacks */
	size_t discarded; /* octets thrown away while lingering */
	bool is_reading; /* input is waited for; the event may be pending all the same */
	bool parts; /* stream_part */
	bool paused;
	bool input_ended;
	bool freed;
};

enum stream_step {
	STEP_DONE,  /* moved on */
	STEP_WAIT,  /* nothing more to be had, or taken, for now */
	STEP_END,   /* the peer's orderly end */
	STEP_FAILED /* stream_fail was called */
};

/* Note the failure; `closed` is called when the current turn of the loop comes to it. */
void stream_fail(struct stream *, enum stream_end, int error, const char *text);
/* Have work done in the next turn of the event loop. */
void stream_soon(struct stream *, unsigned work);
/* Wait for what there is to wait for, as things stand now. */
void stream_settle(struct stream *);
/* Write what the buffer holds, at most `limit` octets, to the socket: STEP_DONE when that is gone. */
enum stream_step stream_send(struct stream *, struct evbuffer *from, size_t limit);
/* Read at most `limit` octets into the scratch; *n is how many came. */
enum stream_step stream_receive(struct stream *, size_t limit, size_t *n);

/*
 * 64 KiB for octets on their way between a socket, OpenSSL and an evbuffer; one
 * for the process, wiped by who used it.  (A TLS record is at most a quarter of
 * it; a message in the clear comes in fewer reads.)
 */
enum { STREAM_SCRATCH = 65536 };
extern char stream_scratch[STREAM_SCRATCH];

/* Go on with the handshake.  STEP_DONE: finished. */
enum stream_step stream_tls_shake(struct stream *);
/* Does OpenSSL hold octets that no event will announce? */
void stream_tls_look_ahead(struct stream_tls *);
/* Read at most a record into the input. */
enum stream_step stream_tls_read(struct stream *);
/* Encrypt and send the output.  STEP_DONE: all is with the kernel. */
enum stream_step stream_tls_flush(struct stream *);
/* Queue close_notify. */
void stream_tls_notify(struct stream *);
void stream_tls_free(struct stream_tls *);

/* The handshake is finished: is the client's certificate any good? */
void tls_witness_finish(struct stream_tls *);
void tls_witness_free(struct tls_witness *);

#endif
