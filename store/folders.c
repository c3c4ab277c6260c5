/*
 * folders.c - a user's folders: finding, making, removing, renaming, listing them.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "store/private.h"

enum { DIRECTORY_DEPTH_MAX = 8 }; /* below a folder's directory, when it is removed */

/* A folder on its way out.  Not a folder's name, so that nobody lists it. */
#define REMOVED "petrel-removed-"

/* ---- folders that other programs make and remove ---- */

/* Enter a folder into the index; change->folder is filled. */
static enum store_error enter_folder(struct change *change, const char *name, const char *directory)
{
	struct folder *folder = &change->folder;
	time_t now = time(NULL);
	enum store_error result;

	*folder =
	    (struct folder){.id = change->state.next_folder++, .uidnext = 1, .recent_from = 1};
	strlcpy(folder->name, name, sizeof folder->name);
	strlcpy(folder->directory, directory, sizeof folder->directory);
	/* Always above every one that was given before: a name that comes back is another folder. */
	folder->uidvalidity = change->state.last_uidvalidity + 1;
	if (now > 0 && now <= UINT32_MAX && (uint32_t)now > folder->uidvalidity)
		folder->uidvalidity = (uint32_t)now;
	change->state.last_uidvalidity = folder->uidvalidity;
	folder->modseq = change->modseq;
	folder->log_from = change->modseq;
	keywords_load(change->store, folder);
	change->is_dirty = true;
	result = index_put_folder_name(&change->txn, name, folder->id);
	return result == STORE_OK ? index_put_folder(&change->txn, folder) : result;
}

static enum store_error forget_folder(struct change *change, const struct folder *folder)
{
	change->state.changes = change->modseq;
	return index_delete_folder(&change->txn, folder);
}

