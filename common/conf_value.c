/*
 * conf_value.c - the values of settings: from words, and back to them.
 */
#include "common/conf_private.h"

#include <stdlib.h>

void *conf_field(const struct conf *conf, size_t row)
{
	return (char *)&conf->values + conf_table[row].offset;
}

ssize_t conf_row(struct slice name)
{
	for (size_t row = 0; row < conf_table_size; row++)
		if (slice_equal(name, slice_string(conf_table[row].name)))
			return (ssize_t)row;
	return -1;
}

static const struct {
	char letter;
	int64_t seconds;
} duration_units[] = {{'w', 7 * 86400}, {'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};

static bool is_digit(int c)
{
	return octet_is_digit(c);
}

bool conf_parse_duration(struct slice text, int64_t *seconds)
{
	struct cursor c = cursor_over(text);
	int64_t total = 0;

	if (slice_equal(text, SLICE("0"))) {
		*seconds = 0;
		return true;
	}
	while (!cursor_done(&c)) {
		uint64_t number;
		int unit;
		size_t i;

		if (!slice_number(cursor_take_while(&c, is_digit), 1000000000, &number))
			return false;
		unit = cursor_next(&c);
		for (i = 0; i < sizeof duration_units / sizeof duration_units[0]; i++)
			if (duration_units[i].letter == unit)
				break;
		if (i == sizeof duration_units / sizeof duration_units[0])
			return false;
		total += (int64_t)number * duration_units[i].seconds;
		if (total > (int64_t)1 << 40)
			return false;
	}
	*seconds = total;
	return text.len > 0;
}

void conf_print_duration(struct buf *out, int64_t seconds)
{
	if (seconds == 0)
		buf_append_string(out, "0");
	for (size_t i = 0; i < sizeof duration_units / sizeof duration_units[0]; i++) {
		int64_t n = seconds / duration_units[i].seconds;

		if (n > 0)
			buf_printf(out, "%lld%c", (long long)n, duration_units[i].letter);
		seconds -= n * duration_units[i].seconds;
	}
}

static const char size_letters[] = "KMGT";

bool conf_parse_size(struct slice text, int64_t *octets)
{
	uint64_t number;
	int shift = 0;

	if (text.len > 1 && !octet_is_digit((unsigned char)text.data[text.len - 1])) {
		const char *unit = memchr(size_letters, text.data[text.len - 1] & ~0x20, 4);

		if (unit == NULL)
			return false;
		shift = 10 * (int)(unit - size_letters + 1);
		text.len--;
	}
	if (!slice_number(text, (uint64_t)INT64_MAX >> shift, &number))
		return false;
	*octets = (int64_t)(number << shift);
	return true;
}

void conf_print_size(struct buf *out, int64_t octets)
{
	for (int unit = 3; unit >= 0; unit--) {
		int64_t one = (int64_t)1 << (10 * (unit + 1));

		if (octets >= one && octets % one == 0) {
			buf_printf(out, "%lld%c", (long long)(octets / one), size_letters[unit]);
			return;
		}
	}
	buf_printf(out, "%lld", (long long)octets);
}

static void list_clear(struct conf_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->words[i]);
	free(list->words);
	*list = (struct conf_list){0, NULL};
}

bool conf_list_add(struct conf_list *list, struct slice word)
{
	char **words = reallocarray(list->words, list->count + 1, sizeof *words);

	if (words == NULL)
		return false;
	list->words = words;
	words[list->count] = slice_dup(word);
	return words[list->count] != NULL && ++list->count > 0;
}

static void lines_clear(struct conf_lines *lines)
{
	for (size_t i = 0; i < lines->count; i++) {
		free(lines->lines[i].text);
		free(lines->lines[i].file);
	}
	free(lines->lines);
	*lines = (struct conf_lines){0, NULL};
}

bool conf_lines_add(
    struct conf_lines *lines, struct slice text, struct slice file, unsigned line)
{
	struct conf_line *grown = reallocarray(lines->lines, lines->count + 1, sizeof *grown);
	struct conf_line *added;

	if (grown == NULL)
		return false;
	lines->lines = grown;
	added = &grown[lines->count++];
	*added = (struct conf_line){slice_dup(text), slice_dup(file), line};
	return added->text != NULL && added->file != NULL;
}

/* Set a field from one word.  False with what was meant in `problem`. */
bool conf_field_set(
    const struct conf_setting *s, void *field, struct slice word, struct buf *problem)
{
	int64_t number = 0;
	bool parsed = true;

	if (s->form != NULL && !s->form->fits(word)) {
		buf_printf(problem, "\"%.*s\" is not %s", SLICE_PRINTF(word), s->form->what);
		return false;
	}
	switch (s->type) {
	case CONF_PATH:
		if (word.len == 0 || word.data[0] != '/') {
			buf_printf(problem, "\"%.*s\" is not an absolute path", SLICE_PRINTF(word));
			return false;
		}
		__attribute__((fallthrough));
	case CONF_STRING:
		free(*(char **)field);
		*(char **)field = slice_dup(word);
		return *(char **)field != NULL;
	case CONF_LIST:
	case CONF_GROUPS:
		return conf_list_add(field, word);
	case CONF_LINES:
		return false; /* they are no single word */
	case CONF_CHOICE:
		for (int i = 0; s->choices[i] != NULL; i++)
			if (slice_equal(word, slice_string(s->choices[i]))) {
				*(int *)field = i;
				return true;
			}
		buf_printf(problem, "\"%.*s\" is not one of", SLICE_PRINTF(word));
		for (int i = 0; s->choices[i] != NULL; i++)
			buf_printf(problem, "%s %s", i == 0 ? "" : ",", s->choices[i]);
		return false;
	case CONF_NUMBER:
		parsed = slice_number(word, INT64_MAX, (uint64_t *)&number);
		if (!parsed)
			buf_printf(problem, "\"%.*s\" is not a number", SLICE_PRINTF(word));
		break;
	case CONF_SIZE:
		parsed = conf_parse_size(word, &number);
		if (!parsed)
			buf_printf(problem, "\"%.*s\" is not a size; write 4096, 64K, 50M or 2G", SLICE_PRINTF(word));
		break;
	case CONF_DURATION:
		parsed = conf_parse_duration(word, &number);
		if (!parsed)
			buf_printf(problem, "\"%.*s\" is not a duration; write 30s, 5m, 4h, 5d or 1h30m", SLICE_PRINTF(word));
		break;
	}
	if (!parsed)
		return false;
	if (number < s->min || number > s->max) {
		buf_printf(problem, "%.*s is out of range; it may be from ", SLICE_PRINTF(word));
		for (int side = 0; side < 2; side++) {
			int64_t bound = side == 0 ? s->min : s->max;

			if (side == 1)
				buf_append_string(problem, " to ");
			if (s->type == CONF_SIZE)
				conf_print_size(problem, bound);
			else if (s->type == CONF_DURATION)
				conf_print_duration(problem, bound);
			else
				buf_printf(problem, "%lld", (long long)bound);
		}
		return false;
	}
	*(int64_t *)field = number;
	return true;
}

bool conf_value_set(struct conf *conf, size_t row, struct slice word, struct buf *problem)
{
	return conf_field_set(&conf_table[row], conf_field(conf, row), word, problem);
}

bool conf_is_list(const struct conf_setting *s)
{
	return s->type == CONF_LIST || s->type == CONF_GROUPS;
}

void conf_field_clear(const struct conf_setting *s, void *field)
{
	if (conf_is_list(s)) {
		list_clear(field);
	} else if (s->type == CONF_LINES) {
		lines_clear(field);
	} else if (s->type == CONF_STRING || s->type == CONF_PATH) {
		free(*(char **)field);
		*(char **)field = NULL;
	}
}

void conf_value_clear(struct conf *conf, size_t row)
{
	conf_field_clear(&conf_table[row], conf_field(conf, row));
}

static bool is_plain_word(struct slice word)
{
	for (size_t i = 0; i < word.len; i++) {
		unsigned char c = (unsigned char)word.data[i];

		if (c <= ' ' || c == 0x7f || strchr("{};#\"\\", c) != NULL)
			return false;
	}
	return word.len > 0;
}

void conf_print_quoted(struct buf *out, struct slice word)
{
	buf_append_octet(out, '"');
	for (size_t i = 0; i < word.len; i++) {
		if (word.data[i] == '"' || word.data[i] == '\\')
			buf_append_octet(out, '\\');
		buf_append_octet(out, word.data[i]);
	}
	buf_append_octet(out, '"');
}

static void print_word(struct buf *out, struct slice word)
{
	if (is_plain_word(word))
		buf_append_slice(out, word);
	else
		conf_print_quoted(out, word);
}

static void print_lines(struct buf *out, const struct conf_lines *lines)
{
	buf_append_octet(out, '{');
	for (size_t i = 0; i < lines->count; i++)
		buf_printf(out, "\n    %s", lines->lines[i].text);
	buf_append_string(out, lines->count == 0 ? " }" : "\n}");
}

void conf_field_print(struct buf *out, const struct conf_setting *s, const void *field)
{
	const struct conf_list *list;

	switch (s->type) {
	case CONF_PATH:
	case CONF_STRING:
		if (*(char *const *)field != NULL)
			print_word(out, slice_string(*(char *const *)field));
		break;
	case CONF_LIST:
		list = field;
		buf_append_octet(out, '{');
		for (size_t i = 0; i < list->count; i++) {
			buf_append_octet(out, ' ');
			print_word(out, slice_string(list->words[i]));
		}
		buf_append_string(out, " }");
		break;
	case CONF_LINES:
		print_lines(out, field);
		break;
	case CONF_GROUPS:
		/* Each stands on a line of its own, as it would in petrel.conf. */
		list = field;
		for (size_t i = 0; i < list->count; i++)
			buf_printf(out, "%s%s%s%s", i == 0 ? "" : "\n", i == 0 ? "" : s->name,
			    i == 0 ? "" : " ", list->words[i]);
		break;
	case CONF_CHOICE:
		buf_append_string(out, s->choices[*(const int *)field]);
		break;
	case CONF_NUMBER:
		buf_printf(out, "%lld", (long long)*(const int64_t *)field);
		break;
	case CONF_SIZE:
		conf_print_size(out, *(const int64_t *)field);
		break;
	case CONF_DURATION:
		conf_print_duration(out, *(const int64_t *)field);
		break;
	}
}

void conf_value_print(struct buf *out, const struct conf *conf, size_t row)
{
	conf_field_print(out, &conf_table[row], conf_field(conf, row));
}

/* What a list's default says is in one text, with blanks between its words. */
bool conf_field_default(const struct conf_setting *s, void *field)
{
	struct cursor c = cursor_over(slice_string(s->default_value));
	struct buf problem = buf_with_limit(CONF_ERROR_MAX);
	bool set = true;

	if (s->default_value != NULL && !conf_is_list(s))
		set = conf_field_set(s, field, cursor_rest(&c), &problem);
	while (conf_is_list(s) && set && !cursor_done(&c)) {
		set = conf_field_set(s, field, cursor_take_until(&c, ' '), &problem);
		cursor_skip(&c, 1);
	}
	buf_free(&problem);
	return set;
}
