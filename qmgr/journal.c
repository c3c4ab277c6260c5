/*
 * journal.c - what was accepted since the last checkpoint, in pre-written segments.
 *
 * On disk, little-endian:
 *     header, one page   magic "PTRLJRN1", u64 generation, u64 tag, u64 dead,
 *                        u64 identifier, u64 segment size, u32 crc32c of these
 *     entry              u64 tag, u64 sequence, u32 length, u8 type, 7 zeros,
 *                        u32 crc32c of the former and the payload;
 *                        the payload; zeros up to a multiple of 8
 *     batch              entries one behind another, zeros up to a whole page
 */
#include "qmgr/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/codec.h"
#include "common/crc32c.h"
#include "qmgr/spool.h"

enum {
	ENTRY_HEADER = 32,
	ENTRY_CRC_AT = 28,
	ENTRY_ALIGN = 8,
	HEADER_USED = 8 + 5 * 8 + 4,
	ZEROS_AT_ONCE = 1024 * 1024,
};

static const char header_magic[8] = {'P', 'T', 'R', 'L', 'J', 'R', 'N', '1'};

enum segment_state {
	SEGMENT_FREE,
	SEGMENT_LIVE,    /* found at start: to be replayed */
	SEGMENT_CURRENT, /* takes entries */
	SEGMENT_FULL,    /* waits for its checkpoint */
};

struct segment {
	int fd;
	enum segment_state state;
	uint64_t size;
	uint64_t generation;
	uint64_t tag;
	uint64_t dead;         /* as its header says */
	message_id high_water; /* as its header says */
	const char *mapped;    /* during replay */
};

struct journal {
	int directory;
	struct journal_options options;
	pthread_mutex_t lock; /* guards segments[].state, segment_count and dead */
	pthread_cond_t freed;
	struct segment segments[JOURNAL_SEGMENTS_MAX];
	unsigned segment_count;
	struct segment *current; /* NULL: the next entry takes a free one */
	uint64_t offset;         /* in current, where the next batch goes */
	bool header_pending;     /* current's header goes out with the next batch */
	uint64_t generation;     /* highest ever */
	uint64_t dead;           /* everything up to this generation is checkpointed */
	uint64_t sequence;
	message_id high_water;
	char *batch;
	size_t batch_size; /* allocated */
	size_t batch_len;
	size_t entry_at; /* the entry that is being filled, in batch */
	size_t entry_length;
	enum journal_type entry_type;
};

static size_t round_up(size_t n, size_t to)
{
	return (n + to - 1) / to * to;
}

static void put_number(char *at, uint64_t value, size_t octets)
{
	for (size_t i = 0; i < octets; i++)
		at[i] = (char)(value >> (8 * i));
}

/* --- segments ------------------------------------------------------------- */

static void segment_name(unsigned index, char name[16])
{
	snprintf(name, 16, "segment-%02u", index);
}

static bool read_header(struct journal *j, struct segment *segment)
{
	char page[HEADER_USED];
	struct reader r = reader_over(slice_of(page, sizeof page));
	uint64_t generation, tag, dead, identifier, size;

	if (spool_read_at(segment->fd, page, sizeof page, 0) != (ssize_t)sizeof page)
		return false;
	if (memcmp(page, header_magic, sizeof header_magic) != 0)
		return false;
	read_u64(&r);
	generation = read_u64(&r);
	tag = read_u64(&r);
	dead = read_u64(&r);
	identifier = read_u64(&r);
	size = read_u64(&r);
	if (read_u32(&r) != crc32c(0, page, HEADER_USED - 4) || size != segment->size)
		return false;
	segment->generation = generation;
	segment->tag = tag;
	if (generation > j->generation)
		j->generation = generation;
	if (dead > j->dead)
		j->dead = dead;
	if (identifier > j->high_water)
		j->high_water = identifier;
	return true;
}

