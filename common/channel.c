/*
 * channel.c - messages between two processes of the suite.
 *
 * Outgoing messages are written one behind the other into the last packet of a
 * queue; an event that libevent runs at the end of the present turn sends what
 * has gathered.  Calls wait for their answers in a table of slots; a request
 * number is a slot and a generation, so that a late answer to a forgotten call
 * can be told from the answer to the call that has the slot now.
 */
#include "common/channel.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/io.h"

enum {
	HEADER_OCTETS = 12,
	FLAG_BODY_IN_FILE = 1, /* the first descriptor is a memory file that holds the body */
	FLAG_CALL = 2,         /* the request number is the sender's own: an answer is wanted */
	PACKETS_PER_TURN = 16, /* read from one peer before others have theirs */
	SWEEP_SECONDS = 1,     /* how often calls are checked for their time-out */
	SOCKET_BUFFER = 1024 * 1024,
	BODY_SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL /* of a memory file with a body */
};

/* A packet that waits to be sent. */
struct packet {
	TAILQ_ENTRY(packet) entry;
	struct buf octets;
	size_t weight; /* octets that count as queued: bodies in memory files, too */
	int descriptors[CHANNEL_DESCRIPTORS_MAX];
	size_t descriptor_count;
};

/* A call that waits for its answer. */
struct call {
	channel_answer answer; /* NULL: the slot is free */
	void *context;
	uint64_t deadline_us;
	uint16_t generation;
	int32_t next_free; /* slot, or -1 */
};

struct channel {
	int socket;
	struct event_base *base;
	const struct channel_handlers *handlers;
	void *context;
	uint32_t tag;

	struct event *readable;
	struct event *writable; /* the socket was full */
	struct event *flush;    /* at the end of this turn of the loop */
	struct event *sweep;    /* while calls are outstanding */
	bool paused;
	bool is_emptied; /* see channel_read_all */

	TAILQ_HEAD(packet_queue, packet) queue;
	size_t queued; /* octets */
	bool was_congested;

	/* The message being built. */
	struct packet *building;
	struct writer writer;
	size_t message_start;
	size_t message_descriptors; /* descriptors of the packet before this message */
	uint32_t message_call;      /* request number of the call being built, or 0 */

	struct call *calls;
	size_t call_slots;
	int32_t first_free_call;
	unsigned calls_outstanding;
	unsigned call_timeout_seconds;

	bool broken;   /* to be closed: `closed` has not been called yet */
	bool freed;    /* channel_free was called while a callback runs */
	unsigned busy; /* callbacks running */
};

static void on_readable(int socket, short what, void *argument);
static void on_writable(int socket, short what, void *argument);
static void on_flush(int socket, short what, void *argument);
static void on_sweep(int socket, short what, void *argument);

