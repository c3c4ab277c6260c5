/* What site.h promises. */
#include <criterion/criterion.h>
#include <sys/socket.h>

#include "delivery/smtp/site.h"

static struct resolver_hosts hosts;
static struct route route;
static struct route_failure failure;
static struct site site;

/* The next host, with `addresses` addresses 192.0.2.N. */
static void add(const char *name, uint16_t preference, uint8_t addresses)
{
	struct resolver_host *host = &hosts.hosts[hosts.count++];

	*host = (struct resolver_host){.preference = preference, .address_count = addresses};
	strcpy(host->name, name);
	host->status = addresses == 0 ? RESOLVER_NO_DATA : RESOLVER_OK;
	for (uint8_t i = 0; i < addresses; i++)
		host->addresses[i] = (struct resolver_address){
		    AF_INET, {192, 0, 2, (uint8_t)(10 * hosts.count + i)}
                };
}

static bool find(void)
{
	return route_by_hosts(&site, &hosts, SLICE("mail.example.org"), &route, &failure);
}

static void set_up(void)
{
	hosts = (struct resolver_hosts){0};
	cr_assert(site_parse(SLICE("mx:example.net"), 25, &site));
}

TestSuite(smtp_site, .init = set_up);

Test(smtp_site, a_site_is_a_domain_a_host_or_an_address)
{
	cr_assert_eq(site.kind, SITE_MX);
	cr_assert_str_eq(site.name, "example.net");
	cr_assert_eq(site.port, 25);
	cr_assert(site_parse(SLICE("host:relay.example.net:587"), 25, &site));
	cr_assert_eq(site.kind, SITE_HOST);
	cr_assert_str_eq(site.name, "relay.example.net");
	cr_assert_eq(site.port, 587);
	cr_assert(site_parse(SLICE("host:[192.0.2.1]:2525"), 25, &site));
	cr_assert_eq(site.kind, SITE_ADDRESS);
	cr_assert_eq(site.address.family, AF_INET);
	cr_assert_eq(site.address.octets[3], 1);
	cr_assert_eq(site.port, 2525);
	cr_assert(site_parse(SLICE("host:[IPv6:2001:db8::1]:25"), 25, &site));
	cr_assert_eq(site.address.family, AF_INET6);
}

Test(smtp_site, anything_else_is_none)
{
	static const char *const texts[] = {"", "mx:", "example.net", "mx:[192.0.2.1]",
	    "mx:exa mple.net", "host:", "host:a.example", "host:a.example:", "host:a.example:0",
	    "host:a.example:65536", "host:[192.0.2.1]", "host:[192.0.2.256]:25", "host::25",
	    "lmtp:a.example:24", "MX:example.net"};

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		cr_assert_not(
		    site_parse(slice_string(texts[i]), 25, &site), "\"%s\" was taken", texts[i]);
}

Test(smtp_site, hosts_are_tried_in_order_each_at_all_its_addresses)
{
	char name[TARGET_NAME_MAX];

	add("mx1.example.net", 10, 2);
	add("mx2.example.net", 20, 1);
	cr_assert(find());
	cr_assert_eq(route.count, 3);
	target_name(&route.targets[0], name);
	cr_assert_str_eq(name, "mx1.example.net[192.0.2.10]:25");
	target_name(&route.targets[1], name);
	cr_assert_str_eq(name, "mx1.example.net[192.0.2.11]:25");
	target_name(&route.targets[2], name);
	cr_assert_str_eq(name, "mx2.example.net[192.0.2.20]:25");
}

Test(smtp_site, no_more_addresses_are_tried_than_the_limit)
{
	for (int i = 0; i < 4; i++)
		add("mx.example.net", 10, 5);
	cr_assert(find());
	cr_assert_eq(route.count, ROUTE_MAX);
}

Test(smtp_site, a_host_without_an_address_is_passed_over)
{
	add("mx1.example.net", 10, 0);
	add("mx2.example.net", 20, 1);
	cr_assert(find());
	cr_assert_eq(route.count, 1);
	cr_assert_str_eq(route.targets[0].host, "mx2.example.net");
}

Test(smtp_site, mail_never_goes_to_this_host_itself_nor_to_one_that_is_no_nearer)
{
	add("mx1.example.net", 10, 1);
	add("MAIL.example.ORG", 20, 1);
	add("mx2.example.net", 20, 1);
	add("mx3.example.net", 30, 1);
	cr_assert(find());
	cr_assert_eq(route.count, 1);
	cr_assert_str_eq(route.targets[0].host, "mx1.example.net");
}

Test(smtp_site, mail_that_would_come_back_to_this_host_fails)
{
	add("mail.example.org", 10, 1);
	add("mx3.example.net", 30, 1);
	cr_assert_not(find());
	cr_assert_eq(failure.outcome, DELIVERY_FAILED);
	cr_assert_str_eq(failure.status, "5.4.6");
}

Test(smtp_site, a_relay_of_that_name_is_no_loop)
{
	cr_assert(site_parse(SLICE("host:mail.example.org:2525"), 25, &site));
	add("mail.example.org", 0, 1);
	cr_assert(find());
}

Test(smtp_site, what_the_dns_says_decides_between_failure_and_another_try)
{
	static const struct {
		enum resolver_status said;
		enum delivery_outcome outcome;
		const char *status;
	} cases[] = {
	    {RESOLVER_NO_NAME,   DELIVERY_FAILED,   "5.1.2" },
	    {RESOLVER_BAD_NAME,  DELIVERY_FAILED,   "5.1.2" },
	    {RESOLVER_NULL_MX,   DELIVERY_FAILED,   "5.1.10"},
	    {RESOLVER_NO_DATA,   DELIVERY_FAILED,   "5.4.4" },
	    {RESOLVER_TEMPORARY, DELIVERY_DEFERRED, "4.4.3" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		hosts.status = cases[i].said;
		cr_assert_not(find());
		cr_assert_eq(failure.outcome, cases[i].outcome);
		cr_assert_str_eq(failure.status, cases[i].status);
	}
}

Test(smtp_site, hosts_whose_addresses_cannot_be_found_just_now_are_tried_later)
{
	add("mx1.example.net", 10, 0);
	add("mx2.example.net", 20, 0);
	cr_assert_not(find());
	cr_assert_eq(failure.outcome, DELIVERY_FAILED);
	cr_assert_str_eq(failure.status, "5.4.4");
	hosts.hosts[1].status = RESOLVER_TEMPORARY;
	cr_assert_not(find());
	cr_assert_eq(failure.outcome, DELIVERY_DEFERRED);
}

Test(smtp_site, a_host_name_with_control_characters_reaches_no_log)
{
	char name[TARGET_NAME_MAX];

	add("mx\n\x1b.example.net", 10, 1);
	cr_assert(find());
	target_name(&route.targets[0], name);
	cr_assert_str_eq(name, "mx??.example.net[192.0.2.10]:25");
}
