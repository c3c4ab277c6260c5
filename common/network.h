/*
 * network.h - addresses of hosts, and networks of them.
 */
#ifndef PETREL_COMMON_NETWORK_H
#define PETREL_COMMON_NETWORK_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "common/conf.h"
#include "common/slice.h"

enum { HOST_ADDRESS_TEXT = INET6_ADDRSTRLEN };

struct host_address {
	uint8_t family;     /* AF_INET or AF_INET6; 0: none */
	uint8_t octets[16]; /* in network order; the first 4 for AF_INET, zeros behind them */
};

/* From a socket's address; an IPv4 address in IPv6 clothes is an IPv4 address.  False for another family. */
bool host_address_from_socket(struct host_address *address, const struct sockaddr *from);
/* From its octets: 4 of them for AF_INET, 16 for AF_INET6, with the same care. */
void host_address_from_octets(struct host_address *address, uint8_t family, const void *octets);
/* "192.0.2.1", "2001:db8::1", and nothing else. */
bool host_address_parse(struct slice text, struct host_address *address);
void host_address_print(const struct host_address *address, char text[HOST_ADDRESS_TEXT]);
bool host_address_is_loopback(const struct host_address *address);
/* As connect() and accept() have it. */
void host_address_to_socket(
    const struct host_address *address, uint16_t port, struct sockaddr_storage *to);

struct network {
	struct host_address base;
	unsigned bits;
};

/* "192.0.2.0/24", "2001:db8::/32", or a single address. */
bool network_parse(struct slice word, struct network *network);
bool network_has(const struct network *network, const struct host_address *address);
/* Is it in one of them?  What cannot be read has nobody in it. */
bool networks_have(const struct conf_list *words, const struct host_address *address);
/* The network of that many bits that the address is in. */
struct network network_of(const struct host_address *address, unsigned bits);

#endif
