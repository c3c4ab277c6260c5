/*
 * table.c - choosing the file behind a table's name, and reading it again when it changed.
 */
#include "table/table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "message/encoding.h"
#include "table/backend.h"

/*
 * A file's times come from a clock that ticks every few milliseconds: a file
 * that was read within this time of its last change may change again without
 * showing it.  Such a file is read once more later.
 */
enum { SETTLED_AFTER_US = 1000 * 1000 };

/* What tells one state of a file from another. */
struct signature {
	const struct table_backend *backend; /* NULL: there was no file */
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec modified;
	struct timespec changed;
};

struct table {
	int directory_fd;
	char spec[TABLE_NAME_MAX + 1];
	const char *name;                   /* in spec, behind the prefix */
	const struct table_backend *forced; /* by the prefix */
	const struct table_schema *schema;
	bool ever_seen; /* `seen` means something */
	struct signature seen;
	bool unsettled;
	const struct table_backend *backend; /* of what is open */
	void *opened;                        /* NULL where nothing was read yet */
	char source[TABLE_FILE_MAX];
};

static const struct table_backend *const backends[] = {&table_backend_text, &table_backend_db};

void table_error_set(struct table_error *error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(error->text, sizeof error->text, format, arguments);
	va_end(arguments);
}

const char *table_word(struct slice word, char text[TABLE_WORD_TEXT])
{
	static const char digits[] = "0123456789abcdef";
	size_t at = 0;

	/* Room for one escaped octet, the dots and the NUL. */
	for (size_t i = 0; i < word.len; i++) {
		unsigned char octet = (unsigned char)word.data[i];

		if (at + 8 > TABLE_WORD_TEXT) {
			memcpy(text + at, "...", 3);
			at += 3;
			break;
		}
		if (octet >= 0x20 && octet < 0x7f) {
			text[at++] = (char)octet;
			continue;
		}
		text[at++] = '\\';
		text[at++] = 'x';
		text[at++] = digits[octet >> 4];
		text[at++] = digits[octet & 15];
	}
	text[at] = '\0';
	return text;
}

int table_open_file(int directory_fd, const char *file, struct stat *st, struct table_error *error)
{
	int fd = openat(directory_fd, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0) {
		table_error_set(error, "%s: %s", file,
		    errno == ELOOP ? "symbolic links are not followed" : strerror(errno));
		return -1;
	}
	if (fstat(fd, st) < 0) {
		table_error_set(error, "%s: fstat: %s", file, strerror(errno));
	} else if (!S_ISREG(st->st_mode)) {
		table_error_set(error, "%s: not a regular file", file);
		errno = EINVAL;
	} else {
		return fd;
	}
	close(fd);
	return -1;
}

/* A name is one component of a path, and no hidden file. */
static bool is_file_name(const char *name)
{
	if (name[0] == '\0' || name[0] == '.')
		return false;
	for (; *name != '\0'; name++)
		if (!octet_is_alnum((unsigned char)*name) && strchr("._-+", *name) == NULL)
			return false;
	return true;
}

struct table *table_open(int directory_fd, const char *spec, const struct table_schema *schema,
    struct table_error *error)
{
	char word[TABLE_WORD_TEXT];
	struct table *t = calloc(1, sizeof *t);

	if (t == NULL) {
		table_error_set(
		    error, "table %s: out of memory", table_word(slice_string(spec), word));
		return NULL;
	}
	t->directory_fd = directory_fd;
	t->schema = schema;
	if (slice_copy(slice_string(spec), t->spec, sizeof t->spec)) {
		t->name = t->spec;
		for (size_t i = 0; i < sizeof backends / sizeof backends[0]; i++) {
			size_t len = strlen(backends[i]->prefix);

			if (strncmp(t->spec, backends[i]->prefix, len) == 0 &&
			    t->spec[len] == ':') {
				t->forced = backends[i];
				t->name = t->spec + len + 1;
			}
		}
		if (is_file_name(t->name))
			return t;
	}
	table_error_set(error, "table \"%s\": not a table's name (name, text:name or db:name)",
	    table_word(slice_string(spec), word));
	free(t);
	return NULL;
}

void table_close(struct table *t)
{
	if (t == NULL)
		return;
	if (t->opened != NULL)
		t->backend->close(t->opened);
	free(t);
}

static void file_name(
    const struct table *t, const struct table_backend *backend, char name[TABLE_FILE_MAX])
{
	snprintf(name, TABLE_FILE_MAX, "%s%s", t->name, backend->suffix);
}

static bool stat_file(const struct table *t, const struct table_backend *backend, struct stat *st)
{
	char name[TABLE_FILE_MAX];

	file_name(t, backend, name);
	return fstatat(t->directory_fd, name, st, AT_SYMLINK_NOFOLLOW) == 0;
}

static int compare_times(struct timespec a, struct timespec b)
{
	if (a.tv_sec != b.tv_sec)
		return a.tv_sec < b.tv_sec ? -1 : 1;
	return (a.tv_nsec > b.tv_nsec) - (a.tv_nsec < b.tv_nsec);
}

