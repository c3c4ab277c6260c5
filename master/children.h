/*
 * children.h - the processes that master has started.
 */
#ifndef PETREL_MASTER_CHILDREN_H
#define PETREL_MASTER_CHILDREN_H

#include <sys/types.h>

#include "common/channel.h"
#include "common/conf.h"
#include "master/table.h"

struct event;
struct event_base;

struct child {
	const struct table_process *row;
	unsigned instance;
	pid_t pid;               /* 0: not running, waits to be started again */
	struct channel *channel; /* control channel; NULL: not running */
	bool ready;
	uint64_t started_us;     /* monotonic */
	uint64_t started_wall_us;
	unsigned restarts;
	unsigned delay_ms;       /* before the next start */
	struct event *restart;
	struct event *late;      /* it has not said that it is ready for too long */
};

/* What children_start was told; kept until the next reload. */
struct children_orders {
	struct event_base *base;
	struct conf *conf;       /* in force */
	bool privileged;
	const char *programs;    /* the directory of programs */
	/* A message from a child that is not about its own life.  False: malformed. */
	bool (*message)(struct child *child, struct message *m);
	/* Called once, when every process has said that it is ready. */
	void (*all_ready)(void);
	/* Called where the suite does not come up: a process keeps dying before all were ready once. */
	void (*give_up)(void);
	/* Called when the last process has ended after children_stop. */
	void (*all_gone)(void);
};

/* Start every process of the table and wire their channels.  False (logged) where one cannot be started at all. */
bool children_start(const struct children_orders *orders);
/* The settings have changed: send them, and the certificate and key files anew. */
void children_reload(struct conf *conf);
/* The sockets of these services (bits) are not the same any more, or are to be handed out for the first time. */
void children_send_listeners(unsigned services);
/* Stop in stages; all_gone is called at the end. */
void children_stop(void);
/* waitpid() told of a process's end.  False where it was none of ours. */
bool children_ended(pid_t pid, int status);
/* A running process of that role, or NULL. */
struct child *children_find(enum role role, unsigned instance);
struct child *children_any(enum role role);
/* A new channel to the logger, for a process that is not in the table (a user's session).  -1 where it is not to be had. */
int children_connect_log(enum role role);
void children_each(void (*each)(const struct child *child, void *context), void *context);

#endif
