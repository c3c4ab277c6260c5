/*
 * milter_link.c - connections to milters.
 */
#include "policy/milter_link.h"

#include <stdlib.h>
#include <sys/queue.h>

#include "common/log.h"
#include "common/stream.h"
#include "policy/dial.h"

enum { LEAVE_SECONDS = 5 }; /* for the goodbye to be taken */

enum link_state { LINK_CONNECTING, LINK_NEGOTIATING, LINK_USED, LINK_IDLE };

struct milter_link {
	TAILQ_ENTRY(milter_link) entry; /* of the milter's idle ones, while it is one */
	struct milter *milter;
	enum link_state state;
	struct dial *dialling;
	struct stream *stream;
	struct milter_talk talk;
	bool has_talk;
	struct event *timer; /* of whatever is awaited; of idleness */
	struct event *woken; /* an idle link is ready for its new user */
	int64_t seconds;     /* that the timer was set to */
	uint64_t progress;   /* of the talk, when its user came */
	bool is_reused;
	const struct milter_link_user *user;
	void *context;
};

struct milter {
	struct conf_milter settings;
	char *text; /* of the settings, to see whether a reload changed them */
	unsigned holders;
	TAILQ_HEAD(, milter_link) idle;
	unsigned idle_count;
	bool is_retired; /* the settings do not name it any more */
};

static struct event_base *base;
static struct milter *milters[MILTERS_MAX];
static size_t milter_count;

/* --- milters ------------------------------------------------------------------------ */

static void link_free(struct milter_link *link);
static void link_leave(struct milter_link *link);

struct milter *milter_hold(struct milter *milter)
{
	milter->holders++;
	return milter;
}

void milter_release(struct milter *milter)
{
	if (--milter->holders > 0)
		return;
	conf_group_free(&conf_milter_group, &milter->settings);
	free(milter->text);
	free(milter);
}

const struct conf_milter *milter_settings(const struct milter *milter)
{
	return &milter->settings;
}

size_t milters_count(void)
{
	return milter_count;
}

struct milter *milters_at(size_t which)
{
	return milters[which];
}

static struct milter *milter_new(const char *text)
{
	struct milter *milter = calloc(1, sizeof *milter);

	if (milter == NULL)
		return NULL;
	TAILQ_INIT(&milter->idle);
	milter->holders = 1;
	milter->text = strdup(text);
	if (milter->text != NULL && conf_group_read(&conf_milter_group, text, &milter->settings))
		return milter;
	free(milter->text);
	free(milter);
	return NULL;
}

static void milter_retire(struct milter *milter)
{
	struct milter_link *link;

	milter->is_retired = true;
	while ((link = TAILQ_FIRST(&milter->idle)) != NULL)
		link_leave(link);
	milter_release(milter);
}

/* One that we have already keeps its connections. */
static struct milter *milter_for(const char *text, struct milter *old[], size_t old_count)
{
	for (size_t i = 0; i < old_count; i++)
		if (strcmp(old[i]->text, text) == 0)
			return milter_hold(old[i]);
	return milter_new(text);
}

bool milters_configure(struct event_base *event_base)
{
	const struct conf_list *list = &settings->milters;
	struct milter *old[MILTERS_MAX];
	size_t old_count = milter_count;
	bool good = list->count <= MILTERS_MAX;

	base = event_base;
	memcpy(old, milters, sizeof old);
	milter_count = 0;
	for (size_t i = 0; i < list->count && milter_count < MILTERS_MAX; i++) {
		struct milter *milter = milter_for(list->words[i], old, old_count);

		if (milter != NULL)
			milters[milter_count++] = milter;
		else
			good = false;
	}
	for (size_t i = 0; i < old_count; i++) {
		bool is_kept = false;

		for (size_t j = 0; j < milter_count; j++)
			is_kept |= milters[j] == old[i];
		if (is_kept)
			milter_release(old[i]);
		else
			milter_retire(old[i]);
	}
	if (!good)
		log_error("milters-incomplete", log_number("milters", milter_count));
	return good;
}

/* --- a link's end ---------------------------------------------------------------------- */

static void link_free(struct milter_link *link)
{
	if (link->state == LINK_IDLE) {
		TAILQ_REMOVE(&link->milter->idle, link, entry);
		link->milter->idle_count--;
	}
	dial_cancel(link->dialling);
	stream_free(link->stream);
	if (link->has_talk)
		milter_talk_free(&link->talk);
	if (link->timer != NULL)
		event_free(link->timer);
	if (link->woken != NULL)
		event_free(link->woken);
	milter_release(link->milter);
	free(link);
}

static void left(struct stream *stream, enum stream_end end, void *context)
{
	(void)context;
	/* Some milters answer, although nobody asked. */
	if (end != STREAM_END_OF_INPUT)
		stream_free(stream);
}

/* Say goodbye, and leave the stream to itself until that is sent. */
static void link_leave(struct milter_link *link)
{
	static const struct stream_handlers leaving = {.closed = left};
	static const struct stream_limits limits = {
	    .input = 1024, .output = MILTER_OUTPUT_WANTED, .write_seconds = LEAVE_SECONDS};

	if (link->has_talk && link->stream != NULL) {
		milter_talk_quit(&link->talk);
		stream_set_handlers(link->stream, &leaving, NULL);
		stream_set_limits(link->stream, &limits);
		stream_close_when_sent(link->stream);
		link->stream = NULL;
	}
	link_free(link);
}

/* The user, if there is one, has to do without it. */
static void link_fail(struct milter_link *link, const char *why)
{
	const struct milter_link_user *user = link->user;
	void *context = link->context;
	bool is_stale = link->is_reused && link->talk.progress == link->progress;

	link_free(link);
	if (user != NULL)
		user->failed(context, why, is_stale);
}

