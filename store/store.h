/*
 * store.h - a user's mailboxes.
 *
 * A home is a directory that holds
 *
 *	Maildir/                 INBOX: cur/ new/ tmp/
 *	Maildir/.Sent/           the folder "Sent": cur/ new/ tmp/ (Maildir++)
 *	Maildir/.Sent.2026/      the folder "Sent/2026"
 *	Maildir/subscriptions    subscribed folders, one a line, as on disk (Dovecot's format)
 *	index/                   an LMDB environment: UIDs, flags, cached texts
 *
 * Messages are files with LF line ends, named
 * `UNIQUE,S=<octets on disk>,W=<octets with CRLF>:2,FLAGS`; other programs may
 * read and change them.  The interface below knows no protocol: IMAP and POP3
 * are faces of it.  Delivery does not come through here; see store/maildir.h.
 *
 * Order of operations.  The directory first, then its flush, then the index:
 * every change is made to the files (written and renamed, linked, renamed or
 * unlinked), the directory is flushed, and the index is committed with a flush
 * before the call returns.  So an acknowledged change is durable, and a crash
 * at any point leaves what any other Maildir program could have left behind: a
 * file that the index does not know yet, a name with other flags, a file that
 * is gone.  The next look at the folder takes that over.  Nothing else has to be
 * repaired, ever.  All changes of one call share one transaction.
 *
 * The index can be thrown away: it is built again from the Maildir, with a new
 * UIDVALIDITY.  What it holds is validated like input; where it makes no sense
 * the call gives STORE_CORRUPT and the caller rebuilds (store_open with
 * STORE_REBUILD).
 *
 * Folder names at this interface are UTF-8 with '/' between the levels.  INBOX is
 * written in any case.  On disk each level is modified UTF-7 (RFC 3501, 5.1.3),
 * joined by '.'; a '.' within a level is written as "&AC4-".
 *
 * One thread.  Several processes may have the same home open, and one process
 * any number of views; opening a home twice in one process gives the same store.
 * Nobody waits but writers for each other.
 */
#ifndef PETREL_STORE_STORE_H
#define PETREL_STORE_STORE_H

#include <sys/types.h>

#include "common/buf.h"
#include "common/slice.h"

enum store_error {
	STORE_OK = 0,
	STORE_NO_FOLDER, /* no such folder */
	STORE_EXISTS,    /* there is a folder of that name */
	STORE_BAD_NAME,  /* not UTF-8, a control character, an empty level, too long or too deep */
	STORE_DENIED,  /* cannot be done to this folder (INBOX deleted), or the view is read-only */
	STORE_GONE,    /* the message was expunged meanwhile */
	STORE_FULL,    /* no space left on the disk, or the index has reached its limit */
	STORE_LIMIT,   /* a named limit below was reached */
	STORE_CORRUPT, /* the index makes no sense: close, and open with STORE_REBUILD */
	STORE_STALE, /* the index was rebuilt or the folder was replaced: the view is worthless, close it */
	STORE_IO,     /* a system call failed */
	STORE_MEMORY, /* out of memory */
};

enum {
	STORE_NAME_MAX = 255,      /* octets of a folder name in UTF-8, and of a directory name */
	STORE_DEPTH_MAX = 32,      /* levels of a folder name */
	STORE_FOLDERS_MAX = 10000, /* folders of a user */
	STORE_KEYWORDS_MAX = 64,   /* different keywords in a folder */
	STORE_KEYWORD_MAX = 128,   /* octets of a keyword */
	STORE_MESSAGES_MAX = 5000000, /* messages in a folder */
	STORE_SUBSCRIPTIONS_MAX = 10000,
	STORE_UNIQUE_TEXT = 32,    /* characters of store_view_unique, without the NUL */
	STORE_TEXTS_MAX = 4 << 20, /* octets of a message's cached texts together */
};

struct store;
struct store_view;
struct store_append;
struct store_content;

