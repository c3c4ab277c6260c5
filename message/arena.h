/*
 * arena.h - memory that lives and dies with one parsed thing.
 *
 * Pieces are handed out one after another and released all at once, so a tree
 * may point anywhere into it.  Never gives more than `limit` octets in all.
 */
#ifndef PETREL_MESSAGE_ARENA_H
#define PETREL_MESSAGE_ARENA_H

#include "common/buf.h"
#include "common/slice.h"

struct arena_block;

struct arena {
	struct arena_block *blocks;
	size_t used; /* octets handed out */
	size_t limit;
	bool failed; /* the limit was met or memory ran out */
};

static inline struct arena arena_with_limit(size_t limit)
{
	return (struct arena){NULL, 0, limit, false};
}

/* `count` zeroed things of `size` octets, aligned for any type; NULL where they are not to be had. */
void *arena_allocate(struct arena *arena, size_t count, size_t size);
/* A copy; an empty slice where memory is not to be had. */
struct slice arena_copy(struct arena *arena, struct slice s);
void arena_free(struct arena *arena);

#endif
