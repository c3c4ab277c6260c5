/*
 * spool.h - the files of the queue.
 *
 * Everything here works on directory descriptors below the spool's root and
 * keeps no state of its own: the files are the queue.  A file is named
 * "ID,S=size" where size is the length of the content; records follow it
 * (record.h).  Nothing here flushes unless its name says so.
 *
 * Functions that return int give 0, or -1 with errno.
 */
#ifndef PETREL_QMGR_SPOOL_H
#define PETREL_QMGR_SPOOL_H

#include "common/buf.h"
#include "common/id.h"
#include "common/slice.h"

enum spool_place {
	SPOOL_TMP,  /* being received; swept at start */
	SPOOL_NEW,  /* accepted, first attempt pending */
	SPOOL_CUR,  /* deferred; the modification time is that of the next attempt */
	SPOOL_HOLD, /* frozen by the administrator */
	SPOOL_BAD,  /* unreadable, kept for a person */
	SPOOL_JOURNAL,
	SPOOL_DROP, /* local submission while the suite was down */
	SPOOL_PLACES,
	SPOOL_NOWHERE = SPOOL_PLACES, /* finished: there is no file */
};

struct spool {
	int root;
	int directory[SPOOL_PLACES];
};

/* A file in new/, cur/ or hold/. */
struct spool_file {
	message_id id;
	enum spool_place place;
	uint64_t size; /* octets of content */
};

enum {
	SPOOL_NAME_MAX = MESSAGE_ID_TEXT + 3 + 20 + 1, /* "ID,S=size" and the NUL */
	SPOOL_RECORDS_MAX = 64 * 1024 * 1024, /* octets of records that are read of one file */
};

/* The directory's name, for logs: "new". */
const char *spool_place_name(enum spool_place place);

/*
 * Open the spool under the directory `root`, which stays the caller's, making
 * the directories that are missing.
 */
int spool_open(struct spool *spool, int root);
void spool_close(struct spool *spool);

void spool_format_name(message_id id, uint64_t size, char name[SPOOL_NAME_MAX]);
/* False where the name is not exactly one that spool_format_name writes. */
bool spool_parse_name(struct slice name, message_id *id, uint64_t *size);

/* Create tmp/ID for writing alone, as whoever receives a message gets it; returns the descriptor. */
int spool_create(const struct spool *spool, message_id id);
/* Open tmp/ID for reading; returns the descriptor. */
int spool_open_received(const struct spool *spool, message_id id);
/* tmp/OTHER becomes tmp/ID, whose own content goes away. */
int spool_replace(const struct spool *spool, message_id id, message_id other);
/* Remove tmp/ID. */
int spool_abandon(const struct spool *spool, message_id id);
/* Open a file of the queue; `flags` is O_RDONLY or O_RDWR. */
int spool_open_file(const struct spool *spool, const struct spool_file *file, int flags);
/* Write records at `end`, the file's length so far. */
int spool_append(int fd, uint64_t end, struct slice records);
/* Rename tmp/ID to new/ID,S=size. */
int spool_publish(const struct spool *spool, message_id id, uint64_t size);
/* Move to another of new/, cur/ and hold/; file->place follows. */
int spool_move(const struct spool *spool, struct spool_file *file, enum spool_place to);
/* Unlink; a file that is already gone is no error. */
int spool_remove(const struct spool *spool, const struct spool_file *file);
/* Move place/name to bad/ under a name that is free there. */
int spool_set_aside(const struct spool *spool, enum spool_place place, const char *name);
/* Set the modification time. */
int spool_set_time(int fd, uint64_t wall_us);

/*
 * Read the whole records behind the content into `records`.
 *
 * The file's length up to the last whole record goes to *end; what follows it is
 * torn.  Fails with EBADMSG where the content is shorter than `size` or the
 * first record is not an envelope, EFBIG where the records are too many.
 */
int spool_read_records(int fd, uint64_t size, struct buf *records, uint64_t *end);

/*
 * Write a file anew, by way of tmp/ID: used when recovery rebuilds what the
 * crash took.  Replaces a file of that name.
 */
int spool_rebuild(const struct spool *spool, const struct spool_file *file, struct slice content,
    struct slice records);

/* Flush the descriptor's file and the directory of `place`. */
int spool_flush_file(const struct spool *spool, int fd, enum spool_place place);
/* Flush the spool's whole file system. */
int spool_flush_all(const struct spool *spool);

/*
 * Call `found` for each name in a directory, in no order, "." and ".." left out.
 * Stops and returns -1 where it returns false.
 */
int spool_scan(const struct spool *spool, enum spool_place place,
    bool (*found)(void *context, const char *name), void *context);
/* Unlink everything in tmp/; returns how many there were, or -1. */
int spool_sweep(const struct spool *spool);

/* pread and pwrite that go on until all is done; a read stops at the end of the file. */
ssize_t spool_read_at(int fd, void *data, size_t len, uint64_t offset);
int spool_write_at(int fd, const void *data, size_t len, uint64_t offset);

#endif
