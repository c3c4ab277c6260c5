/*
 * admin.h - the control socket.
 */
#ifndef PETREL_MASTER_ADMIN_H
#define PETREL_MASTER_ADMIN_H

#include "common/conf.h"

struct event_base;

enum { ADMIN_ERROR_MAX = 512 };

struct admin_orders {
	/* A reload was asked for; fills in what to tell the administrator.  False: it failed, and nothing has changed. */
	bool (*reload)(char message[ADMIN_ERROR_MAX]);
	void (*stop)(void);
};

/* Bind the control socket.  False with a message. */
bool admin_open(struct event_base *base, const struct settings *s, bool privileged, const struct admin_orders *orders,
    char error[ADMIN_ERROR_MAX]);
/* Tell everyone who waits for the stop that it is done, and take the socket away. */
void admin_close(void);

#endif
