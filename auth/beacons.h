/*
 * beacons.h - unguessable numbers that front daemons have clients sign
 * (common/tls_witness.h), and which of what was signed has been used.
 *
 * A beacon is the current one for a minute and counts for ten; in this time a
 * handshake logs somebody in once.  Times are clock_monotonic_us().
 */
#ifndef PETREL_AUTH_BEACONS_H
#define PETREL_AUTH_BEACONS_H

#include "common/tls_witness.h"

struct beacons;

enum {
	BEACON_SECONDS = 60,
	BEACONS_KEPT = 10,
	BEACON_USES_MAX =
	    65536, /* of all kept ones: where there are more, the oldest beacon goes */
};

struct beacons *beacons_new(void);
void beacons_free(struct beacons *);

/* The current one; NULL where randomness is not to be had. */
const uint8_t *beacons_current(struct beacons *, uint64_t now_us);

enum beacon_use { BEACON_FRESH, BEACON_UNKNOWN, BEACON_USED };
/* This handshake, by the hash of its transcript, logs somebody in under that beacon. */
enum beacon_use beacons_use(
    struct beacons *, struct slice beacon, struct slice hash, uint64_t now_us);

#endif
