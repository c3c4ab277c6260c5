/*
 * external.h - EXTERNAL (RFC 4422, appendix A): a login by a client's certificate.
 *
 * The front daemon passes on the messages of its TLS handshake with the client.
 * Whether they prove anything, who stands for the certificate and whose it is, is
 * decided here, without believing the front daemon anything:
 *
 * - a beacon of ours is in the handshake, and it is its first use    beacons.h
 * - the client was shown a certificate of this host's
 * - what the client signed, it signed with the certificate's key     proof.h
 * - the authorities stand for it
 * - it is listed, or (auth.certificates named) names an account      certificates.h
 */
#ifndef PETREL_AUTH_EXTERNAL_H
#define PETREL_AUTH_EXTERNAL_H

#include "common/channel.h"
#include "common/channel_auth.h"

struct event_base;

bool external_start(struct event_base *);
/* A front daemon is there: give it a beacon, and another each minute. */
void external_opened(struct channel *front);
/* Files from master, which are closed. */
void external_take_authorities(const char *name, int descriptor);
/* What this host shows to clients: CONTROL_CERTIFICATES.  False: malformed. */
bool external_take_certificates(const struct message *m);
/* The settings have changed. */
void external_reload(void);
void external_stop(void);

/* AUTH_EXTERNAL came in; it will be answered on the same channel. */
void external_begin(struct channel *, uint32_t request, const struct auth_question *question);

#endif
