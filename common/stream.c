/*
 * stream.c - a byte stream to a client or a server, plain or under TLS.
 *
 * Every callback of the event loop enters with turn_begin and leaves with
 * turn_end.  In between, handlers are called and may free the stream: that only
 * marks it, and turn_end takes it down.  turn_end also decides anew which
 * events the stream waits for (stream_settle), so that no other place has to.
 *
 * Calls from the owner never call a handler; they leave a note (stream_soon)
 * for the next turn of the loop.
 */
#include "common/stream.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/stream_private.h"

const struct stream_limits stream_default_limits = {
    .input = 16 * 1024,
    .output = 128 * 1024,
    .read_seconds = 300,
    .write_seconds = 300,
    .handshake_seconds = 30,
};

enum {
	LINGER_SECONDS = 3,          /* for the peer's end after ours */
	LINGER_OCTETS = 1024 * 1024, /* of input thrown away meanwhile */
	READS_IN_A_TURN = 8,         /* then others have theirs */
	STARVED_MILLISECONDS = 20,   /* until a handshake asks again whether there is room for it */
};

static void on_reading(evutil_socket_t fd, short what, void *context);
static void on_writing(evutil_socket_t fd, short what, void *context);
static void on_timer(evutil_socket_t fd, short what, void *context);
static void on_soon(evutil_socket_t fd, short what, void *context);

static uint64_t after(unsigned seconds)
{
	return seconds == 0 ? 0 : clock_monotonic_us() + (uint64_t)seconds * 1000000;
}

/* --- what is waited for --------------------------------------------------- */

size_t stream_output_len(struct stream *s)
{
	return evbuffer_get_length(s->output) +
	       (s->tls == NULL ? 0 : evbuffer_get_length(s->tls->wire));
}

static size_t low_water(const struct stream *s)
{
	return s->limits.output / 4;
}

static bool is_shaking(const struct stream *s)
{
	return s->tls != NULL && s->tls->phase != TLS_SECURED;
}

/* The owner wants input, and there is room for it. */
static bool wants_input(struct stream *s)
{
	return s->phase == PHASE_OPEN && !is_shaking(s) && !s->paused && !s->input_ended &&
	       evbuffer_get_length(s->input) < s->limits.input && stream_has_room(s);
}

static bool wants_reading(struct stream *s)
{
	if (s->phase == PHASE_LINGERING)
		return true;
	if (s->phase == PHASE_OPEN && is_shaking(s))
		return s->tls->phase == TLS_SHAKING && !s->tls->suspended && !s->tls->starved;
	return wants_input(s);
}

/* There are octets for the socket; what waits for the end of a handshake is not. */
static bool has_unsent(struct stream *s)
{
	if (s->tls == NULL || s->tls->phase == TLS_SECURED)
		return stream_output_len(s) > 0;
	return s->tls->plain_left > 0 || evbuffer_get_length(s->tls->wire) > 0;
}

/*
 * Octets that OpenSSL has read ahead, and that no event will announce.  They are
 * taken in the next turn of the loop, not in this one, by way of the timer: a
 * peer that sends fast shall not keep the others waiting.
 */
static bool has_hidden_input(struct stream *s)
{
	return s->tls != NULL && s->tls->reads_ahead && wants_input(s);
}

/* As many handshakes as there may be wait for signatures: this one tries again soon. */
static bool is_starved(const struct stream *s)
{
	return s->tls != NULL && s->tls->starved && s->phase == PHASE_OPEN;
}

static void earliest(uint64_t *when, uint64_t candidate)
{
	if (candidate != 0 && (*when == 0 || candidate < *when))
		*when = candidate;
}

/* When, as things stand, the stream will have waited too long; 0: never. */
static uint64_t time_of_expiry(struct stream *s)
{
	uint64_t when = 0;

	if (s->phase == PHASE_ENDED)
		return 0;
	earliest(&when, s->phase_us);
	if (s->phase == PHASE_OPEN)
		earliest(&when, s->deadline_us);
	if (s->phase == PHASE_CONNECTING || s->phase == PHASE_LINGERING)
		return when;
	if (has_unsent(s) && s->limits.write_seconds != 0)
		earliest(&when, s->progress_us + (uint64_t)s->limits.write_seconds * 1000000);
	else if (wants_input(s) && s->limits.read_seconds != 0)
		earliest(&when, s->heard_us + (uint64_t)s->limits.read_seconds * 1000000);
	return when;
}

/*
 * The timer is only moved when it has to fire earlier: an octet that comes or
 * goes moves a number, not the event loop's heap.
 */
