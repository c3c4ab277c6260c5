/*
 * bounce.c - telling the sender: of failures, of delays, and of successes where asked to.
 *
 * A report is a message like any other, with the null sender.  What it reports
 * counts as reported when the report is durable, so that a crash in between
 * repeats the report and never swallows it.  A message that came with the null
 * sender is never reported to it: its failure goes to the postmaster, once, and a
 * failure to reach the postmaster ends in the log.
 *
 * Of a delay the sender is told once for each recipient: in the attempt that is
 * the first after queue.warn-after.  The times of the recorded outcomes say which
 * that is, so nothing else has to be remembered.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/conf.h"
#include "common/log.h"
#include "message/dsn.h"
#include "qmgr/queue.h"

enum {
	HEADER_OCTETS_MAX = 65536,     /* read of a message to find its header */
	FULL_OCTETS_MAX = 1024 * 1024, /* of a message that is returned whole (RET=FULL) */
	REPORT_OCTETS_MAX = 4 * 1024 * 1024,
	SECOND_US = 1000000,
};

/* A report on its way into the queue. */
struct report {
	message_id about;
	size_t count;
	bool has_failures;
	struct {
		uint32_t target; /* its index */
		enum dsn_action action;
	} what[];
};

static uint8_t notify_of(const struct mail *mail, const struct target *target)
{
	return mail->loaded->envelope.recipients[target->recipient].notify;
}

static bool wants_failures(const struct mail *mail, const struct target *target)
{
	uint8_t notify = notify_of(mail, target);

	return notify == 0 || (notify & NOTIFY_FAILURE) != 0;
}

/* This attempt is the first after the time at which the sender is to know. */
static bool is_late(const struct mail *mail, const struct target *target)
{
	const struct envelope *envelope = &mail->loaded->envelope;
	uint64_t late =
	    envelope_begins_us(envelope) + (uint64_t)settings->queue.warn_after * SECOND_US;
	uint64_t recorded = mail->loaded->recorded_us;
	uint64_t now = recorded != 0 ? recorded : clock_wall_us();
	uint8_t notify = notify_of(mail, target);

	return settings->queue.warn_after != 0 && envelope->sender.len > 0 && now >= late &&
	       mail->loaded->tried_us < late && (notify == 0 || (notify & NOTIFY_DELAY) != 0);
}

/* Who is told where the sender is null. */
static bool write_postmaster(struct buf *out)
{
	if (settings->postmaster != NULL)
		return buf_append_string(out, settings->postmaster);
	return buf_printf(out, "postmaster@%s",
	    settings->domains.count > 0 ? settings->domains.words[0] : settings->hostname);
}

/* To whom this message's failures are reported; empty: to nobody, the log says why. */
static bool find_reader(const struct mail *mail, const struct target *target, struct buf *out)
{
	const struct envelope *envelope = &mail->loaded->envelope;
	struct slice recipient = envelope->recipients[target->recipient].address;

	if (envelope->sender.len > 0)
		return buf_append_slice(out, envelope->sender);
	if (!write_postmaster(out))
		return false;
	if (slice_equal_nocase(buf_slice(out), recipient) ||
	    slice_starts_with_nocase(recipient, SLICE("postmaster@"))) {
		log_warning("dropped", log_id(mail->file.id), log_slice("to", target->address),
		    log_string("reason", "a report that cannot be delivered to the postmaster"));
		buf_clear(out);
	}
	return true;
}

/* --- writing -------------------------------------------------------------------------- */

static struct date date_of(uint64_t us)
{
	return date_local((int64_t)(us / SECOND_US));
}

/*
 * The added header fields and the header of the message, or all of it where that
 * was asked for.  Who is told of no failure gets the header alone (RFC 3461, 4.3).
 */
static bool read_message(
    const struct mail *mail, bool has_failures, bool *is_full, struct buf *out)
{
	const struct envelope *envelope = &mail->loaded->envelope;
	size_t wanted = HEADER_OCTETS_MAX;
	ssize_t got, end;
	char *room;
	int fd;

	/* What was to be kept from others is not sent back through them (RFC 8689, 5). */
	*is_full = has_failures && envelope->ret == RETURN_FULL &&
		   envelope->tls != TLS_REQUIRED && mail->file.size <= FULL_OCTETS_MAX;
	if (*is_full || mail->file.size < wanted)
		wanted = (size_t)mail->file.size;
	if (!buf_append_slice(out, envelope->prepend) || (room = buf_extend(out, wanted)) == NULL)
		return false;
	fd = spool_open_file(&queue.spool, &mail->file, O_RDONLY);
	got = fd < 0 ? -1 : spool_read_at(fd, room, wanted, 0);
	if (fd >= 0)
		close(fd);
	if (got < 0)
		return false;
	out->len -= wanted - (size_t)got;
	if (*is_full)
		return true;
	end = slice_search(buf_slice(out), SLICE("\r\n\r\n"));
	if (end >= 0)
		out->len = (size_t)end + 2;
	return true;
}

