/*
 * milter.c - milters as judges of sessions, and of messages.
 *
 * Questions about a mail (milter_mail.h) wait in a line; the first is put to one
 * milter after the other.  Everything goes forward in run(): it says to the current
 * milter whatever comes next, until there is an answer to be waited for.
 */
#include "policy/milter.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/process.h"
#include "policy/milter_mail.h"

enum { FILTERS_MAX = 1000 }; /* messages that are shown to milters at a time */

static struct event_base *base;

static void run(struct mail *mail);

/* --- answers --------------------------------------------------------------------------- */

static void send_filter_answer(
    struct channel *channel, uint32_t request, const struct filter_answer *answer)
{
	filter_answer_write(channel_begin(channel, FILTER_ANSWER, request), answer);
	channel_end(channel);
}

static void answer_filter(struct ask *ask, const struct verdict *verdict)
{
	struct filter_answer answer = {.verdict = *verdict};

	if (!verdict_is_against(verdict) && verdict->answer != VERDICT_DISCARD &&
	    !milter_filter_answer(ask->filter, &answer)) {
		log_warning("milters-added-too-much", log_slice("id", ask->mail->facts.id));
		answer = (struct filter_answer){.verdict = verdict_of(VERDICT_DEFER, 451, "4.3.0",
						    "The message cannot be filtered", "milters")};
	}
	send_filter_answer(ask->channel, ask->request, &answer);
}

/*
 * The first question has its answer.  True where the mail is still there: it is
 * over with its message, and with a verdict that concerns all of it.
 */
static bool conclude(struct ask *ask, const struct verdict *verdict)
{
	struct mail *mail = ask->mail;
	struct inquiry *inquiry = ask->inquiry;
	bool is_over =
	    ask->filter != NULL || (verdict_is_against(verdict) && ask->stage != GATE_RCPT);
	struct verdict given = *verdict;

	if (ask->stage == GATE_RCPT && !verdict_is_against(verdict))
		mail->passed++;
	if (ask->filter != NULL)
		answer_filter(ask, verdict);
	mail_ask_free(ask);
	if (is_over)
		mail_free(mail);
	if (inquiry != NULL)
		inquiry_judged(inquiry, &given);
	return !is_over;
}

static void name_milter(const struct part *part, char by[VERDICT_BY_MAX])
{
	snprintf(by, VERDICT_BY_MAX, "milter %s", milter_settings(part->milter)->name);
}

static struct verdict verdict_of_words(const struct part *part, const struct milter_says *says)
{
	static const struct {
		enum verdict_answer answer;
		unsigned code;
		const char *status;
		const char *text;
	} usual[] = {
	    [MILTER_SAYS_CONTINUE] = {VERDICT_NONE,       0,   NULL,    NULL                      },
	    [MILTER_SAYS_ACCEPT] = {VERDICT_NONE,       0,   NULL,    NULL                      },
	    [MILTER_SAYS_REJECT] = {VERDICT_REFUSE,     550, "5.7.1", "Refused by a mail filter"},
	    [MILTER_SAYS_TEMPFAIL] = {VERDICT_DEFER,      451, "4.7.1",
				      "Not now, says a mail filter; try again later"              },
	    [MILTER_SAYS_DISCARD] = {VERDICT_DISCARD,    0,   NULL,    NULL                      },
	    [MILTER_SAYS_SHUTDOWN] = {VERDICT_DISCONNECT, 421, "4.7.0",
				      "Sent away by a mail filter"                                },
	};
	bool has_code = says->code.code != 0;
	/* A code of 421 says that the connection ends (RFC 5321, 3.8). */
	enum verdict_answer answer =
	    has_code && says->code.code == 421 ? VERDICT_DISCONNECT : usual[says->word].answer;
	char by[VERDICT_BY_MAX];

	name_milter(part, by);
	return verdict_of(answer, has_code ? says->code.code : usual[says->word].code,
	    has_code && says->code.status[0] != '\0' ? says->code.status : usual[says->word].status,
	    has_code && says->code.text[0] != '\0' ? says->code.text : usual[says->word].text, by);
}

