/*
 * lists.h - the tables that access rules name: is somebody listed?
 */
#ifndef PETREL_LOOKUP_LISTS_H
#define PETREL_LOOKUP_LISTS_H

#include "access/rules.h"
#include "table/table.h"

struct lists {
	size_t count;
	struct table *tables[ACCESS_TABLES_MAX]; /* each name once */
};

/*
 * Have those tables that the settings' rules name, and no others; what was read of a
 * table that stays is kept.  False where memory is short.
 */
bool lists_configure(struct lists *lists, const struct settings *s, int directory_fd);
void lists_close(struct lists *lists);
/* Read what has changed; true where anything had. */
bool lists_refresh(struct lists *lists, bool reload);

/*
 * Is the key in the table?  One without a file is empty; TABLE_FAILED where no rule
 * names it, or it cannot be read.
 */
enum table_answer lists_find(struct lists *lists, struct slice name, struct slice key);

#endif