int channel_pair(int sockets[2])
{
	int size = SOCKET_BUFFER;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets) == -1)
		return -1;
	/* The forced variant passes net.core.wmem_max and needs a privilege; the other is as good as it gets without. */
	for (int i = 0; i < 2; i++)
		if (setsockopt(sockets[i], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) == -1)
			(void)setsockopt(sockets[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	return 0;
}

static void packet_free(struct packet *p)
{
	for (size_t i = 0; i < p->descriptor_count; i++)
		close(p->descriptors[i]);
	/* It may have carried a password. */
	if (p->octets.data != NULL)
		explicit_bzero(p->octets.data, p->octets.len);
	buf_free(&p->octets);
	free(p);
}

struct channel *channel_new(struct event_base *base, int socket, const struct channel_handlers *handlers, void *context)
{
	struct channel *c = calloc(1, sizeof *c);

	if (c == NULL)
		return NULL;
	c->socket = socket;
	c->base = base;
	c->handlers = handlers;
	c->context = context;
	c->call_timeout_seconds = CHANNEL_CALL_TIMEOUT_SECONDS;
	c->first_free_call = -1;
	TAILQ_INIT(&c->queue);
	c->readable = event_new(base, socket, EV_READ | EV_PERSIST, on_readable, c);
	c->writable = event_new(base, socket, EV_WRITE, on_writable, c);
	c->flush = event_new(base, -1, 0, on_flush, c);
	c->sweep = event_new(base, -1, EV_PERSIST, on_sweep, c);
	if (c->readable == NULL || c->writable == NULL || c->flush == NULL || c->sweep == NULL ||
	    event_add(c->readable, NULL) == -1) {
		c->socket = -1; /* stays the caller's */
		channel_free(c);
		return NULL;
	}
	return c;
}

static void free_event(struct event *event)
{
	if (event != NULL)
		event_free(event);
}

void channel_free(struct channel *c)
{
	struct packet *p;

	if (c == NULL)
		return;
	c->freed = true;
	if (c->busy > 0)
		return;
	free_event(c->readable);
	free_event(c->writable);
	free_event(c->flush);
	free_event(c->sweep);
	while ((p = TAILQ_FIRST(&c->queue)) != NULL) {
		TAILQ_REMOVE(&c->queue, p, entry);
		packet_free(p);
	}
	free(c->calls);
	if (c->socket != -1)
		close(c->socket);
	free(c);
}

/* --- calls ------------------------------------------------------------------ */

static uint32_t request_number(const struct channel *c, size_t slot)
{
	return (uint32_t)c->calls[slot].generation << 16 | (uint32_t)(slot + 1);
}

static bool grow_calls(struct channel *c)
{
	size_t slots = c->call_slots == 0 ? 16 : c->call_slots * 2;
	struct call *calls;

	if (slots > CHANNEL_CALLS_MAX)
		slots = CHANNEL_CALLS_MAX;
	if (slots == c->call_slots)
		return false;
	calls = reallocarray(c->calls, slots, sizeof *calls);
	if (calls == NULL)
		return false;
	for (size_t i = c->call_slots; i < slots; i++)
		calls[i] = (struct call){.next_free = i + 1 < slots ? (int32_t)(i + 1) : -1};
	c->first_free_call = (int32_t)c->call_slots;
	c->calls = calls;
	c->call_slots = slots;
	return true;
}

static void release_call(struct channel *c, size_t slot)
{
	struct call *call = &c->calls[slot];

	call->answer = NULL;
	call->generation++;
	call->next_free = c->first_free_call;
	c->first_free_call = (int32_t)slot;
	if (--c->calls_outstanding == 0)
		event_del(c->sweep);
}

/* The slot of a call in flight, or -1 where there is none of that number. */
static ssize_t find_call(const struct channel *c, uint32_t request)
{
	size_t slot = (request & 0xffff) - 1;

	if ((request & 0xffff) == 0 || slot >= c->call_slots || c->calls[slot].answer == NULL ||
	    c->calls[slot].generation != request >> 16)
		return -1;
	return (ssize_t)slot;
}

static bool answer_call(struct channel *c, size_t slot, struct message *m)
{
	struct call call = c->calls[slot];

	release_call(c, slot);
	return call.answer(m, call.context);
}

static void lose_all_calls(struct channel *c)
{
	for (size_t slot = 0; slot < c->call_slots && !c->freed; slot++)
		if (c->calls[slot].answer != NULL)
			answer_call(c, slot, NULL);
}

void channel_lose(struct channel *c)
{
	c->broken = true;
	c->busy++;
	lose_all_calls(c);
	c->busy--;
}

void channel_forget(struct channel *c, uint32_t request)
{
	ssize_t slot = find_call(c, request);

	if (slot >= 0)
		release_call(c, (size_t)slot);
}

void channel_set_call_timeout(struct channel *c, unsigned seconds)
{
	c->call_timeout_seconds = seconds;
}

unsigned channel_calls_outstanding(const struct channel *c)
{
	return c->calls_outstanding;
}

/* --- the end of a channel --------------------------------------------------- */

static void enter(struct channel *c)
{
	c->busy++;
}

/* Leave a callback: what was asked for while it ran is done when the last one has returned. */
static void leave(struct channel *c)
{
	if (--c->busy > 0)
		return;
	if (c->broken && !c->freed) {
		c->busy++;
		event_del(c->readable);
		event_del(c->writable);
		lose_all_calls(c);
		if (!c->freed && c->handlers->closed != NULL)
			c->handlers->closed(c, c->context);
		c->busy--;
		c->freed = true;
	}
	if (c->freed)
		channel_free(c);
}

/* Close as soon as nothing of this channel is on the stack. */
static void break_channel(struct channel *c)
{
	c->broken = true;
	event_active(c->flush, EV_TIMEOUT, 0);
}

static void on_sweep(int socket, short what, void *argument)
{
	struct channel *c = argument;
	uint64_t now = clock_monotonic_us();

	(void)socket;
	(void)what;
	enter(c);
	for (size_t slot = 0; slot < c->call_slots && !c->freed; slot++)
		if (c->calls[slot].answer != NULL && c->calls[slot].deadline_us <= now)
			answer_call(c, slot, NULL);
	leave(c);
}

/* --- sending ---------------------------------------------------------------- */

static struct packet *append_packet(struct channel *c)
{
	struct packet *p = calloc(1, sizeof *p);

	if (p == NULL)
		return NULL;
	p->octets = buf_with_limit(CHANNEL_BODY_MAX + HEADER_OCTETS + CHANNEL_PACKET_MAX);
	TAILQ_INSERT_TAIL(&c->queue, p, entry);
	return p;
}

struct writer *channel_begin(struct channel *c, uint16_t type, uint32_t request)
{
	struct packet *p = TAILQ_LAST(&c->queue, packet_queue);

	/* Half the descriptors are kept free so that a message rarely has to be moved. */
	if (p == NULL || p->octets.len > CHANNEL_PACKET_MAX / 2 || p->descriptor_count > CHANNEL_DESCRIPTORS_MAX / 2)
		p = append_packet(c);
	c->building = p;
	c->message_call = 0;
	if (p == NULL)
		abort(); /* out of memory for a few hundred octets */
	c->message_start = p->octets.len;
	c->message_descriptors = p->descriptor_count;
	c->writer.out = &p->octets;
	write_u16(&c->writer, type);
	write_u8(&c->writer, 0);
	write_u8(&c->writer, 0);
	write_u32(&c->writer, request);
	write_u32(&c->writer, 0);
	return &c->writer;
}

struct writer *channel_call(struct channel *c, uint16_t type, channel_answer answer, void *context, uint32_t *request)
{
	struct call *call;
	struct timeval interval = {SWEEP_SECONDS, 0};
	size_t slot;
	uint32_t number;

	if (c->broken || (c->first_free_call == -1 && !grow_calls(c))) {
		if (request != NULL)
			*request = 0;
		channel_begin(c, type, 0);
		c->building->octets.overflowed = true; /* channel_end refuses it */
		return &c->writer;
	}
	slot = (size_t)c->first_free_call;
	call = &c->calls[slot];
	c->first_free_call = call->next_free;
	call->answer = answer;
	call->context = context;
	call->deadline_us = clock_monotonic_us() + (uint64_t)c->call_timeout_seconds * 1000000;
	if (c->calls_outstanding++ == 0)
		event_add(c->sweep, &interval);
	number = request_number(c, slot);
	if (request != NULL)
		*request = number;
	channel_begin(c, type, number);
	c->message_call = number;
	return &c->writer;
}

void channel_attach(struct channel *c, int descriptor)
{
	struct packet *p = c->building;

	if (p->descriptor_count == CHANNEL_DESCRIPTORS_MAX) {
		close(descriptor);
		p->octets.overflowed = true;
		return;
	}
	p->descriptors[p->descriptor_count++] = descriptor;
}

/* Move the message being built into a packet of its own. */
static struct packet *move_to_new_packet(struct channel *c)
{
	struct packet *old = c->building, *new = append_packet(c);

	if (new == NULL)
		return NULL;
	if (!buf_append_slice(&new->octets, slice_from(buf_slice(&old->octets), c->message_start))) {
		TAILQ_REMOVE(&c->queue, new, entry);
		packet_free(new);
		return NULL;
	}
	old->octets.len = c->message_start;
	while (old->descriptor_count > c->message_descriptors) {
		size_t which = c->message_descriptors + new->descriptor_count;

		if (which >= old->descriptor_count)
			break;
		new->descriptors[new->descriptor_count++] = old->descriptors[which];
	}
	old->descriptor_count = c->message_descriptors;
	c->building = new;
	c->message_start = 0;
	c->message_descriptors = 0;
	return new;
}

/* Put a body that is too large for a packet into a memory file, the message's first descriptor. */
static bool move_body_to_file(struct packet *p)
{
	int file = memfd_create("channel", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (file == -1)
		return false;
	if (p->descriptor_count == CHANNEL_DESCRIPTORS_MAX ||
	    !io_write(file, slice_from(buf_slice(&p->octets), HEADER_OCTETS)) ||
	    fcntl(file, F_ADD_SEALS, BODY_SEALS) == -1) {
		close(file);
		return false;
	}
	memmove(p->descriptors + 1, p->descriptors, p->descriptor_count * sizeof p->descriptors[0]);
	p->descriptors[0] = file;
	p->descriptor_count++;
	p->octets.len = HEADER_OCTETS;
	return true;
}

static void put_u32(char *at, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		at[i] = (char)(value >> (8 * i));
}

/* Drop the message being built; a call that it was is over. */
static void abandon(struct channel *c)
{
	struct packet *p = c->building;

	p->octets.len = c->message_start;
	p->octets.overflowed = false;
	while (p->descriptor_count > c->message_descriptors)
		close(p->descriptors[--p->descriptor_count]);
	if (p->octets.len == 0) {
		TAILQ_REMOVE(&c->queue, p, entry);
		packet_free(p);
	}
	if (c->message_call != 0)
		channel_forget(c, c->message_call);
	c->building = NULL;
}

bool channel_end(struct channel *c)
{
	struct packet *p = c->building;
	size_t length = p->octets.len - c->message_start - HEADER_OCTETS;
	uint8_t flags = c->message_call != 0 ? FLAG_CALL : 0;
	char *header;

	if (p->octets.overflowed || length > CHANNEL_BODY_MAX) {
		abandon(c);
		return false;
	}
	if (c->message_start > 0 && p->octets.len > CHANNEL_PACKET_MAX)
		p = move_to_new_packet(c);
	if (p == NULL || (p->octets.len > CHANNEL_PACKET_MAX && !move_body_to_file(p))) {
		abandon(c);
		return false;
	}
	if (p->octets.len - c->message_start < HEADER_OCTETS + length)
		flags |= FLAG_BODY_IN_FILE;
	header = p->octets.data + c->message_start;
	header[2] = (char)flags;
	header[3] = (char)(p->descriptor_count - c->message_descriptors);
	put_u32(header + 8, (uint32_t)length);
	p->weight += HEADER_OCTETS + length;
	c->queued += HEADER_OCTETS + length;
	c->building = NULL;
	if (c->queued > CHANNEL_QUEUE_MAX)
		break_channel(c);
	if (channel_is_congested(c))
		c->was_congested = true;
	if (!event_pending(c->writable, EV_WRITE, NULL))
		event_active(c->flush, EV_TIMEOUT, 0);
	return true;
}

bool channel_send(struct channel *c, uint16_t type, uint32_t request)
{
	channel_begin(c, type, request);
	return channel_end(c);
}

/* 1: sent; 0: the socket is full; -1: the peer is gone. */
static int send_packet(struct channel *c, struct packet *p)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int) * CHANNEL_DESCRIPTORS_MAX)];
	} control;
	struct iovec iov = {p->octets.data, p->octets.len};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};

	if (p->descriptor_count > 0) {
		size_t size = p->descriptor_count * sizeof(int);

		memset(&control, 0, sizeof control);
		m.msg_control = &control;
		m.msg_controllen = CMSG_SPACE(size);
		*CMSG_FIRSTHDR(&m) = (struct cmsghdr){.cmsg_len = CMSG_LEN(size), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), p->descriptors, size);
	}
	for (;;) {
		if (sendmsg(c->socket, &m, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
			return 1;
		if (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM || errno == ETOOMANYREFS)
			return 0;
		if (errno != EINTR)
			return -1;
	}
}

void channel_flush(struct channel *c)
{
	struct packet *p;

	while ((p = TAILQ_FIRST(&c->queue)) != NULL && p != c->building) {
		int sent = send_packet(c, p);

		if (sent < 0) {
			break_channel(c);
			return;
		}
		if (sent == 0) {
			event_add(c->writable, NULL);
			return;
		}
		c->queued -= p->weight;
		TAILQ_REMOVE(&c->queue, p, entry);
		packet_free(p);
	}
}

static void flush_and_report(struct channel *c)
{
	enter(c);
	if (!c->broken)
		channel_flush(c);
	if (c->was_congested && !c->broken && !channel_is_congested(c)) {
		c->was_congested = false;
		if (c->handlers->drained != NULL)
			c->handlers->drained(c, c->context);
	}
	leave(c);
}

static void on_flush(int socket, short what, void *argument)
{
	(void)socket;
	(void)what;
	flush_and_report(argument);
}

static void on_writable(int socket, short what, void *argument)
{
	(void)socket;
	(void)what;
	flush_and_report(argument);
}

void channel_drain(struct channel *c, unsigned milliseconds)
{
	uint64_t deadline = clock_monotonic_us() + (uint64_t)milliseconds * 1000;

	for (;;) {
		struct pollfd p = {c->socket, POLLOUT, 0};
		uint64_t now = clock_monotonic_us();

		channel_flush(c);
		if (c->broken || TAILQ_EMPTY(&c->queue) || now >= deadline)
			return;
		poll(&p, 1, (int)((deadline - now) / 1000) + 1);
	}
}

/* --- receiving -------------------------------------------------------------- */

int message_take_descriptor(struct message *m, size_t which)
{
	int descriptor;

	if (which >= m->descriptor_count)
		return -1;
	descriptor = m->descriptors[which];
	m->descriptors[which] = -1;
	return descriptor;
}

static bool deliver(struct channel *c, struct message *m, bool is_call)
{
	ssize_t slot;

	if (is_call || m->request == 0)
		return c->handlers->message(c, m, c->context);
	slot = find_call(c, m->request);
	/* An answer that nobody waits for came late; that is no fault of the peer's. */
	return slot < 0 || answer_call(c, (size_t)slot, m);
}

/*
 * Copy a body out of the memory file that it came in.  NULL where it is not what
 * the header says: sealed, so that nobody changes it meanwhile, and memory, so
 * that reading it never waits.
 */
static char *read_body_file(int file, size_t length)
{
	int seals = fcntl(file, F_GET_SEALS);
	struct stat st;
	char *body;

	if (seals == -1 || (seals & BODY_SEALS) != BODY_SEALS || fstat(file, &st) == -1 || st.st_size != (off_t)length)
		return NULL;
	body = malloc(length);
	if (body != NULL && !io_read_at(file, body, length, 0)) {
		free(body);
		body = NULL;
	}
	return body;
}

/* Take the next message of a packet and hand it on.  False: malformed. */
static bool receive_message(struct channel *c, struct reader *r, int *descriptors, size_t *descriptors_left)
{
	struct message m = {.descriptors = descriptors};
	uint8_t flags;
	uint32_t length;
	char *copy = NULL;
	bool ok;

	m.type = read_u16(r);
	flags = read_u8(r);
	m.descriptor_count = read_u8(r);
	m.request = read_u32(r);
	length = read_u32(r);
	if (!reader_ok(r) || length > CHANNEL_BODY_MAX || m.descriptor_count > *descriptors_left ||
	    (flags & ~(FLAG_BODY_IN_FILE | FLAG_CALL)) != 0)
		return false;
	*descriptors_left -= m.descriptor_count;
	if ((flags & FLAG_BODY_IN_FILE) != 0) {
		if (m.descriptor_count == 0 || length == 0 || (copy = read_body_file(descriptors[0], length)) == NULL)
			return false;
		m.body = slice_of(copy, length);
		m.descriptors++;
		m.descriptor_count--;
	} else {
		m.body = cursor_take(&r->in, length);
		if (m.body.len != length)
			return false;
	}
	ok = deliver(c, &m, (flags & FLAG_CALL) != 0);
	free(copy);
	return ok;
}

static bool receive_packet(struct channel *c, struct slice packet, int *descriptors, size_t count, size_t *messages)
{
	struct reader r = reader_over(packet);
	size_t left = count;

	do {
		(*messages)++;
		if (!receive_message(c, &r, descriptors + (count - left), &left))
			return false;
	} while (!cursor_done(&r.in) && !c->freed && !c->broken);
	return left == 0 || c->freed || c->broken;
}

/* Collect the descriptors of a packet; false where there is control data of another kind. */
static bool collect_descriptors(struct msghdr *m, int descriptors[CHANNEL_DESCRIPTORS_MAX], size_t *count)
{
	*count = 0;
	for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h != NULL; h = CMSG_NXTHDR(m, h)) {
		size_t n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS || n > CHANNEL_DESCRIPTORS_MAX - *count)
			return false;
		memcpy(descriptors + *count, CMSG_DATA(h), n * sizeof(int));
		*count += n;
	}
	return true;
}

