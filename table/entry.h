/*
 * entry.h - what stands in Petrel's own tables (petrel-tables(5)).
 *
 *     accounts   alice@example.org   quota=1G
 *     aliases    sales@example.org:  alice@example.org, bob@elsewhere.test
 *     routes     example.net         smtp:[192.0.2.1]:2525
 *     senders    alice@example.org   press@example.org, @example.net
 *     domains    example.org
 *
 * The schemas check entries when a table is read, so that an error names the
 * line; the parsers here give the same entries their meaning.
 */
#ifndef PETREL_TABLE_ENTRY_H
#define PETREL_TABLE_ENTRY_H

#include "table/table.h"

extern const struct table_schema table_schema_accounts;
extern const struct table_schema table_schema_aliases;
extern const struct table_schema table_schema_routes;
extern const struct table_schema table_schema_senders;
extern const struct table_schema table_schema_domains;
/* Any key, any value. */
extern const struct table_schema table_schema_plain;

/* The schema of the table called `name`; table_schema_plain for names that Petrel does not know. */
const struct table_schema *table_schema_named(struct slice name);

/* The options of an account. */
struct account_options {
	int64_t quota_octets; /* 0: none */
};

/* False where an option is unknown or makes no sense; `why` (unless NULL) then names it. */
bool account_options_parse(struct slice value, struct account_options *out, struct buf *why);

enum { MAILBOX_PATH_MAX = 512 }; /* with its NUL */

/*
 * Where an account's mailbox lies, relative to the mail root: "example.org/alice".
 *
 * account  canonical address (see address.h)
 * path     MAILBOX_PATH_MAX octets
 *
 * Two components, in lower case.  Letters, digits and any of "-_+=~" stand for
 * themselves, and so does a dot that is not the first octet; all else, `/` and
 * octets above 126 included, becomes %xx.  So two accounts never share a path
 * and none can leave the root.  False where `account` is no address with a
 * domain, or a component would be longer than a file's name may be.
 */
bool account_mailbox_path(struct slice account, char path[MAILBOX_PATH_MAX]);

/*
 * The next member of a list "a, b, c", without blanks around it.  A comma inside
 * double quotes separates nothing.  Empty members are passed over.  False at the end.
 */
bool list_next(struct cursor *list, struct slice *member);

enum route_kind {
	ROUTE_MX,  /* the hosts that the MX records of `host` name */
	ROUTE_HOST /* that host itself */
};

/* Where mail goes for a domain that is not ours. */
struct route {
	enum route_kind kind;
	struct slice host; /* a name, or an address without brackets */
	bool is_address;
	uint16_t port; /* 0: the default */
};

/* "smtp:host", "smtp:host:port", "smtp:[address]:port", "mx:domain". */
bool route_parse(struct slice value, struct route *out, struct buf *why);
/* The same without a prefix, "host:port": the setting `relay`. */
bool route_parse_host(struct slice value, struct route *out, struct buf *why);

#endif
