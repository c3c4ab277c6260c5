/*
 * conf_private.h - what the files of petrel.conf's parser share: values in, words out.
 * For everybody else there is conf.h.
 */
#ifndef PETREL_COMMON_CONF_PRIVATE_H
#define PETREL_COMMON_CONF_PRIVATE_H

#include "common/conf.h"

/* --- values of any setting, or member of a group (conf_value.c) ------------------ */

/* Where the value of a row of conf_table is. */
void *conf_field(const struct conf *conf, size_t row);
/* Does it take several words? */
bool conf_is_list(const struct conf_setting *s);
/* Take a word as the value, or as one more of a list.  False with what is wrong with it in `problem`. */
bool conf_field_set(const struct conf_setting *s, void *field, struct slice word, struct buf *problem);
bool conf_field_default(const struct conf_setting *s, void *field);
void conf_field_clear(const struct conf_setting *s, void *field);
void conf_field_print(struct buf *out, const struct conf_setting *s, const void *field);
/* The same for a row of conf_table. */
bool conf_value_set(struct conf *conf, size_t row, struct slice word, struct buf *problem);
void conf_value_clear(struct conf *conf, size_t row);

/* False where memory is short. */
bool conf_list_add(struct conf_list *list, struct slice word);
bool conf_lines_add(
    struct conf_lines *lines, struct slice text, struct slice file, unsigned line);
void conf_print_quoted(struct buf *out, struct slice word);

/* --- the words of a file (conf_words.c) --------------------------------------------- */

enum { CONF_WORD_MAX = 4096 };

enum conf_token { CONF_TOKEN_WORD, CONF_TOKEN_OPEN, CONF_TOKEN_CLOSE, CONF_TOKEN_LINE_END, CONF_TOKEN_END, CONF_TOKEN_BROKEN };

struct conf_parser {
	struct conf *conf;
	struct cursor in;
	const char *name; /* of the file */
	unsigned line;
	unsigned depth;   /* of includes */
	char *error;

	enum conf_token kind;
	struct buf word;  /* the text of a CONF_TOKEN_WORD */
	bool is_quoted;   /* it stood in quotes */
	bool *seen;       /* rows set so far, to name the second of two */
	unsigned words;
	unsigned braces;  /* that are open */

	conf_report report; /* NULL: the first error is the last */
	void *report_context;
	bool has_reported;
	bool is_lost; /* nobody can tell where the next statement begins */
};

/* Say what is wrong, with the file and the line of the last token.  Gives false. */
bool conf_fail(struct conf_parser *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Read the next token into p->kind and p->word. */
bool conf_next_token(struct conf_parser *p);
/* The next that is no line end. */
bool conf_next_token_over_lines(struct conf_parser *p);
/* A line end counts only once it is behind us: messages name the line of the last token. */
void conf_pass_line_end(struct conf_parser *p);

/* --- what was meant (conf_suggest.c) --------------------------------------------------- */

/* Fail for a name that is in no row, with the nearest one that is. */
bool conf_unknown_setting(struct conf_parser *p, struct slice group, struct slice word);

#endif
