/*
 * backend_text.c - a text file, read whole into a hash in memory.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "message/encoding.h"
#include "table/backend.h"
#include "table/backend_text.h"
#include "table/text.h"

struct filling {
	struct table_hash *hash;
	const struct table_schema *schema;
	const char *file;
	struct table_error *error;
};

/* One entry goes into the hash, if it makes sense. */
static bool add_entry(struct filling *f, struct slice key, struct slice value, uint32_t line)
{
	char word[TABLE_WORD_TEXT];
	uint32_t first_line = 0;

	if (f->schema->valid != NULL) {
		struct buf why = buf_with_limit(TABLE_ERROR_MAX / 2);
		bool good = f->schema->valid(key, value, &why);

		if (!good)
			table_error_set(
			    f->error, "%s:%u: %.*s", f->file, line, SLICE_PRINTF(buf_slice(&why)));
		buf_free(&why);
		if (!good)
			return false;
	}
	switch (table_hash_add(f->hash, key, value, line, &first_line)) {
	case HASH_ADDED:
		return true;
	case HASH_DUPLICATE:
		table_error_set(f->error, "%s:%u: \"%s\": already defined in line %u", f->file,
		    line, table_word(key, word), first_line);
		return false;
	case HASH_NO_MEMORY:
		break;
	}
	table_error_set(f->error, "%s:%u: out of memory", f->file, line);
	errno = ENOMEM;
	return false;
}

/* The sink of the parser. */
static bool take_entry(void *context, struct slice key, struct slice value, uint32_t line)
{
	struct filling *f = context;
	struct buf folded = buf_with_limit(TABLE_KEY_MAX);
	char word[TABLE_WORD_TEXT];
	bool good = is_ascii(key);

	if (good)
		return add_entry(f, key, value, line);
	good = table_fold(f->schema, key, &folded);
	if (good)
		good = add_entry(f, buf_slice(&folded), value, line);
	else
		table_error_set(f->error, "%s:%u: \"%s\": the key is too long", f->file, line,
		    table_word(key, word));
	buf_free(&folded);
	return good;
}

/* All of a file, in memory that the caller frees; NULL where that fails. */
static char *read_whole(int fd, size_t size, size_t *len)
{
	char *octets = malloc(size + 1);
	ssize_t got = 1;

	*len = 0;
	if (octets == NULL)
		return NULL;
	while (*len < size && (got = read(fd, octets + *len, size - *len)) != 0) {
		if (got < 0 && errno != EINTR) {
			free(octets);
			return NULL;
		}
		if (got > 0)
			*len += (size_t)got;
	}
	return octets;
}

bool table_hash_load(struct table_hash *hash, int fd, const struct stat *st, const char *file,
    const struct table_schema *schema, struct table_error *error)
{
	struct filling filling = {hash, schema, file, error};
	char *octets;
	size_t len;
	bool good;

	if (st->st_size > TABLE_TEXT_MAX) {
		table_error_set(error, "%s: larger than %d MiB", file, TABLE_TEXT_MAX >> 20);
		errno = EFBIG;
		return false;
	}
	octets = read_whole(fd, (size_t)st->st_size, &len);
	if (octets == NULL) {
		table_error_set(error, "%s: read: %s", file, strerror(errno));
		return false;
	}
	errno = EINVAL;
	good = table_text_parse(
	    slice_of(octets, len), schema->syntax, file, take_entry, &filling, error);
	/* A table may hold password verifiers. */
	explicit_bzero(octets, len);
	free(octets);
	return good;
}

static void *text_open(int directory_fd, const char *file, const struct table_schema *schema,
    struct stat *as_read, struct table_error *error)
{
	int fd = table_open_file(directory_fd, file, as_read, error);
	struct table_hash *hash;
	int saved_errno;

	if (fd < 0)
		return NULL;
	hash = malloc(sizeof *hash);
	if (hash == NULL) {
		table_error_set(error, "%s: out of memory", file);
	} else {
		table_hash_init(hash);
		if (!table_hash_load(hash, fd, as_read, file, schema, error)) {
			saved_errno = errno;
			table_hash_free(hash);
			free(hash);
			hash = NULL;
			errno = saved_errno;
		}
	}
	saved_errno = errno;
	close(fd);
	errno = saved_errno;
	return hash;
}

static enum table_answer text_lookup(void *opened, struct slice key, struct buf *value)
{
	const struct table_hash *hash = opened;
	const struct table_hash_entry *entry = table_hash_find(hash, key);

	if (entry == NULL)
		return TABLE_ABSENT;
	return buf_append_slice(value, table_hash_value(hash, entry)) ? TABLE_FOUND : TABLE_FAILED;
}

static bool text_each(void *opened, table_visitor *visit, void *context)
{
	const struct table_hash *hash = opened;

	for (size_t i = 0; i < hash->count; i++)
		if (!visit(context, table_hash_key(hash, &hash->entries[i]),
			table_hash_value(hash, &hash->entries[i])))
			return false;
	return true;
}

static void text_close(void *opened)
{
	table_hash_free(opened);
	free(opened);
}

const struct table_backend table_backend_text = {
    .prefix = "text",
    .suffix = "",
    .open = text_open,
    .lookup = text_lookup,
    .each = text_each,
    .close = text_close,
};
