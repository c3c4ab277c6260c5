/* What answer.h promises. */
#include <criterion/criterion.h>

#include <sys/socket.h>

#include "resolver/answer.h"

static struct resolver_hosts hosts;

/* No shuffling: every order is as it came. */
static uint32_t last_below(uint32_t bound)
{
	return bound - 1;
}

static uint32_t next_random;

/* Numbers that fall, so that what came last sorts first. */
static uint32_t falling_below(uint32_t bound)
{
	return --next_random % bound;
}

static struct dns_answer answer_of(size_t count, const struct slice *records)
{
	struct dns_answer answer = {.status = RESOLVER_OK, .count = count};

	memcpy(answer.records, records, count * sizeof *records);
	return answer;
}

static void expect_hosts(const char *expected)
{
	struct buf found = buf_with_limit(65536);

	for (unsigned i = 0; i < hosts.count; i++)
		buf_printf(&found, "%u %s; ", hosts.hosts[i].preference, hosts.hosts[i].name);
	cr_assert(slice_equal(buf_slice(&found), slice_string(expected)), "%.*s",
	    SLICE_PRINTF(buf_slice(&found)));
	buf_free(&found);
}

Test(dns_name, is_read_from_the_wire_in_lower_case)
{
	char name[RESOLVER_NAME_MAX + 1];

	cr_assert(dns_name_text(SLICE("\2Mx\7example\3ORG\0"), name));
	cr_assert_str_eq(name, "mx.example.org");
	cr_assert(dns_name_text(SLICE("\0"), name));
	cr_assert_str_eq(name, "");
	cr_assert(dns_name_text(SLICE("\5_x-y1\0"), name));
	cr_assert_str_eq(name, "_x-y1");
}

Test(dns_name, with_octets_that_no_host_has_is_refused)
{
	char name[RESOLVER_NAME_MAX + 1];

	cr_assert_not(dns_name_text(SLICE("\3a.b\0"), name));
	cr_assert_not(dns_name_text(SLICE("\3a\nb\0"), name));
	cr_assert_not(dns_name_text(SLICE("\3a\0b\0"), name));
	cr_assert_not(dns_name_text(SLICE("\3a b\0"), name));
	cr_assert_not(dns_name_text(SLICE("\3a\x80"
					  "b\0"),
	    name));
	cr_assert_not(dns_name_text(SLICE("\1*\0"), name));
}

Test(dns_name, that_is_cut_off_or_too_long_is_refused)
{
	char name[RESOLVER_NAME_MAX + 1], wire[400];

	cr_assert_not(dns_name_text(SLICE(""), name));
	cr_assert_not(dns_name_text(SLICE("\3ab"), name));
	cr_assert_not(dns_name_text(SLICE("\3abc"), name));
	cr_assert_not(dns_name_text(SLICE("\3abc\0x"), name));
	cr_assert_not(dns_name_text(SLICE("\xc0\x0c"), name));
	for (size_t i = 0; i < sizeof wire; i += 2)
		memcpy(wire + i, "\1a", 2);
	wire[254] = '\0';
	cr_assert_not(dns_name_text(slice_of(wire, 255 + 2), name));
	wire[256] = '\0';
	cr_assert_not(dns_name_text(slice_of(wire, 257), name));
	wire[252] = '\0';
	cr_assert(dns_name_text(slice_of(wire, 253), name));
	cr_assert_eq(strlen(name), 251);
}

Test(dns_name, that_can_be_asked_for_is_made_of_labels)
{
	cr_assert(dns_name_is_valid(SLICE("mail.example.org")));
	cr_assert(dns_name_is_valid(SLICE("localhost")));
	cr_assert(dns_name_is_valid(SLICE("_dmarc.xn--bcher-kva.example")));
	cr_assert_not(dns_name_is_valid(SLICE("")));
	cr_assert_not(dns_name_is_valid(SLICE(".")));
	cr_assert_not(dns_name_is_valid(SLICE("a..b")));
	cr_assert_not(dns_name_is_valid(SLICE(".a")));
	cr_assert_not(dns_name_is_valid(SLICE("a.")));
	cr_assert_not(dns_name_is_valid(SLICE("a b")));
	cr_assert_not(dns_name_is_valid(SLICE("[192.0.2.1]")));
	cr_assert_not(dns_name_is_valid(SLICE("b\xc3\xbc"
					      "cher.example")));
	cr_assert_not(dns_name_is_valid(
	    SLICE("a23456789012345678901234567890123456789012345678901234567890abcd.example")));
}

Test(mx, hosts_are_ordered_by_preference)
{
	struct slice records[] = {SLICE("\0\24\1b\0"), SLICE("\0\12\1a\0"), SLICE("\1\0\1c\0")};
	struct dns_answer answer = answer_of(3, records);

	answer_take_mx(&answer, last_below, &hosts);
	cr_assert_eq(hosts.status, RESOLVER_OK);
	expect_hosts("10 a; 20 b; 256 c; ");
}

