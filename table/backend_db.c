/*
 * backend_db.c - a Berkeley DB file (hash or btree), and how one is built.
 *
 * A file is opened by itself, without an environment that processes would have
 * to share.  The library knows paths only, no directory descriptors, so the
 * process steps into the table's directory for the time of the call; it opens
 * files with a function of ours, which follows no link.  What the library brings
 * back is validated like input.
 */
#include "table/backend.h"

#include <db.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "table/backend_text.h"

enum { CACHE_OCTETS = 1 << 20 };

struct opened_db {
	DB *db;
	const struct table_schema *schema;
	char *scratch; /* TABLE_VALUE_MAX octets, where the library puts values */
};

/* The library's own words about the last failure. */
static char library_message[256];

static int open_for_library(const char *path, int flags, ...)
{
	va_list arguments;
	int mode;

	va_start(arguments, flags);
	mode = va_arg(arguments, int);
	va_end(arguments);
	return open(path, flags | O_CLOEXEC | O_NOFOLLOW, (mode_t)mode);
}

static void note_library_message(const DB_ENV *environment, const char *prefix, const char *message)
{
	(void)environment;
	(void)prefix;
	snprintf(library_message, sizeof library_message, ": %s", message);
}

static DB *new_handle(const char *file, struct table_error *error)
{
	DB *db;
	int result;

	db_env_set_func_open(open_for_library);
	library_message[0] = '\0';
	result = db_create(&db, NULL, 0);
	if (result != 0) {
		table_error_set(error, "%s: %s", file, db_strerror(result));
		errno = ENOMEM;
		return NULL;
	}
	db->set_errcall(db, note_library_message);
	db->set_cachesize(db, 0, CACHE_OCTETS, 1);
	return db;
}

/* Make the table's directory the working directory.  The one before, for step_back(), or -1. */
static int step_into(int directory_fd, struct table_error *error)
{
	int before = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (before >= 0 && fchdir(directory_fd) == 0)
		return before;
	table_error_set(error, "working directory: %s", strerror(errno));
	if (before >= 0)
		close(before);
	return -1;
}

static void step_back(int before)
{
	int saved_errno = errno;

	/* Nothing but databases depends on the working directory, so failure harms nobody. */
	(void)!fchdir(before);
	close(before);
	errno = saved_errno;
}

static void *fail_open(DB *db, const char *file, int result, struct table_error *error)
{
	table_error_set(error, "%s: %s%s", file, db_strerror(result), library_message);
	db->close(db, DB_NOSYNC);
	/* The library's own results are negative. */
	errno = result > 0 ? result : EINVAL;
	return NULL;
}

static void *db_backend_open(int directory_fd, const char *file, const struct table_schema *schema,
    struct stat *as_read, struct table_error *error)
{
	/* Looked at before the library does: a link or a fifo must not reach it. */
	int fd = table_open_file(directory_fd, file, as_read, error);
	struct opened_db *opened;
	DBTYPE type;
	DB *db;
	int before, result;

	if (fd < 0)
		return NULL;
	close(fd);
	db = new_handle(file, error);
	if (db == NULL)
		return NULL;
	before = step_into(directory_fd, error);
	if (before < 0) {
		db->close(db, DB_NOSYNC);
		return NULL;
	}
	result = db->open(db, NULL, file, NULL, DB_UNKNOWN, DB_RDONLY | DB_NOMMAP, 0);
	step_back(before);
	if (result != 0)
		return fail_open(db, file, result, error);
	result = db->get_type(db, &type);
	if (result == 0 && type != DB_BTREE && type != DB_HASH) {
		snprintf(library_message, sizeof library_message, ": neither a hash nor a btree");
		result = EINVAL;
	}
	if (result == 0)
		result = db->fd(db, &fd);
	if (result == 0 && fstat(fd, as_read) < 0)
		result = errno;
	if (result != 0)
		return fail_open(db, file, result, error);
	opened = malloc(sizeof *opened);
	if (opened == NULL)
		return fail_open(db, file, ENOMEM, error);
	*opened = (struct opened_db){db, schema, malloc(TABLE_VALUE_MAX)};
	if (opened->scratch == NULL) {
		free(opened);
		return fail_open(db, file, ENOMEM, error);
	}
	return opened;
}