static struct dsn_recipient describe(
    const struct mail *mail, const struct target *target, enum dsn_action action)
{
	uint64_t until = envelope_begins_us(&mail->loaded->envelope) +
			 (uint64_t)settings->queue.expire * SECOND_US;

	return (struct dsn_recipient){
	    .address = target->address,
	    .original_recipient = mail->loaded->envelope.recipients[target->recipient].original,
	    .action = action,
	    .status = slice_string(target->status),
	    .diagnostic = slice_string(target->text),
	    .is_smtp_reply = target->code != 0,
	    .remote_mta = slice_string(target->host),
	    .last_attempt = (int64_t)(clock_wall_us() / SECOND_US),
	    .retry_until = action == DSN_DELAYED ? (int64_t)(until / SECOND_US) : 0,
	};
}

/* The whole report, for `reader`. */
static bool write_report(
    const struct mail *mail, const struct report *report, struct slice reader, struct buf *out)
{
	const struct envelope *envelope = &mail->loaded->envelope;
	struct dsn_recipient *recipients = calloc(report->count, sizeof *recipients);
	struct buf message = buf_with_limit(FULL_OCTETS_MAX + 2 * HEADER_OCTETS_MAX);
	char id[MESSAGE_ID_TEXT + 1], own_id[MESSAGE_ID_TEXT + 1];
	bool is_full = false, is_written;
	struct dsn dsn = {
	    .reporting_mta = slice_string(settings->hostname),
	    .to = reader,
	    .id = slice_of(own_id, MESSAGE_ID_TEXT),
	    .date = date_of(clock_wall_us()),
	    .envelope_id = envelope->envid,
	    .smtputf8 = envelope->smtputf8,
	    .queue_id = slice_of(id, MESSAGE_ID_TEXT),
	    .arrival = date_of(envelope->arrived_us),
	    .release = (int64_t)(envelope->release_us / SECOND_US),
	    .recipients = recipients,
	    .recipient_count = report->count,
	};

	message_id_format(mail->file.id, id);
	message_id_format(queue_next_id(), own_id);
	is_written = recipients != NULL && read_message(mail, report->has_failures, &is_full, &message);
	if (is_written) {
		dsn.message = buf_slice(&message);
		dsn.return_full = is_full;
		for (size_t i = 0; i < report->count; i++)
			recipients[i] = describe(mail,
			    mail->loaded->targets[report->what[i].target], report->what[i].action);
		is_written = dsn_write(&dsn, out);
	}
	buf_free(&message);
	free(recipients);
	return is_written;
}

/* --- sending -------------------------------------------------------------------------- */

static void forget_report(struct mail *mail)
{
	mail->loaded->is_report_lost = true;
	for (size_t i = 0; i < mail->loaded->target_count; i++) {
		struct target *target = mail->loaded->targets[i];

		if (target->state == TARGET_FAILED && !target->is_reported)
			target->state = TARGET_DEFERRED;
	}
}

/* The sender was told of this target, or it is given up to tell him. */
static void settle_reported(struct mail *mail, struct target *target, enum dsn_action action)
{
	switch (action) {
	case DSN_DELAYED:
		target->is_warned = true;
		return;
	case DSN_DELIVERED:
	case DSN_RELAYED:
		target->is_reported = true;
		attempt_record(mail, target);
		return;
	default:
		target->is_reported = true;
		return;
	}
}

/*
 * A report that could not be stored: of failures it is tried again, and they
 * count as deferred until then.  No message is kept or sent twice for the sake
 * of the others.
 */
static void lose_report(struct mail *mail, const struct report *report)
{
	log_warning("report-lost", log_id(mail->file.id), log_number("recipients", report->count));
	if (report->has_failures)
		forget_report(mail);
	for (size_t i = 0; i < report->count; i++)
		if (report->what[i].action != DSN_FAILED)
			settle_reported(mail, mail->loaded->targets[report->what[i].target],
			    report->what[i].action);
}

static void report_finished(bool is_accepted, message_id id, void *context)
{
	struct report *report = context;
	struct mail *mail = queue_find(report->about);

	(void)id;
	if (mail != NULL && mail->loaded != NULL) {
		mail->loaded->reports--;
		for (size_t i = 0; i < report->count && is_accepted; i++)
			settle_reported(mail, mail->loaded->targets[report->what[i].target],
			    report->what[i].action);
		if (!is_accepted)
			lose_report(mail, report);
		bounce_report_success(mail);
		attempt_review(mail);
	}
	free(report);
}

static void log_report(const struct mail *mail, const struct report *report, struct slice reader)
{
	if (report->has_failures)
		log_info("bounced", log_id(mail->file.id), log_slice("to", reader),
		    log_number("recipients", report->count));
	else
		log_info("reported", log_id(mail->file.id), log_slice("to", reader),
		    log_string("action", dsn_action_name(report->what[0].action)),
		    log_number("recipients", report->count));
}

