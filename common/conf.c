/*
 * conf.c - reading petrel.conf, and turning settings into text and back.
 */
#include "common/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/channel_control.h"
#include "common/io.h"

static const struct settings no_settings;
const struct settings *settings = &no_settings;

enum { WORD_MAX = 4096 };

/* --- values ------------------------------------------------------------------ */

static void *field_of(const struct conf *conf, size_t row)
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

static bool list_add(struct conf_list *list, struct slice word)
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

static bool lines_add(
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
static bool set_field(
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
		return list_add(field, word);
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

static bool set_value(struct conf *conf, size_t row, struct slice word, struct buf *problem)
{
	return set_field(&conf_table[row], field_of(conf, row), word, problem);
}

static bool is_list(const struct conf_setting *s)
{
	return s->type == CONF_LIST || s->type == CONF_GROUPS;
}

static void clear_field(const struct conf_setting *s, void *field)
{
	if (is_list(s)) {
		list_clear(field);
	} else if (s->type == CONF_LINES) {
		lines_clear(field);
	} else if (s->type == CONF_STRING || s->type == CONF_PATH) {
		free(*(char **)field);
		*(char **)field = NULL;
	}
}

static void clear_value(struct conf *conf, size_t row)
{
	clear_field(&conf_table[row], field_of(conf, row));
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

static void print_quoted(struct buf *out, struct slice word)
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
		print_quoted(out, word);
}

static void print_lines(struct buf *out, const struct conf_lines *lines)
{
	buf_append_octet(out, '{');
	for (size_t i = 0; i < lines->count; i++)
		buf_printf(out, "\n    %s", lines->lines[i].text);
	buf_append_string(out, lines->count == 0 ? " }" : "\n}");
}

static void print_field(struct buf *out, const struct conf_setting *s, const void *field)
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
	print_field(out, &conf_table[row], field_of(conf, row));
}

/* --- words ------------------------------------------------------------------- */

enum token_kind { TOKEN_WORD, TOKEN_OPEN, TOKEN_CLOSE, TOKEN_LINE_END, TOKEN_END, TOKEN_BROKEN };

struct parser {
	struct conf *conf;
	struct cursor in;
	const char *name; /* of the file */
	unsigned line;
	unsigned depth;   /* of includes */
	char *error;

	enum token_kind kind;
	struct buf word;  /* the text of a TOKEN_WORD */
	bool is_quoted;   /* it stood in quotes */
	bool *seen;       /* rows set so far, to name the second of two */
	unsigned words;
	unsigned braces;  /* that are open */

	conf_report report; /* NULL: the first error is the last */
	void *report_context;
	bool has_reported;
	bool is_lost; /* nobody can tell where the next statement begins */
};

static bool fail(struct parser *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool fail(struct parser *p, const char *format, ...)
{
	const char *base = strrchr(p->name, '/');
	va_list arguments;
	int len = snprintf(p->error, CONF_ERROR_MAX, "%s:%u: ", base != NULL ? base + 1 : p->name, p->line);

	va_start(arguments, format);
	if (len > 0 && len < CONF_ERROR_MAX)
		vsnprintf(p->error + len, (size_t)(CONF_ERROR_MAX - len), format, arguments);
	va_end(arguments);
	/* A word of the file goes to a terminal and to the log. */
	for (char *c = p->error; *c != '\0'; c++)
		if (octet_is_control((unsigned char)*c))
			*c = '?';
	return false;
}

static bool quoted_word(struct parser *p)
{
	for (;;) {
		int c = cursor_next(&p->in);

		if (c == '"')
			return true;
		if (c == '\\')
			c = cursor_next(&p->in);
		if (c == -1 || c == '\n')
			return fail(p, "a quoted word has no closing quote");
		if (!buf_append_octet(&p->word, (char)c))
			return fail(p, "a word is longer than %zu characters", p->word.limit);
	}
}

static bool is_word_octet(int c)
{
	return c > ' ' && c != '{' && c != '}' && c != ';' && c != '#' && c != '"';
}

static bool lost(struct parser *p)
{
	p->is_lost = true;
	return false;
}

/* Read the next token into p->kind and p->word. */
static bool next_token(struct parser *p)
{
	int c;

	for (;;) {
		c = cursor_peek(&p->in);
		if (c == '#')
			cursor_take_until(&p->in, '\n');
		else if (c == ' ' || c == '\t' || c == '\r')
			cursor_skip(&p->in, 1);
		else if (c == '\\' && cursor_peek_at(&p->in, 1) == '\n') {
			cursor_skip(&p->in, 2);
			p->line++;
		} else
			break;
	}
	buf_clear(&p->word);
	p->kind = TOKEN_WORD;
	p->is_quoted = c == '"';
	switch (c) {
	case -1:
		p->kind = TOKEN_END;
		return true;
	case '\n':
	case ';':
	case '{':
	case '}':
		cursor_skip(&p->in, 1);
		if (c == '{')
			p->braces++;
		else if (c == '}' && p->braces > 0)
			p->braces--;
		p->kind = c == '{' ? TOKEN_OPEN : c == '}' ? TOKEN_CLOSE : TOKEN_LINE_END;
		return true;
	default:
		break;
	}
	if (++p->words > CONF_WORDS_MAX)
		return fail(p, "more than %d words", CONF_WORDS_MAX) || lost(p);
	if (cursor_accept(&p->in, '"'))
		return quoted_word(p) || lost(p);
	if (!is_word_octet(c))
		return fail(p, "a control character (%d) where a word was expected", c) || lost(p);
	if (!buf_append_slice(&p->word, cursor_take_while(&p->in, is_word_octet)))
		return fail(p, "a word is longer than %zu characters", p->word.limit) || lost(p);
	return true;
}

/* A line end counts only once it is behind us: messages name the line of the last token. */
static void pass_line_end(struct parser *p)
{
	if (p->kind == TOKEN_LINE_END && p->in.at[-1] == '\n')
		p->line++;
}

static bool next_token_over_lines(struct parser *p)
{
	do {
		if (!next_token(p))
			return false;
		pass_line_end(p);
	} while (p->kind == TOKEN_LINE_END);
	return true;
}

/* --- suggestions -------------------------------------------------------------- */

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

static bool unknown_setting(struct parser *p, struct slice group, struct slice word)
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
		return fail(p, "%sunknown setting \"%.*s\"; did you mean \"%.*s\"?", where, SLICE_PRINTF(word), SLICE_PRINTF(best));
	return fail(p, "%sunknown setting \"%.*s\"; petrel config --defaults lists them all", where, SLICE_PRINTF(word));
}

/* --- statements ---------------------------------------------------------------- */

static bool is_group(struct slice name)
{
	for (size_t row = 0; row < conf_table_size; row++) {
		struct slice full = slice_string(conf_table[row].name);

		if (full.len > name.len && full.data[name.len] == '.' && slice_starts_with(full, name))
			return true;
	}
	return false;
}

static bool set_word(struct parser *p, const struct conf_setting *s, void *field)
{
	struct buf problem = buf_with_limit(CONF_ERROR_MAX);
	bool set = set_field(s, field, buf_slice(&p->word), &problem);

	if (!set)
		fail(p, "%s: %.*s", s->name, (int)problem.len, problem.data);
	buf_free(&problem);
	return set;
}

/*
 * One word of a list: "none" is the empty list, and stands alone; commas are what
 * other programs want between words.
 */
static bool list_word(
    struct parser *p, const struct conf_setting *s, struct conf_list *list, bool *none)
{
	struct slice word = buf_slice(&p->word);

	if (word.len > 1 && word.data[word.len - 1] == ',')
		return fail(p, "%s: no commas between the words of a list, as in \"%.*s\"", s->name, SLICE_PRINTF(word));
	if (*none || (slice_equal(word, SLICE("none")) && list->count > 0))
		return fail(p, "%s: \"none\" is the empty list; no other word can stand beside it", s->name);
	*none = slice_equal(word, SLICE("none"));
	return *none || set_word(p, s, list);
}

static bool list_in_braces(
    struct parser *p, const struct conf_setting *s, struct conf_list *list)
{
	bool none = false;

	for (;;) {
		if (!next_token_over_lines(p))
			return false;
		if (p->kind == TOKEN_CLOSE)
			return next_token(p);
		if (p->kind != TOKEN_WORD)
			return fail(p, "%s: the list has no closing }", s->name);
		if (!list_word(p, s, list, &none))
			return false;
	}
}

static bool list_on_the_line(
    struct parser *p, const struct conf_setting *s, struct conf_list *list)
{
	bool none = false;

	while (p->kind == TOKEN_WORD)
		if (!list_word(p, s, list, &none) || !next_token(p))
			return false;
	return true;
}

/* One statement: the words up to the end of the line.  Its first word is current. */
static bool line_of_words(struct parser *p, size_t row)
{
	struct buf text = buf_with_limit(CONF_LINE_MAX);
	const char *base = strrchr(p->name, '/');
	unsigned line = p->line;
	bool good = true;

	while (good && p->kind == TOKEN_WORD) {
		if (text.len > 0)
			buf_append_octet(&text, ' ');
		if (p->is_quoted)
			print_quoted(&text, buf_slice(&p->word));
		else
			buf_append_slice(&text, buf_slice(&p->word));
		good = next_token(p);
	}
	if (good && text.overflowed)
		good = fail(p, "%s: a statement is longer than %d characters", conf_table[row].name, CONF_LINE_MAX);
	else if (good && p->kind == TOKEN_OPEN)
		good = fail(p, "%s: unexpected { in a statement", conf_table[row].name);
	good = good && lines_add(field_of(p->conf, row), buf_slice(&text),
			   slice_string(base != NULL ? base + 1 : p->name), line);
	buf_free(&text);
	return good;
}

static bool lines_in_braces(struct parser *p, size_t row)
{
	unsigned opened = p->line;

	for (;;) {
		if (!next_token_over_lines(p))
			return false;
		if (p->kind == TOKEN_WORD && !line_of_words(p, row))
			return false;
		if (p->kind == TOKEN_CLOSE)
			return next_token(p);
		if (p->kind == TOKEN_END) {
			p->line = opened;
			return fail(p, "%s: the statements have no closing }", conf_table[row].name);
		}
		if (p->kind == TOKEN_OPEN)
			return fail(p, "%s: unexpected {", conf_table[row].name);
		pass_line_end(p);
	}
}

bool conf_line_word(struct cursor *in, struct buf *word, bool *is_quoted)
{
	int c;

	buf_clear(word);
	cursor_take_while(in, octet_is_space);
	*is_quoted = cursor_accept(in, '"');
	if (!*is_quoted)
		return buf_append_slice(word, cursor_take_until(in, ' ')) && word->len > 0;
	while ((c = cursor_next(in)) != '"') {
		if (c == '\\')
			c = cursor_next(in);
		if (c == -1 || !buf_append_octet(word, (char)c))
			return false;
	}
	return true;
}
/* The words of a value, into its field. */
static bool value_words(struct parser *p, const struct conf_setting *s, void *field)
{
	clear_field(s, field);
	if (s->type == CONF_LIST && p->kind == TOKEN_OPEN)
		return list_in_braces(p, s, field);
	if (p->kind != TOKEN_WORD)
		return fail(p, "%s: a value is missing", s->name);
	if (slice_equal(buf_slice(&p->word), SLICE("=")))
		return fail(p, "%s: nothing stands between the name and the value, not even \"=\"", s->name);
	return s->type == CONF_LIST ? list_on_the_line(p, s, field)
				    : set_word(p, s, field) && next_token(p);
}

static bool group_value(struct parser *p, const struct conf_setting *s, struct conf_list *list);

/* The value of a setting; the token after its name is current.  Leaves the token behind the value current. */
static bool setting_value(struct parser *p, size_t row)
{
	const struct conf_setting *s = &conf_table[row];

	if (p->seen[row] && s->type != CONF_GROUPS)
		return fail(p, "%s: set before, at line %u of %s", s->name, p->conf->origins[row].line,
		    p->conf->origins[row].file == NULL ? "this file" : p->conf->origins[row].file);
	p->seen[row] = true;
	free(p->conf->origins[row].file);
	p->conf->origins[row].file = slice_dup(slice_string(p->name));
	p->conf->origins[row].line = p->line;
	if (s->type == CONF_LINES) {
		clear_value(p->conf, row);
		return p->kind == TOKEN_OPEN ? lines_in_braces(p, row) :
		    fail(p, "%s: statements stand in braces, a line each: %s { ... }", s->name, s->name);
	}
	if (s->type == CONF_GROUPS)
		return group_value(p, s, field_of(p->conf, row));
	return value_words(p, s, field_of(p->conf, row));
}

static bool read_file(struct parser *p, const char *path);

static bool include(struct parser *p)
{
	struct parser inner = *p;
	char *path;
	bool read;

	if (p->kind != TOKEN_WORD)
		return fail(p, "include: a file name is missing");
	if (p->depth == CONF_INCLUDE_DEPTH)
		return fail(p, "include: files include each other more than %d deep", CONF_INCLUDE_DEPTH);
	path = slice_dup(buf_slice(&p->word));
	if (path == NULL || path[0] != '/') {
		fail(p, "include: \"%s\" is not an absolute path", path == NULL ? "" : path);
		free(path);
		return false;
	}
	inner.depth++;
	inner.word = buf_with_limit(p->word.limit);
	inner.braces = 0;
	read = read_file(&inner, path);
	p->words = inner.words;
	p->has_reported = inner.has_reported;
	free(path);
	return read && next_token(p);
}

static bool end_of_statement(struct parser *p, const char *name)
{
	if (p->kind == TOKEN_WORD)
		return fail(p, "%s: unexpected \"%.*s\" after the value", name, (int)p->word.len, p->word.data);
	if (p->kind == TOKEN_OPEN)
		return fail(p, "%s: unexpected { after the value", name);
	pass_line_end(p);
	return true;
}

/*
 * One statement.  `group` is the prefix it stands in ("tls.", or empty at the top
 * level).  Its first word is current.
 */
static bool statement(struct parser *p, struct slice group);

static void report(struct parser *p)
{
	p->has_reported = true;
	p->report(p->report_context, p->error);
	p->error[0] = '\0';
}

/*
 * A statement that began within so many open braces has an error.  Where all of
 * them are wanted it is reported, and what is left of the statement passed over:
 * to the end of its line, or to the brace that closes its group, which stays current.
 */
static bool recover(struct parser *p, unsigned braces)
{
	if (p->report == NULL || p->is_lost)
		return false;
	report(p);
	for (;;) {
		if (p->kind == TOKEN_END || (p->kind == TOKEN_CLOSE && p->braces < braces))
			return true;
		if (p->kind == TOKEN_LINE_END && p->braces <= braces) {
			pass_line_end(p);
			return true;
		}
		pass_line_end(p);
		if (!next_token(p))
			return false;
	}
}

static bool group_in_braces(struct parser *p, struct slice name)
{
	char prefix[64];
	unsigned opened = p->line, braces = p->braces;

	snprintf(prefix, sizeof prefix, "%.*s.", SLICE_PRINTF(name));
	for (;;) {
		if (!next_token_over_lines(p))
			return false;
		while (p->kind == TOKEN_WORD)
			if (!statement(p, slice_string(prefix)) && !recover(p, braces))
				return false;
		if (p->kind == TOKEN_CLOSE)
			return next_token(p);
		if (p->kind == TOKEN_END) {
			p->line = opened;
			return fail(p, "%.*s: the group has no closing }", SLICE_PRINTF(name));
		}
		if (p->kind == TOKEN_OPEN)
			return fail(p, "%.*s: unexpected {", SLICE_PRINTF(name));
	}
}

static bool statement(struct parser *p, struct slice group)
{
	char name[128];
	struct slice word = buf_slice(&p->word), full;
	ssize_t row;

	if (group.len == 0 && slice_equal(word, SLICE("include")))
		return next_token(p) && include(p) && end_of_statement(p, "include");
	if (snprintf(name, sizeof name, "%.*s%.*s", SLICE_PRINTF(group), SLICE_PRINTF(word)) >= (int)sizeof name)
		return unknown_setting(p, group, slice_part(word, 0, 40));
	full = slice_string(name);
	row = conf_row(full);
	if (row < 0 && is_group(full)) {
		if (!next_token(p))
			return false;
		if (p->kind != TOKEN_OPEN)
			return fail(p, "%s: a group of settings wants braces: %s { ... }", name, name);
		return group_in_braces(p, full) && end_of_statement(p, name);
	}
	if (row < 0)
		return unknown_setting(p, group, word);
	/* Inside a group on one line, a value ends where the group does. */
	return next_token(p) && setting_value(p, (size_t)row) &&
	    (p->kind == TOKEN_CLOSE || end_of_statement(p, conf_table[row].name));
}

/* --- groups with names ----------------------------------------------------------- */

enum { GROUP_NAME_MAX = 32, GROUP_MEMBERS_MAX = 32, GROUP_TEXT_MAX = 4000 };

static bool is_group_name(struct slice name)
{
	for (size_t i = 0; i < name.len; i++)
		if (!octet_is_alnum((unsigned char)name.data[i]) && name.data[i] != '-' && name.data[i] != '_')
			return false;
	return name.len > 0 && name.len <= GROUP_NAME_MAX;
}

static void *member_field(const struct conf_setting *member, void *item)
{
	return (char *)item + member->offset;
}

void conf_group_free(const struct conf_group *group, void *item)
{
	free(*(char **)item);
	*(char **)item = NULL;
	for (size_t i = 0; i < group->count; i++)
		clear_field(&group->members[i], member_field(&group->members[i], item));
}

/* What a list's default says is in one text, with blanks between its words. */
static bool default_of(const struct conf_setting *s, void *field)
{
	struct cursor c = cursor_over(slice_string(s->default_value));
	struct buf problem = buf_with_limit(CONF_ERROR_MAX);
	bool set = true;

	if (s->default_value != NULL && !is_list(s))
		set = set_field(s, field, cursor_rest(&c), &problem);
	while (is_list(s) && set && !cursor_done(&c)) {
		set = set_field(s, field, cursor_take_until(&c, ' '), &problem);
		cursor_skip(&c, 1);
	}
	buf_free(&problem);
	return set;
}

/* One statement in a group; its first word is current. */
static bool member(struct parser *p, const struct conf_group *group, const char *what, void *item,
    bool seen[GROUP_MEMBERS_MAX])
{
	size_t i = 0;

	while (i < group->count &&
	       !slice_equal(buf_slice(&p->word), slice_string(group->members[i].name)))
		i++;
	if (i == group->count)
		return fail(p, "%s: unknown setting \"%.*s\"; petrel.conf(5) lists what there is",
		    what, SLICE_PRINTF(slice_part(buf_slice(&p->word), 0, 40)));
	if (seen[i])
		return fail(p, "%s: %s: set before", what, group->members[i].name);
	seen[i] = true;
	return next_token(p) &&
	       value_words(p, &group->members[i], member_field(&group->members[i], item)) &&
	       (p->kind == TOKEN_CLOSE || end_of_statement(p, group->members[i].name));
}

/* "NAME { ... }": the name is current.  Leaves the token behind it current. */
static bool group_text(struct parser *p, const struct conf_group *group, const char *what, void *item)
{
	bool seen[GROUP_MEMBERS_MAX] = {false};
	unsigned opened = p->line;

	if (p->kind != TOKEN_WORD || !is_group_name(buf_slice(&p->word)))
		return fail(p, "%s: wants a name of letters, digits and hyphens: %s NAME { ... }", what, what);
	*(char **)item = slice_dup(buf_slice(&p->word));
	for (size_t i = 0; i < group->count; i++)
		if (!default_of(&group->members[i], member_field(&group->members[i], item)))
			return fail(p, "out of memory");
	if (!next_token(p))
		return false;
	if (p->kind != TOKEN_OPEN)
		return fail(p, "%s: wants braces: %s %s { ... }", what, what, *(char **)item);
	if (!next_token_over_lines(p))
		return false;
	while (p->kind != TOKEN_CLOSE) {
		if (p->kind == TOKEN_END) {
			p->line = opened;
			return fail(p, "%s %s: the group has no closing }", what, *(char **)item);
		}
		if (p->kind != TOKEN_WORD)
			return fail(p, "%s %s: unexpected {", what, *(char **)item);
		if (!member(p, group, what, item, seen) ||
		    (p->kind != TOKEN_CLOSE && !next_token_over_lines(p)))
			return false;
	}
	for (size_t i = 0; i < group->count; i++)
		if (!seen[i] && group->needed != NULL && strcmp(group->needed, group->members[i].name) == 0)
			return fail(p, "%s %s: %s is missing", what, *(char **)item, group->needed);
	return next_token(p);
}

static void print_group(struct buf *out, const struct conf_group *group, void *item)
{
	buf_printf(out, "%s {", *(char **)item);
	for (size_t i = 0; i < group->count; i++) {
		struct buf value = buf_with_limit(WORD_MAX);

		print_field(&value, &group->members[i], member_field(&group->members[i], item));
		if (value.overflowed)
			out->overflowed = true;
		if (value.len > 0)
			buf_printf(out, "%s %s %.*s", i == 0 ? "" : ";", group->members[i].name,
			    (int)value.len, value.data);
		buf_free(&value);
	}
	buf_append_string(out, " }");
}

static bool is_name_taken(const struct conf_list *list, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < list->count; i++)
		if (strncmp(list->words[i], name, len) == 0 && list->words[i][len] == ' ')
			return true;
	return false;
}

