/*
 * witness.h - in a daemon: asking clients for certificates, where the settings
 * name authorities for them (tls.client-authorities).
 *
 * A daemon whose users may log in by a certificate
 *
 * - calls witness_take_authorities() in its `file` for CONTROL_FILE_CLIENT_AUTHORITIES,
 * - gives what comes from auth unasked to witness_take_beacon(),
 * - calls witness_ask() behind stream_start_tls_server(), and witness_log() when
 *   the stream is secured.
 */
#ifndef PETREL_COMMON_WITNESS_H
#define PETREL_COMMON_WITNESS_H

#include "common/channel.h"
#include "common/stream.h"

/* Read the file, which is closed.  What fails is logged, and what was in force stays. */
void witness_take_authorities(const char *name, int descriptor);
/* AUTH_BEACON of channel_auth.h; false where it is something else. */
bool witness_take_beacon(struct message *m);
/* Ask, if there is reason to and auth has said what with; otherwise do nothing. */
void witness_ask(struct stream *);
/* Tell what the client has shown, if anything. */
void witness_log(const struct stream *, const char *client);

#endif
