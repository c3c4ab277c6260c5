/*
 * maildir.h - delivery into a Maildir.
 *
 * Delivery writes a file in tmp/ and renames it into new/.  It takes no lock and
 * does not open the index; the store takes the file over when somebody looks.
 *
 * The file's name begins with "SECONDS.M<microseconds>I<id>R<hash>.HOST": when the
 * message arrived, as other programs write it too and order by; its identifier, a
 * hash of the recipient, and the host.  The same message for the same recipient
 * always gets the same name, so delivering again is harmless as long as the file is where it
 * was put.  After a crash the caller sets `redeliver`: then a file that was moved to
 * cur/, or to another folder, or expunged by its owner since, counts as delivered
 * too, and a file that the crash cut short is replaced.
 *
 * Nothing is flushed unless asked for: until the queue's next checkpoint its journal
 * is the durable copy.  In the common case a delivery of a message up to
 * MAILDIR_BLOCK octets is five system calls: open, read, write, rename, close.
 */
#ifndef PETREL_STORE_MAILDIR_H
#define PETREL_STORE_MAILDIR_H

#include "common/id.h"
#include "common/slice.h"

enum {
	MAILDIR_BLOCK = 256 * 1024,       /* octets of content read at once */
	MAILDIR_HEADERS_MAX = 256 * 1024, /* octets of header fields put in front */
	MAILDIR_NAME_SIZE = 256,          /* a file's name, with its NUL */
	MAILDIR_REPLAY_DAYS =
	    7, /* how long a message's file may go missing in a crash and come back by
					     a replay of the journal: checkpoints are never further apart */
};

struct maildir_delivery {
	message_id id;
	uint64_t arrived_us;    /* wall time of acceptance: the order of messages in the mailbox */
	struct slice recipient; /* hashed into the name */
	const char *hostname;
	struct slice folder;  /* UTF-8, '/' between levels; empty: INBOX */
	struct slice headers; /* fields to put in front, CRLF line ends */
	int content_fd; /* the content, CRLF line ends; its file offset is neither used nor moved */
	uint64_t offset;
	uint64_t size;
	bool redeliver; /* it may have been delivered before: look everywhere first */
	bool flush;     /* flush the file and its directory before returning */
};

enum maildir_outcome {
	MAILDIR_DELIVERED,
	MAILDIR_ALREADY,   /* it is there, or was expunged by its owner */
	MAILDIR_NO_FOLDER, /* no such folder, or no such name possible */
	MAILDIR_FAILED,    /* see error and step; nothing is left behind */
};

struct maildir_result {
	char name[MAILDIR_NAME_SIZE]; /* of the file in new/, where it was delivered */
	uint64_t disk_size;           /* octets of the file (LF) */
	uint64_t crlf_size;           /* octets with CRLF */
	int error;                    /* errno of what failed */
	const char *step;             /* what failed: "open", "read", "write", "flush", "rename" */
};

/*
 * Deliver a message into a folder of a home.  Makes Maildir/{cur,new,tmp} where
 * the home has none; other folders must exist.
 */
enum maildir_outcome maildir_deliver(
    int home_fd, const struct maildir_delivery *delivery, struct maildir_result *result);

#endif