/* A short fixed text for a log line or a person ("no such folder"). */
const char *store_error_text(enum store_error error);
/*
 * What went wrong last and with which object ("Maildir/.Sent/cur: rename: No
 * space left on device"), for the log and never for a client.  Names in it are
 * not escaped.  NULL: why the last store_open failed.
 */
const char *store_failure(const struct store *store);

/* ---- homes ---------------------------------------------------------------- */

/*
 * Open a home below the descriptor of a mail root, making what is missing of
 * it: the directories on the way, Maildir/{cur,new,tmp} and index/, all with
 * mode 0700.
 *
 * home    a relative path ("example.org/alice"): no "." or ".." level, none that is
 *         empty, at most 255 octets a level; symbolic links are not followed
 * Returns an open directory descriptor (close-on-exec), or -1 with errno.
 */
int store_create_home(int root_fd, struct slice home);
/* The same for a home that must exist already (as a directory). */
int store_open_home(int root_fd, struct slice home);
/* Make Maildir/{cur,new,tmp} and index/ in an open home where they are missing.  0, or -1 with errno. */
int store_prepare_home(int home_fd);

/* ---- the store ------------------------------------------------------------- */

enum {
	STORE_REBUILD = 1, /* where the index is corrupt, put it aside and begin a new one */
};

struct store_options {
	const char *hostname; /* goes into the names of new files; copied */
	unsigned flags;       /* STORE_REBUILD */
};

/*
 * Open a user's store.  Prepares the home (store_prepare_home) and opens the
 * index, or makes one.  home_fd stays the caller's and may be closed afterwards.
 * The working directory is changed and changed back on the way (LMDB opens by
 * path); the process must not have other threads that depend on it.
 */
enum store_error store_open(int home_fd, const struct store_options *options, struct store **out);
/* Close; all views must have been closed before.  NULL is fine. */
void store_close(struct store *store);
/* True where this store_open put a corrupt index aside: worth a line in the log. */
bool store_was_rebuilt(const struct store *store);
/*
 * A number that grows with every change to anything in this home that has been
 * noticed so far, across processes: two equal numbers mean that nothing happened.
 */
enum store_error store_change_counter(struct store *store, uint64_t *counter);

/* ---- folders ---------------------------------------------------------------- */

/* What a folder is for (RFC 6154); a folder may have several uses, and several folders one. */
enum store_use {
	STORE_USE_ARCHIVE = 1 << 0,
	STORE_USE_DRAFTS = 1 << 1,
	STORE_USE_JUNK = 1 << 2,
	STORE_USE_SENT = 1 << 3,
	STORE_USE_TRASH = 1 << 4,
};
/* The use called so ("Sent", in any case), or 0: it cannot be given to a folder. */
unsigned store_use_of(struct slice name);
/* Append the uses as attributes ("\Sent"), each with `before` before it. */
void store_use_write(unsigned uses, const char *before, struct buf *out);

/*
 * Make a folder and those above it; `uses` of enum store_use.  STORE_EXISTS,
 * STORE_BAD_NAME, STORE_LIMIT.
 */
enum store_error store_folder_create_for(struct store *store, struct slice name, unsigned uses);
static inline enum store_error store_folder_create(struct store *store, struct slice name)
{
	return store_folder_create_for(store, name, 0);
}
/*
 * Remove a folder and its messages.  Folders below it stay: it is then listed as
 * one that does not exist but has children (RFC 3501, 6.3.4).  INBOX: STORE_DENIED.
 */
enum store_error store_folder_delete(struct store *store, struct slice name);
/*
 * Rename a folder and all below it; superior folders of the new name are made.
 * INBOX stays, and its messages move into the new folder (RFC 3501, 6.3.5).
 * Subscriptions are not touched.  Renamed folders keep UIDVALIDITY and UIDs.
 */