/* What the settings want where a milter does not do its work. */
static struct verdict verdict_of_failure(const struct part *part)
{
	char by[VERDICT_BY_MAX];

	name_milter(part, by);
	if (milter_settings(part->milter)->on_failure == MILTER_FAILURE_REFUSE)
		return verdict_of(
		    VERDICT_REFUSE, 550, "5.3.0", "A mail filter is not to be had", by);
	return verdict_of(
	    VERDICT_DEFER, 451, "4.3.0", "A mail filter is not to be had now, try again later", by);
}

static struct verdict verdict_none(void)
{
	return (struct verdict){.answer = VERDICT_NONE};
}

/* --- a part's troubles ------------------------------------------------------------------- */

/* From now on it is done without, or nothing is done. */
static void part_fail(struct part *part, const char *why)
{
	const struct conf_milter *milter = milter_settings(part->milter);
	bool is_done_without = milter->on_failure == MILTER_FAILURE_ACCEPT;

	log_warning("milter-failed", log_string("milter", milter->name), log_string("reason", why),
	    log_slice("id", part->mail->facts.id), log_slice("from", part->mail->facts.sender),
	    log_string("mail", is_done_without ? "goes on" : "does not go on"));
	mail_part_close(part);
	part->is_done = is_done_without;
	part->has_failed = !is_done_without;
}

/* Begin with this milter anew, as if it had heard nothing. */
static void part_restart(struct part *part)
{
	struct ask *ask = TAILQ_FIRST(&part->mail->asks);

	mail_part_close(part);
	part->said = SAID_NOTHING;
	part->misses_rcpts = part->mail->recipients > 0;
	if (ask != NULL && &part->mail->parts[ask->part] == part) {
		ask->is_said = false;
		if (ask->stage == GATE_RCPT && part->mail->recipients == 1)
			part->misses_rcpts = false;
	}
}

/* --- what comes next ------------------------------------------------------------------------ */

enum step {
	STEP_ON,   /* something was said, or need not be: ask again */
	STEP_WAIT, /* for the milter */
	STEP_NEXT, /* this milter has heard all of this question */
	STEP_FAIL  /* nobody's fault: the content cannot be read */
};

static enum step step_message(struct ask *ask, struct part *part, struct milter_talk *talk)
{
	const struct milter_facts *facts = &part->mail->facts;

	if (!ask->is_said) {
		ask->is_said = true;
		milter_filter_begin(ask->filter, part->misses_rcpts);
	}
	/* DATA follows the recipients. */
	if (part->said == SAID_MAIL && ask->filter->phase != FILTER_RCPTS) {
		part->said = SAID_DATA;
		return milter_talk_data(talk, facts) ? STEP_WAIT : STEP_ON;
	}
	switch (milter_filter_step(ask->filter, talk, facts, milter_link_has_room(part->link))) {
	case FILTER_GOES_ON:
		return STEP_ON;
	case FILTER_WAITS:
	case FILTER_NEEDS_ROOM:
		return STEP_WAIT;
	default:
		return STEP_FAIL;
	}
}

/* Say the next thing to the milter whose turn it is. */
static enum step step(struct ask *ask, struct part *part)
{
	struct milter_talk *talk = milter_link_talk(part->link);
	const struct milter_facts *facts = &part->mail->facts;

