/*
 * site.h - who may be given work next.
 *
 * A site is a next hop ("mx:example.net"), or the mailboxes of this host.  It
 * holds the jobs that are ready for it, and how many may run at a time: that
 * number grows with each success and falls to one when the site cannot be
 * reached, so that a dead site is probed and not hammered.  Sites that have work
 * and room take turns, so that none holds back another.
 *
 * Jobs have a priority: those of a higher one go first, at their site and among
 * the sites.  So that nobody starves, one of SITE_FAIR_SHARE goes to who has waited
 * longest instead: a job that n others came before is given out with the
 * (n + 1) * SITE_FAIR_SHARE th of its site at the latest.
 *
 * Pure: jobs are opaque links, and nothing here sends or waits.
 */
#ifndef PETREL_QMGR_SITE_H
#define PETREL_QMGR_SITE_H

#include <sys/queue.h>

#include "common/channel_queue.h"
#include "common/siphash.h"
#include "common/slice.h"

enum { SITE_LEVELS = PRIORITY_HIGHEST - PRIORITY_LOWEST + 1, SITE_FAIR_SHARE = 4 };

/* Embedded in a job. */
struct site_job {
	TAILQ_ENTRY(site_job) link;
	struct site *site; /* whose it is, from site_add to site_finish */
	int8_t priority;   /* set by whoever adds it */
	uint64_t since;    /* its place in the order of arrival */
};

TAILQ_HEAD(site_job_list, site_job);

struct site {
	TAILQ_ENTRY(site) turn; /* among those with work and room, and a job of that level */
	struct site *next;      /* in its bucket */
	struct site_job_list ready[SITE_LEVELS];
	uint32_t levels; /* a bit for each of these lists that is not empty */
	unsigned ready_count;
	unsigned
	    taken; /* how often it was asked for a job: whose turn it is, see SITE_FAIR_SHARE */
	unsigned running;
	unsigned limit;    /* how many may run now */
	unsigned failures; /* in a row */
	bool has_turn;
	unsigned turn_level;
	uint64_t turn_since; /* its place in the order of turns */
	size_t name_len;
	char name[];
};

TAILQ_HEAD(site_list, site);

/* The sites that one kind of agent serves. */
struct sites {
	struct siphash_key key;
	struct site **buckets;
	size_t bucket_count;
	size_t count;
	struct site_list turns[SITE_LEVELS]; /* by the highest level that a site has a job of */
	uint32_t levels;
	unsigned taken;
	uint64_t last_since;
	unsigned limit_max;
};

enum { SITE_LIMIT_FIRST = 5 }; /* jobs at a time for a site of which nothing is known */

bool sites_init(struct sites *sites, unsigned limit_max);
/* Every job must have been finished or removed. */
void sites_free(struct sites *sites);
/* Sites keep what they have; new growth stops here. */
void sites_set_limit(struct sites *sites, unsigned limit_max);

static inline struct slice site_name(const struct site *site)
{
	return slice_of(site->name, site->name_len);
}

/* Add a job to a site's end (or front); false when out of memory. */
bool site_add(struct sites *sites, struct slice name, struct site_job *job);
void site_add_first(struct sites *sites, struct site *site, struct site_job *job);
/* How many jobs wait there; 0 for a site that is not known. */
unsigned site_waiting(const struct sites *sites, struct slice name);

/* Any one of the jobs that wait there; NULL where there is none. */
struct site_job *site_first(const struct site *site);
/* The next job of any site whose turn it is, now running; NULL where there is none. */
struct site_job *sites_take(struct sites *sites);
/* The next job of this site, now running, on a connection that is open already; NULL where there is none. */
struct site_job *site_take(struct sites *sites, struct site *site);
/* Take back a job that is ready and not running. */
void site_remove(struct sites *sites, struct site_job *job);

enum site_result {
	SITE_WORKED,      /* it was reached, whatever it said of the message */
	SITE_UNREACHABLE, /* it was not */
	SITE_UNKNOWN,     /* the job ended without telling anything of the site */
};

/*
 * A running job has ended.  The site is freed when it has no jobs and nothing
 * worth remembering.
 */
void site_finish(struct sites *sites, struct site_job *job, enum site_result result);
/* An administrator's word: try all of them again as if nothing had happened. */
void sites_forgive(struct sites *sites);

#endif
