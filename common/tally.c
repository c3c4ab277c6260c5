/*
 * tally.c - what clients have done, counted by several processes together.
 */
#include "common/tally.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/siphash.h"

enum {
	WAYS = 8, /* rows of a bucket */
	BUCKETS = TALLY_ROWS / WAYS,
	COUNT_BITS = 20,
	WINDOW_BITS = 24,
	TRIES = 16 /* before a count is missed */
};

#define TALLY_MAGIC UINT64_C(0x314c4c4154544550)

/* A counter: which window | the count of the one before | the count of this one. */
typedef _Atomic uint64_t counter;

struct header {
	uint64_t magic;
	uint64_t workers;
	struct siphash_key key;
	_Atomic uint8_t was_there[TALLY_WORKERS_MAX]; /* a process of that number has been */
};

struct row {
	_Atomic uint64_t whom; /* the hash; 0: free */
	_Atomic uint32_t used; /* when, in seconds */
	uint32_t unused;
	counter counters[TALLY_COUNTERS];
	_Atomic uint16_t connections[]; /* of each process */
};

struct tally {
	struct header *header;
	size_t size;
	size_t row_size;
	unsigned workers;
	unsigned worker;
};

static size_t row_size(unsigned workers)
{
	size_t size = sizeof(struct row) + workers * sizeof(uint16_t);

	return (size + 63) / 64 * 64;
}

static size_t whole_size(unsigned workers)
{
	/* Row 0 is nobody's. */
	return (sizeof(struct header) + 63) / 64 * 64 + (TALLY_ROWS + 1) * row_size(workers);
}

