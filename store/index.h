/*
 * index.h - the LMDB environment behind a store: its tables and records.
 *
 * Tables (numbers in keys are big-endian, so that their order is that of the numbers):
 *
 *	meta     "state"                     -> struct index_state
 *	folders  folder                      -> struct folder
 *	names    folder's name (UTF-8)       -> u32 folder
 *	mail     folder, UID                 -> struct mail
 *	uids     folder, unique part of name -> u32 UID
 *	log      folder, modseq, UID         -> u8 enum change_kind
 *	texts    folder, UID                 -> struct store_texts
 *	gone     unique part of name         -> nothing: delivered messages that were expunged
 *
 * Records are written with common/codec.h.  What is read is checked: lengths,
 * ranges, names that must be able to stand in a directory.  A value that makes no
 * sense gives STORE_CORRUPT and leaves the mark index/corrupt, so that the next
 * opening builds the index anew whatever the process does now.
 *
 * Slices among the values point into the map and are good until the transaction ends,
 * or until the next change in a writing one.
 *
 * The map.  It starts at INDEX_MAP_MIN and doubles up to INDEX_MAP_MAX before a
 * transaction that might not fit: virtual size stays in proportion to the mailbox,
 * so that a session can live under RLIMIT_AS.  Growing happens between
 * transactions; other processes notice at their next one.  Readahead stays on:
 * indexes are read as a whole when they are cold.
 */
#ifndef PETREL_STORE_INDEX_H
#define PETREL_STORE_INDEX_H

#include <lmdb.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "common/buf.h"
#include "common/slice.h"
#include "store/names.h"
#include "store/store.h"

enum {
	INDEX_FORMAT = 1,
	INDEX_FAILURE_SIZE = 512,
	INDEX_LOG_MAX = 20000, /* expunged messages remembered in a folder's log */
};

#define INDEX_MAP_MIN  (UINT64_C(64) << 20)
#define INDEX_MAP_MAX  (UINT64_C(32) << 30)
#define INDEX_HEADROOM (UINT64_C(8) << 20) /* free room that a transaction finds at least */

/* A directory's modification time, as far as it was looked at. */
struct stamp {
	int64_t seconds;
	uint32_t nanoseconds;
	bool is_unsure; /* so fresh that a later change may bear the same time: look once more */
};

struct index_state {
	uint64_t changes; /* the change counter; every modseq is a value of it */
	uint32_t next_folder;
	uint32_t last_uidvalidity;
};

struct folder {
	uint32_t id;
	char directory[FILE_NAME_SIZE]; /* below Maildir/; "." for INBOX */
	char name[FILE_NAME_SIZE];
	uint32_t uidvalidity;
	uint32_t uidnext;
	uint32_t recent_from; /* messages from this UID on were shown to no session yet */
	uint32_t messages;
	uint32_t seen;
	uint32_t deleted;
	uint32_t unsized;       /* messages whose size with CRLF is not known */
	uint32_t expunged;      /* CHANGE_EXPUNGED entries in the log */
	uint64_t size;          /* of the others, with CRLF */
	uint64_t modseq;        /* HIGHESTMODSEQ */
	uint64_t log_from;      /* the log is complete above this modseq */
	struct stamp cur_stamp; /* of cur/ when the records agreed with it */
	unsigned keyword_count;
	char keywords[STORE_KEYWORDS_MAX][STORE_KEYWORD_MAX + 1];
};

struct mail {
	uint32_t uid;
	uint32_t flags; /* of STORE_SYSTEM_FLAGS */
	uint64_t keywords;
	uint64_t modseq;
	int64_t internal_date;
	uint64_t disk_size;
	uint64_t crlf_size;        /* or FILE_SIZE_UNKNOWN */
	char name[FILE_NAME_SIZE]; /* of the file in cur/, flags included */
};

enum change_kind { CHANGE_FLAGS = 1, CHANGE_EXPUNGED = 2 };

enum index_table {
	TABLE_META,
	TABLE_FOLDERS,
	TABLE_NAMES,
	TABLE_MAIL,
	TABLE_UIDS,
	TABLE_LOG,
	TABLE_TEXTS,
	TABLE_GONE,
	TABLE_COUNT
};

struct index {
	LIST_ENTRY(index) entry; /* among those that this process has open */
	dev_t device;            /* of index/ */
	ino_t directory_inode;
	int directory_fd; /* index/ */
	ino_t inode;      /* of data.mdb */
	MDB_env *env;
	MDB_dbi tables[TABLE_COUNT];
	MDB_txn *reader; /* kept between reads */
	bool is_corrupt; /* it was found so: nothing in it is followed any more */
	uint64_t known_state[3]; /* size and time of the file, as it was checked or as we have left it */
	size_t known_txn;        /* and LMDB's number of what was committed last */
	bool is_shared;          /* another process has written since */
	char failure[INDEX_FAILURE_SIZE];
};

/* A transaction; index.txn is LMDB's. */
struct index_txn {
	struct index *index;
	MDB_txn *txn;
	bool is_write;
};

/* ---- opening ---- */

/*
 * Open or make the index of a home.  STORE_CORRUPT where there is one, but not a
 * sound one; with `rebuild` it is put aside instead (as data.mdb.corrupt), a new one
 * is made and *rebuilt is set.
 */
