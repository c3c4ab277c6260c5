/* What header.h promises about address lists. */
#include <criterion/criterion.h>

#include <stdlib.h>

#include "message/header.h"

/* One line for a list: "name|route|local|domain" each, "name:" and ";" for groups. */
static const char *shown(const char *value)
{
	static char text[4096];
	struct address_list list = address_list_empty();
	struct buf out = buf_with_limit(sizeof(text));

	cr_assert(address_list_add(&list, slice_string(value)));
	for (size_t i = 0; i < list.count; i++) {
		const struct header_address *a = &list.items[i];

		if (i > 0)
			buf_append_octet(&out, ' ');
		if (a->kind == HEADER_ADDRESS_GROUP_START)
			buf_printf(&out, "%.*s:", SLICE_PRINTF(a->name));
		else if (a->kind == HEADER_ADDRESS_GROUP_END)
			buf_append_octet(&out, ';');
		else
			buf_printf(&out, "%.*s|%.*s|%.*s|%.*s", SLICE_PRINTF(a->name),
			    SLICE_PRINTF(a->route), SLICE_PRINTF(a->local),
			    SLICE_PRINTF(a->domain));
	}
	if (list.malformed)
		buf_append_string(&out, " !");
	cr_assert(slice_copy(buf_slice(&out), text, sizeof(text)));
	buf_free(&out);
	address_list_free(&list);
	return text;
}

static void check(const char *const pairs[][2], size_t count)
{
	for (size_t i = 0; i < count; i++)
		cr_expect_str_eq(shown(pairs[i][0]), pairs[i][1], "%s\n gave %s", pairs[i][0],
		    shown(pairs[i][0]));
}

Test(address_list, the_examples_of_rfc_5322_are_read)
{
	static const char *const pairs[][2] = {
	    {"John Doe <jdoe@machine.example>",                                          "John Doe||jdoe|machine.example"                                                },
	    {"Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>",
             "Mary Smith||mary|x.test ||jdoe|example.org Who?||one|y.test"											       },
	    {"<boss@nil.test>, \"Giant; \\\"Big\\\" Box\" <sysservices@example.net>",
             "||boss|nil.test Giant; \"Big\" Box||sysservices|example.net"											       },
	    {"A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;",
             "A Group: Ed Jones||c|a.test ||joe|where.test John||jdoe|one.test ;"											},
	    {"Undisclosed recipients:;",						 "Undisclosed recipients: ;"                                                     },
	    {"Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>",
             "Pete||pete|silly.test"																     },
	    {"A Group(Some people)\r\n     :Chris Jones <c@(Chris's host.)public.example>,\r\n"
	     "         joe@example.org,\r\n  John <jdoe@one.test> (my dear friend); (the end of "
	     "the "
	     "group)",						      "A Group: Chris Jones||c|public.example ||joe|example.org John||jdoe|one.test ;"},
	    {"(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;",
             "Hidden recipients: ;"																      },
	    {"Joe Q. Public <john.q.public@example.com>",
             "Joe Q. Public||john.q.public|example.com"														  },
	    {"Mary Smith <@node.test,@b.test:mary@example.net>, , jdoe@test  . example",
             "Mary Smith|@node.test,@b.test|mary|example.net ||jdoe|test.example"											},
	    {"\"Joe\" \"Doe\" <\"j d\"@[192.0.2.1]>",                                    "Joe Doe||j d|[192.0.2.1]"                                                      },
	    {"joe@x.test (Joe Doe)",						     "Joe Doe||joe|x.test"							   },
	    {"john . \"doe\" @ x.test",						  "||john.doe|x.test"							     },
	    {"bob",								      "||bob|"									},
	    {"",									 ""									      },
	};

	check(pairs, sizeof(pairs) / sizeof(pairs[0]));
}

Test(address_list, broken_lists_are_read_as_they_were_meant)
{
	static const char *const pairs[][2] = {
	    {"john@x.test <john@x.test>",   "john@x.test||john|x.test !"    },
	    {"John Doe john@x.test",        "John Doe||john|x.test !"       },
	    {"no address in here",          "||no address in here| !"       },
	    {"a@b@c.test",                  "||a@b|c.test !"                },
	    {"<a@b.test, c@d.test",         "||a|b.test ||c|d.test !"       },
	    {"a@b.test> , c@d.test",        "||a|b.test ||c|d.test !"       },
	    {"<>",			  "||| !"                         },
	    {"@",			   "||| !"			 },
	    {"\"open <a@b.test>, c@d.test", "||open <a@b.test>, c@d.test| !"},
	    {"a@b.test (open",              "open||a|b.test !"              },
	    {"group: a@b.test",             "group: ||a|b.test ; !"         },
	    {"a: b: c@d.test;;",            "a: ||c|d.test ; !"             },
	    {"a@b.test c d",                "||a|b.test !"                  },
	    {"<a@b.test> x <c@d.test>",     "||a|b.test !"                  },
	    {"a@[1.2",                      "||a|[1.2"                      },
	    {"\\ ) ] a@b.test",             "||a|b.test !"                  },
	};

	check(pairs, sizeof(pairs) / sizeof(pairs[0]));
}

Test(address_list, lists_of_several_fields_are_put_together)
{
	struct address_list list = address_list_empty();

	cr_assert(address_list_add(&list, SLICE("a@b.test")));
	cr_assert(address_list_add(&list, SLICE("c@d.test, e@f.test")));
	cr_assert_eq(list.count, 3);
	cr_assert(slice_equal(list.items[0].local, SLICE("a")));
	cr_assert(slice_equal(list.items[2].domain, SLICE("f.test")));
	address_list_free(&list);
}

Test(address_list, a_list_has_a_limit)
{
	struct address_list list = address_list_empty();
	struct buf value = buf_with_limit(1 << 20);

	for (int i = 0; i < ADDRESS_LIST_MAX + 100; i++)
		buf_append_string(&value, "a@b.test,");
	cr_assert(address_list_add(&list, buf_slice(&value)));
	cr_assert_eq(list.count, ADDRESS_LIST_MAX);
	cr_assert(list.truncated);
	address_list_free(&list);
	buf_free(&value);
}

Test(address_list, deep_comments_and_long_words_take_linear_time, .timeout = 60)
{
	static const char *const pieces[] = {
	    "(", "a ", "a.", "a@", "<", "\"\" ", ":", "()", "[", "\\"};

	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		struct address_list list = address_list_empty();
		struct buf value = buf_with_limit(8 << 20);

		while (value.len < (4 << 20))
			buf_append_string(&value, pieces[i]);
		cr_assert(address_list_add(&list, buf_slice(&value)));
		address_list_free(&list);
		buf_free(&value);
	}
}

Test(address_list, an_address_is_written_so_that_it_can_be_parsed_again)
{
	struct address_list list = address_list_empty();
	struct buf out = buf_with_limit(100);

	cr_assert(address_list_add(&list, SLICE("\"a b\"@X.test")));
	cr_assert(header_address_write(&list.items[0], &out));
	cr_assert(slice_equal(buf_slice(&out), SLICE("\"a b\"@x.test")));
	buf_free(&out);
	address_list_free(&list);
}