enum store_error store_folder_rename(struct store *store, struct slice from, struct slice to);
/* Both succeed where nothing has to be done; a folder need not exist to be subscribed. */
enum store_error store_subscribe(struct store *store, struct slice name);
enum store_error store_unsubscribe(struct store *store, struct slice name);

struct store_folder_info {
	char *name;        /* UTF-8, '/' between levels */
	bool exists;       /* false: only the name above others, or only subscribed */
	bool has_children; /* a folder below it exists */
	bool subscribed;
	unsigned special_use; /* of enum store_use */
};

struct store_folder_list {
	struct store_folder_info
	    *folders; /* by name in octet order; INBOX first; parents before children */
	size_t count;
};

/*
 * All folders, all names that have folders below them, and all subscribed
 * names, each once.  Folders made by other programs are noticed here.
 */
enum store_error store_folder_list(struct store *store, struct store_folder_list *out);
void store_folder_list_free(struct store_folder_list *list);

struct store_status {
	uint32_t messages;
	uint32_t recent; /* not yet shown to any session that may write */
	uint32_t unseen; /* messages without \Seen */
	uint32_t deleted;
	uint32_t uidnext;
	uint32_t uidvalidity;
	uint64_t highest_modseq;
	uint64_t size; /* octets with CRLF, all messages together */
};

/* A folder's counts, new mail included.  Reads no message; reads directories only where they changed. */
enum store_error store_folder_status(
    struct store *store, struct slice name, struct store_status *out);

/* ---- views -------------------------------------------------------------------- */

enum {
	STORE_SEEN = 1 << 0,
	STORE_ANSWERED = 1 << 1,
	STORE_FLAGGED = 1 << 2,
	STORE_DELETED = 1 << 3,
	STORE_DRAFT = 1 << 4,
	/* Only in a view, never stored: this session is the first that was shown the message. */
	STORE_RECENT = 1 << 5,
	/* Only in a view: expunged, but not yet taken out by store_view_update. */
	STORE_EXPUNGED = 1 << 6,
	STORE_SYSTEM_FLAGS =
	    STORE_SEEN | STORE_ANSWERED | STORE_FLAGGED | STORE_DELETED | STORE_DRAFT,
};

struct store_message {
	uint32_t uid;
	uint32_t flags;    /* STORE_SEEN ... */
	uint64_t keywords; /* bit n: the keyword store_view_keyword(view, n) */
	uint64_t modseq;
	int64_t internal_date; /* seconds since 1970 UTC */
	uint64_t size;         /* octets with CRLF; UINT64_MAX: ask store_view_size */
};

enum {
	STORE_READ_ONLY = 1, /* EXAMINE: nothing is changed, \Recent is left for the next session */
	STORE_KEEP_RECENT = 2, /* \Recent is left, though changes are allowed (POP3) */
};

/*
 * Open a folder: takes over what changed in its directory and shows the result.
 * The view stays as it is until store_view_update, whatever others do, except
 * that it shows its own changes of flags at once.
 */
enum store_error store_view_open(
    struct store *store, struct slice folder, unsigned flags, struct store_view **out);
/* NULL is fine. */
void store_view_close(struct store_view *view);

struct store *store_view_store(const struct store_view *view);
/* The folder's name as it was when opened; lives as long as the view. */
struct slice store_view_name(const struct store_view *view);
bool store_view_is_read_only(const struct store_view *view);

/* Number of messages: sequence numbers are 1 to this. */
uint32_t store_view_count(const struct store_view *view);
/* The message at a sequence number (1..count; anything else is a bug of the caller). Valid until the next update. */
const struct store_message *store_view_message(const struct store_view *view, uint32_t seq);
/* The lowest sequence number whose UID is at or above `uid`; count + 1 where there is none. */
uint32_t store_view_find(const struct store_view *view, uint32_t uid);