static bool group_value(struct parser *p, const struct conf_setting *s, struct conf_list *list)
{
	void *item = calloc(1, s->group->size);
	struct buf text = buf_with_limit(GROUP_TEXT_MAX);
	bool good = item != NULL && group_text(p, s->group, s->name, item);

	if (good && is_name_taken(list, *(char **)item))
		good = fail(p, "%s %s: there is one of this name already", s->name, *(char **)item);
	if (good) {
		print_group(&text, s->group, item);
		if (text.overflowed || !list_add(list, buf_slice(&text)))
			good = fail(p, "%s %s: its settings are too long", s->name, *(char **)item);
	}
	buf_free(&text);
	if (item != NULL)
		conf_group_free(s->group, item);
	free(item);
	return good;
}

bool conf_group_read(const struct conf_group *group, const char *text, void *item)
{
	char error[CONF_ERROR_MAX];
	struct parser p = {.name = "", .error = error, .line = 1, .word = buf_with_limit(WORD_MAX)};
	bool good;

	memset(item, 0, group->size);
	p.in = cursor_over(slice_string(text));
	good = next_token(&p) && group_text(&p, group, "group", item) && p.kind == TOKEN_END;
	buf_free(&p.word);
	if (!good)
		conf_group_free(group, item);
	return good;
}

