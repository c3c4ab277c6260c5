/*
 * milter_filter.h - a message's content on its way through the milters, one after another.
 *
 * Each milter is shown the header and the body as those before it left them; what
 * it wishes is done when it has said its last word.  The content is read in
 * pieces and never held: the header is, up to a limit.  A new body goes to a
 * nameless file of our own, and the whole new content, where there is one, to the
 * file that smtpd handed over for it.
 */
#ifndef PETREL_POLICY_MILTER_FILTER_H
#define PETREL_POLICY_MILTER_FILTER_H

#include "common/channel_filter.h"
#include "policy/milter_header.h"
#include "policy/milter_talk.h"

/* A file that is written and read once: a new body. */
struct milter_scratch {
	int file; /* -1: none */
	uint64_t size;
	uint64_t limit;
	bool has_cr;       /* the last octet was a CR, and is not written yet */
	bool is_line_open; /* the last line has no end yet */
	const char *problem;
};

/* What is to come of the current milter's part. */
enum milter_phase {
	FILTER_RCPTS, /* told again, where the milter has not heard of them */
	FILTER_HEADER,
	FILTER_END_OF_HEADER,
	FILTER_BODY,
	FILTER_END,
	FILTER_DONE
};

struct milter_filter {
	int content; /* of the message; owned */
	int target;  /* for a new one; owned */
	uint64_t size;
	struct buf texts; /* prepend, recipients, and the content's header */
	size_t recipient_count;
	struct slice *recipients;
	struct milter_header header;
	bool is_too_large; /* the header is */

	/* the body as it is now: a piece of the content, or of a scratch file */
	int body_file;
	uint64_t body_from, body_to;
	bool is_body_new;
	struct milter_scratch kept; /* where is_body_new */

	/* the current milter's part */
	enum milter_phase phase;
	size_t recipient, field;
	uint64_t at;
	struct milter_edits edits;
	struct milter_scratch scratch;

	/* what came out */
	struct buf result; /* addresses and the prepend */
	bool has_sender;
	struct slice sender;
	size_t change_count, change_room;
	struct filter_recipient *changes; /* addresses are copied */
	struct verdict hold;              /* VERDICT_HOLD once a milter wants it */

	uint64_t written; /* octets of the new content */
	struct buf new_header;
};

/* Where new bodies are kept: a directory of our own.  Called before rights are given up. */
bool milter_scratch_prepare(const char *directory);

/*
 * Takes over the two descriptors, whatever comes.  NULL where memory is short or
 * the content cannot be read.
 */
struct milter_filter *milter_filter_new(
    const struct filter_question *question, int content, int target, uint64_t size_limit);
void milter_filter_free(struct milter_filter *filter);

/* The next milter begins.  is_new: it has to be told of the recipients. */
void milter_filter_begin(struct milter_filter *filter, bool is_new);

enum milter_filter_step {
	FILTER_GOES_ON,    /* ask again */
	FILTER_WAITS,      /* for an answer */
	FILTER_NEEDS_ROOM, /* for the milter to take what was sent */
	FILTER_FAILED      /* the content cannot be read */
};
/* Tell the milter the next thing.  The talk awaits nothing. */
enum milter_filter_step milter_filter_step(struct milter_filter *filter, struct milter_talk *talk,
    const struct milter_facts *facts, bool has_room);
/* Is the answer that has come the one to the end of the message? */
bool milter_filter_is_over(const struct milter_filter *filter);

/*
 * Do what the milter wishes: its last word has been said, and it lets the message pass.
 * False, with nothing promised about the message any more, where that cannot be done: *why.
 */
bool milter_filter_apply(struct milter_filter *filter, const struct milter_talk *talk,
    const char *milter, const char **why);

/* All milters are done: is there a new content to be written?  Then write some of it, until it returns false. */
bool milter_filter_is_changed(const struct milter_filter *filter);
enum milter_written { FILTER_WROTE_SOME, FILTER_WROTE_ALL, FILTER_WROTE_NOTHING };
enum milter_written milter_filter_write(struct milter_filter *filter);

/* The answer; its slices point into the filter.  False where the envelope cannot take the fields. */
bool milter_filter_answer(struct milter_filter *filter, struct filter_answer *answer);

#endif
