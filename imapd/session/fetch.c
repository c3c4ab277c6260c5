/*
 * fetch.c - FETCH (RFC 3501, 6.4.5).
 *
 * A message's response is what the index knows, said in one go, then its
 * sections, each sent as the client takes it.  Everything that can fail is
 * opened before the response begins; a message that has gone meanwhile is left
 * out, and the tagged reply says so (RFC 2180, 4.1).
 */
#include "imapd/session/fetch.h"

#include <stdlib.h>

#include "imapd/session/commands.h"
#include "imapd/session/section.h"
#include "message/date.h"

enum { SEEN_BATCH = 256 }; /* messages marked \Seen in one transaction, just before they are said */

struct fetch {
	const char *verb;
	struct fetch_items items;
	uint32_t *seqs;
	size_t count, at;
	bool is_open;   /* this message's response has begun */
	size_t section; /* which of its sections is next */
	bool section_is_open;
	struct section_source source;
	/* \Seen */
	size_t marked; /* seqs before this one have been looked at */
	bool newly_seen[SEEN_BATCH];
	bool told_others;
	/* what could not be told */
	bool some_gone;
	enum store_error error;
};

static void fetch_free(void *state)
{
	struct fetch *f = state;

	section_close(&f->source);
	free(f->seqs);
	free(f);
}

/* ---- \Seen --------------------------------------------------------------- */

/* Mark the next batch of messages as seen, and keep which of them were not before. */
static void mark_seen(struct connection *c, struct fetch *f)
{
	uint32_t unseen[SEEN_BATCH];
	size_t count = 0;
	enum store_error error;

	for (size_t i = 0; i < SEEN_BATCH; i++) {
		uint32_t seq = f->marked + i < f->count ? f->seqs[f->marked + i] : 0;

		f->newly_seen[i] = seq != 0 && (store_view_message(c->view, seq)->flags &
						   (STORE_SEEN | STORE_EXPUNGED)) == 0;
		if (f->newly_seen[i])
			unseen[count++] = seq;
	}
	f->marked += SEEN_BATCH;
	if (count == 0)
		return;
	error = store_flags_change(
	    c->view, unseen, count, STORE_FLAGS_ADD, STORE_SEEN, 0, UINT64_MAX, NULL);
	if (error != STORE_OK)
		log_store_error(error);
	else if (!f->told_others) {
		f->told_others = true;
		tell_others(c);
	}
}

static bool became_seen(const struct fetch *f)
{
	return f->marked > 0 && f->newly_seen[f->at % SEEN_BATCH];
}

/* ---- what the index knows ------------------------------------------------ */

struct facts {
	const struct store_message *message;
	uint64_t size;
	struct store_texts texts;
};

static enum store_error gather_facts(
    struct connection *c, unsigned wanted, uint32_t seq, struct facts *out)
{
	enum store_error error = STORE_OK;

	out->message = store_view_message(c->view, seq);
	out->size = out->message->size;
	if ((wanted & FETCH_SIZE) != 0 && out->size == UINT64_MAX)
		error = store_view_size(c->view, seq, &out->size);
	if (error == STORE_OK && (wanted & FETCH_TEXTS) != 0)
		error = store_view_texts(c->view, seq, &out->texts);
	return error;
}

static void say_item(
    struct connection *c, const char **separator, const char *name, struct slice value)
{
	say_string(c, *separator);
	say_string(c, name);
	say(c, value);
	*separator = " ";
}

static void say_internal_date(struct connection *c, const char **separator, int64_t seconds)
{
	struct buf text = buf_with_limit(DATE_TEXT_MAX + 2);
	struct date date = date_local(seconds);

	buf_append_octet(&text, '"');
	date_write_internal(&date, &text);
	buf_append_octet(&text, '"');
	say_item(c, separator, "INTERNALDATE ", buf_slice(&text));
	buf_free(&text);
}

/* "separator" is what stands before the next item. */
static void say_facts(
    struct connection *c, unsigned wanted, const struct facts *facts, const char **separator)
{
	if ((wanted & FETCH_UID) != 0) {
		say_format(c, "UID %u", facts->message->uid);
		*separator = " ";
	}
	if ((wanted & FETCH_FLAGS) != 0) {
		say_string(c, *separator);
		say_flags(c, facts->message);
		*separator = " ";
	}
	if ((wanted & FETCH_INTERNALDATE) != 0)
		say_internal_date(c, separator, facts->message->internal_date);
	if ((wanted & FETCH_SIZE) != 0) {
		say_format(c, "%sRFC822.SIZE %llu", *separator, (unsigned long long)facts->size);
		*separator = " ";
	}
	if ((wanted & FETCH_ENVELOPE) != 0)
		say_item(c, separator, "ENVELOPE ", facts->texts.envelope);
	if ((wanted & FETCH_BODY) != 0)
		say_item(c, separator, "BODY ", facts->texts.body);
	if ((wanted & FETCH_BODYSTRUCTURE) != 0)
		say_item(c, separator, "BODYSTRUCTURE ", facts->texts.bodystructure);
}

