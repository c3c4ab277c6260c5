/* A directory of its own for each test, with files that the test writes. */
#ifndef PETREL_TESTS_TABLE_DIRECTORY_H
#define PETREL_TESTS_TABLE_DIRECTORY_H

#include <criterion/criterion.h>

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct test_directory {
	char path[64];
	int fd;
};

static inline struct test_directory test_directory_new(void)
{
	struct test_directory d = {"/tmp/petrel-unit-XXXXXX", -1};

	cr_assert_not_null(mkdtemp(d.path));
	d.fd = open(d.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_geq(d.fd, 0);
	return d;
}

static inline int test_directory_remove_one(
    const char *path, const struct stat *st, int type, struct FTW *walk)
{
	(void)st;
	(void)type;
	(void)walk;
	return remove(path);
}

static inline void test_directory_remove(struct test_directory *d)
{
	close(d->fd);
	nftw(d->path, test_directory_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static inline void test_directory_write(
    struct test_directory *d, const char *name, const char *text)
{
	int fd = openat(d->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

/* Move a file's modification time by so many seconds. */
static inline void test_directory_age(struct test_directory *d, const char *name, int seconds)
{
	struct stat st;
	struct timespec times[2];

	cr_assert_eq(fstatat(d->fd, name, &st, 0), 0);
	times[0] = times[1] = st.st_mtim;
	times[0].tv_sec += seconds;
	times[1].tv_sec += seconds;
	cr_assert_eq(utimensat(d->fd, name, times, 0), 0);
}

#endif
