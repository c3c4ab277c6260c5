/*
 * copy.c - copying and moving messages within a home: hard links.
 *
 * A copy has a name of its own.  Where a delivered message may not be on disk yet (its
 * durable copy being the queue's journal, under the old name) its file is flushed first.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/maildir.h"
#include "store/private.h"

enum {
	FLUSH_EACH_MAX = 8, /* more files than this are flushed by one syncfs(2) */
	ATTEMPTS = 2,
};

#define TRY_AGAIN ((enum store_error) - 1)
#define REPLAY_US (MAILDIR_REPLAY_DAYS * UINT64_C(86400) * 1000000)

struct item {
	struct mail mail; /* of the original, then of the copy */
	char source[FILE_NAME_SIZE];
	size_t request; /* its place in the caller's list */
	bool is_linked;
};

struct copying {
	struct store_view *view;
	uint32_t target;
	bool is_move;
	bool is_last_try;
	struct change change;
	struct folder source; /* as it was at the beginning: its keywords */
	int source_fd;
	struct own_change target_own;
	struct item *items;
	size_t count;
};

static enum store_error open_cur(struct copying *c)
{
	char path[PATH_BELOW_SIZE];

	folder_path(c->source.directory, "cur", "", path);
	c->source_fd = open_directory(c->view->store->maildir_fd, path);
	return c->source_fd >= 0 ? STORE_OK : folder_failed(c->view->store, &c->source, "open");
}

/* The records of what is to be copied; what is gone is left out. */
static enum store_error gather(struct copying *c, const uint32_t *seqs, size_t count)
{
	c->items = calloc(count, sizeof *c->items);
	if (c->items == NULL)
		return STORE_MEMORY;
	for (size_t i = 0; i < count; i++) {
		const struct store_message *message = &c->view->messages[seqs[i] - 1];
		struct item *item = &c->items[c->count];
		enum store_error result;

		if ((message->flags & STORE_EXPUNGED) != 0)
			continue;
		result = index_get_mail(&c->change.txn, c->view->folder, message->uid, &item->mail);
		if (result == STORE_GONE)
			continue;
		if (result != STORE_OK)
			return result;
		strlcpy(item->source, item->mail.name, sizeof item->source);
		item->request = i;
		c->count++;
	}
	return STORE_OK;
}

static bool needs_flush(const struct copying *c, const struct item *item)
{
	struct file_name name;

	return file_name_parse(slice_string(item->source), &name) && name.is_delivered &&
	       (name.time_us > c->change.now_us || c->change.now_us - name.time_us <= REPLAY_US);
}

static enum store_error flush_originals(struct copying *c)
{
	size_t count = 0;

	for (size_t i = 0; i < c->count; i++)
		count += needs_flush(c, &c->items[i]);
	if (count > FLUSH_EACH_MAX)
		return syncfs(c->source_fd) == 0
			   ? STORE_OK
			   : folder_failed(c->view->store, &c->source, "flush");
	for (size_t i = 0; i < c->count && count > 0; i++) {
		int fd, result;

		if (!needs_flush(c, &c->items[i]))
			continue;
		fd = openat(c->source_fd, c->items[i].source, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		/* Missing: linking will find out. */
		if (fd < 0)
			continue;
		result = fsync(fd);
		close(fd);
		if (result != 0)
			return folder_failed(c->view->store, &c->source, "flush");
	}
	return STORE_OK;
}

static bool name_copy(struct copying *c, struct item *item)
{
	char unique[FILE_NAME_SIZE], base[FILE_NAME_SIZE];
	struct file_name name;

	if (!file_name_parse(slice_string(item->source), &name))
		return false;
	file_name_make_unique(c->view->store->hostname, unique);
	/* The sizes come along, and whatever else other programs keep there, if it fits. */
	if ((size_t)snprintf(base, sizeof base, "%s%.*s", unique,
		(int)(name.base.len - name.unique.len),
		name.base.data + name.unique.len) >= sizeof base)
		strlcpy(base, unique, sizeof base);
	return file_name_format(slice_string(base), slice_of(NULL, 0), item->mail.flags,
	    item->mail.keywords, c->change.folder.keyword_count, item->mail.name);
}

static enum store_error link_one(struct copying *c, struct item *item)
{
	enum store_error result =
	    keywords_translate(&c->change, &c->source, item->mail.keywords, &item->mail.keywords);

	if (result != STORE_OK)
		return result;
	if (!name_copy(c, item))
		return STORE_BAD_NAME;
	if (linkat(c->source_fd, item->source, c->target_own.cur_fd, item->mail.name, 0) != 0) {
		if (errno != ENOENT)
			return folder_failed(c->view->store, &c->change.folder, "link");
		return c->is_last_try ? STORE_OK : TRY_AGAIN;
	}
	item->is_linked = true;
	return mail_add(&c->change, &item->mail);
}

/* The links, in the target. */
static enum store_error link_all(struct copying *c)
{
	enum store_error result = change_turn_to(&c->change, c->target);