int tally_create(unsigned workers)
{
	struct header header = {.magic = TALLY_MAGIC, .workers = workers};
	int file;

	if (workers == 0 || workers > TALLY_WORKERS_MAX) {
		errno = EINVAL;
		return -1;
	}
	file = memfd_create("petrel-tally", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	header.key = siphash_key_random();
	if (file == -1)
		return -1;
	if (ftruncate(file, (off_t)whole_size(workers)) == 0 &&
	    pwrite(file, &header, sizeof header, 0) == (ssize_t)sizeof header &&
	    fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
		return file;
	close(file);
	return -1;
}

static struct row *row_at(const struct tally *tally, tally_row row)
{
	size_t start = (sizeof(struct header) + 63) / 64 * 64;

	if (row > TALLY_ROWS)
		row = 0;
	return (struct row *)(void *)((char *)tally->header + start + row * tally->row_size);
}

static void forget_connections(struct tally *tally)
{
	for (tally_row i = 1; i <= TALLY_ROWS; i++)
		atomic_store_explicit(
		    &row_at(tally, i)->connections[tally->worker], 0, memory_order_relaxed);
}

static void *map(int file, size_t *size)
{
	struct stat st;
	void *memory;

	if (fstat(file, &st) == -1 || st.st_size < (off_t)sizeof(struct header))
		return MAP_FAILED;
	*size = (size_t)st.st_size;
	memory = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	return memory;
}

struct tally *tally_map(int file, unsigned worker)
{
	struct tally *tally = calloc(1, sizeof *tally);
	size_t size = 0;
	void *memory = map(file, &size);
	uint64_t workers;

	close(file);
	if (tally == NULL || memory == MAP_FAILED)
		goto failed;
	tally->header = memory;
	tally->size = size;
	tally->worker = worker;
	/* Read once: what another process writes there later is not to lead us beyond the end. */
	workers = *(volatile const uint64_t *)&tally->header->workers;
	if (tally->header->magic != TALLY_MAGIC || workers > TALLY_WORKERS_MAX || worker >= workers)
		goto failed;
	tally->workers = (unsigned)workers;
	tally->row_size = row_size(tally->workers);
	if (size != whole_size(tally->workers))
		goto failed;
	if (atomic_exchange(&tally->header->was_there[worker], 1) != 0)
		forget_connections(tally);
	return tally;
failed:
	if (memory != MAP_FAILED)
		munmap(memory, size);
	free(tally);
	return NULL;
}

void tally_unmap(struct tally *tally)
{
	if (tally == NULL)
		return;
	munmap(tally->header, tally->size);
	free(tally);
}

/* --- rows ------------------------------------------------------------------------- */

uint32_t tally_connections(const struct tally *tally, tally_row number)
{
	const struct row *row = row_at(tally, number);
	uint32_t sum = 0;

	for (unsigned i = 0; i < tally->workers; i++)
		sum += atomic_load_explicit(&row->connections[i], memory_order_relaxed);
	return sum;
}

static void take_over(struct row *row, uint32_t now)
{
	for (size_t i = 0; i < TALLY_COUNTERS; i++)
		atomic_store_explicit(&row->counters[i], 0, memory_order_relaxed);
	atomic_store_explicit(&row->used, now, memory_order_relaxed);
}

/* A free row, or that of whoever has been quiet for the longest, for another; 0: none can go. */
static tally_row make_room(struct tally *tally, tally_row first, uint64_t whom, uint32_t now)
{
	tally_row best = 0;
	uint32_t longest = 0;
	uint64_t before = 0;

	for (tally_row i = first; i < first + WAYS; i++) {
		struct row *row = row_at(tally, i);
		uint64_t old = atomic_load(&row->whom);
		uint32_t quiet = now - atomic_load_explicit(&row->used, memory_order_relaxed);

		if (old != 0 && tally_connections(tally, i) > 0)
			continue;
		if (best == 0 || old == 0 || quiet > longest) {
			best = i;
			longest = quiet;
			before = old;
		}
		if (old == 0)
			break;
	}
	/* Another process may have been faster; then this one is counted the next time. */
	if (best == 0 || !atomic_compare_exchange_strong(&row_at(tally, best)->whom, &before, whom))
		return 0;
	take_over(row_at(tally, best), now);
	return best;
}

tally_row tally_find(struct tally *tally, struct slice whom, uint32_t now)
{
	uint64_t hash = siphash(tally->header->key, whom);
	tally_row first = (tally_row)(hash % BUCKETS) * WAYS + 1;

	/* 0 is the mark of a free row. */
	hash |= 1;
	for (tally_row i = first; i < first + WAYS; i++) {
		struct row *row = row_at(tally, i);

		if (atomic_load(&row->whom) == hash) {
			atomic_store_explicit(&row->used, now, memory_order_relaxed);
			return i;
		}
	}
	return make_room(tally, first, hash, now);
}

/* --- counting --------------------------------------------------------------------- */

static uint64_t count_part(uint64_t word)
{
	return word & TALLY_COUNT_MAX;
}

/* The counter with its windows moved up to the present one. */
static uint64_t moved_up(uint64_t word, uint64_t window)
{
	uint64_t then = word >> (2 * COUNT_BITS);

	if (then == window)
		return word;
	return window << (2 * COUNT_BITS) |
	       (((then + 1) & ((1 << WINDOW_BITS) - 1)) == window ? count_part(word) << COUNT_BITS
								  : 0);
}

static uint64_t added(uint64_t word, uint32_t amount)
{
	uint64_t count = count_part(word) + amount;

	if (count > TALLY_COUNT_MAX)
		count = TALLY_COUNT_MAX;
	return (word & ~(uint64_t)TALLY_COUNT_MAX) | count;
}

uint32_t tally_add(struct tally *tally, tally_row number, unsigned which, uint32_t amount,
    uint32_t now, uint32_t window)
{
	counter *at;
	uint64_t old, new, number_of_window, passed;

	if (number == 0 || which >= TALLY_COUNTERS || window == 0)
		return 0;
	at = &row_at(tally, number)->counters[which];
	number_of_window = now / window & ((1 << WINDOW_BITS) - 1);
	passed = now % window;
	old = atomic_load_explicit(at, memory_order_relaxed);
	for (int i = 0; i < TRIES; i++) {
		new = added(moved_up(old, number_of_window), amount);
		if (amount == 0 || atomic_compare_exchange_weak(at, &old, new))
			break;
	}
	return (
	    uint32_t)(count_part(new) + count_part(new >> COUNT_BITS) * (window - passed) / window);
}

void tally_connect(struct tally *tally, tally_row number)
{
	_Atomic uint16_t *own = &row_at(tally, number)->connections[tally->worker];
	uint16_t before = atomic_load_explicit(own, memory_order_relaxed);

	/* Only this process writes here. */
	if (number != 0 && before < UINT16_MAX)
		atomic_store_explicit(own, (uint16_t)(before + 1), memory_order_relaxed);
}

void tally_disconnect(struct tally *tally, tally_row number)
{
	_Atomic uint16_t *own = &row_at(tally, number)->connections[tally->worker];
	uint16_t before = atomic_load_explicit(own, memory_order_relaxed);

	if (number != 0 && before > 0)
		atomic_store_explicit(own, (uint16_t)(before - 1), memory_order_relaxed);
}
