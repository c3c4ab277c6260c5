/*
 * parse.c - access rules as they are written in petrel.conf.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "access/private.h"
#include "message/encoding.h"
#include "message/spelling.h"
#include "table/table.h"

enum { PATTERN_OCTETS_MAX = 4096 };

static const char *const action_words[ACCESS_ACTION_COUNT] = {
    [ACCESS_NO_RULE] = "no rule",
    [ACCESS_ACCEPT] = "accept",
    [ACCESS_REFUSE] = "refuse",
    [ACCESS_DEFER] = "defer",
    [ACCESS_DISCONNECT] = "disconnect",
    [ACCESS_HOLD] = "hold",
    [ACCESS_DISCARD] = "discard",
    [ACCESS_TARPIT] = "tarpit",
    [ACCESS_NOTE] = "note",
};

static const char *const condition_words[CONDITION_COUNT] = {
    [CONDITION_CLIENT] = "client",
    [CONDITION_HELO] = "helo",
    [CONDITION_FROM] = "from",
    [CONDITION_TO] = "to",
    [CONDITION_LOGIN] = "login",
    [CONDITION_SERVICE] = "service",
    [CONDITION_TLS] = "tls",
    [CONDITION_EARLY] = "early",
    [CONDITION_PIPELINING] = "pipelining",
    [CONDITION_SCORE] = "score",
};

/* What the client is told unless the rule says otherwise. */
static const struct {
	uint16_t code;
	const char *status;
	const char *text;
} replies[ACCESS_ACTION_COUNT] = {
    [ACCESS_REFUSE] = {550, "5.7.1", "Not accepted here, by local rule"                },
    [ACCESS_DEFER] = {450, "4.7.1", "Not accepted now, by local rule; try again later"},
    [ACCESS_DISCONNECT] = {521, "5.7.1", "Not accepted here, by local rule; goodbye"       },
};

struct parser {
	struct access_rules *rules;
	const struct conf_line *line;
	struct cursor in;
	struct buf word;
	bool has_word, is_quoted;
	char *error;
};

const char *access_action_name(enum access_action action)
{
	return action_words[action];
}

const char *access_condition_word(enum access_condition_kind kind)
{
	return condition_words[kind];
}

