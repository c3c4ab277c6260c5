/*
 * session.c - a client's connection after login: its octets become lines, lines become
 * commands, one after another.
 */
#include <event2/event.h>
#include <stdarg.h>
#include <stdlib.h>

#include "common/conf.h"
#include "common/log.h"
#include "pop3d/session/maildrop.h"

/* Open while somebody is logged in, so that it is closed in order before the process ends. */
static struct store *store;
static unsigned users;
static int home_fd;
static char account[512];

/* ---- output ---- */

void maildrop_reply(struct maildrop *drop, const char *format, ...)
{
	struct buf b = buf_with_limit(MAILDROP_LINE_MAX);
	va_list arguments;

	va_start(arguments, format);
	buf_vprintf(&b, format, arguments);
	va_end(arguments);
	buf_append_string(&b, "\r\n");
	session_send(drop->session, buf_slice(&b));
	buf_free(&b);
}

void maildrop_failed(struct maildrop *drop, enum store_error error)
{
	if (error == STORE_GONE) {
		maildrop_reply(drop, "-ERR That message was deleted by another program");
		return;
	}
	log_error("mailbox-failed", log_string("account", account),
	    log_string("reason", store_error_text(error)),
	    log_string("detail", store_failure(store)));
	maildrop_reply(drop, "-ERR [SYS/TEMP] The mailbox cannot be read just now");
}

void maildrop_end(struct maildrop *drop)
{
	if (drop->is_over)
		return;
	drop->is_over = true;
	session_end(drop->session, drop->commands);
}

/* ---- input ---- */

static void refuse_long_line(struct maildrop *drop)
{
	maildrop_reply(drop, "-ERR The line is too long");
	maildrop_end(drop);
}

/* Take the next line and run it; false where no whole one is there. */
static bool run_line(struct maildrop *drop)
{
	struct slice input = buf_slice(&drop->input);
	ssize_t end = slice_find(slice_part(input, 0, MAILDROP_LINE_MAX), 0, '\n');
	struct slice line;

	if (end < 0) {
		if (input.len >= MAILDROP_LINE_MAX)
			refuse_long_line(drop);
		return false;
	}
	line = slice_part(input, 0, (size_t)end);
	if (slice_ends_with(line, SLICE("\r")))
		line.len--;
	maildrop_command(drop, line);
	buf_consume(&drop->input, (size_t)end + 1);
	if (drop->bad_commands >= MAILDROP_BAD_MAX && !drop->is_over) {
		maildrop_drop_answer(drop);
		maildrop_reply(drop, "-ERR Too many malformed commands");
		maildrop_end(drop);
	}
	return true;
}

/* As many commands as there are, as far as the channel takes the answers. */
static void run(struct maildrop *drop)
{
	bool goes_on = true;

	if (drop->is_running)
		return;
	drop->is_running = true;
	while (goes_on && !drop->is_over && maildrop_go_on(drop) && !drop->is_over)
		goes_on = !session_is_congested(drop->session) && run_line(drop);
	drop->is_running = false;
	if (drop->is_over)
		return;
	if (drop->answer != ANSWER_NONE || session_is_congested(drop->session))
		session_pause(drop->session);
	else
		session_resume(drop->session);
}

static void start_idle_timer(struct maildrop *drop)
{
	struct timeval wait = {(time_t)settings->pop3.idle_timeout, 0};

	if (drop->idle != NULL)
		event_add(drop->idle, &wait);
}

static void data(struct session *session, void *context, struct slice octets)
{
	struct maildrop *drop = context;

	(void)session;
	if (drop->is_over)
		return;
	start_idle_timer(drop);
	if (!buf_append_slice(&drop->input, octets)) {
		maildrop_drop_answer(drop);
		refuse_long_line(drop);
		return;
	}
	run(drop);
}

static void drained(struct session *session, void *context)
{
	struct maildrop *drop = context;

	(void)session;
	if (drop->is_over)
		return;
	start_idle_timer(drop);
	run(drop);
}

/* ---- beginning and end ---- */

/* Silent, or not reading: RFC 1939, 3: the connection is closed, and nothing is deleted. */
static void on_idle(int socket, short what, void *context)
{
	struct maildrop *drop = context;

	(void)socket;
	(void)what;
	if (drop->answer == ANSWER_NONE)
		maildrop_reply(drop, "-ERR You were silent for too long; nothing was deleted");
	maildrop_end(drop);
}

static void goodbye(struct session *session, void *context)
{
	struct maildrop *drop = context;

	(void)session;
	/* In the middle of an answer a line more would be taken for a part of it. */
	if (!drop->is_over && drop->answer == ANSWER_NONE)
		maildrop_reply(
		    drop, "-ERR [SYS/TEMP] The server is shutting down; nothing was deleted");
	maildrop_end(drop);
}

static enum store_error open_store(void)
{
	struct store_options options = {.hostname = settings->hostname, .flags = STORE_REBUILD};
	enum store_error error;

	if (store != NULL)
		return STORE_OK;
	error = store_open(home_fd, &options, &store);
	if (error == STORE_OK && store_was_rebuilt(store))
		log_warning("index-rebuilt", log_string("account", account));
	return error;
}

static void close_store(void)
{
	if (--users > 0)
		return;
	store_close(store);
	store = NULL;
}

static bool open_maildrop(struct maildrop *drop)
{
	enum store_error error = open_store();

	if (error == STORE_OK)
		error = store_view_open(store, SLICE("INBOX"), STORE_KEEP_RECENT, &drop->view);
	/* A record that makes no sense was found: the next opening builds the index anew. */
	if (error == STORE_CORRUPT && users == 1 && store != NULL) {
		store_close(store);
		store = NULL;
		error = open_store();
		if (error == STORE_OK)
			error =
			    store_view_open(store, SLICE("INBOX"), STORE_KEEP_RECENT, &drop->view);
	}
	if (error != STORE_OK) {
		maildrop_failed(drop, error);
		return false;
	}
	drop->is_deleted =
	    calloc((size_t)store_view_count(drop->view) + 1, sizeof *drop->is_deleted);
	return drop->is_deleted != NULL;
}

static bool connected(struct session *session, const struct session_begin *begin, void **context)
{
	struct maildrop *drop = calloc(1, sizeof *drop);

	(void)begin;
	if (drop == NULL)
		return false;
	drop->session = session;
	drop->input = buf_with_limit(MAILDROP_INPUT_MAX + MAILDROP_LINE_MAX);
	drop->idle = evtimer_new(session_base(), on_idle, drop);
	*context = drop;
	users++;
	if (open_maildrop(drop))
		start_idle_timer(drop);
	else
		maildrop_end(drop);
	return true;
}

static void ended(struct session *session, void *context)
{
	struct maildrop *drop = context;

	(void)session;
	maildrop_drop_answer(drop);
	store_view_close(drop->view);
	free(drop->is_deleted);
	buf_free(&drop->input);
	if (drop->idle != NULL)
		event_free(drop->idle);
	free(drop);
	close_store();
}

static bool start(struct event_base *base, int home, const char *name)
{
	(void)base;
	home_fd = home;
	strlcpy(account, name, sizeof account);
	return true;
}

const struct session_protocol pop3_session = {
    .role = ROLE_POP3_SESSION,
    .start = start,
    .connected = connected,
    .data = data,
    .drained = drained,
    .goodbye = goodbye,
    .ended = ended,
};
