/*
 * channel_resolver.h - questions to the DNS.
 */
#ifndef PETREL_COMMON_CHANNEL_RESOLVER_H
#define PETREL_COMMON_CHANNEL_RESOLVER_H

#include <netinet/in.h>

#include "common/codec.h"

enum resolver_type {
	RESOLVER_MX = 1,  /* call: string domain.  Answer RESOLVER_HOSTS, in the order to try */
	RESOLVER_ADDRESS, /* call: string host name.  Answer RESOLVER_HOSTS with one host */
	RESOLVER_HOSTS,   /* struct resolver_hosts */
	RESOLVER_NAME,    /* call: address.  Answer RESOLVER_NAMED */
	RESOLVER_NAMED,   /* u8 enum resolver_status, string name: the name that points back to the address */
	RESOLVER_A,       /* call: string name.  Answer RESOLVER_RECORDS: each of 4 octets */
	RESOLVER_TXT,     /* call: string name.  Answer RESOLVER_RECORDS: each a text, its strings put together, printable */
	RESOLVER_RECORDS  /* struct resolver_records */
	/* TLSA gets its own type beside these. */
};

enum resolver_status {
	RESOLVER_OK,
	RESOLVER_NO_NAME,     /* the name does not exist: permanent, 5.1.2 */
	RESOLVER_NO_DATA,     /* it exists and has no address */
	RESOLVER_NULL_MX,     /* takes no mail, says so (RFC 7505): permanent, 5.1.10 */
	RESOLVER_TEMPORARY,   /* SERVFAIL, time-out, no server */
	RESOLVER_BAD_NAME,    /* not a name that can be asked for */
	RESOLVER_STATUS_COUNT
};

enum {
	RESOLVER_HOSTS_MAX = 32,
	RESOLVER_ADDRESSES_MAX = 16, /* of one host */
	RESOLVER_NAME_MAX = 255,
	RESOLVER_RECORDS_MAX = 16,
	RESOLVER_RECORD_MAX = 1024 /* octets of one; longer ones are cut */
};

struct resolver_address {
	uint8_t family;   /* AF_INET or AF_INET6 */
	uint8_t octets[16];
};

struct resolver_host {
	char name[RESOLVER_NAME_MAX + 1];
	uint16_t preference;
	uint8_t status;  /* enum resolver_status of its addresses */
	uint8_t address_count;
	struct resolver_address addresses[RESOLVER_ADDRESSES_MAX];
};

struct resolver_hosts {
	uint8_t status;   /* enum resolver_status */
	bool secure;      /* validated by DNSSEC: of a domain, which hosts these are; of a host, its addresses */
	bool implicit;    /* no MX: the domain's own address (RFC 5321, 5.1) */
	uint8_t count;
	struct resolver_host hosts[RESOLVER_HOSTS_MAX];
};

/* The records of a name, as they are. */
struct resolver_records {
	uint8_t status; /* enum resolver_status: OK, NO_NAME, NO_DATA, TEMPORARY or BAD_NAME */
	uint32_t ttl;   /* seconds that this holds; 0: not known */
	uint8_t count;
	struct slice records[RESOLVER_RECORDS_MAX]; /* point into the message */
};

void resolver_records_write(struct writer *w, const struct resolver_records *records);
bool resolver_records_read(struct reader *r, struct resolver_records *records);
void resolver_address_write(struct writer *w, const struct resolver_address *address);
bool resolver_address_read(struct reader *r, struct resolver_address *address);
void resolver_hosts_write(struct writer *w, const struct resolver_hosts *hosts);
bool resolver_hosts_read(struct reader *r, struct resolver_hosts *hosts);

#endif
