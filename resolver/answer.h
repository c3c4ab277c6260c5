/*
 * answer.h - from DNS records to hosts in the order in which they are to be tried.
 *
 * Pure functions.  What comes from the DNS was written by strangers: names are
 * checked before they become text, and counts end at the channel's limits.
 */
#ifndef PETREL_RESOLVER_ANSWER_H
#define PETREL_RESOLVER_ANSWER_H

#include "common/channel_resolver.h"
#include "common/slice.h"

enum { DNS_RECORDS_MAX = 256 }; /* of one answer; the rest is left unread */

/* The records of one name and type. */
struct dns_answer {
	enum resolver_status status; /* OK, NO_NAME, NO_DATA or TEMPORARY */
	bool secure;                 /* validated by DNSSEC */
	const char *reason;          /* of TEMPORARY, for the log */
	uint32_t ttl;                /* seconds that it holds */
	size_t count;
	struct slice records[DNS_RECORDS_MAX]; /* their data, as on the wire, names uncompressed */
};

/* A uniformly random number below `bound`; arc4random_uniform, or a test's own. */
typedef uint32_t random_below(uint32_t bound);

/*
 * A domain name on the wire (RFC 1035, 3.1) as text without a dot at the end,
 * in lower case; the root is "".  False where it is malformed, longer than
 * names may be, or holds octets that no host's name has.
 */
bool dns_name_text(struct slice wire, char name[RESOLVER_NAME_MAX + 1]);

/* A name that may be asked for: letters, digits, '-', '_', in labels of 1 to 63 octets. */
bool dns_name_is_valid(struct slice name);

/*
 * The hosts of an MX answer: by preference, in random order within one (RFC
 * 5321, 5.1), each once, at most RESOLVER_HOSTS_MAX.  hosts->status becomes
 * RESOLVER_NULL_MX where the domain takes no mail (RFC 7505), RESOLVER_NO_DATA
 * where no record is usable, and else RESOLVER_OK.
 */
void answer_take_mx(
    const struct dns_answer *answer, random_below *below, struct resolver_hosts *hosts);

/* The addresses of one host in one family. */
struct address_list {
	enum resolver_status status; /* why there are none */
	size_t count;
	struct resolver_address addresses[RESOLVER_ADDRESSES_MAX];
};

/* The usable addresses of an A or AAAA answer, in random order. */
void answer_take_addresses(
    const struct dns_answer *answer, uint8_t family, random_below *below, struct address_list *out);

/* Put both families into `host`, in turns, IPv6 first.  host->status says why there are none. */
void host_take_addresses(
    struct resolver_host *host, const struct address_list *v4, const struct address_list *v6);

/*
 * All hosts have their addresses: what does that make of the whole?
 *
 * by_mx  the hosts came from MX records, and are not the name that was asked for
 */
void answer_finish_hosts(struct resolver_hosts *hosts, bool by_mx);

/* Whether an A or AAAA answer holds the address. */
bool answer_has_address(const struct dns_answer *answer, const struct resolver_address *address);

/*
 * A TXT record's data as one text (RFC 1035, 3.3.14: strings, each behind its
 * length), cut at the end of `text`; what cannot be printed becomes '?'.  Its length.
 */
size_t dns_text(struct slice data, char *text, size_t size);

enum { REVERSE_NAME_MAX = 80 };
/* The name under which an address's PTR record stands (RFC 1035, 3.5; RFC 3596, 2.5). */
void dns_reverse_name(const struct resolver_address *address, char name[REVERSE_NAME_MAX]);

#endif
