/*
 * site.h - where a job is to go: from the name of a site to addresses in order.
 */
#ifndef PETREL_DELIVERY_SMTP_SITE_H
#define PETREL_DELIVERY_SMTP_SITE_H

#include "common/channel_delivery.h"
#include "common/channel_resolver.h"
#include "common/slice.h"

enum site_kind {
	SITE_MX,     /* "mx:example.net": by its MX records (RFC 5321, 5.1) */
	SITE_HOST,   /* "host:relay.example.net:587": by its addresses */
	SITE_ADDRESS /* "host:[192.0.2.1]:2525", "host:[IPv6:2001:db8::1]:25" */
};

struct site {
	enum site_kind kind;
	char name[RESOLVER_NAME_MAX + 1]; /* the domain or host; of an address its text */
	struct resolver_address address;  /* SITE_ADDRESS */
	uint16_t port;
};

/* `mx_port` is the port of hosts that MX records name.  False where it is no site. */
bool site_parse(struct slice text, uint16_t mx_port, struct site *site);

enum { ROUTE_MAX = 8 /* addresses tried for one job */ };

/* One address to connect to. */
struct target {
	char host[RESOLVER_NAME_MAX + 1];
	struct resolver_address address;
	uint16_t port;
	bool in_clear; /* TLS failed here: this time without */
};

struct route {
	unsigned count;
	struct target targets[ROUTE_MAX];
};

enum { TARGET_NAME_MAX = RESOLVER_NAME_MAX + 64 };
/* "mx1.example.net[192.0.2.1]:25" */
void target_name(const struct target *target, char name[TARGET_NAME_MAX]);

/* Why there is nothing to connect to. */
struct route_failure {
	enum delivery_outcome outcome;
	char status[DELIVERY_STATUS_MAX + 1];
	char text[RESOLVER_NAME_MAX + 128];
};

/* The route of a SITE_ADDRESS. */
void route_to_address(const struct site *site, struct route *route);
/*
 * The route by the resolver's answer.  Hosts are tried in its order, each at all
 * its addresses, ROUTE_MAX altogether.  Of MX records, those that are not better
 * than this host itself are not used (RFC 5321, 5.1): mail for a domain that
 * we are to hold for others must not come back to us.
 *
 * own_name  this host
 * False, with *failure filled in, where nothing is left.
 */
bool route_by_hosts(const struct site *site, const struct resolver_hosts *hosts,
    struct slice own_name, struct route *route, struct route_failure *failure);

#endif
