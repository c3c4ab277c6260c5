/*
 * allowance.c - how much a user may send in an hour and in a day.
 */
#include "lookup/allowance.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "common/conf.h"
#include "common/log.h"
#include "common/siphash.h"

enum { BUCKETS = 4096, PERIODS = 2, KINDS = 2 };

static const struct {
	uint64_t us;
	const char *name;
} periods[PERIODS] = {
    {3600 * UINT64_C(1000000),  "hour"},
    {86400 * UINT64_C(1000000), "day" },
};

static const struct {
	const char *name;
	const char *verb;
} kinds[KINDS] = {
    {"messages",   "send"    },
    {"recipients", "write to"},
};

/* What was sent in the current period and in the one before. */
struct count {
	uint64_t period; /* its number */
	uint32_t now;
	uint32_t before;
};

struct sender {
	TAILQ_ENTRY(sender) by_use;
	SLIST_ENTRY(sender) in_bucket;
	struct count counts[KINDS][PERIODS];
	bool is_limited; /* was told so, and has sent nothing since */
	size_t login_len;
	char login[];
};

SLIST_HEAD(bucket, sender);

static struct bucket *buckets;
static struct siphash_key key;
static TAILQ_HEAD(, sender) by_use = TAILQ_HEAD_INITIALIZER(by_use); /* the latest last */
static unsigned sender_count;

static struct bucket *bucket_of(struct slice login)
{
	return &buckets[siphash(key, login) % BUCKETS];
}

static void forget(struct sender *sender)
{
	struct slice login = slice_of(sender->login, sender->login_len);

	TAILQ_REMOVE(&by_use, sender, by_use);
	SLIST_REMOVE(bucket_of(login), sender, sender, in_bucket);
	sender_count--;
	free(sender);
}

static struct sender *find(struct slice login)
{
	struct sender *sender;

	SLIST_FOREACH (sender, bucket_of(login), in_bucket) {
		if (slice_equal(slice_of(sender->login, sender->login_len), login))
			return sender;
	}
	return NULL;
}

static struct sender *add(struct slice login)
{
	struct sender *sender = calloc(1, sizeof *sender + login.len);

	if (sender == NULL)
		return NULL;
	if (sender_count == ALLOWANCE_LOGINS_MAX)
		forget(TAILQ_FIRST(&by_use));
	sender->login_len = login.len;
	memcpy(sender->login, login.data, login.len);
	SLIST_INSERT_HEAD(bucket_of(login), sender, in_bucket);
	TAILQ_INSERT_TAIL(&by_use, sender, by_use);
	sender_count++;
	return sender;
}

/* NULL where memory is short. */
static struct sender *sender_of(struct slice login)
{
	struct sender *sender;

	if (buckets == NULL) {
		buckets = calloc(BUCKETS, sizeof *buckets);
		if (buckets == NULL)
			return NULL;
		key = siphash_key_random();
	}
	sender = find(login);
	if (sender == NULL)
		return add(login);
	TAILQ_REMOVE(&by_use, sender, by_use);
	TAILQ_INSERT_TAIL(&by_use, sender, by_use);
	return sender;
}

static void turn(struct count *count, uint64_t period)
{
	if (count->period == period)
		return;
	count->before = count->period + 1 == period ? count->now : 0;
	count->now = 0;
	count->period = period;
}

/* What was sent in the time that a period takes, up to now. */
static uint64_t lately(const struct count *count, uint64_t length_us, uint64_t now_us)
{
	uint64_t left_us = length_us - now_us % length_us;

	return count->now + (uint64_t)((double)count->before * (double)left_us / (double)length_us);
}

static int64_t limit_of(enum allowance_of of, unsigned period)
{
	const int64_t limits[KINDS][PERIODS] = {
	    {settings->submission.messages_per_hour,   settings->submission.messages_per_day  },
	    {settings->submission.recipients_per_hour, settings->submission.recipients_per_day},
	};

	return limits[of][period];
}

static void refuse(struct sender *sender, enum allowance_of of, unsigned period, char *text)
{
	char setting[64];

	snprintf(text, ALLOWANCE_TEXT_MAX, "You may %s %lld %s in %s %s; try again later",
	    kinds[of].verb, (long long)limit_of(of, period), kinds[of].name, period == 0 ? "an" : "a",
	    periods[period].name);
	if (sender->is_limited)
		return;
	sender->is_limited = true;
	snprintf(setting, sizeof setting, "submission.%s-per-%s", kinds[of].name, periods[period].name);
	log_warning("sending-limited",
	    log_slice("login", slice_of(sender->login, sender->login_len)),
	    log_string("limit", setting));
}

bool allowance_take(
    struct slice login, enum allowance_of of, uint64_t now_us, char text[ALLOWANCE_TEXT_MAX])
{
	struct sender *sender = sender_of(login);

	/* Without memory there is trouble enough; nobody's mail has to wait for a count. */
	if (sender == NULL)
		return true;
	for (unsigned i = 0; i < PERIODS; i++) {
		struct count *count = &sender->counts[of][i];
		int64_t limit = limit_of(of, i);

		turn(count, now_us / periods[i].us);
		if (limit > 0 && lately(count, periods[i].us, now_us) >= (uint64_t)limit) {
			refuse(sender, of, i, text);
			return false;
		}
	}
	for (unsigned i = 0; i < PERIODS; i++)
		sender->counts[of][i].now++;
	if (of == ALLOWANCE_RECIPIENTS)
		sender->is_limited = false;
	return true;
}

void allowance_forget(void)
{
	while (!TAILQ_EMPTY(&by_use))
		forget(TAILQ_FIRST(&by_use));
	free(buckets);
	buckets = NULL;
}

unsigned allowance_logins(void)
{
	return sender_count;
}
