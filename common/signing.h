/*
 * signing.h - TLS in a daemon whose private keys are with the process `keys`.
 *
 * A daemon that speaks TLS to clients
 *
 * - calls signing_prepare() in its `prepare`,
 * - has a row for ROLE_KEYS among its peers (no handlers are needed),
 * - calls signing_reload() in its `reload`, and signing_take_certificate() in its
 *   `file` for CONTROL_FILE_CERTIFICATE,
 *
 * and has its certificates in signing_server().
 */
#ifndef PETREL_COMMON_SIGNING_H
#define PETREL_COMMON_SIGNING_H

#include "common/tls.h"

/*
 * tls_init(), and have handshakes signed by the process `keys` from now on.  While
 * there is none (it is being started again) handshakes wait for it, for as long
 * as their own time-out lets them.
 */
bool signing_prepare(void);

/*
 * Read a certificate chain from an open file, which is closed.  What fails is
 * logged, and the certificates from before stay in force.
 *
 * name  of the file, for the log
 */
void signing_take_certificate(const char *name, int descriptor);
/* The certificates that come next replace those that are in force. */
void signing_reload(void);
/* What to show to clients; NULL where there is no certificate: offer no TLS then. */
struct tls_server *signing_server(void);

#endif