	switch (part->said) {
	case SAID_NOTHING:
		part->said = SAID_CONNECT;
		return milter_talk_connect(talk, facts) ? STEP_WAIT : STEP_ON;
	case SAID_CONNECT:
		part->said = SAID_HELO;
		return milter_talk_helo(talk, facts) ? STEP_WAIT : STEP_ON;
	case SAID_HELO:
		part->said = SAID_MAIL;
		return milter_talk_mail(talk, facts) ? STEP_WAIT : STEP_ON;
	default:
		break;
	}
	switch (ask->stage) {
	case GATE_RCPT:
		if (ask->is_said)
			return STEP_NEXT;
		ask->is_said = true;
		return milter_talk_rcpt(talk, facts, ask->recipient) ? STEP_WAIT : STEP_ON;
	case GATE_DATA:
		/* Who misses recipients hears of DATA behind them, at the end of the message. */
		if (part->said == SAID_DATA || part->misses_rcpts)
			return STEP_NEXT;
		part->said = SAID_DATA;
		return milter_talk_data(talk, facts) ? STEP_WAIT : STEP_ON;
	case GATE_MESSAGE:
		return step_message(ask, part, talk);
	default:
		return STEP_NEXT;
	}
}

static void expect_answer(struct ask *ask, struct part *part)
{
	const struct conf_milter *milter = milter_settings(part->milter);
	int64_t seconds = milter->command_timeout;

	if (ask->filter != NULL && part->said == SAID_DATA)
		seconds = milter_filter_is_over(ask->filter) ? milter->end_timeout
							     : milter->content_timeout;
	milter_link_expect(part->link, seconds);
}

static const struct milter_link_user link_user;

/* There is a link on which something can be said.  False: not yet. */
static bool has_link(struct part *part)
{
	if (part->link == NULL) {
		part->link = milter_link_open(part->milter, part->was_retried, &link_user, part);
		if (part->link == NULL)
			part_fail(part, "no connection");
		return false;
	}
	return part->is_ready && milter_link_talk(part->link)->awaited == '\0';
}

/* A part's turn has come. */
static void begin_part(struct ask *ask, struct part *part)
{
	if (ask->is_begun)
		return;
	ask->is_begun = true;
	/* It was told of some recipients and not of all: from the beginning, and all. */
	if (ask->filter != NULL && part->misses_rcpts && part->said != SAID_NOTHING) {
		mail_part_close(part);
		part->said = SAID_NOTHING;
	}
}

static void next_part(struct ask *ask)
{
	ask->part++;
	ask->is_begun = ask->is_said = false;
}

static struct verdict cannot_filter(void)
{
	return verdict_of(
	    VERDICT_DEFER, 451, "4.3.0", "The message cannot be filtered now", "milters");
}

/* Every milter is done with the message.  False: it is being written. */
static bool finish_message(struct ask *ask)
{
	if (!milter_filter_is_changed(ask->filter))
		return true;
	ask->is_writing = true;
	event_active(ask->timer, EV_TIMEOUT, 0);
	return false;
}

/* The first question is put as far as it goes without waiting.  False: it waits. */
static bool put(struct ask *ask, struct verdict *verdict)
{
	struct mail *mail = ask->mail;

	*verdict = verdict_none();
	while (ask->part < mail->part_count) {
		struct part *part = &mail->parts[ask->part];

		if (part->has_failed) {
			*verdict = verdict_of_failure(part);
			return true;
		}
		if (part->is_done) {
			next_part(ask);
			continue;
		}
		begin_part(ask, part);
		if (!has_link(part)) {
			if (part->link == NULL)
				continue;
			return false;
		}
		switch (step(ask, part)) {
		case STEP_ON:
			break;
		case STEP_WAIT:
			expect_answer(ask, part);
			return false;
		case STEP_NEXT:
			next_part(ask);
			break;
		case STEP_FAIL:
			*verdict = cannot_filter();
			return true;
		}
	}
	if (ask->filter == NULL)
		return true;
	if (ask->is_writing || !finish_message(ask))
		return false;
	*verdict = ask->filter->hold;
	return true;
}

static void run(struct mail *mail)
{
	struct verdict verdict;
	struct ask *ask;

	while ((ask = TAILQ_FIRST(&mail->asks)) != NULL)
		if (!put(ask, &verdict) || !conclude(ask, &verdict))
			return;
}

/* --- what milters say -------------------------------------------------------------------------- */

static void ready(void *context)
{
	struct part *part = context;

	part->is_ready = true;
	run(part->mail);
}

