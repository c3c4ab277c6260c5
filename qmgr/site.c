/*
 * site.c - who may be given work next.
 */
#include "qmgr/site.h"

#include <stdlib.h>

enum {
	FIRST_BUCKETS = 64,
	REMEMBERED_MAX = 50000, /* sites beyond which failures are forgotten with the last job */
};

bool sites_init(struct sites *sites, unsigned limit_max)
{
	*sites = (struct sites){.key = siphash_key_random(), .limit_max = limit_max};
	for (unsigned i = 0; i < SITE_LEVELS; i++)
		TAILQ_INIT(&sites->turns[i]);
	sites->buckets = calloc(FIRST_BUCKETS, sizeof *sites->buckets);
	sites->bucket_count = sites->buckets == NULL ? 0 : FIRST_BUCKETS;
	return sites->buckets != NULL;
}

void sites_free(struct sites *sites)
{
	for (size_t i = 0; i < sites->bucket_count; i++)
		while (sites->buckets[i] != NULL) {
			struct site *site = sites->buckets[i];

			sites->buckets[i] = site->next;
			free(site);
		}
	free(sites->buckets);
	*sites = (struct sites){0};
}

void sites_set_limit(struct sites *sites, unsigned limit_max)
{
	sites->limit_max = limit_max;
}

static struct site **bucket(const struct sites *sites, struct slice name)
{
	return &sites->buckets[siphash(sites->key, name) & (sites->bucket_count - 1)];
}

static struct site *find(const struct sites *sites, struct slice name)
{
	struct site *site = *bucket(sites, name);

	while (site != NULL && !slice_equal(site_name(site), name))
		site = site->next;
	return site;
}

/* Twice as many buckets; where memory is short the old ones serve on, slower. */
static void grow(struct sites *sites)
{
	size_t old_count = sites->bucket_count;
	struct site **old = sites->buckets;
	struct site **larger = calloc(old_count * 2, sizeof *larger);

	if (larger == NULL)
		return;
	sites->buckets = larger;
	sites->bucket_count = old_count * 2;
	for (size_t i = 0; i < old_count; i++)
		while (old[i] != NULL) {
			struct site *site = old[i], **to;

			old[i] = site->next;
			to = bucket(sites, site_name(site));
			site->next = *to;
			*to = site;
		}
	free(old);
}

static unsigned first_limit(const struct sites *sites)
{
	return sites->limit_max < SITE_LIMIT_FIRST ? sites->limit_max : SITE_LIMIT_FIRST;
}

static struct site *get(struct sites *sites, struct slice name)
{
	struct site *site = find(sites, name), **to;

	if (site != NULL)
		return site;
	if (sites->count >= sites->bucket_count)
		grow(sites);
	site = calloc(1, sizeof *site + name.len);
	if (site == NULL)
		return NULL;
	for (unsigned i = 0; i < SITE_LEVELS; i++)
		TAILQ_INIT(&site->ready[i]);
	site->limit = first_limit(sites);
	site->name_len = name.len;
	if (name.len > 0)
		memcpy(site->name, name.data, name.len);
	to = bucket(sites, name);
	site->next = *to;
	*to = site;
	sites->count++;
	return site;
}

/* A site that has nothing to do, and nothing bad to be remembered, is forgotten. */
static void forget_if_idle(struct sites *sites, struct site *site)
{
	struct site **at;

	if (site->ready_count > 0 || site->running > 0 ||
	    (site->failures > 0 && sites->count <= REMEMBERED_MAX))
		return;
	for (at = bucket(sites, site_name(site)); *at != site; at = &(*at)->next)
		continue;
	*at = site->next;
	sites->count--;
	free(site);
}

/* --- levels ----------------------------------------------------------------------- */

static unsigned level_of(const struct site_job *job)
{
	return (unsigned)(job->priority - PRIORITY_LOWEST);
}

/* There is at least one. */
static unsigned highest(uint32_t levels)
{
	return 31 - (unsigned)__builtin_clz(levels);
}

static bool is_fair_turn(unsigned *taken)
{
	return ++*taken % SITE_FAIR_SHARE == 0;
}

static void put_ready(struct site *site, struct site_job *job, bool is_first)
{
	unsigned level = level_of(job);

	if (is_first)
		TAILQ_INSERT_HEAD(&site->ready[level], job, link);
	else
		TAILQ_INSERT_TAIL(&site->ready[level], job, link);
	site->levels |= UINT32_C(1) << level;
	site->ready_count++;
}

static void remove_ready(struct site *site, struct site_job *job)
{
	unsigned level = level_of(job);

	TAILQ_REMOVE(&site->ready[level], job, link);
	if (TAILQ_EMPTY(&site->ready[level]))
		site->levels &= ~(UINT32_C(1) << level);
	site->ready_count--;
}