static bool fail(struct parser *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool fail(struct parser *p, const char *format, ...)
{
	va_list arguments;
	int len =
	    snprintf(p->error, CONF_ERROR_MAX, "%s:%u: access: ", p->line->file, p->line->line);

	va_start(arguments, format);
	if (len > 0 && len < CONF_ERROR_MAX)
		vsnprintf(p->error + len, (size_t)(CONF_ERROR_MAX - len), format, arguments);
	va_end(arguments);
	return false;
}

static void next_word(struct parser *p)
{
	p->has_word = conf_line_word(&p->in, &p->word, &p->is_quoted);
}

/* The word is that keyword, and not in quotes. */
static bool is_keyword(const struct parser *p, const char *keyword)
{
	return p->has_word && !p->is_quoted &&
	       slice_equal(buf_slice(&p->word), slice_string(keyword));
}

static int keyword_among(const struct parser *p, const char *const *words, int count)
{
	for (int i = 0; i < count; i++)
		if (is_keyword(p, words[i]))
			return i;
	return -1;
}

/* The alternatives, for a message that says what would have been understood. */
static void list_words(struct buf *out, const char *const *words, int from, int count)
{
	for (int i = from; i < count; i++)
		buf_printf(out, "%s%s", i == from ? "" : i == count - 1 ? " or " : ", ", words[i]);
}

static bool fail_with_choice(
    struct parser *p, const char *what, const char *const *words, int from, int count)
{
	struct buf list = buf_with_limit(256);

	list_words(&list, words, from, count);
	fail(p, "\"%.*s\" is no %s; write %.*s", SLICE_PRINTF(buf_slice(&p->word)), what,
	    SLICE_PRINTF(buf_slice(&list)));
	buf_free(&list);
	return false;
}

/* --- patterns ------------------------------------------------------------------------- */

/* The number of the table for that subject, which is noted where it is new; -1 where there are too many. */
static int table_number(struct access_rules *rules, struct slice name, enum access_subject subject)
{
	for (size_t i = 0; i < rules->table_count; i++)
		if (rules->tables[i].subject == subject &&
		    slice_equal(name, slice_string(rules->tables[i].name)))
			return (int)i;
	if (rules->table_count == ACCESS_TABLES_MAX)
		return -1;
	rules->tables[rules->table_count] =
	    (struct access_table){slice_dup(name), (uint8_t)subject};
	return (int)rules->table_count++;
}

static bool is_table_name(struct slice name)
{
	if (slice_starts_with(name, SLICE("db:")))
		name = slice_from(name, 3);
	else if (slice_starts_with(name, SLICE("text:")))
		name = slice_from(name, 5);
	for (size_t i = 0; i < name.len; i++)
		if (!octet_is_alnum((unsigned char)name.data[i]) && name.data[i] != '-' &&
		    name.data[i] != '_' && (name.data[i] != '.' || i == 0))
			return false;
	return name.len > 0 && name.len < TABLE_NAME_MAX;
}

static bool table_pattern(struct parser *p, enum access_condition_kind kind, struct slice name,
    struct access_pattern *pattern)
{
	static const enum access_subject subjects[] = {
	    [CONDITION_CLIENT] = ACCESS_SUBJECT_CLIENT,
	    [CONDITION_HELO] = ACCESS_SUBJECT_HELO,
	    [CONDITION_FROM] = ACCESS_SUBJECT_FROM,
	    [CONDITION_TO] = ACCESS_SUBJECT_TO,
	    [CONDITION_LOGIN] = ACCESS_SUBJECT_LOGIN,
	};
	int number;

	if (!is_table_name(name))
		return fail(p, "\"%.*s\" is no name of a table", SLICE_PRINTF(name));
	number = table_number(p->rules, name, subjects[kind]);
	if (number < 0)
		return fail(p, "more than %d tables", ACCESS_TABLES_MAX);
	pattern->kind = PATTERN_TABLE;
	pattern->number = (uint8_t)number;
	if (kind == CONDITION_CLIENT)
		p->rules->looks_at_names = true;
	return true;
}

static bool client_pattern(struct parser *p, struct access_pattern *pattern)
{
	struct slice word = buf_slice(&p->word);
	bool is_numeric = slice_find(word, 0, ':') >= 0 || slice_find(word, 0, '/') >= 0;

	for (size_t i = 0; !is_numeric && i <= word.len; i++) {
		is_numeric = i == word.len;
		if (i < word.len && !octet_is_digit(word.data[i]) && word.data[i] != '.')
			break;
	}
	if (network_parse(word, &pattern->network)) {
		pattern->kind = PATTERN_NETWORK;
		return true;
	}
	p->rules->looks_at_names = true;
	if (is_keyword(p, "unknown")) {
		pattern->kind = PATTERN_UNKNOWN;
	} else if (is_numeric) {
		return fail(p,
		    "\"%.*s\" is not a network; write 192.0.2.0/24, 2001:db8::/32 or one address",
		    SLICE_PRINTF(word));
	} else if (slice_find(word, 0, '@') >= 0) {
		return fail(p,
		    "client: \"%.*s\" is an address of mail; a client is a host or a network",
		    SLICE_PRINTF(word));
	}
	return true;
}

static bool helo_pattern(struct parser *p, struct access_pattern *pattern)
{
	if (is_keyword(p, "literal"))
		pattern->kind = PATTERN_LITERAL;
	else if (is_keyword(p, "bare"))
		pattern->kind = PATTERN_BARE;
	else if (is_keyword(p, "mine"))
		pattern->kind = PATTERN_MINE;
	return true;
}

static bool address_pattern(struct parser *p, const char *condition, struct access_pattern *pattern)
{
	struct slice word = buf_slice(&p->word);
	ssize_t at = slice_find_last(word, '@');

	if (slice_equal(word, SLICE("<>"))) {
		pattern->kind = PATTERN_NULL;
		return true;
	}
	if (at < 0)
		return fail(p, "%s: \"%.*s\" has no @; write *@%.*s for all addresses of a domain",
		    condition, SLICE_PRINTF(word), SLICE_PRINTF(word));
	if ((size_t)at + 1 == word.len)
		return fail(p, "%s: \"%.*s\" lacks what stands behind the @; * stands for anything",
		    condition, SLICE_PRINTF(word));
	if (at > 0)
		return true;
	/* "@example.org", as in tables. */
	free(pattern->text);
	return asprintf(&pattern->text, "*%.*s", SLICE_PRINTF(word)) > 0 ||
	       fail(p, "out of memory");
}

/* Spelled as the facts are: what is not ASCII has more than one spelling (spelling.h). */
static bool spell_pattern(
    struct parser *p, enum access_condition_kind kind, struct access_pattern *pattern)
{
	bool is_host = kind == CONDITION_CLIENT || kind == CONDITION_HELO;
	struct slice text = slice_string(pattern->text);
	struct buf folded = buf_with_limit(PATTERN_OCTETS_MAX);
	char *spelled = NULL;

	if (pattern->kind != PATTERN_GLOB || is_ascii(text))
		return true;
	if (is_host ? domain_pattern_fold(text, &folded) : address_pattern_fold(text, &folded))
		spelled = slice_dup(buf_slice(&folded));
	buf_free(&folded);
	if (spelled == NULL)
		return fail(p,
		    "%s: \"%.*s\" cannot be matched: a star stands for whole labels of such a "
		    "domain",
		    condition_words[kind], SLICE_PRINTF(text));
	free(pattern->text);
	pattern->text = spelled;
	return true;
}

static bool service_pattern(struct parser *p, struct access_pattern *pattern)
{
	const char *const names[] = {service_name(SERVICE_MX), service_name(SERVICE_SUBMISSION),
	    service_name(SERVICE_SUBMISSIONS)};
	int number = keyword_among(p, names, 3);

	if (number < 0)
		return fail_with_choice(p, "service", names, 0, 3);
	pattern->kind = PATTERN_SERVICE;
	pattern->number = (uint8_t)number; /* they are the first three */
	return true;
}

/* A number, with or without a minus. */
static bool score_pattern(struct parser *p, struct access_pattern *pattern)
{
	struct slice word = buf_slice(&p->word);
	bool is_negative = word.data[0] == '-';
	uint64_t number;

	if (!slice_number(slice_from(word, is_negative), 1000000, &number))
		return fail(p, "score: \"%.*s\" is not a number", SLICE_PRINTF(word));
	pattern->kind = PATTERN_SCORE;
	pattern->score = is_negative ? -(int64_t)number : (int64_t)number;
	return true;
}

static bool read_pattern(
    struct parser *p, enum access_condition_kind kind, struct access_pattern *pattern)
{
	struct slice word = buf_slice(&p->word);

	*pattern = (struct access_pattern){.kind = PATTERN_GLOB, .text = slice_dup(word)};
	if (pattern->text == NULL)
		return fail(p, "out of memory");
	if (word.len == 0)
		return fail(p, "%s: an empty word matches nothing", condition_words[kind]);
	if (word.len > 1 && word.data[word.len - 1] == ',')
		return fail(p, "no commas between words, as in \"%.*s\"", SLICE_PRINTF(word));
	if (!p->is_quoted && kind != CONDITION_SERVICE && kind != CONDITION_SCORE && word.len > 2 &&
	    word.data[0] == '<' && word.data[word.len - 1] == '>')
		return table_pattern(p, kind, slice_part(word, 1, word.len - 2), pattern);
	switch (kind) {
	case CONDITION_CLIENT:
		return client_pattern(p, pattern) && spell_pattern(p, kind, pattern);
	case CONDITION_HELO:
		return helo_pattern(p, pattern) && spell_pattern(p, kind, pattern);
	case CONDITION_SERVICE:
		return service_pattern(p, pattern);
	case CONDITION_SCORE:
		return score_pattern(p, pattern);
	default:
		return address_pattern(p, condition_words[kind], pattern) &&
		       spell_pattern(p, kind, pattern);
	}
}

/* --- conditions ------------------------------------------------------------------------ */

static bool ends_patterns(const struct parser *p)
{
	return !p->has_word || is_keyword(p, "not") || is_keyword(p, "say") ||
	       keyword_among(p, condition_words, CONDITION_COUNT) >= 0;
}

static bool wants_patterns(enum access_condition_kind kind)
{
	return kind != CONDITION_TLS && kind != CONDITION_EARLY && kind != CONDITION_PIPELINING;
}

static bool read_patterns(struct parser *p, struct access_condition *condition)
{
	enum access_condition_kind kind = (enum access_condition_kind)condition->kind;

	if (!wants_patterns(kind))
		return ends_patterns(p) ||
		       fail(p,
			   "%s: nothing can stand behind it but another condition, not \"%.*s\"",
			   condition_words[kind], SLICE_PRINTF(buf_slice(&p->word)));
	while (!ends_patterns(p)) {
		struct access_pattern *grown =
		    reallocarray(condition->patterns, condition->pattern_count + 1, sizeof *grown);

		if (grown == NULL)
			return fail(p, "out of memory");
		condition->patterns = grown;
		if (!read_pattern(p, kind, &grown[condition->pattern_count++]))
			return false;
		next_word(p);
	}
	/* "login" alone: anybody who has logged in. */
	return condition->pattern_count > 0 || kind == CONDITION_LOGIN ||
	       fail(p, "%s: what is it to be?", condition_words[kind]);
}

static bool read_condition(struct parser *p, struct access_rule *rule)
{
	struct access_condition *grown =
	    reallocarray(rule->conditions, rule->condition_count + 1, sizeof *grown);
	bool is_negated = is_keyword(p, "not");
	int kind;

	if (grown == NULL)
		return fail(p, "out of memory");
	rule->conditions = grown;
	if (is_negated)
		next_word(p);
	if (!p->has_word)
		return fail(p, "not: what?");
	kind = keyword_among(p, condition_words, CONDITION_COUNT);
	if (kind < 0)
		return fail_with_choice(p, "condition", condition_words, 0, CONDITION_COUNT);
	grown[rule->condition_count++] =
	    (struct access_condition){.kind = (uint8_t)kind, .is_negated = is_negated};
	next_word(p);
	return read_patterns(p, &grown[rule->condition_count - 1]);
}

/* --- what the client is told ------------------------------------------------------------- */

static bool is_status(struct slice word)
{
	return word.len >= 5 && word.len < sizeof((struct access_rule *)NULL)->status &&
	       octet_is_digit(word.data[0]) && word.data[1] == '.' &&
	       octet_is_digit(word.data[word.len - 1]) &&
	       slice_find(slice_from(word, 2), 0, '.') > 0;
}

/* "Text", "550 Text" or "550 5.7.1 Text". */
static bool read_reply(struct parser *p, struct access_rule *rule)
{
	struct cursor in = cursor_over(buf_slice(&p->word));
	struct cursor behind = in;
	uint64_t code;
	struct slice first = cursor_take_until(&behind, ' '), text;
	unsigned class = rule->code / 100;

	if (first.len == 3 && slice_number(first, 599, &code)) {
		if (rule->action == ACCESS_DISCONNECT ? code < 400 : code / 100 != class)
			return fail(p, "say: %u is no code for %s; it begins with %u",
			    (unsigned)code, action_words[rule->action], class);
		rule->code = (uint16_t)code;
		rule->status[0] = (char)('0' + code / 100);
		cursor_skip(&behind, 1);
		in = behind;
		first = cursor_take_until(&behind, ' ');
		if (is_status(first)) {
			if (first.data[0] != rule->status[0])
				return fail(p, "say: \"%.*s\" does not go with %u",
				    SLICE_PRINTF(first), (unsigned)code);
			slice_copy(first, rule->status, sizeof rule->status);
			cursor_skip(&behind, 1);
			in = behind;
		}
	}
	text = cursor_rest(&in);
	for (size_t i = 0; i < text.len; i++)
		if (octet_is_control((unsigned char)text.data[i]))
			return fail(p, "say: a control character in the text");
	if (text.len == 0)
		return fail(p, "say: the text is missing");
	return slice_copy(text, rule->reply, sizeof rule->reply) ||
	       fail(p, "say: the text is longer than %zu characters", sizeof rule->reply - 1);
}

static bool read_say(struct parser *p, struct access_rule *rule)
{
	if (rule->code == 0)
		return fail(p, "say: with \"%s\" the client is told nothing of it",
		    action_words[rule->action]);
	next_word(p);
	if (!p->has_word)
		return fail(p, "say: the text is missing");
	if (!read_reply(p, rule))
		return false;
	next_word(p);
	return !p->has_word || fail(p, "\"%.*s\" behind the text; one with blanks is put in quotes",
				   SLICE_PRINTF(buf_slice(&p->word)));
}

/* --- rules ------------------------------------------------------------------------------- */

static bool read_action(struct parser *p, struct access_rule *rule)
{
	int64_t seconds;
	int action = keyword_among(p, action_words + 1, ACCESS_ACTION_COUNT - 1) + 1;

	if (action == 0)
		return fail_with_choice(p, "action", action_words, 1, ACCESS_ACTION_COUNT);
	rule->action = (enum access_action)action;
	rule->code = replies[action].code;
	if (rule->code != 0) {
		snprintf(rule->status, sizeof rule->status, "%s", replies[action].status);
		snprintf(rule->reply, sizeof rule->reply, "%s", replies[action].text);
	}
	next_word(p);
	if (rule->action != ACCESS_TARPIT)
		return true;
	if (!p->has_word || !conf_parse_duration(buf_slice(&p->word), &seconds) || seconds < 1 ||
	    seconds > ACCESS_TARPIT_SECONDS)
		return fail(p,
		    "tarpit: how long is each reply to be held back? write tarpit 5s; the longest "
		    "is %ds",
		    ACCESS_TARPIT_SECONDS);
	rule->seconds = (unsigned)seconds;
	next_word(p);
	return true;
}

static bool read_rule(struct parser *p, struct access_rule *rule)
{
	p->in = cursor_over(slice_string(p->line->text));
	rule->line = p->line->line;
	rule->file = slice_dup(slice_string(p->line->file));
	rule->text = slice_dup(slice_string(p->line->text));
	if (rule->file == NULL || rule->text == NULL)
		return fail(p, "out of memory");
	next_word(p);
	if (!read_action(p, rule))
		return false;
	while (p->has_word && !is_keyword(p, "say"))
		if (!read_condition(p, rule))
			return false;
	return !p->has_word || read_say(p, rule);
}

struct access_rules *access_rules_new(const struct conf_lines *lines, char error[CONF_ERROR_MAX])
{
	struct access_rules *rules = calloc(1, sizeof *rules);
	struct parser p = {.rules = rules, .word = buf_with_limit(CONF_LINE_MAX), .error = error};
	bool good = rules != NULL;

	error[0] = '\0';
	if (good && lines->count > 0) {
		rules->rules = calloc(lines->count, sizeof *rules->rules);
		good = rules->rules != NULL;
	}
	for (size_t i = 0; good && i < lines->count; i++) {
		p.line = &lines->lines[i];
		good = read_rule(&p, &rules->rules[rules->count++]);
	}
	for (size_t i = 0; good && i < rules->table_count; i++)
		good = rules->tables[i].name != NULL;
	buf_free(&p.word);
	if (good)
		return rules;
	access_rules_free(rules);
	return NULL;
}

bool access_rules_check(const struct conf_lines *lines, char error[CONF_ERROR_MAX])
{
	struct access_rules *rules = access_rules_new(lines, error);

	access_rules_free(rules);
	return rules != NULL;
}

void access_rules_free(struct access_rules *rules)
{
	if (rules == NULL)
		return;
	for (size_t i = 0; i < rules->count; i++) {
		struct access_rule *rule = &rules->rules[i];

		for (size_t c = 0; c < rule->condition_count; c++) {
			for (size_t j = 0; j < rule->conditions[c].pattern_count; j++)
				free(rule->conditions[c].patterns[j].text);
			free(rule->conditions[c].patterns);
		}
		free(rule->conditions);
		free(rule->file);
		free(rule->text);
	}
	for (size_t i = 0; i < rules->table_count; i++)
		free(rules->tables[i].name);
	free(rules->rules);
	free(rules);
}

bool access_rules_are_empty(const struct access_rules *rules)
{
	return rules == NULL || rules->count == 0;
}

bool access_rules_look_at_names(const struct access_rules *rules)
{
	return rules != NULL && rules->looks_at_names;
}

size_t access_rules_tables(const struct access_rules *rules, const struct access_table **tables)
{
	*tables = rules == NULL ? NULL : rules->tables;
	return rules == NULL ? 0 : rules->table_count;
}
