/*
 * data.c - DATA: from the command to the reply to the end of the message.
 *
 * The content is written to a file that qmgr has opened.  At its end the file
 * and the envelope are committed, and what qmgr answers is the reply: 250 is
 * never said on anything else.
 */
#include "smtpd/data.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/conf.h"
#include "common/log.h"
#include "message/encoding.h"
#include "message/received.h"
#include "smtpd/filter.h"
#include "smtpd/gate.h"
#include "smtpd/reply.h"
#include "smtpd/session.h"
#include "smtpd/submit.h"

static const char try_later[] = "The message could not be stored, try again later";
static const char no_space[] = "Insufficient system storage, try again later";

/* --- the file ---------------------------------------------------------------------- */

void data_open(struct session *s, const struct spool_file *file, bool is_chunked)
{
	struct transaction *transaction = s->transaction;
	struct content_rules rules = {
	    .size_limit = submit_size_limit(s),
	    .received_limit = (unsigned)settings->smtp.received_limit,
	    .is_chunked = is_chunked,
	    .refuses_bare = settings->smtp.bare_line_ends == BARE_LINE_ENDS_REFUSE,
	};

	submit_rules(s, &rules);
	transaction->file = *file;
	transaction->has_content = true;
	content_begin(&transaction->content, file->descriptor, &rules);
}

static void receive(struct session *s, const struct spool_file *file)
{
	data_open(s, file, false);
	session_expect(s, PHASE_CONTENT);
	reply(s, 354, NULL, "End data with <CR><LF>.<CR><LF>");
	reply_flush(s);
}

static void refuse(struct session *s, bool full)
{
	session_reset(s);
	if (full)
		reply(s, 452, "4.3.1", no_space);
	else
		reply(s, 451, "4.3.0", try_later);
}

static void file_answered(void *asker, const struct spool_file *file, bool full)
{
	struct session *s = asker;

	if (file != NULL)
		receive(s, file);
	else
		refuse(s, full);
	session_unblock(s);
}

void data_begin(struct session *s)
{
	struct spool_file file;

	s->question.asker = s;
	s->question.answered.file = file_answered;
	switch (s->house->file(&s->question, &file)) {
	case HOUSE_FILE_GIVEN:
		receive(s, &file);
		break;
	case HOUSE_FILE_ASKED:
		session_block(s);
		break;
	case HOUSE_FILE_NONE:
		refuse(s, false);
		break;
	}
}

/* --- what goes in front of the content ------------------------------------------------ */

static bool has_ascii_recipient(const struct transaction *transaction)
{
	return is_ascii(transaction_text(transaction, transaction->recipients[0].address));
}

static bool write_trace(const struct session *s, message_id id, uint64_t now_us, struct buf *out)
{
	const struct transaction *transaction = s->transaction;
	char id_text[MESSAGE_ID_TEXT + 1];
	char tls[128] = "";
	struct received received = {
	    .by = slice_string(settings->hostname),
	    .priority = transaction->priority,
	    .date = date_local((int64_t)(now_us / 1000000)),
	};

	message_id_format(id, id_text);
	received.id = slice_of(id_text, MESSAGE_ID_TEXT);
	if (s->is_extended || s->is_local)
		received.protocol |= RECEIVED_EXTENDED;
	if (s->is_local) {
		received.comment = slice_string(s->client.text);
	} else {
		received.helo = slice_string(s->helo);
		received.client_name = slice_string(s->client_name);
		received.client_address = slice_string(s->client.text);
		if (s->login != NULL)
			received.protocol |= RECEIVED_AUTH;
	}
	if (session_is_secured(s)) {
		struct tls_facts facts;

		stream_tls_facts(s->stream, &facts);
		snprintf(tls, sizeof tls, "%s %s", facts.protocol, facts.cipher);
		received.tls = slice_string(tls);
		received.protocol |= RECEIVED_TLS;
	}
	if (transaction->smtputf8)
		received.protocol |= RECEIVED_UTF8;
	/* One that is not ASCII would keep the message from going on, through an alias, to hosts without SMTPUTF8. */
	if (transaction->recipient_count == 1 && has_ascii_recipient(transaction))
		received.recipient = transaction_text(
		    transaction, transaction->recipients[0].address);
	return received_write(&received, out);
}

