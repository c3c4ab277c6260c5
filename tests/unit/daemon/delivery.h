/*
 * delivery.h - the test in qmgr's place: jobs for a delivery agent, and what came of them.
 */
#ifndef PETREL_TESTS_UNIT_DAEMON_DELIVERY_H
#define PETREL_TESTS_UNIT_DAEMON_DELIVERY_H

#include "common/channel_delivery.h"
#include "tests/unit/daemon/daemon.h"

enum { OUTCOMES_MAX = 8 };

/* The last result, and what was counted so far. */
struct qmgr {
	struct daemon *daemon;
	struct channel *channel;
	uint32_t slots; /* wanted altogether */
	bool has_wanted;
	bool has_result;
	unsigned results;
	uint64_t job;
	bool reuse, site_failed;
	char remote[DELIVERY_REMOTE_MAX + 1], tls[DELIVERY_REMOTE_MAX + 1];
	uint32_t count;
	struct {
		uint32_t index;
		uint8_t outcome;
		char status[DELIVERY_STATUS_MAX + 1];
		char text[DELIVERY_TEXT_MAX + 1];
	} outcomes[OUTCOMES_MAX];
};

/* Connect to the agent and wait until it wants jobs. */
void qmgr_open(struct qmgr *, struct daemon *);
/* A job with the usual sender; the agent gets a descriptor of its own. */
void qmgr_give(struct qmgr *, const struct delivery_job *, int content);
/* Wait for the next result. */
void qmgr_await(struct qmgr *);
/* A file with this content, in memory. */
int content_of(struct slice text);

#endif
