/* What hash.h promises. */
#include <criterion/criterion.h>

#include <stdio.h>

#include "table/hash.h"

Test(table_hash, finds_what_was_added_and_nothing_else)
{
	struct table_hash h;
	uint32_t line;
	char text[32];

	table_hash_init(&h);
	cr_assert_null(table_hash_find(&h, SLICE("a")));
	for (uint32_t i = 0; i < 20000; i++) {
		snprintf(text, sizeof text, "user%u", i);
		cr_assert_eq(
		    table_hash_add(&h, slice_string(text), slice_string(text + 4), i, &line),
		    HASH_ADDED);
	}
	for (uint32_t i = 0; i < 20000; i++) {
		const struct table_hash_entry *e;

		snprintf(text, sizeof text, "user%u", i);
		e = table_hash_find(&h, slice_string(text));
		cr_assert_not_null(e);
		cr_assert(slice_equal(table_hash_key(&h, e), slice_string(text)));
		cr_assert(slice_equal(table_hash_value(&h, e), slice_string(text + 4)));
		cr_assert_eq(e->line, i);
	}
	cr_assert_null(table_hash_find(&h, SLICE("user20000")));
	cr_assert_null(table_hash_find(&h, SLICE("")));
	table_hash_free(&h);
}

Test(table_hash, a_second_entry_of_a_key_is_told_with_the_line_of_the_first)
{
	struct table_hash h;
	uint32_t line = 0;

	table_hash_init(&h);
	cr_assert_eq(table_hash_add(&h, SLICE("a"), SLICE("1"), 3, &line), HASH_ADDED);
	cr_assert_eq(table_hash_add(&h, SLICE("a"), SLICE("2"), 9, &line), HASH_DUPLICATE);
	cr_assert_eq(line, 3);
	cr_assert(slice_equal(table_hash_value(&h, table_hash_find(&h, SLICE("a"))), SLICE("1")));
	table_hash_free(&h);
}
