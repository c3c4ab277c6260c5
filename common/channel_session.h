/*
 * channel_session.h - the front daemon (imapd, pop3d) and a user's session process.
 *
 * One channel for each connection of a client, from its login to its end.  The
 * front does TLS and passes plain octets both ways.  Each side watches its
 * queue: the front stops reading its client while the channel is congested, the
 * session stops producing output while it is.
 */
#ifndef PETREL_COMMON_CHANNEL_SESSION_H
#define PETREL_COMMON_CHANNEL_SESSION_H

#include "common/codec.h"

enum session_type {
	SESSION_BEGIN = 1, /* front: struct session_begin, first on every channel */
	SESSION_DATA,      /* both ways: octets, the whole body; at most SESSION_DATA_MAX of them */
	SESSION_NEW_MAIL,  /* front: something was delivered to this account: look */
	SESSION_END,       /* session: close the client's connection once all data is sent;
	                      front: the client is gone (no answer can reach it), or the suite stops (u8 1: say goodbye) */
	SESSION_PARK,      /* session: nothing to do; slice state, slice ticket.  Room kept for it, not sent yet */
	SESSION_COUNTS     /* session, before END: u64 octets in, u64 octets out, u32 commands: for the log line at logout */
};

enum { SESSION_DATA_MAX = 32768, SESSION_TAG_MAX = 64 };

struct session_begin {
	char client[64];     /* the client's address, for the log */
	char tls[96];        /* protocol and cipher; empty: in the clear */
	struct slice input;  /* what the client has already sent after its login command: to be read first */
};

void session_begin_write(struct writer *w, const struct session_begin *begin);
bool session_begin_read(struct reader *r, struct session_begin *begin);

#endif
