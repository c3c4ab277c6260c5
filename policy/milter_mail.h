/*
 * milter_mail.h - a mail: what milters know of one message on its way in.
 *
 * There is one for each session that has a message under way.  It holds the facts
 * as the last question brought them, each milter's part, and the questions that wait.
 */
#ifndef PETREL_POLICY_MILTER_MAIL_H
#define PETREL_POLICY_MILTER_MAIL_H

#include <sys/queue.h>
#include <sys/tree.h>

#include "policy/inquiry.h"
#include "policy/milter_filter.h"
#include "policy/milter_link.h"

/* How far a milter has been told of a message. */
enum mail_said { SAID_NOTHING, SAID_CONNECT, SAID_HELO, SAID_MAIL, SAID_DATA };

struct mail;

/* One milter's part in a mail. */
struct part {
	struct mail *mail;
	struct milter *milter;
	struct milter_link *link;
	enum mail_said said;
	bool is_ready; /* the link is */
	bool is_done;  /* it does not want to hear more of this mail */
	bool has_failed;
	bool was_retried;  /* on a fresh connection */
	bool misses_rcpts; /* it has not been told of every recipient */
};

/* A question that waits, or is being put. */
struct ask {
	TAILQ_ENTRY(ask) entry;
	struct mail *mail;
	enum gate_stage stage;
	struct slice recipient;
	size_t part;   /* whose turn it is */
	bool is_begun; /* with that part */
	bool is_said;  /* that part has been told what this question is about */

	struct inquiry *inquiry; /* whoever asks: an inquiry, or */
	struct milter_filter *filter;
	struct channel *channel; /* a call of FILTER_MESSAGE */
	uint32_t request;
	struct event *timer; /* writes some more, or ends what takes too long */
	bool is_writing;
};

struct mail {
	RB_ENTRY(mail) by_session;
	const struct channel *channel;
	uint64_t session;
	uint64_t transaction;
	struct milter_facts facts;
	struct buf texts; /* what the facts point into */
	char address[HOST_ADDRESS_TEXT];
	char id[MESSAGE_ID_TEXT + 1];
	size_t part_count;
	struct part parts[MILTERS_MAX];
	TAILQ_HEAD(, ask) asks;
	bool is_running;
	uint32_t recipients; /* that were asked about */
	uint32_t passed;     /* of these, against whom no milter had anything */
};

/* The mail that a question is about, with what the question brings.  NULL: out of memory. */
struct mail *mail_of(const struct channel *channel, const struct policy_question *question);
/* NULL: there is none. */
struct mail *mail_find(const struct channel *channel, uint64_t session);
/* With its questions, which get no answer. */
void mail_free(struct mail *mail);
/* All of a smtpd that is gone. */
void mails_free(const struct channel *channel);

/* One more question about it, behind the others.  NULL: out of memory. */
struct ask *mail_ask(struct mail *mail, enum gate_stage stage);
/* The question is about the content: the filter is the question's from now on. */
void mail_ask_filters(struct ask *ask, struct milter_filter *filter);
void mail_ask_free(struct ask *ask);
/* Contents that are being shown to milters, of all mails. */
unsigned mails_filtered(void);

/* The milter has no connection for this mail any more. */
void mail_part_close(struct part *part);
/* By a user of this host, or of no known address. */
bool mail_is_local(const struct policy_question *question);

#endif
