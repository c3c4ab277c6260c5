/*
 * tally.h - what clients have done, counted by several processes together.
 *
 * The table lies in a memory file of fixed size that master makes and hands to
 * each process of a role; all of them map it, and none has to ask another.  A row
 * is found by a keyed hash of whom it is about, so nobody can choose whom to share
 * one with, and nobody can make the table grow: where a bucket is full, whoever has
 * been quiet for the longest is forgotten, but for those who are connected.
 *
 * Counts are those of a sliding window: what was counted in the last whole window
 * weighs the less the more of the present one has passed.
 *
 * There are no locks that a process could die with.  A count can be missed where
 * two processes change one row at the same moment; it can never be wrong by much,
 * and rows hold nothing that a process could be led astray by: they are numbers.
 */
#ifndef PETREL_COMMON_TALLY_H
#define PETREL_COMMON_TALLY_H

#include "common/slice.h"

enum {
	TALLY_ROWS = 32768,             /* clients and networks that are remembered at a time */
	TALLY_WORKERS_MAX = 64,         /* processes that share a table */
	TALLY_COUNTERS = 8,             /* in a row */
	TALLY_COUNT_MAX = (1 << 20) - 1 /* counts stop there */
};

struct tally;

/* A memory file for that many processes, sealed against being made smaller or larger.  -1 with errno. */
int tally_create(unsigned workers);
/*
 * The table in that file, which is closed.  `worker` is this process's number among
 * those that share it: connections that an earlier one of that number has left open
 * are forgotten.  NULL where it is no such file or memory is short.
 */
struct tally *tally_map(int file, unsigned worker);
void tally_unmap(struct tally *tally);

/* Where somebody is counted; 0: nowhere. */
typedef uint32_t tally_row;

/* The row of `whom`, any octets; made where there is none.  0 where its bucket is full of the connected. */
tally_row tally_find(struct tally *tally, struct slice whom, uint32_t now);

/*
 * Count `amount` more; the count within the window, of now.
 *
 * now, window  seconds, on a clock that all processes share
 * An amount of 0 only looks.
 */
uint32_t tally_add(struct tally *tally, tally_row row, unsigned counter, uint32_t amount,
    uint32_t now, uint32_t window);

/* Connections, of all processes together, with one more or one less of this process. */
uint32_t tally_connections(const struct tally *tally, tally_row row);
void tally_connect(struct tally *tally, tally_row row);
void tally_disconnect(struct tally *tally, tally_row row);

#endif
