/*
 * change.c - STORE, COPY, MOVE, EXPUNGE: what changes messages that are there.
 */
#include <stdlib.h>

#include "imapd/session/commands.h"
#include "imapd/session/fetch.h"

enum { UID_SETS_MAX = 512 * 1024 }; /* octets of COPYUID's sets; beyond it the client is not told */

static bool refuse_read_only(struct connection *c)
{
	if (!store_view_is_read_only(c->view))
		return false;
	reply_no(c, "[NOPERM] The mailbox was opened read-only");
	return true;
}

/* ---- STORE --------------------------------------------------------------- */

struct flag_order {
	enum store_flag_change how;
	bool silent;
	struct flag_list flags;
};

/* "+FLAGS.SILENT (\Seen)" */
static bool take_flag_order(struct syntax *s, struct flag_order *out)
{
	struct slice word;

	out->how = STORE_FLAGS_SET;
	if (syntax_accept(s, '+'))
		out->how = STORE_FLAGS_ADD;
	else if (syntax_accept(s, '-'))
		out->how = STORE_FLAGS_REMOVE;
	if (!syntax_atom(s, &word))
		return false;
	out->silent = slice_equal_nocase(word, SLICE("FLAGS.SILENT"));
	if (!out->silent && !slice_equal_nocase(word, SLICE("FLAGS")))
		return syntax_fail(s, "Unknown STORE item");
	return syntax_space(s) && syntax_store_flags(s, &out->flags);
}

static enum store_error keyword_bits(
    struct connection *c, const struct flag_order *order, uint64_t *bits)
{
	enum store_error error = STORE_OK;
	unsigned known = store_view_keyword_count(c->view);

	*bits = 0;
	for (size_t i = 0; i < order->flags.keyword_count && error == STORE_OK; i++) {
		uint64_t bit = 0;

		error = store_view_keyword_bit(
		    c->view, order->flags.keywords[i], order->how != STORE_FLAGS_REMOVE, &bit);
		*bits |= bit;
	}
	if (store_view_keyword_count(c->view) != known)
		say_known_flags(c);
	return error;
}

static void store(
    struct connection *c, const struct flag_order *order, uint32_t *seqs, size_t count)
{
	struct fetch_items items = {.facts = FETCH_FLAGS | (c->by_uid ? FETCH_UID : 0)};
	uint64_t keywords;
	enum store_error error = keyword_bits(c, order, &keywords);

	if (error == STORE_OK && count > 0) {
		error = store_flags_change(c->view, seqs, count, order->how, order->flags.system,
		    keywords, UINT64_MAX, NULL);
		tell_others(c);
	}
	if (error == STORE_OK && !order->silent) {
		begin_fetch(c, &items, seqs, count, "STORE");
		return;
	}
	free(seqs);
	if (error != STORE_OK)
		reply_store_error(c, error);
	else
		reply_ok(c, "STORE completed");
}

void cmd_store(struct connection *c, struct syntax *s)
{
	struct sequence set;
	struct flag_order order;
	uint32_t *seqs;
	size_t count;

	if (!syntax_space(s) || !syntax_sequence(s, &set) || !syntax_space(s) ||
	    !take_flag_order(s, &order) || !syntax_end(s))
		return;
	if (!refuse_read_only(c) && resolve_numbers(c, &set, &seqs, &count))
		store(c, &order, seqs, count);
}

/* ---- COPY and MOVE ------------------------------------------------------- */

struct transfer {
	uint32_t *seqs;
	uint32_t *old_uids, *new_uids; /* new: 0 where the message is gone */
	size_t count;
	uint32_t uidvalidity;
};

static void transfer_free(struct transfer *t)
{
	free(t->seqs);
	free(t->old_uids);
	free(t->new_uids);
}

/* "4:6,9": UIDs in order, those that follow one another as ranges; entries where `present` has 0 are left out. */
static void write_uid_set(
    struct buf *out, const uint32_t *uids, const uint32_t *present, size_t count)
{
	uint32_t first = 0, last = 0;

