/*
 * A header that milters change.
 */
#include "policy/milter_header.h"

#include <criterion/criterion.h>

static struct milter_header header;

static void begin(const char *prepend, const char *content)
{
	cr_assert(milter_header_begin(&header, slice_string(prepend), slice_string(content)));
}

static const char *text(bool (*write)(const struct milter_header *, struct buf *))
{
	static char copy[4096];
	struct buf out = buf_with_limit(sizeof copy - 1);

	cr_assert(write(&header, &out));
	memcpy(copy, out.len > 0 ? out.data : "", out.len);
	copy[out.len] = '\0';
	buf_free(&out);
	return copy;
}

#define FRONT()   text(milter_header_write_prepend)
#define CONTENT() text(milter_header_write_content)

static const char trace[] = "Received: by us\r\n";

Test(milter_header, what_nobody_changes_stays_octet_for_octet)
{
	static const char content[] = "A:1\r\nb : 2\r\n\t3\r\nno field\r\nA: 4\r\n\r\n";

	begin(trace, content);
	cr_assert_str_eq(FRONT(), trace);
	cr_assert_str_eq(CONTENT(), content);
	cr_assert_not(header.is_content_changed);
	milter_header_free(&header);
}

Test(milter_header, our_trace_is_shown_to_nobody_and_others_are)
{
	const struct milter_field *field;
	size_t at = 0;

	begin("Received-SPF: pass\r\nReceived: by us\r\nDate: today\r\n",
	    "Received: by others\r\n\r\n");
	cr_assert(
	    slice_equal((field = milter_header_next(&header, &at))->name, SLICE("Received-SPF")));
	cr_assert(slice_equal((field = milter_header_next(&header, &at))->name, SLICE("Date")));
	cr_assert(
	    slice_equal((field = milter_header_next(&header, &at))->value, SLICE(" by others")));
	cr_assert_null(milter_header_next(&header, &at));
	milter_header_free(&header);
}

Test(milter_header, insertions_count_our_trace_and_what_is_in_front_travels_in_front)
{
	begin("Received-SPF: pass\r\nReceived: by us\r\n", "A: 1\r\nB: 2\r\n\r\n");
	cr_assert(milter_header_insert(&header, 1, SLICE("X"), SLICE("1"), false));
	cr_assert(milter_header_insert(&header, 0, SLICE("Y"), SLICE("0"), false));
	cr_assert_str_eq(FRONT(), "Y: 0\r\nReceived-SPF: pass\r\nReceived: by us\r\nX: 1\r\n");
	cr_assert_not(header.is_content_changed);
	cr_assert(milter_header_insert(&header, 999999, SLICE("Z"), SLICE("9"), false));
	cr_assert(header.is_content_changed);
	cr_assert_str_eq(CONTENT(), "A: 1\r\nB: 2\r\nZ: 9\r\n\r\n");
	milter_header_free(&header);
}

Test(milter_header, insertions_find_our_trace_after_others_took_away_what_was_above_it)
{
	begin("A: 1\r\nB: 2\r\nC: 3\r\nReceived: by us\r\n", "");
	cr_assert(milter_header_change(&header, 1, SLICE("A"), SLICE(""), false));
	cr_assert(milter_header_change(&header, 1, SLICE("B"), SLICE(""), false));
	cr_assert(milter_header_change(&header, 1, SLICE("C"), SLICE(""), false));
	milter_header_settle(&header);
	cr_assert(milter_header_insert(&header, 1, SLICE("X"), SLICE("1"), false));
	cr_assert_str_eq(FRONT(), "Received: by us\r\nX: 1\r\n\r\n");
	milter_header_free(&header);
}

Test(milter_header, an_insertion_counts_what_milters_have_put_above_our_trace)
{
	begin(trace, "A: 1\r\n\r\n");
	cr_assert(milter_header_insert(&header, 0, SLICE("X"), SLICE("0"), false));
	cr_assert(milter_header_insert(&header, 2, SLICE("Y"), SLICE("2"), false));
	cr_assert_str_eq(FRONT(), "X: 0\r\nReceived: by us\r\nY: 2\r\n");
	milter_header_free(&header);
}

Test(milter_header, changes_count_the_fields_of_a_name_and_deleted_ones_keep_their_number)
{
	begin(trace, "A: 1\r\nB: b\r\na: 2\r\nA: 3\r\n\r\n");
	cr_assert(milter_header_change(&header, 1, SLICE("A"), SLICE(""), false));
	cr_assert(milter_header_change(&header, 2, SLICE("A"), SLICE(""), false));
	cr_assert(milter_header_change(&header, 3, SLICE("A"), SLICE("three"), false));
	cr_assert(milter_header_change(&header, 4, SLICE("A"), SLICE(""), false));
	cr_assert_str_eq(CONTENT(), "B: b\r\nA: three\r\n\r\n");
	milter_header_settle(&header);
	cr_assert(milter_header_change(&header, 1, SLICE("A"), SLICE("one"), false));
	cr_assert(milter_header_change(&header, 1, SLICE("Received"), SLICE("added"), false));
	cr_assert_str_eq(CONTENT(), "B: b\r\nA: one\r\nReceived: added\r\n\r\n");
	cr_assert_str_eq(FRONT(), trace);
	milter_header_free(&header);
}

Test(milter_header, a_value_never_ends_its_field)
{
	static const struct {
		const char *value, *field;
	} values[] = {
	    {"a",            "X: a\r\n"        },
            {"a\nb",         "X: a\r\n b\r\n"  },
            {"a\r\n\tb",     "X: a\r\n\tb\r\n" },
	    {"a\rb",         "X: a\r\n b\r\n"  },
            {"a\n\nb",       "X: a\r\n b\r\n"  },
	    {"a\n \t\nb",    "X: a\r\n b\r\n"  },
            {"a\n",          "X: a\r\n"        },
            {"\n\n\n",       "X: \r\n"         },
	    {"\r\n\r\nbody", "X: \r\n body\r\n"}
        };

	for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
		begin(trace, "A: 1\r\n\r\n");
		cr_assert(milter_header_insert(
		    &header, 1, SLICE("X"), slice_string(values[i].value), false));
		cr_assert_str_eq(
		    FRONT() + sizeof trace - 1, values[i].field, "%zu: %s", i, FRONT());
		milter_header_free(&header);
	}
}

Test(milter_header, a_content_without_a_header_gets_none)
{
	begin(trace, "");
	cr_assert(milter_header_add(&header, SLICE("X"), SLICE("1"), false));
	cr_assert_str_eq(FRONT(), "Received: by us\r\nX: 1\r\n\r\n");
	cr_assert_str_eq(CONTENT(), "");
	cr_assert_not(header.is_content_changed);
	milter_header_free(&header);
}

Test(milter_header, a_header_may_lose_all_its_fields)
{
	begin(trace, "A: 1\r\n\r\n");
	cr_assert(milter_header_change(&header, 1, SLICE("A"), SLICE(""), false));
	cr_assert_str_eq(CONTENT(), "\r\n");
	milter_header_free(&header);
}

Test(milter_header, there_is_a_limit_to_what_milters_add)
{
	char value[60000];
	unsigned added = 0;

	memset(value, 'x', sizeof value);
	begin(trace, "A: 1\r\n\r\n");
	while (added < 100 &&
	       milter_header_add(&header, SLICE("X"), slice_of(value, sizeof value), false))
		added++;
	cr_assert(added > 10 && added < 20, "%u", added);
	milter_header_free(&header);
}
