/*
 * submit.c - what is different where a client submits its own user's mail (RFC 6409).
 *
 * Fields that a message lacks travel in the envelope, in front of the content.
 * Fields that nobody else is to see, Bcc above all, are left out of the content
 * while it is written (content.h).
 *
 * Readers see From, not the envelope: so a user who may not use an address in MAIL
 * may not use it there either, and lookup decides both.  Most messages are from
 * the address that MAIL named, which has been decided then.
 */
#include "smtpd/submit.h"

#include "common/channel_queue.h"
#include "common/conf.h"
#include "common/log.h"
#include "message/date.h"
#include "message/header.h"
#include "smtpd/content.h"
#include "smtpd/data.h"
#include "smtpd/reply.h"
#include "smtpd/session.h"

bool submit_is_user(const struct session *s)
{
	return s->login != NULL || s->is_local;
}

bool submit_has_account(const struct session *s)
{
	return s->login != NULL && !s->is_local;
}

bool submit_may_send(struct session *s)
{
	if (!s->is_submission || s->login != NULL)
		return true;
	if (session_may_authenticate(s))
		reply(s, 530, "5.7.0", "Authentication required");
	else
		reply(s, 530, "5.7.0", "Must issue a STARTTLS command first");
	return false;
}

uint64_t submit_size_limit(const struct session *s)
{
	return (uint64_t)(s->is_submission || submit_is_user(s) ? settings->submission.size_limit
								: settings->smtp.size_limit);
}

uint32_t submit_recipients_limit(const struct session *s)
{
	return (uint32_t)(s->is_submission || submit_is_user(s)
			      ? settings->submission.recipients_limit
			      : settings->smtp.recipients_limit);
}

void submit_rules(const struct session *s, struct content_rules *rules)
{
	if (!submit_is_user(s))
		return;
	rules->dropped = FIELD_BCC | FIELD_RESENT_BCC;
	rules->keeps_from = submit_has_account(s);
	/* Who sent it is for us to say then: what the message says of it goes. */
	if (submit_has_account(s) && settings->submission.from == SUBMISSION_FROM_SENDER)
		rules->dropped |= FIELD_SENDER;
}

/* --- From ------------------------------------------------------------------------ */

static void refuse(struct session *s, unsigned code, const char *status, const char *text)
{
	log_info("message-refused", log_id(s->transaction->file.id),
	    log_slice("from", transaction_sender(s->transaction)),
	    log_string("client", s->client.text), log_string("login", s->login),
	    log_string("status", status), log_string("reason", text));
	reply(s, code, status, "%s", text);
	session_reset(s);
	reply_flush(s);
}

enum author { AUTHOR_NEXT, AUTHOR_NONE_LEFT, AUTHOR_MALFORMED };

/* The author at *at or behind whom lookup has to be asked about; *at goes behind that one. */
static enum author next_author(
    const struct session *s, const struct address_list *list, size_t *at, struct buf *author)
{
	for (; *at < list->count; (*at)++) {
		const struct header_address *item = &list->items[*at];

		if (item->kind != HEADER_ADDRESS_MAILBOX)
			continue;
		buf_clear(author);
		if (!header_address_write(item, author) ||
		    !envelope_text_is_clean(buf_slice(author), ENVELOPE_ADDRESS_MAX))
			return AUTHOR_MALFORMED;
		if (!slice_equal(buf_slice(author), transaction_sender(s->transaction)) &&
		    !slice_equal(buf_slice(author), slice_string(s->login))) {
			(*at)++;
			return AUTHOR_NEXT;
		}
	}
	return AUTHOR_NONE_LEFT;
}

/* Names at least one mailbox, and can be read in one way only. */
static bool is_sound(const struct address_list *list)
{
	size_t mailboxes = 0;

	for (size_t i = 0; i < list->count; i++)
		mailboxes += list->items[i].kind == HEADER_ADDRESS_MAILBOX;
	return !list->malformed && !list->truncated && mailboxes > 0 &&
	       mailboxes <= SUBMIT_AUTHORS_MAX;
}

static void ask_authors(struct session *s);

