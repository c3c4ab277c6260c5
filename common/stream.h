/*
 * stream.h - a byte stream to a client or a server, plain or under TLS.
 *
 * A stream is a connected, non-blocking socket on an event loop with an input
 * and an output buffer.  Its owner reads commands out of stream_input() and
 * puts replies into stream_output(), both ordinary evbuffers, and that is all:
 *
 * - What is put into the output leaves by itself.  Everything gathered in one
 *   turn of the event loop leaves in one write (and, under TLS, in as few
 *   records as it fits), so the replies to a pipelined batch go out together.
 * - Input is read while there is room: not while the stream is paused, not while
 *   the input holds `input_limit` octets or more, and not while the peer leaves
 *   `output_limit` octets or more of our replies untaken.  Back-pressure reaches
 *   the peer's TCP connection without the owner doing anything.
 *
 * HANDLERS ARE ONLY EVER CALLED FROM THE EVENT LOOP, never from within a call to
 * a function declared here or a change to one of the two buffers.  Within a
 * handler, and anywhere else, every function here may be called, stream_free
 * included; after it no handler of that stream is called again.
 *
 * An idle plain stream costs little over 1 KB; one under TLS what OpenSSL keeps
 * for the session, some 27 KB; no buffer is held while it is empty.
 */
#ifndef PETREL_COMMON_STREAM_H
#define PETREL_COMMON_STREAM_H

#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/event.h>

#include "common/slice.h"
#include "common/tls.h"
#include "common/tls_witness.h"

struct stream;

/* Why a stream came to its end. */
enum stream_end {
	/*
	 * The peer will send no more (end of file or close_notify).  What is in
	 * the input is still there, and output can still be sent: answer what is
	 * left to answer and call stream_close_when_sent, or free it at once.
	 */
	STREAM_END_OF_INPUT,
	/* Our own stream_close_when_sent is done: all output was sent. */
	STREAM_CLOSED,
	/* The connection was refused, reset, or failed otherwise. */
	STREAM_FAILED,
	/* A time-out of struct stream_limits or a deadline passed. */
	STREAM_TIMED_OUT,
	/* The TLS handshake failed, or the peer broke the TLS protocol. */
	STREAM_TLS_FAILED,
};

/* What the owner wants to be told.  A handler that is NULL is not called. */
struct stream_handlers {
	/* New octets are in the input; or the stream was resumed and some were left. */
	void (*readable)(struct stream *, void *context);
	/* The output fell to a quarter of output_limit or below from above it. */
	void (*drained)(struct stream *, void *context);
	/* stream_connect: the connection stands. */
	void (*connected)(struct stream *, void *context);
	/* The TLS handshake is finished; stream_tls_facts tells about it. */
	void (*secured)(struct stream *, void *context);
	/*
	 * The end; must be given.  Called at most once, or twice where the first
	 * was STREAM_END_OF_INPUT and the owner did not free the stream.  After
	 * any other end nothing can be done with the stream but to free it, and
	 * only the owner frees it.
	 */
	void (*closed)(struct stream *, enum stream_end, void *context);
};

struct stream_limits {
	size_t input;               /* octets of input held for the owner */
	size_t output;              /* octets of output held for the peer before reading stops */
	unsigned read_seconds;      /* wait for the next octet while reading; 0: no limit */
	unsigned write_seconds;     /* wait for the peer to take any output at all; 0: no limit */
	unsigned handshake_seconds; /* the whole of a TLS handshake; 0: no limit */
};

/* 16 KiB in, 128 KiB out, 300 s to read, 300 s to write, 30 s to shake hands. */
extern const struct stream_limits stream_default_limits;

/*
 * A stream over a connected stream socket, which belongs to the stream from now
 * on.  Whether it is non-blocking does not matter: nothing here ever blocks on it.  Starts reading, with the default limits.
 *
 * handlers  must live as long as the stream (a static const table)
 * Returns NULL where memory is short; the descriptor is closed then too.
 */
struct stream *stream_new(
    struct event_base *, int fd, const struct stream_handlers *handlers, void *context);

/*
 * A stream to `address`, from `source` where that is not NULL.  The handler
 * `connected` is called when the connection stands, `closed` where it fails or
 * takes longer than `seconds`.  Output may be put in at once.
 *
 * Returns NULL (errno set) where not even a socket is to be had.
 */
struct stream *stream_connect(struct event_base *, const struct sockaddr *address,
    socklen_t address_len, const struct sockaddr *source, socklen_t source_len, unsigned seconds,
    const struct stream_handlers *handlers, void *context);

/*
 * Close the connection as it stands (unsent output is lost) and release
 * everything.  NULL is fine.  The buffers are gone when this returns, except
 * within one of the stream's own handlers, where they live until it returns.
 */
void stream_free(struct stream *);

/* Another owner: from now on these handlers are called, with this context. */
void stream_set_handlers(struct stream *, const struct stream_handlers *handlers, void *context);
/* Limits and time-outs from now on; copied. */
void stream_set_limits(struct stream *, const struct stream_limits *limits);
/*
 * Time out (STREAM_TIMED_OUT) `seconds` from now whatever the peer does; each
 * call replaces the one before, 0 takes the deadline away.  What read_seconds is
 * to a silent peer, this is to one that sends an octet now and then.
 */
