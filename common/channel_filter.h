/*
 * channel_filter.h - a message's content before the milters: smtpd and policy.
 *
 * The second half of channel_policy.h.  With its question smtpd hands over two
 * descriptors: the content, to be read, and an empty file of the spool, to be
 * written.  policy never touches the first.  What milters add in front of the
 * message comes back as text, for the envelope; where they change anything else,
 * the second file has the whole new content, and smtpd commits it in place of
 * the first.
 */
#ifndef PETREL_COMMON_CHANNEL_FILTER_H
#define PETREL_COMMON_CHANNEL_FILTER_H

#include "common/channel_policy.h"
#include "common/channel_queue.h"

enum filter_type {
	/*
	 * call: struct filter_question, descriptors: the content (read only), an empty file
	 * (write only).  Answer FILTER_ANSWER.
	 */
	FILTER_MESSAGE = 16,
	FILTER_ANSWER /* struct filter_answer */
};

enum {
	/* policy ends the question itself long before; RFC 5321, 4.5.3.2.6: clients wait ten minutes. */
	FILTER_SECONDS = 540,
	FILTER_RECIPIENTS_MAX = ENVELOPE_RECIPIENTS_MAX
};

struct filter_question {
	struct policy_question
	    about; /* stage GATE_MESSAGE; size: octets of the content; message: its identifier */
	struct slice prepend; /* what is to stand in front of the content; see struct envelope */
	bool has_header;      /* the content begins with a header */
	uint32_t recipient_count;
	struct slice *recipients; /* that were accepted; allocated by filter_question_read */
};

/* A recipient that a milter adds, or takes away. */
struct filter_recipient {
	bool is_added;
	struct slice address; /* as the milter wrote it, without brackets */
};

struct filter_answer {
	struct verdict verdict;
	bool has_content;     /* the second file has it */
	uint64_t size;        /* octets of it */
	struct slice prepend; /* in place of the question's */
	bool has_sender;
	struct slice sender; /* as the milter wrote it, without brackets */
	uint32_t change_count;
	struct filter_recipient *changes; /* in their order; allocated by filter_answer_read */
};

void filter_question_write(struct writer *w, const struct filter_question *question);
/* False where it is malformed; nothing is left allocated then. */
bool filter_question_read(struct reader *r, struct filter_question *question);
void filter_question_free(struct filter_question *question);
void filter_answer_write(struct writer *w, const struct filter_answer *answer);
bool filter_answer_read(struct reader *r, struct filter_answer *answer);
void filter_answer_free(struct filter_answer *answer);

/* Does a milter take care of mail that comes by this service?  is_local: from a user of this host. */
bool filter_is_wanted(const struct settings *settings, enum service service, bool is_local);
/* The same for one milter. */
bool filter_takes(const struct conf_milter *milter, enum service service, bool is_local);

#endif
