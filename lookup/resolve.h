/*
 * resolve.h - one step from an address towards its mailboxes.
 */
#ifndef PETREL_LOOKUP_RESOLVE_H
#define PETREL_LOOKUP_RESOLVE_H

#include "lookup/directory.h"
#include "message/address.h"

enum resolution_kind {
	RESOLVED_ACCOUNT, /* `text` is the account */
	RESOLVED_ALIAS,   /* `text` is the list of members */
	RESOLVED_REMOTE,  /* `text` is the site (see channel_delivery.h) */
	RESOLVED_NOBODY,  /* a local domain, and no such user in it */
	RESOLVED_BAD,     /* not an address that mail can go to */
	RESOLVED_FAILED   /* a table or a route cannot be read now */
};

/* The largest address in the form that is looked up. */
enum { RESOLVE_KEY_MAX = 3 * ADDRESS_LOCAL_MAX + 3 + DOMAIN_TEXT_MAX };

/* An address, taken apart for looking up; the slices point into `text`. */
struct resolve_key {
	char text[RESOLVE_KEY_MAX];
	struct slice whole;  /* "alice+tag@example.org", folded (spelling.h) */
	struct slice local;  /* "alice+tag" */
	struct slice user;   /* "alice"; all of local where there is no extension */
	struct slice domain; /* "example.org", or "[192.0.2.1]" where that is another host */
	bool has_extension;
	bool is_literal;
};

/*
 * Take an address apart.
 *
 * address  canonical; without a domain it is one of `domain`
 * False where it is malformed.
 */
bool resolve_key_of(
    const struct directory *d, struct slice address, struct slice domain, struct resolve_key *key);

/*
 * What becomes of an address in one step.  Aliases go before accounts, whole
 * addresses before names that hold in every domain, addresses with an extension
 * before those without; then come postmaster and the domain's catch-all.
 *
 * text  cleared, then filled as the kind says
 */
enum resolution_kind resolve_step(
    struct directory *d, const struct resolve_key *key, struct buf *text);

/* Only the account, passing over aliases: RESOLVED_ACCOUNT, RESOLVED_NOBODY or RESOLVED_FAILED. */
enum resolution_kind resolve_account(
    struct directory *d, const struct resolve_key *key, struct buf *text);

/* Where mail for a domain that is not local goes: RESOLVED_REMOTE or RESOLVED_FAILED. */
enum resolution_kind resolve_site(
    struct directory *d, const struct resolve_key *key, struct buf *site);

#endif
