/*
 * find.c - SEARCH (RFC 3501, 6.4.4): walking the mailbox with the keys.
 */
#include <stdlib.h>

#include "imapd/session/commands.h"
#include "imapd/session/reading.h"
#include "imapd/session/search.h"

enum { CHEAP_A_STEP = 256 }; /* messages that only the index is asked about */

struct finding {
	struct search search;
	uint32_t seq;
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

static void look_at_message(struct connection *c, const struct finding *f)
{
	struct search_subject subject = {
	    f->seq, store_view_message(c->view, f->seq), size_of, envelope_of, mime_of, c};

	if ((subject.facts->flags & STORE_EXPUNGED) == 0 &&
	    search_matches(f->search.key, &subject) == SEARCH_YES)
		say_format(c, " %u", c->by_uid ? subject.facts->uid : f->seq);
}

static enum step find_step(struct connection *c, void *state)
{
	struct finding *f = state;
	unsigned messages = f->search.key->cost < SEARCH_NOT ? CHEAP_A_STEP : 1;
	uint32_t count = store_view_count(c->view);

	for (; messages > 0 && f->seq <= count; messages--, f->seq++)
		look_at_message(c, f);
	if (f->seq <= count)
		return STEP_MORE;
	reading_close(c);
	say_string(c, "\r\n");
	c->mid_line = false;
	reply_ok(c, "SEARCH completed");
	return STEP_DONE;
}

void cmd_search(struct connection *c, struct syntax *s)
{
	struct finding *f;
	struct search search;
	enum store_error error;

	if (!syntax_space(s) || !syntax_search(s, &search) || !syntax_end(s)) {
		if (search.unknown_charset.data != NULL) {
			s->fault = NULL;
			reply_no(c, "[BADCHARSET (UTF-8 US-ASCII)] That charset is not known here");
		}
		return;
	}
	error = search_bind(&search, c->view);
	f = error == STORE_OK ? calloc(1, sizeof *f) : NULL;
	if (f == NULL) {
		reply_store_error(c, error == STORE_OK ? STORE_MEMORY : error);
		return;
	}
	f->search = search;
	f->seq = 1;
	say_string(c, "* SEARCH");
	c->mid_line = true;
	begin_work(c, find_step, free, f);
}
