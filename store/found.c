/*
 * found.c - the messages that lie in a directory.
 */
#include "store/found.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK_SIZE = 64 * 1024 };

static const char *keep_name(struct found_list *list, struct slice name)
{
	struct buf *last = list->block_count == 0 ? NULL : &list->blocks[list->block_count - 1];
	char *copy;

	/* A block never moves: it is made whole at once and left when it is full. */
	if (last == NULL || last->len + name.len > BLOCK_SIZE) {
		struct buf *blocks =
		    reallocarray(list->blocks, list->block_count + 1, sizeof *blocks);

		if (blocks == NULL)
			return NULL;
		list->blocks = blocks;
		last = &blocks[list->block_count];
		*last = buf_with_limit(BLOCK_SIZE);
		if (buf_extend(last, BLOCK_SIZE) == NULL)
			return NULL;
		last->len = 0;
		list->block_count++;
	}
	copy = buf_extend(last, name.len);
	if (copy != NULL)
		memcpy(copy, name.data, name.len);
	return copy;
}

static bool add(struct found_list *list, struct slice name, bool is_new)
{
	struct found found = {.is_in_new = is_new};
	const char *copy;

	if (!file_name_parse(name, &found.name))
		return true;
	if (list->count >= STORE_MESSAGES_MAX) {
		errno = E2BIG;
		return false;
	}
	if (list->count == list->room) {
		size_t room = list->room == 0 ? 64 : list->room * 2;
		struct found *items = reallocarray(list->items, room, sizeof *items);

		if (items == NULL)
			return false;
		list->items = items;
		list->room = room;
	}
	copy = keep_name(list, name);
	if (copy == NULL)
		return false;
	file_name_parse(slice_of(copy, name.len), &found.name);
	list->items[list->count++] = found;
	return true;
}

static bool is_plain_file(DIR *d, const struct dirent *entry)
{
	struct stat st;

	if (entry->d_type != DT_UNKNOWN)
		return entry->d_type == DT_REG;
	return fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(st.st_mode);
}

bool found_read(struct found_list *list, int directory_fd, bool is_new)
{
	int fd = openat(directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	bool complete = true;

	if (d == NULL) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	while (complete) {
		struct dirent *entry;

		errno = 0;
		entry = readdir(d);
		if (entry == NULL) {
			complete = errno == 0;
			break;
		}
		if (entry->d_name[0] != '.' && is_plain_file(d, entry))
			complete = add(list, slice_string(entry->d_name), is_new);
	}
	closedir(d);
	return complete;
}

void found_free(struct found_list *list)
{
	for (size_t i = 0; i < list->block_count; i++)
		buf_free(&list->blocks[i]);
	free(list->blocks);
	free(list->items);
	*list = (struct found_list){0};
}

static int compare_names(const void *a, const void *b)
{
	return file_name_compare(
	    &((const struct found *)a)->name, &((const struct found *)b)->name);
}

static int compare_uids(const void *a, const void *b)
{
	uint32_t left = ((const struct found *)a)->uid, right = ((const struct found *)b)->uid;

	return (left > right) - (left < right);
}

void found_sort(struct found_list *list)
{
	if (list->count > 1)
		qsort(list->items, list->count, sizeof list->items[0], compare_names);
}

void found_sort_by_uid(struct found_list *list)
{
	if (list->count > 1)
		qsort(list->items, list->count, sizeof list->items[0], compare_uids);
}
