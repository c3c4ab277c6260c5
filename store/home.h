/*
 * home.h - opening files in a home without being led out of it.
 *
 * The public half is in store.h: store_create_home, store_open_home, store_prepare_home.
 */
#ifndef PETREL_STORE_HOME_H
#define PETREL_STORE_HOME_H

#include <fcntl.h>
#include <sys/types.h>

#include "store/names.h"

enum {
	PATH_BELOW_SIZE = 3 * FILE_NAME_SIZE, /* "Maildir/.Folder/cur/name" */
};

/*
 * openat(2) for a relative path of several levels, none of which may be a symbolic
 * link or lead upwards (openat2 with RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS).
 * Adds O_CLOEXEC and O_NOCTTY.
 */
int open_beneath(int directory_fd, const char *path, int flags, mode_t mode);
/* A directory, for reading names and as a base. */
int open_directory(int directory_fd, const char *path);
/* rename(2) that never replaces: EEXIST where the target is there. */
int rename_exclusive(int from_fd, const char *from, int to_fd, const char *to);
/* "DIRECTORY/SUB/NAME" for a folder's directory ("." for INBOX); NAME may be "". */
void folder_path(
    const char *directory, const char *sub, const char *name, char out[PATH_BELOW_SIZE]);
/* Make a folder's directory with cur/, new/ and tmp/ below Maildir/, what is missing of it. */
int folder_make_directories(int maildir_fd, const char *directory);

#endif