static struct signature signature_of(const struct table_backend *backend, const struct stat *st)
{
	return (struct signature){
	    backend, st->st_dev, st->st_ino, st->st_size, st->st_mtim, st->st_ctim};
}

static bool same_signature(const struct signature *a, const struct signature *b)
{
	return a->backend == b->backend && a->device == b->device && a->inode == b->inode &&
	       a->size == b->size && compare_times(a->modified, b->modified) == 0 &&
	       compare_times(a->changed, b->changed) == 0;
}

/* The file that should answer now; a signature without a backend where there is none. */
static struct signature choose(const struct table *t)
{
	struct stat text, db;
	bool has_text, has_db;

	if (t->forced != NULL)
		return stat_file(t, t->forced, &text) ? signature_of(t->forced, &text)
						      : (struct signature){0};
	has_text = stat_file(t, &table_backend_text, &text);
	has_db = stat_file(t, &table_backend_db, &db);
	if (has_db && (!has_text || compare_times(db.st_mtim, text.st_mtim) >= 0))
		return signature_of(&table_backend_db, &db);
	return has_text ? signature_of(&table_backend_text, &text) : (struct signature){0};
}

static bool is_recent(struct timespec then)
{
	uint64_t now = clock_wall_us();
	uint64_t at = (uint64_t)then.tv_sec * 1000000 + (uint64_t)then.tv_nsec / 1000;

	return now < at + SETTLED_AFTER_US;
}

bool table_changed(const struct table *t)
{
	struct signature now = choose(t);

	if (!t->ever_seen || !same_signature(&now, &t->seen))
		return true;
	return t->unsettled && !is_recent(now.changed);
}

/* Read the file; the old contents go only when the new ones are there. */
static enum table_change read_file(
    struct table *t, const struct table_backend *backend, struct table_error *error)
{
	char name[TABLE_FILE_MAX];
	struct stat as_read;
	void *opened;

	file_name(t, backend, name);
	opened = backend->open(t->directory_fd, name, t->schema, &as_read, error);
	if (opened == NULL)
		return errno == ENOENT ? TABLE_MISSING : TABLE_REFUSED;
	if (t->opened != NULL)
		t->backend->close(t->opened);
	t->opened = opened;
	t->backend = backend;
	t->seen = signature_of(backend, &as_read);
	t->unsettled = is_recent(as_read.st_ctim);
	memcpy(t->source, name, sizeof t->source);
	return TABLE_LOADED;
}

enum table_change table_refresh(struct table *t, struct table_error *error)
{
	if (!table_changed(t))
		return TABLE_UNCHANGED;
	t->seen = choose(t);
	t->ever_seen = true;
	t->unsettled = t->seen.backend != NULL && is_recent(t->seen.changed);
	if (t->seen.backend == NULL) {
		table_error_set(error, "%s: no such table", t->spec);
		return TABLE_MISSING;
	}
	return read_file(t, t->seen.backend, error);
}

void table_drop_if_missing(struct table *t)
{
	if (t->opened == NULL || choose(t).backend != NULL)
		return;
	t->backend->close(t->opened);
	t->opened = NULL;
}

bool table_is_loaded(const struct table *t)
{
	return t->opened != NULL;
}

bool table_is_missing(const struct table *t)
{
	return t->opened == NULL && t->ever_seen && t->seen.backend == NULL;
}

const char *table_spec(const struct table *t)
{
	return t->spec;
}

const char *table_source(const struct table *t)
{
	return t->opened != NULL ? t->source : t->spec;
}

bool table_fold(const struct table_schema *schema, struct slice key, struct buf *out)
{
	return schema->fold != NULL ? schema->fold(key, out) : buf_append_slice(out, key);
}

/* Only a key that is not ASCII has other spellings. */
static enum table_answer lookup_folded(struct table *t, struct slice key, struct buf *value)
{
	struct buf folded = buf_with_limit(TABLE_KEY_MAX);
	enum table_answer answer = TABLE_ABSENT;

	if (table_fold(t->schema, key, &folded))
		answer = t->backend->lookup(t->opened, buf_slice(&folded), value);
	buf_free(&folded);
	return answer;
}

enum table_answer table_lookup(struct table *t, struct slice key, struct buf *value)
{
	char lower[TABLE_KEY_MAX];

	buf_clear(value);
	if (t->opened == NULL)
		return TABLE_FAILED;
	if (key.len == 0 || key.len > sizeof lower)
		return TABLE_ABSENT;
	for (size_t i = 0; i < key.len; i++)
		lower[i] = (char)octet_lower((unsigned char)key.data[i]);
	key = slice_of(lower, key.len);
	return is_ascii(key) ? t->backend->lookup(t->opened, key, value)
			     : lookup_folded(t, key, value);
}

bool table_each(struct table *t, table_visitor *visit, void *context)
{
	return t->opened != NULL && t->backend->each(t->opened, visit, context);
}