static void drained(void *context)
{
	struct part *part = context;

	run(part->mail);
}

static void failed(void *context, const char *why, bool is_stale)
{
	struct part *part = context;

	part->link = NULL;
	part->is_ready = false;
	if (is_stale && !part->was_retried) {
		part->was_retried = true;
		part_restart(part);
	} else {
		part_fail(part, why);
	}
	run(part->mail);
}

/* Its last word about the message lets it pass: do what it wishes. */
static bool apply_wishes(struct ask *ask, struct part *part)
{
	const char *why;

	if (milter_filter_apply(ask->filter, milter_link_talk(part->link),
		milter_settings(part->milter)->name, &why))
		return true;
	part_fail(part, why);
	return false;
}

/* It has said that the mail, or what was asked about, may go on. */
static void goes_on(struct ask *ask, struct part *part, enum milter_word word)
{
	bool is_over = ask->filter != NULL && milter_filter_is_over(ask->filter);

	if (is_over && !apply_wishes(ask, part)) {
		/* Some of them were done. */
		struct verdict verdict = cannot_filter();

		conclude(ask, &verdict);
		return;
	}
	if (is_over || word == MILTER_SAYS_ACCEPT) {
		mail_part_close(part);
		part->is_done = true;
	}
	run(part->mail);
}

static void answered(void *context)
{
	struct part *part = context;
	struct mail *mail = part->mail;
	struct ask *ask = TAILQ_FIRST(&mail->asks);
	const struct milter_says *says = &milter_link_talk(part->link)->says;
	/* What it said goes with its link, which may be closed below. */
	const enum milter_word word = says->word;
	struct verdict verdict;

	if (word == MILTER_SAYS_CONTINUE || word == MILTER_SAYS_ACCEPT) {
		goes_on(ask, part, word);
		return;
	}
	verdict = verdict_of_words(part, says);
	/* Nobody need look at what is thrown away. */
	if (word == MILTER_SAYS_DISCARD)
		for (size_t i = 0; i < mail->part_count; i++) {
			mail_part_close(&mail->parts[i]);
			mail->parts[i].is_done = true;
		}
	/* What it said of the client and the sender it would say of every recipient. */
	if (ask->stage == GATE_RCPT && !ask->is_said && word != MILTER_SAYS_DISCARD)
		part_restart(part);
	if (conclude(ask, &verdict))
		run(mail);
}

static const struct milter_link_user link_user = {
    .ready = ready,
    .answered = answered,
    .drained = drained,
    .failed = failed,
};

/* --- questions -------------------------------------------------------------------------------- */

bool milters_are_concerned(const struct policy_question *q)
{
	/* The message itself comes by milters_filter. */
	return (q->stage == GATE_MAIL || q->stage == GATE_RCPT || q->stage == GATE_DATA) &&
	       milters_count() > 0 &&
	       filter_is_wanted(settings, (enum service)q->service, mail_is_local(q));
}

void milters_ask(struct inquiry *inquiry)
{
	const struct policy_question *q = &inquiry->question;
	struct mail *mail = mail_of(inquiry->channel, q);
	struct ask *ask = mail == NULL ? NULL : mail_ask(mail, (enum gate_stage)q->stage);
	struct verdict busy = cannot_filter();

	if (ask == NULL) {
		inquiry_judged(inquiry, &busy);
		return;
	}
	ask->inquiry = inquiry;
	ask->recipient = q->recipient;
	inquiry->state = ask;
	if (q->stage == GATE_RCPT)
		mail->recipients++;
	if (TAILQ_FIRST(&mail->asks) == ask)
		run(mail);
}

void milters_forget(struct inquiry *inquiry)
{
	struct ask *ask = inquiry->state;

	/* A milter that was asked already will answer: nothing can be said about this mail before. */
	if (ask != NULL)
		mail_free(ask->mail);
}