enum store_error index_open(struct index *index, int home_fd, bool rebuild, bool *rebuilt);
void index_close(struct index *index);
/* The file that this process has open is still the one in the directory. */
bool index_is_current(const struct index *index);
/* Note what failed, for store_failure(), and say which error it is; error is an errno or LMDB's. */
enum store_error index_failed(struct index *index, int error, const char *object, const char *step);
/* A value makes no sense. */
enum store_error index_corrupt(struct index *index, const char *what);
/* For delivery: was this delivered message expunged?  False where there is no index, or it cannot be read. */
bool index_name_is_gone(int home_fd, struct slice unique);

/* ---- transactions ---- */

enum store_error index_begin_read(struct index *index, struct index_txn *txn);
/* `octets`: how much the transaction may add, roughly. */
enum store_error index_begin_write(struct index *index, uint64_t octets, struct index_txn *txn);
/*
 * Commit a writing transaction.  Without `durable` it may be lost in a power cut
 * (never torn): for what can be found out again.
 */
enum store_error index_commit(struct index_txn *txn, bool durable);
/* End a reading transaction, or drop a writing one.  Fine after a commit. */
void index_end(struct index_txn *txn);

/* ---- records ---- */

enum store_error index_get_state(struct index_txn *txn, struct index_state *out);
enum store_error index_put_state(struct index_txn *txn, const struct index_state *state);

/* STORE_NO_FOLDER where there is none. */
enum store_error index_get_folder(struct index_txn *txn, uint32_t id, struct folder *out);
enum store_error index_put_folder(struct index_txn *txn, const struct folder *folder);
enum store_error index_find_folder(struct index_txn *txn, const char *name, uint32_t *id);
/* Enter and remove the way from a name to its folder. */
enum store_error index_put_folder_name(struct index_txn *txn, const char *name, uint32_t id);
enum store_error index_delete_folder_name(struct index_txn *txn, const char *name);
/* Remove a folder with all that belongs to it. */
enum store_error index_delete_folder(struct index_txn *txn, const struct folder *folder);

/* STORE_GONE where there is none. */
enum store_error index_get_mail(
    struct index_txn *txn, uint32_t folder, uint32_t uid, struct mail *out);
/* Also enters the unique part of its name into `uids`. */
enum store_error index_put_mail(struct index_txn *txn, uint32_t folder, const struct mail *mail);
/* Removes the message, its texts and its entry in `uids`. */
enum store_error index_delete_mail(struct index_txn *txn, uint32_t folder, const struct mail *mail);
/* STORE_GONE where the folder has no message of that name. */
enum store_error index_find_mail(
    struct index_txn *txn, uint32_t folder, struct slice unique, uint32_t *uid);

enum store_error index_put_log(
    struct index_txn *txn, uint32_t folder, uint64_t modseq, uint32_t uid, enum change_kind kind);
enum store_error index_delete_log(
    struct index_txn *txn, uint32_t folder, uint64_t modseq, uint32_t uid);
/* Where the log tells of more than INDEX_LOG_MAX expunged messages, forget the oldest entries; sets log_from. */
enum store_error index_trim_log(struct index_txn *txn, struct folder *folder);

/* STORE_GONE where there are none. */
enum store_error index_get_texts(
    struct index_txn *txn, uint32_t folder, uint32_t uid, struct store_texts *out);
enum store_error index_put_texts(
    struct index_txn *txn, uint32_t folder, uint32_t uid, const struct store_texts *texts);

/* Remember an expunged message's name; names older than MAILDIR_REPLAY_DAYS are forgotten on the way. */
enum store_error index_put_gone(
    struct index_txn *txn, const struct file_name *name, uint64_t now_us);
enum store_error index_is_gone(struct index_txn *txn, struct slice unique, bool *gone);

/* ---- walking ---- */

/*
 * A walk over one table, or one folder's part of it:
 *
 *	for (error = index_walk_mail(&walk, txn, folder, 1, &mail); error == STORE_OK;
 *	    error = index_walk_mail_next(&walk, &mail))
 *
 * ends with STORE_GONE where there are no more; then, or early, index_walk_end.
 */
struct index_walk {
	struct index_txn *txn;
	MDB_cursor *cursor;
	uint32_t folder;
};

enum store_error index_walk_mail(struct index_walk *walk, struct index_txn *txn, uint32_t folder,
    uint32_t from_uid, struct mail *mail);
enum store_error index_walk_mail_next(struct index_walk *walk, struct mail *mail);

struct log_entry {
	uint64_t modseq;
	uint32_t uid;
	enum change_kind kind;
};
enum store_error index_walk_log(struct index_walk *walk, struct index_txn *txn, uint32_t folder,
    uint64_t from_modseq, struct log_entry *entry);
enum store_error index_walk_log_next(struct index_walk *walk, struct log_entry *entry);

enum store_error index_walk_folders(
    struct index_walk *walk, struct index_txn *txn, struct folder *folder);
enum store_error index_walk_folders_next(struct index_walk *walk, struct folder *folder);

void index_walk_end(struct index_walk *walk);

/* ---- soundness (verify.c) ---- */

/*
 * Walk over the pages of a database file and check that LMDB can use it: page
 * kinds, bounds of every node, no page used twice or beyond the end, tables'
 * roots, the list of free pages.  Reads with pread(2), so that nothing in the
 * file can hurt.  `txn_id` is the state to look at: a reader holds it.
 */
bool index_pages_are_sound(int fd, uint64_t txn_id, const char **what);
/* Only the two heads: enough for LMDB to open the file. */
bool index_head_is_sound(int fd);

#endif
