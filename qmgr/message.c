/*
 * message.c - a message in the queue, as qmgr holds it in memory.
 */
#include "qmgr/message.h"

#include <errno.h>
#include <stdlib.h>

#include "qmgr/record.h"

#define DOUBTFUL_US (UINT64_C(86400) * 1000000) /* far longer than a mailbox waits for its flush */

enum {
	PENDING_MAX = 32 * 1024 * 1024,
	FIRST_TARGETS = 4,
	FIRST_BY_ADDRESS = 16,
};

static int mail_compare(const struct mail *a, const struct mail *b)
{
	return (a->file.id > b->file.id) - (a->file.id < b->file.id);
}

RB_GENERATE(mail_tree, mail, by_id, mail_compare)

struct mail *mail_new(const struct spool_file *file)
{
	struct mail *mail = calloc(1, sizeof *mail);

	if (mail == NULL)
		return NULL;
	mail->file = *file;
	mail->due.place = SCHEDULE_NOWHERE;
	mail->state = file->place == SPOOL_HOLD ? MAIL_HELD : MAIL_WAITING;
	return mail;
}

void mail_free(struct mail *mail)
{
	mail_unload(mail);
	free(mail);
}

void mail_unload(struct mail *mail)
{
	struct loaded *l = mail->loaded;

	if (l == NULL)
		return;
	for (size_t i = 0; i < l->target_count; i++) {
		free(l->targets[i]->host);
		free(l->targets[i]->text);
		free(l->targets[i]);
	}
	free(l->targets);
	free(l->by_address);
	free(l->questions);
	free(l->history);
	envelope_free(&l->envelope);
	buf_free(&l->records);
	buf_free(&l->pending);
	buf_free(&l->update.records);
	free(l);
	mail->loaded = NULL;
}

/* --- what the file says ------------------------------------------------------- */

static int by_address_then_place(const void *a, const void *b)
{
	const struct history *x = a, *y = b;
	int order = slice_compare(x->address, y->address);

	/* Records lie in memory as they were written: of two, the later one counts. */
	return order != 0
		   ? order
		   : (x->address.data > y->address.data) - (x->address.data < y->address.data);
}

