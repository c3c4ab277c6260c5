/*
 * home.c - homes: making them, and opening files in them without being led out.
 */
#include "store/home.h"

#include <errno.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "store/store.h"

int open_beneath(int directory_fd, const char *path, int flags, mode_t mode)
{
	struct open_how how = {
	    .flags = (uint64_t)(flags | O_CLOEXEC | O_NOCTTY),
	    .mode = (flags & O_CREAT) != 0 ? mode : 0,
	    .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
	};
	long fd;

	/* EAGAIN: something was renamed on the way while the kernel looked. */
	do
		fd = syscall(SYS_openat2, directory_fd, path, &how, sizeof how);
	while (fd < 0 && (errno == EINTR || errno == EAGAIN));
	return (int)fd;
}

int open_directory(int directory_fd, const char *path)
{
	return open_beneath(directory_fd, path, O_RDONLY | O_DIRECTORY, 0);
}

int rename_exclusive(int from_fd, const char *from, int to_fd, const char *to)
{
	if (renameat2(from_fd, from, to_fd, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -1;
	/* A file system without RENAME_NOREPLACE. */
	if (linkat(from_fd, from, to_fd, to, 0) != 0)
		return -1;
	return unlinkat(from_fd, from, 0);
}

void folder_path(
    const char *directory, const char *sub, const char *name, char out[PATH_BELOW_SIZE])
{
	snprintf(
	    out, PATH_BELOW_SIZE, "%s/%s%s%s", directory, sub, name[0] == '\0' ? "" : "/", name);
}

static int make_directory(int directory_fd, const char *path)
{
	return mkdirat(directory_fd, path, 0700) == 0 || errno == EEXIST ? 0 : -1;
}

int folder_make_directories(int maildir_fd, const char *directory)
{
	static const char *const subs[] = {"tmp", "new", "cur"};
	int fd, result = 0;

	if (strcmp(directory, ".") != 0 && make_directory(maildir_fd, directory) != 0)
		return -1;
	fd = open_directory(maildir_fd, directory);
	if (fd < 0)
		return -1;
	for (size_t i = 0; i < sizeof subs / sizeof subs[0] && result == 0; i++)
		result = make_directory(fd, subs[i]);
	/* Maildir++ marks a folder that is not the top with an empty file. */
	if (result == 0 && strcmp(directory, ".") != 0) {
		int mark =
		    openat(fd, "maildirfolder", O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

		if (mark >= 0)
			close(mark);
	}
	close(fd);
	return result;
}

int store_prepare_home(int home_fd)
{
	int maildir_fd, result;

	if (make_directory(home_fd, "Maildir") != 0 || make_directory(home_fd, "index") != 0)
		return -1;
	maildir_fd = open_directory(home_fd, "Maildir");
	if (maildir_fd < 0)
		return -1;
	result = folder_make_directories(maildir_fd, ".");
	close(maildir_fd);
	return result;
}

/* Walk down `home` level by level, making levels where `create`. */
static int walk(int root_fd, struct slice home, bool create)
{
	struct cursor c = cursor_over(home);
	int fd = fcntl(root_fd, F_DUPFD_CLOEXEC, 0);

	while (fd >= 0 && !cursor_done(&c)) {
		struct slice level = cursor_take_until(&c, '/');
		char name[FILE_NAME_SIZE];
		int next = -1;

		if (cursor_accept(&c, '/') && cursor_done(&c))
			level.len = 0;
		if (level.len == 0 || slice_equal(level, SLICE(".")) ||
		    slice_equal(level, SLICE("..")) || slice_find(level, 0, '\0') >= 0 ||
		    !slice_copy(level, name, sizeof name))
			errno = EINVAL;
		else if (!create || make_directory(fd, name) == 0)
			next = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0) {
			int error = errno;

			close(fd);
			errno = error;
		} else {
			close(fd);
		}
		fd = next;
	}
	return fd;
}

int store_open_home(int root_fd, struct slice home)
{
	if (home.len == 0) {
		errno = EINVAL;
		return -1;
	}
	return walk(root_fd, home, false);
}

int store_create_home(int root_fd, struct slice home)
{
	int fd;

	if (home.len == 0) {
		errno = EINVAL;
		return -1;
	}
	fd = walk(root_fd, home, true);
	if (fd >= 0 && store_prepare_home(fd) != 0) {
		int error = errno;

		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}
