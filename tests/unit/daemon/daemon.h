/*
 * daemon.h - a real daemon of the suite, with the test in master's and its peers'
 * place.  The programs are those of the build directory that the test runs in.
 */
#ifndef PETREL_TESTS_UNIT_DAEMON_DAEMON_H
#define PETREL_TESTS_UNIT_DAEMON_DAEMON_H

#include <sys/types.h>

#include "common/channel.h"
#include "common/channel_control.h"

struct daemon {
	struct event_base *base;
	bool owns_base;
	struct channel *control;
	pid_t pid;
	bool is_ready;
	bool is_gone;                   /* its end of the control channel is closed */
	unsigned sessions;              /* CONTROL_SESSION messages */
	struct control_session session; /* the last one */
	unsigned judgements;            /* CONTROL_CERTIFICATES_JUDGED messages, and the last one */
	size_t judgement_len;
	char judgement[16384];
};

/* Start a program ("auth/auth") with these lines of petrel.conf, and wait until it is ready. */
void daemon_start(struct daemon *, const char *program, enum role, const char *conf);
/* The same, on an event loop that others of them run on. */
void daemon_start_beside(
    struct daemon *, struct event_base *, const char *program, enum role, const char *conf);
/* Have it end; returns its exit status (or -1: it did not exit by itself). */
int daemon_stop(struct daemon *);
/* Have it stand still, and come back once it does; SIGCONT lets it go on. */
void daemon_pause(const struct daemon *);
/* A channel to it, with the test in the place of that peer. */
struct channel *daemon_peer(struct daemon *, enum role peer, unsigned instance, void *context);
/* The same for a peer that is spoken to unasked. */
struct channel *daemon_peer_with(struct daemon *, enum role peer, unsigned instance,
    const struct channel_handlers *, void *context);
/* A channel between two of them. */
void daemon_join(
    struct daemon *one, enum role one_role, struct daemon *other, enum role other_role);
void daemon_send_listener(struct daemon *, enum service, int socket);
void daemon_send_file(struct daemon *, enum control_file, const char *name, int descriptor);
/* To keys: the files that were sent are all there are. */
void daemon_end_files(struct daemon *);
/* To one who speaks TLS: this chain and no other. */
void daemon_send_certificate(struct daemon *, struct slice pem);
void daemon_reload(struct daemon *, const char *conf);

/* What became of a call on a peer's channel. */
struct reply {
	bool came;
	bool lost;
	uint16_t type;
	size_t len;
	char body[4096];
};
bool daemon_reply(struct message *answer, void *reply);
/* Run the loop until *flag, for five seconds at most. */
void daemon_run_until(struct daemon *, const bool *flag);
void daemon_run_for(struct daemon *, unsigned milliseconds);

/* Set by a peer channel's end, where it was opened with one as its context. */
struct peer_end {
	bool closed;
};

#endif
