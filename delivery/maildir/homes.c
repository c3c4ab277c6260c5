/*
 * homes.c - open directories of mailboxes.
 */
#include "delivery/maildir/homes.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/channel_delivery.h"
#include "common/clock.h"
#include "common/siphash.h"
#include "store/store.h"

struct entry {
	uint64_t hash;      /* of the path: most comparisons end here */
	uint64_t opened_us; /* 0: this entry is free */
	uint64_t used;      /* the turn of its last use */
	size_t path_len;
	char path[DELIVERY_MAILBOX_MAX];
	struct home home;
};

struct homes {
	int root_fd;
	dev_t device; /* of the mail root */
	uint64_t turn;
	struct siphash_key key;
	size_t capacity;
	struct entry entries[HOMES_MAX];
};

struct homes *homes_new(int root_fd, size_t capacity)
{
	struct homes *homes = calloc(1, sizeof *homes);
	struct stat root;

	if (homes == NULL || fstat(root_fd, &root) == -1) {
		free(homes);
		return NULL;
	}
	homes->root_fd = root_fd;
	homes->device = root.st_dev;
	homes->capacity = capacity == 0 || capacity > HOMES_MAX ? HOMES_MAX : capacity;
	arc4random_buf(&homes->key, sizeof homes->key);
	return homes;
}

static void entry_close(struct entry *entry)
{
	if (entry->opened_us != 0)
		close(entry->home.descriptor);
	entry->opened_us = 0;
}

void homes_free(struct homes *homes)
{
	for (size_t i = 0; homes != NULL && i < HOMES_MAX; i++)
		entry_close(&homes->entries[i]);
	free(homes);
}

static struct entry *find(struct homes *homes, struct slice path, uint64_t hash)
{
	for (size_t i = 0; i < homes->capacity; i++) {
		struct entry *entry = &homes->entries[i];

		if (entry->opened_us != 0 && entry->hash == hash &&
		    slice_equal(slice_of(entry->path, entry->path_len), path))
			return entry;
	}
	return NULL;
}

/* A free entry, or the one that was not used for longest. */
static struct entry *make_room(struct homes *homes)
{
	struct entry *oldest = &homes->entries[0];

	for (size_t i = 0; i < homes->capacity; i++) {
		if (homes->entries[i].opened_us == 0)
			return &homes->entries[i];
		if (homes->entries[i].used < oldest->used)
			oldest = &homes->entries[i];
	}
	entry_close(oldest);
	return oldest;
}

static int open_or_make(int root_fd, struct slice path)
{
	int descriptor = store_open_home(root_fd, path);

	if (descriptor == -1 && errno == ENOENT)
		descriptor = store_create_home(root_fd, path);
	return descriptor;
}

bool homes_open(struct homes *homes, struct slice path, struct home *home)
{
	uint64_t now = clock_monotonic_us(), hash = siphash(homes->key, path);
	struct entry *entry = find(homes, path, hash);
	struct stat st;
	int descriptor;

	if (entry != NULL && now - entry->opened_us > HOMES_SECONDS * UINT64_C(1000000)) {
		entry_close(entry);
		entry = NULL;
	}
	if (entry == NULL) {
		if (path.len > sizeof entry->path) {
			errno = EINVAL;
			return false;
		}
		descriptor = open_or_make(homes->root_fd, path);
		if (descriptor == -1)
			return false;
		entry = make_room(homes);
		memcpy(entry->path, path.data, path.len);
		entry->path_len = path.len;
		entry->hash = hash;
		entry->opened_us = now == 0 ? 1 : now;
		entry->home.descriptor = descriptor;
		entry->home.is_elsewhere =
		    fstat(descriptor, &st) == -1 || st.st_dev != homes->device;
	}
	entry->used = ++homes->turn;
	*home = entry->home;
	return true;
}

void homes_forget(struct homes *homes, struct slice path)
{
	struct entry *entry = find(homes, path, siphash(homes->key, path));

	if (entry != NULL)
		entry_close(entry);
}
