/*
 * connection.c - one connection of a client: input, turns, output.
 */
#include "imapd/session/connection.h"

#include <event2/buffer.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "imapd/session/commands.h"
#include "imapd/session/reading.h"

enum {
	OUTPUT_PIECE = SESSION_DATA_MAX,
	REPLY_MAX = 1024 * 1024, /* octets of a tagged reply: COPYUID may list many messages */
	PULLUP_MAX = 65536,      /* octets of input looked at together */
};

static struct store *store;
static int home_fd;
static char account[321]; /* whose it is */
static unsigned connection_count;
static bool must_reopen; /* the index is worthless: it is opened anew once nobody uses it */

struct store *user_store(void)
{
	return store;
}

/* ---- output -------------------------------------------------------------- */

void say_now(struct connection *c)
{
	if (c->out.len > 0 && c->phase != PHASE_ENDED)
		session_send(c->session, buf_slice(&c->out));
	buf_clear(&c->out);
}

void say(struct connection *c, struct slice octets)
{
	if (c->out.len + octets.len > OUTPUT_PIECE)
		say_now(c);
	if (c->phase == PHASE_ENDED)
		return;
	if (octets.len > OUTPUT_PIECE)
		session_send(c->session, octets);
	else if (!buf_append_slice(&c->out, octets))
		cut_off(c);
}

void say_string(struct connection *c, const char *text)
{
	say(c, slice_string(text));
}

void say_format(struct connection *c, const char *format, ...)
{
	char text[1024];
	va_list arguments;
	int len;

	va_start(arguments, format);
	len = vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	if (len > 0)
		say(c, slice_of(text, (size_t)len < sizeof text ? (size_t)len : sizeof text - 1));
}

bool is_congested(const struct connection *c)
{
	return session_is_congested(c->session);
}

void end_connection(struct connection *c)
{
	if (c->phase == PHASE_ENDED)
		return;
	say_now(c);
	c->phase = PHASE_ENDED;
	event_del(c->timeout);
	event_del(c->again);
	session_end(c->session, c->commands);
}

void cut_off(struct connection *c)
{
	buf_clear(&c->out);
	end_connection(c);
}

void say_goodbye(struct connection *c, const char *text)
{
	if (!c->mid_line)
		say_format(c, "* BYE %s\r\n", text);
	end_connection(c);
}

/* ---- the end of a command ------------------------------------------------ */

static void __attribute__((format(printf, 3, 0)))
reply(struct connection *c, const char *status, const char *format, va_list arguments)
{
	buf_clear(&c->reply);
	buf_printf(&c->reply, "%s %s ", c->tag[0] == '\0' ? "*" : c->tag, status);
	buf_vprintf(&c->reply, format, arguments);
	buf_append_string(&c->reply, "\r\n");
	if (c->phase != PHASE_ENDED)
		c->phase = PHASE_ANNOUNCING;
}

void reply_ok(struct connection *c, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	reply(c, "OK", format, arguments);
	va_end(arguments);
}

void reply_no(struct connection *c, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	reply(c, "NO", format, arguments);
	va_end(arguments);
}

void reply_bad(struct connection *c, const char *format, ...)
{
	va_list arguments;

	c->bad_commands++;
	va_start(arguments, format);
	reply(c, "BAD", format, arguments);
	va_end(arguments);
}

const char *store_error_response(enum store_error error)
{
	switch (error) {
	case STORE_NO_FOLDER:
		return "[NONEXISTENT] No such mailbox";
	case STORE_EXISTS:
		return "[ALREADYEXISTS] There is a mailbox of that name";
	case STORE_BAD_NAME:
		return "[CANNOT] That name cannot be used";
	case STORE_DENIED:
		return "[CANNOT] That cannot be done to this mailbox";
	case STORE_GONE:
		return "[EXPUNGEISSUED] The message is no longer there";
	case STORE_FULL:
		return "[OVERQUOTA] There is no space left";
	case STORE_LIMIT:
		return "[LIMIT] A limit of this server is reached";
	case STORE_MEMORY:
		return "[UNAVAILABLE] Out of memory";
	default:
		return "[SERVERBUG] Internal error; it has been logged";
	}
}

static bool is_worth_a_line(enum store_error error)
{
	return error == STORE_FULL || error == STORE_CORRUPT || error == STORE_IO ||
	       error == STORE_MEMORY;
}

void log_store_error(enum store_error error)
{
	if (is_worth_a_line(error))
		log_error("store-failed", log_string("what", store_error_text(error)),
		    log_string("detail", store_failure(store)));
}

static void say_corrupt(struct session *session, void *context, void *argument)
{
	const struct timeval soon = {0, 0};
	struct connection *c = context;

	(void)session;
	(void)argument;
	c->farewell = FAREWELL_CORRUPT;
	event_add(c->again, &soon);
}

/* Every connection ends; the first that comes after the last of them finds a new index. */
void give_up_index(void)
{
	must_reopen = true;
	session_each(say_corrupt, NULL);
}

