/*
 * filter.c - a complete message goes to the milters, and comes back changed, or not at all.
 */
#include "smtpd/filter.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/conf.h"
#include "common/log.h"
#include "message/address.h"
#include "message/spelling.h"
#include "smtpd/data.h"
#include "smtpd/gate.h"
#include "smtpd/session.h"

bool filter_is_due(const struct session *s)
{
	return filter_is_wanted(settings, s->service, s->is_local);
}

void filter_free(struct filter *filter, const struct house *house)
{
	if (filter == NULL)
		return;
	if (filter->changed.descriptor >= 0)
		house->abort(&filter->changed, !filter->was_given);
	if (filter->content >= 0)
		close(filter->content);
	for (size_t i = 0; i < filter->change_count; i++)
		free((char *)(uintptr_t)filter->changes[i].address.data);
	free(filter->changes);
	buf_free(&filter->prepend);
	free(filter);
}

/* --- the end --------------------------------------------------------------------- */

static void finish(struct session *s, const struct verdict *against)
{
	s->is_blocked = false;
	s->transaction->filter->done(s, against);
	/* What follows may be a question already. */
	if (!s->is_blocked)
		session_unblock(s);
}

static void fail(struct session *s)
{
	struct verdict verdict = verdict_of(VERDICT_DEFER, 451, "4.3.0",
	    "The message cannot be filtered now, try again later", "milters");

	gate_log(s, GATE_MESSAGE, &verdict, SLICE(""));
	finish(s, &verdict);
}

/* --- recipients -------------------------------------------------------------------- */

static void change_recipients(struct session *s);

static void recipient_answered(void *asker, const struct lookup_verdict *verdict)
{
	struct session *s = asker;
	struct filter *filter = s->transaction->filter;
	const struct filter_recipient *change = &filter->changes[filter->changes_done];

	if (verdict == NULL || verdict->answer == LOOKUP_TEMPORARY) {
		fail(s);
		return;
	}
	filter->changes_done++;
	if (verdict->answer != LOOKUP_ACCEPTED) {
		/* The client has no part in this: its mail does not fail for it. */
		log_warning("recipient-not-added", log_id(s->transaction->file.id),
		    log_slice("to", change->address), log_string("reason", verdict->text));
	} else if (!transaction_add_recipient(
		       s->transaction, &(struct envelope_recipient){.address = change->address})) {
		fail(s);
		return;
	}
	change_recipients(s);
}

/* Take away who is not to get it, and ask lookup about who is to get it, too. */
static void change_recipients(struct session *s)
{
	struct filter *filter = s->transaction->filter;

	while (filter->changes_done < filter->change_count) {
		const struct filter_recipient *change = &filter->changes[filter->changes_done];

		if (change->is_added &&
		    !transaction_has_recipient(s->transaction, change->address)) {
			s->question.asker = s;
			s->question.answered.verdict = recipient_answered;
			/* The milter speaks for the administrator, who may send where he wants. */
			if (s->house->recipient(&s->question, change->address, true, SLICE("")))
				session_block(s);
			else
				fail(s);
			return;
		}
		if (!change->is_added)
			transaction_remove_recipient(s->transaction, change->address);
		filter->changes_done++;
	}
	/* A message for nobody is one to be thrown away. */
	if (s->transaction->recipient_count == 0)
		s->transaction->is_discarded = true;
	finish(s, NULL);
}

/* --- what the milters made of it ------------------------------------------------------ */

/* What a milter wrote in the form inside the house (spelling.h); false where it is no address. */
static bool canonical(struct slice text, bool may_be_null, struct buf *out)
{
	struct buf path = buf_with_limit(ENVELOPE_ADDRESS_MAX + 2);
	struct address address;
	unsigned flags = ADDRESS_LENIENT | (may_be_null ? 0 : ADDRESS_NOT_NULL);
	bool good;

	buf_clear(out);
	buf_append_octet(&path, '<');
	buf_append_slice(&path, text);
	buf_append_octet(&path, '>');
	good = !path.overflowed &&
	       address_parse_path(buf_slice(&path), flags, &address) == (ssize_t)path.len &&
	       (address.is_null || address_write_house(&address, out));
	buf_free(&path);
	return good;
}

static bool keep_changes(struct session *s, const struct filter_answer *answer)
{
	struct filter *filter = s->transaction->filter;
	struct buf address = buf_with_limit(ENVELOPE_ADDRESS_MAX);
	bool good = true;

	filter->changes = calloc((size_t)answer->change_count + 1, sizeof *filter->changes);
	if (filter->changes == NULL)
		return false;
	for (uint32_t i = 0; i < answer->change_count && good; i++) {
		char *copy;

		if (!canonical(answer->changes[i].address, false, &address)) {
			log_warning("not-an-address", log_id(s->transaction->file.id),
			    log_slice("address", answer->changes[i].address));
			continue;
		}
		copy = slice_dup(buf_slice(&address));
		good = copy != NULL;
		if (good)
			filter->changes[filter->change_count++] = (struct filter_recipient){
			    answer->changes[i].is_added, slice_of(copy, address.len)};
	}
	buf_free(&address);
	return good;
}

