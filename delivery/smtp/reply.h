/*
 * reply.h - what the other side answers (RFC 5321, 4.2).
 *
 * A reply is read line by line.  The parser is total: any line gives one of
 * three answers, and no number of lines makes it take more than this struct.
 * What it keeps of the text is printable ASCII, fit for a log line, a record of
 * the queue and a report to the sender.
 */
#ifndef PETREL_DELIVERY_SMTP_REPLY_H
#define PETREL_DELIVERY_SMTP_REPLY_H

#include "common/channel_delivery.h"
#include "common/slice.h"

enum {
	REPLY_LINE_MAX = 4096, /* octets of a line; RFC 5321 says 512, some say more */
	REPLY_LINES_MAX = 128, /* of one reply */
	REPLY_TEXT_MAX = 1024  /* octets kept of all lines together, with the NUL */
};

struct reply {
	int code;       /* 200 to 599; 0 before the first line */
	unsigned lines; /* taken so far */
	/* "5.1.1" as the first line has it; empty: none, or of another class than code. */
	char status[DELIVERY_STATUS_MAX + 1];
	/* "550 5.1.1 No such user": lines joined by blanks, cut where it is longer. */
	char text[REPLY_TEXT_MAX];
	size_t text_len;
	/* Of the line just taken, as sent: what follows the code. */
	struct slice rest;
};

enum reply_progress {
	REPLY_MORE,     /* another line follows */
	REPLY_WHOLE,    /* that was the last line */
	REPLY_MALFORMED /* not SMTP: nothing that this peer says can be relied on */
};

/* Make ready for the next reply. */
void reply_clear(struct reply *reply);
/* Take one line, without its line end. */
enum reply_progress reply_take(struct reply *reply, struct slice line);

/* First digit of the code. */
static inline int reply_class(const struct reply *reply)
{
	return reply->code / 100;
}

/* What a reply answers; some codes mean one thing here and another there. */
enum reply_stage {
	STAGE_CONNECT, /* the greeting, EHLO, STARTTLS */
	STAGE_MAIL,
	STAGE_RCPT,
	STAGE_DATA /* DATA and the end of data */
};

/*
 * The enhanced status code to report: the peer's own, or what its code stands
 * for.  `class` is the outcome's: 2, 4 or 5.  It replaces the code's own class
 * where a permanent refusal of a host is no permanent failure of the message.
 */
void reply_status(const struct reply *reply, enum reply_stage stage, char class,
    char status[DELIVERY_STATUS_MAX + 1]);

#endif
