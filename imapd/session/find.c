/*
 * find.c - SEARCH (RFC 3501, 6.4.4; RFC 4731, 5182): walking the mailbox with the keys.
 *
 * A plain SEARCH tells each message as it is found.  An extended one keeps what it found
 * as ranges, and tells and saves what was asked for at the end.
 */
#include <stdlib.h>
#include <string.h>

#include "imapd/session/commands.h"
#include "imapd/session/reading.h"
#include "imapd/session/search.h"

enum { CHEAP_A_STEP = 256 }; /* messages that only the index is asked about */

/* Messages found, in ascending order. */
struct found {
	struct sequence set;
	size_t room;
	uint32_t count;
};

struct finding {
	struct search search;
	uint32_t seq;
	struct found numbers; /* as they are told: UIDs or sequence numbers */
	struct found saved;   /* UIDs */
	bool failed;          /* memory is short */
};

static bool size_of(void *context, uint32_t seq, uint64_t *size)
{
	struct connection *c = context;

	*size = store_view_message(c->view, seq)->size;
	return *size != UINT64_MAX || store_view_size(c->view, seq, size) == STORE_OK;
}

static bool envelope_of(void *context, uint32_t seq, struct slice *envelope)
{
	struct connection *c = context;
	struct store_texts texts;

	if (store_view_texts(c->view, seq, &texts) != STORE_OK)
		return false;
	*envelope = texts.envelope;
	return true;
}

static bool mime_of(void *context, uint32_t seq, const struct mime **mime)
{
	struct connection *c = context;

	return reading_mime(c, seq, mime) == STORE_OK;
}

/* ---- what was found ------------------------------------------------------ */

static bool add_number(struct found *found, uint32_t number)
{
	struct sequence *set = &found->set;
	struct range *last = set->count == 0 ? NULL : &set->ranges[set->count - 1];

	found->count++;
	if (last != NULL && last->last + 1 == number) {
		last->last = number;
		return true;
	}
	if (set->count == found->room) {
		size_t room = found->room == 0 ? 16 : found->room * 2;
		struct range *ranges = reallocarray(set->ranges, room, sizeof *ranges);

		if (ranges == NULL)
			return false;
		set->ranges = ranges;
		found->room = room;
	}
	set->ranges[set->count++] = (struct range){number, number};
	return true;
}

static void found_message(struct connection *c, struct finding *f, uint32_t uid)
{
	uint32_t number = c->by_uid ? uid : f->seq;

	if (!f->search.is_extended)
		say_format(c, " %u", number);
	else if (!add_number(&f->numbers, number) ||
		 ((f->search.returned & RETURN_SAVE) != 0 && !add_number(&f->saved, uid)))
		f->failed = true;
}

/* Where nothing but the ends is asked for, they are what is saved (RFC 5182, 2.1). */
static void save_ends_only(struct finding *f)
{
	struct sequence *set = &f->saved.set;
	bool min = (f->search.returned & RETURN_MIN) != 0, max = (f->search.returned & RETURN_MAX) != 0;
	uint32_t first, last;

	if ((f->search.returned & (RETURN_ALL | RETURN_COUNT)) != 0 || (!min && !max) ||
	    set->count == 0)
		return;
	first = set->ranges[0].first;
	last = set->ranges[set->count - 1].last;
	set->ranges[0] = min ? (struct range){first, first} : (struct range){last, last};
	set->count = 1; /* there is room for a second */
	if (min && max && first != last)
		add_number(&f->saved, last);
}

static void save(struct connection *c, struct finding *f)
{
	if ((f->search.returned & RETURN_SAVE) == 0)
		return;
	save_ends_only(f);
	save_result(c, f->saved.set);
	f->saved.set = (struct sequence){0};
}

static void say_set(struct connection *c, const struct sequence *set)
{
	for (size_t i = 0; i < set->count; i++) {
		const struct range *range = &set->ranges[i];

		if (range->first == range->last)
			say_format(c, "%s%u", i == 0 ? "" : ",", range->first);
		else
			say_format(c, "%s%u:%u", i == 0 ? "" : ",", range->first, range->last);
	}
}

