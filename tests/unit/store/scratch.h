/* A home of its own for a test, and a look at its files. */
#ifndef PETREL_TESTS_UNIT_STORE_SCRATCH_H
#define PETREL_TESTS_UNIT_STORE_SCRATCH_H

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "store/maildir.h"
#include "store/store.h"

struct scratch {
	char path[64];
	int root;
	int home;
};

static inline int scratch_remove_one(
    const char *path, const struct stat *st, int type, struct FTW *walk)
{
	(void)st;
	(void)type;
	(void)walk;
	return remove(path);
}

/* The home "example.org/alice" below a new directory, as store_create_home makes it. */
static inline struct scratch scratch_make(void)
{
	struct scratch s = {"/tmp/petrel-store-XXXXXX", -1, -1};

	cr_assert_not_null(mkdtemp(s.path));
	s.root = open(s.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert(s.root >= 0);
	s.home = store_create_home(s.root, SLICE("example.org/alice"));
	cr_assert(s.home >= 0);
	return s;
}

static inline void scratch_remove(struct scratch *s)
{
	close(s->home);
	close(s->root);
	nftw(s->path, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* The number of entries of a directory in the home; the name of the last one to `name` where there is one. */
static inline int scratch_list(const struct scratch *s, const char *directory, char name[256])
{
	int fd = openat(s->home, directory, O_RDONLY | O_DIRECTORY), count = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (d == NULL)
		return -1;
	while ((entry = readdir(d)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		count++;
		if (name != NULL)
			strcpy(name, entry->d_name);
	}
	closedir(d);
	return count;
}

/* Write a file in the home. */
static inline void scratch_write(
    const struct scratch *s, const char *path, const char *text, size_t len)
{
	int fd = openat(s->home, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	cr_assert(fd >= 0, "%s", path);
	cr_assert_eq(write(fd, text, len), (ssize_t)len);
	close(fd);
}

/* Read a file of the home; what it holds lives until the next call. */
static inline const char *scratch_read(const struct scratch *s, const char *path)
{
	static char text[65536];
	int fd = openat(s->home, path, O_RDONLY);
	ssize_t n;

	cr_assert(fd >= 0, "%s", path);
	n = read(fd, text, sizeof text - 1);
	cr_assert(n >= 0);
	text[n] = '\0';
	close(fd);
	return text;
}

/* A descriptor whose content is `text`. */
static inline int scratch_content(const char *text, size_t len)
{
	FILE *f = tmpfile();
	int fd = dup(fileno(f));

	cr_assert_eq(write(fd, text, len), (ssize_t)len);
	fclose(f);
	return fd;
}

/* Deliver a message as delivery/maildir does. */
static inline enum maildir_outcome scratch_deliver(const struct scratch *s, message_id id,
    const char *text, bool redeliver, struct maildir_result *result)
{
	struct maildir_result own;
	int fd = scratch_content(text, strlen(text));
	struct maildir_delivery delivery = {
	    .id = id,
	    .arrived_us = id,
	    .recipient = SLICE("alice@example.org"),
	    .hostname = "mail.example.org",
	    .headers = SLICE("Return-Path: <bob@example.net>\r\n"),
	    .content_fd = fd,
	    .size = strlen(text),
	    .redeliver = redeliver,
	};
	enum maildir_outcome outcome =
	    maildir_deliver(s->home, &delivery, result == NULL ? &own : result);

	close(fd);
	return outcome;
}

/* The store of this home; it must open. */
static inline struct store *scratch_open(const struct scratch *s)
{
	struct store_options options = {.hostname = "mail.example.org"};
	struct store *store;
	enum store_error error = store_open(s->home, &options, &store);

	cr_assert_eq(error, STORE_OK, "%s: %s", store_error_text(error), store_failure(NULL));
	return store;
}

static inline struct store_view *scratch_view(struct store *store, const char *folder)
{
	struct store_view *view;
	enum store_error error = store_view_open(store, slice_string(folder), 0, &view);

	cr_assert_eq(error, STORE_OK, "%s: %s", store_error_text(error), store_failure(store));
	return view;
}

/* Append a message; its UID. */
static inline uint32_t scratch_append(
    struct store *store, const char *folder, const char *text, uint32_t flags)
{
	struct store_append_info info = {.flags = flags, .internal_date = 1700000000};
	struct store_append *append;
	struct store_appended appended;

	cr_assert_eq(store_append_begin(store, slice_string(folder), &append), STORE_OK);
	cr_assert_eq(store_append_message(append, &info), STORE_OK);
	cr_assert_eq(store_append_write(append, slice_string(text)), STORE_OK);
	cr_assert_eq(store_append_commit(append, &appended), STORE_OK, "%s", store_failure(store));
	cr_assert_eq(appended.count, 1);
	return appended.first_uid;
}

/* Let directory times age, so that the store trusts them. */
static inline void scratch_settle(void)
{
	usleep(150000);
}

static inline struct store_changes scratch_update(struct store_view *view)
{
	struct store_changes changes;
	enum store_error error = store_view_update(view, 0, &changes);

	cr_assert_eq(error, STORE_OK, "%s: %s", store_error_text(error),
	    store_failure(store_view_store(view)));
	return changes;
}

/* The whole of a message, with CRLF; lives until the next call. */
static inline const char *scratch_content_of(struct store_view *view, uint32_t seq)
{
	static struct buf text = {.limit = 1 << 20};
	struct store_content *content;

	buf_clear(&text);
	cr_assert_eq(store_content_open(view, seq, &content), STORE_OK);
	cr_assert_eq(store_content_load(content, &text), STORE_OK);
	cr_assert_eq(text.len, store_content_size(content));
	store_content_close(content);
	buf_append_octet(&text, '\0');
	return text.data;
}

#endif