/* The library wrote and read this file, but nobody vouches for what is in it. */
static bool entry_is_valid(const struct table_schema *schema, struct slice key, struct slice value)
{
	struct buf why = buf_with_limit(TABLE_ERROR_MAX);
	bool good = key.len > 0 && key.len <= TABLE_KEY_MAX && value.len <= TABLE_VALUE_MAX;

	for (size_t i = 0; good && i < key.len; i++)
		good = !octet_is_control((unsigned char)key.data[i]) || key.data[i] == '\t';
	for (size_t i = 0; good && i < value.len; i++)
		good = !octet_is_control((unsigned char)value.data[i]) || value.data[i] == '\t';
	if (good && schema->valid != NULL)
		good = schema->valid(key, value, &why);
	buf_free(&why);
	return good;
}

static enum table_answer db_backend_lookup(void *context, struct slice key, struct buf *value)
{
	struct opened_db *opened = context;
	/* The library takes a pointer to what it will not write. */
	char copy[TABLE_KEY_MAX];
	DBT wanted = {.data = copy, .size = (u_int32_t)key.len};
	DBT found = {.data = opened->scratch, .ulen = TABLE_VALUE_MAX, .flags = DB_DBT_USERMEM};
	struct slice text;
	int result;

	if (key.len > sizeof copy)
		return TABLE_ABSENT;
	memcpy(copy, key.data, key.len);
	result = opened->db->get(opened->db, NULL, &wanted, &found, 0);
	if (result == DB_NOTFOUND)
		return TABLE_ABSENT;
	if (result != 0)
		return TABLE_FAILED;
	text = slice_of(found.data, found.size);
	if (!entry_is_valid(opened->schema, key, text))
		return TABLE_FAILED;
	return buf_append_slice(value, text) ? TABLE_FOUND : TABLE_FAILED;
}

static bool db_backend_each(void *context, table_visitor *visit, void *visitor_context)
{
	struct opened_db *opened = context;
	char key_octets[TABLE_KEY_MAX];
	DBT key = {.data = key_octets, .ulen = sizeof key_octets, .flags = DB_DBT_USERMEM};
	DBT value = {.data = opened->scratch, .ulen = TABLE_VALUE_MAX, .flags = DB_DBT_USERMEM};
	DBC *cursor;
	int result;
	bool go_on = true;

	if (opened->db->cursor(opened->db, NULL, &cursor, 0) != 0)
		return false;
	while (go_on && (result = cursor->get(cursor, &key, &value, DB_NEXT)) == 0) {
		struct slice k = slice_of(key.data, key.size), v = slice_of(value.data, value.size);

		go_on = entry_is_valid(opened->schema, k, v) && visit(visitor_context, k, v);
	}
	cursor->close(cursor);
	return go_on && result == DB_NOTFOUND;
}

static void db_backend_close(void *context)
{
	struct opened_db *opened = context;

	opened->db->close(opened->db, DB_NOSYNC);
	explicit_bzero(opened->scratch, TABLE_VALUE_MAX);
	free(opened->scratch);
	free(opened);
}

const struct table_backend table_backend_db = {
    .prefix = "db",
    .suffix = ".db",
    .open = db_backend_open,
    .lookup = db_backend_lookup,
    .each = db_backend_each,
    .close = db_backend_close,
};

/* --- building ------------------------------------------------------------ */

static int compare_entries(const void *a, const void *b, void *context)
{
	const struct table_hash *hash = context;

	return slice_compare(table_hash_key(hash, a), table_hash_key(hash, b));
}

/* Write all entries, in the order of their keys, as a btree likes it. */
static int put_entries(DB *db, struct table_hash *hash)
{
	int result = 0;

	/* The index of the hash is not used any more. */
	if (hash->count > 0)
		qsort_r(hash->entries, hash->count, sizeof *hash->entries, compare_entries, hash);
	for (size_t i = 0; result == 0 && i < hash->count; i++) {
		const struct table_hash_entry *entry = &hash->entries[i];
		DBT key = {.data = hash->octets + entry->at, .size = entry->key_len};
		DBT value = {
		    .data = hash->octets + entry->at + entry->key_len, .size = entry->value_len};

		result = db->put(db, NULL, &key, &value, DB_NOOVERWRITE);
	}
	return result;
}

