/*
 * keywords.c - names for keyword bits.
 *
 * A folder numbers its keywords as they come.  The first 26 also stand as letters a to z
 * in file names, and the file dovecot-keywords ("0 $Forwarded") says which is which, so
 * that Dovecot and a rebuilt index read them; the others live in the index alone.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "store/private.h"

enum { KEYWORD_FILE_MAX = 16384, KEYWORD_LETTERS = 26 };

/* An IMAP atom (RFC 3501, 9: no blanks, parentheses, wildcards, quotes, brackets). */
bool keyword_is_sound(struct slice name)
{
	if (name.len == 0 || name.len > STORE_KEYWORD_MAX)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		unsigned char c = (unsigned char)name.data[i];

		if (c <= ' ' || c >= 0x7f || strchr("(){%*\"\\]", c) != NULL)
			return false;
	}
	return true;
}

int keyword_find(const struct folder *folder, struct slice name)
{
	for (unsigned i = 0; i < folder->keyword_count; i++)
		if (slice_equal_nocase(slice_string(folder->keywords[i]), name))
			return (int)i;
	return -1;
}

static void path_of_list(const struct folder *folder, const char *suffix, char out[PATH_BELOW_SIZE])
{
	snprintf(out, PATH_BELOW_SIZE, "%s/dovecot-keywords%s", folder->directory, suffix);
}

/* Write the list anew.  It is for others and for a rebuild: that it cannot be written fails nothing. */
static void write_list(struct change *change)
{
	const struct folder *folder = &change->folder;
	int directory_fd = change->store->maildir_fd, fd;
	struct buf b = buf_with_limit(KEYWORD_FILE_MAX);
	char path[PATH_BELOW_SIZE], tmp[PATH_BELOW_SIZE];

	for (unsigned i = 0; i < folder->keyword_count && i < KEYWORD_LETTERS; i++)
		buf_printf(&b, "%u %s\n", i, folder->keywords[i]);
	path_of_list(folder, "", path);
	path_of_list(folder, ".petrel", tmp);
	fd = open_beneath(directory_fd, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
	if (fd >= 0) {
		if (write(fd, b.data, b.len) == (ssize_t)b.len)
			renameat(directory_fd, tmp, directory_fd, path);
		else
			unlinkat(directory_fd, tmp, 0);
		close(fd);
	}
	buf_free(&b);
}

enum store_error keyword_add(struct change *change, struct slice name, int *number)
{
	struct folder *folder = &change->folder;

	*number = keyword_find(folder, name);
	if (*number >= 0)
		return STORE_OK;
	if (!keyword_is_sound(name))
		return STORE_BAD_NAME;
	if (folder->keyword_count == STORE_KEYWORDS_MAX)
		return STORE_LIMIT;
	*number = (int)folder->keyword_count;
	slice_copy(name, folder->keywords[folder->keyword_count++], STORE_KEYWORD_MAX + 1);
	change->is_dirty = true;
	if (*number < KEYWORD_LETTERS)
		write_list(change);
	return STORE_OK;
}

void keywords_load(struct store *store, struct folder *folder)
{
	char path[PATH_BELOW_SIZE], text[KEYWORD_FILE_MAX];
	struct cursor c;
	ssize_t n;
	int fd;

	path_of_list(folder, "", path);
	fd = open_beneath(store->maildir_fd, path, O_RDONLY | O_NOFOLLOW, 0);
	if (fd < 0)
		return;
	n = read(fd, text, sizeof text);
	close(fd);
	c = cursor_over(slice_of(text, n < 0 ? 0 : (size_t)n));
	while (!cursor_done(&c) && folder->keyword_count < KEYWORD_LETTERS) {
		uint64_t number;
		bool counts = slice_number(cursor_take_until(&c, ' '), KEYWORD_LETTERS, &number);
		struct slice name;

		cursor_skip(&c, 1);
		name = cursor_take_until(&c, '\n');
		cursor_skip(&c, 1);
		/* A gap or a name that cannot be one ends the list: the numbers behind it would be wrong. */
		if (!counts || number != folder->keyword_count || !keyword_is_sound(name) ||
		    keyword_find(folder, name) >= 0)
			break;
		slice_copy(name, folder->keywords[folder->keyword_count++], STORE_KEYWORD_MAX + 1);
	}
}

enum store_error keywords_translate(
    struct change *to, const struct folder *from, uint64_t bits, uint64_t *out)
{
	enum store_error result = STORE_OK;

	*out = 0;
	for (unsigned i = 0; i < from->keyword_count && result == STORE_OK; i++) {
		int number;

		if ((bits >> i & 1) == 0)
			continue;
		result = keyword_add(to, slice_string(from->keywords[i]), &number);
		if (result == STORE_OK)
			*out |= UINT64_C(1) << number;
	}
	return result;
}