void reply_store_error(struct connection *c, enum store_error error)
{
	log_store_error(error);
	/* Without a mailbox that could have been replaced it is the index itself that was. */
	if (error == STORE_CORRUPT || (error == STORE_STALE && c->view == NULL))
		give_up_index();
	else if (error == STORE_STALE)
		c->farewell = FAREWELL_STALE;
	reply_no(c, "%s", store_error_response(error));
}

void begin_work(struct connection *c, enum step (*step)(struct connection *, void *),
    void (*drop)(void *), void *state)
{
	c->work = (struct work){step, drop, state};
	c->phase = PHASE_WORKING;
}

static void drop_work(struct connection *c)
{
	if (c->work.drop != NULL)
		c->work.drop(c->work.state);
	c->work = (struct work){0};
}

/* The tagged reply, and ready for the next command. */
static void finish_command(struct connection *c)
{
	drop_work(c);
	arena_free(&c->arena);
	c->arena = arena_with_limit(CONNECTION_ARENA_MAX);
	gather_next(&c->gather);
	say(c, buf_slice(&c->reply));
	buf_free(&c->reply);
	c->command = NULL;
	c->by_uid = false;
	if (c->phase == PHASE_ENDED)
		return;
	c->phase = PHASE_READY;
	if (c->bad_commands >= CONNECTION_BAD_MAX)
		c->farewell = "Too many malformed commands";
	if (c->farewell != NULL)
		say_goodbye(c, c->farewell);
}

void save_result(struct connection *c, struct sequence result)
{
	free(c->saved.ranges);
	c->saved = result;
}

void leave_mailbox(struct connection *c)
{
	reading_close(c);
	save_result(c, (struct sequence){0});
	store_view_close(c->view);
	c->view = NULL;
	c->announcement.active = false;
}

/* ---- input --------------------------------------------------------------- */

static void restart_timeout(struct connection *c)
{
	struct timeval wait = {settings->imap.idle_timeout, 0};

	event_add(c->timeout, &wait);
}

/* A literal in a command that is no APPEND's message: into the text, or refused. */
static void take_or_refuse_literal(struct connection *c)
{
	bool waits = c->gather.literal_waits;

	if (gather_accept(&c->gather)) {
		if (waits) {
			say_string(c, "+ OK\r\n");
			say_now(c);
		}
		return;
	}
	read_tag(c);
	c->bad_commands++;
	c->refusal = "[TOOBIG] The literal is too large";
	if (gather_refuse(&c->gather))
		reply_no(c, "%s", c->refusal);
}

static void take_event(struct connection *c, enum gather_event event)
{
	switch (event) {
	case GATHER_MORE:
		return;
	case GATHER_COMMAND:
		c->commands++;
		run_command(c);
		return;
	case GATHER_LITERAL:
		if (!append_literal(c))
			take_or_refuse_literal(c);
		return;
	case GATHER_REFUSED:
		reply_no(c, "%s", c->refusal);
		return;
	case GATHER_TOO_LONG:
		say_goodbye(c, "[TOOBIG] The command is too long");
		return;
	}
}

/* False: there is nothing to take, or not enough. */
static bool take_input(struct connection *c)
{
	size_t len = evbuffer_get_length(c->in), taken;
	enum gather_event event;

	if (len == 0)
		return false;
	if (len > PULLUP_MAX)
		len = PULLUP_MAX;
	event =
	    gather_take(&c->gather, slice_of(evbuffer_pullup(c->in, (ev_ssize_t)len), len), &taken);
	evbuffer_drain(c->in, taken);
	take_event(c, event);
	return true;
}

static void hold_input(struct connection *c)
{
	size_t len = evbuffer_get_length(c->in);

	if (!c->input_held && len >= CONNECTION_INPUT_MAX) {
		session_pause(c->session);
		c->input_held = true;
	} else if (c->input_held && len < CONNECTION_INPUT_MAX / 2 && c->phase != PHASE_ENDED) {
		c->input_held = false;
		session_resume(c->session);
	}
}

/* ---- turns --------------------------------------------------------------- */

/* Do something; false where nothing can be done before an event. */
static bool advance(struct connection *c)
{
	switch (c->phase) {
	case PHASE_READY:
		if (c->farewell != NULL)
			say_goodbye(c, c->farewell);
		return take_input(c);
	case PHASE_APPENDING:
		return append_input(c);
	case PHASE_IDLING:
		return idle_input(c);
	case PHASE_WORKING:
		if (c->work.step(c, c->work.state) == STEP_DONE)
			drop_work(c);
		return true;
	case PHASE_ANNOUNCING:
		if (!c->announcement.active && c->view != NULL)
			begin_announcement(c, command_keeps_numbers(c) ? STORE_KEEP_EXPUNGED : 0);
		if (c->phase == PHASE_ANNOUNCING && announce_step(c) == STEP_DONE)
			finish_command(c);
		return true;
	case PHASE_ENDED:
		break;
	}
	return false;
}

