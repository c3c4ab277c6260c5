/*
 * milter_mail.c - mails, and the questions about them.
 */
#include "policy/milter_mail.h"

#include <event2/event.h>
#include <stdlib.h>

static unsigned filter_count;

static int mail_compare(const struct mail *a, const struct mail *b)
{
	if (a->channel != b->channel)
		return (uintptr_t)a->channel < (uintptr_t)b->channel ? -1 : 1;
	return (a->session > b->session) - (a->session < b->session);
}

static RB_HEAD(mail_tree, mail) mails = RB_INITIALIZER(&mails);
RB_PROTOTYPE(mail_tree, mail, by_session, mail_compare)
RB_GENERATE(mail_tree, mail, by_session, mail_compare)

/* --- questions --------------------------------------------------------------------- */

struct ask *mail_ask(struct mail *mail, enum gate_stage stage)
{
	struct ask *ask = calloc(1, sizeof *ask);

	if (ask == NULL)
		return NULL;
	ask->mail = mail;
	ask->stage = stage;
	TAILQ_INSERT_TAIL(&mail->asks, ask, entry);
	return ask;
}

void mail_ask_filters(struct ask *ask, struct milter_filter *filter)
{
	ask->filter = filter;
	filter_count++;
}

unsigned mails_filtered(void)
{
	return filter_count;
}

void mail_ask_free(struct ask *ask)
{
	TAILQ_REMOVE(&ask->mail->asks, ask, entry);
	if (ask->inquiry != NULL)
		ask->inquiry->state = NULL;
	if (ask->filter != NULL) {
		milter_filter_free(ask->filter);
		filter_count--;
	}
	if (ask->timer != NULL)
		event_free(ask->timer);
	free(ask);
}

/* --- mails ------------------------------------------------------------------------- */

void mail_part_close(struct part *part)
{
	milter_link_close(part->link);
	part->link = NULL;
	part->is_ready = false;
}

void mail_free(struct mail *mail)
{
	struct ask *ask;

	while ((ask = TAILQ_FIRST(&mail->asks)) != NULL)
		mail_ask_free(ask);
	for (size_t i = 0; i < mail->part_count; i++) {
		mail_part_close(&mail->parts[i]);
		milter_release(mail->parts[i].milter);
	}
	RB_REMOVE(mail_tree, &mails, mail);
	buf_free(&mail->texts);
	free(mail);
}

bool mail_is_local(const struct policy_question *question)
{
	return question->address.family == 0;
}

static struct slice keep(struct mail *mail, struct slice text)
{
	size_t at = mail->texts.len;

	if (!buf_append_slice(&mail->texts, text))
		return SLICE("");
	return slice_part(buf_slice(&mail->texts), at, text.len);
}

/* What is known of the session by now. */
static bool learn(struct mail *mail, const struct policy_question *q)
{
	struct milter_facts *facts = &mail->facts;

	buf_clear(&mail->texts);
	/* All of it fits, or nothing: the slices must not move. */
	if (buf_extend(&mail->texts, mail->texts.limit) == NULL)
		return false;
	buf_clear(&mail->texts);
	*facts = (struct milter_facts){
	    .hostname = keep(mail, slice_string(settings->hostname)),
	    .service =
		mail_is_local(q) ? SLICE("local") : slice_string(service_name((enum service)q->service)),
	    .family = q->address.family,
	    .client_name = keep(mail, q->client_name),
	    .helo = keep(mail, q->helo),
	    .tls_version = keep(mail, q->tls_protocol),
	    .cipher = keep(mail, q->tls_cipher),
	    .cipher_bits = q->tls_bits,
	    .login = keep(mail, q->login),
	    .auth_type = keep(mail, q->mechanism),
	    .sender = keep(mail, q->sender),
	};
	if (!mail_is_local(q)) {
		host_address_print(&q->address, mail->address);
		facts->address = slice_string(mail->address);
	}
	if (q->message != 0) {
		message_id_format(q->message, mail->id);
		facts->id = slice_string(mail->id);
	}
	return !mail->texts.overflowed;
}

static struct mail *mail_new(const struct channel *channel, const struct policy_question *q)
{
	struct mail *mail = calloc(1, sizeof *mail);

	if (mail == NULL)
		return NULL;
	mail->channel = channel;
	mail->session = q->session;
	mail->transaction = q->transaction;
	mail->texts = buf_with_limit(9 * POLICY_TEXT_MAX);
	TAILQ_INIT(&mail->asks);
	for (size_t i = 0; i < milters_count(); i++) {
		struct milter *milter = milters_at(i);

		if (!filter_takes(milter_settings(milter), (enum service)q->service, mail_is_local(q)))
			continue;
		mail->parts[mail->part_count++] = (struct part){
		    .mail = mail,
		    .milter = milter_hold(milter),
		    /* We came to this message late: somebody was asked before who is no more. */
		    .misses_rcpts = q->recipient_count > 0,
		};
	}
	RB_INSERT(mail_tree, &mails, mail);
	return mail;
}

struct mail *mail_find(const struct channel *channel, uint64_t session)
{
	struct mail wanted = {.channel = channel, .session = session};

	return RB_FIND(mail_tree, &mails, &wanted);
}

struct mail *mail_of(const struct channel *channel, const struct policy_question *q)
{
	struct mail *mail = mail_find(channel, q->session);

	if (mail != NULL && mail->transaction != q->transaction) {
		mail_free(mail);
		mail = NULL;
	}
	if (mail == NULL)
		mail = mail_new(channel, q);
	if (mail != NULL && !learn(mail, q)) {
		mail_free(mail);
		mail = NULL;
	}
	return mail;
}

void mails_free(const struct channel *channel)
{
	struct mail *mail, *next;

	for (mail = RB_MIN(mail_tree, &mails); mail != NULL; mail = next) {
		next = RB_NEXT(mail_tree, &mails, mail);
		if (mail->channel == channel)
			mail_free(mail);
	}
}
