/* What table.h promises of Berkeley DB files. */
#include "tests/unit/table/directory.h"

#include "table/entry.h"
#include "table/table.h"

static struct test_directory directory;
static struct table_error error;
static struct buf value;
static size_t entries;

static void set_up(void)
{
	directory = test_directory_new();
	value = buf_with_limit(TABLE_VALUE_MAX);
}

static void tear_down(void)
{
	buf_free(&value);
	test_directory_remove(&directory);
}

TestSuite(table_db, .init = set_up, .fini = tear_down);

static void must_build(const char *name, enum table_db_form form, const struct table_schema *schema)
{
	cr_assert(
	    table_build_db(directory.fd, name, form, schema, &entries, &error), "%s", error.text);
}

static struct table *must_load(const char *spec, const struct table_schema *schema)
{
	struct table *t = table_open(directory.fd, spec, schema, &error);

	cr_assert_not_null(t, "%s", error.text);
	cr_assert_eq(table_refresh(t, &error), TABLE_LOADED, "%s", error.text);
	return t;
}

static void expect_found(struct table *t, const char *key, const char *expected)
{
	cr_assert_eq(table_lookup(t, slice_string(key), &value), TABLE_FOUND, "%s", key);
	cr_assert(slice_equal(buf_slice(&value), slice_string(expected)), "%.*s",
	    SLICE_PRINTF(buf_slice(&value)));
}

static bool count_entry(void *context, struct slice key, struct slice found)
{
	size_t *count = context;

	cr_assert(slice_equal(slice_from(key, 1), found));
	++*count;
	return true;
}

static void build_and_read(enum table_db_form form)
{
	struct buf text = buf_with_limit(1 << 20);
	struct table *t;
	size_t count = 0;
	char key[16];

	for (int i = 0; i < 5000; i++)
		buf_printf(&text, "K%d %d\n", i, i);
	buf_append_octet(&text, '\0');
	test_directory_write(&directory, "t", text.data);
	must_build("t", form, &table_schema_plain);
	cr_assert_eq(entries, 5000);

	t = must_load("t", &table_schema_plain);
	cr_assert_str_eq(table_source(t), "t.db");
	for (int i = 0; i < 5000; i += 7) {
		snprintf(key, sizeof key, "k%d", i);
		expect_found(t, key, key + 1);
	}
	cr_assert_eq(table_lookup(t, SLICE("k5000"), &value), TABLE_ABSENT);
	cr_assert(table_each(t, count_entry, &count));
	cr_assert_eq(count, 5000);
	table_close(t);
	buf_free(&text);
}

Test(table_db, a_btree_answers_as_its_text_does)
{
	build_and_read(TABLE_DB_BTREE);
}

Test(table_db, a_hash_answers_as_its_text_does)
{
	build_and_read(TABLE_DB_HASH);
}

Test(table_db, a_text_that_was_edited_after_the_build_wins)
{
	struct table *t;

	test_directory_write(&directory, "t", "a old\n");
	must_build("t", TABLE_DB_BTREE, &table_schema_plain);
	t = must_load("t", &table_schema_plain);
	test_directory_write(&directory, "t", "a new\n");
	test_directory_age(&directory, "t", 1);
	cr_assert_eq(table_refresh(t, &error), TABLE_LOADED);
	cr_assert_str_eq(table_source(t), "t");
	expect_found(t, "a", "new");
	table_close(t);

	t = must_load("db:t", &table_schema_plain);
	expect_found(t, "a", "old");
	table_close(t);
}

Test(table_db, a_database_without_its_text_answers)
{
	struct table *t;

	test_directory_write(&directory, "t", "a b\n");
	must_build("t", TABLE_DB_HASH, &table_schema_plain);
	unlinkat(directory.fd, "t", 0);
	t = must_load("t", &table_schema_plain);
	expect_found(t, "a", "b");
	table_close(t);
}

Test(table_db, a_rebuilt_database_is_opened_again)
{
	struct table *t;

	test_directory_write(&directory, "t", "a one\n");
	must_build("t", TABLE_DB_BTREE, &table_schema_plain);
	t = must_load("t", &table_schema_plain);
	test_directory_write(&directory, "t", "a two\n");
	must_build("t", TABLE_DB_BTREE, &table_schema_plain);
	cr_assert_eq(table_refresh(t, &error), TABLE_LOADED);
	expect_found(t, "a", "two");
	table_close(t);
}