/* The new content is written piece by piece; or the milters have taken too long. */
static void filter_timer(int descriptor, short events, void *context)
{
	struct ask *ask = context;
	struct verdict verdict = cannot_filter();

	(void)descriptor, (void)events;
	if (!ask->is_writing) {
		log_warning("milters-took-too-long", log_slice("id", ask->mail->facts.id));
		conclude(ask, &verdict);
		return;
	}
	switch (milter_filter_write(ask->filter)) {
	case FILTER_WROTE_SOME:
		event_add(ask->timer, &(struct timeval){0});
		return;
	case FILTER_WROTE_ALL:
		verdict = ask->filter->hold;
		break;
	case FILTER_WROTE_NOTHING:
		log_error("cannot-write-filtered", log_slice("id", ask->mail->facts.id),
		    log_errno(errno));
		break;
	}
	conclude(ask, &verdict);
}

/* Of any service: what a milter makes of a message may be as large as one that comes. */
static uint64_t largest_message(void)
{
	int64_t strangers = settings->smtp.size_limit, users = settings->submission.size_limit;

	return (uint64_t)(strangers > users ? strangers : users);
}

static bool filter_begin(struct mail *mail, struct channel *channel, struct message *m,
    const struct filter_question *question)
{
	int content = message_take_descriptor(m, 0);
	int target = message_take_descriptor(m, 1);
	struct milter_filter *filter =
	    milter_filter_new(question, content, target, largest_message());
	struct ask *ask = filter == NULL ? NULL : mail_ask(mail, GATE_MESSAGE);

	if (ask == NULL) {
		milter_filter_free(filter);
		return false;
	}
	/* Some were accepted by others who are asked before us. */
	if (mail->passed != question->recipient_count)
		for (size_t i = 0; i < mail->part_count; i++)
			mail->parts[i].misses_rcpts = true;
	mail_ask_filters(ask, filter);
	ask->channel = channel;
	ask->request = m->request;
	ask->timer = evtimer_new(base, filter_timer, ask);
	if (ask->timer == NULL) {
		mail_ask_free(ask);
		return false;
	}
	event_add(ask->timer, &(struct timeval){.tv_sec = FILTER_SECONDS - 30});
	if (filter->is_too_large) {
		struct verdict verdict = verdict_of(
		    VERDICT_REFUSE, 552, "5.3.4", "The message's header is too large", "milters");

		conclude(ask, &verdict);
	} else if (TAILQ_FIRST(&mail->asks) == ask) {
		run(mail);
	}
	return true;
}

bool milters_filter(struct channel *channel, struct message *m)
{
	struct filter_answer busy = {.verdict = cannot_filter()};
	struct filter_question question;
	struct reader r = message_reader(m);
	struct mail *mail;

	if (m->request == 0 || m->descriptor_count != 2 || !filter_question_read(&r, &question))
		return false;
	mail = mails_filtered() < FILTERS_MAX ? mail_of(channel, &question.about) : NULL;
	if (mail == NULL || !filter_begin(mail, channel, m, &question))
		send_filter_answer(channel, m->request, &busy);
	filter_question_free(&question);
	return true;
}

void milters_ended(const struct channel *channel, uint64_t session)
{
	struct mail *mail = mail_find(channel, session);

	/* Its inquiries still want their answers, which nobody will look at. */
	if (mail == NULL)
		return;
	for (struct ask *ask = TAILQ_FIRST(&mail->asks), *next; ask != NULL; ask = next) {
		struct inquiry *inquiry = ask->inquiry;

		next = TAILQ_NEXT(ask, entry);
		mail_ask_free(ask);
		if (inquiry != NULL)
			inquiry_pass(inquiry);
	}
	mail_free(mail);
}

void milters_closed(const struct channel *channel)
{
	mails_free(channel);
}

/* --- the process's life --------------------------------------------------------------------- */

bool milters_prepare(void)
{
	return milter_scratch_prepare(settings->directory.policy);
}

bool milters_start(struct event_base *event_base)
{
	base = event_base;
	milters_configure(base);
	return true;
}

void milters_reload(void)
{
	milters_configure(base);
}