static void author_answered(void *asker, const struct lookup_verdict *verdict)
{
	struct session *s = asker;

	s->is_blocked = false;
	if (verdict == NULL || verdict->answer == LOOKUP_TEMPORARY) {
		refuse(s, 451, "4.3.0", "Temporary failure, try again later");
	} else if (verdict->answer == LOOKUP_ACCEPTED) {
		ask_authors(s);
	} else if (settings->submission.from == SUBMISSION_FROM_SENDER) {
		s->transaction->needs_sender = true;
		data_commit(s);
	} else {
		refuse(s, 550, "5.7.1", "The address in From does not belong to your account");
	}
	if (!s->is_blocked)
		session_unblock(s);
}

static void ask(struct session *s, struct slice author)
{
	s->question.asker = s;
	s->question.answered.verdict = author_answered;
	if (s->house->sender(&s->question, slice_string(s->login), author, false))
		session_block(s);
	else
		refuse(s, 451, "4.3.0", "Temporary failure, try again later");
}

/* Ask about the next of them; commit when none is left. */
static void ask_authors(struct session *s)
{
	struct transaction *transaction = s->transaction;
	struct address_list list = address_list_empty();
	struct buf author = buf_with_limit(ENVELOPE_ADDRESS_MAX);
	enum author next = AUTHOR_MALFORMED;

	if (address_list_add(&list, buf_slice(&transaction->content.fields.from)) &&
	    is_sound(&list))
		next = next_author(s, &list, &transaction->authors_seen, &author);
	if (next == AUTHOR_MALFORMED)
		refuse(s, 550, "5.6.0", "The From field cannot be read as addresses");
	else if (next == AUTHOR_NEXT && settings->submission.from != SUBMISSION_FROM_ANY)
		ask(s, buf_slice(&author));
	else
		data_commit(s);
	buf_free(&author);
	address_list_free(&list);
}

void submit_examine(struct session *s)
{
	const struct fields *fields = &s->transaction->content.fields;

	if (!submit_has_account(s))
		data_commit(s);
	else if (fields->from_count > 1)
		refuse(s, 550, "5.6.0", "A message has one From field, not several");
	else if (fields->from.overflowed)
		refuse(s, 550, "5.6.0", "The From field is too long");
	else if (fields->from_count == 1)
		ask_authors(s);
	else if (settings->submission.from_missing == SUBMISSION_FROM_MISSING_REFUSE)
		refuse(s, 550, "5.6.0", "A message needs a From field");
	else
		data_commit(s);
}

/* --- what is added --------------------------------------------------------------------- */

/* Who sends it, as far as we know: what MAIL said, or whose login it is. */
static bool add_from(const struct session *s, struct buf *out)
{
	struct slice sender = transaction_sender(s->transaction);
	struct buf value = buf_with_limit(ENVELOPE_TEXT_MAX);
	bool good;

	if (sender.len > 0)
		good = header_append_mailbox(&value, SLICE(""), sender);
	else if (submit_has_account(s))
		good = header_append_mailbox(&value, SLICE(""), slice_string(s->login));
	else
		good = buf_printf(&value, "%s@%s", s->login,
		    settings->domains.count > 0 ? settings->domains.words[0] : settings->hostname);
	good = good && header_write(out, "From", buf_slice(&value));
	buf_free(&value);
	return good;
}

static bool add_sender(const struct session *s, struct buf *out)
{
	struct buf value = buf_with_limit(ENVELOPE_TEXT_MAX);
	bool good = header_append_mailbox(&value, SLICE(""), slice_string(s->login)) &&
		    header_write(out, "Sender", buf_slice(&value));

	buf_free(&value);
	return good;
}

bool submit_missing_fields(const struct session *s, message_id id, uint64_t now_us, struct buf *out)
{
	unsigned seen = s->transaction->content.fields.seen;
	bool good = true;

	if ((seen & FIELD_FROM) == 0)
		good = add_from(s, out);
	if (s->transaction->needs_sender)
		good = add_sender(s, out) && good;
	if ((seen & FIELD_DATE) == 0) {
		struct date date = date_local((int64_t)(now_us / 1000000));

		good = buf_append_string(out, "Date: ") && date_write(&date, out) &&
		       buf_append_string(out, "\r\n") && good;
	}
	if ((seen & FIELD_MESSAGE_ID) == 0) {
		char text[MESSAGE_ID_TEXT + 1];

		message_id_format(id, text);
		good = buf_printf(out, "Message-ID: <%s@%s>\r\n", text, settings->hostname) && good;
	}
	return good;
}
