/*
 * network.c - addresses of hosts, and networks of them.
 */
#include "common/network.h"

#include <arpa/inet.h>
#include <string.h>

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

void host_address_from_octets(struct host_address *address, uint8_t family, const void *octets)
{
	*address = (struct host_address){.family = family};
	memcpy(address->octets, octets, family == AF_INET ? 4 : 16);
	if (family == AF_INET6 && memcmp(address->octets, mapped, sizeof mapped) == 0) {
		address->family = AF_INET;
		memmove(address->octets, address->octets + 12, 4);
		memset(address->octets + 4, 0, 12);
	}
}

bool host_address_from_socket(struct host_address *address, const struct sockaddr *from)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)from;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)from;

	*address = (struct host_address){0};
	if (from->sa_family == AF_INET)
		host_address_from_octets(address, AF_INET, &in->sin_addr);
	else if (from->sa_family == AF_INET6)
		host_address_from_octets(address, AF_INET6, &in6->sin6_addr);
	return address->family != 0;
}

bool host_address_parse(struct slice text, struct host_address *address)
{
	char buffer[HOST_ADDRESS_TEXT];
	uint8_t octets[16];

	*address = (struct host_address){0};
	if (!slice_copy(text, buffer, sizeof buffer))
		return false;
	if (inet_pton(AF_INET, buffer, octets) == 1)
		host_address_from_octets(address, AF_INET, octets);
	else if (inet_pton(AF_INET6, buffer, octets) == 1)
		host_address_from_octets(address, AF_INET6, octets);
	return address->family != 0;
}

void host_address_print(const struct host_address *address, char text[HOST_ADDRESS_TEXT])
{
	if (address->family == 0 ||
	    inet_ntop(address->family, address->octets, text, HOST_ADDRESS_TEXT) == NULL)
		text[0] = '\0';
}

bool host_address_is_loopback(const struct host_address *address)
{
	static const uint8_t loopback[16] = {[15] = 1};

	return address->family == AF_INET ? address->octets[0] == 127
					  : memcmp(address->octets, loopback, sizeof loopback) == 0;
}

void host_address_to_socket(
    const struct host_address *address, uint16_t port, struct sockaddr_storage *to)
{
	struct sockaddr_in *in = (struct sockaddr_in *)(void *)to;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)to;

	memset(to, 0, sizeof *to);
	to->ss_family = address->family;
	if (address->family == AF_INET) {
		in->sin_port = htons(port);
		memcpy(&in->sin_addr, address->octets, 4);
	} else {
		in6->sin6_port = htons(port);
		memcpy(&in6->sin6_addr, address->octets, 16);
	}
}

/* --- networks ------------------------------------------------------------------ */

static unsigned bits_of(uint8_t family)
{
	return family == AF_INET ? 32 : 128;
}

bool network_parse(struct slice word, struct network *network)
{
	ssize_t slash = slice_find(word, 0, '/');
	struct slice address = slash < 0 ? word : slice_part(word, 0, (size_t)slash);
	uint64_t bits;

	if (!host_address_parse(address, &network->base))
		return false;
	bits = bits_of(network->base.family);
	if (slash >= 0 && !slice_number(slice_from(word, (size_t)slash + 1), bits, &bits))
		return false;
	network->bits = (unsigned)bits;
	return true;
}

bool network_has(const struct network *network, const struct host_address *address)
{
	size_t whole = network->bits / 8;
	unsigned rest = network->bits % 8;

	if (address->family != network->base.family ||
	    memcmp(address->octets, network->base.octets, whole) != 0)
		return false;
	return rest == 0 ||
	       (address->octets[whole] ^ network->base.octets[whole]) >> (8 - rest) == 0;
}

bool networks_have(const struct conf_list *words, const struct host_address *address)
{
	struct network network;

	for (size_t i = 0; i < words->count; i++) {
		if (network_parse(slice_string(words->words[i]), &network) &&
		    network_has(&network, address))
			return true;
	}
	return false;
}

struct network network_of(const struct host_address *address, unsigned bits)
{
	struct network network = {*address, bits};
	unsigned all = bits_of(address->family);

	if (network.bits > all)
		network.bits = all;
	for (unsigned i = 0; i < 16; i++) {
		unsigned kept = i * 8 >= network.bits ? 0 : network.bits - i * 8;

		if (kept < 8)
			network.base.octets[i] &= (uint8_t)(0xff00 >> kept);
	}
	return network;
}