/* Into the working directory: the library opens the file anew, by its name, to flush it. */
static bool write_db(
    const char *file, enum table_db_form form, struct table_hash *hash, struct table_error *error)
{
	DB *db = new_handle(file, error);
	int result, closed;

	if (db == NULL)
		return false;
	result = db->open(db, NULL, file, NULL, form == TABLE_DB_HASH ? DB_HASH : DB_BTREE,
	    DB_CREATE | DB_EXCL, 0600);
	if (result == 0)
		result = put_entries(db, hash);
	closed = db->close(db, 0);
	if (result == 0)
		result = closed;
	if (result != 0)
		table_error_set(error, "%s: %s%s", file, db_strerror(result), library_message);
	return result == 0;
}

/* Give the finished file the text's owner, mode and time, and see it to the disk. */
static bool finish_file(
    int directory_fd, const char *file, const struct stat *text, struct table_error *error)
{
	struct timespec times[2] = {text->st_mtim, text->st_mtim};
	struct stat st;
	int fd = table_open_file(directory_fd, file, &st, error);
	const char *failed = NULL;

	if (fd < 0)
		return false;
	if ((st.st_uid != text->st_uid || st.st_gid != text->st_gid) &&
	    fchown(fd, text->st_uid, text->st_gid) < 0)
		failed = "fchown";
	else if (fchmod(fd, text->st_mode & 0777) < 0)
		failed = "fchmod";
	else if (futimens(fd, times) < 0)
		failed = "futimens";
	else if (fsync(fd) < 0)
		failed = "fsync";
	if (failed != NULL)
		table_error_set(error, "%s: %s: %s", file, failed, strerror(errno));
	close(fd);
	return failed == NULL;
}

static bool put_in_place(
    int directory_fd, const char *from, const char *to, struct table_error *error)
{
	if (renameat(directory_fd, from, directory_fd, to) < 0) {
		table_error_set(error, "%s: rename to %s: %s", from, to, strerror(errno));
		return false;
	}
	if (fsync(directory_fd) < 0) {
		table_error_set(error, "%s: fsync of its directory: %s", to, strerror(errno));
		return false;
	}
	return true;
}

/* Everything between the loaded text and the database in its place. */
static bool build_from(int directory_fd, const char *name, enum table_db_form form,
    const struct stat *text, struct table_hash *hash, struct table_error *error)
{
	char final[TABLE_FILE_MAX], temporary[TABLE_FILE_MAX];
	int before = step_into(directory_fd, error);
	bool good;

	if (before < 0)
		return false;
	snprintf(final, sizeof final, "%s.db", name);
	snprintf(temporary, sizeof temporary, "%s.db.tmp", name);
	unlinkat(directory_fd, temporary, 0);
	good = write_db(temporary, form, hash, error) &&
	       finish_file(directory_fd, temporary, text, error) &&
	       put_in_place(directory_fd, temporary, final, error);
	if (!good)
		unlinkat(directory_fd, temporary, 0);
	step_back(before);
	return good;
}

bool table_build_db(int directory_fd, const char *name, enum table_db_form form,
    const struct table_schema *schema, size_t *entries, struct table_error *error)
{
	struct table *named = table_open(directory_fd, name, schema, error);
	struct table_hash hash;
	struct stat st;
	bool good = false;
	int fd;

	/* Only for its check of the name. */
	if (named == NULL)
		return false;
	table_close(named);
	fd = table_open_file(directory_fd, name, &st, error);
	if (fd < 0)
		return false;
	table_hash_init(&hash);
	/* Two builders would write the same temporary file. */
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		table_error_set(error, "%s: another process is building this table", name);
	else
		good = table_hash_load(&hash, fd, &st, name, schema, error) &&
		       build_from(directory_fd, name, form, &st, &hash, error);
	*entries = hash.count;
	table_hash_free(&hash);
	close(fd);
	return good;
}