static int write_header(const struct segment *segment)
{
	char page[JOURNAL_PAGE] = {0};

	memcpy(page, header_magic, sizeof header_magic);
	put_number(page + 8, segment->generation, 8);
	put_number(page + 16, segment->tag, 8);
	put_number(page + 24, segment->dead, 8);
	put_number(page + 32, segment->high_water, 8);
	put_number(page + 40, segment->size, 8);
	put_number(page + 48, crc32c(0, page, 48), 4);
	return spool_write_at(segment->fd, page, sizeof page, 0);
}

static int prewrite(int fd, uint64_t size)
{
	char *zeros = calloc(1, ZEROS_AT_ONCE);
	int result = zeros == NULL ? -1 : posix_fallocate(fd, 0, (off_t)size);

	if (result > 0) {
		errno = result;
		result = -1;
	}
	for (uint64_t at = 0; result == 0 && at < size; at += ZEROS_AT_ONCE)
		result = spool_write_at(
		    fd, zeros, size - at < ZEROS_AT_ONCE ? (size_t)(size - at) : ZEROS_AT_ONCE, at);
	free(zeros);
	return result == 0 ? fsync(fd) : -1;
}

/*
 * Make a segment under a name that no crash can leave half-written: it gets its
 * final name when it is whole.
 */
