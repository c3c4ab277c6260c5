/*
 * proxy.h - the PROXY protocol, versions 1 and 2: who a load balancer's client is.
 *
 * A load balancer that passes octets on says in front of them whose they are
 * (https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt).  Anybody could
 * say so; who is believed is a setting (proxy.networks).
 */
#ifndef PETREL_COMMON_PROXY_H
#define PETREL_COMMON_PROXY_H

#include "common/network.h"
#include "common/slice.h"

enum {
	PROXY_LINE_MAX = 107, /* octets of a header of version 1, with CRLF */
	PROXY_HEADER_MAX =
	    4096 /* octets of one of version 2 that are read; its extensions may be long */
};

enum proxy_answer {
	PROXY_MORE, /* it may become one */
	PROXY_COMPLETE,
	PROXY_MALFORMED /* it is none, whatever follows */
};

struct proxy_header {
	size_t len; /* octets that it takes */
	/*
	 * The balancer speaks for itself (a health check: LOCAL), or does not say for
	 * whom (UNKNOWN, another address family): there are no addresses then.
	 */
	bool is_anonymous;
	struct host_address source, destination;
	uint16_t source_port, destination_port;
	const char *problem; /* PROXY_MALFORMED: what is wrong, for the log */
};

/* Read the header that `octets` begin with; what is behind it is not looked at. */
enum proxy_answer proxy_header_read(struct slice octets, struct proxy_header *header);

#endif
