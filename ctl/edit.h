/*
 * edit.h - changing a small text file as a whole: under a lock, and by rename.
 */
#ifndef PETREL_CTL_EDIT_H
#define PETREL_CTL_EDIT_H

#include "common/buf.h"

/*
 * Turn the old text of directory/name (empty where there is no file) into the
 * new.  False: leave the file as it is; the function has said why.
 */
typedef bool (*edit_text)(struct slice old, struct buf *new, void *context);

/*
 * Read, let `edit` change it, write a new file beside it, flush, rename.  Two
 * commands at the same time wait for each other.  Owner and mode stay; a new file
 * gets the directory's owner and `mode`.  False where something failed, said on
 * standard error.
 */
bool edit_file(const char *directory, const char *name, unsigned mode, edit_text edit, void *context);

#endif
