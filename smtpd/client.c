/*
 * client.c - who is at the other end.
 */
#include "smtpd/client.h"

#include <stdio.h>
#include <string.h>

bool client_from_address(struct client *client, const struct sockaddr *from)
{
	struct host_address address;

	*client = (struct client){0};
	if (!host_address_from_socket(&address, from))
		return false;
	client->family = address.family;
	memcpy(client->octets, address.octets, sizeof client->octets);
	client->is_loopback = host_address_is_loopback(&address);
	host_address_print(&address, client->text);
	return true;
}

void client_from_user(struct client *client, uint32_t uid, const char *user)
{
	*client =
	    (struct client){.family = AF_UNIX, .uid = uid, .may_relay = true, .is_loopback = true};
	snprintf(client->text, sizeof client->text, "uid %u", uid);
	snprintf(client->user, sizeof client->user, "%s", user);
}

struct host_address client_address(const struct client *client)
{
	struct host_address address = {.family = client->family};

	memcpy(address.octets, client->octets, sizeof address.octets);
	return address;
}

bool client_is_in(const struct client *client, const struct conf_list *networks)
{
	struct host_address address = client_address(client);

	return networks_have(networks, &address);
}