static void arm_timer(struct stream *s)
{
	uint64_t when = has_hidden_input(s) ? 1 : time_of_expiry(s), now, wait;
	struct timeval tv;

	if (is_starved(s))
		earliest(&when, clock_monotonic_us() + STARVED_MILLISECONDS * 1000);
	if (when == 0 || (s->armed_us != 0 && s->armed_us <= when))
		return;
	now = clock_monotonic_us();
	wait = when > now ? when - now : 0;
	tv.tv_sec = (time_t)(wait / 1000000);
	tv.tv_usec = (suseconds_t)(wait % 1000000);
	s->armed_us = when;
	evtimer_add(&s->timer, &tv);
}

static void want(struct event *event, short what, bool wanted)
{
	bool pending = event_pending(event, what, NULL) != 0;

	if (wanted && !pending)
		event_add(event, NULL);
	else if (!wanted && pending)
		event_del(event);
}

void stream_settle(struct stream *s)
{
	bool reading = s->phase != PHASE_ENDED && wants_reading(s);

	if (s->phase == PHASE_ENDED)
		return;
	/* What was not waited for until now cannot be late. */
	if (reading && !s->is_reading)
		s->heard_us = clock_monotonic_us();
	s->is_reading = reading;
	/* A pause is mostly over before the peer says anything: the kernel hears of it when it does. */
	if (reading)
		want(&s->reading, EV_READ, true);
	arm_timer(s);
}

static void turn_begin(struct stream *s)
{
	s->depth++;
}

static void destroy(struct stream *s)
{
	event_del(&s->reading);
	event_del(&s->writing);
	event_del(&s->timer);
	event_del(&s->soon);
	stream_tls_free(s->tls);
	evbuffer_free(s->input);
	evbuffer_free(s->output);
	if (s->fd >= 0)
		close(s->fd);
	free(s);
}

/* --- ends ------------------------------------------------------------------- */

/* The end is reached: nothing is waited for any more, and the owner is told. */
static void finish(struct stream *s, enum stream_end end)
{
	s->phase = PHASE_ENDED;
	s->work = 0;
	event_del(&s->reading);
	event_del(&s->writing);
	event_del(&s->timer);
	event_del(&s->soon);
	if (!s->freed)
		s->handlers->closed(s, end, s->context);
}

static void turn_end(struct stream *s)
{
	if (s->depth == 1 && !s->freed && (s->work & SOON_END) != 0)
		finish(s, s->end);
	s->depth--;
	if (s->depth > 0)
		return;
	if (s->freed)
		destroy(s);
	else
		stream_settle(s);
}

void stream_soon(struct stream *s, unsigned work)
{
	if (s->phase == PHASE_ENDED)
		return;
	if (s->work == 0)
		event_active(&s->soon, EV_TIMEOUT, 0);
	s->work |= work;
}

void stream_fail(struct stream *s, enum stream_end end, int error, const char *text)
{
	if (s->phase == PHASE_ENDED || (s->work & SOON_END) != 0)
		return;
	s->end = end;
	s->error = error;
	s->error_text = text;
	stream_soon(s, SOON_END);
}

static bool is_over(const struct stream *s)
{
	return s->freed || s->phase == PHASE_ENDED || (s->work & SOON_END) != 0;
}

static void end_of_input(struct stream *s)
{
	s->input_ended = true;
	s->handlers->closed(s, STREAM_END_OF_INPUT, s->context);
}

/* --- reading ---------------------------------------------------------------------- */

static enum stream_step plain_read(struct stream *s)
{
	size_t limit = s->limits.input - evbuffer_get_length(s->input), n = 0;
	enum stream_step step = stream_receive(s, limit, &n);

	if (step != STEP_DONE)
		return step;
	if (evbuffer_add(s->input, stream_scratch, n) != 0) {
		stream_fail(s, STREAM_FAILED, ENOMEM, "no memory for input");
		step = STEP_FAILED;
	}
	explicit_bzero(stream_scratch, n);
	return step;
}

/* What the peer still sends after our end; its own end, or too much of it, closes the matter. */
static void linger(struct stream *s)
{
	size_t n = 0;

	switch (stream_receive(s, STREAM_SCRATCH, &n)) {
	case STEP_DONE:
		explicit_bzero(stream_scratch, n);
		s->discarded += n;
		if (s->discarded > LINGER_OCTETS)
			finish(s, STREAM_CLOSED);
		break;
	case STEP_WAIT:
		break;
	case STEP_END:
	case STEP_FAILED:
		/* All was sent: how the peer goes is no failure any more. */
		finish(s, STREAM_CLOSED);
		break;
	}
}