Test(table_db, a_text_that_does_not_parse_leaves_the_old_database_and_nothing_else)
{
	struct table *t;
	struct stat st;

	test_directory_write(&directory, "accounts", "alice@example.org\n");
	must_build("accounts", TABLE_DB_BTREE, &table_schema_accounts);
	test_directory_write(&directory, "accounts", "alice@example.org\nbob\n");
	cr_assert_not(table_build_db(
	    directory.fd, "accounts", TABLE_DB_BTREE, &table_schema_accounts, &entries, &error));
	cr_assert_str_eq(error.text, "accounts:2: \"bob\": not an address (user@domain)");
	cr_assert_neq(fstatat(directory.fd, "accounts.db.tmp", &st, 0), 0);
	t = must_load("db:accounts", &table_schema_accounts);
	expect_found(t, "alice@example.org", "");
	table_close(t);
}

Test(table_db, the_database_takes_over_the_mode_and_the_time_of_its_text)
{
	struct stat text, db;

	test_directory_write(&directory, "t", "a b\n");
	cr_assert_eq(fchmodat(directory.fd, "t", 0604, 0), 0);
	test_directory_age(&directory, "t", -3600);
	must_build("t", TABLE_DB_BTREE, &table_schema_plain);
	cr_assert_eq(fstatat(directory.fd, "t", &text, 0), 0);
	cr_assert_eq(fstatat(directory.fd, "t.db", &db, 0), 0);
	cr_assert_eq(text.st_mode, db.st_mode);
	cr_assert_eq(text.st_mtim.tv_sec, db.st_mtim.tv_sec);
	cr_assert_eq(text.st_mtim.tv_nsec, db.st_mtim.tv_nsec);
}

Test(table_db, what_a_database_holds_is_checked_like_input)
{
	struct table *t;

	/* Built without the aliases' schema, so that something bad gets in. */
	test_directory_write(&directory, "aliases", "good  alice@example.org\nbad  |/bin/sh\n");
	must_build("aliases", TABLE_DB_BTREE, &table_schema_plain);
	t = must_load("aliases", &table_schema_aliases);
	expect_found(t, "good", "alice@example.org");
	cr_assert_eq(table_lookup(t, SLICE("bad"), &value), TABLE_FAILED);
	table_close(t);
}

Test(table_db, a_file_that_is_no_database_is_refused)
{
	struct table *t = table_open(directory.fd, "db:t", &table_schema_plain, &error);

	test_directory_write(
	    &directory, "t.db", "this is no database, only a text of some length\n");
	cr_assert_eq(table_refresh(t, &error), TABLE_REFUSED);
	cr_assert_not_null(strstr(error.text, "t.db: "));
	table_close(t);
}

Test(table_db, a_database_that_was_cut_short_never_says_that_a_key_is_absent)
{
	struct buf text = buf_with_limit(1 << 20);
	struct table *t;
	struct stat st;
	char key[64];
	int fd;

	for (int i = 0; i < 2000; i++)
		buf_printf(&text, "user%d@example.org\n", i);
	buf_append_octet(&text, '\0');
	test_directory_write(&directory, "accounts", text.data);
	must_build("accounts", TABLE_DB_BTREE, &table_schema_accounts);
	fd = openat(directory.fd, "accounts.db", O_RDWR | O_CLOEXEC);
	cr_assert_eq(fstat(fd, &st), 0);
	cr_assert_eq(ftruncate(fd, st.st_size / 2), 0);
	close(fd);
	t = table_open(directory.fd, "db:accounts", &table_schema_accounts, &error);
	table_refresh(t, &error);
	for (int i = 0; i < 2000; i++) {
		snprintf(key, sizeof key, "user%d@example.org", i);
		cr_assert_neq(table_lookup(t, slice_string(key), &value), TABLE_ABSENT, "%s", key);
	}
	table_close(t);
	buf_free(&text);
}
