/*
 * channel.h - messages between two processes of the suite.
 *
 * A channel is one end of an AF_UNIX SOCK_SEQPACKET socket pair that master
 * made.  It carries messages: a type, a request number, a body written with
 * codec.h, and descriptors that change hands.  A channel never blocks its
 * process: what the socket does not take waits in a bounded queue, and a caller
 * asks channel_is_congested() before it takes more work from its own clients.
 *
 * Messages that are sent while one turn of the event loop runs leave together:
 * a packet holds as many as fit.  A body too large for a packet travels in a
 * sealed memory file beside it; neither side sees the difference.
 *
 * What comes from a peer is parsed like anything from outside.  A malformed
 * packet closes the channel; it never ends the reader.
 *
 * On the wire: packets of one or more messages, each
 *     u16 type, u8 flags, u8 descriptors, u32 request, u32 length, body
 * (little-endian).  The descriptors of a packet belong to its messages in order.
 */
#ifndef PETREL_COMMON_CHANNEL_H
#define PETREL_COMMON_CHANNEL_H

#include "common/codec.h"
#include "common/slice.h"

struct event_base;
struct channel;

enum {
	CHANNEL_PACKET_MAX = 65536,           /* octets in one packet */
	CHANNEL_BODY_MAX = 4 * 1024 * 1024,   /* octets in one body */
	CHANNEL_DESCRIPTORS_MAX = 32,         /* in one packet */
	CHANNEL_QUEUE_MAX = 16 * 1024 * 1024, /* octets waiting to be sent; beyond it the peer is taken for dead */
	CHANNEL_CONGESTED = 512 * 1024,       /* octets waiting at which a sender should take no new work */
	CHANNEL_CALLS_MAX = 65535,            /* unanswered calls */
	CHANNEL_CALL_TIMEOUT_SECONDS = 120    /* the default of channel_set_call_timeout */
};

/* One message as it arrived.  It lives as long as the callback that is given it. */
struct message {
	uint16_t type;
	uint32_t request;     /* what an answer must carry; 0 where none is expected */
	struct slice body;
	int *descriptors;     /* closed after the callback unless taken */
	size_t descriptor_count;
};

/* Take descriptor number `which` out of the message: the caller owns it.  -1 where there is none. */
int message_take_descriptor(struct message *m, size_t which);

static inline struct reader message_reader(const struct message *m)
{
	return reader_over(m->body);
}

struct channel_handlers {
	/* A message that answers no call of ours.  False: it was malformed, and the channel is to be closed. */
	bool (*message)(struct channel *channel, struct message *m, void *context);
	/* The other end is gone or was malformed.  All calls have been answered with NULL; the channel is freed on return. */
	void (*closed)(struct channel *channel, void *context);
	/* Optional: the queue has fallen below CHANNEL_CONGESTED after having been above it. */
	void (*drained)(struct channel *channel, void *context);
};

/*
 * The answer to a call.  NULL: lost, because the peer is gone or silent for too
 * long; the caller retries what is safe to retry and gives up on the rest.
 * Called exactly once for each call, never from within channel_call itself.
 * False: the answer was malformed, and the channel is to be closed.
 */
typedef bool (*channel_answer)(struct message *answer, void *context);

/* Takes over the socket.  The handlers must outlive the channel. */
struct channel *channel_new(struct event_base *base, int socket, const struct channel_handlers *handlers, void *context);
/* Close: unsent messages are dropped, calls in flight are forgotten without an answer, `closed` is not called. */
void channel_free(struct channel *channel);

/*
 * Send a message: begin, write its body, attach descriptors, end.  Exactly one
 * message is built at a time on a channel.  `request` is 0, or the number of the
 * call that this message answers.  The channel owns an attached descriptor at
 * once and closes it after sending.  Nothing is reported when the peer is gone:
 * `closed` will be.
 */
struct writer *channel_begin(struct channel *channel, uint16_t type, uint32_t request);
void channel_attach(struct channel *channel, int descriptor);
/*
 * False: nothing is sent, and a call is not made: its `answer` will not be
 * called.  So it is where the body does not fit CHANNEL_BODY_MAX, and for a call
 * where there are CHANNEL_CALLS_MAX already or the peer is known to be gone.
 */
bool channel_end(struct channel *channel);

/*
 * Like channel_begin, for a message that wants an answer; finish it with
 * channel_end.  *request (unless NULL) is the number by which it can be forgotten.
 */
struct writer *channel_call(
    struct channel *channel, uint16_t type, channel_answer answer, void *context, uint32_t *request);
/* The caller goes away: the answer, when it comes, is dropped.  Its `answer` is not called. */
void channel_forget(struct channel *channel, uint32_t request);
/* Answer every call in flight with NULL: its peer is known to be gone. */
void channel_lose(struct channel *channel);
void channel_set_call_timeout(struct channel *channel, unsigned seconds);
/* A message with an empty body. */
bool channel_send(struct channel *channel, uint16_t type, uint32_t request);

/*
 * For a process that lets messages gather before it looks: a turn reads what has
 * come, not only as much as tells that the peer is busy.
 */
void channel_read_all(struct channel *channel);
/* Stop or go on reading from this peer (back-pressure). */
void channel_pause(struct channel *channel);
void channel_resume(struct channel *channel);
bool channel_is_congested(const struct channel *channel);
/* Octets that wait to be sent. */
size_t channel_queued(const struct channel *channel);
unsigned channel_calls_outstanding(const struct channel *channel);
/* Send what waits, now, as far as the socket takes it: before a process exits. */
void channel_flush(struct channel *channel);
/* Send all that waits, blocking, for at most `milliseconds`: before a process exits. */
void channel_drain(struct channel *channel, unsigned milliseconds);

/* The owner's tag: the process layer keeps who the peer is in it. */
void channel_set_tag(struct channel *channel, uint32_t tag);
uint32_t channel_tag(const struct channel *channel);
void *channel_context(const struct channel *channel);

/* A pair of connected sockets as channels use them: close-on-exec, non-blocking, roomy.  -1 with errno. */
int channel_pair(int sockets[2]);

#endif
