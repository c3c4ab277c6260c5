/*
 * journal.h - what was accepted since the last checkpoint, in pre-written segments.
 *
 * A segment is a file of fixed size, written full of zeros once, so that a commit
 * overwrites blocks that the file system has long placed: fdatasync then flushes
 * data alone.  Page 0 is the header; entries follow in batches that start on a
 * page.  A batch is written by one pwrite and made durable by one fdatasync, and
 * no page that holds durable entries is ever written again.
 *
 * Each time a segment is taken into use it gets a generation, one higher than any
 * before, and a random tag.  Every entry carries the tag, so neither what an
 * earlier use left behind nor the text of a message can pass for an entry.  The
 * header also says up to which generation everything is dead (checkpointed), and
 * the highest message identifier used so far.
 *
 *     use:        reserve, begin, end, ... flush        (one thread: the committer)
 *     checkpoint: full_generation, retire               (any thread)
 *     recovery:   open, replay, start
 */
#ifndef PETREL_QMGR_JOURNAL_H
#define PETREL_QMGR_JOURNAL_H

#include "common/id.h"
#include "common/slice.h"

enum {
	JOURNAL_PAGE = 4096,
	JOURNAL_SEGMENT_MIN = 16 * JOURNAL_PAGE, /* octets; below this nothing useful fits */
	JOURNAL_SEGMENTS_MAX = 64,
	JOURNAL_BATCH_MAX =
	    4 * 1024 * 1024, /* octets in one flush; one larger entry may stand alone */
};

enum journal_type {
	JOURNAL_ACCEPTED = 1, /* a message, see commit.h */
	JOURNAL_UPDATED = 2,  /* what became of one */
};

struct journal_options {
	uint64_t segment_size; /* octets; rounded up to pages */
	unsigned segments;     /* at least 2 */
};

/* An entry as replay shows it; the payload points into the mapped segment. */
struct journal_entry {
	enum journal_type type;
	uint64_t generation;
	uint64_t sequence;
	struct slice payload;
};

enum journal_room {
	JOURNAL_READY,       /* journal_begin will succeed */
	JOURNAL_FLUSH_FIRST, /* the batch is full: flush it, then ask again */
	JOURNAL_NO_SEGMENT,  /* every segment waits for its checkpoint */
	JOURNAL_TOO_LARGE,   /* no segment could ever hold it */
	JOURNAL_FAILED,      /* the segment could not be taken into use: errno */
};

struct journal;

/*
 * Open the journal in `directory` (borrowed) and read the headers; nothing is
 * written.  NULL with errno.
 */
struct journal *journal_open(int directory, const struct journal_options *options);
void journal_close(struct journal *journal);

/*
 * Show every live entry, segment by segment in order of generation.  What is
 * shown stays readable until journal_start or journal_close.  An entry that is
 * not whole ends its batch; later batches are still shown, because each entry is
 * a fact that stands by itself.  0, or -1 with errno.
 */
int journal_replay(struct journal *journal,
    void (*found)(void *context, const struct journal_entry *entry), void *context);

/* The highest identifier that any header knows of. */
message_id journal_id_high_water(const struct journal *journal);
/* Octets of all live segments: 0 after an orderly stop. */
uint64_t journal_live_octets(const struct journal *journal);

/*
 * Declare everything that was replayed dead and begin a new segment; on return
 * that is on disk.  `high_water` goes into headers from now on.  Makes the first
 * segment where there is none.  0, or -1 with errno.
 */
int journal_start(struct journal *journal, message_id high_water);

/* Make one more segment if there are fewer than wanted; slow.  1: made one; 0: all are there; -1 with errno. */
int journal_grow(struct journal *journal);

/* Is there room for an entry of `length` octets of payload? */
enum journal_room journal_reserve(struct journal *journal, size_t length);
/*
 * Begin an entry, after JOURNAL_READY: room for `length` octets of payload, to be
 * filled before journal_end.  journal_cancel takes it back instead.
 */
char *journal_begin(struct journal *journal, enum journal_type type, size_t length);
void journal_end(struct journal *journal);
void journal_cancel(struct journal *journal);
/* The batch holds nothing. */
bool journal_is_clean(const struct journal *journal);
/*
 * Write and flush the batch.  *generation is that of the segment it went to.
 * Where it fails, -1 with errno: nothing in the batch may be relied on, and the
 * segment takes no more entries.
 */
int journal_flush(struct journal *journal, uint64_t *generation);
/* Tell the journal of an identifier in use, for the next header. */
void journal_note_id(struct journal *journal, message_id id);

/* End the current segment early, so that it can be checkpointed.  False where it is empty. */
bool journal_rotate(struct journal *journal);
/* The newest segment that is full and not retired yet, or 0: all up to it await a checkpoint. */
uint64_t journal_full_generation(struct journal *journal);
/* Everything up to `generation` is on disk elsewhere: those segments may be used again. */
void journal_retire(struct journal *journal, uint64_t generation);
/* Wait until a segment is free or the deadline (monotonic microseconds) has passed. */
bool journal_wait_for_segment(struct journal *journal, uint64_t deadline_us);
/*
 * After an orderly checkpoint at the end: declare everything dead, so that the
 * next start has nothing to replay.  The journal takes no entries afterwards.
 */
int journal_finish(struct journal *journal);

#endif