const struct history *mail_find_history(const struct loaded *l, struct slice address)
{
	size_t low = 0, high = l->history_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = slice_compare(l->history[middle].address, address);

		if (order == 0)
			return &l->history[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* Nothing is left to do for this address. */
static bool is_final(const struct history *history)
{
	return !history->is_doubtful &&
	       (history->status == OUTCOME_DELIVERED || history->status == OUTCOME_FAILED);
}

/*
 * The power went after this delivery, and perhaps before its mailbox was flushed.
 * The journal tells so of most; but a file may have reached the disk before the
 * journal did.  Looking once more costs little, and not long after it is safe:
 * the store remembers what its owner expunged.
 */
static bool is_doubtful(const struct mail *mail, const struct outcome *outcome)
{
	return outcome->status == OUTCOME_DELIVERED && outcome->in_mailbox &&
	       outcome->at_us < mail->doubtful_us &&
	       mail->doubtful_us - outcome->at_us < DOUBTFUL_US;
}

static size_t count_records(struct slice records, enum record_type type)
{
	struct cursor in = cursor_over(records);
	struct record record;
	size_t count = 0;

	while (record_next(&in, &record) == RECORD_WHOLE)
		if (record.type == type)
			count++;
	return count;
}

/* Collect the last outcome of each address. */
static bool read_history(struct loaded *l)
{
	size_t count = count_records(buf_slice(&l->records), RECORD_OUTCOME), kept = 0;
	struct cursor in = cursor_over(buf_slice(&l->records));
	struct record record;
	struct outcome outcome;

	l->history = calloc(count + 1, sizeof *l->history);
	if (l->history == NULL)
		return false;
	while (record_next(&in, &record) == RECORD_WHOLE) {
		if (record.type != RECORD_OUTCOME || !outcome_decode(record.payload, &outcome))
			continue;
		l->history[l->history_count++] = (struct history){outcome.address, outcome.status,
		    outcome.attempts, is_doubtful(l->mail, &outcome), outcome.text};
		if (outcome.at_us > l->tried_us)
			l->tried_us = outcome.at_us;
		if (outcome.attempts > l->attempts)
			l->attempts = outcome.attempts;
		if (outcome.status == OUTCOME_DELIVERED && outcome.in_mailbox)
			l->is_in_mailbox = true;
	}
	qsort(l->history, l->history_count, sizeof *l->history, by_address_then_place);
	for (size_t i = 0; i < l->history_count; i++) {
		if (i + 1 < l->history_count &&
		    slice_equal(l->history[i].address, l->history[i + 1].address))
			continue;
		l->history[kept++] = l->history[i];
	}
	l->history_count = kept;
	return true;
}

static void ask(struct loaded *l, uint32_t recipient, struct slice address, bool only_itself)
{
	const struct history *history = mail_find_history(l, address);

	if (history != NULL && is_final(history))
		return;
	l->questions[l->question_count++] = (struct question){
	    .recipient = recipient, .address = address, .is_final = only_itself, .is_open = true};
}

/* What lookup has to be asked: recipients that were never expanded, and final addresses that are not done. */
static bool prepare_questions(struct loaded *l)
{
	size_t expansions = count_records(buf_slice(&l->records), RECORD_EXPANSION);
	struct cursor in = cursor_over(buf_slice(&l->records));
	bool *is_expanded = calloc((size_t)l->envelope.recipient_count + 1, sizeof *is_expanded);
	struct record record;
	struct expansion expansion;

	l->questions = calloc(expansions + l->envelope.recipient_count + 1, sizeof *l->questions);
	if (is_expanded == NULL || l->questions == NULL) {
		free(is_expanded);
		return false;
	}
	while (record_next(&in, &record) == RECORD_WHOLE) {
		if (record.type != RECORD_EXPANSION ||
		    !expansion_decode(record.payload, &expansion) ||
		    expansion.recipient >= l->envelope.recipient_count)
			continue;
		is_expanded[expansion.recipient] = true;
		if (!slice_is_empty(expansion.address))
			ask(l, expansion.recipient, expansion.address, true);
	}
	for (uint32_t i = 0; i < l->envelope.recipient_count; i++)
		if (!is_expanded[i])
			ask(l, i, l->envelope.recipients[i].address, false);
	l->questions_open = l->question_count;
	l->is_expansion_known = expansions > 0;
	free(is_expanded);
	return true;
}

/* One key for all messages: nobody outside sees the order of any table. */
static struct siphash_key table_key(void)
{
	static struct siphash_key key;
	static bool is_made;

	if (!is_made)
		key = siphash_key_random();
	is_made = true;
	return key;
}

bool mail_load(struct mail *mail, struct buf *records)
{
	static uint64_t last_serial;
	struct loaded *l = calloc(1, sizeof *l);
	struct cursor in;
	struct record first;
	struct reader r;

	if (l == NULL)
		return false;
	l->mail = mail;
	l->serial = ++last_serial;
	l->records = *records;
	l->end = mail->file.size + records->len;
	l->pending = buf_with_limit(PENDING_MAX);
	l->update.records = buf_with_limit(PENDING_MAX);
	l->key = table_key();
	mail->loaded = l;
	in = cursor_over(buf_slice(&l->records));
	errno = EBADMSG;
	if (record_next(&in, &first) != RECORD_WHOLE || first.type != RECORD_ENVELOPE)
		goto failed;
	r = reader_over(first.payload);
	if (!envelope_read(&r, &l->envelope) || !reader_finished(&r) ||
	    l->envelope.recipient_count == 0)
		goto failed;
	errno = ENOMEM;
	if (!read_history(l) || !prepare_questions(l))
		goto failed;
	*records = buf_with_limit(records->limit);
	return true;
failed:
	/* The records stay the caller's. */
	l->records = buf_with_limit(0);
	mail_unload(mail);
	return false;
}

/* --- targets -------------------------------------------------------------------- */

static size_t slot_of(const struct loaded *l, struct slice address)
{
	size_t slot = siphash(l->key, address) & (l->by_address_size - 1);

	while (l->by_address[slot] != 0 &&
	       !slice_equal(l->targets[l->by_address[slot] - 1]->address, address))
		slot = (slot + 1) & (l->by_address_size - 1);
	return slot;
}

static bool make_room(struct loaded *l, uint8_t kind)
{
	/* Each recipient may have a word of excuse besides. */
	size_t most = MAIL_TARGETS_MAX + (kind == LOOKUP_ERROR ? ENVELOPE_RECIPIENTS_MAX : 0);

	if (l->target_count >= most)
		return false;
	if (l->target_count == l->target_room) {
		size_t room = l->target_room == 0 ? FIRST_TARGETS : l->target_room * 2;
		struct target **targets = reallocarray(l->targets, room, sizeof *targets);

		if (targets == NULL)
			return false;
		l->targets = targets;
		l->target_room = room;
	}
	if (2 * (l->target_count + 1) > l->by_address_size) {
		size_t size = l->by_address_size == 0 ? FIRST_BY_ADDRESS : l->by_address_size * 2;
		uint32_t *larger = calloc(size, sizeof *larger);

		if (larger == NULL)
			return false;
		free(l->by_address);
		l->by_address = larger;
		l->by_address_size = size;
		for (size_t i = 0; i < l->target_count; i++)
			larger[slot_of(l, l->targets[i]->address)] = (uint32_t)i + 1;
	}
	return true;
}

/* Add a target unless the message has it already; *out is NULL where it has. */
static bool add_target(
    struct loaded *l, uint32_t recipient, const struct lookup_delivery *d, struct target **out)
{
	struct slice place = d->kind == LOOKUP_ERROR ? slice_of("", 0) : d->place;
	const struct history *history = mail_find_history(l, d->address);
	struct target *target;
	char *text;

	*out = NULL;
	if ((l->target_count > 0 && l->by_address[slot_of(l, d->address)] != 0) ||
	    (history != NULL && is_final(history)))
		return true;
	if (!make_room(l, d->kind))
		return false;
	target = calloc(1, sizeof *target + d->address.len + place.len);
	if (target == NULL)
		return false;
	text = (char *)(target + 1);
	memcpy(text, d->address.data, d->address.len);
	target->address = slice_of(text, d->address.len);
	if (place.len > 0)
		memcpy(text + d->address.len, place.data, place.len);
	target->place = slice_of(text + d->address.len, place.len);
	target->recipient = recipient;
	target->kind = (enum lookup_kind)d->kind;
	target->attempts = history == NULL ? 0 : history->attempts;
	target->may_be_there =
	    l->mail->may_be_there ||
	    (history != NULL && (history->is_doubtful || history->status == OUTCOME_UNSETTLED));
	target->index = (uint32_t)l->target_count;
	l->by_address[slot_of(l, d->address)] = target->index + 1;
	l->targets[l->target_count++] = target;
	*out = target;
	return true;
}

static bool is_usable(const struct lookup_delivery *d)
{
	return d->address.len > 0 && envelope_text_is_clean(d->address, ENVELOPE_ADDRESS_MAX) &&
	       envelope_text_is_clean(d->place, LOOKUP_DELIVERY_TEXT_MAX);
}

static bool take_delivery(struct loaded *l, uint32_t recipient, const struct lookup_delivery *d)
{
	struct target *target;
	struct lookup_delivery unusable = {
	    .kind = LOOKUP_ERROR,
	    .address = l->envelope.recipients[recipient].address,
	    .status = SLICE("5.1.3"),
	    .text = SLICE("it leads to an address that is not usable"),
	};

	if (!is_usable(d))
		d = &unusable;
	if (!add_target(l, recipient, d, &target))
		return false;
	if (target != NULL && d->kind == LOOKUP_ERROR)
		target_conclude(target, d->temporary ? TARGET_DEFERRED : TARGET_FAILED, d->status,
		    slice_of("", 0), d->text);
	return true;
}

static bool take_answer(
    struct loaded *l, const struct question *question, const struct lookup_expansion *expansion)
{
	for (uint32_t i = 0; question->is_final && i < expansion->count; i++)
		if (slice_equal(expansion->deliveries[i].address, question->address))
			return take_delivery(l, question->recipient, &expansion->deliveries[i]);
	for (uint32_t i = 0; i < expansion->count; i++)
		if (!take_delivery(l, question->recipient, &expansion->deliveries[i]))
			return false;
	return true;
}

bool mail_take_answer(
    struct mail *mail, struct question *question, const struct lookup_expansion *expansion)
{
	bool is_taken = take_answer(mail->loaded, question, expansion);

	if (!is_taken)
		question->is_unfinished = true;
	return is_taken;
}

void mail_put_off(struct mail *mail, struct question *question, const char *reason)
{
	struct loaded *l = mail->loaded;
	struct lookup_delivery excuse = {.kind = LOOKUP_ERROR, .address = question->address};
	struct target *target = NULL;

	question->is_unfinished = true;
	/* Where the address is a target already, that one's end is not the recipient's. */
	if (add_target(l, question->recipient, &excuse, &target) && target != NULL)
		target_conclude(
		    target, TARGET_DEFERRED, SLICE("4.3.0"), slice_of("", 0), slice_string(reason));
	else
		l->is_unfinished = true;
}

void target_conclude(struct target *target, enum target_state state, struct slice status,
    struct slice host, struct slice text)
{
	static const char *const fallback[] = {
	    [TARGET_DELIVERED] = "2.0.0", [TARGET_DEFERRED] = "4.0.0", [TARGET_FAILED] = "5.0.0"};
	char *old_host, *old_text;
	uint64_t code = 0;

	target->state = state;
	if (slice_is_empty(status) || !slice_copy(status, target->status, sizeof target->status))
		slice_copy(slice_string(fallback[state]), target->status, sizeof target->status);
	/* The texts may be the target's own. */
	old_host = target->host;
	old_text = target->text;
	target->host =
	    slice_is_empty(host) ? NULL : slice_dup(slice_part(host, 0, OUTCOME_HOST_MAX));
	target->text =
	    slice_is_empty(text) ? NULL : slice_dup(slice_part(text, 0, OUTCOME_TEXT_MAX));
	free(old_host);
	free(old_text);
	/* What another host said begins with its reply code. */
	target->code =
	    target->host != NULL &&
		    slice_number(slice_part(slice_string(target->text), 0, 3), 599, &code) &&
		    code >= 200
		? (uint16_t)code
		: 0;
}

static enum outcome_status outcome_of(enum target_state state)
{
	switch (state) {
	case TARGET_DELIVERED:
		return OUTCOME_DELIVERED;
	case TARGET_FAILED:
		return OUTCOME_FAILED;
	case TARGET_DEFERRED:
	case TARGET_PENDING:
	case TARGET_RUNNING:
		break;
	}
	return OUTCOME_DEFERRED;
}

bool mail_record_outcome(struct mail *mail, const struct target *target, uint64_t now_us)
{
	struct loaded *l = mail->loaded;
	bool is_ample = l->end - mail->file.size + l->pending.len > MAIL_RECORDS_AMPLE;
	struct outcome outcome = {
	    .address = target->address,
	    .status = outcome_of(target->state),
	    .in_mailbox = target->kind == LOOKUP_MAILBOX && target->state == TARGET_DELIVERED,
	    .attempts = target->attempts + 1,
	    .at_us = now_us,
	    .code = target->code,
	    .enhanced = slice_string(target->status),
	    .host = slice_string(target->host),
	    .text = slice_string(target->text),
	};

	if (is_ample && outcome.status == OUTCOME_DEFERRED && l->is_attempt_counted)
		return true;
	if (is_ample)
		outcome.host = outcome.text = slice_of("", 0);
	if (!outcome_append(&l->pending, &outcome))
		return false;
	l->is_attempt_counted = true;
	return true;
}

/* What is to be written of one recipient's expansion. */
struct became {
	uint32_t count;     /* targets */
	bool is_itself;     /* one of them has the recipient's own address */
	bool is_unfinished; /* lookup could not say everything: it will be asked again */
};

static void see_what_became(const struct loaded *l, struct became *became)
{
	for (size_t i = 0; i < l->target_count; i++) {
		const struct target *target = l->targets[i];
		struct became *b = &became[target->recipient];

		b->count++;
		if (slice_equal(target->address, l->envelope.recipients[target->recipient].address))
			b->is_itself = true;
		if (target->kind == LOOKUP_ERROR && target->state == TARGET_DEFERRED)
			b->is_unfinished = true;
	}
	for (size_t i = 0; i < l->question_count; i++)
		if (l->questions[i].is_unfinished)
			became[l->questions[i].recipient].is_unfinished = true;
}

bool mail_record_expansion(struct mail *mail)
{
	struct loaded *l = mail->loaded;
	struct became *became;
	bool fitted = true;

	if (l->is_expansion_known)
		return true;
	became = calloc((size_t)l->envelope.recipient_count + 1, sizeof *became);
	if (became == NULL)
		return false;
	see_what_became(l, became);
	for (uint32_t i = 0; i < l->envelope.recipient_count && fitted; i++)
		if (became[i].count == 0 && !became[i].is_unfinished)
			fitted =
			    expansion_append(&l->pending, &(struct expansion){i, slice_of("", 0)});
	for (size_t i = 0; i < l->target_count && fitted; i++) {
		const struct became *b = &became[l->targets[i]->recipient];

		if (!b->is_unfinished && (b->count != 1 || !b->is_itself))
			fitted = expansion_append(&l->pending,
			    &(struct expansion){l->targets[i]->recipient, l->targets[i]->address});
	}
	free(became);
	l->is_expansion_known = fitted;
	return fitted;
}

size_t mail_count(const struct mail *mail, enum target_state state)
{
	size_t count = 0;

	for (size_t i = 0; i < mail->loaded->target_count; i++)
		if (mail->loaded->targets[i]->state == state)
			count++;
	return count;
}
