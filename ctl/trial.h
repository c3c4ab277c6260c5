/*
 * trial.h - a session with the running suite, as if from another host.
 */
#ifndef PETREL_CTL_TRIAL_H
#define PETREL_CTL_TRIAL_H

#include "common/buf.h"
#include "common/channel_control.h"

struct trial_reply {
	unsigned code;   /* 0: there was none */
	char text[1024]; /* its last line */
	char by[96];     /* who decided, where anybody of the gate did */
};

/*
 * Have an smtpd treat a connection as that of a client from `address`: its end, or
 * -1 where no suite is running or it does not take it.
 */
int trial_connect(enum service service, const char *address);
/* Say a line (without its end; NULL: nothing) and read the reply.  False where there is none. */
bool trial_say(int connection, const char *line, struct trial_reply *reply);

#endif
