/*
 * inquiry.c - a question of smtpd's, on its way through those who may have something to say.
 */
#include "policy/inquiry.h"

#include <stdlib.h>

#include "common/log.h"

static struct inquiries inquiries = TAILQ_HEAD_INITIALIZER(inquiries);
static unsigned inquiry_count;

/* --- the answer ---------------------------------------------------------------- */

static void send_answer(struct channel *channel, uint32_t request, const struct policy_answer *answer)
{
	policy_answer_write(channel_begin(channel, POLICY_ANSWER, request), answer);
	channel_end(channel);
}

static void free_inquiry(struct inquiry *inquiry)
{
	TAILQ_REMOVE(&inquiries, inquiry, entry);
	inquiry_count--;
	buf_free(&inquiry->fields);
	buf_free(&inquiry->texts);
	free(inquiry);
}

/* Some judges have said what is to be where all have been asked. */
static void sum_up(struct inquiry *inquiry)
{
	struct verdict *verdict = &inquiry->verdict;

	if (verdict->answer <= VERDICT_ACCEPT && inquiry->if_accepted.answer != VERDICT_NONE)
		*verdict = inquiry->if_accepted;
	else if (verdict->answer == VERDICT_REFUSE && inquiry->if_refused.answer != VERDICT_NONE)
		*verdict = inquiry->if_refused;
}

static void finish(struct inquiry *inquiry)
{
	struct policy_answer answer = {
	    .score = inquiry->score,
	    .listed = slice_string(inquiry->listed),
	    .fields = buf_slice(&inquiry->fields),
	};

	sum_up(inquiry);
	answer.verdict = inquiry->verdict;
	if (inquiry->done != NULL)
		inquiry->done(inquiry->context, &answer);
	else
		send_answer(inquiry->channel, inquiry->request, &answer);
	free_inquiry(inquiry);
}

/* --- the way ------------------------------------------------------------------- */

/*
 * Ask one judge after the other.  Those who judge at once come back into this
 * loop by returning, so that the stack does not grow with their number.
 */
static void walk(struct inquiry *inquiry)
{
	inquiry->is_walking = true;
	while (inquiry->verdict.answer == VERDICT_NONE && inquiry->judge->name != NULL) {
		if (inquiry->judge->is_concerned(&inquiry->question)) {
			inquiry->state = NULL;
			inquiry->is_judged = false;
			inquiry->judge->ask(inquiry);
			if (!inquiry->is_judged) {
				inquiry->is_walking = false;
				return;
			}
		}
		if (inquiry->has_one_judge)
			break;
		inquiry->judge++;
	}
	finish(inquiry);
}

void inquiry_judged(struct inquiry *inquiry, const struct verdict *verdict)
{
	inquiry->verdict = *verdict;
	inquiry->is_judged = true;
	if (inquiry->is_walking)
		return;
	if (inquiry->has_one_judge) {
		finish(inquiry);
		return;
	}
	inquiry->judge++;
	walk(inquiry);
}

void inquiry_pass(struct inquiry *inquiry)
{
	inquiry_judged(inquiry, &(struct verdict){.answer = VERDICT_NONE});
}

/* --- the question ---------------------------------------------------------------- */

/* The message's body lives as long as its callback; the question lives longer. */
static bool copy_texts(struct inquiry *inquiry, struct slice body)
{
	struct reader r;

	inquiry->texts = buf_with_limit(CHANNEL_BODY_MAX);
	if (!buf_append_slice(&inquiry->texts, body))
		return false;
	r = reader_over(buf_slice(&inquiry->texts));
	return policy_question_read(&r, &inquiry->question);
}

static struct inquiry *new_inquiry(void)
{
	struct inquiry *inquiry = inquiry_count == INQUIRIES_MAX ? NULL : calloc(1, sizeof *inquiry);

	if (inquiry == NULL) {
		log_warning("too-many-inquiries", log_number("inquiries", inquiry_count));
		return NULL;
	}
	inquiry->judge = judges;
	inquiry->fields = buf_with_limit(POLICY_FIELDS_MAX);
	TAILQ_INSERT_TAIL(&inquiries, inquiry, entry);
	inquiry_count++;
	return inquiry;
}

bool inquiry_ask_one(const struct policy_question *question, const struct judge *judge,
    void (*done)(void *context, const struct policy_answer *answer), void *context)
{
	struct buf encoded = buf_with_limit(CHANNEL_BODY_MAX);
	struct writer w = {&encoded};
	struct inquiry *inquiry = new_inquiry();
	bool copied;

	policy_question_write(&w, question);
	copied = inquiry != NULL && copy_texts(inquiry, buf_slice(&encoded));
	buf_free(&encoded);
	if (!copied) {
		if (inquiry != NULL)
			free_inquiry(inquiry);
		return false;
	}
	inquiry->judge = judge;
	inquiry->has_one_judge = true;
	inquiry->done = done;
	inquiry->context = context;
	walk(inquiry);
	return true;
}

bool inquiry_begin(struct channel *channel, struct message *m)
{
	static const struct policy_answer busy = {
	    .verdict = {.answer = VERDICT_DEFER, .code = 451, .status = "4.3.2", .by = "policy"}};
	struct policy_question question;
	struct reader r = message_reader(m);
	struct inquiry *inquiry;

	if (!policy_question_read(&r, &question) || m->request == 0)
		return false;
	inquiry = new_inquiry();
	if (inquiry == NULL) {
		send_answer(channel, m->request, &busy);
		return true;
	}
	inquiry->channel = channel;
	inquiry->request = m->request;
	if (copy_texts(inquiry, m->body)) {
		walk(inquiry);
	} else {
		inquiry->verdict = busy.verdict;
		finish(inquiry);
	}
	return true;
}

void inquiries_forget(const struct channel *channel)
{
	struct inquiry *inquiry, *next;

	TAILQ_FOREACH_SAFE (inquiry, &inquiries, entry, next) {
		if (inquiry->channel != channel || inquiry->done != NULL)
			continue;
		if (inquiry->judge->forget != NULL)
			inquiry->judge->forget(inquiry);
		free_inquiry(inquiry);
	}
}

/* --- header fields ----------------------------------------------------------------- */

/* One line: a name of printable characters, a colon, and no other line's beginning. */
static bool is_field(struct slice field)
{
	ssize_t colon = slice_find(field, 0, ':');

	if (colon <= 0 || field.len > 998)
		return false;
	for (size_t i = 0; i < field.len; i++) {
		unsigned char c = (unsigned char)field.data[i];

		if ((octet_is_control(c) && c != '\t') || ((ssize_t)i < colon && (c <= ' ' || c > '~')))
			return false;
	}
	return true;
}

void inquiry_add_field(struct inquiry *inquiry, struct slice field)
{
	size_t room = inquiry->fields.limit - inquiry->fields.len;

	if (!is_field(field) || field.len + 2 > room) {
		log_info("field-left-out", log_string("by", inquiry->judge->name),
		    log_slice("field", slice_part(field, 0, 128)));
		return;
	}
	buf_append_slice(&inquiry->fields, field);
	buf_append_string(&inquiry->fields, "\r\n");
}