/* ---- messages ------------------------------------------------------------ */

static void say_section_head(struct connection *c, const struct fetch_section *section,
    const struct section_source *source, bool first)
{
	if (!first)
		say_string(c, " ");
	say(c, section->label);
	if (source->where == SECTION_IS_NIL)
		say_string(c, " NIL");
	else
		say_format(c, " {%llu}\r\n", (unsigned long long)source->left);
}

/* Begin a message's response, its first section being open already.  False: it cannot be told of. */
static bool begin_message(struct connection *c, struct fetch *f)
{
	uint32_t seq = f->seqs[f->at];
	unsigned wanted = f->items.facts | (became_seen(f) ? FETCH_FLAGS : 0);
	const char *separator = "";
	struct facts facts;
	enum store_error error = STORE_OK;

	if ((store_view_message(c->view, seq)->flags & STORE_EXPUNGED) != 0)
		error = STORE_GONE;
	else if (f->items.section_count > 0)
		error = section_open(c, seq, &f->items.sections[0], &f->source);
	if (error == STORE_OK)
		error = gather_facts(c, wanted, seq, &facts);
	if (error != STORE_OK) {
		section_close(&f->source);
		if (error == STORE_GONE)
			f->some_gone = true;
		else
			f->error = error;
		return false;
	}
	say_format(c, "* %u FETCH (", seq);
	say_facts(c, wanted, &facts, &separator);
	f->is_open = true;
	f->section = 0;
	if (f->items.section_count > 0) {
		say_section_head(c, &f->items.sections[0], &f->source, separator[0] == '\0');
		f->section_is_open = true;
	}
	return true;
}

/* The next section of a message whose response has begun: there is no way back. */
static void open_next_section(struct connection *c, struct fetch *f)
{
	const struct fetch_section *section = &f->items.sections[f->section];
	enum store_error error = section_open(c, f->seqs[f->at], section, &f->source);

	/* NIL is the truth: there is nothing that could be shown. */
	if (error != STORE_OK) {
		f->error = error;
		section_close(&f->source);
	}
	say_section_head(c, section, &f->source, false);
	f->section_is_open = true;
}

static void end_message(struct connection *c, struct fetch *f)
{
	say_string(c, ")\r\n");
	f->is_open = false;
	f->at++;
	c->mid_line = false;
}

static void reply_done(struct connection *c, struct fetch *f)
{
	if (f->error != STORE_OK && f->error != STORE_GONE)
		reply_store_error(c, f->error);
	else if (f->some_gone || f->error == STORE_GONE)
		reply_no(c, "[EXPUNGEISSUED] Some of the messages are no longer there");
	else
		reply_ok(c, "%s completed", f->verb);
}

static enum step fetch_step(struct connection *c, void *state)
{
	struct fetch *f = state;

	if (f->section_is_open) {
		if (section_send(c, &f->source) == STEP_MORE)
			return STEP_MORE;
		section_close(&f->source);
		f->section_is_open = false;
		f->section++;
		return STEP_MORE;
	}
	if (f->is_open) {
		if (f->section < f->items.section_count)
			open_next_section(c, f);
		else
			end_message(c, f);
		return STEP_MORE;
	}
	if (f->at == f->count) {
		reply_done(c, f);
		return STEP_DONE;
	}
	if (f->items.sets_seen && f->at == f->marked && !store_view_is_read_only(c->view))
		mark_seen(c, f);
	if (begin_message(c, f))
		c->mid_line = true;
	else
		f->at++;
	return STEP_MORE;
}

void begin_fetch(struct connection *c, const struct fetch_items *items, uint32_t *seqs,
    size_t count, const char *verb)
{
	struct fetch *f = calloc(1, sizeof *f);

	if (f == NULL) {
		free(seqs);
		reply_store_error(c, STORE_MEMORY);
		return;
	}
	f->verb = verb;
	f->items = *items;
	f->seqs = seqs;
	f->count = count;
	begin_work(c, fetch_step, fetch_free, f);
}

void cmd_fetch(struct connection *c, struct syntax *s)
{
	struct sequence set;
	struct fetch_items items;
	uint32_t *seqs;
	size_t count;

	if (!syntax_space(s) || !syntax_sequence(s, &set) || !syntax_space(s) ||
	    !syntax_fetch_items(s, &items) || !syntax_end(s))
		return;
	if (c->by_uid)
		items.facts |= FETCH_UID;
	if (resolve_numbers(c, &set, &seqs, &count))
		begin_fetch(c, &items, seqs, count, "FETCH");
}
