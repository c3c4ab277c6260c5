/*
 * submission.h - a message that a local program hands in: made complete, then
 * given to the running suite, or left in drop/ for when it runs again.
 */
#ifndef PETREL_CTL_SUBMISSION_H
#define PETREL_CTL_SUBMISSION_H

#include "common/buf.h"
#include "common/slice.h"

enum { SUBMISSION_RECIPIENTS_MAX = 10000 };

struct submission {
	struct buf message;      /* CRLF lines */
	char sender[321];        /* envelope sender, canonical; empty: the null sender */
	char *recipients[SUBMISSION_RECIPIENTS_MAX]; /* canonical, each once */
	size_t recipient_count;
};

/* The sender's login name: who runs this program, by its real uid. */
bool submission_login(char *login, size_t size);
/* "alice" becomes "alice@" and the first of our domains; canonical.  False where it is no address. */
bool submission_qualify(struct slice address, char out[321]);
/* False where it is no address (said on standard error). */
bool submission_add_recipient(struct submission *s, struct slice address);
/*
 * Read a message from standard input, with whatever line ends.  `dot_ends`: a line
 * with nothing but a dot ends it.  An exit status; what is wrong is said on
 * standard error.
 */
int submission_read(struct submission *s, bool dot_ends);
/* Take the recipients from To, Cc and Bcc; where there are Resent-To and its kin, from those. */
bool submission_take_header_recipients(struct submission *s);
/* Bcc and Resent-Bcc are nobody's but the author's: take them out, as smtpd does. */
bool submission_drop_bcc(struct submission *s);
/* Add From (with this display name), Date and Message-ID where they are missing. */
bool submission_complete_header(struct submission *s, const char *full_name);
void submission_free(struct submission *s);

/*
 * Hand it to the running suite.  An exit status (sysexits.h), or -1 where it is
 * not to be had just now: no suite is running, or it asks to try again later.
 */
int submission_send(const struct submission *s);
/* Leave it in the spool's drop/.  An exit status. */
int submission_drop(const struct submission *s);
/* A stream socket with an smtpd at its other end, or -1 where no suite is running. */
int submission_connect(void);

#endif
