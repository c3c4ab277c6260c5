/*
 * names.c - names on disk: of folders (Maildir++, modified UTF-7) and of message files.
 */
#include "store/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "common/id.h"
#include "message/encoding.h"
#include "store/store.h"

/* ---- folders ---- */

bool folder_name_is_inbox(const char *name)
{
	return strcmp(name, "INBOX") == 0;
}

static bool levels_are_sound(struct slice name)
{
	struct cursor c = cursor_over(name);

	for (int depth = 1; depth <= STORE_DEPTH_MAX; depth++) {
		struct slice level = cursor_take_until(&c, '/');

		if (level.len == 0 || slice_equal(level, SLICE(".")) ||
		    slice_equal(level, SLICE("..")))
			return false;
		if (cursor_done(&c))
			return true;
		cursor_skip(&c, 1);
		if (cursor_done(&c))
			return false;
	}
	return false;
}

bool folder_name_check(struct slice name, char out[FILE_NAME_SIZE])
{
	char directory[FILE_NAME_SIZE];

	if (slice_equal_nocase(name, SLICE("INBOX")))
		name = SLICE("INBOX");
	for (size_t i = 0; i < name.len; i++)
		if (octet_is_control((unsigned char)name.data[i]))
			return false;
	return utf8_is_valid(name) && levels_are_sound(name) &&
	       slice_copy(name, out, FILE_NAME_SIZE) && folder_name_to_directory(out, directory);
}

/* A dot within a level: base 64 of U+002E, since a plain one parts the levels. */
static const struct slice dot_within = {"&AC4-", 5};

/* One level as it stands on disk. */
static bool encode_level(struct slice level, struct buf *out)
{
	struct buf encoded = buf_with_limit(FILE_NAME_SIZE);
	bool fits = mutf7_encode(level, &encoded);

	for (size_t i = 0; fits && i < encoded.len; i++) {
		if (encoded.data[i] == '.')
			fits = buf_append_slice(out, dot_within);
		else
			fits = buf_append_octet(out, encoded.data[i]);
	}
	buf_free(&encoded);
	return fits;
}

static bool decode_level(struct slice level, struct buf *out)
{
	struct buf dotted = buf_with_limit(FILE_NAME_SIZE);
	struct cursor c = cursor_over(level);
	bool sound;

	while (!cursor_done(&c)) {
		if (slice_starts_with(cursor_rest(&c), dot_within)) {
			cursor_skip(&c, dot_within.len);
			buf_append_octet(&dotted, '.');
		} else {
			buf_append_octet(&dotted, (char)cursor_next(&c));
		}
	}
	sound = !dotted.overflowed && mutf7_decode(buf_slice(&dotted), out);
	buf_free(&dotted);
	return sound;
}

bool folder_name_to_directory(const char *name, char out[FILE_NAME_SIZE])
{
	struct cursor c = cursor_over(slice_string(name));
	struct buf b = buf_with_limit(FILE_NAME_SIZE - 1);
	bool fits = true;

	if (folder_name_is_inbox(name)) {
		strlcpy(out, ".", FILE_NAME_SIZE);
		return true;
	}
	while (fits && !cursor_done(&c)) {
		buf_append_octet(&b, '.');
		fits = encode_level(cursor_take_until(&c, '/'), &b);
		cursor_skip(&c, 1);
	}
	fits = fits && !b.overflowed && slice_copy(buf_slice(&b), out, FILE_NAME_SIZE);
	buf_free(&b);
	return fits;
}

/* Level by level, since a decoded level may hold a dot. */
static bool decode_levels(struct slice directory, struct buf *out)
{
	struct cursor c = cursor_over(directory);

	while (cursor_accept(&c, '.')) {
		if (out->len > 0)
			buf_append_octet(out, '/');
		if (!decode_level(cursor_take_until(&c, '.'), out))
			return false;
	}
	return true;
}

bool folder_name_from_directory(const char *directory, char out[FILE_NAME_SIZE])
{
	struct slice d = slice_string(directory);
	struct buf b = buf_with_limit(FILE_NAME_SIZE - 1);
	char checked[FILE_NAME_SIZE];
	bool sound;

	if (d.len < 2 || d.data[0] != '.')
		return false;
	if (!decode_levels(d, &b)) {
		buf_clear(&b);
		buf_append_slice(&b, slice_from(d, 1));
		for (size_t i = 0; i < b.len; i++)
			if (b.data[i] == '.')
				b.data[i] = '/';
	}
	sound = !b.overflowed && folder_name_check(buf_slice(&b), checked) &&
		!folder_name_is_inbox(checked);
	if (sound)
		strlcpy(out, checked, FILE_NAME_SIZE);
	buf_free(&b);
	return sound;
}

/* ---- message files ---- */

static bool is_digit(int c)
{
	return octet_is_digit(c);
}

/*
 * Microseconds from "SECONDS.M<microseconds>..." as most programs write it, or 0.
 * *is_ours: what follows is the identifier and hash of Petrel's own deliveries.
 */
static uint64_t time_of_name(struct slice unique, bool *is_ours)
{
	struct cursor c = cursor_over(unique);
	struct slice digits = cursor_take_while(&c, is_digit);
	uint64_t seconds, microseconds = 0;
	message_id id;

	*is_ours = false;
	if (!slice_number(digits, UINT32_MAX, &seconds))
		return 0;
	if (cursor_accept(&c, '.') && cursor_accept(&c, 'M')) {
		if (!slice_number(cursor_take_while(&c, is_digit), 999999, &microseconds))
			microseconds = 0;
		*is_ours = cursor_accept(&c, 'I') &&
			   message_id_parse(cursor_take(&c, MESSAGE_ID_TEXT), &id) &&
			   cursor_accept(&c, 'R');
	}
	return seconds * 1000000 + microseconds;
}