static bool parse(struct parser *p, struct slice text)
{
	p->in = cursor_over(text);
	cursor_accept_nocase(&p->in, SLICE("\xef\xbb\xbf")); /* some editors begin a file with a byte order mark */
	p->line = 1;
	for (;;) {
		if (!next_token_over_lines(p))
			return false;
		if (p->kind == TOKEN_END)
			return true;
		if (p->kind != TOKEN_WORD)
			return fail(p, "unexpected %c", p->kind == TOKEN_OPEN ? '{' : '}');
		if (!statement(p, SLICE("")) && !recover(p, 0))
			return false;
		if (p->kind == TOKEN_CLOSE)
			return fail(p, "unexpected }");
	}
}

/* An included file is missed at the line that includes it. */
static void cannot_read(struct parser *p, const char *path, const char *why)
{
	if (p->depth > 0)
		fail(p, "include: %s: %s", path, why);
	else
		snprintf(p->error, CONF_ERROR_MAX, "%s: %s", path, why);
}

static bool read_file(struct parser *p, const char *path)
{
	int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct buf text = buf_with_limit(CONF_FILE_MAX);
	struct stat st;
	bool parsed = false;

	if (file == -1 || fstat(file, &st) == -1) {
		cannot_read(p, path, strerror(errno));
	} else if (!S_ISREG(st.st_mode)) {
		cannot_read(p, path, "not a file");
	} else if (st.st_size > CONF_FILE_MAX) {
		cannot_read(p, path, "larger than a megabyte");
	} else if (!io_read(file, &text)) {
		cannot_read(p, path, strerror(errno));
	} else {
		p->name = path;
		parsed = parse(p, buf_slice(&text));
	}
	buf_free(&p->word);
	buf_free(&text);
	if (file != -1)
		close(file);
	return parsed;
}