static bool change_sender(struct session *s, struct slice sender)
{
	struct buf address = buf_with_limit(ENVELOPE_ADDRESS_MAX);
	bool good = canonical(sender, true, &address);

	if (good)
		good = transaction_set_sender(s->transaction, buf_slice(&address));
	else
		log_warning("not-an-address", log_id(s->transaction->file.id),
		    log_slice("address", sender));
	buf_free(&address);
	return good;
}

static void log_changes(const struct transaction *transaction, const struct filter_answer *answer)
{
	log_info("filtered", log_id(transaction->file.id),
	    log_slice("from", transaction_sender(transaction)), log_number("size", answer->size),
	    log_number("recipients-changed", answer->change_count),
	    log_string("content", answer->has_content ? "changed" : "as it was"));
}

static bool take_answer(struct session *s, const struct filter_answer *answer)
{
	struct transaction *transaction = s->transaction;
	struct filter *filter = transaction->filter;

	if (answer->has_content || answer->has_sender || answer->change_count > 0)
		log_changes(transaction, answer);
	buf_clear(&filter->prepend);
	if (!buf_append_slice(&filter->prepend, answer->prepend) || !keep_changes(s, answer) ||
	    (answer->has_sender && !change_sender(s, answer->sender)))
		return false;
	if (answer->has_content) {
		s->house->replace(&transaction->file, &filter->changed);
		transaction->content.size = answer->size;
	}
	return true;
}

static void filtered(void *asker, const struct filter_answer *answer)
{
	struct session *s = asker;

	if (answer == NULL) {
		fail(s);
		return;
	}
	gate_log(s, GATE_MESSAGE, &answer->verdict, SLICE(""));
	if (verdict_is_against(&answer->verdict)) {
		finish(s, &answer->verdict);
		return;
	}
	gate_keep(s, &answer->verdict, SLICE(""));
	if (s->transaction->is_discarded)
		finish(s, NULL);
	else if (take_answer(s, answer))
		change_recipients(s);
	else
		fail(s);
}

/* --- the question ------------------------------------------------------------------------ */

static bool ask(struct session *s)
{
	struct transaction *transaction = s->transaction;
	struct filter *filter = transaction->filter;
	struct filter_question question = {
	    .about = gate_question_for(s, GATE_MESSAGE, SLICE("")),
	    .prepend = buf_slice(&filter->prepend),
	    .has_header = transaction->content.fields.starts_with_header,
	    .recipient_count = transaction->recipient_count,
	};
	int content = filter->content;
	int target = fcntl(filter->changed.descriptor, F_DUPFD_CLOEXEC, 0);
	bool asked;

	if (target < 0)
		return false;
	question.recipients =
	    calloc((size_t)transaction->recipient_count + 1, sizeof *question.recipients);
	if (question.recipients == NULL) {
		close(target);
		return false;
	}
	for (uint32_t i = 0; i < transaction->recipient_count; i++)
		question.recipients[i] =
		    transaction_text(transaction, transaction->recipients[i].address);
	s->question.asker = s;
	s->question.answered.filtered = filtered;
	filter->content = -1;
	filter->was_given = true;
	s->gate.is_known_to_policy = true;
	asked = s->house->filter(&s->question, &question, content, target);
	filter_question_free(&question);
	return asked;
}

static void readable(void *asker, int descriptor)
{
	struct session *s = asker;

	s->transaction->filter->content = descriptor;
	if (descriptor < 0 || !ask(s))
		fail(s);
}

static void ask_to_read(struct session *s)
{
	s->question.asker = s;
	s->question.answered.readable = readable;
	if (s->house->read(&s->question, &s->transaction->file))
		session_block(s);
	else
		fail(s);
}

static void file_answered(void *asker, const struct spool_file *file, bool full)
{
	struct session *s = asker;

	(void)full;
	if (file == NULL) {
		fail(s);
		return;
	}
	s->transaction->filter->changed = *file;
	ask_to_read(s);
}

void filter_begin(struct session *s, uint64_t now_us,
    void (*done)(struct session *s, const struct verdict *against))
{
	struct filter *filter = calloc(1, sizeof *filter);

	if (filter == NULL) {
		static const struct verdict no_memory = {
		    .answer = VERDICT_DEFER, .code = 451, .status = "4.3.0"};

		done(s, &no_memory);
		return;
	}
	filter->prepend = buf_with_limit(ENVELOPE_PREPEND_MAX);
	filter->changed = no_spool_file;
	filter->content = -1;
	filter->done = done;
	s->transaction->filter = filter;
	session_block(s);
	s->question.asker = s;
	s->question.answered.file = file_answered;
	if (!data_write_prepended(s, now_us, &filter->prepend)) {
		fail(s);
		return;
	}
	switch (s->house->file(&s->question, &filter->changed)) {
	case HOUSE_FILE_GIVEN:
		ask_to_read(s);
		break;
	case HOUSE_FILE_ASKED:
		break;
	case HOUSE_FILE_NONE:
		fail(s);
		break;
	}
}
