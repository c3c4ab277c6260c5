/*
 * list.c - LIST and LSUB (RFC 3501, 6.3.8 and 6.3.9; RFC 5258, 5819, 6154).
 */
#include "imapd/session/list.h"

#include <stdlib.h>

#include "imapd/session/pattern.h"
#include "message/encoding.h"

enum {
	NAMES_A_STEP = 64,
	LINE_MAX_OCTETS = 8192,
};

struct listing {
	struct store_folder_list folders;
	struct list_request request;
	bool *reached; /* by a pattern, in the order of the folders */
	bool is_lsub;
	size_t at;
};

static void listing_free(void *state)
{
	struct listing *l = state;

	store_folder_list_free(&l->folders);
	list_request_free(&l->request);
	free(l->reached);
	free(l);
}

static bool name_matches(const struct listing *l, struct slice name)
{
	struct buf encoded = buf_with_limit(4 * STORE_NAME_MAX);
	bool matches = false;

	if (mutf7_encode(name, &encoded))
		for (size_t i = 0; i < l->request.pattern_count && !matches; i++)
			matches = pattern_matches(
			    buf_slice(&l->request.patterns[i]), buf_slice(&encoded));
	buf_free(&encoded);
	return matches;
}

/* ---- LIST ---------------------------------------------------------------- */

/* What the selection options ask for, whatever its name. */
static bool is_selected(const struct listing *l, const struct store_folder_info *folder)
{
	unsigned selected = l->request.selected;

	if ((selected & SELECT_SUBSCRIBED) != 0 && !folder->subscribed)
		return false;
	if ((selected & SELECT_SPECIAL_USE) != 0 && folder->special_use == 0)
		return false;
	/* What is only subscribed is not there. */
	return folder->exists || folder->has_children || (selected & SELECT_SUBSCRIBED) != 0;
}

static bool is_below(struct slice name, struct slice above)
{
	return name.len > above.len && name.data[above.len] == '/' &&
	       slice_starts_with(name, above);
}

/*
 * Is there a selected one below that is not told by itself (RFC 5258, 3.5)?  What is below
 * follows at once, but for INBOX, which stands in front of all.
 */
static bool has_selected_below(const struct listing *l)
{
	struct slice above = slice_string(l->folders.folders[l->at].name);

	if ((l->request.selected & SELECT_RECURSIVE) == 0)
		return false;
	for (size_t i = l->at + 1; i < l->folders.count; i++) {
		const struct store_folder_info *other = &l->folders.folders[i];

		if (!is_below(slice_string(other->name), above)) {
			if (l->at > 0)
				return false;
		} else if (!l->reached[i] && is_selected(l, other)) {
			return true;
		}
	}
	return false;
}

static void write_attributes(
    const struct listing *l, const struct store_folder_info *folder, struct buf *out)
{
	const char *separator = "";

	if (!folder->exists) {
		buf_append_string(out, l->request.is_extended ? "\\NonExistent" : "\\Noselect");
		separator = " ";
	}
	if (folder->exists || folder->has_children) {
		buf_printf(out, "%s%s", separator,
		    folder->has_children ? "\\HasChildren" : "\\HasNoChildren");
		separator = " ";
	}
	if (folder->subscribed && (l->request.returned & RETURN_SUBSCRIBED) != 0)
		buf_printf(out, "%s\\Subscribed", separator);
	store_use_write(folder->special_use, " ", out);
}

static void say_listed(struct connection *c, const struct listing *l,
    const struct store_folder_info *folder, bool has_below)
{
	struct buf line = buf_with_limit(LINE_MAX_OCTETS);

	buf_append_string(&line, "* LIST (");
	write_attributes(l, folder, &line);
	buf_append_string(&line, ") \"/\" ");
	write_mailbox(&line, slice_string(folder->name));
	if (has_below)
		buf_printf(&line, " (\"CHILDINFO\" (\"%s\"))",
		    (l->request.selected & SELECT_SUBSCRIBED) != 0 ? "SUBSCRIBED" : "SPECIAL-USE");
	buf_append_string(&line, "\r\n");
	say(c, buf_slice(&line));
	buf_free(&line);
}

/* One that is gone by now, or cannot be looked at, has no status; the client sees its name (RFC 5819, 2). */
static void list_status(struct connection *c, const struct listing *l, const char *name)
{
	enum store_error error = say_status(c, slice_string(name), l->request.status);

	log_store_error(error);
	if (error == STORE_CORRUPT)
		give_up_index();
}

/* Whether anything was looked at that takes time. */
static bool list_one(
    struct connection *c, const struct listing *l, const struct store_folder_info *folder)
{
	bool has_below;

