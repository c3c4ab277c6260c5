/*
 * found.h - the messages that lie in a directory.
 */
#ifndef PETREL_STORE_FOUND_H
#define PETREL_STORE_FOUND_H

#include "store/names.h"
#include "store/store.h"

struct found {
	struct file_name name; /* its slices live as long as the list */
	bool is_in_new;
	bool is_superfluous; /* a second copy of a delivered message */
	uint32_t uid;        /* of the message that it is; 0: none yet */
};

struct found_list {
	struct found *items;
	size_t count;
	size_t room;
	struct buf *blocks; /* what the names lie in */
	size_t block_count;
};

/*
 * Add the messages of an open directory: plain files whose names can be taken apart.
 * False with errno (E2BIG above STORE_MESSAGES_MAX).
 */
bool found_read(struct found_list *list, int directory_fd, bool is_new);
void found_free(struct found_list *list);
/* Sort by time in the name, then name. */
void found_sort(struct found_list *list);
/* Sort by UID. */
void found_sort_by_uid(struct found_list *list);

#endif
