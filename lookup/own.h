/*
 * own.h - this host's own addresses.
 *
 * Mail for "alice@[192.0.2.1]" (RFC 5321, 4.1.3) is mail for this host where that
 * is an address of it: one of an interface, one that petrel.conf listens on, or
 * any that never leaves a host.
 */
#ifndef PETREL_LOOKUP_OWN_H
#define PETREL_LOOKUP_OWN_H

#include "common/conf.h"
#include "common/network.h"

enum { OWN_ADDRESSES_MAX = 1024 };

struct own_addresses {
	size_t count;
	struct host_address list[OWN_ADDRESSES_MAX];
};

/*
 * Learn the addresses of the interfaces, as they are now.  It asks the kernel by a
 * socket, so it is for the time before a process gives up its rights.
 */
void own_addresses_learn(void);
/* What was learnt, and the addresses in listen.mx, listen.submission and listen.submissions. */
void own_addresses_collect(struct own_addresses *own, const struct settings *settings);
bool own_addresses_have(const struct own_addresses *own, const struct host_address *address);

#endif
