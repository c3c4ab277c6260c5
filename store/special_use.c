/*
 * special_use.c - what folders are for (RFC 6154).
 *
 * A folder's uses stand in the file special-use in its own directory, one a line
 * ("\Sent"), so that they go where the folder goes, whoever moves it.  Where no
 * folder was given a use, one that bears the use's usual name has it: a client that
 * was set up long ago has made "Sent" without saying what it is for.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "common/io.h"
#include "store/private.h"

enum { USE_FILE_MAX = 1024, USUAL_NAMES_MAX = 3 };

static const struct {
	struct slice name;
	unsigned use;
	const char *usual_names[USUAL_NAMES_MAX + 1]; /* the first that exists counts */
} uses[] = {
    {SLICE("Archive"), STORE_USE_ARCHIVE, {"Archive", "Archives"}                         },
    {SLICE("Drafts"),  STORE_USE_DRAFTS,  {"Drafts"}				     },
    {SLICE("Junk"),    STORE_USE_JUNK,    {"Junk", "Spam"}				},
    {SLICE("Sent"),    STORE_USE_SENT,    {"Sent", "Sent Messages", "Sent Items"}	},
    {SLICE("Trash"),   STORE_USE_TRASH,   {"Trash", "Deleted Messages", "Deleted Items"}  },
};

enum { USES = sizeof uses / sizeof uses[0] };

unsigned store_use_of(struct slice name)
{
	for (size_t i = 0; i < USES; i++)
		if (slice_equal_nocase(name, uses[i].name))
			return uses[i].use;
	return 0;
}

void store_use_write(unsigned wanted, const char *before, struct buf *out)
{
	for (size_t i = 0; i < USES; i++)
		if ((wanted & uses[i].use) != 0) {
			buf_append_string(out, before);
			buf_append_octet(out, '\\');
			buf_append_slice(out, uses[i].name);
		}
}

/* ---- the file ---- */

static void path_of_uses(const char *directory, const char *suffix, char out[PATH_BELOW_SIZE])
{
	snprintf(out, PATH_BELOW_SIZE, "%s/special-use%s", directory, suffix);
}

unsigned special_use_read(struct store *store, const char *directory)
{
	char path[PATH_BELOW_SIZE];
	struct buf text = buf_with_limit(USE_FILE_MAX);
	struct cursor c;
	unsigned found = 0;
	int fd;

	path_of_uses(directory, "", path);
	fd = open_beneath(store->maildir_fd, path, O_RDONLY | O_NOFOLLOW, 0);
	if (fd < 0)
		return 0;
	if (!io_read(fd, &text))
		buf_clear(&text);
	close(fd);
	c = cursor_over(buf_slice(&text));
	while (!cursor_done(&c)) {
		if (cursor_accept(&c, '\\'))
			found |= store_use_of(slice_trim(cursor_take_until(&c, '\n')));
		else
			cursor_take_until(&c, '\n');
		cursor_skip(&c, 1);
	}
	buf_free(&text);
	return found;
}

static bool fill(struct store *store, int fd, unsigned wanted, const char *tmp, const char *path)
{
	struct buf text = buf_with_limit(USE_FILE_MAX);
	bool done;

	store_use_write(wanted, "\n", &text);
	buf_append_octet(&text, '\n');
	done = io_write(fd, slice_from(buf_slice(&text), 1)) && fsync(fd) == 0 &&
	       renameat(store->maildir_fd, tmp, store->maildir_fd, path) == 0;
	buf_free(&text);
	return done;
}

enum store_error special_use_write(struct store *store, const char *directory, unsigned wanted)
{
	char path[PATH_BELOW_SIZE], tmp[PATH_BELOW_SIZE];
	bool done = false;
	int fd;

	path_of_uses(directory, "", path);
	path_of_uses(directory, ".petrel", tmp);
	fd = open_beneath(store->maildir_fd, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
	if (fd >= 0) {
		done = fill(store, fd, wanted, tmp, path);
		close(fd);
	}
	return done ? STORE_OK : index_failed(&store->index, errno, path, "write");
}

/* ---- usual names ---- */

static struct store_folder_info *find_usual(struct store_folder_list *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->folders[i].exists &&
		    slice_equal_nocase(slice_string(list->folders[i].name), slice_string(name)))
			return &list->folders[i];
	return NULL;
}

void special_use_by_name(struct store_folder_list *list)
{
	unsigned given = 0;

	for (size_t i = 0; i < list->count; i++)
		given |= list->folders[i].special_use;
	for (size_t i = 0; i < USES; i++) {
		struct store_folder_info *folder = NULL;

		if ((given & uses[i].use) != 0)
			continue;
		for (size_t n = 0; uses[i].usual_names[n] != NULL && folder == NULL; n++)
			folder = find_usual(list, uses[i].usual_names[n]);
		if (folder != NULL)
			folder->special_use |= uses[i].use;
	}
}
