/*
 * text.h - the syntax of a table's text file (petrel-tables(5)).
 *
 * A pure function from octets to entries, so that it can be tested and fuzzed
 * without a file.
 */
#ifndef PETREL_TABLE_TEXT_H
#define PETREL_TABLE_TEXT_H

#include "table/table.h"

/*
 * Called for each entry, the key in lower case, continuation lines joined by
 * one blank.  The slices are good during the call only.  False ends the
 * parsing; the sink has then filled the parser's error.
 */
typedef bool table_text_sink(void *context, struct slice key, struct slice value, uint32_t line);

/*
 * Parse a whole file.
 *
 * name  for messages
 * Returns false at the first error; `error` names file, line and word.
 * Linear in the length of the text.
 */
bool table_text_parse(struct slice text, enum table_syntax syntax, const char *name,
    table_text_sink *sink, void *context, struct table_error *error);

#endif
