/*
 * dns.h - asking the DNS without waiting for it: libunbound in the event loop.
 *
 * libunbound works in a thread of its own and tells through a descriptor that
 * answers are there.  It caches, follows CNAMEs and validates.
 */
#ifndef PETREL_RESOLVER_DNS_H
#define PETREL_RESOLVER_DNS_H

#include "resolver/answer.h"
#include "resolver/nameservers.h"

struct event_base;
struct dns;
struct dns_query;

/* The types that are asked for (RFC 1035, 3.2.2; RFC 3596, 2.1). */
enum dns_type { DNS_A = 1, DNS_PTR = 12, DNS_MX = 15, DNS_TXT = 16, DNS_AAAA = 28 };

/* The answer lives as long as the call. */
typedef void dns_callback(void *context, const struct dns_answer *answer);

/*
 * servers  whom to ask; none: the root servers and down from there
 * anchors  DNSSEC trust anchors, one record a line; empty: nothing is validated
 * NULL with a line in the log where it cannot be had.
 */
struct dns *dns_new(
    struct event_base *base, const struct nameservers *servers, struct slice anchors);
/* Forgets all queries without calling back. */
void dns_free(struct dns *dns);

/* Ask; the callback comes from the event loop, never from within.  NULL where the question cannot be asked now. */
struct dns_query *dns_ask(
    struct dns *dns, const char *name, enum dns_type type, dns_callback *callback, void *context);
/* The callback will not be called. */
void dns_cancel(struct dns_query *query);
/* Queries that are not answered yet. */
size_t dns_outstanding(const struct dns *dns);

#endif
