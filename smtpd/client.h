/*
 * client.h - who is at the other end.
 */
#ifndef PETREL_SMTPD_CLIENT_H
#define PETREL_SMTPD_CLIENT_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "common/conf.h"
#include "common/network.h"
#include "common/slice.h"

enum { CLIENT_TEXT_MAX = 64 };

struct client {
	uint8_t family;             /* AF_INET or AF_INET6; AF_UNIX: a user of this host, see uid */
	uint8_t octets[16];         /* the address in network order; the first 4 for AF_INET */
	uint32_t uid;               /* AF_UNIX */
	char text[CLIENT_TEXT_MAX]; /* "192.0.2.1", "2001:db8::1"; AF_UNIX: "uid 1000" */
	char user[65];              /* AF_UNIX: the login name */
	bool may_relay;             /* it is in smtp.relay-networks, or a user of this host */
	bool is_loopback;
	bool is_trial; /* the administrator in its place (petrel test session): nothing is counted, nobody waits */
	uint32_t rows[2];  /* where it is counted, alone and with its network (limits.h) */
	bool talked_early; /* it sent something before our greeting (RFC 5321, 3.1) */
};

/* From a socket's address; an IPv4 address in IPv6 clothes is an IPv4 address.  False for another family. */
bool client_from_address(struct client *client, const struct sockaddr *address);
/* A user of this host, by the kernel's word. */
void client_from_user(struct client *client, uint32_t uid, const char *user);

/*
 * Is the client in one of these networks ("192.0.2.0/24", "2001:db8::/32", or a
 * single address)?  "none" and what cannot be read match nobody.
 */
bool client_is_in(const struct client *client, const struct conf_list *networks);
/* Its address; of family AF_UNIX where it has none. */
struct host_address client_address(const struct client *client);

#endif
