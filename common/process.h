/*
 * process.h - what every process of the suite does to come into being.
 *
 * master starts a daemon with one descriptor, its control channel.  Over it come
 * the settings, the rights the process is to have (uid, root directory, limits,
 * system-call filter), its channels to its peers, its listening sockets and the
 * files it may read.  process_main() receives these, gives up every right that
 * is not in the list, and runs the event loop; a daemon says in a struct
 * process what it does at each step.
 *
 *   prepare   still with the rights it was started with: open what the root
 *             directory will hide.  Reads nothing that came from outside.
 *   start     with its final rights.  Peers, listeners and files may arrive from
 *             now on, in any order.
 *   reload    new settings are in force (the global `settings` points to them).
 *   stop      finish: close listeners, tell clients; call process_exit() when done.
 *             A process that has no stop is ended at once.
 */
#ifndef PETREL_COMMON_PROCESS_H
#define PETREL_COMMON_PROCESS_H

#include "common/channel.h"
#include "common/channel_control.h"
#include "common/conf.h"

struct event_base;

/* How a process treats a peer.  `role` says which; every instance of that role uses these handlers. */
struct process_peer {
	enum role role;
	/* A new channel to the peer: at start-up, and after the peer was started again.  Optional. */
	void (*opened)(struct channel *channel);
	/* See channel.h.  The context is NULL; process_peer_role() and process_peer_instance() tell who it is. */
	bool (*message)(struct channel *channel, struct message *m, void *context);
	void (*closed)(struct channel *channel, void *context); /* optional */
	void (*drained)(struct channel *channel, void *context); /* optional */
};

struct process {
	enum role role;
	const struct process_peer *peers; /* ends with role ROLE_NONE */
	bool (*prepare)(void);            /* optional; false ends the process with a log line of its own */
	bool (*start)(struct event_base *base);
	void (*reload)(void);             /* optional */
	void (*stop)(void);               /* optional */
	/* A listening socket for a service (non-blocking; owned by the callee); optional. */
	void (*listener)(enum service service, int socket);
	/* No more connections are to be accepted for a service (a reload moved or closed it); optional. */
	void (*unlisten)(enum service service);
	/* A file that master opened for this process; owned by the callee; -1: it could not be opened; optional. */
	void (*file)(enum control_file kind, const char *name, int descriptor);
	/* Any other message from master; optional.  False: malformed. */
	bool (*control)(struct message *m);
};

/* main() of every daemon.  Returns the exit status. */
int process_main(const struct process *process, int argc, char **argv);

struct event_base *process_base(void);
/* The channel to master. */
struct channel *process_master(void);
/*
 * A channel to a peer of that role, or NULL where there is none just now (it is
 * being started again): answer temporary failure, or wait for `opened`.  Where
 * the role has several instances they are taken in turn.
 */
struct channel *process_peer(enum role role);
struct channel *process_peer_at(enum role role, unsigned instance);
/* Call `each` for every open channel of a role. */
void process_each_peer(enum role role, void (*each)(struct channel *channel, void *context), void *context);
enum role process_peer_role(const struct channel *channel);
unsigned process_peer_instance(const struct channel *channel);
/* Which of its role's instances this process is, from 0. */
unsigned process_instance(void);
/* True once `stop` was called. */
bool process_is_stopping(void);
/* End the event loop and the process, after sending what channels still hold. */
void process_exit(int status);

#endif