static struct parser parser_for(struct conf *conf, const char *name, char *error)
{
	error[0] = '\0';
	return (struct parser){.conf = conf,
	    .name = name,
	    .error = error,
	    .word = buf_with_limit(WORD_MAX),
	    .seen = calloc(conf_table_size, sizeof(bool))};
}

bool conf_read_file(struct conf *conf, const char *path, char error[CONF_ERROR_MAX])
{
	struct parser p = parser_for(conf, path, error);
	bool read = p.seen != NULL && read_file(&p, path);

	free(p.seen);
	return read;
}

bool conf_read_text(struct conf *conf, struct slice text, const char *name, char error[CONF_ERROR_MAX])
{
	struct parser p = parser_for(conf, name, error);
	bool read = p.seen != NULL && parse(&p, text);

	buf_free(&p.word);
	free(p.seen);
	return read;
}

bool conf_read_file_reporting(struct conf *conf, const char *path, conf_report report_to, void *context)
{
	char error[CONF_ERROR_MAX];
	struct parser p = parser_for(conf, path, error);
	bool read;

	p.report = report_to;
	p.report_context = context;
	read = p.seen != NULL && read_file(&p, path);
	if (!read && error[0] != '\0')
		report(&p);
	free(p.seen);
	return read && !p.has_reported;
}

