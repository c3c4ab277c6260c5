/*
 * hash.h - keys and values in memory.
 *
 * Entries keep the order in which they were added.  The index is hashed with a
 * key of its own, so that no choice of names makes look-ups slow.
 */
#ifndef PETREL_TABLE_HASH_H
#define PETREL_TABLE_HASH_H

#include "common/siphash.h"
#include "common/slice.h"

struct table_hash_entry {
	size_t at; /* offset of the key; the value follows it */
	uint32_t key_len;
	uint32_t value_len;
	uint32_t line; /* where it stood in the text */
};

struct table_hash {
	struct siphash_key key;
	char *octets; /* all keys and values */
	size_t octets_len;
	size_t octets_size;
	struct table_hash_entry *entries;
	size_t count;
	size_t entries_size;
	uint32_t *index;   /* entry number + 1, 0 where free; open addressing */
	size_t index_size; /* a power of two, at least twice the entries */
};

enum table_hash_added { HASH_ADDED, HASH_DUPLICATE, HASH_NO_MEMORY };

void table_hash_init(struct table_hash *h);
void table_hash_free(struct table_hash *h);
/* Add an entry.  On HASH_DUPLICATE nothing changes and *first_line says where the key stood first. */
enum table_hash_added table_hash_add(struct table_hash *h, struct slice key, struct slice value,
    uint32_t line, uint32_t *first_line);
/* NULL where there is none.  The entry is good until the next add. */
const struct table_hash_entry *table_hash_find(const struct table_hash *h, struct slice key);

static inline struct slice table_hash_key(
    const struct table_hash *h, const struct table_hash_entry *e)
{
	return slice_of(h->octets + e->at, e->key_len);
}

static inline struct slice table_hash_value(
    const struct table_hash *h, const struct table_hash_entry *e)
{
	return slice_of(h->octets + e->at + e->key_len, e->value_len);
}

#endif
