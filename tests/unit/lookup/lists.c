/* What lists.h promises. */
#include "lookup/lists.h"

#include <criterion/criterion.h>

#include "tests/unit/lookup/world.h"

static struct world w;
static struct lists lists;
static struct conf *conf;

static void configure(const char *text)
{
	char error[CONF_ERROR_MAX];

	conf_free(conf);
	conf = conf_new();
	cr_assert(conf_read_text(conf, slice_string(text), "test", error), "%s", error);
	cr_assert(lists_configure(&lists, &conf->values, w.files.fd));
	lists_refresh(&lists, true);
}

static void begin(void)
{
	w = world_new();
	test_directory_write(&w.files, "bad", "evil@elsewhere.test\n");
	test_directory_write(&w.files, "good", "mail.example.net\n");
	configure("access { refuse from <bad> to <bad> not client <good> }\n");
}

static void end(void)
{
	lists_close(&lists);
	conf_free(conf);
	test_directory_remove(&w.files);
}

TestSuite(lists, .init = begin, .fini = end);

static enum table_answer find(const char *table, const char *key)
{
	return lists_find(&lists, slice_string(table), slice_string(key));
}

Test(lists, the_tables_of_the_rules_are_open_once_each_and_no_others)
{
	cr_assert_eq(lists.count, 2);
	cr_assert_eq(find("bad", "evil@elsewhere.test"), TABLE_FOUND);
	cr_assert_eq(find("good", "evil@elsewhere.test"), TABLE_ABSENT);
	cr_assert_eq(find("accounts", "evil@elsewhere.test"), TABLE_FAILED);
}

Test(lists, a_reload_keeps_what_stays_and_lets_go_of_the_rest)
{
	struct table *bad = lists.tables[0];

	configure("access { refuse from <other>; refuse from <bad> }\n");
	cr_assert_eq(lists.count, 2);
	cr_assert_eq(lists.tables[1], bad);
	cr_assert_eq(find("good", "mail.example.net"), TABLE_FAILED);
	cr_assert_eq(find("other", "x"), TABLE_ABSENT);
	configure("access { accept }\n");
	cr_assert_eq(lists.count, 0);
}

Test(lists, a_table_that_changes_is_read_again_and_one_that_breaks_stays)
{
	test_directory_write(&w.files, "bad", "worse@elsewhere.test\n");
	cr_assert(lists_refresh(&lists, false));
	cr_assert_eq(find("bad", "evil@elsewhere.test"), TABLE_ABSENT);
	test_directory_write(&w.files, "bad", "twice\ntwice\n");
	cr_assert_not(lists_refresh(&lists, false));
	cr_assert_eq(find("bad", "worse@elsewhere.test"), TABLE_FOUND);
}
