/*
 * backend_text.h - filling a hash from a text file; inside table/ only.
 */
#ifndef PETREL_TABLE_BACKEND_TEXT_H
#define PETREL_TABLE_BACKEND_TEXT_H

#include <sys/stat.h>

#include "table/hash.h"
#include "table/table.h"

/* Read and check the whole file; false with `error` filled. */
bool table_hash_load(struct table_hash *hash, int fd, const struct stat *st, const char *file,
    const struct table_schema *schema, struct table_error *error);

#endif