Test(mx, hosts_of_one_preference_are_in_random_order)
{
	struct slice records[] = {
	    SLICE("\0\12\1a\0"), SLICE("\0\12\1b\0"), SLICE("\0\12\1c\0"), SLICE("\0\1\1d\0")};
	struct dns_answer answer = answer_of(4, records);
	unsigned first[3] = {0, 0, 0};

	next_random = 1000;
	answer_take_mx(&answer, falling_below, &hosts);
	expect_hosts("1 d; 10 c; 10 b; 10 a; ");
	for (int i = 0; i < 3000; i++) {
		answer_take_mx(&answer, arc4random_uniform, &hosts);
		cr_assert_str_eq(hosts.hosts[0].name, "d");
		first[hosts.hosts[1].name[0] - 'a']++;
	}
	for (int i = 0; i < 3; i++)
		cr_assert(first[i] > 800 && first[i] < 1200, "%u of 3000", first[i]);
}

Test(mx, the_root_alone_says_that_the_domain_takes_no_mail)
{
	struct slice records[] = {SLICE("\0\0\0")};
	struct dns_answer answer = answer_of(1, records);

	answer_take_mx(&answer, last_below, &hosts);
	cr_assert_eq(hosts.status, RESOLVER_NULL_MX);
	cr_assert_eq(hosts.count, 0);
}

Test(mx, the_root_beside_other_hosts_is_passed_over)
{
	struct slice records[] = {SLICE("\0\0\0"), SLICE("\0\12\1a\0")};
	struct dns_answer answer = answer_of(2, records);

	answer_take_mx(&answer, last_below, &hosts);
	cr_assert_eq(hosts.status, RESOLVER_OK);
	expect_hosts("10 a; ");
}

Test(mx, a_host_that_comes_twice_is_tried_once)
{
	struct slice records[] = {SLICE("\0\24\1a\0"), SLICE("\0\12\1A\0"), SLICE("\0\17\1b\0")};
	struct dns_answer answer = answer_of(3, records);

	answer_take_mx(&answer, last_below, &hosts);
	expect_hosts("10 a; 15 b; ");
}

Test(mx, malformed_records_are_passed_over)
{
	struct slice records[] = {SLICE(""), SLICE("\0"), SLICE("\0\12"), SLICE("\0\12\3a\nb\0"),
	    SLICE("\0\12\1a\0x"), SLICE("\0\12\1b\0")};
	struct dns_answer answer = answer_of(6, records);

	answer_take_mx(&answer, last_below, &hosts);
	expect_hosts("10 b; ");
	answer.count = 5;
	answer_take_mx(&answer, last_below, &hosts);
	cr_assert_eq(hosts.status, RESOLVER_NO_DATA);
	cr_assert_eq(hosts.count, 0);
}

Test(mx, of_too_many_hosts_the_most_preferred_are_kept)
{
	static char wire[DNS_RECORDS_MAX][6];
	struct dns_answer answer = {.status = RESOLVER_OK, .count = DNS_RECORDS_MAX};

	for (int i = 0; i < DNS_RECORDS_MAX; i++) {
		char record[6] = {
		    0, (char)(255 - i), 2, (char)('a' + i / 26), (char)('a' + i % 26), 0};

		memcpy(wire[i], record, sizeof record);
		answer.records[i] = slice_of(wire[i], sizeof wire[i]);
	}
	answer_take_mx(&answer, last_below, &hosts);
	cr_assert_eq(hosts.count, RESOLVER_HOSTS_MAX);
	for (unsigned i = 0; i < hosts.count; i++)
		cr_assert_eq(hosts.hosts[i].preference, i);
}

static struct address_list list_of(uint8_t family, size_t count)
{
	struct address_list list = {.status = RESOLVER_OK, .count = count};

	for (size_t i = 0; i < count; i++)
		list.addresses[i] = (struct resolver_address){family, {(uint8_t)i}};
	return list;
}

Test(addresses, of_both_families_take_turns)
{
	struct address_list v4 = list_of(AF_INET, 3), v6 = list_of(AF_INET6, 1);
	struct resolver_host host = {.name = "a"};

	host_take_addresses(&host, &v4, &v6);
	cr_assert_eq(host.status, RESOLVER_OK);
	cr_assert_eq(host.address_count, 4);
	cr_assert_eq(host.addresses[0].family, AF_INET6);
	cr_assert_eq(host.addresses[1].family, AF_INET);
	cr_assert_eq(host.addresses[1].octets[0], 0);
	cr_assert_eq(host.addresses[3].octets[0], 2);
}

Test(addresses, never_exceed_the_limit)
{
	struct address_list v4 = list_of(AF_INET, 16), v6 = list_of(AF_INET6, 16);
	struct resolver_host host = {.name = "a"};

	host_take_addresses(&host, &v4, &v6);
	cr_assert_eq(host.address_count, RESOLVER_ADDRESSES_MAX);
	cr_assert_eq(host.addresses[15].family, AF_INET);
}

