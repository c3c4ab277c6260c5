/*
 * dialogue.c - the client's side of SMTP.
 *
 * The commands of one exchange are numbered: 0 is RSET (left out where nothing
 * is to be reset), 1 is MAIL, then a RCPT for each recipient of the batch, then
 * DATA.  `sent` and `answered` count through these numbers; with PIPELINING
 * `sent` runs ahead to `end`, without it waits for `answered`.
 */
#include "delivery/smtp/dialogue.h"

#include <event2/buffer.h>
#include <stdio.h>

#include "delivery/smtp/command.h"
#include "message/encoding.h"

enum { COMMAND_RSET, COMMAND_MAIL, COMMAND_RCPT };

/* Where in the conversation something went wrong, for a person. */
static const char *const places[DIALOGUE_STATE_COUNT] = {
    [DIALOGUE_GREETING] = "waiting for the greeting",
    [DIALOGUE_EHLO] = "waiting for the reply to EHLO",
    [DIALOGUE_HELO] = "waiting for the reply to HELO",
    [DIALOGUE_STARTTLS] = "waiting for the reply to STARTTLS",
    [DIALOGUE_HANDSHAKE] = "during the TLS handshake",
    [DIALOGUE_IDLE] = "between two messages",
    [DIALOGUE_ENVELOPE] = "in the exchange of sender and recipients",
    [DIALOGUE_DATA] = "while sending the message",
    [DIALOGUE_END] = "waiting for the reply to the end of the message",
    [DIALOGUE_EMPTY_END] = "waiting for the reply to the end of data",
    [DIALOGUE_OVER] = "after the end of the session",
};

static uint32_t command_data(const struct dialogue *d)
{
	return COMMAND_RCPT + d->batch_count;
}

/* --- the end of things ------------------------------------------------------ */

/* No session. */
static enum dialogue_action give_up(struct dialogue *d, const char *status, const char *text)
{
	snprintf(d->failure.status, sizeof d->failure.status, "%s", status);
	snprintf(d->failure.text, sizeof d->failure.text, "%s", text);
	d->state = DIALOGUE_OVER;
	return DO_GIVE_UP;
}

/* A host that refuses us refuses no message: the reply's class becomes 4. */
static enum dialogue_action refused(struct dialogue *d)
{
	char status[DELIVERY_STATUS_MAX + 1];

	reply_status(&d->reply, STAGE_CONNECT, '4', status);
	return give_up(d, status, d->reply.text);
}

/*
 * The session is over.  As long as MAIL is not answered the message was not
 * touched, and another connection can have it; after that its recipients are
 * deferred.
 */
static enum dialogue_action broken(struct dialogue *d, const char *status, const char *text)
{
	struct transaction *t = d->transaction;

	if (t == NULL || (!d->mail_accepted && transaction_open_count(t) > 0))
		return give_up(d, status, text);
	transaction_settle_rest(t, DELIVERY_DEFERRED, status, text);
	d->state = DIALOGUE_OVER;
	return DO_TAKE;
}

enum dialogue_action dialogue_lost(struct dialogue *d, const char *what)
{
	char text[REPLY_TEXT_MAX];

	snprintf(text, sizeof text, "%s %s", what, places[d->state]);
	return broken(d, "4.4.2", text);
}

/*
 * What the peer says cannot be held against what we said.  It may be one reply
 * ahead or behind, so what it seemed to say of the recipients of this exchange
 * counts for nothing.
 */
static enum dialogue_action out_of_step(struct dialogue *d, const char *what)
{
	if (d->state == DIALOGUE_ENVELOPE || d->state == DIALOGUE_DATA || d->state == DIALOGUE_END)
		for (uint32_t i = 0; i < d->batch_count; i++)
			d->transaction->recipients[d->batch[i]].state = RECIPIENT_OPEN;
	if (d->reply.text_len > 0) {
		char text[REPLY_TEXT_MAX + 128];

		snprintf(text, sizeof text, "%s (\"%s\")", what, d->reply.text);
		return broken(d, "4.5.0", text);
	}
	return broken(d, "4.5.0", what);
}

