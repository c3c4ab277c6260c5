/*
 * expand.h - from an address to its final deliveries.
 */
#ifndef PETREL_LOOKUP_EXPAND_H
#define PETREL_LOOKUP_EXPAND_H

#include "common/channel_lookup.h"
#include "lookup/directory.h"
#include "message/arena.h"

/* What an address expands to; never empty.  Not to be copied. */
struct expansion {
	struct lookup_expansion result; /* its slices point into memory that the expansion owns */
	struct arena memory;
	struct lookup_delivery error; /* needs no memory, so that there is always an answer */
};

/*
 * Follow aliases to their ends.  Each mailbox and each remote address comes
 * once, however many ways lead to it.  An alias that contains itself stands for
 * the account of that name, where there is one, and adds nothing otherwise.
 *
 * Where a table cannot be read, or a limit (depth, number of deliveries) is
 * met, the answer is that one error and nothing else: a list is delivered to
 * all of its members or to none.  A member that does not exist is an error
 * beside the other members' deliveries.
 */
void expand(struct directory *d, struct slice address, struct expansion *out);
void expansion_free(struct expansion *e);

#endif
