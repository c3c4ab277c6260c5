/*
 * hash.c - keys and values in memory.
 */
#include "table/hash.h"

#include <stdlib.h>

enum { FIRST_ENTRIES = 64, FIRST_OCTETS = 4096 };

void table_hash_init(struct table_hash *h)
{
	*h = (struct table_hash){.key = siphash_key_random()};
}

void table_hash_free(struct table_hash *h)
{
	free(h->octets);
	free(h->entries);
	free(h->index);
	*h = (struct table_hash){.key = h->key};
}

/* The slot of the index that holds `key`, or the free one where it belongs. */
static size_t slot_of(const struct table_hash *h, struct slice key)
{
	size_t mask = h->index_size - 1;
	size_t slot = siphash(h->key, key) & mask;

	while (h->index[slot] != 0 &&
	       !slice_equal(table_hash_key(h, &h->entries[h->index[slot] - 1]), key))
		slot = (slot + 1) & mask;
	return slot;
}

static bool grow_entries(struct table_hash *h)
{
	size_t size = h->entries_size == 0 ? FIRST_ENTRIES : h->entries_size * 2;
	struct table_hash_entry *entries;
	uint32_t *index;

	if (size > UINT32_MAX / 2)
		return false;
	entries = reallocarray(h->entries, size, sizeof *entries);
	if (entries == NULL)
		return false;
	h->entries = entries;
	index = calloc(size * 2, sizeof *index);
	if (index == NULL)
		return false;
	free(h->index);
	h->index = index;
	h->index_size = size * 2;
	h->entries_size = size;
	for (size_t i = 0; i < h->count; i++)
		h->index[slot_of(h, table_hash_key(h, &h->entries[i]))] = (uint32_t)(i + 1);
	return true;
}

static bool grow_octets(struct table_hash *h, size_t more)
{
	size_t size = h->octets_size == 0 ? FIRST_OCTETS : h->octets_size;
	char *octets;

	while (size - h->octets_len < more) {
		if (size > SIZE_MAX / 2)
			return false;
		size *= 2;
	}
	octets = realloc(h->octets, size);
	if (octets == NULL)
		return false;
	h->octets = octets;
	h->octets_size = size;
	return true;
}

enum table_hash_added table_hash_add(
    struct table_hash *h, struct slice key, struct slice value, uint32_t line, uint32_t *first_line)
{
	size_t slot;

	if (key.len > UINT32_MAX || value.len > UINT32_MAX)
		return HASH_NO_MEMORY;
	if (h->count == h->entries_size && !grow_entries(h))
		return HASH_NO_MEMORY;
	slot = slot_of(h, key);
	if (h->index[slot] != 0) {
		*first_line = h->entries[h->index[slot] - 1].line;
		return HASH_DUPLICATE;
	}
	if (h->octets_size - h->octets_len < key.len + value.len &&
	    !grow_octets(h, key.len + value.len))
		return HASH_NO_MEMORY;
	h->entries[h->count] =
	    (struct table_hash_entry){h->octets_len, (uint32_t)key.len, (uint32_t)value.len, line};
	if (key.len > 0)
		memcpy(h->octets + h->octets_len, key.data, key.len);
	h->octets_len += key.len;
	if (value.len > 0)
		memcpy(h->octets + h->octets_len, value.data, value.len);
	h->octets_len += value.len;
	h->index[slot] = (uint32_t)++h->count;
	return HASH_ADDED;
}

const struct table_hash_entry *table_hash_find(const struct table_hash *h, struct slice key)
{
	uint32_t number;

	if (h->count == 0)
		return NULL;
	number = h->index[slot_of(h, key)];
	return number == 0 ? NULL : &h->entries[number - 1];
}
