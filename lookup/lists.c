/*
 * lists.c - the tables that access rules name.
 */
#include "lookup/lists.h"

#include "common/log.h"
#include "table/entry.h"

static struct table *find(const struct lists *lists, struct slice name)
{
	for (size_t i = 0; i < lists->count; i++)
		if (slice_equal(name, slice_string(table_spec(lists->tables[i]))))
			return lists->tables[i];
	return NULL;
}

/* The table as it is in `old`, from which it is taken, or a new one. */
static struct table *keep_or_open(struct lists *old, const char *name, int directory_fd)
{
	struct table_error error;
	struct table *table;

	for (size_t i = 0; i < old->count; i++) {
		table = old->tables[i];
		if (slice_equal(slice_string(name), slice_string(table_spec(table)))) {
			old->tables[i] = old->tables[--old->count];
			return table;
		}
	}
	table = table_open(directory_fd, name, &table_schema_plain, &error);
	if (table == NULL)
		log_error("table-unusable", log_string("reason", error.text));
	return table;
}

bool lists_configure(struct lists *lists, const struct settings *s, int directory_fd)
{
	char error[CONF_ERROR_MAX];
	struct access_rules *rules = access_rules_new(&s->access, error);
	const struct access_table *wanted;
	size_t count = access_rules_tables(rules, &wanted);
	struct lists old = *lists;

	if (rules == NULL)
		return false;
	*lists = (struct lists){0};
	for (size_t i = 0; i < count; i++) {
		struct table *table;

		if (find(lists, slice_string(wanted[i].name)) != NULL)
			continue;
		table = keep_or_open(&old, wanted[i].name, directory_fd);
		if (table != NULL)
			lists->tables[lists->count++] = table;
	}
	lists_close(&old);
	access_rules_free(rules);
	return true;
}

void lists_close(struct lists *lists)
{
	for (size_t i = 0; i < lists->count; i++)
		table_close(lists->tables[i]);
	lists->count = 0;
}

bool lists_refresh(struct lists *lists, bool reload)
{
	bool any = false;

	for (size_t i = 0; i < lists->count; i++) {
		struct table *table = lists->tables[i];
		struct table_error error;

		switch (table_refresh(table, &error)) {
		case TABLE_LOADED:
			log_info("table-read", log_string("table", table_spec(table)),
			    log_string("file", table_source(table)));
			any = true;
			break;
		case TABLE_REFUSED:
			log_error("table-refused", log_string("table", table_spec(table)),
			    log_string("reason", error.text),
			    log_string("using", table_is_loaded(table) ? "what was read before"
								       : "nothing: mail waits"));
			break;
		case TABLE_MISSING:
			log_warning("table-missing", log_string("table", table_spec(table)),
			    log_string("using", table_is_loaded(table) ? "what was read before"
								       : "nobody is listed"));
			break;
		case TABLE_UNCHANGED:
			break;
		}
		if (reload)
			table_drop_if_missing(table);
	}
	return any;
}

enum table_answer lists_find(struct lists *lists, struct slice name, struct slice key)
{
	struct table *table = find(lists, name);
	struct buf value = buf_with_limit(TABLE_VALUE_MAX);
	enum table_answer answer;

	if (table == NULL)
		return TABLE_FAILED;
	answer = table_lookup(table, key, &value);
	buf_free(&value);
	return answer == TABLE_FAILED && table_is_missing(table) ? TABLE_ABSENT : answer;
}
