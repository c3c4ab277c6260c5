/*
 * dnslist.h - lists of hosts in the DNS (RFC 5782), as the settings name them.
 *
 *     zen.spamhaus.org
 *     zen.spamhaus.org=127.0.0.[2..11]*3
 *     list.dnswl.org=127.0.[0..255].[1..3]*-2
 *
 * That is how Postfix's postscreen_dnsbl_sites has it: a domain, which of its answers
 * count (any, where nothing is said), and what they weigh (1).
 */
#ifndef PETREL_COMMON_DNSLIST_H
#define PETREL_COMMON_DNSLIST_H

#include "common/network.h"
#include "common/slice.h"

enum { DNSLIST_DOMAIN_MAX = 180, DNSLIST_WEIGHT_MAX = 1000, DNSLIST_NAME_MAX = 256 };

struct dnslist {
	char domain[DNSLIST_DOMAIN_MAX + 1];
	uint8_t counted[4][32]; /* for each octet of an answer, a bit for each value that counts */
	int32_t weight;
};

bool dnslist_parse(struct slice word, struct dnslist *list);

/* The name that tells of a host: its octets, or digits, backwards in front of the domain. */
bool dnslist_name(
    const struct dnslist *list, const struct host_address *host, char name[DNSLIST_NAME_MAX]);

enum dnslist_answer {
	DNSLIST_LISTED,
	DNSLIST_NOT_LISTED, /* listed, but not as one that counts */
	DNSLIST_ERROR /* not an answer about the host: 127.255.255.x, or outside 127.0.0.0/8 */
};
/* What one of its A records says. */
enum dnslist_answer dnslist_judge(const struct dnslist *list, const uint8_t octets[4]);

#endif
