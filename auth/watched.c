/*
 * watched.c - a file in auth's directory that is read where it has changed.
 */
#include "auth/watched.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/io.h"
#include "common/log.h"

static int directory = -1;

bool watched_open_directory(const char *path)
{
	directory = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (directory == -1)
		log_error("cannot-open", log_string("directory", path), log_errno(errno));
	return directory != -1;
}

void watched_close_directory(void)
{
	if (directory != -1)
		close(directory);
	directory = -1;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static bool read_open(struct watched *w, int file, struct buf *text)
{
	struct stat now;

	if (file == -1 || fstat(file, &now) != 0 || !S_ISREG(now.st_mode)) {
		log_error("cannot-open", log_string("file", w->name),
		    log_errno(file == -1 ? errno : EINVAL));
		return false;
	}
	w->seen = now;
	if ((now.st_mode & (S_IROTH | S_IWOTH)) != 0)
		log_warning("credentials-exposed", log_string("file", w->name),
		    log_string("reason", "others may read or write it; its mode should be 0600"));
	if (io_read(file, text))
		return true;
	log_error("cannot-read", log_string("file", w->name), log_errno(errno));
	return false;
}

enum watched_state watched_look(struct watched *w, struct buf *text)
{
	struct stat now;
	bool is_read;
	int file;

	if (fstatat(directory, w->name, &now, AT_SYMLINK_NOFOLLOW) != 0) {
		bool is_new = !w->was_missed;

		w->was_missed = true;
		w->was_seen = false;
		return is_new ? WATCHED_ABSENT : WATCHED_SAME;
	}
	w->was_missed = false;
	if (w->was_seen && is_same(&now, &w->seen))
		return WATCHED_SAME;
	/* Where it cannot be read it is tried again when it changes, not at each login. */
	w->seen = now;
	w->was_seen = true;
	file = openat(directory, w->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	*text = buf_with_limit(w->limit);
	is_read = read_open(w, file, text);
	if (file != -1)
		close(file);
	if (!is_read)
		buf_wipe(text);
	return is_read ? WATCHED_READ : WATCHED_FAILED;
}

void watched_forget(struct watched *w)
{
	w->was_seen = false;
	w->was_missed = false;
}
