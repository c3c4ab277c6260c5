/*
 * conf_suggest.c - what somebody may have meant who wrote the name of no setting.
 */
#include "common/conf_private.h"

#include <stdlib.h>

enum { NAME_MAX_COMPARED = 48 };

static int letter(struct slice s, size_t i)
{
	return octet_lower((unsigned char)s.data[i]);
}

/* How many single-letter changes lead from a to b, in any case (with a neighbour swap as one). */
static unsigned distance(struct slice a, struct slice b)
{
	unsigned rows[3][NAME_MAX_COMPARED + 1];
	unsigned *before = rows[0], *above = rows[1], *row = rows[2];

	if (a.len > NAME_MAX_COMPARED || b.len > NAME_MAX_COMPARED)
		return NAME_MAX_COMPARED;
	for (unsigned j = 0; j <= b.len; j++)
		above[j] = j;
	for (unsigned i = 1; i <= a.len; i++) {
		unsigned *swap = before;

		row[0] = i;
		for (unsigned j = 1; j <= b.len; j++) {
			unsigned best = above[j - 1] + (letter(a, i - 1) != letter(b, j - 1));

			if (above[j] + 1 < best)
				best = above[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			if (i > 1 && j > 1 && letter(a, i - 1) == letter(b, j - 2) && letter(a, i - 2) == letter(b, j - 1) &&
			    before[j - 2] + 1 < best)
				best = before[j - 2] + 1;
			row[j] = best;
		}
		before = above;
		above = row;
		row = swap;
	}
	return above[b.len];
}

/* The first component of a name from `from` on ("tls" of "tls.key"). */
static struct slice component(const char *name, size_t from)
{
	struct slice s = slice_from(slice_string(name), from);
	ssize_t dot = slice_find(s, 0, '.');

	return dot < 0 ? s : slice_part(s, 0, (size_t)dot);
}

/* The setting whose name without its group is `word` (queue.expire for "expire"), where there is one only. */
static struct slice in_another_group(struct slice word)
{
	struct slice found = slice_of(NULL, 0);

	for (size_t row = 0; row < conf_table_size; row++) {
		struct slice full = slice_string(conf_table[row].name);

		if (!slice_equal(slice_from(full, (size_t)(slice_find_last(full, '.') + 1)), word))
			continue;
		if (found.len > 0)
			return slice_of(NULL, 0);
		found = full;
	}
	return found;
}

bool conf_unknown_setting(struct conf_parser *p, struct slice group, struct slice word)
{
	struct slice best = in_another_group(word);
	unsigned best_distance = best.len > 0 ? 1 : 4;
	char where[128] = "";

	if (group.len > 0)
		snprintf(where, sizeof where, "%.*s: ", (int)group.len - 1, group.data);
	for (size_t row = 0; row < conf_table_size; row++) {
		struct slice full = slice_string(conf_table[row].name), candidate;
		unsigned d;

		if (!slice_starts_with(full, group))
			continue;
		candidate = slice_find(word, 0, '.') >= 0 ? slice_from(full, group.len) : component(conf_table[row].name, group.len);
		d = distance(word, candidate);
		if (d < best_distance && d * 2 < word.len + 1) {
			best_distance = d;
			best = candidate;
		}
	}
	if (best.len > 0)
		return conf_fail(p, "%sunknown setting \"%.*s\"; did you mean \"%.*s\"?", where, SLICE_PRINTF(word), SLICE_PRINTF(best));
	return conf_fail(p, "%sunknown setting \"%.*s\"; petrel config --defaults lists them all", where, SLICE_PRINTF(word));
}
