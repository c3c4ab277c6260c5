/*
 * conf_words.c - the words of petrel.conf.
 */
#include "common/conf_private.h"

#include <stdarg.h>

bool conf_fail(struct conf_parser *p, const char *format, ...)
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

static bool quoted_word(struct conf_parser *p)
{
	for (;;) {
		int c = cursor_next(&p->in);

		if (c == '"')
			return true;
		if (c == '\\')
			c = cursor_next(&p->in);
		if (c == -1 || c == '\n')
			return conf_fail(p, "a quoted word has no closing quote");
		if (!buf_append_octet(&p->word, (char)c))
			return conf_fail(p, "a word is longer than %zu characters", p->word.limit);
	}
}

static bool is_word_octet(int c)
{
	return c > ' ' && c != '{' && c != '}' && c != ';' && c != '#' && c != '"';
}

static bool lost(struct conf_parser *p)
{
	p->is_lost = true;
	return false;
}

bool conf_next_token(struct conf_parser *p)
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
	p->kind = CONF_TOKEN_WORD;
	p->is_quoted = c == '"';
	switch (c) {
	case -1:
		p->kind = CONF_TOKEN_END;
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
		p->kind = c == '{' ? CONF_TOKEN_OPEN : c == '}' ? CONF_TOKEN_CLOSE : CONF_TOKEN_LINE_END;
		return true;
	default:
		break;
	}
	if (++p->words > CONF_WORDS_MAX)
		return conf_fail(p, "more than %d words", CONF_WORDS_MAX) || lost(p);
	if (cursor_accept(&p->in, '"'))
		return quoted_word(p) || lost(p);
	if (!is_word_octet(c))
		return conf_fail(p, "a control character (%d) where a word was expected", c) || lost(p);
	if (!buf_append_slice(&p->word, cursor_take_while(&p->in, is_word_octet)))
		return conf_fail(p, "a word is longer than %zu characters", p->word.limit) || lost(p);
	return true;
}

void conf_pass_line_end(struct conf_parser *p)
{
	if (p->kind == CONF_TOKEN_LINE_END && p->in.at[-1] == '\n')
		p->line++;
}

bool conf_next_token_over_lines(struct conf_parser *p)
{
	do {
		if (!conf_next_token(p))
			return false;
		conf_pass_line_end(p);
	} while (p->kind == CONF_TOKEN_LINE_END);
	return true;
}
