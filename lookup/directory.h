/*
 * directory.h - all that lookup knows: the tables, and what petrel.conf says of addresses.
 */
#ifndef PETREL_LOOKUP_DIRECTORY_H
#define PETREL_LOOKUP_DIRECTORY_H

#include "common/conf.h"
#include "lookup/own.h"
#include "message/spelling.h"
#include "table/entry.h"
#include "table/hash.h"
#include "table/table.h"

enum directory_table {
	DIRECTORY_ACCOUNTS,
	DIRECTORY_ALIASES,
	DIRECTORY_ROUTES,
	DIRECTORY_SENDERS,
	DIRECTORY_DOMAINS,
	DIRECTORY_TABLES
};

struct directory {
	struct table *tables[DIRECTORY_TABLES];
	struct table_hash domains;            /* the local ones of petrel.conf, as A-labels */
	char default_domain[DOMAIN_TEXT_MAX]; /* of addresses that have none */
	struct own_addresses own;             /* of this host: literals that are local */
	char *postmaster;                     /* an address; NULL: the first account */
	char *relay;                          /* host or host:port; NULL: none */
	char delimiter;                       /* of extensions; '\0': none */
	uint16_t smtp_port;
	unsigned depth_limit;  /* of aliases in aliases */
	unsigned fanout_limit; /* of deliveries for one address */
};

/*
 * Open the tables in a directory, whose descriptor stays the caller's.  A table
 * without a file is no error: it may come later.  False when out of memory.
 */
bool directory_open(struct directory *d, int directory_fd);
void directory_close(struct directory *d);

/* Take over from the settings what concerns addresses.  False when out of memory. */
bool directory_configure(struct directory *d, const struct settings *settings);

/*
 * Read again the tables whose files changed, and log what came of it.
 *
 * reload  the administrator asked for it: a table whose file is gone is empty now
 * Returns whether anything was read.
 */
bool directory_refresh(struct directory *d, bool reload);

/*
 * Look a key up.  A table without a file has no keys, except `accounts`: without
 * it nobody can say who exists, and mail waits.
 */
enum table_answer directory_find(
    struct directory *d, enum directory_table which, struct slice key, struct buf *value);

/* Whether mail for the domain (as A-labels, lower case) ends here. */
enum table_answer directory_has_domain(struct directory *d, struct slice domain);

/* The postmaster's address: of the setting, or the first account.  TABLE_ABSENT where there is none. */
enum table_answer directory_postmaster(struct directory *d, struct buf *address);

#endif
