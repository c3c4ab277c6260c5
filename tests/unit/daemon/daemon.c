/*
 * daemon.c - a real daemon of the suite, with the test in master's and its peers'
 * place.
 */
#include "tests/unit/daemon/daemon.h"

#include <criterion/criterion.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/conf.h"

static bool on_control(struct channel *channel, struct message *m, void *context)
{
	struct daemon *d = context;
	struct reader r = message_reader(m);

	(void)channel;
	if (m->type == CONTROL_READY) {
		d->is_ready = true;
		return true;
	}
	if (m->type == CONTROL_CERTIFICATES_JUDGED) {
		d->judgements++;
		cr_assert(m->body.len <= sizeof d->judgement);
		memcpy(d->judgement, m->body.data, m->body.len);
		d->judgement_len = m->body.len;
		return true;
	}
	cr_assert_eq(m->type, CONTROL_SESSION);
	d->sessions++;
	return control_session_read(&r, &d->session) && reader_finished(&r);
}

static void on_control_closed(struct channel *channel, void *context)
{
	struct daemon *d = context;

	(void)channel;
	d->is_gone = true;
	d->control = NULL;
}

static const struct channel_handlers control_handlers = {on_control, on_control_closed, NULL};

static bool on_peer(struct channel *channel, struct message *m, void *context)
{
	(void)channel;
	(void)m;
	(void)context;
	return false;
}

static void on_peer_closed(struct channel *channel, void *context)
{
	(void)channel;
	if (context != NULL)
		((struct peer_end *)context)->closed = true;
}

static const struct channel_handlers peer_handlers = {on_peer, on_peer_closed, NULL};

static void encode(const char *text, struct buf *out)
{
	struct conf *conf = conf_new();
	struct writer w = {out};
	char error[CONF_ERROR_MAX];

	cr_assert(conf_read_text(conf, slice_string(text), "test", error), "%s", error);
	conf_encode(&w, conf);
	conf_free(conf);
}

static void run(const char *program, int socket)
{
	/* Descriptor 3 is where a daemon looks for master. */
	if (socket != 3)
		dup2(socket, 3);
	else
		fcntl(socket, F_SETFD, 0);
	execl(program, program, (char *)NULL);
	_exit(127);
}

void daemon_start(struct daemon *d, const char *program, enum role role, const char *conf)
{
	daemon_start_beside(d, event_base_new(), program, role, conf);
	d->owns_base = true;
}

void daemon_start_beside(struct daemon *d, struct event_base *base, const char *program,
    enum role role, const char *conf)
{
	struct buf encoded = buf_with_limit(1 << 20);
	struct control_setup setup = {.role = role, .files_limit = 256};
	int sockets[2];

	*d = (struct daemon){.base = base};
	cr_assert_eq(access(program, X_OK), 0, "%s is not built here", program);
	cr_assert_eq(channel_pair(sockets), 0);
	d->pid = fork();
	if (d->pid == 0)
		run(program, sockets[1]);
	close(sockets[1]);
	d->control = channel_new(d->base, sockets[0], &control_handlers, d);
	encode(conf, &encoded);
	setup.settings = buf_slice(&encoded);
	control_setup_write(channel_begin(d->control, CONTROL_SETUP, 0), &setup);
	channel_end(d->control);
	channel_flush(d->control);
	buf_free(&encoded);
	daemon_run_until(d, &d->is_ready);
}

void daemon_pause(const struct daemon *d)
{
	int status;

	/* The signal is on its way when kill() returns; that it has come is told like an end. */
	cr_assert_eq(kill(d->pid, SIGSTOP), 0);
	cr_assert_eq(waitpid(d->pid, &status, WUNTRACED), d->pid);
	cr_assert(WIFSTOPPED(status));
}

