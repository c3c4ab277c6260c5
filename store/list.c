/*
 * list.c - the list of a user's folders.
 */
#include <stdlib.h>

#include "store/private.h"

struct listing {
	struct store_folder_list *list;
	size_t room;
	bool failed;
};

/* The name of *what is copied. */
static void add_entry(struct listing *l, const struct store_folder_info *what)
{
	struct store_folder_list *list = l->list;
	struct store_folder_info info = *what;

	info.name = strdup(what->name);

	if (list->count == l->room) {
		size_t room = l->room == 0 ? 32 : l->room * 2;
		struct store_folder_info *folders =
		    reallocarray(list->folders, room, sizeof *folders);

		if (folders == NULL) {
			free(info.name);
			l->failed = true;
			return;
		}
		list->folders = folders;
		l->room = room;
	}
	if (info.name == NULL)
		l->failed = true;
	else
		list->folders[list->count++] = info;
}

/* An existing folder's name also stands for the names above it. */
static void add_folder(struct listing *l, struct store *store, struct folder *folder)
{
	struct slice whole = slice_string(folder->name);

	add_entry(l,
	    &(struct store_folder_info){.name = folder->name,
		.exists = true,
		.special_use = special_use_read(store, folder->directory)});
	for (ssize_t at = slice_find(whole, 0, '/'); at >= 0;
	     at = slice_find(whole, (size_t)at + 1, '/')) {
		char above[FILE_NAME_SIZE];

		slice_copy(slice_part(whole, 0, (size_t)at), above, sizeof above);
		add_entry(l, &(struct store_folder_info){.name = above});
	}
}

/* INBOX first, then by name with '/' below every other octet, so that children follow their parents. */
static int compare_entries(const void *a, const void *b)
{
	const char *left = ((const struct store_folder_info *)a)->name;
	const char *right = ((const struct store_folder_info *)b)->name;
	bool left_inbox = folder_name_is_inbox(left), right_inbox = folder_name_is_inbox(right);

	if (left_inbox != right_inbox)
		return left_inbox ? -1 : 1;
	while (*left != '\0' && *left == *right) {
		left++;
		right++;
	}
	if (*left == *right)
		return 0;
	if (*left == '\0' || *right == '\0')
		return *left == '\0' ? -1 : 1;
	if (*left == '/' || *right == '/')
		return *left == '/' ? -1 : 1;
	return (unsigned char)*left < (unsigned char)*right ? -1 : 1;
}

/* Sorted entries: join those of one name. */
static void join_entries(struct store_folder_list *list)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->count; i++) {
		struct store_folder_info *last = kept == 0 ? NULL : &list->folders[kept - 1];
		struct store_folder_info *here = &list->folders[i];

		if (last != NULL && strcmp(last->name, here->name) == 0) {
			last->exists |= here->exists;
			last->subscribed |= here->subscribed;
			last->special_use |= here->special_use;
			free(here->name);
		} else {
			list->folders[kept++] = *here;
		}
	}
	list->count = kept;
}

static bool is_below(const char *name, const char *above)
{
	size_t len = strlen(above);

	return strncmp(name, above, len) == 0 && name[len] == '/';
}

/*
 * A folder that exists makes a parent of every name above it.  Going backwards, what
 * was seen last is the nearest that follows; the subscribed ones without a folder are
 * passed over, since every name with a folder below is in the list itself.
 */
static void find_children(struct store_folder_list *list)
{
	const char *following = NULL;

	for (size_t i = list->count; i-- > 0;) {
		struct store_folder_info *info = &list->folders[i];

		info->has_children = following != NULL && is_below(following, info->name);
		if (info->exists || info->has_children)
			following = info->name;
	}
	/* INBOX stands in front of all; those below it have their place among the others. */
	if (list->count > 0 && folder_name_is_inbox(list->folders[0].name))
		for (size_t i = 1; i < list->count && !list->folders[0].has_children; i++)
			list->folders[0].has_children =
			    is_below(list->folders[i].name, "INBOX") &&
			    (list->folders[i].exists || list->folders[i].has_children);
}

static enum store_error gather(struct store *store, struct listing *l)
{
	struct buf names = buf_with_limit(SUBSCRIPTIONS_MAX_OCTETS);
	struct index_walk walk = {0};
	struct index_txn txn;
	struct folder folder;
	enum store_error result = index_begin_read(&store->index, &txn);

	if (result != STORE_OK)
		return result;
	result = index_walk_folders(&walk, &txn, &folder);
	for (; result == STORE_OK; result = index_walk_folders_next(&walk, &folder))
		add_folder(l, store, &folder);
	index_walk_end(&walk);
	index_end(&txn);
	if (result == STORE_GONE)
		result = subscriptions_read(store, &names);
	for (size_t at = 0; result == STORE_OK && at < names.len; at += strlen(names.data + at) + 1)
		add_entry(l, &(struct store_folder_info){.name = names.data + at, .subscribed = true});
	buf_free(&names);
	return result == STORE_OK && l->failed ? STORE_MEMORY : result;
}

enum store_error store_folder_list(struct store *store, struct store_folder_list *out)
{
	struct listing l = {.list = out};
	enum store_error result;

	*out = (struct store_folder_list){0};
	result = folders_sync(store);
	if (result == STORE_OK)
		result = gather(store, &l);
	if (result != STORE_OK) {
		store_folder_list_free(out);
		return result;
	}
	if (out->count > 1)
		qsort(out->folders, out->count, sizeof out->folders[0], compare_entries);
	join_entries(out);
	find_children(out);
	special_use_by_name(out);
	return STORE_OK;
}

void store_folder_list_free(struct store_folder_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->folders[i].name);
	free(list->folders);
	*list = (struct store_folder_list){0};
}
