/*
 * conf_parse.c - petrel.conf: statements, groups, files.
 */
#include "common/conf_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/io.h"

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

static bool set_word(struct conf_parser *p, const struct conf_setting *s, void *field)
{
	struct buf problem = buf_with_limit(CONF_ERROR_MAX);
	bool set = conf_field_set(s, field, buf_slice(&p->word), &problem);

	if (!set)
		conf_fail(p, "%s: %.*s", s->name, (int)problem.len, problem.data);
	buf_free(&problem);
	return set;
}

/*
 * One word of a list: "none" is the empty list, and stands alone; commas are what
 * other programs want between words.
 */
static bool list_word(
    struct conf_parser *p, const struct conf_setting *s, struct conf_list *list, bool *none)
{
	struct slice word = buf_slice(&p->word);

	if (word.len > 1 && word.data[word.len - 1] == ',')
		return conf_fail(p, "%s: no commas between the words of a list, as in \"%.*s\"", s->name, SLICE_PRINTF(word));
	if (*none || (slice_equal(word, SLICE("none")) && list->count > 0))
		return conf_fail(p, "%s: \"none\" is the empty list; no other word can stand beside it", s->name);
	*none = slice_equal(word, SLICE("none"));
	return *none || set_word(p, s, list);
}

static bool list_in_braces(
    struct conf_parser *p, const struct conf_setting *s, struct conf_list *list)
{
	bool none = false;

	for (;;) {
		if (!conf_next_token_over_lines(p))
			return false;
		if (p->kind == CONF_TOKEN_CLOSE)
			return conf_next_token(p);
		if (p->kind != CONF_TOKEN_WORD)
			return conf_fail(p, "%s: the list has no closing }", s->name);
		if (!list_word(p, s, list, &none))
			return false;
	}
}

static bool list_on_the_line(
    struct conf_parser *p, const struct conf_setting *s, struct conf_list *list)
{
	bool none = false;

	while (p->kind == CONF_TOKEN_WORD)
		if (!list_word(p, s, list, &none) || !conf_next_token(p))
			return false;
	return true;
}

/* One statement: the words up to the end of the line.  Its first word is current. */
static bool line_of_words(struct conf_parser *p, size_t row)
{
	struct buf text = buf_with_limit(CONF_LINE_MAX);
	const char *base = strrchr(p->name, '/');
	unsigned line = p->line;
	bool good = true;

	while (good && p->kind == CONF_TOKEN_WORD) {
		if (text.len > 0)
			buf_append_octet(&text, ' ');
		if (p->is_quoted)
			conf_print_quoted(&text, buf_slice(&p->word));
		else
			buf_append_slice(&text, buf_slice(&p->word));
		good = conf_next_token(p);
	}
	if (good && text.overflowed)
		good = conf_fail(p, "%s: a statement is longer than %d characters", conf_table[row].name, CONF_LINE_MAX);
	else if (good && p->kind == CONF_TOKEN_OPEN)
		good = conf_fail(p, "%s: unexpected { in a statement", conf_table[row].name);
	good = good && conf_lines_add(conf_field(p->conf, row), buf_slice(&text),
			   slice_string(base != NULL ? base + 1 : p->name), line);
	buf_free(&text);
	return good;
}