	if (result == STORE_OK)
		result = own_change_begin(&c->target_own, &c->change);
	for (size_t i = 0; i < c->count && result == STORE_OK; i++)
		result = link_one(c, &c->items[i]);
	return result;
}

static void unlink_copies(struct copying *c)
{
	for (size_t i = 0; i < c->count && c->target_own.cur_fd >= 0; i++)
		if (c->items[i].is_linked)
			unlinkat(c->target_own.cur_fd, c->items[i].mail.name, 0);
}

/* The originals go, once the copies are safe. */
static enum store_error remove_originals(struct copying *c, const uint32_t *seqs)
{
	struct own_change own = {.cur_fd = -1};
	enum store_error result = change_turn_to(&c->change, c->view->folder);

	if (result == STORE_OK)
		result = own_change_begin(&own, &c->change);
	for (size_t i = 0; i < c->count && result == STORE_OK; i++) {
		struct item *item = &c->items[i];
		struct mail mail;

		if (!item->is_linked)
			continue;
		if (unlinkat(own.cur_fd, item->source, 0) != 0 && errno != ENOENT)
			result = folder_failed(c->view->store, &c->source, "unlink");
		if (result == STORE_OK)
			result = index_get_mail(&c->change.txn, c->view->folder,
			    c->view->messages[seqs[item->request] - 1].uid, &mail);
		if (result == STORE_OK)
			result = mail_remove(&c->change, &mail, false);
	}
	if (result == STORE_OK)
		result = own_change_end(&own, &c->change);
	own_change_abort(&own);
	return result;
}

static enum store_error copy_in_change(
    struct copying *c, const uint32_t *seqs, size_t count, uint32_t *uidvalidity)
{
	enum store_error result;

	if (c->change.folder.uidvalidity != c->view->uidvalidity)
		return STORE_STALE;
	c->source = c->change.folder;
	result = gather(c, seqs, count);
	if (result != STORE_OK || c->count == 0)
		return result;
	result = open_cur(c);
	if (result == STORE_OK)
		result = flush_originals(c);
	if (result == STORE_OK)
		result = link_all(c);
	if (result != STORE_OK) {
		unlink_copies(c);
		return result;
	}
	if (uidvalidity != NULL)
		*uidvalidity = c->change.folder.uidvalidity;
	/* From here on the copies are safe, and stay even if the rest fails. */
	result = own_change_end(&c->target_own, &c->change);
	return result == STORE_OK && c->is_move ? remove_originals(c, seqs) : result;
}

static void tell(struct copying *c, const uint32_t *seqs, uint32_t *new_uids)
{
	for (size_t i = 0; i < c->count; i++) {
		struct item *item = &c->items[i];
		struct store_message *message = &c->view->messages[seqs[item->request] - 1];

		if (!item->is_linked)
			continue;
		if (new_uids != NULL)
			new_uids[item->request] = item->mail.uid;
		if (c->is_move) {
			message->flags |= STORE_EXPUNGED;
			c->view->expunged++;
		}
	}
}

static enum store_error attempt(struct copying *c, const uint32_t *seqs, size_t count,
    uint32_t *new_uids, uint32_t *uidvalidity)
{
	enum store_error result =
	    change_begin(&c->change, c->view->store, c->view->folder, count * 2);

	if (result != STORE_OK)
		return result == STORE_NO_FOLDER ? STORE_STALE : result;
	c->source_fd = c->target_own.cur_fd = -1;
	result = copy_in_change(c, seqs, count, uidvalidity);
	if (result == STORE_OK)
		result = change_commit(&c->change, true);
	if (result == STORE_OK)
		tell(c, seqs, new_uids);
	else
		change_end(&c->change);
	if (c->source_fd >= 0)
		close(c->source_fd);
	own_change_abort(&c->target_own);
	free(c->items);
	c->items = NULL;
	c->count = 0;
	return result;
}

static enum store_error copy_or_move(struct store_view *view, const uint32_t *seqs, size_t count,
    struct slice folder, bool is_move, uint32_t *new_uids, uint32_t *uidvalidity)
{
	struct copying c = {.view = view, .is_move = is_move};
	enum store_error result = folder_find(view->store, folder, &c.target);
	struct folder target;

	if (result == STORE_OK)
		result = folder_sync(view->store, c.target, &target);
	if (result != STORE_OK)
		return result;
	if (uidvalidity != NULL)
		*uidvalidity = target.uidvalidity;
	for (size_t i = 0; new_uids != NULL && i < count; i++)
		new_uids[i] = 0;
	if (count == 0)
		return STORE_OK;
	result = TRY_AGAIN;
	for (int n = 1; n <= ATTEMPTS && result == TRY_AGAIN; n++) {
		struct folder source;

		c.is_last_try = n == ATTEMPTS;
		result = attempt(&c, seqs, count, new_uids, uidvalidity);
		if (result == TRY_AGAIN &&
		    folder_sync(view->store, view->folder, &source) != STORE_OK)
			return STORE_STALE;
	}
	return result;
}

enum store_error store_copy(struct store_view *view, const uint32_t *seqs, size_t count,
    struct slice folder, uint32_t *new_uids, uint32_t *uidvalidity)
{
	return copy_or_move(view, seqs, count, folder, false, new_uids, uidvalidity);
}

enum store_error store_move(struct store_view *view, const uint32_t *seqs, size_t count,
    struct slice folder, uint32_t *new_uids, uint32_t *uidvalidity)
{
	if (view->is_read_only)
		return STORE_DENIED;
	return copy_or_move(view, seqs, count, folder, true, new_uids, uidvalidity);
}