bool conf_read_text_reporting(
    struct conf *conf, struct slice text, const char *name, conf_report report_to, void *context)
{
	char error[CONF_ERROR_MAX];
	struct parser p = parser_for(conf, name, error);
	bool read;

	p.report = report_to;
	p.report_context = context;
	read = p.seen != NULL && parse(&p, text);
	if (!read && error[0] != '\0')
		report(&p);
	buf_free(&p.word);
	free(p.seen);
	return read && !p.has_reported;
}

/* --- a whole configuration ----------------------------------------------------- */

static bool set_default(struct conf *conf, size_t row)
{
	return default_of(&conf_table[row], field_of(conf, row));
}

struct conf *conf_new(void)
{
	struct conf *conf = calloc(1, sizeof *conf);

	if (conf == NULL)
		return NULL;
	conf->origins = calloc(conf_table_size, sizeof *conf->origins);
	if (conf->origins == NULL) {
		free(conf);
		return NULL;
	}
	for (size_t row = 0; row < conf_table_size; row++)
		if (!set_default(conf, row)) {
			conf_free(conf);
			return NULL;
		}
	return conf;
}

void conf_free(struct conf *conf)
{
	if (conf == NULL)
		return;
	for (size_t row = 0; row < conf_table_size; row++) {
		clear_value(conf, row);
		free(conf->origins[row].file);
	}
	free(conf->origins);
	free(conf);
}

