/*
 * edit.c - changing a small text file as a whole: under a lock, and by rename.
 */
#include "ctl/edit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/io.h"
#include "ctl/ctl.h"

enum { EDITED_MAX = 64 * 1024 * 1024 };

/* Write the new text under another name with the owner and mode that it is to have, and put it in place. */
static bool replace(int directory, const char *name, const struct stat *like, struct slice text)
{
	char fresh[300];
	int file;
	bool written;

	snprintf(fresh, sizeof fresh, ".%s.new", name);
	unlinkat(directory, fresh, 0);
	file = openat(directory, fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	written = file != -1 && (geteuid() != 0 || fchown(file, like->st_uid, like->st_gid) == 0) &&
	    fchmod(file, like->st_mode & 07777) == 0 && io_write(file, text) && fsync(file) == 0 &&
	    renameat(directory, fresh, directory, name) == 0 && fsync(directory) == 0;
	if (!written) {
		int failure = errno;

		unlinkat(directory, fresh, 0);
		errno = failure;
	}
	if (file != -1)
		close(file);
	return written;
}

static bool edit_locked(int directory, const char *name, unsigned mode, edit_text edit, void *context)
{
	struct buf old = buf_with_limit(EDITED_MAX), new = buf_with_limit(EDITED_MAX);
	int file = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	bool ok = true;

	if (file == -1 && errno == ENOENT) {
		ok = fstat(directory, &st) == 0;
		st.st_mode = mode;
	} else {
		ok = file != -1 && fstat(file, &st) == 0 && io_read(file, &old);
	}
	if (!ok)
		ctl_fail(EX_NOINPUT, "%s: %s", name, strerror(errno));
	else if ((ok = edit(buf_slice(&old), &new, context)) && !(ok = replace(directory, name, &st, buf_slice(&new))))
		ctl_fail(EX_CANTCREAT, "%s: %s", name, strerror(errno));
	if (file != -1)
		close(file);
	buf_wipe(&old);
	buf_wipe(&new);
	return ok;
}

bool edit_file(const char *path, const char *name, unsigned mode, edit_text edit, void *context)
{
	int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool edited;

	if (directory == -1 || flock(directory, LOCK_EX) == -1) {
		ctl_fail(EX_NOINPUT, "%s: %s", path, strerror(errno));
		if (directory != -1)
			close(directory);
		return false;
	}
	edited = edit_locked(directory, name, mode, edit, context);
	close(directory);
	return edited;
}
