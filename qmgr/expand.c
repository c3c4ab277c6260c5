/*
 * expand.c - who a message is for: asked of lookup, never decided here.
 *
 * Questions wait in one line for all messages and are asked as far as the number
 * of open ones allows.  When lookup goes away its answers are lost, and the
 * questions are asked again when it is back.
 */
#include <event2/event.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/process.h"
#include "qmgr/queue.h"

enum {
	/*
	 * Questions that wait for their answers.  Were each answered by a list as long as
	 * fits into a packet, the answers would still stay below CHANNEL_QUEUE_MAX.
	 */
	ASKED_MAX = 200,
	LOSSES_MAX = 5, /* answers lost, after which the recipient is deferred */
};

/* One question on its way. */
struct asked {
	message_id id;
	uint64_t serial; /* of what was loaded then */
	size_t question;
	struct asked *next_free;
};

TAILQ_HEAD(loaded_list, loaded);
static struct loaded_list line = TAILQ_HEAD_INITIALIZER(line);
static struct asked *free_asked;
static unsigned asked_count;
static struct event *again; /* what was lost is asked again in another turn */

_Static_assert(ASKED_MAX *CHANNEL_PACKET_MAX < CHANNEL_QUEUE_MAX, "answers must not be too much");

static void pump(void);

static struct asked *asked_new(const struct loaded *l, size_t question)
{
	struct asked *asked = free_asked;

	if (asked != NULL)
		free_asked = asked->next_free;
	else if ((asked = malloc(sizeof *asked)) == NULL)
		return NULL;
	*asked = (struct asked){l->mail->file.id, l->serial, question, NULL};
	asked_count++;
	return asked;
}

static void asked_free(struct asked *asked)
{
	asked->next_free = free_asked;
	free_asked = asked;
	asked_count--;
}

static void enter_line(struct loaded *l)
{
	if (!l->is_expanding)
		TAILQ_INSERT_TAIL(&line, l, expanding);
	l->is_expanding = true;
}

static void leave_line(struct loaded *l)
{
	if (l->is_expanding)
		TAILQ_REMOVE(&line, l, expanding);
	l->is_expanding = false;
}

static void log_expanded(const struct mail *mail, const struct question *question,
    const struct lookup_expansion *expansion)
{
	const struct lookup_delivery *first = &expansion->deliveries[0];

	if (expansion->count == 1 && slice_equal(first->address, question->address))
		return;
	log_info("expanded", log_id(mail->file.id), log_slice("recipient", question->address),
	    log_number("count", expansion->count), log_slice("to", first->address));
}

static void close_question(struct mail *mail, struct question *question)
{
	question->is_open = false;
	if (--mail->loaded->questions_open == 0)
		attempt_review(mail);
}

/* The answer was lost with lookup: to be asked again, but not for ever. */
static void ask_again(struct mail *mail, struct question *question)
{
	struct loaded *l = mail->loaded;

	if (++question->losses >= LOSSES_MAX) {
		mail_put_off(mail, question, "recipient could not be looked up");
		close_question(mail, question);
		return;
	}
	question->is_asked = false;
	l->question_next = 0;
	enter_line(l);
	/* Not now: the channel may be on its way out, or still there and only late. */
	event_active(again, EV_TIMEOUT, 0);
}

static bool answered(struct message *answer, void *context)
{
	struct asked *asked = context;
	struct mail *mail = queue_find(asked->id);
	struct lookup_expansion expansion;
	struct question *question;
	struct reader r;
	size_t which = asked->question;
	uint64_t serial = asked->serial;

	asked_free(asked);
	/* The message may have been deleted meanwhile, or even loaded anew. */
	if (mail == NULL || mail->loaded == NULL || mail->loaded->serial != serial ||
	    !mail->loaded->questions[which].is_open) {
		event_active(again, EV_TIMEOUT, 0);
		return true;
	}
	question = &mail->loaded->questions[which];
	if (answer == NULL) {
		ask_again(mail, question);
		return true;
	}
	r = message_reader(answer);
	if (answer->type != LOOKUP_EXPANSION || !lookup_expansion_read(&r, &expansion)) {
		ask_again(mail, question);
		return false;
	}
	log_expanded(mail, question, &expansion);
	if (!mail_take_answer(mail, question, &expansion)) {
		log_warning("expansion-put-off", log_id(mail->file.id),
		    log_slice("recipient", question->address));
		mail_put_off(mail, question, "too many recipients at a time");
	}
	lookup_expansion_free(&expansion);
	close_question(mail, question);
	pump();
	return true;
}

/* Ask this message's next question; false where nothing more can be asked now. */
static bool ask(struct channel *lookup, struct loaded *l)
{
	struct question *question;
	struct asked *asked;

	while (l->question_next < l->question_count &&
	       (!l->questions[l->question_next].is_open || l->questions[l->question_next].is_asked))
		l->question_next++;
	if (l->question_next == l->question_count) {
		leave_line(l);
		return true;
	}
	asked = asked_new(l, l->question_next);
	if (asked == NULL)
		return false;
	question = &l->questions[l->question_next];
	write_slice(channel_call(lookup, LOOKUP_EXPAND, answered, asked, NULL), question->address);
	if (!channel_end(lookup)) {
		asked_free(asked);
		return false;
	}
	question->is_asked = true;
	return true;
}

static void pump(void)
{
	struct channel *lookup = process_peer(ROLE_LOOKUP);
	struct loaded *l;

	while (lookup != NULL && (l = TAILQ_FIRST(&line)) != NULL && asked_count < ASKED_MAX &&
	       !channel_is_congested(lookup) && ask(lookup, l))
		continue;
}

static void on_again(int fd, short what, void *context)
{
	(void)fd;
	(void)what;
	(void)context;
	pump();
}

bool expand_init(void)
{
	again = event_new(queue.base, -1, 0, on_again, NULL);
	return again != NULL;
}

void expand_begin(struct mail *mail)
{
	enter_line(mail->loaded);
	pump();
}

void expand_forget(struct mail *mail)
{
	struct loaded *l = mail->loaded;

	leave_line(l);
	if (l->questions_open > 0)
		l->is_cut_short = true;
	for (size_t i = 0; i < l->question_count; i++) {
		l->questions[i].is_unfinished |= l->questions[i].is_open;
		l->questions[i].is_open = false;
	}
	l->questions_open = 0;
}

void expand_opened(struct channel *channel)
{
	(void)channel;
	pump();
}

bool expand_message(struct channel *channel, struct message *m, void *context)
{
	(void)channel;
	(void)m;
	(void)context;
	return false; /* lookup speaks when it is asked */
}

void expand_drained(struct channel *channel, void *context)
{
	(void)channel;
	(void)context;
	pump();
}
