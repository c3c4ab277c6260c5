/*
 * schedule.c - when what is tried next.
 */
#include "qmgr/schedule.h"

#include <stdlib.h>

enum { FIRST_ROOM = 256 };

void schedule_free(struct schedule *s)
{
	free(s->heap);
	*s = (struct schedule){0};
}

static void put(struct schedule *s, size_t place, struct schedule_entry *entry)
{
	s->heap[place] = entry;
	entry->place = place;
}

static void rise(struct schedule *s, struct schedule_entry *entry)
{
	size_t place = entry->place;

	while (place > 0 && s->heap[(place - 1) / 2]->due_us > entry->due_us) {
		put(s, place, s->heap[(place - 1) / 2]);
		place = (place - 1) / 2;
	}
	put(s, place, entry);
}

static void sink(struct schedule *s, struct schedule_entry *entry)
{
	size_t place = entry->place;

	for (;;) {
		size_t child = 2 * place + 1;

		if (child >= s->count)
			break;
		if (child + 1 < s->count && s->heap[child + 1]->due_us < s->heap[child]->due_us)
			child++;
		if (s->heap[child]->due_us >= entry->due_us)
			break;
		put(s, place, s->heap[child]);
		place = child;
	}
	put(s, place, entry);
}

bool schedule_set(struct schedule *s, struct schedule_entry *entry, uint64_t due_us)
{
	if (entry->place == SCHEDULE_NOWHERE) {
		if (s->count == s->room) {
			size_t room = s->room == 0 ? FIRST_ROOM : s->room * 2;
			struct schedule_entry **heap = reallocarray(s->heap, room, sizeof *heap);

			if (heap == NULL)
				return false;
			s->heap = heap;
			s->room = room;
		}
		put(s, s->count++, entry);
	}
	entry->due_us = due_us;
	rise(s, entry);
	sink(s, entry);
	return true;
}

void schedule_remove(struct schedule *s, struct schedule_entry *entry)
{
	struct schedule_entry *last;
	size_t place = entry->place;

	if (place == SCHEDULE_NOWHERE)
		return;
	entry->place = SCHEDULE_NOWHERE;
	last = s->heap[--s->count];
	if (last == entry)
		return;
	put(s, place, last);
	rise(s, last);
	sink(s, last);
}

struct schedule_entry *schedule_first(const struct schedule *s)
{
	return s->count == 0 ? NULL : s->heap[0];
}

uint64_t schedule_moment(struct schedule_now now, uint64_t wall_us, uint64_t longest_us)
{
	uint64_t wait = wall_us > now.wall_us ? wall_us - now.wall_us : 0;

	return now.monotonic_us + (wait < longest_us ? wait : longest_us);
}

uint64_t schedule_wall_time(struct schedule_now now, uint64_t moment_us)
{
	return moment_us > now.monotonic_us ? now.wall_us + (moment_us - now.monotonic_us)
					    : now.wall_us;
}

uint64_t retry_delay_us(const struct retry_limits *limits, uint32_t attempts, uint32_t random)
{
	uint64_t delay = limits->first_us;

	for (uint32_t i = 1; i < attempts && delay < limits->longest_us; i++)
		delay *= 2;
	if (delay > limits->longest_us)
		delay = limits->longest_us;
	return delay - delay / 4 * (random % 1024) / 1024;
}

uint64_t retry_at(const struct retry_limits *limits, uint64_t arrived_us, uint64_t now_us,
    uint32_t attempts, uint32_t random)
{
	uint64_t end = arrived_us + limits->expire_us;
	uint64_t next = now_us + retry_delay_us(limits, attempts, random);

	if (now_us >= end)
		return 0;
	return next < end ? next : end;
}
