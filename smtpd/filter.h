/*
 * filter.h - a complete message goes to the milters, and comes back changed, or not at all.
 *
 * Between the gate's last stage and the commit, where the settings name milters for
 * this kind of mail.  policy reads the content from a descriptor of its own and
 * writes a new one, if there is any, into a second file of the spool, which then
 * takes the place of the first under the first one's identifier.  Nothing of this
 * is promised to anybody before the commit: whatever fails gives 451, and what was
 * begun goes away with the transaction.
 */
#ifndef PETREL_SMTPD_FILTER_H
#define PETREL_SMTPD_FILTER_H

#include <stdbool.h>

#include "common/buf.h"
#include "smtpd/house.h"

struct session;
struct transaction;
struct verdict;

/* What is under way, or what came of it. */
struct filter {
	struct buf prepend;        /* what goes in front of the content */
	struct spool_file changed; /* the second file */
	bool was_given;            /* policy has, or had, a descriptor of it */
	int content;               /* descriptor to read the content; -1: none */
	/* changes of recipients that are not done yet: those added wait for lookup */
	size_t change_count, changes_done;
	struct filter_recipient *changes; /* addresses are canonical, and copied */
	void (*done)(struct session *s, const struct verdict *against);
};

/* Is this message to be shown to milters? */
bool filter_is_due(const struct session *s);
/*
 * Begin.  `done` is called once, at once or with the session unblocked for it: NULL, and the
 * transaction is what the milters made of it, with what is to be prepended in transaction->filter;
 * or the verdict against the message.  VERDICT_DISCARD leaves transaction->is_discarded.
 */
void filter_begin(struct session *s, uint64_t now_us,
    void (*done)(struct session *s, const struct verdict *against));
/* With the transaction; NULL is fine. */
void filter_free(struct filter *filter, const struct house *house);

#endif
