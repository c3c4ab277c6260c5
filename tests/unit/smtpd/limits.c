/* What limits.h promises. */
#include "smtpd/limits.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>

#include "common/tally.h"
#include "tests/unit/smtpd/fake_house.h"

static void open_limits(void)
{
	fake_open();
	cr_assert(limits_take_table(tally_create(1), 0));
}

TestSuite(limits, .init = open_limits, .fini = fake_close);

static struct client client_at(const char *text)
{
	struct client client;
	struct host_address address;
	struct sockaddr_storage from;

	cr_assert(host_address_parse(slice_string(text), &address));
	host_address_to_socket(&address, 25, &from);
	cr_assert(client_from_address(&client, (struct sockaddr *)&from));
	return client;
}

static void expect_in(struct client *client)
{
	const char *limit = limits_connect(client);

	cr_assert_null(limit, "%s: %s", client->text, limit);
}

static void expect_out(const char *address, const char *limit)
{
	struct client client = client_at(address);
	const char *against = limits_connect(&client);

	cr_assert_not_null(against, "%s was let in", address);
	cr_assert_str_eq(against, limit);
}

Test(limits, a_client_has_as_many_connections_as_the_limit_says_and_no_more)
{
	struct client a = client_at("192.0.2.1"), again = a, b = client_at("192.0.2.2");

	fake_set("limits.client.connections 2\n");
	expect_in(&a);
	expect_in(&again);
	expect_out("192.0.2.1", "limits.client.connections");
	expect_in(&b);
	limits_disconnect(&a);
	a = client_at("192.0.2.1");
	expect_in(&a);
	expect_out("192.0.2.1", "limits.client.connections");
}

Test(limits, a_network_has_a_limit_of_its_own)
{
	struct client a = client_at("192.0.2.1"), b = client_at("192.0.2.2"),
		      c = client_at("192.0.3.1");

	fake_set("limits.network.connections 2\n");
	expect_in(&a);
	expect_in(&b);
	expect_out("192.0.2.3", "limits.network.connections");
	expect_in(&c);
}

Test(limits, all_addresses_of_an_ipv6_network_are_one_client)
{
	struct client a = client_at("2001:db8::1"), c = client_at("2001:db8:0:1::1"),
		      d = client_at("2001:db9::1");

	fake_set("limits { client { connections 1 }\n network { connections 2 } }\n");
	expect_in(&a);
	expect_out("2001:db8::ffff:2", "limits.client.connections");
	expect_in(&c);
	expect_out("2001:db8:0:2::1", "limits.network.connections");
	expect_in(&d);
}

Test(limits, connections_in_a_minute_are_counted_whether_they_were_let_in_or_not)
{
	fake_set("limits.client.connections-per-minute 3\n");
	for (int i = 0; i < 3; i++) {
		struct client a = client_at("192.0.2.1");

		expect_in(&a);
		limits_disconnect(&a);
	}
	expect_out("192.0.2.1", "limits.client.connections-per-minute");
	expect_out("192.0.2.1", "limits.client.connections-per-minute");
}

Test(limits, what_a_client_does_is_counted_for_it_and_for_its_network)
{
	struct client a = client_at("192.0.2.1"), b = client_at("192.0.2.2");

	fake_set("limits { client { messages 2 }\n network { messages 3 } }\n");
	expect_in(&a);
	expect_in(&b);
	limits_count(&a, LIMIT_MESSAGES, 1);
	cr_assert_null(limits_against(&a, LIMIT_MESSAGES));
	limits_count(&a, LIMIT_MESSAGES, 1);
	cr_assert_str_eq(limits_against(&a, LIMIT_MESSAGES), "limits.client.messages");
	cr_assert_null(limits_against(&a, LIMIT_RECIPIENTS));
	cr_assert_null(limits_against(&b, LIMIT_MESSAGES));
	limits_count(&b, LIMIT_MESSAGES, 1);
	cr_assert_str_eq(limits_against(&b, LIMIT_MESSAGES), "limits.network.messages");
}

Test(limits, who_is_exempt_is_not_counted)
{
	fake_set("limits { client { connections 1 }\n exempt 192.0.2.0/24 }\n");
	for (int i = 0; i < 5; i++) {
		struct client a = client_at("192.0.2.1");

		expect_in(&a);
	}
}

Test(limits, nought_is_any_number)
{
	fake_set("limits { client { connections 0\n connections-per-minute 0 }\n"
		 " network { connections 0\n connections-per-minute 0 } }\n");
	for (int i = 0; i < 5000; i++) {
		struct client a = client_at("192.0.2.1");

		expect_in(&a);
	}
}

Test(limits, a_user_of_this_host_is_no_client)
{
	struct client user;

	fake_set("limits { exempt none\n client { connections 1 } }\n");
	for (int i = 0; i < 5; i++) {
		client_from_user(&user, 1000, "carol");
		expect_in(&user);
	}
}
