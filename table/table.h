/*
 * table.h - lookup tables: a name, and behind it a file of keys and values.
 *
 * A table is named in petrel.conf and lives in one directory.  `name` is read
 * from `name.db` (Berkeley DB, written by `petrel table build`) where that file
 * exists and is not older than the text file `name`, and from the text file
 * otherwise; `db:name` and `text:name` leave no choice.
 *
 * A table is opened once and refreshed when its owner sees fit: refreshing
 * looks at the file's signature and reads it again if that changed.  A file
 * that does not parse is refused whole, and what was read before stays.
 *
 * Keys are compared without regard to ASCII case; those of Petrel's own tables in
 * the one spelling that addresses and domains have (spelling.h).  Nothing here is
 * thread-safe; a table belongs to one thread.  Opening a database changes the
 * process's working directory for a moment.
 */
#ifndef PETREL_TABLE_TABLE_H
#define PETREL_TABLE_TABLE_H

#include "common/buf.h"
#include "common/slice.h"

enum {
	TABLE_NAME_MAX = 64,          /* octets of a table's name, prefix included */
	TABLE_KEY_MAX = 512,          /* octets */
	TABLE_VALUE_MAX = 256 * 1024, /* octets, continuation lines included */
	TABLE_TEXT_MAX = 256 << 20,   /* octets of a text file */
	TABLE_ERROR_MAX = 512
};

/* What went wrong, ready for a log line: "aliases:12: ...". */
struct table_error {
	char text[TABLE_ERROR_MAX];
};

enum table_syntax {
	TABLE_PLAIN,  /* key value */
	TABLE_ALIASES /* key: value, or key value; a value is required */
};

/*
 * What the entries of a table look like (see entry.h for Petrel's own tables).
 *
 * valid   false where an entry makes no sense, `why` then says what is wrong
 *         and with which word; NULL where any value will do.  Values from a
 *         database are put to the same question at every look-up.
 * fold    appends the one spelling of a key (spelling.h); NULL where it has no other
 *         than lower case
 */
struct table_schema {
	enum table_syntax syntax;
	bool (*valid)(struct slice key, struct slice value, struct buf *why);
	bool (*fold)(struct slice key, struct buf *out);
};

/* Append the key, which is in lower case, in the one spelling under which it is kept. */
bool table_fold(const struct table_schema *schema, struct slice key, struct buf *out);

enum table_answer {
	TABLE_ABSENT, /* the table has no such key */
	TABLE_FOUND,
	TABLE_FAILED /* nobody can say: nothing was ever read, or the database is damaged */
};

enum table_change {
	TABLE_UNCHANGED,
	TABLE_LOADED,  /* the table now answers from what its file holds */
	TABLE_MISSING, /* the file is gone or was never there */
	TABLE_REFUSED  /* the file does not parse or cannot be read */
};

struct table;

/*
 * A table that has read nothing yet; table_refresh() reads it.
 *
 * directory_fd  stays the caller's, and open as long as the table is
 * spec          `name`, `text:name` or `db:name`
 * Returns NULL with `error` filled where the name is no name for a file, or
 * memory ran out.
 */
struct table *table_open(int directory_fd, const char *spec, const struct table_schema *schema,
    struct table_error *error);
void table_close(struct table *t);

/* Whether the file differs from the one that was read (or refused) last. */
bool table_changed(const struct table *t);

/*
 * Read the file if it changed.  On TABLE_MISSING and TABLE_REFUSED `error` is
 * filled and the table goes on answering from what it read before; each state
 * of the file is told once, after that the answer is TABLE_UNCHANGED.
 */
enum table_change table_refresh(struct table *t, struct table_error *error);
/* Forget what was read before where the file is gone; for use at an explicit reload. */
void table_drop_if_missing(struct table *t);

/* Something was read, so that look-ups can be answered. */
bool table_is_loaded(const struct table *t);
/* Nothing was ever read because there is no file. */
bool table_is_missing(const struct table *t);
/* The name that the configuration uses. */
const char *table_spec(const struct table *t);
/* The file that answers, "aliases" or "aliases.db". */
const char *table_source(const struct table *t);

/* Look `key` up; on TABLE_FOUND `value` (cleared first) holds the value. */
enum table_answer table_lookup(struct table *t, struct slice key, struct buf *value);

/* Called for every entry; false ends the walk. */
typedef bool table_visitor(void *context, struct slice key, struct slice value);
/* Visit all entries in no particular order; false where the table failed or the visitor ended it. */
bool table_each(struct table *t, table_visitor *visit, void *context);

enum table_db_form { TABLE_DB_BTREE, TABLE_DB_HASH };

/*
 * Build `name.db` from the text file `name` in the directory: written as
 * name.db.tmp with the text's owner and mode, flushed, and renamed, so that
 * readers see the old or the new one, whole.  The database takes over the
 * text's modification time: a text that is edited meanwhile is newer.
 *
 * entries  how many were written
 * Returns false with `error` filled, and the old database untouched.
 */
bool table_build_db(int directory_fd, const char *name, enum table_db_form form,
    const struct table_schema *schema, size_t *entries, struct table_error *error);

#endif
