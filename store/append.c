/*
 * append.c - messages that come from a client: staged in tmp/, entered together.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"
#include "store/line_ends.h"
#include "store/private.h"

enum {
	BLOCK = 64 * 1024,
	MESSAGES_MAX = 1000, /* in one append */
	FLUSH_EACH_MAX = 4,  /* more files than this are flushed by one syncfs(2) */
};

struct staged {
	char tmp[FILE_NAME_SIZE];
	char name[FILE_NAME_SIZE]; /* in cur/, once it is there */
	uint64_t disk_size;
	uint64_t crlf_size;
	uint32_t flags;
	int64_t internal_date;
	struct buf keywords; /* names, each with its NUL */
	bool is_placed;
};

struct store_append {
	struct store *store;
	uint32_t folder;
	int tmp_fd;
	struct staged *staged;
	size_t count;
	int fd; /* of the message being written, the last one; -1: none */
	struct to_disk state;
	size_t filled;
	char block[BLOCK + 2];
};

static enum store_error failed(struct store_append *append, const char *step)
{
	return index_failed(&append->store->index, errno, "Maildir/.../tmp", step);
}

enum store_error store_append_begin(
    struct store *store, struct slice folder, struct store_append **out)
{
	struct store_append *append;
	struct folder record;
	char path[PATH_BELOW_SIZE];
	uint32_t id;
	enum store_error result = folder_find(store, folder, &id);

	*out = NULL;
	if (result == STORE_OK)
		result = folder_sync(store, id, &record);
	if (result != STORE_OK)
		return result;
	append = calloc(1, sizeof *append);
	if (append == NULL)
		return STORE_MEMORY;
	append->store = store;
	append->folder = id;
	append->fd = -1;
	folder_path(record.directory, "tmp", "", path);
	append->tmp_fd = open_directory(store->maildir_fd, path);
	if (append->tmp_fd < 0) {
		result = failed(append, "open");
		free(append);
		return result;
	}
	*out = append;
	return STORE_OK;
}

/* ---- writing ---- */

static enum store_error flush_block(struct store_append *append)
{
	const char *at = append->block;

	while (append->filled > 0) {
		ssize_t n = write(append->fd, at, append->filled);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return failed(append, "write");
		at += n;
		append->filled -= (size_t)n;
	}
	return STORE_OK;
}

/* The message being written is complete. */
static enum store_error finish_message(struct store_append *append)
{
	struct staged *last;
	struct timespec times[2];
	enum store_error result;

	if (append->fd < 0)
		return STORE_OK;
	last = &append->staged[append->count - 1];
	append->filled += to_disk_end(&append->state, append->block + append->filled);
	result = flush_block(append);
	last->disk_size = append->state.disk_size;
	last->crlf_size = append->state.crlf_size;
	/* The internal date outlives the index as the file's time. */
	times[0] = times[1] = (struct timespec){.tv_sec = last->internal_date};
	if (result == STORE_OK && futimens(append->fd, times) != 0)
		result = failed(append, "set date");
	if (result == STORE_OK && append->count <= FLUSH_EACH_MAX && fsync(append->fd) != 0)
		result = failed(append, "flush");
	close(append->fd);
	append->fd = -1;
	return result;
}

static enum store_error keep_keywords(struct staged *staged, const struct store_append_info *info)
{
	staged->keywords = buf_with_limit(STORE_KEYWORDS_MAX * (STORE_KEYWORD_MAX + 1));
	for (size_t i = 0; i < info->keyword_count; i++) {
		if (!keyword_is_sound(info->keywords[i]))
			return STORE_BAD_NAME;
		buf_append_slice(&staged->keywords, info->keywords[i]);
		buf_append_octet(&staged->keywords, '\0');
	}
	return staged->keywords.overflowed ? STORE_LIMIT : STORE_OK;
}

enum store_error store_append_message(
    struct store_append *append, const struct store_append_info *info)
{
	struct staged *grown, *staged;
	enum store_error result = finish_message(append);

	if (result != STORE_OK)
		return result;
	if (append->count == MESSAGES_MAX)
		return STORE_LIMIT;
	grown = reallocarray(append->staged, append->count + 1, sizeof *grown);
	if (grown == NULL)
		return STORE_MEMORY;
	append->staged = grown;
	staged = &grown[append->count];
	*staged = (struct staged){
	    .flags = info->flags & STORE_SYSTEM_FLAGS, .internal_date = info->internal_date};
	if (info->internal_date == STORE_DATE_NOW)
		staged->internal_date = (int64_t)(clock_wall_us() / 1000000);
	result = keep_keywords(staged, info);
	if (result != STORE_OK) {
		buf_free(&staged->keywords);
		return result;
	}
	file_name_make_unique(append->store->hostname, staged->tmp);
	append->count++;
	append->state = (struct to_disk){0};
	append->filled = 0;
	append->fd = openat(append->tmp_fd, staged->tmp,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return append->fd >= 0 ? STORE_OK : failed(append, "create");
}

enum store_error store_append_write(struct store_append *append, struct slice data)
{
	enum store_error result = STORE_OK;