/* 421 may answer anything: the host closes the connection. */
static enum dialogue_action closing(struct dialogue *d)
{
	char status[DELIVERY_STATUS_MAX + 1];

	reply_status(&d->reply, STAGE_CONNECT, '4', status);
	return broken(d, status, d->reply.text);
}

void dialogue_quit(struct dialogue *d)
{
	if (d->state != DIALOGUE_OVER && d->state != DIALOGUE_DATA &&
	    d->state != DIALOGUE_HANDSHAKE)
		evbuffer_add(d->out, "QUIT\r\n", 6);
	d->state = DIALOGUE_OVER;
}

/* --- the session ------------------------------------------------------------ */

void dialogue_begin(
    struct dialogue *d, struct evbuffer *out, const char *own_name, struct tls_policy policy)
{
	*d = (struct dialogue){.state = DIALOGUE_GREETING, .out = out, .policy = policy};
	snprintf(d->own_name, sizeof d->own_name, "%s", own_name);
}

static enum dialogue_action say_hello(struct dialogue *d, enum dialogue_state state)
{
	evbuffer_add_printf(
	    d->out, "%s %s\r\n", state == DIALOGUE_EHLO ? "EHLO" : "HELO", d->own_name);
	d->state = state;
	d->offers = 0;
	d->size_limit = 0;
	d->limits = (struct limits){0};
	return DO_WAIT;
}

enum dialogue_action dialogue_secured(struct dialogue *d, bool is_verified)
{
	d->is_secured = true;
	d->is_verified = is_verified;
	return say_hello(d, DIALOGUE_EHLO);
}

enum protection dialogue_protection(const struct dialogue *d)
{
	if (!d->is_secured)
		return PROTECTION_NONE;
	if (!d->is_verified)
		return PROTECTION_ENCRYPTED;
	return (d->offers & OFFERS_REQUIRETLS) == 0 ? PROTECTION_VERIFIED : PROTECTION_PROMISED;
}

bool dialogue_is_used_up(const struct dialogue *d)
{
	return d->limits.mails != 0 && d->mails >= d->limits.mails;
}

/* No session for this message, and the host is told goodbye: it may be one for others. */
static enum dialogue_action part(struct dialogue *d, const char *status, const char *text)
{
	give_up(d, status, text);
	d->transaction = NULL;
	d->state = DIALOGUE_IDLE;
	return DO_GIVE_UP;
}

/*
 * The session does not give what is asked of it.  What a sender wants, a host does
 * or does not (RFC 8689, 4.2.1); what the administrator wants may be mended.
 */
static enum dialogue_action fall_short(struct dialogue *d, bool is_promise)
{
	if (!is_promise)
		return part(d, "4.7.4", "TLS is required here, and this host does not offer it");
	if (!d->is_verified)
		return part(d, "5.7.10",
		    "the sender requires TLS (REQUIRETLS), and this host does not offer it");
	return part(d, "5.7.30",
	    "the sender requires TLS (REQUIRETLS), and this host does not promise it for the "
	    "further way");
}

static enum dialogue_action stand(struct dialogue *d)
{
	if (dialogue_protection(d) < d->policy.least)
		return fall_short(d, d->policy.least == PROTECTION_PROMISED);
	d->state = DIALOGUE_IDLE;
	return DO_START;
}

static enum dialogue_action on_greeting(struct dialogue *d)
{
	return reply_class(&d->reply) == 2 ? say_hello(d, DIALOGUE_EHLO) : refused(d);
}

static enum dialogue_action on_ehlo(struct dialogue *d)
{
	if (reply_class(&d->reply) == 5)
		return say_hello(d, DIALOGUE_HELO);
	if (reply_class(&d->reply) != 2)
		return refused(d);
	if (d->is_secured || !d->policy.uses_tls || (d->offers & OFFERS_STARTTLS) == 0)
		return stand(d);
	evbuffer_add(d->out, "STARTTLS\r\n", 10);
	d->state = DIALOGUE_STARTTLS;
	return DO_WAIT;
}