	if (!l->reached[l->at])
		return false;
	has_below = has_selected_below(l);
	if (!has_below && !is_selected(l, folder))
		return false;
	say_listed(c, l, folder, has_below);
	if (l->request.status == 0 || !folder->exists)
		return false;
	list_status(c, l, folder->name);
	return true;
}

/* ---- LSUB ---------------------------------------------------------------- */

static void say_subscribed(struct connection *c, const char *attributes, struct slice name)
{
	struct buf line = buf_with_limit(LINE_MAX_OCTETS);

	buf_printf(&line, "* LSUB (%s) \"/\" ", attributes);
	write_mailbox(&line, name);
	buf_append_string(&line, "\r\n");
	say(c, buf_slice(&line));
	buf_free(&line);
}

/* Is there a subscribed name before this one below the same superior?  Names with one beginning stand together. */
static bool superior_was_said(const struct listing *l, struct slice superior_with_delimiter)
{
	for (size_t i = l->at; i-- > 0;) {
		if (!slice_starts_with(
			slice_string(l->folders.folders[i].name), superior_with_delimiter))
			return false;
		if (l->folders.folders[i].subscribed)
			return true;
	}
	return false;
}

/* INBOX stands first, the others in octet order. */
static bool is_subscribed(const struct listing *l, struct slice name)
{
	const struct store_folder_info *folders = l->folders.folders;
	size_t low = 1, high = l->at;

	if (l->at > 0 && slice_equal(slice_string(folders[0].name), name))
		return folders[0].subscribed;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = slice_compare(name, slice_string(folders[middle].name));

		if (order == 0)
			return folders[middle].subscribed;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return false;
}

/*
 * A subscribed name that "%" does not reach stands for its superior, which is
 * told with \Noselect though it is not subscribed itself.
 */
static void lsub_superior(struct connection *c, const struct listing *l, struct slice name)
{
	for (size_t i = 1; i < name.len; i++) {
		struct slice superior = slice_part(name, 0, i);

		if (name.data[i] == '/' && !superior_was_said(l, slice_part(name, 0, i + 1)) &&
		    name_matches(l, superior) && !is_subscribed(l, superior))
			say_subscribed(c, "\\Noselect", superior);
	}
}

static void lsub_one(
    struct connection *c, const struct listing *l, const struct store_folder_info *folder)
{
	struct slice name = slice_string(folder->name);

	if (!folder->subscribed)
		return;
	if (l->reached[l->at])
		say_subscribed(c, folder->exists ? "" : "\\Noselect", name);
	else if (slice_find(buf_slice(&l->request.patterns[0]), 0, '%') >= 0)
		lsub_superior(c, l, name);
}

/* ---- the walk ------------------------------------------------------------ */

static enum step list_step(struct connection *c, void *state)
{
	struct listing *l = state;
	bool took_time = false;

	for (unsigned i = 0; i < NAMES_A_STEP && l->at < l->folders.count && !took_time;
	     i++, l->at++) {
		const struct store_folder_info *folder = &l->folders.folders[l->at];

		if (l->is_lsub)
			lsub_one(c, l, folder);
		else
			took_time = list_one(c, l, folder);
	}
	if (l->at < l->folders.count)
		return STEP_MORE;
	reply_ok(c, "%s completed", l->is_lsub ? "LSUB" : "LIST");
	return STEP_DONE;
}

/* Hold all names against the patterns.  False where memory is short. */
static bool reach(struct listing *l)
{
	l->reached = calloc(l->folders.count + 1, sizeof *l->reached);
	if (l->reached == NULL)
		return false;
	for (size_t i = 0; i < l->folders.count; i++)
		l->reached[i] = name_matches(l, slice_string(l->folders.folders[i].name));
	return true;
}

static void list(struct connection *c, struct syntax *s, bool is_lsub)
{
	struct listing *l = calloc(1, sizeof *l);
	enum store_error error;

	if (l == NULL) {
		reply_store_error(c, STORE_MEMORY);
		return;
	}
	l->is_lsub = is_lsub;
	if (!list_request_take(s, !is_lsub, &l->request)) {
		listing_free(l);
		return;
	}
	if (l->request.asks_for_delimiter) {
		say_string(c, "* LIST (\\Noselect) \"/\" \"\"\r\n");
		reply_ok(c, "LIST completed");
		listing_free(l);
		return;
	}
	error = store_folder_list(user_store(), &l->folders);
	if (error == STORE_OK && !reach(l))
		error = STORE_MEMORY;
	if (error != STORE_OK) {
		listing_free(l);
		reply_store_error(c, error);
		return;
	}
	begin_work(c, list_step, listing_free, l);
}

void cmd_list(struct connection *c, struct syntax *s)
{
	list(c, s, false);
}

void cmd_lsub(struct connection *c, struct syntax *s)
{
	list(c, s, true);
}
