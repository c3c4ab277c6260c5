/*
 * clock.h - the two clocks.
 *
 * Wall time stamps mail and orders identifiers; the monotonic clock measures
 * waits, so that a step of the wall clock never fires or stalls a time-out.
 */
#ifndef PETREL_COMMON_CLOCK_H
#define PETREL_COMMON_CLOCK_H

#include <stdint.h>

/* Microseconds since 1970-01-01 UTC. */
uint64_t clock_wall_us(void);
/* Microseconds since some fixed point; never steps back. */
uint64_t clock_monotonic_us(void);

#endif