static void say_extended(struct connection *c, const struct finding *f)
{
	const struct sequence *set = &f->numbers.set;
	unsigned returned = f->search.returned;

	if (returned == RETURN_SAVE)
		return;
	say_format(c, "* ESEARCH (TAG \"%s\")%s", c->tag, c->by_uid ? " UID" : "");
	if ((returned & RETURN_MIN) != 0 && set->count > 0)
		say_format(c, " MIN %u", set->ranges[0].first);
	if ((returned & RETURN_MAX) != 0 && set->count > 0)
		say_format(c, " MAX %u", set->ranges[set->count - 1].last);
	if ((returned & RETURN_COUNT) != 0)
		say_format(c, " COUNT %u", f->numbers.count);
	if ((returned & RETURN_ALL) != 0 && set->count > 0) {
		say_string(c, " ALL ");
		say_set(c, set);
	}
	say_string(c, "\r\n");
}

/* ---- the walk ------------------------------------------------------------ */

static void look_at_message(struct connection *c, struct finding *f)
{
	struct search_subject subject = {
	    f->seq, store_view_message(c->view, f->seq), size_of, envelope_of, mime_of, c};

	if ((subject.facts->flags & STORE_EXPUNGED) == 0 &&
	    search_matches(f->search.key, &subject) == SEARCH_YES)
		found_message(c, f, subject.facts->uid);
}

static void finish(struct connection *c, struct finding *f)
{
	reading_close(c);
	if (!f->search.is_extended) {
		say_string(c, "\r\n");
		c->mid_line = false;
	} else if (f->failed) {
		save_result(c, (struct sequence){0});
		reply_store_error(c, STORE_MEMORY);
		return;
	} else {
		say_extended(c, f);
		save(c, f);
	}
	reply_ok(c, "SEARCH completed");
}

static enum step find_step(struct connection *c, void *state)
{
	struct finding *f = state;
	unsigned messages = f->search.key->cost < SEARCH_NOT ? CHEAP_A_STEP : 1;
	uint32_t count = store_view_count(c->view);

	for (; messages > 0 && f->seq <= count; messages--, f->seq++)
		look_at_message(c, f);
	if (f->seq <= count && !f->failed)
		return STEP_MORE;
	finish(c, f);
	return STEP_DONE;
}

static void drop(void *state)
{
	struct finding *f = state;

	free(f->numbers.set.ranges);
	free(f->saved.set.ranges);
	free(f);
}

/* A search that fails has saved nothing (RFC 5182, 2.1). */
static void fail(struct connection *c, const struct search *search, enum store_error error)
{
	if ((search->returned & RETURN_SAVE) != 0)
		save_result(c, (struct sequence){0});
	reply_store_error(c, error);
}

static bool take_search(struct connection *c, struct syntax *s, struct search *search)
{
	if (syntax_space(s) && syntax_search(s, search) && syntax_end(s))
		return true;
	if (search->unknown_charset.data != NULL) {
		s->fault = NULL;
		if ((search->returned & RETURN_SAVE) != 0)
			save_result(c, (struct sequence){0});
		reply_no(c, "[BADCHARSET (UTF-8 US-ASCII)] That charset is not known here");
	}
	return false;
}

void cmd_search(struct connection *c, struct syntax *s)
{
	struct finding *f;
	struct search search = {0};
	enum store_error error;

	if (!take_search(c, s, &search))
		return;
	error = search_bind(&search, c->view, &c->saved);
	f = error == STORE_OK ? calloc(1, sizeof *f) : NULL;
	if (f == NULL) {
		fail(c, &search, error == STORE_OK ? STORE_MEMORY : error);
		return;
	}
	f->search = search;
	f->seq = 1;
	if (!search.is_extended) {
		say_string(c, "* SEARCH");
		c->mid_line = true;
	}
	begin_work(c, find_step, drop, f);
}
