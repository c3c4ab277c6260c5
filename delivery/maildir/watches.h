/*
 * watches.h - which imapd worker wants to hear of whose new mail.
 */
#ifndef PETREL_DELIVERY_MAILDIR_WATCHES_H
#define PETREL_DELIVERY_MAILDIR_WATCHES_H

#include "common/channel.h"

enum { WATCHES_MAX = 1000000 }; /* accounts of all workers together */

/* A message from imapd.  False: it was malformed. */
bool watches_message(struct channel *imapd, struct message *m, void *context);
/* The worker is gone, and all that it watched. */
void watches_closed(struct channel *imapd, void *context);
/* There is new mail: tell whoever watches the account. */
void watches_tell(struct slice account);

#endif