static int make_segment(struct journal *j, unsigned index)
{
	char name[16];
	int fd;

	segment_name(index, name);
	if (unlinkat(j->directory, "making", 0) != 0 && errno != ENOENT)
		return -1;
	fd = openat(
	    j->directory, "making", O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	if (prewrite(fd, j->options.segment_size) != 0 ||
	    renameat(j->directory, "making", j->directory, name) != 0 || fsync(j->directory) != 0) {
		int saved = errno;

		close(fd);
		unlinkat(j->directory, "making", 0);
		errno = saved;
		return -1;
	}
	return fd;
}

static int open_segments(struct journal *j)
{
	for (unsigned i = 0; i < JOURNAL_SEGMENTS_MAX; i++) {
		struct segment *segment = &j->segments[j->segment_count];
		struct stat st;
		char name[16];

		segment_name(i, name);
		*segment = (struct segment){
		    .fd = openat(j->directory, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC)};
		if (segment->fd < 0 && errno == ENOENT)
			break;
		if (segment->fd < 0 || fstat(segment->fd, &st) != 0)
			return -1;
		j->segment_count++;
		segment->size = (uint64_t)st.st_size;
		if (read_header(j, segment))
			segment->state = SEGMENT_LIVE;
	}
	for (unsigned i = 0; i < j->segment_count; i++)
		if (j->segments[i].generation <= j->dead)
			j->segments[i].state = SEGMENT_FREE;
	return 0;
}

struct journal *journal_open(int directory, const struct journal_options *options)
{
	struct journal *j = calloc(1, sizeof *j);
	pthread_condattr_t attributes;

	if (j == NULL)
		return NULL;
	j->directory = directory;
	j->options = *options;
	j->options.segment_size = round_up(options->segment_size, JOURNAL_PAGE);
	if (j->options.segment_size < JOURNAL_SEGMENT_MIN)
		j->options.segment_size = JOURNAL_SEGMENT_MIN;
	if (j->options.segments < 2)
		j->options.segments = 2;
	if (j->options.segments > JOURNAL_SEGMENTS_MAX)
		j->options.segments = JOURNAL_SEGMENTS_MAX;
	pthread_mutex_init(&j->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&j->freed, &attributes);
	pthread_condattr_destroy(&attributes);
	if (open_segments(j) != 0) {
		int saved = errno;

		journal_close(j);
		errno = saved;
		return NULL;
	}
	return j;
}

static void unmap(struct journal *j)
{
	for (unsigned i = 0; i < j->segment_count; i++) {
		if (j->segments[i].mapped != NULL)
			munmap((void *)(uintptr_t)j->segments[i].mapped, j->segments[i].size);
		j->segments[i].mapped = NULL;
	}
}

void journal_close(struct journal *j)
{
	if (j == NULL)
		return;
	unmap(j);
	for (unsigned i = 0; i < j->segment_count; i++)
		close(j->segments[i].fd);
	pthread_cond_destroy(&j->freed);
	pthread_mutex_destroy(&j->lock);
	free(j->batch);
	free(j);
}

message_id journal_id_high_water(const struct journal *j)
{
	return j->high_water;
}

uint64_t journal_live_octets(const struct journal *j)
{
	uint64_t octets = 0;

	for (unsigned i = 0; i < j->segment_count; i++)
		if (j->segments[i].state == SEGMENT_LIVE)
			octets += j->segments[i].size;
	return octets;
}

/* --- replay ---------------------------------------------------------------- */

/* The whole entry at the front of `in`, without taking it; returns its length on disk or 0. */
static size_t parse_entry(
    const struct segment *segment, struct slice in, struct journal_entry *entry)
{
	struct reader r = reader_over(in);
	uint32_t length, crc;

	if (read_u64(&r) != segment->tag)
		return 0;
	entry->sequence = read_u64(&r);
	length = read_u32(&r);
	entry->type = (enum journal_type)read_u8(&r);
	cursor_take(&r.in, 7);
	crc = read_u32(&r);
	if (!reader_ok(&r) || length > cursor_left(&r.in))
		return 0;
	entry->payload = cursor_take(&r.in, length);
	if (crc != crc32c(crc32c(0, in.data, ENTRY_CRC_AT), entry->payload.data, length))
		return 0;
	entry->generation = segment->generation;
	return ENTRY_HEADER + length;
}

static void replay_segment(struct journal *j, const struct segment *segment,
    void (*found)(void *context, const struct journal_entry *entry), void *context)
{
	struct slice all = slice_of(segment->mapped, segment->size);
	struct journal_entry entry;
	size_t at = JOURNAL_PAGE;

	while (at < all.len) {
		size_t length = parse_entry(segment, slice_from(all, at), &entry);

		if (length == 0) {
			/* The end of a batch, or of all of them, or torn: the next page may begin another. */
			at = round_up(at + 1, JOURNAL_PAGE);
			continue;
		}
		if (entry.sequence > j->sequence)
			j->sequence = entry.sequence;
		found(context, &entry);
		at += round_up(length, ENTRY_ALIGN);
	}
}

int journal_replay(struct journal *j,
    void (*found)(void *context, const struct journal_entry *entry), void *context)
{
	uint64_t done = 0;

	for (;;) {
		struct segment *next = NULL;
		void *mapped;

		for (unsigned i = 0; i < j->segment_count; i++) {
			struct segment *segment = &j->segments[i];

			if (segment->state == SEGMENT_LIVE && segment->generation > done &&
			    (next == NULL || segment->generation < next->generation))
				next = segment;
		}
		if (next == NULL)
			return 0;
		mapped = mmap(NULL, next->size, PROT_READ, MAP_PRIVATE, next->fd, 0);
		if (mapped == MAP_FAILED)
			return -1;
		next->mapped = mapped;
		replay_segment(j, next, found, context);
		done = next->generation;
	}
}

/* --- taking segments into use ------------------------------------------------ */

/*
 * The free segment with the lowest generation.  Taking the oldest first keeps one
 * promise whatever happens to its header: when a segment is gone, so is every
 * older one, and nobody can see a message accepted without seeing what became of it.
 */
static struct segment *free_segment(struct journal *j)
{
	struct segment *oldest = NULL;

	for (unsigned i = 0; i < j->segment_count; i++) {
		struct segment *segment = &j->segments[i];

		if (segment->state == SEGMENT_FREE &&
		    (oldest == NULL || segment->generation < oldest->generation))
			oldest = segment;
	}
	return oldest;
}

/* With the lock held. */
static bool take_segment(struct journal *j)
{
	struct segment *segment = free_segment(j);

	if (segment == NULL)
		return false;
	segment->state = SEGMENT_CURRENT;
	segment->generation = ++j->generation;
	segment->dead = j->dead;
	segment->high_water = j->high_water;
	arc4random_buf(&segment->tag, sizeof segment->tag);
	j->current = segment;
	j->offset = JOURNAL_PAGE;
	j->header_pending = true;
	return true;
}

static bool end_current(struct journal *j)
{
	if (j->current == NULL)
		return false;
	pthread_mutex_lock(&j->lock);
	j->current->state = SEGMENT_FULL;
	j->current = NULL;
	pthread_mutex_unlock(&j->lock);
	return true;
}

/* A segment of another size than is wanted now gives way once it holds nothing alive. */
static int resize_free_segments(struct journal *j)
{
	for (unsigned i = 0; i < j->segment_count; i++) {
		struct segment *segment = &j->segments[i];
		int fd;

		if (segment->state != SEGMENT_FREE || segment->size == j->options.segment_size)
			continue;
		fd = make_segment(j, i);
		if (fd < 0)
			return -1;
		close(segment->fd);
		segment->fd = fd;
		segment->size = j->options.segment_size;
	}
	return 0;
}

/* Nothing that was written so far is needed any more. */
static void free_all(struct journal *j)
{
	for (unsigned i = 0; i < j->segment_count; i++)
		j->segments[i].state = SEGMENT_FREE;
	j->dead = j->generation;
}

int journal_start(struct journal *j, message_id high_water)
{
	unmap(j);
	journal_note_id(j, high_water);
	if (j->segment_count == 0 && journal_grow(j) < 0)
		return -1;
	free_all(j);
	take_segment(j);
	if (write_header(j->current) != 0 || fdatasync(j->current->fd) != 0)
		return -1;
	j->header_pending = false;
	if (resize_free_segments(j) != 0)
		return -1;
	/* The header went to a segment of the old size: begin again in one of the new. */
	if (j->current->size != j->options.segment_size)
		end_current(j);
	return 0;
}

int journal_grow(struct journal *j)
{
	unsigned index;
	int fd;

	pthread_mutex_lock(&j->lock);
	index = j->segment_count;
	pthread_mutex_unlock(&j->lock);
	if (index >= j->options.segments)
		return 0;
	fd = make_segment(j, index);
	if (fd < 0)
		return -1;
	pthread_mutex_lock(&j->lock);
	j->segments[index] =
	    (struct segment){.fd = fd, .state = SEGMENT_FREE, .size = j->options.segment_size};
	j->segment_count = index + 1;
	pthread_cond_broadcast(&j->freed);
	pthread_mutex_unlock(&j->lock);
	return 1;
}

bool journal_rotate(struct journal *j)
{
	if (j->current == NULL || j->batch_len > 0 || j->offset == JOURNAL_PAGE)
		return false;
	return end_current(j);
}

uint64_t journal_full_generation(struct journal *j)
{
	uint64_t newest = 0;

	pthread_mutex_lock(&j->lock);
	for (unsigned i = 0; i < j->segment_count; i++)
		if (j->segments[i].state == SEGMENT_FULL && j->segments[i].generation > newest)
			newest = j->segments[i].generation;
	pthread_mutex_unlock(&j->lock);
	return newest;
}

void journal_retire(struct journal *j, uint64_t generation)
{
	pthread_mutex_lock(&j->lock);
	for (unsigned i = 0; i < j->segment_count; i++)
		if (j->segments[i].state == SEGMENT_FULL && j->segments[i].generation <= generation)
			j->segments[i].state = SEGMENT_FREE;
	if (generation > j->dead)
		j->dead = generation;
	pthread_cond_broadcast(&j->freed);
	pthread_mutex_unlock(&j->lock);
}

bool journal_wait_for_segment(struct journal *j, uint64_t deadline_us)
{
	struct timespec until = {
	    .tv_sec = (time_t)(deadline_us / 1000000),
	    .tv_nsec = (long)(deadline_us % 1000000) * 1000,
	};
	bool found;

	pthread_mutex_lock(&j->lock);
	while (!(found = free_segment(j) != NULL))
		if (pthread_cond_timedwait(&j->freed, &j->lock, &until) == ETIMEDOUT)
			break;
	pthread_mutex_unlock(&j->lock);
	return found;
}

int journal_finish(struct journal *j)
{
	pthread_mutex_lock(&j->lock);
	j->current = NULL;
	free_all(j);
	take_segment(j);
	/* Dead itself: the next start has nothing to read. */
	j->current->dead = j->current->generation;
	pthread_mutex_unlock(&j->lock);
	return write_header(j->current) != 0 ? -1 : fdatasync(j->current->fd);
}

/* --- entries ------------------------------------------------------------------ */

static size_t entry_space(size_t length)
{
	return round_up(ENTRY_HEADER + length, ENTRY_ALIGN);
}

static bool grow_batch(struct journal *j, size_t size)
{
	char *batch = NULL;

	if (size <= j->batch_size)
		return true;
	size = round_up(size < JOURNAL_BATCH_MAX / 4 ? JOURNAL_BATCH_MAX / 4 : size, JOURNAL_PAGE);
	if (posix_memalign((void **)&batch, JOURNAL_PAGE, size) != 0)
		return false;
	if (j->batch_len > 0)
		memcpy(batch, j->batch, j->batch_len);
	free(j->batch);
	j->batch = batch;
	j->batch_size = size;
	return true;
}

enum journal_room journal_reserve(struct journal *j, size_t length)
{
	size_t space = entry_space(length), batch;
	bool taken;

	if (length > UINT32_MAX / 2 ||
	    round_up(space, JOURNAL_PAGE) > j->options.segment_size - JOURNAL_PAGE)
		return JOURNAL_TOO_LARGE;
	batch = round_up(j->batch_len + space, JOURNAL_PAGE);
	if (j->batch_len > 0 && batch > JOURNAL_BATCH_MAX)
		return JOURNAL_FLUSH_FIRST;
	if (j->current != NULL && j->offset + batch > j->current->size) {
		if (j->batch_len > 0)
			return JOURNAL_FLUSH_FIRST;
		end_current(j);
	}
	if (j->current == NULL) {
		pthread_mutex_lock(&j->lock);
		taken = take_segment(j);
		pthread_mutex_unlock(&j->lock);
		if (!taken)
			return JOURNAL_NO_SEGMENT;
		if (j->offset + batch > j->current->size)
			return JOURNAL_TOO_LARGE;
	}
	return grow_batch(j, batch) ? JOURNAL_READY : JOURNAL_FAILED;
}

char *journal_begin(struct journal *j, enum journal_type type, size_t length)
{
	j->entry_at = j->batch_len;
	j->entry_length = length;
	j->entry_type = type;
	j->batch_len += entry_space(length);
	return j->batch + j->entry_at + ENTRY_HEADER;
}

void journal_end(struct journal *j)
{
	char *entry = j->batch + j->entry_at;
	size_t used = ENTRY_HEADER + j->entry_length;

	put_number(entry, j->current->tag, 8);
	put_number(entry + 8, ++j->sequence, 8);
	put_number(entry + 16, j->entry_length, 4);
	put_number(entry + 20, j->entry_type, 8);
	put_number(entry + ENTRY_CRC_AT,
	    crc32c(crc32c(0, entry, ENTRY_CRC_AT), entry + ENTRY_HEADER, j->entry_length), 4);
	memset(entry + used, 0, j->batch_len - j->entry_at - used);
}

void journal_cancel(struct journal *j)
{
	j->batch_len = j->entry_at;
}

bool journal_is_clean(const struct journal *j)
{
	return j->batch_len == 0;
}

void journal_note_id(struct journal *j, message_id id)
{
	if (id > j->high_water)
		j->high_water = id;
}

int journal_flush(struct journal *j, uint64_t *generation)
{
	size_t whole = round_up(j->batch_len, JOURNAL_PAGE);

	if (j->batch_len == 0)
		return 0;
	memset(j->batch + j->batch_len, 0, whole - j->batch_len);
	j->batch_len = 0;
	*generation = j->current->generation;
	if ((j->header_pending && write_header(j->current) != 0) ||
	    spool_write_at(j->current->fd, j->batch, whole, j->offset) != 0 ||
	    fdatasync(j->current->fd) != 0) {
		int saved = errno;

		end_current(j);
		errno = saved;
		return -1;
	}
	j->header_pending = false;
	j->offset += whole;
	return 0;
}