static void take_turn(struct connection *c)
{
	uint64_t until = clock_monotonic_us() + CONNECTION_TURN_MS * 1000;
	const struct timeval soon = {0, 0};

	while (c->phase != PHASE_ENDED && !is_congested(c) && advance(c))
		if (clock_monotonic_us() >= until) {
			event_add(c->again, &soon);
			break;
		}
	say_now(c);
	hold_input(c);
}

static void on_again(evutil_socket_t fd, short events, void *argument)
{
	struct connection *c = argument;

	(void)fd;
	(void)events;
	c->look = true;
	take_turn(c);
}

static void on_timeout(evutil_socket_t fd, short events, void *argument)
{
	struct connection *c = argument;

	(void)fd;
	(void)events;
	/* A client that waits for us, or does not take what we say, is not idle; the front sees to the latter. */
	if (c->phase == PHASE_WORKING || c->phase == PHASE_ANNOUNCING)
		restart_timeout(c);
	else
		say_goodbye(c, "Idle for too long");
}

/* ---- what the framework calls -------------------------------------------- */

static void look_at(struct connection *c)
{
	const struct timeval soon = {0, 0};

	c->look = true;
	if (c->phase == PHASE_IDLING)
		event_add(c->again, &soon);
}

static void tell_one(struct session *session, void *context, void *argument)
{
	(void)session;
	if (context != argument)
		look_at(context);
}

void tell_others(struct connection *c)
{
	session_each(tell_one, c);
}

static bool open_store(void)
{
	const struct store_options options = {settings->hostname, STORE_REBUILD};
	enum store_error error = store_open(home_fd, &options, &store);

	if (error != STORE_OK) {
		log_error("cannot-open-mailbox", log_string("account", account),
		    log_string("what", store_error_text(error)),
		    log_string("detail", store_failure(NULL)));
		return false;
	}
	if (store_was_rebuilt(store))
		log_warning("index-rebuilt", log_string("account", account));
	must_reopen = false;
	return true;
}

static bool start(struct event_base *base, int home, const char *who)
{
	(void)base;
	home_fd = home;
	snprintf(account, sizeof account, "%s", who);
	return open_store();
}

/* False: the index is worthless, and cannot be replaced yet. */
static bool has_store(void)
{
	if (!must_reopen)
		return true;
	if (connection_count > 0)
		return false;
	store_close(store);
	store = NULL;
	return open_store();
}

static void free_connection(struct connection *c)
{
	connection_count--;
	append_drop(c);
	drop_work(c);
	leave_mailbox(c);
	if (c->timeout != NULL)
		event_free(c->timeout);
	if (c->again != NULL)
		event_free(c->again);
	if (c->in != NULL)
		evbuffer_free(c->in);
	gather_free(&c->gather);
	arena_free(&c->arena);
	buf_free(&c->out);
	buf_free(&c->reply);
	free(c);
}

static bool connected(struct session *session, const struct session_begin *begin, void **context)
{
	struct connection *c = calloc(1, sizeof *c);
	struct event_base *base = session_base();

	(void)begin; /* what the client has sent already comes as data */
	if (!has_store() || c == NULL) {
		free(c);
		return false;
	}
	connection_count++;
	c->session = session;
	c->in = evbuffer_new();
	c->timeout = evtimer_new(base, on_timeout, c);
	c->again = evtimer_new(base, on_again, c);
	c->out = buf_with_limit(OUTPUT_PIECE);
	c->reply = buf_with_limit(REPLY_MAX);
	c->gather = gather_with_limit(GATHER_COMMAND_MAX);
	c->arena = arena_with_limit(CONNECTION_ARENA_MAX);
	if (c->in == NULL || c->timeout == NULL || c->again == NULL) {
		free_connection(c);
		return false;
	}
	restart_timeout(c);
	*context = c;
	return true;
}

static void data(struct session *session, void *context, struct slice octets)
{
	struct connection *c = context;

	(void)session;
	if (c->phase == PHASE_ENDED)
		return;
	if (evbuffer_add(c->in, octets.data, octets.len) == -1) {
		say_goodbye(c, "Out of memory");
		return;
	}
	restart_timeout(c);
	take_turn(c);
}

static void drained(struct session *session, void *context)
{
	(void)session;
	take_turn(context);
}

static void new_mail(struct session *session, void *context)
{
	(void)session;
	look_at(context);
}

static void goodbye(struct session *session, void *context)
{
	(void)session;
	say_goodbye(context, "The server is shutting down");
}

static void ended(struct session *session, void *context)
{
	(void)session;
	free_connection(context);
}

static int64_t linger(void)
{
	return settings->imap.session_linger;
}

const struct session_protocol imap_protocol = {
    .role = ROLE_IMAP_SESSION,
    .start = start,
    .connected = connected,
    .data = data,
    .drained = drained,
    .new_mail = new_mail,
    .goodbye = goodbye,
    .ended = ended,
    .linger = linger,
};
