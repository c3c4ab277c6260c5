/*
 * inquiry.h - a question of smtpd's, on its way through those who may have something to say.
 *
 * There is a table of judges (judges.c).  An inquiry asks those whom the settings make
 * concern themselves with its stage, one after the other and in the order of the
 * table, until one says more than VERDICT_NONE.  A judge may take its time: it is
 * given the inquiry, and gives it back with inquiry_judged().
 */
#ifndef PETREL_POLICY_INQUIRY_H
#define PETREL_POLICY_INQUIRY_H

#include <sys/queue.h>

#include "common/channel.h"
#include "common/channel_policy.h"

struct inquiry;
TAILQ_HEAD(inquiries, inquiry);

struct judge {
	const char *name;
	/* Does it have anything to say of this question, as the settings are? */
	bool (*is_concerned)(const struct policy_question *question);
	/* Judge; inquiry_judged() is called exactly once, within this call or later. */
	void (*ask)(struct inquiry *inquiry);
	/* The inquiry that it was asked about, and has not judged, is over: forget it.  NULL: it always judges at once. */
	void (*forget)(struct inquiry *inquiry);
};

/* In the order in which they are asked; ends with a judge without a name. */
extern const struct judge judges[];

enum { INQUIRIES_MAX = 65536 }; /* at once; whoever comes then is told to come later */

struct inquiry {
	TAILQ_ENTRY(inquiry) entry;
	struct policy_question question; /* its texts are the inquiry's own */
	struct buf fields;               /* header fields that were asked for so far */
	int32_t score;                   /* in DNS lists */
	char listed[512];                /* why; empty: it is not, to its disadvantage */
	struct verdict if_accepted;      /* what becomes of it where nobody is against it; VERDICT_NONE: nothing */
	struct verdict if_refused;       /* and where somebody refuses it */
	const struct judge *judge;       /* whose turn it is */
	void *state;                     /* that judge's own; NULL when its turn begins */
	TAILQ_ENTRY(inquiry) waiting;    /* likewise */

	/* inquiry.c's */
	bool has_one_judge;
	void (*done)(void *context, const struct policy_answer *answer); /* NULL: it goes to `channel` */
	void *context;
	struct channel *channel;
	uint32_t request;
	bool is_judged;
	bool is_walking;
	struct verdict verdict;
	struct buf texts;
};

/* A call of POLICY_ASK; false where it is malformed. */
bool inquiry_begin(struct channel *channel, struct message *m);
/*
 * A question of our own, which only one judge is asked; `done` is called exactly once, from
 * within this call or later.  False where there is no memory for it.
 */
bool inquiry_ask_one(const struct policy_question *question, const struct judge *judge,
    void (*done)(void *context, const struct policy_answer *answer), void *context);
/* A judge has come to its verdict; the inquiry may be gone when this returns. */
void inquiry_judged(struct inquiry *inquiry, const struct verdict *verdict);
/* Nothing to be said against it. */
void inquiry_pass(struct inquiry *inquiry);
/* Add a header field ("Name: value", without its end); one that cannot stand in a header is left out. */
void inquiry_add_field(struct inquiry *inquiry, struct slice field);
/* Whoever asked over that channel is gone. */
void inquiries_forget(const struct channel *channel);

#endif
