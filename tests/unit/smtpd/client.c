/* What client.h promises. */
#include <arpa/inet.h>
#include <criterion/criterion.h>

#include "smtpd/client.h"

static struct client client_at(const char *address)
{
	struct client client = {0};
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};

	if (inet_pton(AF_INET, address, &in.sin_addr) == 1)
		cr_assert(client_from_address(&client, (struct sockaddr *)&in));
	else if (inet_pton(AF_INET6, address, &in6.sin6_addr) == 1)
		cr_assert(client_from_address(&client, (struct sockaddr *)&in6));
	return client;
}

Test(client, an_ipv4_address_in_ipv6_clothes_is_an_ipv4_address)
{
	struct client client = client_at("::ffff:192.0.2.7");

	cr_assert_eq(client.family, AF_INET);
	cr_assert_str_eq(client.text, "192.0.2.7");
	cr_assert(client_at("::ffff:127.0.0.1").is_loopback);
}
