/*
 * greylist.h - greylisting (RFC 6647): what is decided, without files and clocks.
 *
 * A client that has not been heard of is told to come again; who is a mail server
 * does.  What is remembered is a triplet (network of the client, sender,
 * recipient), and of each network how often that worked out.
 */
#ifndef PETREL_POLICY_GREYLIST_H
#define PETREL_POLICY_GREYLIST_H

#include "common/buf.h"
#include "common/conf.h"
#include "common/network.h"

/* What is remembered of a triplet, or of a network.  All zeros: nothing. */
struct grey_entry {
	uint64_t first_s; /* wall time, seconds: the first attempt */
	uint64_t last_s;  /* the last one that counted */
	uint32_t
	    count; /* triplet: attempts that were let in; network: triplets that were, for the first time */
	bool has_passed; /* triplet: it was let in once */
};

/* As a network's count: an administrator has said that it is allowed, for good. */
enum { GREYLIST_ALLOWED = UINT32_MAX - 1 };

struct grey_terms {
	uint64_t delay_s;   /* before an attempt counts */
	uint64_t window_s;  /* behind that, in which it has to come */
	uint64_t keep_s;    /* since it was used last */
	uint32_t successes; /* of a network, until it is not greylisted any more; 0: never */
};

struct grey_terms greylist_terms(const struct settings *settings);

enum grey_step {
	GREY_NEW,        /* never seen, or long ago: come again */
	GREY_EARLY,      /* it came again, too early */
	GREY_FIRST_PASS, /* it came again as told */
	GREY_KNOWN       /* it did so before */
};

/*
 * A triplet attempts to deliver: *entry is what is remembered of it, and becomes what is
 * to be remembered.  A clock that was set back makes nobody wait longer than anew.
 */
enum grey_step greylist_step(
    struct grey_entry *entry, uint64_t now_s, const struct grey_terms *terms);
/* Seconds that a triplet which was just told to come again has to wait. */
uint64_t greylist_wait(
    const struct grey_entry *entry, uint64_t now_s, const struct grey_terms *terms);

/* Has this network delivered often enough to be spared? */
bool greylist_allows(
    const struct grey_entry *network, uint64_t now_s, const struct grey_terms *terms);
/* One of its triplets has passed for the first time. */
void greylist_count(struct grey_entry *network, uint64_t now_s, const struct grey_terms *terms);

/* Nothing is lost by forgetting it. */
bool greylist_is_stale(const struct grey_entry *entry, bool is_network, uint64_t now_s,
    const struct grey_terms *terms);

enum { GREYLIST_NETWORK_TEXT = HOST_ADDRESS_TEXT + 4 };
/* The network that a client's address stands for: its /24 or /64. */
void greylist_network(const struct host_address *address, char text[GREYLIST_NETWORK_TEXT]);

/*
 * A triplet as text, to be hashed.  Senders that differ in numbers and extensions
 * only are one: lists put a new one into the sender of each message.
 */
bool greylist_triplet(
    struct buf *out, const char *network, struct slice sender, struct slice recipient);

#endif