void stream_set_deadline(struct stream *, unsigned seconds);

/* What the peer sent and the owner has not taken; the owner drains it. */
struct evbuffer *stream_input(struct stream *);
/* What is to be sent; the owner adds to it, and never drains it. */
struct evbuffer *stream_output(struct stream *);

/* Put a piece of text into the output.  Memory running out fails the stream later. */
void stream_write(struct stream *, struct slice text);
void stream_printf(struct stream *, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Octets of output not yet handed to the kernel. */
size_t stream_output_len(struct stream *);
/*
 * There is room in the output: a producer of much output (a message, a FETCH)
 * goes on while this is true and waits for `drained` where it is not.
 */
bool stream_has_room(struct stream *);

/*
 * Stop and go on reading.  A paused stream calls `readable` no more and no read
 * time-out runs (a deadline does); the end of input is noticed after resuming.
 * stream_resume calls `readable` again soon where the input is not empty.
 */
void stream_pause(struct stream *);
void stream_resume(struct stream *);

/*
 * Shake hands as the server.  Input that is buffered is thrown away: whatever a
 * peer, or somebody between, sent in the clear behind STARTTLS is never taken
 * for something said under TLS (CVE-2011-0411); the owner must throw away its
 * own state likewise.  Output that is in the buffer by now (the "220 ready") goes
 * out in the clear first; what is added from now on goes out under TLS.  For
 * implicit TLS call it right after stream_new.
 *
 * False where memory is short; nothing has changed then.
 */
bool stream_start_tls_server(struct stream *, struct tls_server *);

/*
 * Shake hands as a client, with the same care for what was buffered.
 *
 * name    a host, or its address as text.
 *         A host is sent as SNI; with TLS_VERIFY_NAME it is what the certificate must be
 *         for; NULL only with TLS_VERIFY_NONE
 */
bool stream_start_tls_client(
    struct stream *, struct tls_client *, const char *name, enum tls_verify);

/*
 * Ask the client for a certificate in the handshake that stream_start_tls_server
 * has just begun.  Whatever it shows, and if it shows nothing, the handshake goes
 * on.  False where memory is short; it is not asked then.
 */
bool stream_ask_certificate(
    struct stream *, struct authorities *, const uint8_t beacon[TLS_BEACON]);
/* What it has shown; nothing before `secured`. */
void stream_client_shown(const struct stream *, struct tls_shown *shown);
/*
 * It has shown a certificate that the authorities stand for: what proves that.  The
 * slices are the stream's.  False: there is nothing of the kind.
 */
bool stream_client_proof(const struct stream *, struct tls_proof *proof);
/* Nobody will be asked to look at it any more: its memory is free. */
void stream_forget_proof(struct stream *);

/* True between `secured` and the end. */
bool stream_is_secured(const struct stream *);
/* About the TLS session; only after `secured`.  The strings live as long as the stream. */
void stream_tls_facts(const struct stream *, struct tls_facts *facts);
/*
 * Keying material of this session, of `len` octets (RFC 5705, RFC 8446, 7.5),
 * without context; RFC 9266's tls-exporter channel binding is label
 * "EXPORTER-Channel-Binding" and 32 octets.  False where there is none: not
 * secured, or TLS 1.2 without the extended master secret (RFC 7627).
 */
bool stream_tls_export(const struct stream *, const char *label, void *out, size_t len);

/*
 * The channel bindings of this session.  There is no exporter where stream_tls_export
 * gives nothing, no end point where the server's certificate is signed in a way that
 * knows no digest (Ed25519), and neither where the stream is not secured.
 */
void stream_tls_bindings(const struct stream *, struct tls_bindings *bindings);

/*
 * An orderly end: send what is in the output, then close_notify under TLS, then
 * the end of our side of the connection; wait a moment for the peer's end, so
 * that a reset does not overtake our last words; then call `closed` with
 * STREAM_CLOSED.  Input is thrown away from now on, `readable` and `drained` are
 * called no more.  Bounded by write_seconds and a few seconds of waiting.
 */
void stream_close_when_sent(struct stream *);
/*
 * The same, where the peer has said goodbye: its end of the connection is not waited
 * for, because nothing is expected that a reset could throw away with what we said
 * last.  Where something came behind the goodbye, or there is TLS to be ended in
 * order, it is waited for all the same.
 */
void stream_part(struct stream *);

/*
 * For the log: what went wrong, as a sentence without a full stop, after `closed`
 * with anything but STREAM_END_OF_INPUT and STREAM_CLOSED.  Never contains what
 * the peer sent.  Never NULL.
 */
const char *stream_error(const struct stream *);
/* The errno behind STREAM_FAILED, or 0. */
int stream_errno(const struct stream *);
/* The socket, for getpeername and socket options; it stays the stream's. */
int stream_fd(const struct stream *);

#endif
