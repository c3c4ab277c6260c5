/*
 * deliver.c - one recipient's copy of a message, into the mailbox.
 *
 * A message that cannot be written now is deferred, never failed: who is a
 * recipient was decided elsewhere, and whatever stands in the way here (a full
 * disk, a quota, a directory with the wrong owner) is for a person to mend while
 * the mail waits.  What the sender may read of it in the end says no more than
 * that; the log line names the mailbox and the error.
 *
 * There is no check for a loop by Delivered-To: nothing forwards mail out of a
 * mailbox that this process writes, and a message that its owner sends to himself
 * again is no loop.  Received fields are counted when a message comes in.
 */
#include "delivery/maildir/deliver.h"

#include <errno.h>

#include "common/conf.h"
#include "common/log.h"
#include "store/maildir.h"

/* Whom the errno of a failure points at. */
static const struct {
	int error;
	const char *status;
	const char *text;
} temporary_failures[] = {
    {EDQUOT, "4.2.2", "the mailbox is full"                  },
    {ENOSPC, "4.3.1", "the mail storage is full"             },
    {EROFS,  "4.3.0", "the mail storage cannot be written to"},
    {EMFILE, "4.3.2", "the mail system is busy"              },
    {ENFILE, "4.3.2", "the mail system is busy"              },
    {ENOMEM, "4.3.2", "the mail system is busy"              },
};

bool deliver_headers(
    const struct delivery_job *job, const struct delivery_recipient *recipient, struct buf *out)
{
	buf_printf(out, "Return-Path: <%.*s>\r\n", SLICE_PRINTF(job->sender));
	if (!slice_is_empty(recipient->envelope_address) &&
	    !slice_equal_nocase(recipient->envelope_address, recipient->address))
		buf_printf(
		    out, "X-Original-To: %.*s\r\n", SLICE_PRINTF(recipient->envelope_address));
	buf_printf(out, "Delivered-To: %.*s\r\n", SLICE_PRINTF(recipient->address));
	buf_append_slice(out, job->prepend);
	return !out->overflowed;
}

static void defer(const struct delivery_job *job, const struct delivery_recipient *recipient,
    const char *step, int error, struct delivery_recipient_result *result)
{
	const char *status = "4.3.0", *text = "the mailbox cannot be written to";

	for (size_t i = 0; i < sizeof temporary_failures / sizeof temporary_failures[0]; i++)
		if (temporary_failures[i].error == error) {
			status = temporary_failures[i].status;
			text = temporary_failures[i].text;
		}
	log_error("cannot-deliver", log_id(job->id), log_slice("to", recipient->address),
	    log_slice("mailbox", recipient->mailbox), log_string("step", step), log_errno(error));
	result->outcome = DELIVERY_DEFERRED;
	result->status = slice_string(status);
	result->text = slice_string(text);
}

/*
 * A home that is kept open may have been taken away under us: its directory is
 * there, and nothing can be made in it.
 */
static bool home_is_gone(enum maildir_outcome outcome, const struct maildir_result *written)
{
	return outcome == MAILDIR_NO_FOLDER ||
	       (outcome == MAILDIR_FAILED && written->error == ENOENT);
}

void deliver_to_mailbox(struct homes *homes, const struct delivery_job *job, int content,
    const struct delivery_recipient *recipient, bool flush,
    struct delivery_recipient_result *result)
{
	struct buf headers = buf_with_limit(MAILDIR_HEADERS_MAX);
	struct maildir_delivery delivery = {
	    .id = job->id,
	    .arrived_us = job->arrived_us,
	    .recipient = recipient->address,
	    .hostname = settings->hostname,
	    .content_fd = content,
	    .offset = job->offset,
	    .size = job->size,
	    .redeliver = job->redeliver,
	};
	struct maildir_result written = {.error = ENOMEM, .step = "memory"};
	enum maildir_outcome outcome = MAILDIR_FAILED;
	struct home home;

	result->index = recipient->index;
	if (!deliver_headers(job, recipient, &headers)) {
		defer(job, recipient, "headers", ENOMEM, result);
		buf_free(&headers);
		return;
	}
	delivery.headers = buf_slice(&headers);
	for (int attempt = 0; attempt < 2; attempt++) {
		if (!homes_open(homes, recipient->mailbox, &home)) {
			written.error = errno;
			written.step = "open home";
			break;
		}
		delivery.flush = flush || home.is_elsewhere;
		outcome = maildir_deliver(home.descriptor, &delivery, &written);
		if (!home_is_gone(outcome, &written))
			break;
		homes_forget(homes, recipient->mailbox);
	}
	buf_free(&headers);
	if (outcome != MAILDIR_DELIVERED && outcome != MAILDIR_ALREADY) {
		defer(job, recipient, written.step, written.error, result);
		return;
	}
	result->outcome = DELIVERY_DELIVERED;
	result->status = SLICE("2.0.0");
	result->text = outcome == MAILDIR_ALREADY ? SLICE("already in the mailbox")
						  : SLICE("delivered to the mailbox");
}
