/*
 * file.c - the credentials in force: the file as it was when it was last good.
 *
 * Who changes the file writes a new one beside it and renames it; that changes
 * its inode, its time or both.
 */
#include "auth/file.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/io.h"
#include "common/log.h"

static const char file_name[] = "credentials";

static int directory = -1;
static struct credentials *in_force;
static unsigned changes;

static struct stat seen; /* as it was when it was last read, good or not */
static bool was_seen;
static bool was_missed;    /* its absence was logged */

bool file_open_directory(const char *path)
{
	directory = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (directory == -1)
		log_error("cannot-open", log_string("directory", path), log_errno(errno));
	return directory != -1;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static void parse(struct slice text)
{
	struct buf error = buf_with_limit(1024);
	struct credentials *fresh = credentials_parse(text, file_name, &error);

	if (fresh == NULL) {
		log_error("malformed-credentials", log_slice("reason", buf_slice(&error)),
		    log_string("consequence",
			in_force == NULL ? "nobody can log in" : "the ones from before stay"));
	} else {
		log_info("credentials-loaded", log_number("accounts", credentials_count(fresh)));
		credentials_free(in_force);
		in_force = fresh;
		changes++;
	}
	buf_free(&error);
}

static void load(void)
{
	int file = openat(directory, file_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct buf text = buf_with_limit(CREDENTIALS_FILE_MAX);
	struct stat now;

	if (file == -1 || fstat(file, &now) != 0 || !S_ISREG(now.st_mode)) {
		log_error("cannot-open", log_string("file", file_name),
		    log_errno(file == -1 ? errno : EINVAL));
	} else {
		seen = now;
		if ((now.st_mode & (S_IROTH | S_IWOTH)) != 0)
			log_warning("credentials-exposed", log_string("file", file_name),
			    log_string(
				"reason", "others may read or write it; its mode should be 0600"));
		if (io_read(file, &text))
			parse(buf_slice(&text));
		else
			log_error("cannot-read", log_string("file", file_name), log_errno(errno));
	}
	buf_wipe(&text);
	if (file != -1)
		close(file);
}

static void look(void)
{
	struct stat now;

	if (fstatat(directory, file_name, &now, AT_SYMLINK_NOFOLLOW) != 0) {
		if (!was_missed)
			log_warning("no-credentials", log_string("file", file_name), log_errno(errno),
			    log_string("remedy", "petrel user add"));
		was_missed = true;
		was_seen = false;
		return;
	}
	was_missed = false;
	if (was_seen && is_same(&now, &seen))
		return;
	/* Where it cannot be read it is tried again when it changes, not at each login. */
	seen = now;
	was_seen = true;
	load();
}

const struct credentials *file_credentials(unsigned *generation)
{
	look();
	*generation = changes;
	return in_force;
}

void file_reload(void)
{
	was_seen = false;
	was_missed = false;
}

void file_close(void)
{
	credentials_free(in_force);
	in_force = NULL;
	if (directory != -1)
		close(directory);
	directory = -1;
}