/* Sizes from ",S=123,W=130" behind the unique part. */
static void read_sizes(struct slice fields, struct file_name *out)
{
	struct cursor c = cursor_over(fields);

	while (cursor_accept(&c, ',')) {
		struct slice field = cursor_take_until(&c, ',');
		uint64_t value;

		if (!slice_number(slice_from(field, 2), INT64_MAX, &value))
			continue;
		if (slice_starts_with(field, SLICE("S=")))
			out->disk_size = value;
		else if (slice_starts_with(field, SLICE("W=")))
			out->crlf_size = value;
	}
}

bool file_name_parse(struct slice name, struct file_name *out)
{
	ssize_t colon = slice_find(name, 0, ':');
	ssize_t comma;

	if (name.len == 0 || name.len >= FILE_NAME_SIZE || name.data[0] == '.' ||
	    slice_find(name, 0, '/') >= 0 || slice_find(name, 0, '\0') >= 0)
		return false;
	*out = (struct file_name){
	    .full = name, .disk_size = FILE_SIZE_UNKNOWN, .crlf_size = FILE_SIZE_UNKNOWN};
	out->base = colon < 0 ? name : slice_part(name, 0, (size_t)colon);
	if (colon >= 0 && slice_starts_with(slice_from(name, (size_t)colon), SLICE(":2,")))
		out->info = slice_from(name, (size_t)colon + 3);
	comma = slice_find(out->base, 0, ',');
	out->unique = comma < 0 ? out->base : slice_part(out->base, 0, (size_t)comma);
	if (out->unique.len == 0)
		return false;
	read_sizes(slice_from(out->base, out->unique.len), out);
	out->time_us = time_of_name(out->unique, &out->is_delivered);
	return true;
}

int file_name_compare(const struct file_name *a, const struct file_name *b)
{
	if (a->time_us != b->time_us)
		return a->time_us < b->time_us ? -1 : 1;
	return slice_compare(a->full, b->full);
}

static const struct {
	char letter;
	uint32_t flag;
} letters[] = {
    {'D', STORE_DRAFT   },
    {'F', STORE_FLAGGED },
    {'R', STORE_ANSWERED},
    {'S', STORE_SEEN    },
    {'T', STORE_DELETED },
};

enum { KEYWORD_LETTERS = 26 };

static uint32_t flag_of_letter(char letter)
{
	for (size_t i = 0; i < sizeof letters / sizeof letters[0]; i++)
		if (letters[i].letter == letter)
			return letters[i].flag;
	return 0;
}

static bool is_keyword_letter(char letter, unsigned keyword_count)
{
	return letter >= 'a' && letter <= 'z' && (unsigned)(letter - 'a') < keyword_count;
}

uint32_t file_name_flags(struct slice info)
{
	uint32_t flags = 0;

	for (size_t i = 0; i < info.len; i++)
		flags |= flag_of_letter(info.data[i]);
	return flags;
}

uint64_t file_name_keywords(struct slice info, unsigned keyword_count)
{
	uint64_t keywords = 0;

	for (size_t i = 0; i < info.len; i++)
		if (is_keyword_letter(info.data[i], keyword_count))
			keywords |= UINT64_C(1) << (info.data[i] - 'a');
	return keywords;
}

bool file_name_format(struct slice base, struct slice old_info, uint32_t flags, uint64_t keywords,
    unsigned keyword_count, char out[FILE_NAME_SIZE])
{
	bool present[128] = {false};
	struct buf b = buf_with_limit(FILE_NAME_SIZE - 1);
	bool fits;

	for (size_t i = 0; i < old_info.len; i++)
		if (octet_is_alpha((unsigned char)old_info.data[i]) &&
		    flag_of_letter(old_info.data[i]) == 0 &&
		    !is_keyword_letter(old_info.data[i], keyword_count))
			present[(unsigned char)old_info.data[i]] = true;
	for (size_t i = 0; i < sizeof letters / sizeof letters[0]; i++)
		if ((flags & letters[i].flag) != 0)
			present[(unsigned char)letters[i].letter] = true;
	for (unsigned i = 0; i < keyword_count && i < KEYWORD_LETTERS; i++)
		if ((keywords >> i & 1) != 0)
			present['a' + i] = true;
	buf_append_slice(&b, base);
	buf_append_string(&b, ":2,");
	for (size_t i = 0; i < sizeof present; i++)
		if (present[i])
			buf_append_octet(&b, (char)i);
	fits = !b.overflowed && slice_copy(buf_slice(&b), out, FILE_NAME_SIZE);
	buf_free(&b);
	return fits;
}

void file_name_make_unique(const char *hostname, char out[FILE_NAME_SIZE])
{
	static unsigned made;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	/* The random part keeps processes apart that share a pid, each in a namespace of its own. */
	snprintf(out, FILE_NAME_SIZE, "%lld.M%06ldP%ldQ%uR%08x.%.64s", (long long)now.tv_sec,
	    now.tv_nsec / 1000, (long)getpid(), ++made, arc4random(), hostname);
}

void file_name_hostname(const char *hostname, char out[FILE_HOSTNAME_MAX + 1])
{
	size_t len = 0;

	for (; hostname[len] != '\0' && len < FILE_HOSTNAME_MAX; len++) {
		char c = hostname[len];

		out[len] = octet_is_alnum((unsigned char)c) || c == '.' || c == '-' ? c : '_';
	}
	out[len] = '\0';
	if (len == 0)
		strlcpy(out, "localhost", FILE_HOSTNAME_MAX + 1);
}
