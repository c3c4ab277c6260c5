/*
 * signing.h - TLS in a daemon whose private keys are with the process `keys`.
 *
 * A daemon that speaks TLS to clients
 *
 * - calls signing_prepare() in its `prepare`,
 * - has a row for ROLE_KEYS among its peers, with signing_message() for messages,
 * - calls signing_reload() in its `reload`, and signing_take_certificates() in its
 *   `control` for CONTROL_CERTIFICATES,
 *
 * and has its certificates in signing_server().
 */
#ifndef PETREL_COMMON_SIGNING_H
#define PETREL_COMMON_SIGNING_H

#include "common/channel.h"
#include "common/tls.h"

/*
 * tls_init(), and have handshakes signed by the process `keys` from now on.  While
 * there is none (it is being started again) handshakes wait for it, for as long
 * as their own time-out lets them.
 */
bool signing_prepare(void);

/* What keys says unasked: the keys of session tickets. */
bool signing_message(struct channel *channel, struct message *m, void *context);

/*
 * The certificates from now on: those that keys has the private keys of.
 * Connections that are under TLS, or about to be, keep those that they have.
 * False: malformed.
 */
bool signing_take_certificates(const struct message *m);
/* The settings have changed. */
void signing_reload(void);
/* What to show to clients; NULL where there is no certificate: offer no TLS then. */
struct tls_server *signing_server(void);

#endif
