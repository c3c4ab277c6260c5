/*
 * channel_mailbox.h - delivery/maildir tells the imapd workers of new mail.
 */
#ifndef PETREL_COMMON_CHANNEL_MAILBOX_H
#define PETREL_COMMON_CHANNEL_MAILBOX_H

enum mailbox_type {
	MAILBOX_NEW = 1 /* string: the account's address */
};

#endif
