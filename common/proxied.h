/*
 * proxied.h - connections that a load balancer passes on.
 *
 * Who is let in by the setting proxy.networks says in front of each connection
 * whose it is (proxy.h), and nothing is said to the client before that is known.
 * Whoever is in them and does not say it is refused; what others say is never
 * looked at here.
 */
#ifndef PETREL_COMMON_PROXIED_H
#define PETREL_COMMON_PROXIED_H

#include <sys/socket.h>

#include "common/channel_control.h"

struct event_base;

/* Does a connection that was accepted from `peer` begin with a header? */
bool proxied_expects_header(int socket, const struct sockaddr *peer);

/*
 * The header has come, and was taken off the socket, which is the callee's now.
 *
 * client        the balancer's client; the balancer itself where is_anonymous
 * is_anonymous  the balancer did not say for whom it speaks (a health check):
 *               nobody is to have rights for coming from there
 */
typedef void (*proxied_ready)(
    int socket, enum service service, const struct sockaddr *client, bool is_anonymous);

/* Wait for the header (proxy.timeout).  The socket is taken over; it is closed where none comes. */
void proxied_wait(struct event_base *base, int socket, enum service service,
    const struct sockaddr *peer, proxied_ready ready);

/* Connections that are waited for. */
unsigned proxied_count(void);
/* Close them all: the process stops. */
void proxied_stop(void);

#endif