static bool fits_a_message(const struct conf *conf)
{
	struct buf encoded = buf_with_limit(CONF_ENCODED_MAX);
	struct writer w = {&encoded};
	bool fits;

	conf_encode(&w, conf);
	fits = !encoded.overflowed;
	buf_free(&encoded);
	return fits;
}

bool conf_check(struct conf *conf, char error[CONF_ERROR_MAX])
{
	struct settings *s = &conf->values;
	char name[256];

	error[0] = '\0';
	if (s->hostname == NULL) {
		if (gethostname(name, sizeof name) == -1 || (s->hostname = slice_dup(slice_string(name))) == NULL) {
			snprintf(error, CONF_ERROR_MAX, "hostname: not set, and the system's name is not to be had");
			return false;
		}
	}
	if (!conf_form_host.fits(slice_string(s->hostname))) {
		snprintf(error, CONF_ERROR_MAX, "hostname: the system's own, \"%s\", is not a host name", s->hostname);
		return false;
	}
	if ((s->tls.certificate.count == 0) != (s->tls.key.count == 0)) {
		snprintf(error, CONF_ERROR_MAX, "tls: %s is set without %s",
		    s->tls.key.count == 0 ? "certificate" : "key", s->tls.key.count == 0 ? "key" : "certificate");
		return false;
	}
	if (s->queue.retry_longest < s->queue.retry_first) {
		snprintf(error, CONF_ERROR_MAX, "queue.retry-longest is shorter than queue.retry-first");
		return false;
	}
	if (!fits_a_message(conf)) {
		snprintf(error, CONF_ERROR_MAX, "the settings are more than %d octets in all", CONF_ENCODED_MAX);
		return false;
	}
	return true;
}

