/* What dnslist.h promises of lists and their answers. */
#include <criterion/criterion.h>

#include "common/dnslist.h"

static struct dnslist list;

static bool is_list(const char *word)
{
	return dnslist_parse(slice_string(word), &list);
}

static enum dnslist_answer judge(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	const uint8_t octets[4] = {a, b, c, d};

	return dnslist_judge(&list, octets);
}

Test(dnslist, without_a_filter_every_answer_counts_and_weighs_one)
{
	cr_assert(is_list("zen.spamhaus.org"));
	cr_assert_str_eq(list.domain, "zen.spamhaus.org");
	cr_assert_eq(list.weight, 1);
	cr_assert_eq(judge(127, 0, 0, 2), DNSLIST_LISTED);
	cr_assert_eq(judge(127, 0, 1, 255), DNSLIST_LISTED);
}

Test(dnslist, answers_that_are_not_about_the_client_do_not_count)
{
	cr_assert(is_list("zen.spamhaus.org"));
	cr_assert_eq(judge(127, 255, 255, 254), DNSLIST_ERROR);
	cr_assert_eq(judge(192, 0, 2, 1), DNSLIST_ERROR, "a domain that was sold answers to everything");
	cr_assert(is_list("zen.spamhaus.org=127.[0..255].[0..255].[0..255]"));
	cr_assert_eq(judge(127, 255, 255, 1), DNSLIST_ERROR);
}

Test(dnslist, a_filter_says_which_answers_count)
{
	cr_assert(is_list("list.dnswl.org=127.0.[0..255].[1..3]*-2"));
	cr_assert_eq(list.weight, -2);
	cr_assert_eq(judge(127, 0, 77, 1), DNSLIST_LISTED);
	cr_assert_eq(judge(127, 0, 77, 0), DNSLIST_NOT_LISTED);
	cr_assert_eq(judge(127, 0, 77, 4), DNSLIST_NOT_LISTED);
	cr_assert_eq(judge(127, 1, 77, 1), DNSLIST_NOT_LISTED);
	cr_assert(is_list("a.b=127.0.0.[2;4;10..11]*3"));
	cr_assert_eq(judge(127, 0, 0, 2), DNSLIST_LISTED);
	cr_assert_eq(judge(127, 0, 0, 3), DNSLIST_NOT_LISTED);
	cr_assert_eq(judge(127, 0, 0, 11), DNSLIST_LISTED);
	cr_assert(is_list("a.b=127.0.0.4"));
	cr_assert_eq(judge(127, 0, 0, 4), DNSLIST_LISTED);
	cr_assert_eq(judge(127, 0, 0, 40), DNSLIST_NOT_LISTED);
}

Test(dnslist, what_is_no_list_is_refused)
{
	static const char *const words[] = {"", "spamhaus", "zen..org", ".zen.org", "zen.org.", "z en.org", "zen.org*",
	    "zen.org*x", "zen.org*1001", "zen.org*-", "zen.org=", "zen.org=127.0.0", "zen.org=127.0.0.256",
	    "zen.org=127.0.0.[2..1]", "zen.org=127.0.0.[2", "zen.org=127.0.0.[]", "zen.org=127.0.0.2.3", "zen.org=127.0.0.[2;]"};

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		cr_assert_not(is_list(words[i]), "%s", words[i]);
}

Test(dnslist, a_host_is_asked_for_backwards)
{
	struct host_address host;
	char name[DNSLIST_NAME_MAX];

	cr_assert(is_list("bl.test.example"));
	host_address_parse(SLICE("192.0.2.1"), &host);
	cr_assert(dnslist_name(&list, &host, name));
	cr_assert_str_eq(name, "1.2.0.192.bl.test.example");
	host_address_parse(SLICE("2001:db8::1"), &host);
	cr_assert(dnslist_name(&list, &host, name));
	cr_assert_str_eq(name, "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bl.test.example");
	host.family = 0;
	cr_assert_not(dnslist_name(&list, &host, name));
}