static enum dialogue_action on_helo(struct dialogue *d)
{
	return reply_class(&d->reply) == 2 ? stand(d) : refused(d);
}

static enum dialogue_action on_starttls(struct dialogue *d)
{
	if (d->reply.code != 220)
		return d->policy.least > PROTECTION_NONE ? refused(d) : stand(d);
	d->state = DIALOGUE_HANDSHAKE;
	return DO_HANDSHAKE;
}

/* --- the envelope ------------------------------------------------------------ */

static struct transaction_recipient *batch_recipient(struct dialogue *d, uint32_t command)
{
	return &d->transaction->recipients[d->batch[command - COMMAND_RCPT]];
}

static void send_command(struct dialogue *d, uint32_t command)
{
	if (command == COMMAND_MAIL)
		d->mails++;
	if (command == COMMAND_RSET)
		evbuffer_add(d->out, "RSET\r\n", 6);
	else if (command == COMMAND_MAIL)
		command_write_mail(d->out, d->transaction, d->offers);
	else if (command == command_data(d))
		evbuffer_add(d->out, "DATA\r\n", 6);
	else
		command_write_rcpt(d->out, batch_recipient(d, command)->recipient, d->offers);
}

static void send_commands(struct dialogue *d)
{
	bool at_once = (d->offers & OFFERS_PIPELINING) != 0;

	while (d->sent < d->end && (at_once || d->sent == d->answered))
		send_command(d, d->sent++);
}

static struct slice domain_of(const struct transaction_recipient *r)
{
	struct slice address = r->recipient->address;
	ssize_t at = slice_find_last(address, '@');

	return at < 0 ? SLICE("") : slice_from(address, (size_t)at + 1);
}

static bool is_new_domain(const struct dialogue *d, struct slice domain)
{
	for (uint32_t i = 0; i < d->batch_count; i++)
		if (slice_equal_nocase(
			domain_of(&d->transaction->recipients[d->batch[i]]), domain))
			return false;
	return true;
}

/* As many open recipients as go into one exchange, by what the peer says of its limits. */
static void choose_batch(struct dialogue *d)
{
	uint32_t most = d->limits.recipients != 0 && d->limits.recipients < BATCH_MAX
			    ? d->limits.recipients
			    : BATCH_MAX;
	uint32_t domains = 0;

	d->batch_count = 0;
	for (uint32_t i = 0; i < d->transaction->count && d->batch_count < most; i++) {
		const struct transaction_recipient *r = &d->transaction->recipients[i];

		if (r->state != RECIPIENT_OPEN)
			continue;
		if (d->limits.domains != 0 && is_new_domain(d, domain_of(r)) &&
		    domains++ >= d->limits.domains)
			continue;
		d->batch[d->batch_count++] = i;
	}
}

/* The next exchange. */
static enum dialogue_action begin_exchange(struct dialogue *d)
{
	choose_batch(d);
	d->sent = d->answered = d->needs_reset ? COMMAND_RSET : COMMAND_MAIL;
	d->end = command_data(d) + 1;
	d->accepted = 0;
	d->mail_accepted = false;
	d->needs_reset = false;
	d->state = DIALOGUE_ENVELOPE;
	send_commands(d);
	return DO_WAIT;
}

/*
 * Does the peer take such a message at all?  Nothing is converted on the way: it
 * is returned then (RFC 6152, 3).
 */
static bool is_acceptable(
    struct dialogue *d, const struct transaction *t, const char **status, const char **why)
{
	if ((d->offers & OFFERS_SIZE) != 0 && d->size_limit != 0 &&
	    command_size(t) > d->size_limit) {
		*status = "5.3.4";
		*why = "the message is larger than the receiving host takes";
	} else if (t->job->body == BODY_BINARYMIME ||
		   (t->needs_8bitmime && (d->offers & OFFERS_8BITMIME) == 0)) {
		*status = "5.6.3";
		*why = "the message has 8-bit content, which the receiving host does not take";
	} else if (t->needs_smtputf8 && (d->offers & OFFERS_SMTPUTF8) == 0) {
		*status = "5.6.7";
		*why = "sender or header is not ASCII, which the receiving host does not take";
	} else {
		return true;
	}
	return false;
}