static void read_input(struct stream *s)
{
	enum stream_step step = STEP_DONE;
	size_t before = evbuffer_get_length(s->input);

	for (unsigned i = 0; i < READS_IN_A_TURN && wants_input(s); i++) {
		step = s->tls == NULL ? plain_read(s) : stream_tls_read(s);
		if (s->tls != NULL)
			stream_tls_look_ahead(s->tls);
		/* A socket tells when there is more; what OpenSSL has read ahead it does not. */
		if (step != STEP_DONE || s->tls == NULL || !s->tls->reads_ahead)
			break;
	}
	if (s->tls != NULL && step != STEP_DONE)
		s->tls->reads_ahead = false;
	if (evbuffer_get_length(s->input) > before) {
		s->heard_us = clock_monotonic_us();
		if (s->handlers->readable != NULL)
			s->handlers->readable(s, s->context);
	}
	if (step == STEP_END && !is_over(s) && s->phase == PHASE_OPEN)
		end_of_input(s);
}

/* --- writing --------------------------------------------------------------------- */

/* All is sent: end our side, and wait a little for the other. */
static void begin_lingering(struct stream *s)
{
	if (s->parts && s->tls == NULL && evbuffer_get_length(s->input) == 0) {
		finish(s, STREAM_CLOSED);
		return;
	}
	s->phase = PHASE_LINGERING;
	s->phase_us = after(LINGER_SECONDS);
	evbuffer_drain(s->input, evbuffer_get_length(s->input));
	if (shutdown(s->fd, SHUT_WR) != 0 || s->input_ended)
		finish(s, STREAM_CLOSED);
}

/* Output that was there before the handshake leaves in the clear; then it begins. */
static enum stream_step flush_before_handshake(struct stream *s)
{
	struct stream_tls *tls = s->tls;
	size_t before = evbuffer_get_length(s->output);
	enum stream_step step = stream_send(s, s->output, tls->plain_left);

	tls->plain_left -= before - evbuffer_get_length(s->output);
	if (step == STEP_DONE) {
		tls->phase = TLS_SHAKING;
		stream_soon(s, SOON_HANDSHAKE);
	}
	return step;
}

static enum stream_step send_output(struct stream *s)
{
	if (s->tls == NULL)
		return stream_send(s, s->output, evbuffer_get_length(s->output));
	switch (s->tls->phase) {
	case TLS_WAITING:
		return flush_before_handshake(s);
	case TLS_SHAKING:
		return stream_send(s, s->tls->wire, evbuffer_get_length(s->tls->wire));
	case TLS_SECURED:
		break;
	}
	return stream_tls_flush(s);
}

static void flush(struct stream *s)
{
	size_t before = stream_output_len(s);
	enum stream_step step;

	if (s->phase == PHASE_CONNECTING || s->phase == PHASE_LINGERING)
		return;
	step = send_output(s);
	if (step == STEP_FAILED)
		return;
	want(&s->writing, EV_WRITE, step == STEP_WAIT);
	if (s->phase == PHASE_CLOSING && step == STEP_DONE) {
		begin_lingering(s);
	} else if (s->phase == PHASE_OPEN && before > low_water(s) &&
		   stream_output_len(s) <= low_water(s) && s->handlers->drained != NULL) {
		s->handlers->drained(s, s->context);
	}
}

static void shake(struct stream *s)
{
	s->tls->suspended = s->tls->starved = false;
	switch (stream_tls_shake(s)) {
	case STEP_DONE:
		s->phase_us = 0;
		s->heard_us = clock_monotonic_us();
		if (evbuffer_get_length(s->output) > 0)
			stream_soon(s, SOON_FLUSH);
		if (s->handlers->secured != NULL)
			s->handlers->secured(s, s->context);
		break;
	case STEP_WAIT:
	case STEP_END:
	case STEP_FAILED:
		break;
	}
}

/* --- the event loop comes in here --------------------------------------------------- */

static void connected(struct stream *s)
{
	int error = 0;
	socklen_t len = sizeof error;

	if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		error = errno;
	if (error != 0) {
		stream_fail(s, STREAM_FAILED, error, "connecting failed");
		return;
	}
	s->phase = PHASE_OPEN;
	s->phase_us = 0;
	s->heard_us = s->progress_us = clock_monotonic_us();
	want(&s->writing, EV_WRITE, false);
	stream_soon(s, SOON_FLUSH);
	if (s->handlers->connected != NULL)
		s->handlers->connected(s, s->context);
}