uint32_t store_view_uidvalidity(const struct store_view *view);
uint32_t store_view_uidnext(const struct store_view *view);
uint64_t store_view_highest_modseq(const struct store_view *view);
/* Messages with STORE_RECENT. */
uint32_t store_view_recent(const struct store_view *view);

/* Number of keywords in use in this folder, and each one's name (valid until the next call that changes the view). */
unsigned store_view_keyword_count(const struct store_view *view);
struct slice store_view_keyword(const struct store_view *view, unsigned number);
/*
 * The bit of a keyword (compared without regard to ASCII case); with `create`
 * it is given one where it has none.  A name must be an IMAP atom without a
 * leading backslash.  STORE_BAD_NAME; STORE_LIMIT above STORE_KEYWORDS_MAX;
 * without `create`, an unknown one gives STORE_OK and no bit.
 */
enum store_error store_view_keyword_bit(
    struct store_view *view, struct slice name, bool create, uint64_t *bit);

struct store_expunged {
	uint32_t seq;
	uint32_t uid;
};

/* What an update changed; the arrays belong to the view and live until its next update. */
struct store_changes {
	/* Highest sequence number first: announced in this order each number is right when it is said. */
	const struct store_expunged *expunged;
	size_t expunged_count;
	/* Messages shown before whose flags or keywords others changed; new numbering, ascending. */
	const uint32_t *flagged;
	size_t flagged_count;
	/* New messages are those from this sequence number to the end; 0 where there are none. */
	uint32_t first_new;
	bool keywords_changed; /* the folder has keywords that it had not */
};

enum {
	STORE_KEEP_EXPUNGED =
	    1, /* leave expunged messages in place: no sequence number may move now */
};

/*
 * Take over what happened since the last update: in the directory, by other
 * processes, and by other views in this one.  What this view did itself (flags)
 * is not reported again; its own expunges and what it appended to its own
 * folder are.
 *
 * With STORE_KEEP_EXPUNGED expunged messages stay, marked STORE_EXPUNGED (their
 * flags are still known, their contents are not), until an update without it.
 * Costs two or three stat(2) calls where nothing happened.
 */
enum store_error store_view_update(
    struct store_view *view, unsigned flags, struct store_changes *out);

/* ---- changing messages ---------------------------------------------------------- */

enum store_flag_change { STORE_FLAGS_SET, STORE_FLAGS_ADD, STORE_FLAGS_REMOVE };

/*
 * Change flags and keywords of messages: durable on return, one transaction.
 *
 * seqs    sequence numbers, ascending, each once; expunged ones are passed over
 * flags   of STORE_SYSTEM_FLAGS; other bits are ignored
 * unchanged_since
 *         messages with a higher modseq are left alone (RFC 7162, 3.1.3);
 *         UINT64_MAX for no such condition
 * modified
 *         appended to, where not NULL: the uint32_t sequence numbers left alone
 */
enum store_error store_flags_change(struct store_view *view, const uint32_t *seqs, size_t count,
    enum store_flag_change how, uint32_t flags, uint64_t keywords, uint64_t unchanged_since,
    struct buf *modified);

/*
 * Expunge messages for good: durable on return, one transaction.
 *
 * seqs    sequence numbers, ascending, each once; NULL for the whole view
 * Only those that have \Deleted in the index at that moment go, unless
 * `regardless`.  The view shows them as STORE_EXPUNGED; the next update takes them
 * out and reports them.
 */
enum store_error store_expunge(
    struct store_view *view, const uint32_t *seqs, size_t count, bool regardless);

/*
 * Copy messages into a folder (hard links), with flags, keywords and internal
 * date; all or nothing but for messages that are gone.
 *
 * new_uids     of `count` entries or NULL: each copy's UID, 0 where the message is gone
 * uidvalidity  of the target, or NULL
 * STORE_NO_FOLDER where the target does not exist (TRYCREATE).
 */