/* Addresses that cannot be said to this host (RFC 6531, 3.2); the others can have the message. */
static void settle_unspeakable(struct dialogue *d, struct transaction *t)
{
	if (!t->has_utf8_recipients || (d->offers & OFFERS_SMTPUTF8) != 0)
		return;
	for (uint32_t i = 0; i < t->count; i++)
		if (t->recipients[i].state == RECIPIENT_OPEN &&
		    !is_ascii(t->recipients[i].recipient->address))
			transaction_settle(&t->recipients[i], DELIVERY_FAILED, "5.6.7",
			    "the address is not ASCII, which the receiving host does not take");
}

enum dialogue_action dialogue_start(struct dialogue *d, struct transaction *transaction)
{
	const char *status, *why;

	d->transaction = transaction;
	d->mail_accepted = false;
	if (transaction->job->tls == TLS_REQUIRED && dialogue_protection(d) < PROTECTION_PROMISED)
		return fall_short(d, true);
	if (!is_acceptable(d, transaction, &status, &why))
		transaction_settle_rest(transaction, DELIVERY_FAILED, status, why);
	settle_unspeakable(d, transaction);
	if (transaction_open_count(transaction) > 0)
		return begin_exchange(d);
	d->transaction = NULL;
	return DO_TAKE;
}

/* The reply is the outcome of these recipients. */
static void settle_by_reply(struct dialogue *d, enum reply_stage stage, enum recipient_state which)
{
	static const enum delivery_outcome outcomes[] = {
	    [2] = DELIVERY_DELIVERED, [4] = DELIVERY_DEFERRED, [5] = DELIVERY_FAILED};
	int class = reply_class(&d->reply);
	const char *text = transaction_keep_text(d->transaction, d->reply.text);
	char status[DELIVERY_STATUS_MAX + 1];

	reply_status(&d->reply, stage, (char)('0' + class), status);
	for (uint32_t i = 0; i < d->transaction->count; i++)
		if (d->transaction->recipients[i].state == which)
			transaction_settle(
			    &d->transaction->recipients[i], outcomes[class], status, text);
}

/* The exchange is done; what it left open (too many at once) goes into the next. */
static enum dialogue_action end_exchange(struct dialogue *d)
{
	for (uint32_t i = 0; d->accepted == 0 && i < d->batch_count; i++) {
		struct transaction_recipient *r = &d->transaction->recipients[d->batch[i]];

		/* Put off, and yet there was nobody that it could have been put off for. */
		if (r->state == RECIPIENT_OPEN)
			r->state = RECIPIENT_SETTLED;
	}
	if (transaction_open_count(d->transaction) > 0 && dialogue_is_used_up(d))
		return part(d, "4.5.3", "the host takes no more messages in this session");
	if (transaction_open_count(d->transaction) > 0)
		return begin_exchange(d);
	d->transaction = NULL;
	d->state = DIALOGUE_IDLE;
	return DO_TAKE;
}

/* "Too many recipients": 452; or 552, as RFC 821 had it (RFC 5321, 4.5.3.1.10). */
static bool is_put_off(const struct dialogue *d)
{
	return d->reply.code == 452 ||
	       (d->reply.code == 552 && strcmp(d->reply.status, "5.5.3") == 0);
}

static enum dialogue_action on_mail(struct dialogue *d)
{
	int class = reply_class(&d->reply);

	if (class == 3)
		return out_of_step(d, "the reply to MAIL makes no sense");
	if (class == 2) {
		d->mail_accepted = true;
		d->needs_reset = true;
	} else {
		settle_by_reply(d, STAGE_MAIL, RECIPIENT_OPEN);
		d->end = d->sent;
	}
	return DO_WAIT;
}

static enum dialogue_action on_rcpt(struct dialogue *d, struct transaction_recipient *r)
{
	int class = reply_class(&d->reply);
	char status[DELIVERY_STATUS_MAX + 1];