static void encode_line(struct writer *w, const struct conf_line *line)
{
	write_string(w, line->text);
	write_string(w, line->file);
	write_u32(w, line->line);
}

static bool decode_line(struct reader *r, struct conf_lines *lines)
{
	struct slice text = read_slice_max(r, CONF_LINE_MAX);
	struct slice file = read_slice_max(r, WORD_MAX);
	unsigned line = read_u32(r);

	return reader_ok(r) && lines_add(lines, text, file, line);
}

/*
 * Between processes settings travel as text, row by row: what the one prints the
 * other parses, and a value that came through petrel.conf comes through here.
 */
void conf_encode(struct writer *w, const struct conf *conf)
{
	write_u32(w, (uint32_t)conf_table_size);
	for (size_t row = 0; row < conf_table_size; row++) {
		const void *field = field_of(conf, row);
		const struct conf_list *list = field;
		const struct conf_lines *lines = field;
		struct buf value = buf_with_limit(WORD_MAX);

		if (conf_table[row].type == CONF_LINES) {
			write_u32(w, (uint32_t)lines->count);
			for (size_t i = 0; i < lines->count; i++)
				encode_line(w, &lines->lines[i]);
		} else if (is_list(&conf_table[row])) {
			write_u32(w, (uint32_t)list->count);
			for (size_t i = 0; i < list->count; i++)
				write_string(w, list->words[i]);
		} else if (conf_table[row].type == CONF_STRING || conf_table[row].type == CONF_PATH) {
			const char *string = *(char *const *)field;

			write_u32(w, string != NULL);
			if (string != NULL)
				write_string(w, string);
		} else {
			conf_value_print(&value, conf, row);
			write_u32(w, 1);
			write_slice(w, buf_slice(&value));
		}
		buf_free(&value);
	}
}

struct conf *conf_decode(struct slice encoded)
{
	struct reader r = reader_over(encoded);
	struct conf *conf = conf_new();
	struct buf problem = buf_with_limit(CONF_ERROR_MAX);
	bool ok = conf != NULL && read_u32(&r) == conf_table_size;

	for (size_t row = 0; ok && row < conf_table_size; row++) {
		uint32_t count = read_u32(&r);

		clear_value(conf, row);
		for (uint32_t i = 0; i < count && ok; i++) {
			struct slice word;

			if (conf_table[row].type == CONF_LINES) {
				ok = decode_line(&r, field_of(conf, row));
				continue;
			}
			word = read_slice_max(&r, WORD_MAX);
			ok = reader_ok(&r) && set_value(conf, row, word, &problem);
		}
	}
	buf_free(&problem);
	if (ok && reader_finished(&r))
		return conf;
	conf_free(conf);
	return NULL;
}
