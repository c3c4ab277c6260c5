/*
 * arena.c - blocks that pieces are cut from.
 */
#include "message/arena.h"

#include <stdalign.h>
#include <stdlib.h>

enum { BLOCK_OCTETS = 4096 };

struct arena_block {
	struct arena_block *next;
	size_t used;
	size_t size;
	alignas(max_align_t) char data[];
};

static struct arena_block *block_with_room(struct arena *arena, size_t octets)
{
	struct arena_block *block = arena->blocks;
	size_t size = octets > BLOCK_OCTETS ? octets : BLOCK_OCTETS;

	if (block != NULL && octets <= block->size - block->used)
		return block;
	block = malloc(sizeof(*block) + size);
	if (block == NULL)
		return NULL;
	block->used = 0;
	block->size = size;
	block->next = arena->blocks;
	arena->blocks = block;
	return block;
}

void *arena_allocate(struct arena *arena, size_t count, size_t size)
{
	const size_t grain = alignof(max_align_t);
	struct arena_block *block = NULL;
	size_t octets;
	void *piece;

	if (!__builtin_mul_overflow(count, size, &octets) &&
	    !__builtin_add_overflow(octets, grain - 1, &octets)) {
		octets -= octets % grain;
		if (octets <= arena->limit - arena->used)
			block = block_with_room(arena, octets);
	}
	if (block == NULL) {
		arena->failed = true;
		return NULL;
	}
	piece = block->data + block->used;
	block->used += octets;
	arena->used += octets;
	return memset(piece, 0, octets);
}

struct slice arena_copy(struct arena *arena, struct slice s)
{
	/* One octet more than needed, so that an empty copy is not the same as none. */
	char *copy = s.len == SIZE_MAX ? NULL : arena_allocate(arena, s.len + 1, 1);

	if (copy == NULL)
		return slice_of(NULL, 0);
	if (s.len > 0)
		memcpy(copy, s.data, s.len);
	return slice_of(copy, s.len);
}

void arena_free(struct arena *arena)
{
	while (arena->blocks != NULL) {
		struct arena_block *next = arena->blocks->next;

		free(arena->blocks);
		arena->blocks = next;
	}
	*arena = arena_with_limit(arena->limit);
}