/* In each list the first has waited longest. */
static struct site_job *longest_waiting_job(const struct site *site)
{
	struct site_job *oldest = NULL;

	for (uint32_t left = site->levels; left != 0; left &= left - 1) {
		struct site_job *job = TAILQ_FIRST(&site->ready[__builtin_ctz(left)]);

		if (oldest == NULL || job->since < oldest->since)
			oldest = job;
	}
	return oldest;
}

static struct site *longest_waiting_site(const struct sites *sites)
{
	struct site *oldest = NULL;

	for (uint32_t left = sites->levels; left != 0; left &= left - 1) {
		struct site *site = TAILQ_FIRST(&sites->turns[__builtin_ctz(left)]);

		if (oldest == NULL || site->turn_since < oldest->turn_since)
			oldest = site;
	}
	return oldest;
}

/* --- turns ------------------------------------------------------------------------ */

static void leave_turn(struct sites *sites, struct site *site)
{
	struct site_list *turns = &sites->turns[site->turn_level];

	TAILQ_REMOVE(turns, site, turn);
	if (TAILQ_EMPTY(turns))
		sites->levels &= ~(UINT32_C(1) << site->turn_level);
	site->has_turn = false;
}

static void enter_turn(struct sites *sites, struct site *site)
{
	site->turn_level = highest(site->levels);
	TAILQ_INSERT_TAIL(&sites->turns[site->turn_level], site, turn);
	sites->levels |= UINT32_C(1) << site->turn_level;
	site->has_turn = true;
}

static void review_turn(struct sites *sites, struct site *site)
{
	bool may_run = site->ready_count > 0 && site->running < site->limit;

	if (site->has_turn && (!may_run || site->turn_level != highest(site->levels)))
		leave_turn(sites, site);
	if (may_run && !site->has_turn) {
		site->turn_since = ++sites->last_since;
		enter_turn(sites, site);
	}
}

bool site_add(struct sites *sites, struct slice name, struct site_job *job)
{
	struct site *site = get(sites, name);

	if (site == NULL)
		return false;
	job->site = site;
	job->since = ++sites->last_since;
	put_ready(site, job, false);
	review_turn(sites, site);
	return true;
}

void site_add_first(struct sites *sites, struct site *site, struct site_job *job)
{
	job->site = site;
	put_ready(site, job, true);
	review_turn(sites, site);
}

unsigned site_waiting(const struct sites *sites, struct slice name)
{
	const struct site *site = find(sites, name);

	return site == NULL ? 0 : site->ready_count;
}

struct site_job *site_first(const struct site *site)
{
	return site->levels == 0 ? NULL : TAILQ_FIRST(&site->ready[highest(site->levels)]);
}

struct site_job *site_take(struct sites *sites, struct site *site)
{
	struct site_job *job = site_first(site);

	if (job == NULL)
		return NULL;
	if (is_fair_turn(&site->taken))
		job = longest_waiting_job(site);
	remove_ready(site, job);
	site->running++;
	review_turn(sites, site);
	return job;
}

struct site_job *sites_take(struct sites *sites)
{
	struct site *site;

	if (sites->levels == 0)
		return NULL;
	site = is_fair_turn(&sites->taken) ? longest_waiting_site(sites)
					   : TAILQ_FIRST(&sites->turns[highest(sites->levels)]);
	/* To the end of the line: its next job comes after one of everybody else's. */
	leave_turn(sites, site);
	return site_take(sites, site);
}

void site_remove(struct sites *sites, struct site_job *job)
{
	struct site *site = job->site;

	remove_ready(site, job);
	job->site = NULL;
	review_turn(sites, site);
	forget_if_idle(sites, site);
}

void site_finish(struct sites *sites, struct site_job *job, enum site_result result)
{
	struct site *site = job->site;

	job->site = NULL;
	site->running--;
	switch (result) {
	case SITE_WORKED:
		site->failures = 0;
		if (site->limit < sites->limit_max)
			site->limit++;
		else
			site->limit = sites->limit_max;
		break;
	case SITE_UNREACHABLE:
		site->failures++;
		site->limit = 1;
		break;
	case SITE_UNKNOWN:
		break;
	}
	review_turn(sites, site);
	forget_if_idle(sites, site);
}

void sites_forgive(struct sites *sites)
{
	for (size_t i = 0; i < sites->bucket_count; i++)
		for (struct site *site = sites->buckets[i], *next; site != NULL; site = next) {
			next = site->next;
			site->failures = 0;
			if (site->limit < SITE_LIMIT_FIRST)
				site->limit = first_limit(sites);
			review_turn(sites, site);
			forget_if_idle(sites, site);
		}
}
