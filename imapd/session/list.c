/*
 * list.c - LIST and LSUB (RFC 3501, 6.3.8 and 6.3.9).
 */
#include <stdlib.h>

#include "imapd/session/commands.h"
#include "imapd/session/pattern.h"
#include "message/encoding.h"

enum {
	NAMES_A_STEP = 64,
	LINE_MAX_OCTETS = 8192,
};

struct listing {
	struct store_folder_list folders;
	struct buf
	    pattern; /* reference and mailbox together, in modified UTF-7 like the names it is held against */
	bool subscribed; /* LSUB */
	size_t at;
};

static void listing_free(void *state)
{
	struct listing *l = state;

	store_folder_list_free(&l->folders);
	buf_free(&l->pattern);
	free(l);
}

static bool name_matches(const struct listing *l, struct slice name)
{
	struct buf encoded = buf_with_limit(4 * STORE_NAME_MAX);
	bool matches = mutf7_encode(name, &encoded) &&
		       pattern_matches(buf_slice(&l->pattern), buf_slice(&encoded));

	buf_free(&encoded);
	return matches;
}

static void say_name(
    struct connection *c, const char *verb, const char *attributes, struct slice name)
{
	struct buf line = buf_with_limit(LINE_MAX_OCTETS);

	buf_printf(&line, "* %s (%s) \"/\" ", verb, attributes);
	write_mailbox(&line, name);
	buf_append_string(&line, "\r\n");
	say(c, buf_slice(&line));
	buf_free(&line);
}

static const char *list_attributes(const struct store_folder_info *folder)
{
	if (!folder->exists)
		return "\\Noselect \\HasChildren";
	return folder->has_children ? "\\HasChildren" : "\\HasNoChildren";
}

static void list_one(
    struct connection *c, const struct listing *l, const struct store_folder_info *folder)
{
	struct slice name = slice_string(folder->name);

	/* What is only subscribed is not there. */
	if ((folder->exists || folder->has_children) && name_matches(l, name))
		say_name(c, "LIST", list_attributes(folder), name);
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
			say_name(c, "LSUB", "\\Noselect", superior);
	}
}

static void lsub_one(
    struct connection *c, const struct listing *l, const struct store_folder_info *folder)
{
	struct slice name = slice_string(folder->name);

	if (!folder->subscribed)
		return;
	if (name_matches(l, name))
		say_name(c, "LSUB", folder->exists ? "" : "\\Noselect", name);
	else if (slice_find(buf_slice(&l->pattern), 0, '%') >= 0)
		lsub_superior(c, l, name);
}

static enum step list_step(struct connection *c, void *state)
{
	struct listing *l = state;

	for (unsigned i = 0; i < NAMES_A_STEP && l->at < l->folders.count; i++, l->at++) {
		const struct store_folder_info *folder = &l->folders.folders[l->at];

		if (l->subscribed)
			lsub_one(c, l, folder);
		else
			list_one(c, l, folder);
	}
	if (l->at < l->folders.count)
		return STEP_MORE;
	reply_ok(c, "%s completed", l->subscribed ? "LSUB" : "LIST");
	return STEP_DONE;
}

/* A pattern that begins with the delimiter does not care for the reference; ours has no root to begin at. */
static void put_pattern_together(struct buf *out, struct slice reference, struct slice mailbox)
{
	if (slice_starts_with(mailbox, SLICE("/")))
		mailbox = slice_from(mailbox, 1);
	else
		buf_append_slice(out, reference);
	buf_append_slice(out, mailbox);
}

static void list(struct connection *c, struct syntax *s, bool subscribed)
{
	struct slice reference, mailbox;
	struct listing *l;
	enum store_error error;

	if (!syntax_space(s) || !syntax_list_mailbox(s, &reference) || !syntax_space(s) ||
	    !syntax_list_mailbox(s, &mailbox) || !syntax_end(s))
		return;
	if (slice_is_empty(mailbox) && !subscribed) {
		say_string(c, "* LIST (\\Noselect) \"/\" \"\"\r\n");
		reply_ok(c, "LIST completed");
		return;
	}
	l = calloc(1, sizeof *l);
	if (l == NULL) {
		reply_store_error(c, STORE_MEMORY);
		return;
	}
	l->subscribed = subscribed;
	l->pattern = buf_with_limit(PATTERN_MAX);
	put_pattern_together(&l->pattern, reference, mailbox);
	error = store_folder_list(user_store(), &l->folders);
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