static void on_reading(evutil_socket_t fd, short what, void *context)
{
	struct stream *s = context;

	(void)fd;
	(void)what;
	if (!s->is_reading) {
		event_del(&s->reading);
		return;
	}
	turn_begin(s);
	if (s->phase == PHASE_LINGERING)
		linger(s);
	else if (is_shaking(s) && s->phase == PHASE_OPEN)
		shake(s);
	else
		read_input(s);
	turn_end(s);
}

static void on_writing(evutil_socket_t fd, short what, void *context)
{
	struct stream *s = context;

	(void)fd;
	(void)what;
	turn_begin(s);
	if (s->phase == PHASE_CONNECTING)
		connected(s);
	else
		flush(s);
	turn_end(s);
}

static void on_soon(evutil_socket_t fd, short what, void *context)
{
	struct stream *s = context;
	unsigned work = s->work;

	(void)fd;
	(void)what;
	turn_begin(s);
	/* A failure is reported by turn_end; nothing else matters then. */
	s->work = work & SOON_END;
	if (!is_over(s) && (work & SOON_CONNECTED) != 0)
		connected(s);
	if (!is_over(s) && (work & SOON_HANDSHAKE) != 0)
		shake(s);
	if (!is_over(s) && (work & SOON_READABLE) != 0 && s->phase == PHASE_OPEN && !s->paused &&
	    evbuffer_get_length(s->input) > 0 && s->handlers->readable != NULL)
		s->handlers->readable(s, s->context);
	/* Last, so that what the handlers above said leaves at once. */
	if (!is_over(s) && ((work | s->work) & SOON_FLUSH) != 0 &&
	    event_pending(&s->writing, EV_WRITE, NULL) == 0) {
		s->work &= ~(unsigned)SOON_FLUSH;
		flush(s);
	}
	turn_end(s);
}

static const char *expired(struct stream *s)
{
	if (s->phase == PHASE_CONNECTING)
		return "connecting took too long";
	if (is_shaking(s))
		return "the TLS handshake took too long";
	return has_unsent(s) ? "the peer took no output for too long" : "the peer took too long";
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
	struct stream *s = context;
	uint64_t when;

	(void)fd;
	(void)what;
	turn_begin(s);
	s->armed_us = 0;
	if (has_hidden_input(s))
		read_input(s);
	else if (is_starved(s))
		shake(s);
	when = is_over(s) ? 0 : time_of_expiry(s);
	if (when != 0 && when <= clock_monotonic_us()) {
		if (s->phase == PHASE_LINGERING)
			finish(s, STREAM_CLOSED);
		else
			stream_fail(s, STREAM_TIMED_OUT, ETIMEDOUT, expired(s));
	}
	turn_end(s);
}

/* The owner changed a buffer. */
static void on_output(struct evbuffer *b, const struct evbuffer_cb_info *change, void *context)
{
	struct stream *s = context;

	(void)b;
	if (change->n_added == 0)
		return;
	if (stream_output_len(s) == change->n_added)
		s->progress_us = clock_monotonic_us();
	/* Where the socket is full, its event will come anyway. */
	if (event_pending(&s->writing, EV_WRITE, NULL) == 0)
		stream_soon(s, SOON_FLUSH);
}

static void on_input(struct evbuffer *b, const struct evbuffer_cb_info *change, void *context)
{
	struct stream *s = context;

	(void)b;
	/* Within a turn, its end settles this. */
	if (change->n_deleted > 0 && s->depth == 0 && change->orig_size >= s->limits.input)
		stream_settle(s);
}

/* --- the owner comes in here ----------------------------------------------------- */

struct stream *stream_new(
    struct event_base *base, int fd, const struct stream_handlers *handlers, void *context)
{
	struct stream *s = calloc(1, sizeof *s);

	if (s != NULL) {
		s->input = evbuffer_new();
		s->output = evbuffer_new();
	}
	if (s == NULL || s->input == NULL || s->output == NULL ||
	    evbuffer_add_cb(s->input, on_input, s) == NULL ||
	    evbuffer_add_cb(s->output, on_output, s) == NULL) {
		if (s != NULL && s->input != NULL)
			evbuffer_free(s->input);
		if (s != NULL && s->output != NULL)
			evbuffer_free(s->output);
		free(s);
		close(fd);
		return NULL;
	}
	s->base = base;
	s->fd = fd;
	s->handlers = handlers;
	s->context = context;
	s->limits = stream_default_limits;
	s->phase = PHASE_OPEN;
	s->error_text = "nothing went wrong";
	s->heard_us = s->progress_us = clock_monotonic_us();
	event_assign(&s->reading, base, fd, EV_READ | EV_PERSIST, on_reading, s);
	event_assign(&s->writing, base, fd, EV_WRITE | EV_PERSIST, on_writing, s);
	event_assign(&s->timer, base, -1, 0, on_timer, s);
	event_assign(&s->soon, base, -1, 0, on_soon, s);
	stream_settle(s);
	return s;
}