	if (!d->mail_accepted)
		return DO_WAIT;
	if (class == 3)
		return out_of_step(d, "the reply to RCPT makes no sense");
	if (class == 2) {
		r->state = RECIPIENT_ACCEPTED;
		d->transaction->is_begun = true;
		d->accepted++;
		return DO_WAIT;
	}
	reply_status(&d->reply, STAGE_RCPT, is_put_off(d) ? '4' : (char)('0' + class), status);
	transaction_settle(r, class == 4 || is_put_off(d) ? DELIVERY_DEFERRED : DELIVERY_FAILED,
	    status, transaction_keep_text(d->transaction, d->reply.text));
	if (is_put_off(d))
		r->state = RECIPIENT_OPEN;
	return DO_WAIT;
}

static enum dialogue_action on_data(struct dialogue *d)
{
	int class = reply_class(&d->reply);

	if (class == 2)
		return out_of_step(d, "the reply to DATA makes no sense");
	if (class == 3 && d->accepted > 0) {
		d->state = DIALOGUE_DATA;
		return DO_CONTENT;
	}
	if (class == 3) {
		/* RFC 2920, 3.1: end at once what should not have begun. */
		evbuffer_add(d->out, ".\r\n", 3);
		d->state = DIALOGUE_EMPTY_END;
		return DO_WAIT;
	}
	settle_by_reply(d, STAGE_DATA, RECIPIENT_ACCEPTED);
	return end_exchange(d);
}

static enum dialogue_action on_envelope(struct dialogue *d)
{
	uint32_t command = d->answered++;
	enum dialogue_action action = DO_WAIT;

	if (command == COMMAND_RSET && reply_class(&d->reply) != 2)
		return refused(d);
	if (command == COMMAND_MAIL)
		action = on_mail(d);
	else if (command == command_data(d))
		return on_data(d);
	else if (command != COMMAND_RSET)
		action = on_rcpt(d, batch_recipient(d, command));
	if (action != DO_WAIT)
		return action;
	/* Without a recipient there is no DATA, where it has not left already. */
	if (d->answered == command_data(d) && d->sent == d->answered && d->accepted == 0)
		d->end = d->sent;
	if (d->answered == d->end)
		return end_exchange(d);
	send_commands(d);
	return DO_WAIT;
}

/* --- the content -------------------------------------------------------------- */

void dialogue_content_sent(struct dialogue *d)
{
	d->state = DIALOGUE_END;
}

/* The peer does not wait for the end: that can only be a refusal. */
static enum dialogue_action on_early_reply(struct dialogue *d)
{
	int class = reply_class(&d->reply);

	if (class != 4 && class != 5)
		return out_of_step(d, "a reply came before the end of the message");
	settle_by_reply(d, STAGE_DATA, RECIPIENT_ACCEPTED);
	return broken(
	    d, "4.4.2", "the session ended with an early reply to another part of this message");
}

static enum dialogue_action on_end(struct dialogue *d)
{
	if (reply_class(&d->reply) == 3)
		return out_of_step(d, "the reply to the end of the message makes no sense");
	settle_by_reply(d, STAGE_DATA, RECIPIENT_ACCEPTED);
	d->needs_reset = false;
	return end_exchange(d);
}

static enum dialogue_action on_empty_end(struct dialogue *d)
{
	return end_exchange(d);
}

/* --- replies ------------------------------------------------------------------ */

static enum dialogue_action on_unasked(struct dialogue *d)
{
	return refused(d);
}

static enum dialogue_action (*const on_reply[DIALOGUE_STATE_COUNT])(struct dialogue *) = {
    [DIALOGUE_GREETING] = on_greeting,
    [DIALOGUE_EHLO] = on_ehlo,
    [DIALOGUE_HELO] = on_helo,
    [DIALOGUE_STARTTLS] = on_starttls,
    [DIALOGUE_HANDSHAKE] = on_unasked,
    [DIALOGUE_IDLE] = on_unasked,
    [DIALOGUE_ENVELOPE] = on_envelope,
    [DIALOGUE_DATA] = on_early_reply,
    [DIALOGUE_END] = on_end,
    [DIALOGUE_EMPTY_END] = on_empty_end,
    [DIALOGUE_OVER] = on_unasked,
};

