/* What greylist.h promises: who has to come again, and when. */
#include <criterion/criterion.h>

#include "policy/greylist.h"

enum { NOW = 1000000 };

static const struct grey_terms terms = {.delay_s = 300, .window_s = 3600, .keep_s = 100000, .successes = 2};
static struct grey_entry entry;

static enum grey_step at(uint64_t seconds)
{
	return greylist_step(&entry, NOW + seconds, &terms);
}

static void forget(void)
{
	entry = (struct grey_entry){0};
}

TestSuite(greylist, .init = forget);

Test(greylist, who_comes_again_after_the_delay_is_let_in_and_stays_so)
{
	cr_assert_eq(at(0), GREY_NEW);
	cr_assert_eq(greylist_wait(&entry, NOW, &terms), 300);
	cr_assert_eq(at(1), GREY_EARLY);
	cr_assert_eq(at(299), GREY_EARLY);
	cr_assert_eq(greylist_wait(&entry, NOW + 299, &terms), 1);
	cr_assert_eq(at(300), GREY_FIRST_PASS);
	cr_assert_eq(at(301), GREY_KNOWN);
	cr_assert_eq(at(100300), GREY_KNOWN, "use keeps it");
	cr_assert_eq(at(200300), GREY_KNOWN);
}

Test(greylist, coming_early_does_not_begin_the_delay_anew)
{
	at(0);
	for (uint64_t s = 1; s < 300; s++)
		cr_assert_eq(at(s), GREY_EARLY);
	cr_assert_eq(at(300), GREY_FIRST_PASS);
}

Test(greylist, who_comes_too_late_begins_anew)
{
	at(0);
	cr_assert_eq(at(300 + 3600 + 1), GREY_NEW);
	cr_assert_eq(at(300 + 3600 + 2), GREY_EARLY);
	cr_assert_eq(at(300 + 3600 + 301), GREY_FIRST_PASS);
	cr_assert_eq(at(300 + 3600 + 301 + 100001), GREY_NEW, "forgotten after disuse");
}

Test(greylist, a_clock_that_is_set_back_makes_nobody_wait_longer_than_anew)
{
	at(1000000);
	cr_assert_eq(at(0), GREY_NEW);
	cr_assert_eq(at(300), GREY_FIRST_PASS);
	cr_assert_eq(greylist_step(&entry, NOW - 1000, &terms), GREY_KNOWN);
}

Test(greylist, a_network_is_spared_after_enough_successes_and_while_it_is_used)
{
	struct grey_terms never = terms;

	never.successes = 0;
	cr_assert_not(greylist_allows(&entry, NOW, &terms));
	greylist_count(&entry, NOW, &terms);
	cr_assert_not(greylist_allows(&entry, NOW, &terms));
	greylist_count(&entry, NOW, &terms);
	cr_assert(greylist_allows(&entry, NOW, &terms));
	cr_assert_not(greylist_allows(&entry, NOW, &never));
	cr_assert_not(greylist_allows(&entry, NOW + 100001, &terms));
	cr_assert(greylist_is_stale(&entry, true, NOW + 100001, &terms));
	greylist_count(&entry, NOW + 100001, &terms);
	cr_assert_not(greylist_allows(&entry, NOW + 100001, &terms), "it begins anew");
	entry.count = GREYLIST_ALLOWED;
	cr_assert(greylist_allows(&entry, NOW + 10000000, &terms));
	cr_assert_not(greylist_is_stale(&entry, true, NOW + 10000000, &terms));
	greylist_count(&entry, NOW, &terms);
	cr_assert_eq(entry.count, GREYLIST_ALLOWED);
}

Test(greylist, a_client_stands_for_its_network)
{
	struct host_address address;
	char text[GREYLIST_NETWORK_TEXT];

	host_address_parse(SLICE("192.0.2.77"), &address);
	greylist_network(&address, text);
	cr_assert_str_eq(text, "192.0.2.0/24");
	host_address_parse(SLICE("2001:db8:1:2:3:4:5:6"), &address);
	greylist_network(&address, text);
	cr_assert_str_eq(text, "2001:db8:1:2::/64");
}

static bool are_one(const char *a, const char *b)
{
	struct buf one = buf_with_limit(1000), other = buf_with_limit(1000);
	bool same;

	cr_assert(greylist_triplet(&one, "n", slice_string(a), SLICE("bob@example.org")));
	cr_assert(greylist_triplet(&other, "n", slice_string(b), SLICE("BOB@example.org")));
	same = slice_equal(buf_slice(&one), buf_slice(&other));
	buf_free(&one);
	buf_free(&other);
	return same;
}

Test(greylist, senders_that_differ_in_numbers_and_extensions_are_one)
{
	cr_assert(are_one("a@b.example", "A@B.example"));
	cr_assert(are_one("bounce-12-77@b.example", "bounce-345-6@b.example"));
	cr_assert(are_one("a+x@b.example", "a+y=z@b.example"));
	cr_assert_not(are_one("a@b.example", "b@b.example"));
	cr_assert_not(are_one("a@b1.example", "a@b2.example"), "in the domain a number is a name");
	cr_assert_not(are_one("bounce@b.example", "bounce-1@b.example"));
	cr_assert(are_one("", ""));
}