	if (append->fd < 0)
		return STORE_IO;
	while (data.len > 0 && result == STORE_OK) {
		/* A block takes one octet more than it is given: a CR that was held back. */
		struct slice piece = slice_part(data, 0, BLOCK - append->filled);

		append->filled +=
		    to_disk_block(&append->state, piece, append->block + append->filled);
		data = slice_from(data, piece.len);
		if (append->filled >= BLOCK)
			result = flush_block(append);
	}
	return result;
}

/* ---- entering ---- */

static enum store_error keyword_bits(
    struct change *change, const struct staged *staged, uint64_t *bits)
{
	struct cursor c = cursor_over(buf_slice(&staged->keywords));
	enum store_error result = STORE_OK;

	*bits = 0;
	while (!cursor_done(&c) && result == STORE_OK) {
		int number;

		result = keyword_add(change, cursor_take_until(&c, '\0'), &number);
		cursor_skip(&c, 1);
		if (result == STORE_OK)
			*bits |= UINT64_C(1) << number;
	}
	return result;
}

static enum store_error place_one(
    struct store_append *append, struct change *change, int cur_fd, struct staged *staged)
{
	struct mail mail = {
	    .flags = staged->flags,
	    .internal_date = staged->internal_date,
	    .disk_size = staged->disk_size,
	    .crlf_size = staged->crlf_size,
	};
	char base[FILE_NAME_SIZE];
	enum store_error result = keyword_bits(change, staged, &mail.keywords);

	if (result != STORE_OK)
		return result;
	if ((size_t)snprintf(base, sizeof base, "%s,S=%llu,W=%llu", staged->tmp,
		(unsigned long long)staged->disk_size,
		(unsigned long long)staged->crlf_size) >= sizeof base ||
	    !file_name_format(slice_string(base), slice_of(NULL, 0), mail.flags, mail.keywords,
		change->folder.keyword_count, mail.name))
		return STORE_BAD_NAME;
	if (rename_exclusive(append->tmp_fd, staged->tmp, cur_fd, mail.name) != 0)
		return failed(append, "rename");
	strlcpy(staged->name, mail.name, sizeof staged->name);
	staged->is_placed = true;
	return mail_add(change, &mail);
}

static enum store_error place_all(
    struct store_append *append, struct change *change, struct own_change *own)
{
	enum store_error result = own_change_begin(own, change);

	for (size_t i = 0; i < append->count && result == STORE_OK; i++)
		result = place_one(append, change, own->cur_fd, &append->staged[i]);
	/* All or none. */
	for (size_t i = 0; i < append->count && result != STORE_OK && own->cur_fd >= 0; i++)
		if (append->staged[i].is_placed)
			unlinkat(own->cur_fd, append->staged[i].name, 0);
	if (result == STORE_OK)
		result = own_change_end(own, change);
	own_change_abort(own);
	return result;
}

static enum store_error enter(struct store_append *append, struct store_appended *out)
{
	struct own_change own = {.cur_fd = -1};
	struct change change;
	enum store_error result;

	if (append->count > FLUSH_EACH_MAX && syncfs(append->tmp_fd) != 0)
		return failed(append, "flush");
	result = change_begin(&change, append->store, append->folder, append->count);
	if (result != STORE_OK)
		return result;
	out->uidvalidity = change.folder.uidvalidity;
	out->first_uid = change.folder.uidnext;
	out->count = (uint32_t)append->count;
	result = place_all(append, &change, &own);
	if (result == STORE_OK)
		result = change_commit(&change, true);
	if (result != STORE_OK)
		change_end(&change);
	return result;
}

enum store_error store_append_commit(struct store_append *append, struct store_appended *out)
{
	enum store_error result = finish_message(append);

	*out = (struct store_appended){0};
	if (result == STORE_OK && append->count > 0)
		result = enter(append, out);
	store_append_abort(append);
	return result;
}

void store_append_abort(struct store_append *append)
{
	if (append == NULL)
		return;
	if (append->fd >= 0)
		close(append->fd);
	for (size_t i = 0; i < append->count; i++) {
		if (!append->staged[i].is_placed)
			unlinkat(append->tmp_fd, append->staged[i].tmp, 0);
		buf_free(&append->staged[i].keywords);
	}
	close(append->tmp_fd);
	free(append->staged);
	free(append);
}
