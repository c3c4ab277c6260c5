/* What schedule.h and site.h promise. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "qmgr/schedule.h"
#include "qmgr/site.h"

#define MINUTE (60 * UINT64_C(1000000))
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

static const struct retry_limits limits = {5 * MINUTE, 4 * HOUR, 5 * DAY};

Test(schedule, what_is_due_first_comes_first)
{
	enum { COUNT = 1000 };
	static struct schedule_entry entries[COUNT];
	struct schedule schedule = {0};
	uint64_t last = 0;
	size_t left = 0;

	for (size_t i = 0; i < COUNT; i++) {
		entries[i].place = SCHEDULE_NOWHERE;
		cr_assert(schedule_set(&schedule, &entries[i], i * 7919 % 1009 + 1));
	}
	for (size_t i = 0; i < COUNT; i += 3)
		cr_assert(schedule_set(&schedule, &entries[i], i * 104729 % 2003 + 1));
	for (size_t i = 1; i < COUNT; i += 3)
		schedule_remove(&schedule, &entries[i]);
	for (struct schedule_entry *entry; (entry = schedule_first(&schedule)) != NULL; left++) {
		cr_assert_geq(entry->due_us, last);
		last = entry->due_us;
		schedule_remove(&schedule, entry);
		cr_assert_eq(entry->place, SCHEDULE_NOWHERE);
	}
	cr_assert_eq(left, COUNT - COUNT / 3);
	schedule_free(&schedule);
}

Test(schedule, taking_out_what_is_not_in_does_nothing)
{
	struct schedule_entry in = {.place = SCHEDULE_NOWHERE}, out = {.place = SCHEDULE_NOWHERE};
	struct schedule schedule = {0};

	schedule_set(&schedule, &in, 5);
	schedule_remove(&schedule, &out);
	schedule_remove(&schedule, &in);
	schedule_remove(&schedule, &in);
	cr_assert_null(schedule_first(&schedule));
	schedule_free(&schedule);
}

Test(retry, the_first_retry_comes_within_five_minutes)
{
	for (uint32_t random = 0; random < 5000; random += 37) {
		uint64_t delay = retry_delay_us(&limits, 1, random);

		cr_assert_leq(delay, 5 * MINUTE);
		cr_assert_geq(delay, 3 * MINUTE);
	}
}

Test(retry, delays_grow_to_four_hours_and_no_further)
{
	uint64_t last = 0;

	for (uint32_t attempts = 1; attempts < 8; attempts++) {
		cr_assert_geq(retry_delay_us(&limits, attempts, 0), last);
		last = retry_delay_us(&limits, attempts, 0);
	}
	cr_assert_eq(last, 4 * HOUR);
	cr_assert_eq(retry_delay_us(&limits, UINT32_MAX, 0), 4 * HOUR);
}

Test(retry, what_failed_together_does_not_come_back_together)
{
	cr_assert_neq(retry_delay_us(&limits, 3, 1), retry_delay_us(&limits, 3, 700));
}

Test(retry, attempts_end_at_the_age_of_five_days_and_not_before)
{
	uint64_t arrived = 1000 * DAY, now = arrived;
	uint32_t attempts = 0;

	for (;;) {
		uint64_t next = retry_at(&limits, arrived, now, attempts + 1, attempts * 997);

		attempts++;

		if (next == 0)
			break;
		cr_assert_gt(next, now);
		cr_assert_leq(next, arrived + 5 * DAY);
		now = next;
		cr_assert_lt(attempts, 100);
	}
	cr_assert_eq(now, arrived + 5 * DAY, "the last attempt is made at the end");
	cr_assert_gt(attempts, 30);
}

struct work {
	struct site_job job;
	char label[16];
};

static struct work pool[10000];
static size_t pool_used;

static struct work *add(struct sites *sites, const char *site, const char *label)
{
	struct work *work = &pool[pool_used++];

	cr_assert_leq(pool_used, sizeof pool / sizeof pool[0]);
	snprintf(work->label, sizeof work->label, "%s", label);
	cr_assert(site_add(sites, slice_string(site), &work->job));
	return work;
}

static const char *label(struct site_job *job)
{
	return ((struct work *)job)->label;
}

Test(schedule, a_clock_that_is_set_back_makes_nothing_wait_longer_than_the_longest_wait)
{
	const uint64_t hour = UINT64_C(3600) * 1000000;
	struct schedule_now now = {.wall_us = 100 * hour, .monotonic_us = hour};

	cr_assert_eq(schedule_moment(now, 101 * hour, 4 * hour), 2 * hour);
	cr_assert_eq(schedule_moment(now, 99 * hour, 4 * hour), hour, "it is due");
	cr_assert_eq(schedule_moment(now, 0, 4 * hour), hour);
	/* The file's time was written before the clock was set back by a day. */
	cr_assert_eq(schedule_moment(now, 125 * hour, 4 * hour), 5 * hour);
	cr_assert_eq(schedule_wall_time(now, 2 * hour), 101 * hour);
	cr_assert_eq(schedule_wall_time(now, 0), 100 * hour);
}

