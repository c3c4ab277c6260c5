/*
 * directories.h - the directories that the suite lives in.
 */
#ifndef PETREL_MASTER_DIRECTORIES_H
#define PETREL_MASTER_DIRECTORIES_H

#include "common/conf.h"

enum { DIRECTORY_ERROR_MAX = 1200 };

/*
 * Make every directory that is missing, with the owner and mode that it must
 * have, and see that those that exist have them.  As an ordinary user: all are
 * that user's own.  False with a message for a person.
 */
bool directories_make(const struct settings *s, bool privileged, char error[DIRECTORY_ERROR_MAX]);

#endif
