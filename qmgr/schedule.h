/*
 * schedule.h - when what is tried next.
 *
 * A heap of moments, and the arithmetic of delays.  The heap runs by the monotonic
 * clock: setting the wall clock back must not make mail wait.  Nothing here looks at
 * a clock: the caller says what time it is, so that tests can.
 */
#ifndef PETREL_QMGR_SCHEDULE_H
#define PETREL_QMGR_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Embedded in what is scheduled. */
struct schedule_entry {
	uint64_t due_us; /* by the monotonic clock; 0: at once */
	size_t place;    /* the schedule's; SCHEDULE_NOWHERE while it is in none */
};

#define SCHEDULE_NOWHERE SIZE_MAX

struct schedule {
	struct schedule_entry **heap;
	size_t count;
	size_t room;
};

struct retry_limits {
	uint64_t first_us;   /* the wait after the first attempt */
	uint64_t longest_us; /* no wait is longer */
	uint64_t expire_us;  /* the age at which attempts end */
};

void schedule_free(struct schedule *schedule);
/* Put in, or move: false when out of memory (an entry that is in keeps its old time). */
bool schedule_set(struct schedule *schedule, struct schedule_entry *entry, uint64_t due_us);
/* Take out; nothing happens where it is not in. */
void schedule_remove(struct schedule *schedule, struct schedule_entry *entry);
/* The earliest entry, left in; NULL where there is none. */
struct schedule_entry *schedule_first(const struct schedule *schedule);

/* The two clocks at one moment. */
struct schedule_now {
	uint64_t wall_us;
	uint64_t monotonic_us;
};

/*
 * The moment of this wall time on the monotonic clock, but no later than `longest_us`
 * from now: no wait is longer, so the wall clock was set meanwhile.
 */
uint64_t schedule_moment(struct schedule_now now, uint64_t wall_us, uint64_t longest_us);
/* The other way round. */
uint64_t schedule_wall_time(struct schedule_now now, uint64_t moment_us);

/*
 * The wait after attempt number `attempts` (1 for the first): doubling from
 * first_us up to longest_us, and shortened by up to a quarter according to
 * `random`, so that what failed together does not come back together.
 */
uint64_t retry_delay_us(const struct retry_limits *limits, uint32_t attempts, uint32_t random);
/*
 * When to try again, or 0 where the message expires: the last attempt is made
 * when its age reaches expire_us, and not again.
 */
uint64_t retry_at(const struct retry_limits *limits, uint64_t arrived_us, uint64_t now_us,
    uint32_t attempts, uint32_t random);

#endif
