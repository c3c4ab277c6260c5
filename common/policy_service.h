/*
 * policy_service.h - programs of others that are asked about sessions, as the settings name them.
 *
 *     inet:127.0.0.1:10023
 *     unix:/run/spf.sock,stage=data,for=all,failure=accept,timeout=10s,context=mx
 *
 * Where such a program listens is an address of a host, or the path of a UNIX
 * socket, which master alone can connect to.
 */
#ifndef PETREL_COMMON_POLICY_SERVICE_H
#define PETREL_COMMON_POLICY_SERVICE_H

#include "common/conf.h"
#include "common/network.h"
#include "common/verdict.h"

enum { SERVICE_PATH_MAX = 107 }; /* octets of a UNIX socket's path, as sockaddr_un has room for */

/* Where a program listens. */
struct service_address {
	char path[SERVICE_PATH_MAX + 1]; /* empty: see `host` */
	struct host_address host;
	uint16_t port;
};

/* "unix:/absolute/path", "inet:127.0.0.1:10023", "inet:[::1]:10023", "inet:localhost:10023". */
bool service_address_parse(struct slice text, struct service_address *address);

struct policy_service {
	struct slice name; /* the address as it was written; points into the word */
	struct service_address address;
	enum gate_stage stage;    /* rcpt (default), data or message */
	bool for_all;             /* also asked about clients that may relay; else about strangers only */
	bool accepts_on_failure;  /* else: temporary failure */
	int64_t timeout_seconds;
	struct slice context;     /* policy_context of the protocol; points into the word */
};

/* A word of policy.services. */
bool policy_service_parse(struct slice word, struct policy_service *service);

/* Does a setting name this UNIX socket?  master connects to no other. */
bool service_path_is_named(const struct settings *settings, struct slice path);

#endif