enum store_error store_copy(struct store_view *view, const uint32_t *seqs, size_t count,
    struct slice folder, uint32_t *new_uids, uint32_t *uidvalidity);
/* The same, and the originals are expunged in the same transaction (RFC 6851). */
enum store_error store_move(struct store_view *view, const uint32_t *seqs, size_t count,
    struct slice folder, uint32_t *new_uids, uint32_t *uidvalidity);

/* ---- appending --------------------------------------------------------------------- */

struct store_append_info {
	uint32_t flags;               /* of STORE_SYSTEM_FLAGS */
	const struct slice *keywords; /* names, see store_view_keyword_bit */
	size_t keyword_count;
	int64_t internal_date; /* seconds since 1970 UTC; STORE_DATE_NOW for now */
};

#define STORE_DATE_NOW INT64_MIN

struct store_appended {
	uint32_t uidvalidity;
	uint32_t first_uid; /* the messages got first_uid, first_uid + 1, ... in order */
	uint32_t count;
};

/*
 * Append one message, or several in one transaction (MULTIAPPEND):
 *
 *	store_append_begin, (store_append_message, store_append_write ...) ..., store_append_commit
 *
 * Content comes in pieces of any size, with CRLF or LF line ends, and goes
 * straight to a file in tmp/.  Nothing is visible before the commit, which is
 * durable on return.  Commit and abort both free the append.
 */
enum store_error store_append_begin(
    struct store *store, struct slice folder, struct store_append **out);
enum store_error store_append_message(
    struct store_append *append, const struct store_append_info *info);
enum store_error store_append_write(struct store_append *append, struct slice data);
enum store_error store_append_commit(struct store_append *append, struct store_appended *out);
void store_append_abort(struct store_append *append);

/* ---- reading messages ------------------------------------------------------------------ */

/* Octets of a message with CRLF line ends (RFC822.SIZE).  Opens the file only where its name does not say. */
enum store_error store_view_size(struct store_view *view, uint32_t seq, uint64_t *size);

/*
 * A text of STORE_UNIQUE_TEXT printable characters that names the message for
 * ever, also after the index was rebuilt (POP3's UIDL).
 */
enum store_error store_view_unique(
    struct store_view *view, uint32_t seq, char text[STORE_UNIQUE_TEXT + 1]);

/* The finished texts of IMAP's ENVELOPE, BODY and BODYSTRUCTURE, parentheses included. */
struct store_texts {
	struct slice envelope;
	struct slice body;
	struct slice bodystructure;
};

/*
 * A message's texts: from the index, or made now from the file and kept.  The
 * slices live until the next call for this store.
 */
enum store_error store_view_texts(struct store_view *view, uint32_t seq, struct store_texts *out);

/*
 * A message's content as the world sees it, with CRLF line ends: a bounded
 * window over the file, whatever its size.
 */
enum store_error store_content_open(
    struct store_view *view, uint32_t seq, struct store_content **out);
void store_content_close(struct store_content *content);
/* Octets in all, with CRLF (counted by reading the file where its name does not say, or lies). */
uint64_t store_content_size(const struct store_content *content);
/*
 * Up to `len` octets from `offset`: the number read, 0 at the end, -1 with errno.
 * Fewer than `len` only at the end, which may come before store_content_size() where
 * another program lied about W= in the name, or cuts the file short meanwhile.  Cheap where each read begins where the last one
 * ended; a step back reads again from the start of the file.
 */
ssize_t store_content_read(
    struct store_content *content, uint64_t offset, void *buffer, size_t len);
/* The whole message appended to `out`, with CRLF; STORE_LIMIT where it does not fit out's limit. */
enum store_error store_content_load(struct store_content *content, struct buf *out);
/*
 * The octets as they are stored, with LF line ends as a rule: what mime_parse() is to be
 * given.  Mapped, not copied, where the message is large; they live until the content is
 * closed.
 */
enum store_error store_content_map(struct store_content *content, struct slice *out);

#endif