/* Long words about many: those who do not fit are in the next report. */
static void halve(struct mail *mail, struct report *report)
{
	size_t kept = report->count / 2;

	for (size_t i = kept; i < report->count; i++)
		mail->loaded->targets[report->what[i].target]->is_in_report = false;
	report->count = kept;
	report->has_failures = false;
	for (size_t i = 0; i < kept; i++)
		if (report->what[i].action == DSN_FAILED)
			report->has_failures = true;
}

static bool send_report(struct mail *mail, struct report *report, struct slice reader)
{
	struct buf content = buf_with_limit(REPORT_OCTETS_MAX);
	struct envelope_recipient recipient = {.address = reader, .notify = NOTIFY_NEVER};
	/* It is as urgent as what it is about (RFC 6710, 5), and as secret. */
	struct envelope envelope = {
	    .arrived_us = clock_wall_us(),
	    .client = SLICE("report"),
	    .body = BODY_8BITMIME,
	    .smtputf8 = mail->loaded->envelope.smtputf8,
	    .tls = mail->loaded->envelope.tls,
	    .ret = mail->loaded->envelope.tls == TLS_REQUIRED ? RETURN_HEADERS : RETURN_DEFAULT,
	    .priority = mail->loaded->envelope.priority,
	    .recipient_count = 1,
	    .recipients = &recipient,
	};
	message_id id;
	bool is_begun = write_report(mail, report, reader, &content);

	while (!is_begun && content.overflowed && report->count > 1) {
		halve(mail, report);
		buf_clear(&content);
		is_begun = write_report(mail, report, reader, &content);
	}
	is_begun = is_begun &&
		   incoming_submit(buf_slice(&content), &envelope, report_finished, report, &id);

	if (is_begun) {
		mail->loaded->reports++;
		log_report(mail, report, reader);
	}
	buf_free(&content);
	return is_begun;
}

static void give_up_report(struct mail *mail, struct report *report)
{
	log_error("cannot-report", log_id(mail->file.id), log_errno(errno));
	lose_report(mail, report);
	free(report);
}

/* One report about everything that is to be reported to this reader. */
static void report_to(struct mail *mail, struct report *report, struct slice reader)
{
	if (!send_report(mail, report, reader))
		give_up_report(mail, report);
}

/* NULL where memory is short. */
static struct report *report_new(struct mail *mail)
{
	struct report *report =
	    calloc(1, sizeof *report + DSN_RECIPIENTS_MAX * sizeof report->what[0]);

	if (report != NULL)
		report->about = mail->file.id;
	return report;
}

static void add_to_report(
    struct report *report, const struct target *target, enum dsn_action action)
{
	report->what[report->count].target = target->index;
	report->what[report->count++].action = action;
	if (action == DSN_FAILED)
		report->has_failures = true;
}

void bounce_report(struct mail *mail, bool may_warn)
{
	struct loaded *l = mail->loaded;
	struct report *report = report_new(mail);
	struct buf reader = buf_with_limit(ENVELOPE_ADDRESS_MAX);

	if (report == NULL) {
		forget_report(mail);
		return;
	}
	for (size_t i = 0; i < l->target_count && report->count < DSN_RECIPIENTS_MAX; i++) {
		struct target *target = l->targets[i];

		if (target->state == TARGET_DEFERRED && may_warn && !target->is_warned &&
		    is_late(mail, target))
			add_to_report(report, target, DSN_DELAYED);
		if (target->state != TARGET_FAILED || target->is_reported)
			continue;
		buf_clear(&reader);
		if (wants_failures(mail, target) &&
		    (!find_reader(mail, target, &reader) || reader.len > 0))
			add_to_report(report, target, DSN_FAILED);
		else
			target->is_reported = true;
	}
	/* The reader is the same for all: the sender, or the postmaster. */
	buf_clear(&reader);
	if (report->count == 0)
		free(report);
	else if (find_reader(mail, l->targets[report->what[0].target], &reader))
		report_to(mail, report, buf_slice(&reader));
	else
		give_up_report(mail, report);
	buf_free(&reader);
}

void bounce_report_success(struct mail *mail)
{
	struct loaded *l = mail->loaded;
	struct report *report = NULL;

	for (size_t i = 0; i < l->target_count; i++) {
		struct target *target = l->targets[i];

		if (target->state != TARGET_DELIVERED || !target->has_success_to_report ||
		    target->is_in_report)
			continue;
		target->is_in_report = true;
		if (report == NULL && (report = report_new(mail)) == NULL) {
			log_error("out-of-memory", log_id(mail->file.id));
			settle_reported(mail, target, DSN_DELIVERED);
			continue;
		}
		add_to_report(
		    report, target, target->kind == LOOKUP_MAILBOX ? DSN_DELIVERED : DSN_RELAYED);
		if (report->count == DSN_RECIPIENTS_MAX) {
			report_to(mail, report, l->envelope.sender);
			report = NULL;
		}
	}
	if (report != NULL)
		report_to(mail, report, l->envelope.sender);
}
