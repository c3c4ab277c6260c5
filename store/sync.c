/*
 * sync.c - taking over what changed in a folder's directory.
 *
 * new/ is read whenever its time changed: it is nearly empty.  What lies there moves to
 * cur/ and gets its UID.  cur/ is read only when others changed it (own changes keep
 * the recorded time in step), and compared with the records: files that the index does
 * not know are new messages, files that are gone were expunged, letters behind ":2," that
 * differ are changed flags.
 *
 * A message that the index knows and new/ holds was moved back, or the move to cur/ was
 * lost in a power cut: it goes to cur/ again under its recorded name and keeps its UID.
 *
 * Deliveries are not flushed file by file; the queue's journal delivers them again
 * after a power cut.  So a delivered message whose file is missing soon after the
 * machine started is left in the index for a while: its UID waits for it.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "store/found.h"
#include "store/maildir.h"
#include "store/private.h"

enum { TMP_AGE_SECONDS = 36 * 3600 }; /* as every program that reads Maildirs has it */

#define GRACE_AFTER_BOOT_US (UINT64_C(15) * 60 * 1000000)
#define REPLAY_US           (MAILDIR_REPLAY_DAYS * UINT64_C(86400) * 1000000)

struct sync {
	struct change *change;
	int new_fd;
	int cur_fd;
	struct stat new_stat; /* before they were read */
	struct stat cur_stat;
	bool read_cur;
	bool moved;        /* something was moved into cur/ */
	bool assigned;     /* a change that must not be forgotten */
	bool left_waiting; /* messages are missing and were left in the index */
	struct found_list found;
};

/* ---- is there anything to do ---- */

static bool stat_directory(
    struct store *store, const struct folder *folder, const char *sub, struct stat *st)
{
	char path[PATH_BELOW_SIZE];