static void timed_out(int descriptor, short events, void *context)
{
	struct milter_link *link = context;

	(void)descriptor, (void)events;
	switch (link->state) {
	case LINK_IDLE:
		link_leave(link);
		break;
	case LINK_CONNECTING:
	case LINK_NEGOTIATING:
		link_fail(link, "no connection in time");
		break;
	case LINK_USED:
		link_fail(link, "no answer in time");
		break;
	}
}

static void set_timer(struct milter_link *link, int64_t seconds)
{
	link->seconds = seconds;
	event_add(link->timer, &(struct timeval){.tv_sec = seconds});
}

/* --- a link's life --------------------------------------------------------------------- */

static void link_ready(struct milter_link *link)
{
	link->state = LINK_USED;
	link->progress = link->talk.progress;
	event_del(link->timer);
	link->user->ready(link->context);
}

static void woken(int descriptor, short events, void *context)
{
	(void)descriptor, (void)events;
	link_ready(context);
}

static void readable(struct stream *stream, void *context)
{
	struct milter_link *link = context;
	uint64_t progress = link->talk.progress;

	if (link->state == LINK_IDLE) {
		link_free(link);
		return;
	}
	switch (milter_talk_input(&link->talk, stream_input(stream))) {
	case MILTER_WAITS:
		if (link->talk.progress != progress)
			set_timer(link, link->seconds);
		break;
	case MILTER_ANSWERED:
		event_del(link->timer);
		if (link->state == LINK_NEGOTIATING)
			link_ready(link);
		else
			link->user->answered(link->context);
		break;
	case MILTER_BROKEN:
		link_fail(link, link->talk.problem);
		break;
	}
}

static void drained(struct stream *stream, void *context)
{
	struct milter_link *link = context;

	(void)stream;
	if (link->state == LINK_USED)
		link->user->drained(link->context);
}

static void closed(struct stream *stream, enum stream_end end, void *context)
{
	(void)stream;
	link_fail(context,
	    end == STREAM_END_OF_INPUT ? "it closed the connection" : "the connection was lost");
}

static const struct stream_handlers handlers = {
    .readable = readable,
    .drained = drained,
    .closed = closed,
};

/* A host's may still be on its way; what is said meanwhile waits for it. */
static void begin(struct milter_link *link)
{
	static const struct stream_limits limits = {
	    .input = 2 * (MILTER_PACKET_MAX + MILTER_FRAME), /* a whole packet has to fit */
	    .output = MILTER_OUTPUT_WANTED, /* time is kept here, and not by the stream */
	};

	stream_set_limits(link->stream, &limits);
	link->state = LINK_NEGOTIATING;
	milter_talk_begin(&link->talk, stream_output(link->stream));
	link->has_talk = true;
}

static void dialled(void *context, struct stream *stream, const char *problem)
{
	struct milter_link *link = context;

	link->dialling = NULL;
	link->stream = stream;
	if (stream == NULL)
		link_fail(link, problem);
	else
		begin(link);
}

/* False where there is no connection to be had. */
static bool connect_link(struct milter_link *link)
{
	const struct conf_milter *to = &link->milter->settings;
	struct service_address address;

	if (!service_address_parse(slice_string(to->address), &address))
		return false;
	link->stream = dial(
	    &address, (unsigned)to->connect_timeout, &handlers, link, dialled, &link->dialling);
	if (link->stream != NULL)
		begin(link);
	return link->stream != NULL || link->dialling != NULL;
}

static struct milter_link *take_idle(struct milter *milter)
{
	struct milter_link *link = TAILQ_FIRST(&milter->idle);

	if (link == NULL)
		return NULL;
	TAILQ_REMOVE(&milter->idle, link, entry);
	milter->idle_count--;
	link->state = LINK_NEGOTIATING;
	link->is_reused = true;
	link->progress = link->talk.progress;
	event_del(link->timer);
	event_active(link->woken, EV_TIMEOUT, 0);
	return link;
}

static struct milter_link *link_new(struct milter *milter)
{
	struct milter_link *link = calloc(1, sizeof *link);

	if (link == NULL)
		return NULL;
	link->milter = milter_hold(milter);
	link->timer = evtimer_new(base, timed_out, link);
	link->woken = evtimer_new(base, woken, link);
	if (link->timer != NULL && link->woken != NULL) {
		set_timer(link, milter->settings.connect_timeout);
		if (connect_link(link))
			return link;
	}
	link_free(link);
	return NULL;
}

struct milter_link *milter_link_open(
    struct milter *milter, bool is_fresh, const struct milter_link_user *user, void *context)
{
	struct milter_link *link = is_fresh ? NULL : take_idle(milter);

	if (link == NULL)
		link = link_new(milter);
	if (link == NULL)
		return NULL;
	link->user = user;
	link->context = context;
	return link;
}

void milter_link_close(struct milter_link *link)
{
	if (link == NULL)
		return;
	link->user = NULL;
	if (link->state == LINK_USED && !link->milter->is_retired &&
	    link->milter->idle_count < MILTER_IDLE_LINKS && milter_talk_end(&link->talk)) {
		link->state = LINK_IDLE;
		TAILQ_INSERT_HEAD(&link->milter->idle, link, entry);
		link->milter->idle_count++;
		set_timer(link, MILTER_IDLE_SECONDS);
		return;
	}
	link_leave(link);
}

struct milter_talk *milter_link_talk(struct milter_link *link)
{
	return &link->talk;
}

void milter_link_expect(struct milter_link *link, int64_t seconds)
{
	set_timer(link, seconds);
}

bool milter_link_has_room(struct milter_link *link)
{
	return stream_has_room(link->stream);
}
