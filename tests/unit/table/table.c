/* What table.h promises of text files, and of choosing between files. */
#include "tests/unit/table/directory.h"

#include "table/entry.h"
#include "table/table.h"

static struct test_directory directory;
static struct table_error error;
static struct buf value;

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

TestSuite(table, .init = set_up, .fini = tear_down);

static struct table *must_open(const char *spec, const struct table_schema *schema)
{
	struct table *t = table_open(directory.fd, spec, schema, &error);

	cr_assert_not_null(t, "%s", error.text);
	return t;
}

static void expect_found(struct table *t, const char *key, const char *expected)
{
	cr_assert_eq(table_lookup(t, slice_string(key), &value), TABLE_FOUND, "%s", key);
	cr_assert(slice_equal(buf_slice(&value), slice_string(expected)), "%.*s",
	    SLICE_PRINTF(buf_slice(&value)));
}

Test(table, keys_are_found_in_any_case)
{
	struct table *t = must_open("t", &table_schema_plain);

	test_directory_write(&directory, "t", "Alice one\nbob two\n");
	cr_assert_eq(table_refresh(t, &error), TABLE_LOADED);
	expect_found(t, "ALICE", "one");
	expect_found(t, "Bob", "two");
	cr_assert_eq(table_lookup(t, SLICE("carol"), &value), TABLE_ABSENT);
	cr_assert_eq(table_lookup(t, SLICE(""), &value), TABLE_ABSENT);
	table_close(t);
}

Test(table, a_table_that_never_read_anything_cannot_say)
{
	struct table *t = must_open("t", &table_schema_plain);

	cr_assert_eq(table_lookup(t, SLICE("a"), &value), TABLE_FAILED);
	cr_assert_eq(table_refresh(t, &error), TABLE_MISSING);
	cr_assert_str_eq(error.text, "t: no such table");
	cr_assert_eq(table_lookup(t, SLICE("a"), &value), TABLE_FAILED);
	cr_assert(table_is_missing(t));
	cr_assert_eq(table_refresh(t, &error), TABLE_UNCHANGED, "told once");
	test_directory_write(&directory, "t", "a b\n");
	cr_assert_eq(table_refresh(t, &error), TABLE_LOADED);
	cr_assert_not(table_is_missing(t));
	table_close(t);
}

Test(table, a_changed_file_is_read_again)
{
	struct table *t = must_open("t", &table_schema_plain);

	test_directory_write(&directory, "t", "a one\n");
	cr_assert_eq(table_refresh(t, &error), TABLE_LOADED);
	test_directory_write(&directory, "new", "a two\n");
	cr_assert_eq(renameat(directory.fd, "new", directory.fd, "t"), 0);
	cr_assert(table_changed(t));
	expect_found(t, "a", "one");
	cr_assert_eq(table_refresh(t, &error), TABLE_LOADED);
	expect_found(t, "a", "two");
	table_close(t);
}

Test(table, a_file_read_just_after_its_change_is_read_once_more_later)
{
	struct table *t = must_open("t", &table_schema_plain);

	test_directory_write(&directory, "t", "a one\n");
	cr_assert_eq(table_refresh(t, &error), TABLE_LOADED);
	cr_assert_not(table_changed(t));
	usleep(1100 * 1000);
	cr_assert_eq(table_refresh(t, &error), TABLE_LOADED);
	cr_assert_eq(table_refresh(t, &error), TABLE_UNCHANGED);
	table_close(t);
}

Test(table, a_file_that_does_not_parse_leaves_the_last_good_contents)
{
	struct table *t = must_open("aliases", &table_schema_aliases);

	test_directory_write(&directory, "aliases", "a: alice@example.org\n");
	cr_assert_eq(table_refresh(t, &error), TABLE_LOADED);
	test_directory_write(
	    &directory, "aliases", "# longer now\nb: bob@example.org\na: |/bin/sh\n");
	cr_assert_eq(table_refresh(t, &error), TABLE_REFUSED);
	cr_assert_str_eq(error.text,
	    "aliases:3: \"|/bin/sh\": an alias cannot run a command; it may name addresses only");
	expect_found(t, "a", "alice@example.org");
	cr_assert_eq(table_lookup(t, SLICE("b"), &value), TABLE_ABSENT);
	cr_assert_eq(table_refresh(t, &error), TABLE_UNCHANGED, "told once");
	table_close(t);
}

Test(table, a_file_that_vanishes_leaves_the_last_good_contents_until_an_explicit_reload)
{
	struct table *t = must_open("t", &table_schema_plain);

	test_directory_write(&directory, "t", "a one\n");
	cr_assert_eq(table_refresh(t, &error), TABLE_LOADED);
	cr_assert_eq(unlinkat(directory.fd, "t", 0), 0);
	cr_assert_eq(table_refresh(t, &error), TABLE_MISSING);
	expect_found(t, "a", "one");
	table_drop_if_missing(t);
	cr_assert_eq(table_lookup(t, SLICE("a"), &value), TABLE_FAILED);
	cr_assert(table_is_missing(t));
	table_close(t);
}

Test(table, a_key_that_comes_twice_is_refused_with_both_lines)
{
	struct table *t = must_open("t", &table_schema_plain);

	test_directory_write(&directory, "t", "a 1\nb 2\nA 3\n");
	cr_assert_eq(table_refresh(t, &error), TABLE_REFUSED);
	cr_assert_str_eq(error.text, "t:3: \"a\": already defined in line 1");
	table_close(t);
}

Test(table, links_fifos_and_directories_are_not_read)
{
	struct table *t = must_open("t", &table_schema_plain);

	test_directory_write(&directory, "target", "a 1\n");
	cr_assert_eq(symlinkat("target", directory.fd, "t"), 0);
	cr_assert_eq(table_refresh(t, &error), TABLE_REFUSED);
	cr_assert_str_eq(error.text, "t: symbolic links are not followed");
	unlinkat(directory.fd, "t", 0);
	cr_assert_eq(mkfifoat(directory.fd, "t", 0600), 0);
	cr_assert_eq(table_refresh(t, &error), TABLE_REFUSED);
	cr_assert_str_eq(error.text, "t: not a regular file");
	unlinkat(directory.fd, "t", 0);
	cr_assert_eq(mkdirat(directory.fd, "t", 0700), 0);
	cr_assert_eq(table_refresh(t, &error), TABLE_REFUSED);
	table_close(t);
}

Test(table, a_name_that_could_leave_the_directory_is_refused)
{
	static const char *const names[] = {"", ".", "..", "../x", "a/b", ".hidden", "a b",
	    "text:", "db:../x", "sql:x", "a\nb",
	    "a123456789012345678901234567890123456789012345678901234567890123456789"};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		cr_assert_null(table_open(directory.fd, names[i], &table_schema_plain, &error),
		    "%s", names[i]);
}

Test(table, reading_leaves_no_descriptor_open)
{
	struct table *t = must_open("text:t", &table_schema_plain);
	int before = dup(directory.fd), after;

	close(before);
	test_directory_write(&directory, "t", "a 1\nb 2\n");
	cr_assert_eq(table_refresh(t, &error), TABLE_LOADED);
	cr_assert_str_eq(table_source(t), "t");
	after = dup(directory.fd);
	close(after);
	cr_assert_eq(before, after);
	table_close(t);
}
