/*
 * channel_lookup.h - who is a recipient?  Decided by lookup alone, asked by smtpd
 * (to answer RCPT) and by qmgr (to know where a message goes).
 */
#ifndef PETREL_COMMON_CHANNEL_LOOKUP_H
#define PETREL_COMMON_CHANNEL_LOOKUP_H

#include "common/codec.h"

enum lookup_type {
	LOOKUP_RECIPIENT = 1, /* call: slice address, bool may_relay, slice login (whose allowance it is counted against; empty: nobody's).  Answer LOOKUP_VERDICT */
	LOOKUP_VERDICT,       /* struct lookup_verdict */
	LOOKUP_EXPAND,        /* call: slice address.  Answer LOOKUP_EXPANSION */
	LOOKUP_EXPANSION,     /* struct lookup_expansion */
	LOOKUP_SENDER,        /* call: slice login, slice sender address, bool begins_message (which is counted).  May this login use it?  Answer LOOKUP_VERDICT */
	LOOKUP_LISTED, /* call: u32 count, for each: string table, u32 count, slices keys.  Which tables hold any of theirs?  Answer LOOKUP_LISTS */
	LOOKUP_LISTS   /* u32 bits: it does; u32 bits: it does not; neither: nobody can say now */
};

enum lookup_answer {
	LOOKUP_ACCEPTED,
	LOOKUP_REFUSED,   /* permanent */
	LOOKUP_TEMPORARY, /* cannot tell now */
	LOOKUP_ANSWER_COUNT
};

/* What to say to the client of an SMTP session. */
struct lookup_verdict {
	uint8_t answer;      /* enum lookup_answer */
	uint16_t code;       /* reply code: 250, 550, 554, 451 */
	char status[12];     /* enhanced status code: "5.1.1" */
	char text[256];      /* "No such user here" */
};

/* Which tables hold what was asked: a bit for each, in the order of the question. */
struct lookup_lists {
	uint32_t listed;
	uint32_t unlisted; /* in neither: nobody can say now */
};

enum lookup_kind {
	LOOKUP_MAILBOX, /* a virtual user's mailbox */
	LOOKUP_REMOTE,  /* another host */
	LOOKUP_ERROR,   /* no delivery possible */
	LOOKUP_KIND_COUNT
};

enum { LOOKUP_DELIVERIES_MAX = 10000, LOOKUP_DELIVERY_TEXT_MAX = 1024 };

/* One final delivery. */
struct lookup_delivery {
	uint8_t kind;          /* enum lookup_kind */
	struct slice address;  /* MAILBOX: the account; REMOTE: RCPT TO; ERROR: what failed */
	struct slice place;    /* MAILBOX: home relative to the mail root; REMOTE: the site (see channel_delivery.h) */
	bool temporary;        /* ERROR: try again later */
	struct slice status;   /* ERROR: "5.1.1" */
	struct slice text;     /* ERROR: for the log and the bounce */
};

struct lookup_expansion {
	uint32_t count;
	struct lookup_delivery *deliveries; /* allocated by lookup_expansion_read */
};

void lookup_verdict_write(struct writer *w, const struct lookup_verdict *verdict);
bool lookup_verdict_read(struct reader *r, struct lookup_verdict *verdict);
void lookup_expansion_write(struct writer *w, const struct lookup_expansion *expansion);
bool lookup_expansion_read(struct reader *r, struct lookup_expansion *expansion);
void lookup_expansion_free(struct lookup_expansion *expansion);

#endif
