/* What nameservers.h promises. */
#include <criterion/criterion.h>

#include "resolver/nameservers.h"

static unsigned refused;

static void count_refusal(struct slice server)
{
	(void)server;
	refused++;
}

Test(nameservers, are_addresses_with_or_without_a_port)
{
	struct nameservers n = {0};

	cr_assert(nameservers_add(&n, SLICE("192.0.2.1")));
	cr_assert(nameservers_add(&n, SLICE("127.0.0.1@5353")));
	cr_assert(nameservers_add(&n, SLICE("2001:db8::1@53")));
	cr_assert(nameservers_add(&n, SLICE("fe80::1%eth0")));
	cr_assert_eq(n.count, 4);
	cr_assert_str_eq(n.servers[1], "127.0.0.1@5353");
	cr_assert_not(nameservers_add(&n, SLICE("")));
	cr_assert_not(nameservers_add(&n, SLICE("ns.example.org")));
	cr_assert_not(nameservers_add(&n, SLICE("192.0.2.1@")));
	cr_assert_not(nameservers_add(&n, SLICE("192.0.2.1@0")));
	cr_assert_not(nameservers_add(&n, SLICE("192.0.2.1@65536")));
	cr_assert_not(nameservers_add(&n, SLICE("192.0.2.1:53")));
	cr_assert_eq(n.count, 4);
}

Test(nameservers, of_a_resolv_conf_are_its_nameserver_lines)
{
	struct nameservers n = {0};

	nameservers_read(&n,
	    SLICE("# nameserver 10.0.0.9\nsearch example.org\n\tnameserver\t10.0.0.1  # first\r\n"
		  "nameserver nonsense\nnameserver 10.0.0.2\nnameservers 10.0.0.3\noptions edns0"),
	    count_refusal);
	cr_assert_eq(n.count, 2);
	cr_assert_str_eq(n.servers[0], "10.0.0.1");
	cr_assert_str_eq(n.servers[1], "10.0.0.2");
	cr_assert_eq(refused, 1);
}

Test(nameservers, are_so_many_and_no_more)
{
	struct nameservers n = {0};

	for (int i = 0; i < NAMESERVERS_MAX; i++)
		cr_assert(nameservers_add(&n, SLICE("192.0.2.1")));
	cr_assert_not(nameservers_add(&n, SLICE("192.0.2.1")));
}
