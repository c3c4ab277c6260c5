/*
 * homes.h - open directories of mailboxes.
 *
 * Walking down to a mailbox costs a few system calls for each level of its path;
 * the homes used last are kept open, so that the common delivery starts at its
 * own directory.  A home is not kept for long: what the administrator renames,
 * mounts or replaces is seen after HOMES_SECONDS.
 */
#ifndef PETREL_DELIVERY_MAILDIR_HOMES_H
#define PETREL_DELIVERY_MAILDIR_HOMES_H

#include "common/slice.h"

enum {
	HOMES_MAX = 256,   /* kept open at a time, at the most */
	HOMES_SECONDS = 30 /* a home is opened anew after that */
};

struct homes;

/* A mailbox's directory; it belongs to the homes and lives until the next call. */
struct home {
	int descriptor;
	/* On another file system than the mail root: a checkpoint does not flush it. */
	bool is_elsewhere;
};

/*
 * `root_fd` is the mail root and stays the caller's; `capacity` is how many homes
 * are kept open, 1 to HOMES_MAX.  NULL when out of memory.
 */
struct homes *homes_new(int root_fd, size_t capacity);
void homes_free(struct homes *homes);
/*
 * The home at `path` below the mail root, made where it is missing.  False with
 * errno where that cannot be: EINVAL for a path that is empty, absolute or leads
 * upwards, ENOTDIR or ELOOP where something else is in the place of a directory.
 */
bool homes_open(struct homes *homes, struct slice path, struct home *home);
/* Its directory proved to be gone: open it anew next time. */
void homes_forget(struct homes *homes, struct slice path);

#endif
