/*
 * store.c - opening a user's store; what does not need a view.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/private.h"

/* LMDB must not open a file twice in one process, so one home is one store. */
static LIST_HEAD(, store) stores = LIST_HEAD_INITIALIZER(stores);

const char *store_error_text(enum store_error error)
{
	switch (error) {
	case STORE_OK:
		return "no error";
	case STORE_NO_FOLDER:
		return "no such folder";
	case STORE_EXISTS:
		return "the folder exists";
	case STORE_BAD_NAME:
		return "not a possible name";
	case STORE_DENIED:
		return "not allowed here";
	case STORE_GONE:
		return "the message was expunged";
	case STORE_FULL:
		return "no space left";
	case STORE_LIMIT:
		return "a limit was reached";
	case STORE_CORRUPT:
		return "the index is corrupt";
	case STORE_STALE:
		return "the folder was replaced";
	case STORE_IO:
		return "a file could not be read or written";
	case STORE_MEMORY:
		return "out of memory";
	}
	return "unknown error";
}

static char open_failure[INDEX_FAILURE_SIZE];

const char *store_failure(const struct store *store)
{
	return store == NULL ? open_failure : store->index.failure;
}

static struct store *find_open(const struct stat *home)
{
	struct store *store;

	LIST_FOREACH (store, &stores, entry)
		if (store->device == home->st_dev && store->inode == home->st_ino)
			return store;
	return NULL;
}

static enum store_error open_descriptors(struct store *store, int home_fd)
{
	if (store_prepare_home(home_fd) != 0)
		return index_failed(&store->index, errno, "home", "prepare");
	store->home_fd = fcntl(home_fd, F_DUPFD_CLOEXEC, 0);
	if (store->home_fd < 0)
		return index_failed(&store->index, errno, "home", "open");
	store->maildir_fd = open_directory(home_fd, "Maildir");
	if (store->maildir_fd < 0)
		return index_failed(&store->index, errno, "Maildir", "open");
	return STORE_OK;
}

static void free_store(struct store *store)
{
	if (store->maildir_fd >= 0)
		close(store->maildir_fd);
	if (store->home_fd >= 0)
		close(store->home_fd);
	free(store);
}

enum store_error store_open(int home_fd, const struct store_options *options, struct store **out)
{
	struct store *store;
	struct stat st;
	enum store_error result;

	*out = NULL;
	open_failure[0] = '\0';
	if (fstat(home_fd, &st) != 0)
		return STORE_IO;
	store = find_open(&st);
	if (store != NULL) {
		store->references++;
		*out = store;
		return STORE_OK;
	}
	store = calloc(1, sizeof *store);
	if (store == NULL)
		return STORE_MEMORY;
	store->references = 1;
	store->device = st.st_dev;
	store->inode = st.st_ino;
	store->home_fd = store->maildir_fd = store->index.directory_fd = -1;
	store->texts_memory = buf_with_limit(STORE_TEXTS_MAX);
	for (size_t i = 0; i < WAITING_LISTS; i++)
		LIST_INIT(&store->waiting[i]);
	file_name_hostname(options->hostname, store->hostname);
	result = open_descriptors(store, home_fd);
	if (result == STORE_OK)
		result = index_open(&store->index, home_fd, (options->flags & STORE_REBUILD) != 0,
		    &store->was_rebuilt);
	if (result != STORE_OK) {
		strlcpy(open_failure, store->index.failure, sizeof open_failure);
		free_store(store);
		return result;
	}
	LIST_INSERT_HEAD(&stores, store, entry);
	*out = store;
	return STORE_OK;
}

void store_close(struct store *store)
{
	if (store == NULL || --store->references > 0)
		return;
	texts_free(store);
	LIST_REMOVE(store, entry);
	index_close(&store->index);
	free_store(store);
}

bool store_was_rebuilt(const struct store *store)
{
	return store->was_rebuilt;
}

enum store_error store_change_counter(struct store *store, uint64_t *counter)
{
	struct index_state state;
	struct index_txn txn;
	enum store_error result = index_begin_read(&store->index, &txn);

	if (result != STORE_OK)
		return result;
	result = index_get_state(&txn, &state);
	index_end(&txn);
	*counter = state.changes;
	return result;
}

/* ---- status ---- */

/* Messages that no session has seen: those at the end of the folder. */
static enum store_error count_recent(
    struct store *store, const struct folder *folder, uint32_t *count)
{
	struct index_walk walk = {0};
	struct index_txn txn;
	struct mail mail;
	enum store_error result;

	*count = 0;
	if (folder->recent_from >= folder->uidnext)
		return STORE_OK;
	if (folder->recent_from == 1) {
		*count = folder->messages;
		return STORE_OK;
	}
	result = index_begin_read(&store->index, &txn);
	if (result != STORE_OK)
		return result;
	result = index_walk_mail(&walk, &txn, folder->id, folder->recent_from, &mail);
	for (; result == STORE_OK && mail.uid < folder->uidnext;
	     result = index_walk_mail_next(&walk, &mail))
		(*count)++;
	index_walk_end(&walk);
	index_end(&txn);
	return result == STORE_GONE ? STORE_OK : result;
}

enum store_error store_folder_status(
    struct store *store, struct slice name, struct store_status *out)
{
	struct folder folder;
	uint32_t id;
	enum store_error result = folder_find(store, name, &id);

	*out = (struct store_status){0};
	if (result == STORE_OK)
		result = folder_sync(store, id, &folder);
	if (result == STORE_OK && folder.unsized > 0) {
		result = folder_measure(store, id);
		if (result == STORE_OK)
			result = folder_sync(store, id, &folder);
	}
	if (result == STORE_OK)
		result = count_recent(store, &folder, &out->recent);
	if (result != STORE_OK)
		return result;
	out->messages = folder.messages;
	out->unseen = folder.messages - folder.seen;
	out->deleted = folder.deleted;
	out->uidnext = folder.uidnext;
	out->uidvalidity = folder.uidvalidity;
	out->highest_modseq = folder.modseq;
	out->size = folder.size;
	return STORE_OK;
}