Test(site, sites_take_turns)
{
	struct sites sites;
	struct site_job *job;
	char order[64] = "";

	sites_init(&sites, 20);
	add(&sites, "a", "a1");
	add(&sites, "a", "a2");
	add(&sites, "a", "a3");
	add(&sites, "b", "b1");
	add(&sites, "c", "c1");
	add(&sites, "b", "b2");
	while ((job = sites_take(&sites)) != NULL) {
		snprintf(order + strlen(order), sizeof order - strlen(order), "%s ", label(job));
		site_finish(&sites, job, SITE_WORKED);
	}
	cr_assert_str_eq(order, "a1 b1 c1 a2 b2 a3 ");
	cr_assert_eq(sites.count, 0, "an idle site is forgotten");
	sites_free(&sites);
}

static struct work *add_with(struct sites *sites, int priority, const char *site, const char *label)
{
	pool[pool_used].job.priority = (int8_t)priority;
	return add(sites, site, label);
}

/* Take all of them, one after another. */
static const char *order_of(struct sites *sites)
{
	static char order[512];
	struct site_job *job;

	order[0] = '\0';
	while ((job = sites_take(sites)) != NULL) {
		snprintf(order + strlen(order), sizeof order - strlen(order), "%s ", label(job));
		site_finish(sites, job, SITE_WORKED);
	}
	return order;
}

Test(site, what_has_a_higher_priority_goes_first_at_its_site_and_among_sites)
{
	struct sites sites;

	sites_init(&sites, 20);
	add_with(&sites, -4, "a", "a-4");
	add_with(&sites, 4, "a", "a+4");
	add_with(&sites, 9, "a", "a+9");
	cr_assert_str_eq(order_of(&sites), "a+9 a+4 a-4 ");
	add_with(&sites, 0, "b", "b0");
	add_with(&sites, -9, "c", "c-9");
	add_with(&sites, 5, "d", "d+5");
	cr_assert_str_eq(order_of(&sites), "b0 d+5 c-9 ", "one of four is of whoever waited longest");
	cr_assert_eq(sites.count, 0);
	sites_free(&sites);
}

Test(site, of_one_priority_the_first_goes_first)
{
	struct sites sites;

	sites_init(&sites, 20);
	for (int i = 0; i < 8; i++) {
		char text[16];

		snprintf(text, sizeof text, "%d", i);
		add_with(&sites, -2, "a", text);
	}
	cr_assert_str_eq(order_of(&sites), "0 1 2 3 4 5 6 7 ");
	sites_free(&sites);
}

/* How many were given out until `wanted` was, while ever more of a high priority come. */
static unsigned patience(struct sites *sites, const char *wanted, const char *other_site)
{
	struct site_job *job;
	unsigned count = 0;

	do {
		add_with(sites, 9, other_site, "urgent");
		job = sites_take(sites);
		cr_assert_not_null(job);
		site_finish(sites, job, SITE_WORKED);
		cr_assert_lt(++count, 1000, "it starves");
	} while (strcmp(label(job), wanted) != 0);
	return count;
}

Test(site, a_low_priority_waits_and_does_not_starve)
{
	struct sites sites;

	sites_init(&sites, 20);
	add_with(&sites, -9, "a", "low");
	cr_assert_leq(patience(&sites, "low", "a"), SITE_FAIR_SHARE, "at its own site");
	add_with(&sites, -9, "b", "low");
	cr_assert_leq(patience(&sites, "low", "a"), SITE_FAIR_SHARE + 1, "among sites");
	for (unsigned i = 0; i < 10; i++)
		add_with(&sites, 0, "c", "normal");
	add_with(&sites, -9, "c", "low");
	cr_assert_leq(patience(&sites, "low", "c"), 12 * SITE_FAIR_SHARE * SITE_FAIR_SHARE);
	order_of(&sites);
	cr_assert_eq(sites.levels, 0);
	sites_free(&sites);
}

