/*
 * private.h - what the files of store/ share: the store itself, and the verbs by
 * which they change the index.  For callers there is store.h.
 */
#ifndef PETREL_STORE_PRIVATE_H
#define PETREL_STORE_PRIVATE_H

#include <sys/queue.h>
#include <sys/stat.h>

#include "store/home.h"
#include "store/index.h"
#include "store/names.h"
#include "store/store.h"

enum {
	STORE_TO_REPORT = 1 << 16, /* in store_message.flags: the next update is to tell */
	WAITING_LISTS = 256,
	SETTLED_MAX = 256,  /* folders whose empty new/ is remembered */
	MAIL_OCTETS = 1024, /* of the index that a message's change may take */
};

struct store {
	LIST_ENTRY(store) entry;
	unsigned references;
	dev_t device; /* of the home: the same home is the same store */
	ino_t inode;
	int home_fd;
	int maildir_fd;
	struct index index;
	bool was_rebuilt;
	char hostname[FILE_HOSTNAME_MAX + 1];

	struct stamp maildir; /* Maildir/ when the folders were last read */
	struct {
		uint32_t folder;
		struct stamp stamp;
	} settled[SETTLED_MAX]; /* times of new/ directories that were found empty */
	unsigned settled_next;

	struct store_texts texts; /* what store_view_texts gave last */
	struct buf texts_memory;
	LIST_HEAD(texts_waiting_list, texts_waiting)
	waiting[WAITING_LISTS]; /* texts not yet in the index, by UID */
	size_t waiting_octets;
};

struct store_view {
	struct store *store;
	uint32_t folder;
	char name[FILE_NAME_SIZE];
	bool is_read_only;
	bool keeps_recent;
	uint32_t uidvalidity;
	uint32_t uidnext; /* of the messages shown */
	uint64_t modseq;  /* what happened up to here is shown */
	struct store_message *messages;
	uint32_t count;
	uint32_t room;
	uint32_t recent;
	uint32_t expunged; /* messages marked STORE_EXPUNGED */
	unsigned keyword_count;
	char keywords[STORE_KEYWORDS_MAX][STORE_KEYWORD_MAX + 1];
	/* What the last update reported. */
	struct store_expunged *report_expunged;
	uint32_t *report_flagged;
};

/* Note a failed system call on something in a folder's directory. */
enum store_error folder_failed(struct store *store, const struct folder *folder, const char *step);

/* ---- stamps (stamp.c) ---- */

/* The directory's time; taken before it is read. */
struct stamp stamp_of(const struct stat *st);
/* Nothing has changed since, as far as one can tell: an unsure time is trusted until it has aged. */
bool stamp_holds(const struct stamp *stamp, const struct stat *st);
/* The same time, whether sure or not. */
bool stamp_is(const struct stamp *stamp, const struct stat *st);

/* ---- messages in the index (messages.c) ---- */

/* A change to a folder: the transaction, its records, and the modseq of all that changes in it. */
struct change {
	struct store *store;
	struct index_txn txn;
	struct index_state state;
	struct folder folder;
	uint64_t modseq;
	uint64_t now_us;
	bool is_dirty; /* something has changed in this folder */
};

/* Begin a writing transaction on a folder; `messages`: about how many will change. */
enum store_error change_begin(
    struct change *change, struct store *store, uint32_t folder, size_t messages);
/* Write the folder's record and commit; where nothing changed, end quietly. */
enum store_error change_commit(struct change *change, bool durable);
/* Drop the transaction; fine after a commit. */
void change_end(struct change *change);
/* Write the folder's record and go on with another folder in the same transaction. */
enum store_error change_turn_to(struct change *change, uint32_t folder);

/* Enter a message under the next UID, which is set in `mail`, with the change's modseq. */
enum store_error mail_add(struct change *change, struct mail *mail);
/* Replace a message's record; what others see of it has changed. */
enum store_error mail_update(struct change *change, const struct mail *old, struct mail *mail);
/* Replace a message's record without anybody's notice (a file's name, a size). */
enum store_error mail_correct(
    struct change *change, const struct mail *old, const struct mail *mail);
/* Remove a message; with `forget_name` its name may come back as a new message (it was not expunged by us). */
enum store_error mail_remove(struct change *change, const struct mail *mail, bool forget_name);

/* ---- directories (sync.c) ---- */

/* Take over what changed in a folder's directory; *folder is its record as it is then. */
enum store_error folder_sync(struct store *store, uint32_t id, struct folder *folder);
/* The same for a change that was begun on the folder, which it commits. */
enum store_error folder_sync_in(struct change *change);
/* Remove files from tmp/ that nobody can be writing any more: what crashes left. */
void folder_sweep_tmp(struct store *store, const struct folder *folder);
/*
 * Own changes in cur/: call before the first and after the last, so that they are
 * not taken for somebody else's.
 */
struct own_change {
	int cur_fd;
	bool was_known;
};
enum store_error own_change_begin(struct own_change *own, struct change *change);
/* Flushes the directory. */
enum store_error own_change_end(struct own_change *own, struct change *change);
void own_change_abort(struct own_change *own);

/* ---- folders (folders.c) ---- */

/* Take over folders that appeared or vanished in Maildir/. */
enum store_error folders_sync(struct store *store);
/* Check a name and find its folder. */
enum store_error folder_find(struct store *store, struct slice name, uint32_t *id);

/* ---- keywords (keywords.c) ---- */

bool keyword_is_sound(struct slice name);
/* The number of a keyword, or -1. */
int keyword_find(const struct folder *folder, struct slice name);
/* Give a keyword a number within a change, and write it to dovecot-keywords. */
enum store_error keyword_add(struct change *change, struct slice name, int *number);
/* Read dovecot-keywords of a folder that is new to the index. */
void keywords_load(struct store *store, struct folder *folder);
/* Bits of `bits` in one folder's numbering as bits of another's, made where they are missing. */
enum store_error keywords_translate(
    struct change *to, const struct folder *from, uint64_t bits, uint64_t *out);

/* ---- what folders are for (special_use.c) ---- */

/* The uses that a folder was given, of enum store_use. */
unsigned special_use_read(struct store *store, const char *directory);
enum store_error special_use_write(struct store *store, const char *directory, unsigned uses);
/* Give uses that no folder of the list has to those with the usual names. */
void special_use_by_name(struct store_folder_list *list);

/* ---- subscriptions (subscriptions.c) ---- */

enum { SUBSCRIPTIONS_MAX_OCTETS = 4 << 20 };

/* The names subscribed to, each NUL-terminated, one after another. */
enum store_error subscriptions_read(struct store *store, struct buf *names);

/* ---- files (content.c) ---- */

/*
 * Open a message's file.  Where it is not where the index says, the folder is looked at
 * again first.
 */
enum store_error mail_open(
    struct store *store, uint32_t folder, uint32_t uid, struct mail *mail, int *fd);

/* The file is as long as its name says, or its name says nothing. */
bool content_is_whole(const struct store_content *content);
/* Measure all messages of a folder whose size with CRLF is not known. */
enum store_error folder_measure(struct store *store, uint32_t folder);

/* ---- texts (texts.c) ---- */

/* Write texts that wait into the index. */
void texts_flush(struct store *store);
/* The same, and free all memory for texts: before the index is closed. */
void texts_free(struct store *store);

#endif