Test(addresses, of_the_wrong_length_are_passed_over)
{
	struct slice records[] = {SLICE("abc"), SLICE("abcd"), SLICE("abcde"), SLICE("")};
	struct dns_answer answer = answer_of(4, records);
	struct address_list list;

	answer_take_addresses(&answer, AF_INET, last_below, &list);
	cr_assert_eq(list.count, 1);
	cr_assert_eq(list.addresses[0].octets[3], 'd');
	answer_take_addresses(&answer, AF_INET6, last_below, &list);
	cr_assert_eq(list.count, 0);
	cr_assert_eq(list.status, RESOLVER_NO_DATA);
}

static enum resolver_status status_of(enum resolver_status a, enum resolver_status b)
{
	struct address_list v4 = {.status = a}, v6 = {.status = b};
	struct resolver_host host = {.name = "a"};

	host_take_addresses(&host, &v4, &v6);
	return host.status;
}

Test(addresses, that_are_missing_for_now_are_not_missing_for_good)
{
	cr_assert_eq(status_of(RESOLVER_NO_DATA, RESOLVER_TEMPORARY), RESOLVER_TEMPORARY);
	cr_assert_eq(status_of(RESOLVER_TEMPORARY, RESOLVER_NO_NAME), RESOLVER_TEMPORARY);
	cr_assert_eq(status_of(RESOLVER_NO_NAME, RESOLVER_NO_NAME), RESOLVER_NO_NAME);
	cr_assert_eq(status_of(RESOLVER_NO_DATA, RESOLVER_NO_DATA), RESOLVER_NO_DATA);
}

static enum resolver_status finished(bool by_mx, enum resolver_status a, enum resolver_status b)
{
	hosts = (struct resolver_hosts){.status = RESOLVER_OK, .count = 2};
	hosts.hosts[0].status = (uint8_t)a;
	hosts.hosts[1].status = (uint8_t)b;
	answer_finish_hosts(&hosts, by_mx);
	return hosts.status;
}

Test(hosts, one_that_can_be_reached_is_enough)
{
	cr_assert_eq(finished(true, RESOLVER_TEMPORARY, RESOLVER_OK), RESOLVER_OK);
	cr_assert_eq(finished(true, RESOLVER_NO_NAME, RESOLVER_TEMPORARY), RESOLVER_TEMPORARY);
	cr_assert_eq(finished(true, RESOLVER_NO_NAME, RESOLVER_NO_NAME), RESOLVER_NO_DATA);
	cr_assert_eq(finished(false, RESOLVER_NO_NAME, RESOLVER_NO_NAME), RESOLVER_NO_NAME);
}

Test(reverse_name, is_the_address_backwards)
{
	struct resolver_address v4 = {
	    AF_INET, {192, 0, 2, 1}
        };
	struct resolver_address v6 = {
	    AF_INET6, {0x20, 0x01, 0x0d, 0xb8, [15] = 0x1f}
        };
	char name[REVERSE_NAME_MAX];

	dns_reverse_name(&v4, name);
	cr_assert_str_eq(name, "1.2.0.192.in-addr.arpa");
	dns_reverse_name(&v6, name);
	cr_assert_str_eq(
	    name, "f.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
}

Test(reverse_name, is_confirmed_by_the_address_among_the_answers)
{
	struct slice records[] = {SLICE("\300\0\2\2"), SLICE("\300\0\2\1")};
	struct dns_answer answer = answer_of(2, records);
	struct resolver_address here =
				    {
					AF_INET, {192, 0, 2, 1}
        },
				there = {AF_INET, {192, 0, 2, 3}};

	cr_assert(answer_has_address(&answer, &here));
	cr_assert_not(answer_has_address(&answer, &there));
	answer.status = RESOLVER_TEMPORARY;
	cr_assert_not(answer_has_address(&answer, &here));
}

Test(dns_text, is_the_strings_of_a_record_put_together_and_printable)
{
	char text[16];

	cr_assert_eq(dns_text(SLICE("\3abc\0\2de"), text, sizeof text), 5);
	cr_assert(slice_equal(slice_of(text, 5), SLICE("abcde")));
	cr_assert_eq(dns_text(SLICE("\4a\nb\377"), text, sizeof text), 4);
	cr_assert(slice_equal(slice_of(text, 4), SLICE("a?b?")));
	cr_assert_eq(dns_text(SLICE("\377ab"), text, sizeof text), 2, "a length beyond the record's end");
	cr_assert_eq(dns_text(SLICE("\20aaaaaaaaaaaaaaaa\20bbbbbbbbbbbbbbbb"), text, sizeof text), 16);
	cr_assert_eq(dns_text(SLICE(""), text, sizeof text), 0);
}
