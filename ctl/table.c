/*
 * table.c - petrel table: building and asking lookup tables.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "ctl/ctl.h"
#include "table/entry.h"
#include "table/table.h"

static int build(const struct ctl *ctl, int directory, const char *name)
{
	struct table_error error;
	size_t entries;

	if (!table_build_db(directory, name, TABLE_DB_BTREE, table_schema_named(slice_string(name)), &entries, &error))
		return ctl_fail(EX_DATAERR, "%s", error.text);
	if (ctl->json)
		printf("{\"table\": \"%s\", \"entries\": %zu}\n", name, entries);
	else
		printf("%s.db: %zu entries\n", name, entries);
	return EX_OK;
}

static int query(const struct ctl *ctl, int directory, const char *name, const char *key)
{
	struct table_error error;
	struct table *table = table_open(directory, name, table_schema_named(slice_string(name)), &error);
	struct buf value = buf_with_limit(TABLE_VALUE_MAX), out = buf_with_limit(TABLE_VALUE_MAX * 6);
	enum table_change change = table == NULL ? TABLE_REFUSED : table_refresh(table, &error);
	int status = EX_OK;

	if (change == TABLE_REFUSED || change == TABLE_MISSING)
		status = ctl_fail(EX_DATAERR, "%s", error.text);
	else if (table_lookup(table, slice_string(key), &value) != TABLE_FOUND)
		status = ctl_fail(EX_NOINPUT, "%s: no entry for \"%s\"", table_source(table), key);
	else if (ctl->json)
		json_string(&out, buf_slice(&value));
	else
		buf_append_slice(&out, buf_slice(&value));
	if (status == EX_OK) {
		buf_append_octet(&out, '\n');
		ctl_print(&out);
	}
	buf_free(&out);
	buf_free(&value);
	if (table != NULL)
		table_close(table);
	return status;
}

int ctl_table(const struct ctl *ctl, int argc, char **argv)
{
	struct conf *conf = ctl_read_configuration(ctl);
	int directory, status;

	if (conf == NULL)
		return EX_CONFIG;
	directory = open(settings->directory.tables, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory == -1)
		status = ctl_fail(EX_NOINPUT, "%s: %s", settings->directory.tables, strerror(errno));
	else if (argc == 2 && strcmp(argv[0], "build") == 0)
		status = build(ctl, directory, argv[1]);
	else if (argc == 3 && strcmp(argv[0], "query") == 0)
		status = query(ctl, directory, argv[1], argv[2]);
	else
		status = ctl_fail(EX_USAGE, "table: it is table build NAME, or table query NAME KEY");
	if (directory != -1)
		close(directory);
	conf_free(conf);
	return status;
}