/* One packet: how many messages it held; 0: none there; -1: the channel is at its end. */
static int read_packet(struct channel *c)
{
	static char room[CHANNEL_PACKET_MAX];
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int) * CHANNEL_DESCRIPTORS_MAX)];
	} control;
	int descriptors[CHANNEL_DESCRIPTORS_MAX];
	struct iovec iov = {room, sizeof room};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
	ssize_t len = recvmsg(c->socket, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	size_t count, messages = 0;
	bool ok;

	if (len < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	ok = collect_descriptors(&m, descriptors, &count);
	ok = ok && len > 0 && (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0 &&
	    receive_packet(c, slice_of(room, (size_t)len), descriptors, count, &messages);
	explicit_bzero(room, (size_t)len);
	for (size_t i = 0; i < count; i++)
		if (descriptors[i] != -1)
			close(descriptors[i]);
	return ok ? (int)messages : -1;
}

static void on_readable(int socket, short what, void *argument)
{
	struct channel *c = argument;

	(void)socket;
	(void)what;
	enter(c);
	for (int i = 0; i < PACKETS_PER_TURN && !c->paused && !c->freed && !c->broken; i++) {
		int got = read_packet(c);

		if (got < 0)
			c->broken = true;
		/* A packet with one message says that the peer is not busy: another read would only find nothing. */
		if (got == 0 || (got <= 1 && !c->is_emptied))
			break;
	}
	leave(c);
}

void channel_read_all(struct channel *c)
{
	c->is_emptied = true;
}

void channel_pause(struct channel *c)
{
	if (!c->paused)
		event_del(c->readable);
	c->paused = true;
}

void channel_resume(struct channel *c)
{
	if (c->paused && !c->broken)
		event_add(c->readable, NULL);
	c->paused = false;
}

bool channel_is_congested(const struct channel *c)
{
	return c->queued > CHANNEL_CONGESTED;
}

size_t channel_queued(const struct channel *c)
{
	return c->queued;
}

void channel_set_tag(struct channel *c, uint32_t tag)
{
	c->tag = tag;
}

uint32_t channel_tag(const struct channel *c)
{
	return c->tag;
}

void *channel_context(const struct channel *c)
{
	return c->context;
}
