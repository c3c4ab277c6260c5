/*
 * backend.h - what a kind of table must be able to do; inside table/ only.
 *
 * A new kind (SQL, LDAP) is one more struct table_backend in the list of
 * table.c.
 */
#ifndef PETREL_TABLE_BACKEND_H
#define PETREL_TABLE_BACKEND_H

#include <sys/stat.h>

#include "table/table.h"

enum { TABLE_FILE_MAX = TABLE_NAME_MAX + 16 }; /* a file's name with its suffixes and NUL */

struct table_backend {
	const char *prefix; /* of "prefix:name" */
	const char *suffix; /* of the file's name */

	/*
	 * Open or read `file`.  `as_read` is the state of the very file that
	 * was read.  NULL with `error` filled (and errno ENOENT where there is
	 * no such file).
	 */
	void *(*open)(int directory_fd, const char *file, const struct table_schema *schema,
	    struct stat *as_read, struct table_error *error);
	enum table_answer (*lookup)(void *opened, struct slice key, struct buf *value);
	bool (*each)(void *opened, table_visitor *visit, void *context);
	void (*close)(void *opened);
};

extern const struct table_backend table_backend_text;
extern const struct table_backend table_backend_db;

void table_error_set(struct table_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

enum { TABLE_WORD_TEXT = 64 };
/* A word from a file, fit for a message: clipped, and escaped where it is not plain ASCII. */
const char *table_word(struct slice word, char text[TABLE_WORD_TEXT]);

/* Open a table's file for reading; -1 with `error` filled and errno set. */
int table_open_file(int directory_fd, const char *file, struct stat *st, struct table_error *error);

#endif