bool data_write_prepended(const struct session *s, uint64_t now_us, struct buf *out)
{
	message_id id = s->transaction->file.id;

	/* What the gate found out stands above the trace that it speaks of (RFC 7208, 9.1). */
	if (!buf_append_slice(out, buf_slice(&s->transaction->fields)) ||
	    !write_trace(s, id, now_us, out))
		return false;
	if (submit_is_user(s) && !submit_missing_fields(s, id, now_us, out))
		return false;
	/* A message that begins with its text is all body: an empty line keeps it apart from our fields. */
	return s->transaction->content.fields.starts_with_header || buf_append_string(out, "\r\n");
}

/* --- the end of the message --------------------------------------------------------------- */

/* Fields that would say nothing are left out. */
static void log_received(const struct transaction *transaction, const struct session *s)
{
	enum { FIELDS_MAX = 8 };
	struct log_field fields[FIELDS_MAX] = {
	    log_id(transaction->id),
	    log_slice("from", transaction_sender(transaction)),
	    log_number("size", transaction->content.size),
	    log_number("nrcpt", transaction->recipient_count),
	};
	size_t count = 4;
	char client[SESSION_CLIENT_MAX] = "gone", tls[128];
	struct tls_facts facts;

	if (s != NULL)
		session_client(s, client);
	fields[count++] = log_string("client", client);
	if (s != NULL && session_is_secured(s)) {
		stream_tls_facts(s->stream, &facts);
		snprintf(tls, sizeof tls, "%s %s%s", facts.protocol, facts.cipher,
		    facts.resumed ? " resumed" : "");
		fields[count++] = log_string("tls", tls);
	}
	if (s != NULL && s->login != NULL)
		fields[count++] = log_string("login", s->login);
	fields[count].kind = LOG_KIND_END;
	log_write(LEVEL_INFO, "received", fields);
}

static void reply_committed(struct session *s, message_id id, enum queue_verdict verdict)
{
	char text[MESSAGE_ID_TEXT + 1];

	switch (verdict) {
	case QUEUE_ACCEPTED:
		message_id_format(id, text);
		s->errors = s->unknown_recipients = 0;
		s->message_count++;
		reply(s, 250, "2.0.0", "Ok: queued as %s", text);
		break;
	case QUEUE_FULL:
		reply(s, 452, "4.3.1", no_space);
		break;
	default:
		reply(s, 451, "4.3.0", try_later);
		break;
	}
	reply_flush(s);
}

static void committed(void *asker, enum queue_verdict verdict)
{
	struct transaction *transaction = asker;
	struct session *s = transaction->session;
	message_id id = transaction->id;

	if (verdict == QUEUE_ACCEPTED)
		log_received(transaction, s);
	else
		log_warning("not-received", log_id(id),
		    log_slice("from", transaction_sender(transaction)),
		    log_string("reason", verdict == QUEUE_FULL ? "queue full" : "queue failed"));
	if (s == NULL) {
		transaction_free(transaction);
		return;
	}
	session_reset(s);
	reply_committed(s, id, verdict);
	session_unblock(s);
}

