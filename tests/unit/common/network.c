/* What network.h promises. */
#include "common/network.h"

#include <criterion/criterion.h>
#include <stdio.h>

static struct host_address at(const char *text)
{
	struct host_address address;

	cr_assert(host_address_parse(slice_string(text), &address), "%s", text);
	return address;
}

static bool is_in(const char *text, const char *word)
{
	struct host_address address = at(text);
	char copy[64];
	char *words[] = {copy};

	snprintf(copy, sizeof copy, "%s", word);
	return networks_have(&(struct conf_list){1, words}, &address);
}

static void expect_network(const char *text, unsigned bits, const char *expected)
{
	struct host_address address = at(text);
	struct network network = network_of(&address, bits);
	char printed[HOST_ADDRESS_TEXT];

	host_address_print(&network.base, printed);
	cr_assert_str_eq(printed, expected, "%s/%u is %s", text, bits, printed);
}

Test(network, an_ipv4_address_in_ipv6_clothes_is_an_ipv4_address)
{
	struct host_address address = at("::ffff:127.0.0.1");

	cr_assert_eq(address.family, AF_INET);
	cr_assert(host_address_is_loopback(&address));
	cr_assert(is_in("::ffff:127.0.0.1", "127.0.0.0/8"));
}

Test(network, networks_are_matched_to_the_bit)
{
	cr_assert(is_in("192.0.2.255", "192.0.2.0/24"));
	cr_assert_not(is_in("192.0.3.0", "192.0.2.0/24"));
	cr_assert(is_in("10.127.255.255", "10.0.0.0/9"));
	cr_assert_not(is_in("10.128.0.0", "10.0.0.0/9"));
	cr_assert(is_in("192.0.2.7", "192.0.2.7"));
	cr_assert_not(is_in("192.0.2.8", "192.0.2.7"));
	cr_assert(is_in("2001:db8:ffff::1", "2001:db8::/32"));
	cr_assert_not(is_in("2001:db9::1", "2001:db8::/32"));
	cr_assert(is_in("2001:db8::1", "2001:db8::1/128"));
	cr_assert(is_in("203.0.113.9", "0.0.0.0/0"));
	cr_assert_not(is_in("2001:db8::1", "0.0.0.0/0"));
	cr_assert_not(is_in("203.0.113.9", "::/0"));
}

Test(network, what_is_no_network_has_nobody_in_it)
{
	static const char *const words[] = {
	    "none", "", "10.0.0.0/33", "10.0.0.0/", "10.0.0/8", "::/129", "10.0.0.0/-1", "x/8"};
	struct network network;

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		cr_assert_not(network_parse(slice_string(words[i]), &network), "%s", words[i]);
		cr_assert_not(is_in("10.0.0.1", words[i]), "%s", words[i]);
	}
}

Test(network, the_network_of_an_address_has_no_bit_behind_its_length)
{
	expect_network("192.0.2.255", 24, "192.0.2.0");
	expect_network("10.255.255.255", 9, "10.128.0.0");
	expect_network("192.0.2.255", 32, "192.0.2.255");
	expect_network("192.0.2.255", 99, "192.0.2.255");
	expect_network("192.0.2.255", 0, "0.0.0.0");
	expect_network("2001:db8:ffff:ffff:ffff::1", 64, "2001:db8:ffff:ffff::");
	expect_network("2001:db8:ffff:ffff:ffff::1", 47, "2001:db8:fffe::");
}
