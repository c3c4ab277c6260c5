/*
 * nameservers.c - which DNS servers to ask.
 */
#include "resolver/nameservers.h"

#include <arpa/inet.h>

static bool is_address(struct slice text)
{
	char address[NAMESERVER_TEXT_MAX];
	uint8_t octets[16];
	ssize_t scope = slice_find(text, 0, '%');

	/* "fe80::1%eth0": what follows the sign is the interface. */
	if (scope > 0)
		text = slice_part(text, 0, (size_t)scope);
	return slice_copy(text, address, sizeof address) &&
	       (inet_pton(AF_INET6, address, octets) == 1 ||
		   (scope < 0 && inet_pton(AF_INET, address, octets) == 1));
}

bool nameservers_add(struct nameservers *n, struct slice text)
{
	struct slice address = text;
	ssize_t at = slice_find(text, 0, '@');
	uint64_t port;

	if (at >= 0) {
		address = slice_part(text, 0, (size_t)at);
		if (!slice_number(slice_from(text, (size_t)at + 1), 65535, &port) || port == 0)
			return false;
	}
	if (n->count == NAMESERVERS_MAX || !is_address(address) ||
	    !slice_copy(text, n->servers[n->count], NAMESERVER_TEXT_MAX))
		return false;
	n->count++;
	return true;
}

static bool is_not_blank(int octet)
{
	return !octet_is_space(octet) && octet != '\r';
}

void nameservers_read(struct nameservers *n, struct slice text, void (*refuse)(struct slice server))
{
	struct cursor lines = cursor_over(text);

	while (!cursor_done(&lines)) {
		struct cursor line = cursor_over(slice_trim(cursor_take_until(&lines, '\n')));
		struct slice server;

		cursor_accept(&lines, '\n');
		if (!slice_equal(cursor_take_while(&line, is_not_blank), SLICE("nameserver")))
			continue;
		line = cursor_over(slice_trim(cursor_rest(&line)));
		server = cursor_take_while(&line, is_not_blank);
		if (!nameservers_add(n, server))
			refuse(server);
	}
}
