/*
 * subscriptions.c - which folders a user is subscribed to: Maildir/subscriptions.
 *
 * The file is Dovecot's: one folder a line, named as its directory without the
 * leading dot.  Its newer form (a line "V\t2", an empty line, tabs between levels) is
 * read too.  It is replaced as a whole, so that readers see the old or the new one.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "common/io.h"
#include "store/private.h"

static const char path_of_file[] = "subscriptions";

static enum store_error failed(struct store *store, const char *step)
{
	return index_failed(&store->index, errno, "Maildir/subscriptions", step);
}

/* One line as a checked folder name; false for what cannot be one. */
static bool name_of_line(struct slice line, char name[FILE_NAME_SIZE])
{
	char directory[FILE_NAME_SIZE];
	struct buf b = buf_with_limit(sizeof directory - 1);
	bool sound;

	if (slice_equal_nocase(line, SLICE("INBOX"))) {
		strlcpy(name, "INBOX", FILE_NAME_SIZE);
		return true;
	}
	buf_append_octet(&b, '.');
	for (size_t i = 0; i < line.len; i++)
		buf_append_octet(&b, line.data[i] == '\t' ? '.' : line.data[i]);
	sound = slice_find(line, 0, '\0') < 0 &&
		slice_copy(buf_slice(&b), directory, sizeof directory) && !b.overflowed &&
		folder_name_from_directory(directory, name);
	buf_free(&b);
	return sound;
}

static bool line_of_name(const char *name, struct buf *out)
{
	char directory[FILE_NAME_SIZE];

	if (folder_name_is_inbox(name))
		return buf_append_string(out, "INBOX\n");
	return folder_name_to_directory(name, directory) && buf_append_string(out, directory + 1) &&
	       buf_append_octet(out, '\n');
}

enum store_error subscriptions_read(struct store *store, struct buf *names)
{
	int fd = open_beneath(store->maildir_fd, path_of_file, O_RDONLY | O_NOFOLLOW, 0);
	struct buf text = buf_with_limit(SUBSCRIPTIONS_MAX_OCTETS);
	struct cursor c;
	size_t count = 0;

	if (fd < 0)
		return errno == ENOENT ? STORE_OK : failed(store, "open");
	if (!io_read(fd, &text)) {
		enum store_error result = failed(store, "read");

		close(fd);
		buf_free(&text);
		return result;
	}
	close(fd);
	c = cursor_over(buf_slice(&text));
	while (!cursor_done(&c) && count < STORE_SUBSCRIPTIONS_MAX) {
		struct slice line = cursor_take_until(&c, '\n');
		char name[FILE_NAME_SIZE];

		cursor_skip(&c, 1);
		if (slice_equal(line, SLICE("V\t2")) || !name_of_line(line, name))
			continue;
		buf_append(names, name, strlen(name) + 1);
		count++;
	}
	buf_free(&text);
	return names->overflowed ? STORE_MEMORY : STORE_OK;
}

static enum store_error write_names(struct store *store, struct slice names)
{
	struct buf text = buf_with_limit(SUBSCRIPTIONS_MAX_OCTETS);
	struct cursor c = cursor_over(names);
	enum store_error result = STORE_OK;
	int fd;

	while (!cursor_done(&c)) {
		/* Each name ends with a NUL. */
		line_of_name(c.at, &text);
		cursor_take_until(&c, '\0');
		cursor_skip(&c, 1);
	}
	fd = open_beneath(store->maildir_fd, "subscriptions.petrel",
	    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		buf_free(&text);
		return failed(store, "open");
	}
	if (text.overflowed)
		result = STORE_LIMIT;
	else if (!io_write(fd, buf_slice(&text)) || fsync(fd) != 0)
		result = failed(store, "write");
	else if (renameat(store->maildir_fd, "subscriptions.petrel", store->maildir_fd,
		     path_of_file) != 0 ||
		 fsync(store->maildir_fd) != 0)
		result = failed(store, "rename");
	close(fd);
	buf_free(&text);
	return result;
}

static bool has_name(struct slice names, const char *name)
{
	struct cursor c = cursor_over(names);

	while (!cursor_done(&c)) {
		if (strcmp(c.at, name) == 0)
			return true;
		cursor_take_until(&c, '\0');
		cursor_skip(&c, 1);
	}
	return false;
}

static void remove_name(struct buf *names, const char *name)
{
	size_t len = strlen(name) + 1;

	for (size_t at = 0; at < names->len;) {
		size_t here = strlen(names->data + at) + 1;

		if (here == len && memcmp(names->data + at, name, len) == 0) {
			memmove(names->data + at, names->data + at + len, names->len - at - len);
			names->len -= len;
		} else {
			at += here;
		}
	}
}

static size_t count_names(struct slice names)
{
	size_t count = 0;

	for (size_t i = 0; i < names.len; i++)
		count += names.data[i] == '\0';
	return count;
}

static enum store_error change_subscription(struct store *store, struct slice name, bool subscribe)
{
	char checked[FILE_NAME_SIZE];
	struct buf names = buf_with_limit(SUBSCRIPTIONS_MAX_OCTETS);
	enum store_error result;

	if (!folder_name_check(name, checked))
		return STORE_BAD_NAME;
	/* Between reading and replacing nobody else of ours may do the same. */
	if (flock(store->index.directory_fd, LOCK_EX) != 0)
		return failed(store, "lock");
	result = subscriptions_read(store, &names);
	if (result == STORE_OK && has_name(buf_slice(&names), checked) != subscribe) {
		if (subscribe)
			buf_append(&names, checked, strlen(checked) + 1);
		else
			remove_name(&names, checked);
		if (names.overflowed || count_names(buf_slice(&names)) > STORE_SUBSCRIPTIONS_MAX)
			result = STORE_LIMIT;
		else
			result = write_names(store, buf_slice(&names));
	}
	flock(store->index.directory_fd, LOCK_UN);
	buf_free(&names);
	return result;
}

enum store_error store_subscribe(struct store *store, struct slice name)
{
	return change_subscription(store, name, true);
}

enum store_error store_unsubscribe(struct store *store, struct slice name)
{
	return change_subscription(store, name, false);
}
