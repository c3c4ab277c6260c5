/*
 * bounce.c - telling the sender.
 *
 * A report is a message like any other, with the null sender.  What it reports
 * counts as reported when the report is durable, so that a crash in between
 * repeats the report and never swallows it.  A message that came with the null
 * sender is never reported to it: its failure goes to the postmaster, once, and a
 * failure to reach the postmaster ends in the log.
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
	uint32_t targets[]; /* indices of what it reports */
};

static bool wants_failures(const struct mail *mail, const struct target *target)
{
	uint8_t notify = mail->loaded->envelope.recipients[target->recipient].notify;

	return notify == 0 || (notify & NOTIFY_FAILURE) != 0;
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

/* The added header fields and the header of the message, or all of it where that was asked for. */
static bool read_message(const struct mail *mail, bool *is_full, struct buf *out)
{
	const struct envelope *envelope = &mail->loaded->envelope;
	size_t wanted = HEADER_OCTETS_MAX;
	ssize_t got, end;
	char *room;
	int fd;

	*is_full = envelope->ret == RETURN_FULL && mail->file.size <= FULL_OCTETS_MAX;
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

static struct dsn_recipient describe(const struct mail *mail, const struct target *target)
{
	return (struct dsn_recipient){
	    .address = target->address,
	    .original_recipient = mail->loaded->envelope.recipients[target->recipient].original,
	    .action = DSN_FAILED,
	    .status = slice_string(target->status),
	    .diagnostic = slice_string(target->text),
	    .is_smtp_reply = target->code != 0,
	    .remote_mta = slice_string(target->host),
	    .last_attempt = (int64_t)(clock_wall_us() / SECOND_US),
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
	    .queue_id = slice_of(id, MESSAGE_ID_TEXT),
	    .arrival = date_of(envelope->arrived_us),
	    .recipients = recipients,
	    .recipient_count = report->count,
	};

	message_id_format(mail->file.id, id);
	message_id_format(queue_next_id(), own_id);
	is_written = recipients != NULL && read_message(mail, &is_full, &message);
	if (is_written) {
		dsn.message = buf_slice(&message);
		dsn.return_full = is_full;
		for (size_t i = 0; i < report->count; i++)
			recipients[i] = describe(mail, mail->loaded->targets[report->targets[i]]);
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

static void report_finished(bool is_accepted, message_id id, void *context)
{
	struct report *report = context;
	struct mail *mail = queue_find(report->about);

	(void)id;
	if (mail != NULL && mail->loaded != NULL) {
		mail->loaded->reports--;
		for (size_t i = 0; i < report->count && is_accepted; i++)
			mail->loaded->targets[report->targets[i]]->is_reported = true;
		if (!is_accepted)
			forget_report(mail);
		attempt_review(mail);
	}
	free(report);
}

static bool send_report(struct mail *mail, struct report *report, struct slice reader)
{
	struct buf content = buf_with_limit(REPORT_OCTETS_MAX);
	struct envelope_recipient recipient = {.address = reader, .notify = NOTIFY_NEVER};
	struct envelope envelope = {
	    .arrived_us = clock_wall_us(),
	    .client = SLICE("report"),
	    .body = BODY_8BITMIME,
	    .smtputf8 = mail->loaded->envelope.smtputf8,
	    .recipient_count = 1,
	    .recipients = &recipient,
	};
	message_id id;
	bool is_begun = write_report(mail, report, reader, &content);

	/* Long words about many: those who do not fit are in the next report. */
	while (!is_begun && content.overflowed && report->count > 1) {
		report->count /= 2;
		buf_clear(&content);
		is_begun = write_report(mail, report, reader, &content);
	}
	is_begun = is_begun &&
		   incoming_submit(buf_slice(&content), &envelope, report_finished, report, &id);

	if (is_begun) {
		mail->loaded->reports++;
		log_info("bounced", log_id(mail->file.id), log_slice("to", reader),
		    log_number("recipients", report->count));
	}
	buf_free(&content);
	return is_begun;
}

static void give_up_report(struct mail *mail, struct report *report)
{
	log_error("cannot-report", log_id(mail->file.id), log_errno(errno));
	forget_report(mail);
	free(report);
}

/* One report about everything that is to be reported to this reader. */
static void report_to(struct mail *mail, struct report *report, struct slice reader)
{
	if (!send_report(mail, report, reader))
		give_up_report(mail, report);
}

void bounce_report(struct mail *mail)
{
	struct loaded *l = mail->loaded;
	struct report *report =
	    calloc(1, sizeof *report + DSN_RECIPIENTS_MAX * sizeof report->targets[0]);
	struct buf reader = buf_with_limit(ENVELOPE_ADDRESS_MAX);

	if (report == NULL) {
		forget_report(mail);
		return;
	}
	report->about = mail->file.id;
	for (size_t i = 0; i < l->target_count && report->count < DSN_RECIPIENTS_MAX; i++) {
		struct target *target = l->targets[i];

		if (target->state != TARGET_FAILED || target->is_reported)
			continue;
		buf_clear(&reader);
		if (wants_failures(mail, target) &&
		    (!find_reader(mail, target, &reader) || reader.len > 0))
			report->targets[report->count++] = target->index;
		else
			target->is_reported = true;
	}
	/* The reader is the same for all: the sender, or the postmaster. */
	buf_clear(&reader);
	if (report->count == 0)
		free(report);
	else if (find_reader(mail, l->targets[report->targets[0]], &reader))
		report_to(mail, report, buf_slice(&reader));
	else
		give_up_report(mail, report);
	buf_free(&reader);
}