/* Remove a directory with all in it, not following links, not leaving it. */
static bool remove_tree(int above_fd, const char *name, int depth)
{
	int fd = openat(above_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (d == NULL) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	while ((entry = readdir(d)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (unlinkat(dirfd(d), entry->d_name, 0) != 0 &&
		    (errno == EISDIR || errno == EPERM) && depth > 0)
			remove_tree(dirfd(d), entry->d_name, depth - 1);
	}
	closedir(d);
	return unlinkat(above_fd, name, AT_REMOVEDIR) == 0;
}

struct directory_list {
	char (*items)[FILE_NAME_SIZE];
	size_t count;
	size_t room;
};

static int compare_directories(const void *a, const void *b)
{
	return strcmp(a, b);
}

static bool is_folder(struct store *store, const char *directory)
{
	char path[PATH_BELOW_SIZE];
	struct stat st;

	folder_path(directory, "cur", "", path);
	return fstatat(store->maildir_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISDIR(st.st_mode);
}

static bool directory_list_add(struct directory_list *list, const char *directory)
{
	if (list->count == list->room) {
		size_t room = list->room == 0 ? 32 : list->room * 2;
		void *items = reallocarray(list->items, room, sizeof list->items[0]);

		if (items == NULL)
			return false;
		list->items = items;
		list->room = room;
	}
	strlcpy(list->items[list->count++], directory, FILE_NAME_SIZE);
	return true;
}

/* The folders' directories in Maildir/, sorted. */
static enum store_error read_directories(struct store *store, struct directory_list *list)
{
	int fd = openat(store->maildir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	bool room = true;

	if (d == NULL) {
		if (fd >= 0)
			close(fd);
		return index_failed(&store->index, errno, "Maildir", "open");
	}
	while (room && (entry = readdir(d)) != NULL) {
		char name[FILE_NAME_SIZE];

		/* What a crash left of a folder that was removed. */
		if (strncmp(entry->d_name, REMOVED, strlen(REMOVED)) == 0)
			remove_tree(dirfd(d), entry->d_name, DIRECTORY_DEPTH_MAX);
		if (!folder_name_from_directory(entry->d_name, name) ||
		    !is_folder(store, entry->d_name))
			continue;
		if (list->count == STORE_FOLDERS_MAX)
			break;
		room = directory_list_add(list, entry->d_name);
	}
	closedir(d);
	if (list->count > 1)
		qsort(list->items, list->count, sizeof list->items[0], compare_directories);
	return room ? STORE_OK : STORE_MEMORY;
}

/* Collect the folders whose directories are gone. */
static enum store_error find_gone(
    struct change *change, const struct directory_list *list, struct buf *gone)
{
	struct index_walk walk = {0};
	struct folder folder;
	enum store_error result = index_walk_folders(&walk, &change->txn, &folder);

	for (; result == STORE_OK; result = index_walk_folders_next(&walk, &folder)) {
		const char *known = NULL;

		if (folder_name_is_inbox(folder.name))
			continue;
		if (list->count > 0)
			known = bsearch(folder.directory, list->items, list->count,
			    sizeof list->items[0], compare_directories);
		if (known == NULL)
			buf_append(gone, &folder.id, sizeof folder.id);
	}
	index_walk_end(&walk);
	if (gone->overflowed)
		return STORE_MEMORY;
	return result == STORE_GONE ? STORE_OK : result;
}

static enum store_error take_over_folders(struct change *change, const struct directory_list *list)
{
	struct buf gone = buf_with_limit(STORE_FOLDERS_MAX * sizeof(uint32_t));
	enum store_error result = find_gone(change, list, &gone);
	uint32_t id;

	for (size_t at = 0; at < gone.len && result == STORE_OK; at += sizeof id) {
		struct folder folder;

		memcpy(&id, gone.data + at, sizeof id);
		result = index_get_folder(&change->txn, id, &folder);
		if (result == STORE_OK)
			result = forget_folder(change, &folder);
	}
	buf_free(&gone);
	if (result == STORE_OK && index_find_folder(&change->txn, "INBOX", &id) == STORE_NO_FOLDER)
		result = enter_folder(change, "INBOX", ".");
	for (size_t i = 0; i < list->count && result == STORE_OK; i++) {
		char name[FILE_NAME_SIZE];

		/* Two directories may decode to one name: the first has it. */
		if (folder_name_from_directory(list->items[i], name) &&
		    index_find_folder(&change->txn, name, &id) == STORE_NO_FOLDER)
			result = enter_folder(change, name, list->items[i]);
	}
	return result;
}

enum store_error folders_sync(struct store *store)
{
	struct directory_list list = {0};
	struct change change;
	struct stat st;
	enum store_error result;

	if (!index_is_current(&store->index))
		return STORE_STALE;
	if (fstat(store->maildir_fd, &st) != 0)
		return index_failed(&store->index, errno, "Maildir", "stat");
	if (stamp_is(&store->maildir, &st) && !store->maildir.is_unsure)
		return STORE_OK;
	result = change_begin(&change, store, 0, 0);
	if (result != STORE_OK)
		return result;
	result = read_directories(store, &list);
	if (result == STORE_OK)
		result = take_over_folders(&change, &list);
	free(list.items);
	if (result == STORE_OK)
		result = change_commit(&change, true);
	if (result != STORE_OK) {
		change_end(&change);
		return result;
	}
	store->maildir = stamp_of(&st);
	return STORE_OK;
}

/* ---- by name ---- */

static enum store_error find_checked(struct store *store, const char *name, uint32_t *id)
{
	struct index_txn txn;
	enum store_error result = folders_sync(store);

	if (result == STORE_OK)
		result = index_begin_read(&store->index, &txn);
	if (result != STORE_OK)
		return result;
	result = index_find_folder(&txn, name, id);
	index_end(&txn);
	return result;
}

enum store_error folder_find(struct store *store, struct slice name, uint32_t *id)
{
	char checked[FILE_NAME_SIZE];

	if (!folder_name_check(name, checked))
		return STORE_NO_FOLDER;
	return find_checked(store, checked, id);
}

static enum store_error flush_maildir(struct store *store)
{
	return fsync(store->maildir_fd) == 0
		   ? STORE_OK
		   : index_failed(&store->index, errno, "Maildir", "flush");
}

/* Make one folder where it is missing, within a change. */
static enum store_error make_folder(struct change *change, const char *name, bool *made)
{
	char directory[FILE_NAME_SIZE];
	uint32_t id;
	enum store_error result = index_find_folder(&change->txn, name, &id);

	*made = false;
	if (result != STORE_NO_FOLDER)
		return result;
	if (!folder_name_to_directory(name, directory))
		return STORE_BAD_NAME;
	if (folder_make_directories(change->store->maildir_fd, directory) != 0)
		return index_failed(&change->store->index, errno, "Maildir", "make folder");
	*made = true;
	return enter_folder(change, name, directory);
}

/* Make the folders above a name, and with `self` the folder itself. */
static enum store_error make_path(struct change *change, const char *name, bool self)
{
	struct slice whole = slice_string(name);
	enum store_error result = STORE_OK;
	bool made = false;

	for (size_t i = 0; i <= whole.len && result == STORE_OK; i++) {
		char part[FILE_NAME_SIZE];

		if (i < whole.len ? whole.data[i] != '/' : !self)
			continue;
		slice_copy(slice_part(whole, 0, i), part, sizeof part);
		if (!folder_name_is_inbox(part))
			result = make_folder(change, part, &made);
	}
	return result == STORE_OK && self && !made ? STORE_EXISTS : result;
}

static enum store_error too_many_folders(struct store *store)
{
	struct index_walk walk = {0};
	struct index_txn txn;
	struct folder folder;
	size_t count = 0;
	enum store_error result = index_begin_read(&store->index, &txn);

	if (result != STORE_OK)
		return result;
	result = index_walk_folders(&walk, &txn, &folder);
	for (; result == STORE_OK; result = index_walk_folders_next(&walk, &folder))
		count++;
	index_walk_end(&walk);
	index_end(&txn);
	if (result != STORE_GONE)
		return result;
	return count + STORE_DEPTH_MAX > STORE_FOLDERS_MAX ? STORE_LIMIT : STORE_OK;
}

/* The folder of that name has just been made. */
static enum store_error give_uses(struct store *store, const char *name, unsigned uses)
{
	char directory[FILE_NAME_SIZE];

	if (uses == 0)
		return STORE_OK;
	return folder_name_to_directory(name, directory)
		   ? special_use_write(store, directory, uses)
		   : STORE_BAD_NAME;
}

enum store_error store_folder_create_for(struct store *store, struct slice name, unsigned uses)
{
	char checked[FILE_NAME_SIZE];
	struct change change;
	enum store_error result;

	if (!folder_name_check(name, checked))
		return STORE_BAD_NAME;
	result = folders_sync(store);
	if (result == STORE_OK)
		result = too_many_folders(store);
	if (result == STORE_OK)
		result = change_begin(&change, store, 0, 0);
	if (result != STORE_OK)
		return result;
	result = folder_name_is_inbox(checked) ? STORE_EXISTS : make_path(&change, checked, true);
	if (result == STORE_OK)
		result = give_uses(store, checked, uses);
	if (result == STORE_OK)
		result = flush_maildir(store);
	if (result == STORE_OK)
		result = change_commit(&change, true);
	if (result != STORE_OK)
		change_end(&change);
	return result;
}

/* ---- removing ---- */

/* Remember the names of all messages of a folder as expunged. */
static enum store_error mark_all_gone(struct change *change, const struct folder *folder)
{
	struct index_walk walk = {0};
	struct mail mail;
	enum store_error result = index_walk_mail(&walk, &change->txn, folder->id, 1, &mail);

	for (; result == STORE_OK; result = index_walk_mail_next(&walk, &mail)) {
		struct file_name name;

		if (file_name_parse(slice_string(mail.name), &name))
			result = index_put_gone(&change->txn, &name, change->now_us);
		if (result != STORE_OK)
			break;
	}
	index_walk_end(&walk);
	return result == STORE_GONE ? STORE_OK : result;
}

enum store_error store_folder_delete(struct store *store, struct slice name)
{
	char checked[FILE_NAME_SIZE], aside[FILE_NAME_SIZE];
	struct folder folder;
	struct change change;
	uint32_t id;
	enum store_error result;

	if (!folder_name_check(name, checked))
		return STORE_NO_FOLDER;
	if (folder_name_is_inbox(checked))
		return STORE_DENIED;
	result = find_checked(store, checked, &id);
	if (result == STORE_OK)
		result = folder_sync(store, id, &folder);
	if (result == STORE_OK)
		result = change_begin(&change, store, 0, folder.messages);
	if (result != STORE_OK)
		return result;
	snprintf(aside, sizeof aside, REMOVED "%08x", arc4random());
	result = index_get_folder(&change.txn, id, &folder);
	if (result == STORE_OK)
		result = mark_all_gone(&change, &folder);
	if (result == STORE_OK)
		result = forget_folder(&change, &folder);
	/* One rename takes the folder away whole; its files go at leisure. */
	if (result == STORE_OK &&
	    renameat(store->maildir_fd, folder.directory, store->maildir_fd, aside) != 0)
		result = folder_failed(store, &folder, "remove");
	if (result == STORE_OK)
		result = flush_maildir(store);
	if (result == STORE_OK)
		result = change_commit(&change, true);
	if (result != STORE_OK) {
		change_end(&change);
		return result;
	}
	remove_tree(store->maildir_fd, aside, DIRECTORY_DEPTH_MAX);
	return STORE_OK;
}

/* ---- renaming ---- */

/* The new name of a folder at or below `from`; false where it is neither. */
static bool renamed(const char *name, const char *from, const char *to, char out[FILE_NAME_SIZE])
{
	size_t len = strlen(from);

	if (strncmp(name, from, len) != 0 || (name[len] != '\0' && name[len] != '/'))
		return false;
	out[0] = '\0';
	return (size_t)snprintf(out, FILE_NAME_SIZE, "%s%s", to, name + len) < FILE_NAME_SIZE;
}

struct renaming {
	struct change *change;
	const char *from;
	const char *to;
	uint32_t *ids; /* of the folder and those below it */
	size_t count;
};

/* Find all folders to rename, and see that each new name can be and is free. */
static enum store_error plan_renaming(struct renaming *r)
{
	struct index_walk walk = {0};
	struct folder folder;
	enum store_error result = index_walk_folders(&walk, &r->change->txn, &folder);

	for (; result == STORE_OK; result = index_walk_folders_next(&walk, &folder)) {
		char to[FILE_NAME_SIZE], checked[FILE_NAME_SIZE];
		uint32_t other;

		if (strncmp(folder.name, r->from, strlen(r->from)) != 0 ||
		    (folder.name[strlen(r->from)] != '\0' && folder.name[strlen(r->from)] != '/'))
			continue;
		if (!renamed(folder.name, r->from, r->to, to) ||
		    !folder_name_check(slice_string(to), checked))
			result = STORE_BAD_NAME;
		else if (index_find_folder(&r->change->txn, to, &other) == STORE_OK)
			result = STORE_EXISTS;
		if (result != STORE_OK)
			break;
		if (r->count == STORE_FOLDERS_MAX)
			return STORE_LIMIT;
		r->ids[r->count++] = folder.id;
	}
	index_walk_end(&walk);
	if (result == STORE_GONE)
		result = r->count == 0 ? STORE_NO_FOLDER : STORE_OK;
	return result;
}

static enum store_error rename_one(struct renaming *r, uint32_t id)
{
	struct change *change = r->change;
	struct store *store = change->store;
	char to[FILE_NAME_SIZE], directory[FILE_NAME_SIZE];
	struct folder *folder = &change->folder;
	enum store_error result = index_get_folder(&change->txn, id, folder);

	if (result != STORE_OK)
		return result;
	if (!renamed(folder->name, r->from, r->to, to) || !folder_name_to_directory(to, directory))
		return STORE_BAD_NAME;
	if (rename_exclusive(store->maildir_fd, folder->directory, store->maildir_fd, directory) !=
	    0)
		return errno == EEXIST ? STORE_EXISTS : folder_failed(store, folder, "rename");
	result = index_delete_folder_name(&change->txn, folder->name);
	strlcpy(folder->name, to, sizeof folder->name);
	strlcpy(folder->directory, directory, sizeof folder->directory);
	if (result == STORE_OK)
		result = index_put_folder_name(&change->txn, to, id);
	change->is_dirty = true;
	return result == STORE_OK ? index_put_folder(&change->txn, folder) : result;
}

static enum store_error rename_all(struct change *change, const char *from, const char *to)
{
	struct renaming r = {change, from, to, calloc(STORE_FOLDERS_MAX, sizeof(uint32_t)), 0};
	enum store_error result = r.ids == NULL ? STORE_MEMORY : plan_renaming(&r);

	if (result == STORE_OK)
		result = make_path(change, to, false);
	for (size_t i = 0; i < r.count && result == STORE_OK; i++)
		result = rename_one(&r, r.ids[i]);
	free(r.ids);
	return result;
}

/* INBOX stays; what is in it goes into a new folder (RFC 3501, 6.3.5). */
static enum store_error rename_inbox(struct store *store, const char *to)
{
	struct store_view *view;
	uint32_t *seqs, count;
	enum store_error result = store_folder_create(store, slice_string(to));

	if (result == STORE_OK)
		result = store_view_open(store, SLICE("INBOX"), 0, &view);
	if (result != STORE_OK)
		return result;
	count = store_view_count(view);
	seqs = calloc(count + 1, sizeof *seqs);
	if (seqs == NULL) {
		store_view_close(view);
		return STORE_MEMORY;
	}
	for (uint32_t i = 0; i < count; i++)
		seqs[i] = i + 1;
	if (count > 0)
		result = store_move(view, seqs, count, slice_string(to), NULL, NULL);
	free(seqs);
	store_view_close(view);
	return result;
}

enum store_error store_folder_rename(struct store *store, struct slice from, struct slice to)
{
	char old_name[FILE_NAME_SIZE], new_name[FILE_NAME_SIZE], inside[FILE_NAME_SIZE];
	struct change change;
	enum store_error result;

	if (!folder_name_check(from, old_name))
		return STORE_NO_FOLDER;
	if (!folder_name_check(to, new_name))
		return STORE_BAD_NAME;
	if (folder_name_is_inbox(new_name))
		return STORE_EXISTS;
	if (folder_name_is_inbox(old_name))
		return rename_inbox(store, new_name);
	if (strcmp(old_name, new_name) == 0)
		return STORE_EXISTS;
	/* A folder cannot go below itself. */
	if (renamed(new_name, old_name, "x", inside))
		return STORE_DENIED;
	result = folders_sync(store);
	if (result == STORE_OK)
		result = change_begin(&change, store, 0, STORE_DEPTH_MAX);
	if (result != STORE_OK)
		return result;
	result = rename_all(&change, old_name, new_name);
	if (result == STORE_OK)
		result = flush_maildir(store);
	if (result == STORE_OK)
		result = change_commit(&change, true);
	if (result != STORE_OK) {
		change_end(&change);
		/* What was renamed before the failure is taken over as it is found. */
		store->maildir = (struct stamp){0};
	}
	return result;
}
