/*
 * Tables' text files: no octets do harm in either syntax or as an entry of
 * Petrel's own tables, and no key leads to a mailbox outside the mail root.
 */
#include "table/entry.h"
#include "table/text.h"
#include "tests/fuzz/fuzz.h"

static void path_stays_inside(struct slice path)
{
	ssize_t slash = slice_find(path, 0, '/');

	REQUIRE(slash > 0 && (size_t)slash + 1 < path.len);
	REQUIRE(slice_find(path, (size_t)slash + 1, '/') < 0);
	REQUIRE(path.data[0] != '.' && path.data[slash + 1] != '.');
	for (size_t i = 0; i < path.len; i++)
		REQUIRE(path.data[i] > ' ' && path.data[i] < 0x7f);
}

static bool check(void *context, struct slice key, struct slice value, uint32_t line)
{
	static const struct table_schema *const schemas[] = {&table_schema_accounts,
	    &table_schema_aliases, &table_schema_routes, &table_schema_senders,
	    &table_schema_domains};
	struct buf why = buf_with_limit(4096);
	char path[MAILBOX_PATH_MAX];

	REQUIRE(context != NULL && line > 0);
	REQUIRE(key.len > 0 && key.len <= TABLE_KEY_MAX && value.len <= TABLE_VALUE_MAX);
	for (size_t i = 0; i < sizeof schemas / sizeof schemas[0]; i++)
		REQUIRE(schemas[i]->valid(key, value, &why) || why.len > 0);
	if (account_mailbox_path(key, path))
		path_stays_inside(slice_string(path));
	buf_free(&why);
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_of(data, size);
	struct table_error error;

	table_text_parse(text, TABLE_PLAIN, "fuzz", check, &error, &error);
	table_text_parse(text, TABLE_ALIASES, "fuzz", check, &error, &error);
	return 0;
}