/* One "KEYWORD parameters" of the reply to EHLO (RFC 5321, 4.1.1.1). */
static void take_offer(struct dialogue *d, struct slice line)
{
	static const struct {
		const char *keyword;
		unsigned offer;
	} known[] = {
	    {"PIPELINING",  OFFERS_PIPELINING },
	    {"SIZE",        OFFERS_SIZE       },
	    {"8BITMIME",    OFFERS_8BITMIME   },
	    {"STARTTLS",    OFFERS_STARTTLS   },
	    {"SMTPUTF8",    OFFERS_SMTPUTF8   },
	    {"DSN",         OFFERS_DSN        },
	    {"MT-PRIORITY", OFFERS_MT_PRIORITY},
	    {"REQUIRETLS",  OFFERS_REQUIRETLS },
	};
	struct cursor c = cursor_over(slice_trim(line));
	struct slice keyword = cursor_take_until(&c, ' ');

	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
		if (slice_equal_nocase(keyword, slice_string(known[i].keyword)))
			d->offers |= known[i].offer;
	if (slice_equal_nocase(keyword, SLICE("SIZE")) &&
	    !slice_number(slice_trim(cursor_rest(&c)), UINT64_MAX, &d->size_limit))
		d->size_limit = 0;
	if (slice_equal_nocase(keyword, SLICE("LIMITS")))
		d->limits = limits_read(cursor_rest(&c));
}

static enum dialogue_action take_line(struct dialogue *d, struct slice line)
{
	enum reply_progress progress = reply_take(&d->reply, line);
	enum dialogue_action action;

	if (progress == REPLY_MALFORMED) {
		reply_clear(&d->reply);
		return out_of_step(d, "the other side does not speak SMTP");
	}
	if (d->state == DIALOGUE_EHLO && d->reply.lines > 1 && reply_class(&d->reply) == 2)
		take_offer(d, d->reply.rest);
	if (progress == REPLY_MORE)
		return DO_WAIT;
	d->replies++;
	action = d->reply.code == 421 ? closing(d) : on_reply[d->state](d);
	reply_clear(&d->reply);
	return action;
}

enum dialogue_action dialogue_input(struct dialogue *d, struct evbuffer *in)
{
	enum dialogue_action action = DO_WAIT;

	while (action == DO_WAIT && d->state != DIALOGUE_OVER) {
		struct evbuffer_ptr end = evbuffer_search_eol(in, NULL, NULL, EVBUFFER_EOL_LF);
		size_t len = end.pos < 0 ? evbuffer_get_length(in) : (size_t)end.pos;
		const char *line;

		if (len > REPLY_LINE_MAX) {
			reply_clear(&d->reply);
			return out_of_step(d, "the other side sends a line without an end");
		}
		if (end.pos < 0)
			return DO_WAIT;
		line = (const char *)evbuffer_pullup(in, end.pos + 1);
		if (line == NULL)
			return dialogue_lost(d, "out of memory");
		if (len > 0 && line[len - 1] == '\r')
			len--;
		action = take_line(d, slice_of(line, len));
		evbuffer_drain(in, (size_t)end.pos + 1);
	}
	/* A peer that has its say about the message before it has read it is out of step. */
	if (action == DO_CONTENT && evbuffer_get_length(in) > 0)
		return out_of_step(d, "a reply came before the message");
	return action;
}

unsigned dialogue_patience(const struct dialogue *d, const struct settings *the_settings)
{
	switch (d->state) {
	case DIALOGUE_END:
	case DIALOGUE_EMPTY_END:
		return (unsigned)the_settings->delivery.data_timeout;
	case DIALOGUE_IDLE:
	case DIALOGUE_HANDSHAKE:
	case DIALOGUE_DATA:
	case DIALOGUE_OVER:
		return 0;
	default:
		return (unsigned)the_settings->delivery.reply_timeout;
	}
}
