/*
 * channel_mailbox.h - delivery/maildir tells the imapd workers of new mail.
 *
 * It tells those that have said that somebody is there to hear it: a message for
 * an account that nobody reads now wakes no worker.
 */
#ifndef PETREL_COMMON_CHANNEL_MAILBOX_H
#define PETREL_COMMON_CHANNEL_MAILBOX_H

enum mailbox_type {
	MAILBOX_NEW = 1, /* string: the account's address */
	/*
	 * From imapd: tell us of this account (string), until MAILBOX_UNWATCH.  It is
	 * answered with one MAILBOX_NEW, because mail may have come while the
	 * message was on its way.
	 */
	MAILBOX_WATCH,
	MAILBOX_UNWATCH /* string */
};

enum { MAILBOX_ACCOUNT_MAX = 320 }; /* octets of an address, as in channel_queue.h */

#endif