static bool lines_in_braces(struct conf_parser *p, size_t row)
{
	unsigned opened = p->line;

	for (;;) {
		if (!conf_next_token_over_lines(p))
			return false;
		if (p->kind == CONF_TOKEN_WORD && !line_of_words(p, row))
			return false;
		if (p->kind == CONF_TOKEN_CLOSE)
			return conf_next_token(p);
		if (p->kind == CONF_TOKEN_END) {
			p->line = opened;
			return conf_fail(p, "%s: the statements have no closing }", conf_table[row].name);
		}
		if (p->kind == CONF_TOKEN_OPEN)
			return conf_fail(p, "%s: unexpected {", conf_table[row].name);
		conf_pass_line_end(p);
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
static bool value_words(struct conf_parser *p, const struct conf_setting *s, void *field)
{
	conf_field_clear(s, field);
	if (s->type == CONF_LIST && p->kind == CONF_TOKEN_OPEN)
		return list_in_braces(p, s, field);
	if (p->kind != CONF_TOKEN_WORD)
		return conf_fail(p, "%s: a value is missing", s->name);
	if (slice_equal(buf_slice(&p->word), SLICE("=")))
		return conf_fail(p, "%s: nothing stands between the name and the value, not even \"=\"", s->name);
	return s->type == CONF_LIST ? list_on_the_line(p, s, field)
				    : set_word(p, s, field) && conf_next_token(p);
}

static bool group_value(struct conf_parser *p, const struct conf_setting *s, struct conf_list *list);

/* The value of a setting; the token after its name is current.  Leaves the token behind the value current. */
static bool setting_value(struct conf_parser *p, size_t row)
{
	const struct conf_setting *s = &conf_table[row];

	if (p->seen[row] && s->type != CONF_GROUPS)
		return conf_fail(p, "%s: set before, at line %u of %s", s->name, p->conf->origins[row].line,
		    p->conf->origins[row].file == NULL ? "this file" : p->conf->origins[row].file);
	p->seen[row] = true;
	free(p->conf->origins[row].file);
	p->conf->origins[row].file = slice_dup(slice_string(p->name));
	p->conf->origins[row].line = p->line;
	if (s->type == CONF_LINES) {
		conf_value_clear(p->conf, row);
		return p->kind == CONF_TOKEN_OPEN ? lines_in_braces(p, row) :
		    conf_fail(p, "%s: statements stand in braces, a line each: %s { ... }", s->name, s->name);
	}
	if (s->type == CONF_GROUPS)
		return group_value(p, s, conf_field(p->conf, row));
	return value_words(p, s, conf_field(p->conf, row));
}

static bool read_file(struct conf_parser *p, const char *path);

static bool include(struct conf_parser *p)
{
	struct conf_parser inner = *p;
	char *path;
	bool read;

	if (p->kind != CONF_TOKEN_WORD)
		return conf_fail(p, "include: a file name is missing");
	if (p->depth == CONF_INCLUDE_DEPTH)
		return conf_fail(p, "include: files include each other more than %d deep", CONF_INCLUDE_DEPTH);
	path = slice_dup(buf_slice(&p->word));
	if (path == NULL || path[0] != '/') {
		conf_fail(p, "include: \"%s\" is not an absolute path", path == NULL ? "" : path);
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
	return read && conf_next_token(p);
}

static bool end_of_statement(struct conf_parser *p, const char *name)
{
	if (p->kind == CONF_TOKEN_WORD)
		return conf_fail(p, "%s: unexpected \"%.*s\" after the value", name, (int)p->word.len, p->word.data);
	if (p->kind == CONF_TOKEN_OPEN)
		return conf_fail(p, "%s: unexpected { after the value", name);
	conf_pass_line_end(p);
	return true;
}

/*
 * One statement.  `group` is the prefix it stands in ("tls.", or empty at the top
 * level).  Its first word is current.
 */
static bool statement(struct conf_parser *p, struct slice group);

static void report(struct conf_parser *p)
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
static bool recover(struct conf_parser *p, unsigned braces)
{
	if (p->report == NULL || p->is_lost)
		return false;
	report(p);
	for (;;) {
		if (p->kind == CONF_TOKEN_END || (p->kind == CONF_TOKEN_CLOSE && p->braces < braces))
			return true;
		if (p->kind == CONF_TOKEN_LINE_END && p->braces <= braces) {
			conf_pass_line_end(p);
			return true;
		}
		conf_pass_line_end(p);
		if (!conf_next_token(p))
			return false;
	}
}

static bool group_in_braces(struct conf_parser *p, struct slice name)
{
	char prefix[64];
	unsigned opened = p->line, braces = p->braces;

	snprintf(prefix, sizeof prefix, "%.*s.", SLICE_PRINTF(name));
	for (;;) {
		if (!conf_next_token_over_lines(p))
			return false;
		while (p->kind == CONF_TOKEN_WORD)
			if (!statement(p, slice_string(prefix)) && !recover(p, braces))
				return false;
		if (p->kind == CONF_TOKEN_CLOSE)
			return conf_next_token(p);
		if (p->kind == CONF_TOKEN_END) {
			p->line = opened;
			return conf_fail(p, "%.*s: the group has no closing }", SLICE_PRINTF(name));
		}
		if (p->kind == CONF_TOKEN_OPEN)
			return conf_fail(p, "%.*s: unexpected {", SLICE_PRINTF(name));
	}
}

static bool statement(struct conf_parser *p, struct slice group)
{
	char name[128];
	struct slice word = buf_slice(&p->word), full;
	ssize_t row;

	if (group.len == 0 && slice_equal(word, SLICE("include")))
		return conf_next_token(p) && include(p) && end_of_statement(p, "include");
	if (snprintf(name, sizeof name, "%.*s%.*s", SLICE_PRINTF(group), SLICE_PRINTF(word)) >= (int)sizeof name)
		return conf_unknown_setting(p, group, slice_part(word, 0, 40));
	full = slice_string(name);
	row = conf_row(full);
	if (row < 0 && is_group(full)) {
		if (!conf_next_token(p))
			return false;
		if (p->kind != CONF_TOKEN_OPEN)
			return conf_fail(p, "%s: a group of settings wants braces: %s { ... }", name, name);
		return group_in_braces(p, full) && end_of_statement(p, name);
	}
	if (row < 0)
		return conf_unknown_setting(p, group, word);
	/* Inside a group on one line, a value ends where the group does. */
	return conf_next_token(p) && setting_value(p, (size_t)row) &&
	    (p->kind == CONF_TOKEN_CLOSE || end_of_statement(p, conf_table[row].name));
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
		conf_field_clear(&group->members[i], member_field(&group->members[i], item));
}

/* One statement in a group; its first word is current. */
static bool member(struct conf_parser *p, const struct conf_group *group, const char *what, void *item,
    bool seen[GROUP_MEMBERS_MAX])
{
	size_t i = 0;

	while (i < group->count &&
	       !slice_equal(buf_slice(&p->word), slice_string(group->members[i].name)))
		i++;
	if (i == group->count)
		return conf_fail(p, "%s: unknown setting \"%.*s\"; petrel.conf(5) lists what there is",
		    what, SLICE_PRINTF(slice_part(buf_slice(&p->word), 0, 40)));
	if (seen[i])
		return conf_fail(p, "%s: %s: set before", what, group->members[i].name);
	seen[i] = true;
	return conf_next_token(p) &&
	       value_words(p, &group->members[i], member_field(&group->members[i], item)) &&
	       (p->kind == CONF_TOKEN_CLOSE || end_of_statement(p, group->members[i].name));
}

/* "NAME { ... }": the name is current.  Leaves the token behind it current. */
static bool group_text(struct conf_parser *p, const struct conf_group *group, const char *what, void *item)
{
	bool seen[GROUP_MEMBERS_MAX] = {false};
	unsigned opened = p->line;

	if (p->kind != CONF_TOKEN_WORD || !is_group_name(buf_slice(&p->word)))
		return conf_fail(p, "%s: wants a name of letters, digits and hyphens: %s NAME { ... }", what, what);
	*(char **)item = slice_dup(buf_slice(&p->word));
	for (size_t i = 0; i < group->count; i++)
		if (!conf_field_default(&group->members[i], member_field(&group->members[i], item)))
			return conf_fail(p, "out of memory");
	if (!conf_next_token(p))
		return false;
	if (p->kind != CONF_TOKEN_OPEN)
		return conf_fail(p, "%s: wants braces: %s %s { ... }", what, what, *(char **)item);
	if (!conf_next_token_over_lines(p))
		return false;
	while (p->kind != CONF_TOKEN_CLOSE) {
		if (p->kind == CONF_TOKEN_END) {
			p->line = opened;
			return conf_fail(p, "%s %s: the group has no closing }", what, *(char **)item);
		}
		if (p->kind != CONF_TOKEN_WORD)
			return conf_fail(p, "%s %s: unexpected {", what, *(char **)item);
		if (!member(p, group, what, item, seen) ||
		    (p->kind != CONF_TOKEN_CLOSE && !conf_next_token_over_lines(p)))
			return false;
	}
	for (size_t i = 0; i < group->count; i++)
		if (!seen[i] && group->needed != NULL && strcmp(group->needed, group->members[i].name) == 0)
			return conf_fail(p, "%s %s: %s is missing", what, *(char **)item, group->needed);
	return conf_next_token(p);
}

static void print_group(struct buf *out, const struct conf_group *group, void *item)
{
	buf_printf(out, "%s {", *(char **)item);
	for (size_t i = 0; i < group->count; i++) {
		struct buf value = buf_with_limit(CONF_WORD_MAX);

		conf_field_print(&value, &group->members[i], member_field(&group->members[i], item));
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

static bool group_value(struct conf_parser *p, const struct conf_setting *s, struct conf_list *list)
{
	void *item = calloc(1, s->group->size);
	struct buf text = buf_with_limit(GROUP_TEXT_MAX);
	bool good = item != NULL && group_text(p, s->group, s->name, item);

	if (good && is_name_taken(list, *(char **)item))
		good = conf_fail(p, "%s %s: there is one of this name already", s->name, *(char **)item);
	if (good) {
		print_group(&text, s->group, item);
		if (text.overflowed || !conf_list_add(list, buf_slice(&text)))
			good = conf_fail(p, "%s %s: its settings are too long", s->name, *(char **)item);
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
	struct conf_parser p = {.name = "", .error = error, .line = 1, .word = buf_with_limit(CONF_WORD_MAX)};
	bool good;

	memset(item, 0, group->size);
	p.in = cursor_over(slice_string(text));
	good = conf_next_token(&p) && group_text(&p, group, "group", item) && p.kind == CONF_TOKEN_END;
	buf_free(&p.word);
	if (!good)
		conf_group_free(group, item);
	return good;
}

static bool parse(struct conf_parser *p, struct slice text)
{
	p->in = cursor_over(text);
	cursor_accept_nocase(&p->in, SLICE("\xef\xbb\xbf")); /* some editors begin a file with a byte order mark */
	p->line = 1;
	for (;;) {
		if (!conf_next_token_over_lines(p))
			return false;
		if (p->kind == CONF_TOKEN_END)
			return true;
		if (p->kind != CONF_TOKEN_WORD)
			return conf_fail(p, "unexpected %c", p->kind == CONF_TOKEN_OPEN ? '{' : '}');
		if (!statement(p, SLICE("")) && !recover(p, 0))
			return false;
		if (p->kind == CONF_TOKEN_CLOSE)
			return conf_fail(p, "unexpected }");
	}
}

/* An included file is missed at the line that includes it. */
static void cannot_read(struct conf_parser *p, const char *path, const char *why)
{
	if (p->depth > 0)
		conf_fail(p, "include: %s: %s", path, why);
	else
		snprintf(p->error, CONF_ERROR_MAX, "%s: %s", path, why);
}

static bool read_file(struct conf_parser *p, const char *path)
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

static struct conf_parser parser_for(struct conf *conf, const char *name, char *error)
{
	error[0] = '\0';
	return (struct conf_parser){.conf = conf,
	    .name = name,
	    .error = error,
	    .word = buf_with_limit(CONF_WORD_MAX),
	    .seen = calloc(conf_table_size, sizeof(bool))};
}

bool conf_read_file(struct conf *conf, const char *path, char error[CONF_ERROR_MAX])
{
	struct conf_parser p = parser_for(conf, path, error);
	bool read = p.seen != NULL && read_file(&p, path);

	free(p.seen);
	return read;
}

bool conf_read_text(struct conf *conf, struct slice text, const char *name, char error[CONF_ERROR_MAX])
{
	struct conf_parser p = parser_for(conf, name, error);
	bool read = p.seen != NULL && parse(&p, text);

	buf_free(&p.word);
	free(p.seen);
	return read;
}

bool conf_read_file_reporting(struct conf *conf, const char *path, conf_report report_to, void *context)
{
	char error[CONF_ERROR_MAX];
	struct conf_parser p = parser_for(conf, path, error);
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
	struct conf_parser p = parser_for(conf, name, error);
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
