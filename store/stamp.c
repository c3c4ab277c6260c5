/*
 * stamp.c - directory times, and when they can be trusted.
 *
 * A directory's modification time tells that it has not changed since it was read,
 * unless a change came within the same tick of the file system's clock.  So a time
 * that is younger than a tick when the reading begins is unsure: once it has aged, the
 * directory is read once more.
 */
#include "common/clock.h"
#include "store/private.h"

enum {
	TICK_US = 100 * 1000,        /* more than a tick of any kernel's clock */
	COARSE_TICK_US = 2000 * 1000 /* of file systems that keep whole seconds */
};

static bool is_fresh(const struct stat *st)
{
	uint64_t mtime_us =
	    (uint64_t)st->st_mtim.tv_sec * 1000000 + (uint64_t)st->st_mtim.tv_nsec / 1000;
	uint64_t now_us = clock_wall_us();

	/* A time in the future (a clock that stepped back) stays unsure till it is past. */
	return mtime_us + (st->st_mtim.tv_nsec == 0 ? COARSE_TICK_US : TICK_US) > now_us;
}

struct stamp stamp_of(const struct stat *st)
{
	return (struct stamp){st->st_mtim.tv_sec, (uint32_t)st->st_mtim.tv_nsec, is_fresh(st)};
}

bool stamp_is(const struct stamp *stamp, const struct stat *st)
{
	return stamp->seconds == st->st_mtim.tv_sec &&
	       stamp->nanoseconds == (uint32_t)st->st_mtim.tv_nsec;
}

bool stamp_holds(const struct stamp *stamp, const struct stat *st)
{
	/* While it is still fresh, looking again would not make it sure: wait. */
	return stamp_is(stamp, st) && (!stamp->is_unsure || is_fresh(st));
}