	folder_path(folder->directory, sub, "", path);
	return fstatat(store->maildir_fd, path, st, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool new_is_settled(struct store *store, uint32_t folder, const struct stat *st)
{
	for (size_t i = 0; i < SETTLED_MAX; i++)
		if (store->settled[i].folder == folder)
			return stamp_is(&store->settled[i].stamp, st);
	return false;
}

static void settle_new(struct store *store, uint32_t folder, const struct stat *st)
{
	struct stamp stamp = stamp_of(st);
	size_t at;

	if (stamp.is_unsure)
		return;
	for (at = 0; at < SETTLED_MAX; at++)
		if (store->settled[at].folder == folder)
			break;
	if (at == SETTLED_MAX)
		at = store->settled_next++ % SETTLED_MAX;
	store->settled[at].folder = folder;
	store->settled[at].stamp = stamp;
}

enum store_error folder_sync(struct store *store, uint32_t id, struct folder *folder)
{
	struct index_txn txn;
	struct stat new_stat, cur_stat;
	struct change change;
	enum store_error result = index_begin_read(&store->index, &txn);

	if (result != STORE_OK)
		return result;
	result = index_get_folder(&txn, id, folder);
	index_end(&txn);
	if (result != STORE_OK)
		return result;
	if (stat_directory(store, folder, "new", &new_stat) &&
	    stat_directory(store, folder, "cur", &cur_stat) &&
	    new_is_settled(store, id, &new_stat) && stamp_holds(&folder->cur_stamp, &cur_stat))
		return STORE_OK;
	result = change_begin(&change, store, id, 0);
	if (result != STORE_OK)
		return result;
	result = folder_sync_in(&change);
	*folder = change.folder;
	if (result != STORE_OK)
		change_end(&change);
	return result;
}

/* ---- files whose messages are known ---- */

/* Which of the found files are messages that the index knows. */
static enum store_error recognize(struct sync *s)
{
	struct change *change = s->change;

	if (change->folder.messages == 0)
		return STORE_OK;
	for (size_t i = 0; i < s->found.count; i++) {
		struct found *found = &s->found.items[i];
		enum store_error result = index_find_mail(
		    &change->txn, change->folder.id, found->name.unique, &found->uid);

		if (result == STORE_GONE)
			found->uid = 0;
		else if (result != STORE_OK)
			return result;
	}
	return STORE_OK;
}

/* The letters behind the name were changed by another program. */
static enum store_error take_over_flags(
    struct sync *s, const struct mail *old, const struct found *found)
{
	const struct folder *folder = &s->change->folder;
	uint64_t lettered = folder->keyword_count < 26 ? folder->keyword_count : 26;
	uint64_t mask = (UINT64_C(1) << lettered) - 1;
	struct mail mail = *old;

	mail.flags = file_name_flags(found->name.info);
	mail.keywords =
	    (old->keywords & ~mask) | file_name_keywords(found->name.info, folder->keyword_count);
	slice_copy(found->name.full, mail.name, sizeof mail.name);
	s->assigned = true;
	if (mail.flags == old->flags && mail.keywords == old->keywords)
		return mail_correct(s->change, old, &mail);
	return mail_update(s->change, old, &mail);
}

/*
 * A known message lies in new/: back to cur/ with it.  Where cur/ has it as well, a
 * delivered one is the same message delivered twice; any other becomes a message of
 * its own.
 */
static enum store_error move_back(struct sync *s, const struct mail *mail, struct found *found)
{
	char from[FILE_NAME_SIZE];
	struct mail moved = *mail;
	struct file_name old = {0};
	struct stat st;

	slice_copy(found->name.full, from, sizeof from);
	if (fstatat(s->cur_fd, mail->name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		if (found->name.is_delivered)
			unlinkat(s->new_fd, from, 0);
		else
			found->uid = 0;
		return STORE_OK;
	}
	/* Delivered again after a crash it may have other sizes in its name. */
	file_name_parse(slice_string(mail->name), &old);
	if (!file_name_format(found->name.base, old.info, mail->flags, mail->keywords,
		s->change->folder.keyword_count, moved.name))
		return STORE_BAD_NAME;
	if (rename_exclusive(s->new_fd, from, s->cur_fd, moved.name) != 0)
		return errno == ENOENT
			   ? STORE_OK
			   : folder_failed(s->change->store, &s->change->folder, "rename");
	s->moved = true;
	if (strcmp(mail->name, moved.name) == 0)
		return STORE_OK;
	moved.disk_size = found->name.disk_size;
	moved.crlf_size = found->name.crlf_size;
	s->assigned = true;
	return mail_correct(s->change, mail, &moved);
}

static bool was_booted_just_now(uint64_t *boot_us, uint64_t now_us)
{
	struct timespec up;

	if (clock_gettime(CLOCK_BOOTTIME, &up) != 0)
		return false;
	*boot_us = now_us - ((uint64_t)up.tv_sec * 1000000 + (uint64_t)up.tv_nsec / 1000);
	return now_us - *boot_us < GRACE_AFTER_BOOT_US;
}

/* The file is missing, but the queue's journal may yet bring it back. */
static bool may_come_back(struct sync *s, const struct mail *mail)
{
	struct file_name name;
	uint64_t boot_us, now_us = s->change->now_us;

	return file_name_parse(slice_string(mail->name), &name) && name.is_delivered &&
	       was_booted_just_now(&boot_us, now_us) && name.time_us < boot_us &&
	       now_us - name.time_us < REPLAY_US;
}

/* All found files of one message: keep the one with the recorded name, or the first. */
static struct found *choose(struct sync *s, size_t from, size_t to, const struct mail *mail)
{
	struct found *chosen = &s->found.items[from];

	for (size_t i = from; i < to; i++)
		if (!s->found.items[i].is_in_new &&
		    (chosen->is_in_new ||
			slice_equal(s->found.items[i].name.full, slice_string(mail->name))))
			chosen = &s->found.items[i];
	/* The others become messages of their own, but for one that was delivered twice. */
	for (size_t i = from; i < to; i++) {
		struct found *other = &s->found.items[i];

		if (other == chosen)
			continue;
		other->uid = 0;
		other->is_superfluous = other->is_in_new && other->name.is_delivered;
	}
	return chosen;
}

/* ---- comparing all of cur/ with the records ---- */

struct uid_list {
	uint32_t *items;
	size_t count;
	size_t room;
};

static bool uid_list_add(struct uid_list *list, uint32_t uid)
{
	if (list->count == list->room) {
		size_t room = list->room == 0 ? 64 : list->room * 2;
		uint32_t *items = reallocarray(list->items, room, sizeof *items);

		if (items == NULL)
			return false;
		list->items = items;
		list->room = room;
	}
	list->items[list->count++] = uid;
	return true;
}

/* Walk the records beside the found files (sorted by UID): whose file differs, whose is missing? */
static enum store_error compare(
    struct sync *s, struct uid_list *differing, struct uid_list *missing)
{
	struct index_walk walk = {0};
	struct mail mail;
	size_t at = 0;
	bool room = true;
	enum store_error result =
	    index_walk_mail(&walk, &s->change->txn, s->change->folder.id, 1, &mail);

	while (at < s->found.count && s->found.items[at].uid == 0)
		at++;
	for (; result == STORE_OK && room; result = index_walk_mail_next(&walk, &mail)) {
		size_t from;

		/* An entry for a UID that has no record: treat the file as new. */
		for (; at < s->found.count && s->found.items[at].uid < mail.uid; at++)
			s->found.items[at].uid = 0;
		from = at;
		while (at < s->found.count && s->found.items[at].uid == mail.uid)
			at++;
		if (at == from) {
			room = uid_list_add(missing, mail.uid);
		} else {
			struct found *found = choose(s, from, at, &mail);

			if (found->is_in_new ||
			    !slice_equal(found->name.full, slice_string(mail.name)))
				room = uid_list_add(differing, mail.uid);
		}
	}
	index_walk_end(&walk);
	for (; at < s->found.count; at++)
		s->found.items[at].uid = 0;
	if (!room)
		return STORE_MEMORY;
	return result == STORE_GONE ? STORE_OK : result;
}

/*
 * While a directory is read, a file that is renamed in it can be passed over.  Look a
 * second time before a message is taken for expunged.
 */
static enum store_error confirm_missing(struct sync *s, struct uid_list *missing)
{
	struct found_list again = {0};
	size_t kept = 0;
	bool *seen = calloc(missing->count, sizeof *seen);
	enum store_error result = STORE_OK;

	if (seen == NULL || !found_read(&again, s->cur_fd, false)) {
		found_free(&again);
		free(seen);
		return folder_failed(s->change->store, &s->change->folder, "read");
	}
	for (size_t i = 0; i < again.count && result == STORE_OK; i++) {
		uint32_t uid;

		result = index_find_mail(
		    &s->change->txn, s->change->folder.id, again.items[i].name.unique, &uid);
		for (size_t low = 0, high = missing->count; result == STORE_OK && low < high;) {
			size_t middle = low + (high - low) / 2;

			if (missing->items[middle] == uid)
				seen[middle] = true;
			if (missing->items[middle] < uid)
				low = middle + 1;
			else
				high = middle;
		}
		if (result == STORE_GONE)
			result = STORE_OK;
	}
	for (size_t i = 0; i < missing->count; i++)
		if (!seen[i])
			missing->items[kept++] = missing->items[i];
	missing->count = kept;
	found_free(&again);
	free(seen);
	return result;
}

static struct found *found_of(struct sync *s, uint32_t uid)
{
	for (size_t low = 0, high = s->found.count; low < high;) {
		size_t middle = low + (high - low) / 2;

		if (s->found.items[middle].uid == uid)
			return &s->found.items[middle];
		if (s->found.items[middle].uid < uid)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static enum store_error apply_differing(struct sync *s, const struct uid_list *differing)
{
	enum store_error result = STORE_OK;

	for (size_t i = 0; i < differing->count && result == STORE_OK; i++) {
		struct found *found = found_of(s, differing->items[i]);
		struct mail mail;

		if (found == NULL)
			continue;
		result = index_get_mail(
		    &s->change->txn, s->change->folder.id, differing->items[i], &mail);
		if (result == STORE_OK)
			result = found->is_in_new ? move_back(s, &mail, found)
						  : take_over_flags(s, &mail, found);
	}
	return result;
}

static enum store_error apply_missing(struct sync *s, const struct uid_list *missing)
{
	enum store_error result = STORE_OK;

	for (size_t i = 0; i < missing->count && result == STORE_OK; i++) {
		struct mail mail;

		result =
		    index_get_mail(&s->change->txn, s->change->folder.id, missing->items[i], &mail);
		if (result != STORE_OK)
			break;
		if (may_come_back(s, &mail)) {
			s->left_waiting = true;
			continue;
		}
		s->assigned = true;
		result = mail_remove(s->change, &mail, true);
	}
	return result;
}

static enum store_error compare_all(struct sync *s)
{
	struct uid_list differing = {0}, missing = {0};
	enum store_error result;

	/* The chosen files keep their order: choose() only takes UIDs away, so sort again. */
	found_sort_by_uid(&s->found);
	result = compare(s, &differing, &missing);
	found_sort_by_uid(&s->found);
	if (result == STORE_OK && missing.count > 0)
		result = confirm_missing(s, &missing);
	if (result == STORE_OK)
		result = apply_differing(s, &differing);
	if (result == STORE_OK)
		result = apply_missing(s, &missing);
	free(differing.items);
	free(missing.items);
	return result;
}

/* Only new/ was read: known messages in it go back to cur/. */
static enum store_error return_known(struct sync *s)
{
	enum store_error result = STORE_OK;

	for (size_t i = 0; i < s->found.count && result == STORE_OK; i++) {
		struct found *found = &s->found.items[i];
		struct mail mail;

		if (found->uid == 0)
			continue;
		result = index_get_mail(&s->change->txn, s->change->folder.id, found->uid, &mail);
		if (result == STORE_OK)
			result = move_back(s, &mail, found);
		if (result == STORE_GONE) {
			found->uid = 0;
			result = STORE_OK;
		}
	}
	return result;
}

/* ---- new messages ---- */

/* Sizes and date that the name does not tell. */
static bool complete(
    const struct found *found, int directory_fd, const char *name, struct mail *mail)
{
	struct stat st;

	mail->disk_size = found->name.disk_size;
	mail->crlf_size = found->name.crlf_size;
	mail->internal_date = (int64_t)(found->name.time_us / 1000000);
	if (found->name.is_delivered && mail->disk_size != FILE_SIZE_UNKNOWN)
		return true;
	if (fstatat(directory_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
		return false;
	mail->disk_size = (uint64_t)st.st_size;
	if (mail->disk_size != found->name.disk_size)
		mail->crlf_size = FILE_SIZE_UNKNOWN;
	if (!found->name.is_delivered)
		mail->internal_date = st.st_mtim.tv_sec;
	return true;
}

/* A name in cur/ that no message of this folder has. */
static bool rename_fresh(
    struct sync *s, const struct found *found, const char *from, char to[FILE_NAME_SIZE])
{
	char unique[FILE_NAME_SIZE], base[FILE_NAME_SIZE];
	int fd = found->is_in_new ? s->new_fd : s->cur_fd;

	file_name_make_unique(s->change->store->hostname, unique);
	if ((size_t)snprintf(base, sizeof base, "%s%.*s", unique,
		(int)(found->name.base.len - found->name.unique.len),
		found->name.base.data + found->name.unique.len) >= sizeof base)
		strlcpy(base, unique, sizeof base);
	return file_name_format(slice_string(base), found->name.info,
		   file_name_flags(found->name.info), 0, 0, to) &&
	       rename_exclusive(fd, from, s->cur_fd, to) == 0;
}

/* Move a new message to its place in cur/; false where it is not there any more. */
static bool place(struct sync *s, const struct found *found, char name[FILE_NAME_SIZE])
{
	struct change *change = s->change;
	char from[FILE_NAME_SIZE];
	uint32_t other;

	slice_copy(found->name.full, from, sizeof from);
	if (index_find_mail(&change->txn, change->folder.id, found->name.unique, &other) ==
	    STORE_OK) {
		s->moved = true;
		return rename_fresh(s, found, from, name);
	}
	if (!found->is_in_new) {
		strlcpy(name, from, FILE_NAME_SIZE);
		return true;
	}
	s->moved = true;
	if (!file_name_format(
		found->name.base, found->name.info, file_name_flags(found->name.info), 0, 0, name))
		return rename_fresh(s, found, from, name);
	if (rename_exclusive(s->new_fd, from, s->cur_fd, name) == 0)
		return true;
	return errno == EEXIST && rename_fresh(s, found, from, name);
}

static enum store_error enter_new(struct sync *s)
{
	struct change *change = s->change;
	enum store_error result = STORE_OK;

	found_sort(&s->found);
	for (size_t i = 0; i < s->found.count && result == STORE_OK; i++) {
		struct found *found = &s->found.items[i];
		struct mail mail = {0};

		if (found->is_superfluous) {
			char name[FILE_NAME_SIZE];

			slice_copy(found->name.full, name, sizeof name);
			unlinkat(s->new_fd, name, 0);
			continue;
		}
		if (found->uid != 0)
			continue;
		/* errno: not there any more is another program's doing, all else is a failure. */
		errno = 0;
		if (!place(s, found, mail.name) || !complete(found, s->cur_fd, mail.name, &mail)) {
			if (errno != 0 && errno != ENOENT)
				result = folder_failed(change->store, &change->folder, "take over");
			continue;
		}
		mail.flags = file_name_flags(found->name.info);
		mail.keywords = file_name_keywords(found->name.info, change->folder.keyword_count);
		s->assigned = true;
		result = mail_add(change, &mail);
	}
	return result;
}

/* ---- a look at a folder ---- */

static enum store_error open_directories(struct sync *s)
{
	struct change *change = s->change;
	struct store *store = change->store;
	char new_path[PATH_BELOW_SIZE], cur_path[PATH_BELOW_SIZE];

	folder_path(change->folder.directory, "new", "", new_path);
	folder_path(change->folder.directory, "cur", "", cur_path);
	s->new_fd = open_directory(store->maildir_fd, new_path);
	s->cur_fd = open_directory(store->maildir_fd, cur_path);
	if ((s->new_fd < 0 || s->cur_fd < 0) && errno == ENOENT) {
		struct stat st;

		/* The folder itself must be there; what is missing in it is made. */
		if (fstatat(
			store->maildir_fd, change->folder.directory, &st, AT_SYMLINK_NOFOLLOW) != 0)
			return STORE_NO_FOLDER;
		folder_make_directories(store->maildir_fd, change->folder.directory);
		if (s->new_fd < 0)
			s->new_fd = open_directory(store->maildir_fd, new_path);
		if (s->cur_fd < 0)
			s->cur_fd = open_directory(store->maildir_fd, cur_path);
	}
	if (s->new_fd < 0 || s->cur_fd < 0 || fstat(s->new_fd, &s->new_stat) != 0 ||
	    fstat(s->cur_fd, &s->cur_stat) != 0)
		return folder_failed(store, &change->folder, "open");
	return STORE_OK;
}

static enum store_error look(struct sync *s)
{
	struct change *change = s->change;
	enum store_error result;

	s->read_cur = !stamp_holds(&change->folder.cur_stamp, &s->cur_stat);
	if (!found_read(&s->found, s->new_fd, true))
		return folder_failed(change->store, &change->folder, "read new");
	if (s->found.count == 0)
		settle_new(change->store, change->folder.id, &s->new_stat);
	if (s->read_cur && !found_read(&s->found, s->cur_fd, false))
		return folder_failed(change->store, &change->folder, "read cur");
	result = recognize(s);
	if (result == STORE_OK)
		result = s->read_cur ? compare_all(s) : return_known(s);
	return result == STORE_OK ? enter_new(s) : result;
}

/* The time of cur/ for which the records are right now. */
static void set_stamp(struct sync *s)
{
	struct folder *folder = &s->change->folder;
	struct stamp before = stamp_of(&s->cur_stat);
	struct stat after;

	if (s->read_cur) {
		folder->cur_stamp = s->left_waiting ? (struct stamp){0} : before;
		s->change->is_dirty = true;
	}
	if (s->moved && stamp_is(&folder->cur_stamp, &s->cur_stat) &&
	    fstat(s->cur_fd, &after) == 0) {
		folder->cur_stamp.seconds = after.st_mtim.tv_sec;
		folder->cur_stamp.nanoseconds = (uint32_t)after.st_mtim.tv_nsec;
		s->change->is_dirty = true;
	}
}

enum store_error folder_sync_in(struct change *change)
{
	struct sync s = {.change = change, .new_fd = -1, .cur_fd = -1};
	enum store_error result = open_directories(&s);

	if (result == STORE_OK)
		result = look(&s);
	if (result == STORE_OK) {
		set_stamp(&s);
		result = change_commit(change, s.assigned);
	}
	found_free(&s.found);
	if (s.new_fd >= 0)
		close(s.new_fd);
	if (s.cur_fd >= 0)
		close(s.cur_fd);
	return result;
}

/* ---- what was never finished ---- */

void folder_sweep_tmp(struct store *store, const struct folder *folder)
{
	char path[PATH_BELOW_SIZE];
	time_t now = time(NULL);
	struct dirent *entry;
	DIR *d;
	int fd;

	folder_path(folder->directory, "tmp", "", path);
	fd = open_directory(store->maildir_fd, path);
	d = fd < 0 ? NULL : fdopendir(fd);
	if (d == NULL) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((entry = readdir(d)) != NULL) {
		struct stat st;

		if (entry->d_name[0] != '.' &&
		    fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(st.st_mode) && now - st.st_ctim.tv_sec > TMP_AGE_SECONDS)
			unlinkat(dirfd(d), entry->d_name, 0);
	}
	closedir(d);
}

/* ---- own changes ---- */

enum store_error own_change_begin(struct own_change *own, struct change *change)
{
	char path[PATH_BELOW_SIZE];
	struct stat st;

	folder_path(change->folder.directory, "cur", "", path);
	own->cur_fd = open_directory(change->store->maildir_fd, path);
	if (own->cur_fd < 0 || fstat(own->cur_fd, &st) != 0) {
		enum store_error result = folder_failed(change->store, &change->folder, "open");

		own_change_abort(own);
		return result;
	}
	own->was_known = stamp_is(&change->folder.cur_stamp, &st);
	return STORE_OK;
}

enum store_error own_change_end(struct own_change *own, struct change *change)
{
	enum store_error result = STORE_OK;
	struct stat st;

	if (fsync(own->cur_fd) != 0)
		result = folder_failed(change->store, &change->folder, "flush");
	/* A foreign change before ours stays visible: then the old time is left standing. */
	if (own->was_known && fstat(own->cur_fd, &st) == 0) {
		change->folder.cur_stamp.seconds = st.st_mtim.tv_sec;
		change->folder.cur_stamp.nanoseconds = (uint32_t)st.st_mtim.tv_nsec;
		change->is_dirty = true;
	}
	own_change_abort(own);
	return result;
}

void own_change_abort(struct own_change *own)
{
	if (own->cur_fd >= 0)
		close(own->cur_fd);
	own->cur_fd = -1;
}