struct stream *stream_connect(struct event_base *base, const struct sockaddr *address,
    socklen_t address_len, const struct sockaddr *source, socklen_t source_len, unsigned seconds,
    const struct stream_handlers *handlers, void *context)
{
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int error = 0;
	struct stream *s;

	if (fd < 0)
		return NULL;
	if ((source != NULL && bind(fd, source, source_len) != 0) ||
	    connect(fd, address, address_len) != 0)
		error = errno;
	s = stream_new(base, fd, handlers, context);
	if (s == NULL) {
		errno = ENOMEM;
		return NULL;
	}
	want(&s->reading, EV_READ, false);
	s->phase = PHASE_CONNECTING;
	s->phase_us = after(seconds);
	if (error == 0)
		stream_soon(s, SOON_CONNECTED);
	else if (error == EINPROGRESS)
		want(&s->writing, EV_WRITE, true);
	else
		stream_fail(s, STREAM_FAILED, error, "connecting failed");
	arm_timer(s);
	return s;
}

void stream_free(struct stream *s)
{
	if (s == NULL || s->freed)
		return;
	s->freed = true;
	if (s->depth == 0)
		destroy(s);
}

void stream_set_handlers(struct stream *s, const struct stream_handlers *handlers, void *context)
{
	s->handlers = handlers;
	s->context = context;
}

void stream_set_limits(struct stream *s, const struct stream_limits *limits)
{
	s->limits = *limits;
	stream_settle(s);
}

void stream_set_deadline(struct stream *s, unsigned seconds)
{
	s->deadline_us = after(seconds);
	arm_timer(s);
}

struct evbuffer *stream_input(struct stream *s)
{
	return s->input;
}

struct evbuffer *stream_output(struct stream *s)
{
	return s->output;
}

void stream_write(struct stream *s, struct slice text)
{
	if (text.len > 0 && evbuffer_add(s->output, text.data, text.len) != 0)
		stream_fail(s, STREAM_FAILED, ENOMEM, "no memory for output");
}

void stream_printf(struct stream *s, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	if (evbuffer_add_vprintf(s->output, format, arguments) < 0)
		stream_fail(s, STREAM_FAILED, ENOMEM, "no memory for output");
	va_end(arguments);
}

bool stream_has_room(struct stream *s)
{
	return stream_output_len(s) < s->limits.output;
}

void stream_pause(struct stream *s)
{
	s->paused = true;
	if (s->depth == 0)
		stream_settle(s);
}

void stream_resume(struct stream *s)
{
	if (!s->paused)
		return;
	s->paused = false;
	s->heard_us = clock_monotonic_us();
	if (evbuffer_get_length(s->input) > 0)
		stream_soon(s, SOON_READABLE);
	if (s->depth == 0)
		stream_settle(s);
}

void stream_close_when_sent(struct stream *s)
{
	if (s->phase == PHASE_CONNECTING) {
		/* Nothing can have been sent: there is nothing to end in order. */
		stream_fail(s, STREAM_CLOSED, 0, "closed while connecting");
		return;
	}
	if (s->phase != PHASE_OPEN)
		return;
	s->phase = PHASE_CLOSING;
	s->phase_us = after(s->limits.write_seconds);
	/* Under a handshake that was never finished, nothing more can be said. */
	if (s->tls != NULL && s->tls->phase == TLS_SHAKING)
		evbuffer_drain(s->output, evbuffer_get_length(s->output));
	if (event_pending(&s->writing, EV_WRITE, NULL) == 0)
		stream_soon(s, SOON_FLUSH);
	if (s->depth == 0)
		stream_settle(s);
}

void stream_part(struct stream *s)
{
	s->parts = true;
	stream_close_when_sent(s);
}

const char *stream_error(const struct stream *s)
{
	return s->error_text;
}

int stream_errno(const struct stream *s)
{
	return s->error;
}

int stream_fd(const struct stream *s)
{
	return s->fd;
}