int daemon_stop(struct daemon *d)
{
	int status = -1;

	if (d->control != NULL) {
		channel_send(d->control, CONTROL_STOP, 0);
		daemon_run_until(d, &d->is_gone);
	}
	waitpid(d->pid, &status, 0);
	if (d->owns_base)
		event_base_free(d->base);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void send_peer(struct daemon *d, enum role peer, unsigned instance, int socket)
{
	const struct control_peer who = {.role = peer, .instance = instance};

	control_peer_write(channel_begin(d->control, CONTROL_PEER, 0), &who);
	channel_attach(d->control, socket);
	channel_end(d->control);
}

void daemon_join(struct daemon *one, enum role one_role, struct daemon *other, enum role other_role)
{
	int sockets[2];

	cr_assert_eq(channel_pair(sockets), 0);
	send_peer(one, other_role, 0, sockets[0]);
	send_peer(other, one_role, 0, sockets[1]);
}

void daemon_send_listener(struct daemon *d, enum service service, int socket)
{
	write_u8(channel_begin(d->control, CONTROL_LISTENER, 0), (uint8_t)service);
	channel_attach(d->control, socket);
	channel_end(d->control);
}

struct channel *daemon_peer_with(struct daemon *d, enum role peer, unsigned instance,
    const struct channel_handlers *handlers, void *context)
{
	int sockets[2];

	cr_assert_eq(channel_pair(sockets), 0);
	send_peer(d, peer, instance, sockets[1]);
	return channel_new(d->base, sockets[0], handlers, context);
}

struct channel *daemon_peer(struct daemon *d, enum role peer, unsigned instance, void *context)
{
	return daemon_peer_with(d, peer, instance, &peer_handlers, context);
}

void daemon_send_file(struct daemon *d, enum control_file kind, const char *name, int descriptor)
{
	struct writer *w = channel_begin(d->control, CONTROL_FILE, 0);

	write_u8(w, (uint8_t)kind);
	write_string(w, name);
	channel_attach(d->control, descriptor);
	channel_end(d->control);
}

void daemon_end_files(struct daemon *d)
{
	channel_send(d->control, CONTROL_FILES_END, 0);
}

void daemon_send_certificate(struct daemon *d, struct slice pem)
{
	const struct control_certificate certificate = {.file = SLICE("test"), .chain = pem};
	struct writer *w = channel_begin(d->control, CONTROL_CERTIFICATES, 0);

	write_u32(w, 1);
	control_certificate_write(w, &certificate);
	channel_end(d->control);
}

void daemon_reload(struct daemon *d, const char *conf)
{
	struct buf encoded = buf_with_limit(1 << 20);
	struct writer *w = channel_begin(d->control, CONTROL_RELOAD, 0);

	encode(conf, &encoded);
	buf_append_slice(w->out, buf_slice(&encoded));
	channel_end(d->control);
	buf_free(&encoded);
}

bool daemon_reply(struct message *answer, void *context)
{
	struct reply *reply = context;

	reply->came = true;
	reply->lost = answer == NULL;
	if (answer != NULL && answer->body.len <= sizeof reply->body) {
		reply->type = answer->type;
		reply->len = answer->body.len;
		memcpy(reply->body, answer->body.data, answer->body.len);
	}
	return true;
}

static void stop_loop(evutil_socket_t fd, short what, void *base)
{
	(void)fd;
	(void)what;
	event_base_loopbreak(base);
}

static void turn(struct daemon *d, unsigned milliseconds)
{
	struct timeval tv = {0, (suseconds_t)milliseconds * 1000};
	struct event *event = evtimer_new(d->base, stop_loop, d->base);

	evtimer_add(event, &tv);
	event_base_loop(d->base, EVLOOP_ONCE);
	event_free(event);
}

void daemon_run_until(struct daemon *d, const bool *flag)
{
	uint64_t last = clock_monotonic_us() + 5000000;

	while (!*flag) {
		cr_assert(clock_monotonic_us() < last, "waited in vain");
		cr_assert(flag == &d->is_gone || !d->is_gone, "the daemon is gone");
		turn(d, 20);
	}
}

void daemon_run_for(struct daemon *d, unsigned milliseconds)
{
	uint64_t last = clock_monotonic_us() + milliseconds * 1000;

	while (clock_monotonic_us() < last)
		turn(d, 10);
}
