/*
 * watched.h - a file in auth's directory that is read where it has changed.
 *
 * Who changes it writes a new one beside it and renames it; that changes its inode,
 * its time or both.
 */
#ifndef PETREL_AUTH_WATCHED_H
#define PETREL_AUTH_WATCHED_H

#include <sys/stat.h>

#include "common/buf.h"

struct watched {
	const char *name;
	size_t limit; /* octets */

	/* watched.c's own */
	struct stat seen; /* as it was when it was last read, good or not */
	bool was_seen;
	bool was_missed; /* its absence was told */
};

enum watched_state {
	WATCHED_SAME,
	WATCHED_READ,   /* `text` has what is in it now */
	WATCHED_FAILED, /* and it was logged; tried again when it changes */
	WATCHED_ABSENT, /* since now; errno says why */
};

/* Open the directory that the files are in; before chroot.  False, and a line in the log, where it cannot be. */
bool watched_open_directory(const char *path);
void watched_close_directory(void);

/* Look (a system call), and read it where it has changed since the last time. */
enum watched_state watched_look(struct watched *, struct buf *text);
/* Read it at the next look in any case. */
void watched_forget(struct watched *);

#endif