static void commit(struct session *s)
{
	struct transaction *transaction = s->transaction;
	struct buf prepend = buf_with_limit(ENVELOPE_PREPEND_MAX);
	uint64_t now_us = clock_wall_us();
	bool is_written;
	char client[SESSION_CLIENT_MAX];
	struct envelope envelope = {
	    .arrived_us = now_us,
	    .login = slice_string(s->login),
	    .client = slice_string(client),
	};

	/* What MAIL asked for goes before what the header says (RFC 8689, 3). */
	if (transaction->tls == TLS_AS_SET && transaction->content.fields.is_tls_not_required)
		transaction->tls = TLS_NOT_REQUIRED;
	session_client(s, client);
	envelope.client.len = strlen(client);
	transaction->question.asker = transaction;
	transaction->question.answered.committed = committed;
	is_written = transaction->filter != NULL
			 ? buf_append_slice(&prepend, buf_slice(&transaction->filter->prepend))
			 : data_write_prepended(s, now_us, &prepend);
	if (is_written) {
		envelope.prepend = buf_slice(&prepend);
		if (transaction_commit(transaction, &envelope))
			session_block(s);
	}
	buf_free(&prepend);
	if (!s->is_blocked)
		refuse(s, false);
}

/* The client is told what it wants to hear, and the message is gone. */
static void discard(struct session *s)
{
	message_id id = s->transaction->file.id;

	log_info("discarded", log_id(id), log_slice("from", transaction_sender(s->transaction)),
	    log_number("size", s->transaction->content.size), log_string("client", s->client.text));
	session_reset(s);
	reply_committed(s, id, QUEUE_ACCEPTED);
}

static void filtered(struct session *s, const struct verdict *against)
{
	if (against != NULL) {
		struct verdict said = *against;

		session_reset(s);
		gate_refuse(s, &said);
		reply_flush(s);
	} else if (s->transaction->is_discarded) {
		discard(s);
	} else {
		commit(s);
	}
}

static void judged(struct session *s, const struct verdict *against)
{
	if (against == NULL && !s->transaction->is_discarded && filter_is_due(s))
		filter_begin(s, clock_wall_us(), filtered);
	else
		filtered(s, against);
}

void data_commit(struct session *s)
{
	gate_ask(s, GATE_MESSAGE, judged);
}

static void log_problem(const struct session *s, const char *reason)
{
	const struct transaction *transaction = s->transaction;

	log_info("message-refused", log_id(transaction->file.id),
	    log_slice("from", transaction_sender(transaction)),
	    log_string("client", s->client.text), log_string("reason", reason));
}

void data_refuse(struct session *s)
{
	const struct content *content = &s->transaction->content;
	enum content_problem problem = content->problem;

	if (content->error != 0)
		log_error("cannot-write-spool-file", log_id(s->transaction->file.id),
		    log_errno(content->error));
	switch (problem) {
	case CONTENT_TOO_LARGE:
		log_problem(s, "too large");
		reply(s, 552, "5.3.4", "Message too large: at most %llu octets",
		    (unsigned long long)content->rules.size_limit);
		break;
	case CONTENT_HAS_NUL:
		log_problem(s, "NUL octets");
		reply(s, 550, "5.6.0", "A message must not contain NUL octets");
		break;
	case CONTENT_HAS_BARE:
		log_problem(s, "bare CR or LF");
		reply(s, 550, "5.6.0", "Lines end in CR LF; neither octet may stand alone");
		break;
	case CONTENT_LOOPS:
		log_problem(s, "too many hops");
		reply(s, 554, "5.4.6", "Too many hops: the message goes in circles");
		break;
	case CONTENT_NO_SPACE:
		reply(s, 452, "4.3.1", no_space);
		break;
	default:
		reply(s, 451, "4.3.0", try_later);
		break;
	}
	session_reset(s);
	reply_flush(s);
}

void data_finish(struct session *s)
{
	if (s->transaction->content.problem == CONTENT_GOOD)
		submit_examine(s);
	else
		data_refuse(s);
}

bool data_take(struct session *s)
{
	struct content *content = &s->transaction->content;

	if (content_take(content, stream_input(s->stream))) {
		session_expect(s, PHASE_COMMAND);
		data_finish(s);
		return true;
	}
	if (content_is_boundless(content, 0)) {
		data_refuse(s);
		session_close(s);
	}
	return false;
}
