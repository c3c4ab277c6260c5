/*
 * entry.c - what the entries of the journal say.
 */
#include "qmgr/entry.h"

enum {
	ACCEPTED_FIXED = 8 + 8 + 1 + 4,
	UPDATED_FIXED = 8 + 8 + 1 + 8 + 1 + 4,
};

static char *put(char *at, uint64_t value, size_t octets)
{
	for (size_t i = 0; i < octets; i++)
		*at++ = (char)(value >> (8 * i));
	return at;
}

static char *put_slice(char *at, struct slice value)
{
	at = put(at, value.len, 4);
	if (value.len > 0)
		memcpy(at, value.data, value.len);
	return at + value.len;
}

size_t accepted_entry_length(size_t records, size_t content)
{
	return ACCEPTED_FIXED + records + content;
}

char *accepted_entry_write(
    char *payload, message_id id, uint64_t size, struct slice records, bool has_content)
{
	char *at = put(payload, id, 8);

	at = put(at, size, 8);
	at = put(at, has_content ? 1 : 0, 1);
	return put_slice(at, records);
}

bool accepted_entry_read(struct slice payload, struct accepted_entry *entry)
{
	struct reader r = reader_over(payload);

	entry->id = read_u64(&r);
	entry->size = read_u64(&r);
	entry->has_content = read_bool(&r);
	entry->records = read_slice(&r);
	entry->content = reader_ok(&r) ? cursor_rest(&r.in) : slice_of("", 0);
	if (entry->content.len != (entry->has_content ? entry->size : 0) || entry->id == 0)
		reader_fail(&r);
	return reader_ok(&r);
}

size_t updated_entry_length(size_t records)
{
	return UPDATED_FIXED + records;
}

void updated_entry_write(char *payload, const struct updated_entry *entry)
{
	char *at = put(payload, entry->id, 8);

	at = put(at, entry->size, 8);
	at = put(at, entry->place, 1);
	at = put(at, entry->next_attempt_us, 8);
	at = put(at, entry->is_settled ? 1 : 0, 1);
	put_slice(at, entry->records);
}

bool updated_entry_read(struct slice payload, struct updated_entry *entry)
{
	struct reader r = reader_over(payload);

	entry->id = read_u64(&r);
	entry->size = read_u64(&r);
	entry->place = (enum spool_place)read_u8(&r);
	entry->next_attempt_us = read_u64(&r);
	entry->is_settled = read_bool(&r);
	entry->records = read_slice(&r);
	if (entry->id == 0 || (entry->place != SPOOL_NEW && entry->place != SPOOL_CUR &&
				  entry->place != SPOOL_HOLD && entry->place != SPOOL_NOWHERE))
		reader_fail(&r);
	return reader_finished(&r);
}