Test(site, a_site_that_gets_something_urgent_has_its_turn_sooner)
{
	struct sites sites;
	struct work *urgent;

	sites_init(&sites, 20);
	add_with(&sites, 0, "a", "a");
	add_with(&sites, 0, "b", "b");
	add_with(&sites, 0, "c", "c");
	urgent = add_with(&sites, 4, "c", "c+4");
	cr_assert_str_eq(label(sites_take(&sites)), "c+4");
	site_finish(&sites, &urgent->job, SITE_WORKED);
	urgent = add_with(&sites, 4, "c", "c+4");
	site_remove(&sites, &urgent->job);
	cr_assert_str_eq(label(sites_take(&sites)), "a", "it is urgent no more");
	sites_free(&sites);
}

Test(site, no_more_run_at_a_time_than_the_limit)
{
	struct sites sites;
	struct site_job *running[64];
	unsigned count = 0;

	sites_init(&sites, 3);
	for (int i = 0; i < 10; i++)
		add(&sites, "a", "a");
	while ((running[count] = sites_take(&sites)) != NULL)
		count++;
	cr_assert_eq(count, 3);
	site_finish(&sites, running[0], SITE_WORKED);
	cr_assert_not_null(sites_take(&sites));
	cr_assert_null(sites_take(&sites));
	sites_free(&sites);
}

Test(site, the_limit_grows_with_success_and_a_dead_site_is_probed_one_at_a_time)
{
	struct sites sites;
	struct site_job *job;
	struct site *site;

	sites_init(&sites, 8);
	for (int i = 0; i < 30; i++)
		add(&sites, "a", "a");
	job = sites_take(&sites);
	site = job->site;
	cr_assert_eq(site->limit, SITE_LIMIT_FIRST);
	for (int i = 0; i < 10; i++) {
		site_finish(&sites, job, SITE_WORKED);
		job = sites_take(&sites);
	}
	cr_assert_eq(site->limit, 8);
	site_finish(&sites, job, SITE_UNREACHABLE);
	job = sites_take(&sites);
	cr_assert_not_null(job);
	cr_assert_null(sites_take(&sites), "the probe goes alone");
	site_finish(&sites, job, SITE_WORKED);
	cr_assert_not_null(sites_take(&sites));
	cr_assert_not_null(sites_take(&sites));
	sites_free(&sites);
}

Test(site, a_dead_site_is_remembered_while_it_has_no_work)
{
	struct sites sites;
	struct site_job *job;

	sites_init(&sites, 8);
	add(&sites, "a", "a");
	job = sites_take(&sites);
	site_finish(&sites, job, SITE_UNREACHABLE);
	cr_assert_eq(sites.count, 1);
	add(&sites, "a", "a");
	add(&sites, "a", "a");
	cr_assert_not_null(sites_take(&sites));
	cr_assert_null(sites_take(&sites));
	sites_forgive(&sites);
	cr_assert_not_null(sites_take(&sites), "an administrator said so");
	sites_free(&sites);
}

Test(site, an_open_connection_takes_the_next_job_of_its_site)
{
	struct sites sites;
	struct site_job *job, *next;

	sites_init(&sites, 1);
	add(&sites, "a", "a1");
	add(&sites, "b", "b1");
	add(&sites, "a", "a2");
	job = sites_take(&sites);
	next = site_take(&sites, job->site);
	cr_assert_str_eq(label(next), "a2");
	cr_assert_null(site_take(&sites, job->site));
	sites_free(&sites);
}

Test(site, a_job_that_is_taken_back_is_not_given_out)
{
	struct sites sites;
	struct work *work;

	sites_init(&sites, 8);
	work = add(&sites, "a", "a");
	cr_assert_eq(site_waiting(&sites, SLICE("a")), 1);
	site_remove(&sites, &work->job);
	cr_assert_null(sites_take(&sites));
	cr_assert_eq(sites.count, 0);
	cr_assert_eq(site_waiting(&sites, SLICE("a")), 0);
	sites_free(&sites);
}

Test(site, thousands_of_sites_are_found_again)
{
	struct sites sites;
	char name[32];

	sites_init(&sites, 8);
	for (int i = 0; i < 5000; i++) {
		snprintf(name, sizeof name, "mx:%d.example", i);
		add(&sites, name, "x");
		add(&sites, name, "y");
	}
	cr_assert_eq(sites.count, 5000);
	for (int i = 0; i < 10000; i++)
		cr_assert_not_null(sites_take(&sites));
	cr_assert_null(sites_take(&sites));
	sites_free(&sites);
}