	for (size_t i = 0; i <= count; i++) {
		if (i < count && present[i] == 0)
			continue;
		if (i < count && last != 0 && uids[i] == last + 1) {
			last++;
			continue;
		}
		if (last > first)
			buf_printf(out, ":%u", last);
		if (i < count) {
			buf_printf(out, "%s%u", first == 0 ? "" : ",", uids[i]);
			first = last = uids[i];
		}
	}
}

/* "[COPYUID 38505 304,319:320 3956:3958] " (RFC 4315); nothing where no message was there to be copied. */
static void write_copyuid(struct buf *out, const struct transfer *t)
{
	size_t start;

	buf_printf(out, "[COPYUID %u ", t->uidvalidity);
	start = out->len;
	write_uid_set(out, t->old_uids, t->new_uids, t->count);
	if (out->len == start) {
		buf_clear(out);
		return;
	}
	buf_append_octet(out, ' ');
	write_uid_set(out, t->new_uids, t->new_uids, t->count);
	buf_append_string(out, "] ");
	if (out->overflowed)
		buf_clear(out);
}

static bool prepare_transfer(struct connection *c, struct transfer *t)
{
	t->old_uids = calloc(t->count + 1, sizeof *t->old_uids);
	t->new_uids = calloc(t->count + 1, sizeof *t->new_uids);
	if (t->old_uids == NULL || t->new_uids == NULL)
		return false;
	for (size_t i = 0; i < t->count; i++)
		t->old_uids[i] = store_view_message(c->view, t->seqs[i])->uid;
	return true;
}

static void transfer(struct connection *c, struct slice folder, struct transfer *t, bool move)
{
	enum store_error error = STORE_MEMORY;
	struct buf copyuid = buf_with_limit(UID_SETS_MAX);

	if (prepare_transfer(c, t))
		error = (move ? store_move : store_copy)(
		    c->view, t->seqs, t->count, folder, t->new_uids, &t->uidvalidity);
	if (error == STORE_NO_FOLDER)
		reply_no(c, "[TRYCREATE] No such mailbox");
	else if (error != STORE_OK)
		reply_store_error(c, error);
	else {
		write_copyuid(&copyuid, t);
		/* MOVE says it before the EXPUNGEs (RFC 6851, 4.3). */
		if (move && copyuid.len > 0) {
			say_string(c, "* OK ");
			say(c, buf_slice(&copyuid));
			say_string(c, "Moved\r\n");
			buf_clear(&copyuid);
		}
		reply_ok(c, "%.*s%s completed", SLICE_PRINTF(buf_slice(&copyuid)),
		    move ? "MOVE" : "COPY");
		tell_others(c);
	}
	buf_free(&copyuid);
}

static void copy_or_move(struct connection *c, struct syntax *s, bool move)
{
	struct sequence set;
	struct slice folder;
	struct transfer t = {0};

	if (!syntax_space(s) || !syntax_sequence(s, &set) || !syntax_space(s) ||
	    !syntax_mailbox(s, &folder) || !syntax_end(s))
		return;
	if ((move && refuse_read_only(c)) || !resolve_numbers(c, &set, &t.seqs, &t.count))
		return;
	transfer(c, folder, &t, move);
	transfer_free(&t);
}

void cmd_copy(struct connection *c, struct syntax *s)
{
	copy_or_move(c, s, false);
}

void cmd_move(struct connection *c, struct syntax *s)
{
	copy_or_move(c, s, true);
}

/* ---- EXPUNGE ------------------------------------------------------------- */

/* The EXPUNGE responses are announced with everything else that changed. */
void cmd_expunge(struct connection *c, struct syntax *s)
{
	struct sequence set;
	uint32_t *seqs = NULL;
	size_t count = 0;
	enum store_error error = STORE_OK;

	if ((c->by_uid && (!syntax_space(s) || !syntax_sequence(s, &set))) || !syntax_end(s))
		return;
	if (refuse_read_only(c) || (c->by_uid && !resolve_numbers(c, &set, &seqs, &count)))
		return;
	if (!c->by_uid || count > 0)
		error = store_expunge(c->view, seqs, count, false);
	free(seqs);
	if (error != STORE_OK)
		reply_store_error(c, error);
	else
		reply_ok(c, "EXPUNGE completed");
	tell_others(c);
}
