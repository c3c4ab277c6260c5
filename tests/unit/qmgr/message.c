/* What message.h promises: what a file's records and lookup's answers make of a message. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "qmgr/message.h"
#include "qmgr/record.h"

static const char *const nobody[] = {NULL};

/* Records of a message to these recipients. */
static struct buf records_to(const char *const *recipients)
{
	struct envelope_recipient list[8] = {{.notify = 0}};
	struct envelope envelope = {
	    .arrived_us = 1, .sender = SLICE("eve@there.test"), .recipients = list};
	struct buf records = buf_with_limit(1 << 20), payload = buf_with_limit(1 << 20);
	struct writer w = {&payload};

	for (; recipients[envelope.recipient_count] != NULL; envelope.recipient_count++)
		list[envelope.recipient_count].address =
		    slice_string(recipients[envelope.recipient_count]);
	envelope_write(&w, &envelope);
	cr_assert(record_append(&records, RECORD_ENVELOPE, buf_slice(&payload)));
	buf_free(&payload);
	return records;
}

static void add_outcome(
    struct buf *records, const char *address, enum outcome_status status, uint32_t attempts)
{
	struct outcome outcome = {.address = slice_string(address),
	    .status = status,
	    .attempts = attempts,
	    .text = SLICE("so it was")};

	cr_assert(outcome_append(records, &outcome));
}

static struct mail *load(struct buf records)
{
	struct spool_file file = {.id = 1, .place = SPOOL_NEW, .size = 100};
	struct mail *mail = mail_new(&file);

	cr_assert(mail_load(mail, &records));
	return mail;
}

/* Answer every open question: an address stands for itself, at another host or here. */
static void answer_itself(struct mail *mail)
{
	for (size_t i = 0; i < mail->loaded->question_count; i++) {
		struct lookup_delivery d = {.kind = LOOKUP_REMOTE,
		    .address = mail->loaded->questions[i].address,
		    .place = SLICE("mx:there.test")};
		struct lookup_expansion expansion = {1, &d};

		cr_assert(mail_take_answer(mail, &mail->loaded->questions[i], &expansion));
	}
}

static void answer(
    struct mail *mail, size_t question, struct lookup_delivery *deliveries, uint32_t count)
{
	struct lookup_expansion expansion = {count, deliveries};

	cr_assert(mail_take_answer(mail, &mail->loaded->questions[question], &expansion));
}

/* The file as it is after this attempt. */
static struct buf written(struct mail *mail)
{
	struct buf records = buf_with_limit(1 << 20);

	for (size_t i = 0; i < mail->loaded->target_count; i++) {
		struct target *target = mail->loaded->targets[i];

		if (target->state == TARGET_PENDING)
			continue;
		cr_assert(mail_record_expansion(mail));
		cr_assert(mail_record_outcome(mail, target, 5));
	}
	buf_append_slice(&records, buf_slice(&mail->loaded->records));
	buf_append_slice(&records, buf_slice(&mail->loaded->pending));
	mail_free(mail);
	return records;
}

Test(message, every_recipient_of_a_new_message_is_asked_for)
{
	const char *const recipients[] = {"a@here.test", "b@here.test", NULL};
	struct mail *mail = load(records_to(recipients));

	cr_assert_eq(mail->loaded->questions_open, 2);
	cr_assert_eq(mail->loaded->attempts, 0);
	answer_itself(mail);
	cr_assert_eq(mail_count(mail, TARGET_PENDING), 2);
	mail_free(mail);
}

Test(message, a_message_without_recipients_makes_no_sense)
{
	struct spool_file file = {.id = 1, .place = SPOOL_NEW, .size = 100};
	struct mail *mail = mail_new(&file);
	struct buf records = records_to(nobody);

	cr_assert_not(mail_load(mail, &records));
	cr_assert_null(mail->loaded);
	buf_free(&records);
	mail_free(mail);
}

Test(message, duplicates_after_expansion_are_one_target)
{
	const char *const recipients[] = {"list@here.test", "b@here.test", NULL};
	struct mail *mail = load(records_to(recipients));
	struct lookup_delivery members[] = {
	    {.kind = LOOKUP_MAILBOX, .address = SLICE("a@here.test"), .place = SLICE("a")},
	    {.kind = LOOKUP_MAILBOX, .address = SLICE("b@here.test"), .place = SLICE("b")},
	};

	answer(mail, 0, members, 2);
	answer(mail, 1, members + 1, 1);
	cr_assert_eq(mail->loaded->target_count, 2);
	mail_free(mail);
}

Test(message, what_is_done_is_not_asked_for_again_and_what_is_not_is)
{
	const char *const recipients[] = {"a@x", "b@x", "c@x", "d@x", NULL};
	struct buf records = records_to(recipients);
	struct mail *mail;

	add_outcome(&records, "a@x", OUTCOME_DELIVERED, 1);
	add_outcome(&records, "b@x", OUTCOME_DEFERRED, 1);
	add_outcome(&records, "b@x", OUTCOME_DEFERRED, 2);
	add_outcome(&records, "c@x", OUTCOME_DEFERRED, 1);
	add_outcome(&records, "c@x", OUTCOME_FAILED, 2);
	add_outcome(&records, "d@x", OUTCOME_DELIVERED, 1);
	add_outcome(&records, "d@x", OUTCOME_UNSETTLED, 1);
	mail = load(records);
	cr_assert_eq(mail->loaded->questions_open, 2);
	cr_assert_eq(mail->loaded->attempts, 2);
	answer_itself(mail);
	cr_assert_eq(mail->loaded->target_count, 2);
	cr_assert(slice_equal(mail->loaded->targets[0]->address, SLICE("b@x")));
	cr_assert_eq(mail->loaded->targets[0]->attempts, 2);
	cr_assert_not(mail->loaded->targets[0]->may_be_there);
	cr_assert(mail->loaded->targets[1]->may_be_there, "the crash may have undone it, or not");
	mail_free(mail);
}

Test(message, a_mailbox_is_looked_at_again_where_the_power_went_soon_after_its_delivery)
{
	const char *const recipients[] = {"a@x", "b@x", "c@x", NULL};
	const uint64_t crash = UINT64_C(1700000000) * 1000000;
	struct spool_file file = {.id = 1, .place = SPOOL_NEW, .size = 100};
	struct buf records = records_to(recipients);
	struct outcome outcome = {.status = OUTCOME_DELIVERED, .attempts = 1, .in_mailbox = true};
	struct mail *mail = mail_new(&file);

	outcome.address = SLICE("a@x");
	outcome.at_us = crash - 1000000;
	outcome_append(&records, &outcome);
	/* Of long ago, or elsewhere, or made after the start: they count. */
	outcome.address = SLICE("b@x");
	outcome.at_us = crash - UINT64_C(3 * 86400) * 1000000;
	outcome_append(&records, &outcome);
	outcome.address = SLICE("c@x");
	outcome.at_us = crash - 1000000;
	outcome.in_mailbox = false;
	outcome_append(&records, &outcome);
	mail->doubtful_us = crash;
	cr_assert(mail_load(mail, &records));
	cr_assert_eq(mail->loaded->questions_open, 1);
	answer_itself(mail);
	cr_assert_eq(mail->loaded->target_count, 1);
	cr_assert(slice_equal(mail->loaded->targets[0]->address, SLICE("a@x")));
	cr_assert(mail->loaded->targets[0]->may_be_there);
	/* Found there, it is recorded anew, and that record is no longer in doubt. */
	mail->loaded->targets[0]->kind = LOOKUP_MAILBOX;
	target_conclude(
	    mail->loaded->targets[0], TARGET_DELIVERED, SLICE("2.0.0"), SLICE(""), SLICE(""));
	cr_assert(mail_record_outcome(mail, mail->loaded->targets[0], crash + 1000000));
	records = buf_with_limit(65536);
	buf_append_slice(&records, buf_slice(&mail->loaded->records));
	buf_append_slice(&records, buf_slice(&mail->loaded->pending));
	mail_unload(mail);
	cr_assert(mail_load(mail, &records));
	cr_assert_eq(mail->loaded->questions_open, 0);
	mail_free(mail);
}

Test(message, a_list_that_changes_between_attempts_neither_repeats_nor_loses_a_member)
{
	const char *const recipients[] = {"list@here.test", NULL};
	struct mail *mail = load(records_to(recipients));
	struct lookup_delivery members[] = {
	    {.kind = LOOKUP_REMOTE, .address = SLICE("a@x"),        .place = SLICE("mx:x")},
	    {.kind = LOOKUP_REMOTE, .address = SLICE("b@x"),        .place = SLICE("mx:x")},
	    {.kind = LOOKUP_REMOTE, .address = SLICE("newcomer@x"), .place = SLICE("mx:x")},
	};
	struct buf records;

	answer(mail, 0, members, 2);
	target_conclude(
	    mail->loaded->targets[0], TARGET_DELIVERED, SLICE("2.0.0"), SLICE("x"), SLICE("250"));
	target_conclude(
	    mail->loaded->targets[1], TARGET_DEFERRED, SLICE("4.0.0"), SLICE("x"), SLICE("450"));
	records = written(mail);

	mail = load(records);
	cr_assert_eq(mail->loaded->questions_open, 1);
	cr_assert(slice_equal(mail->loaded->questions[0].address, SLICE("b@x")),
	    "the list itself is not asked for any more");
	/* b has become an alias that contains itself: what counts is where b's own mail goes now. */
	answer(mail, 0, members, 3);
	cr_assert_eq(mail->loaded->target_count, 1);
	cr_assert(slice_equal(mail->loaded->targets[0]->address, SLICE("b@x")));
	mail_free(mail);
}

Test(message, a_member_that_could_not_be_looked_up_is_not_forgotten)
{
	const char *const recipients[] = {"list@here.test", NULL};
	struct mail *mail = load(records_to(recipients));
	struct lookup_delivery members[] = {
	    {.kind = LOOKUP_REMOTE,   .address = SLICE("a@x"), .place = SLICE("mx:x")},
	    { .kind = LOOKUP_ERROR,
             .address = SLICE("b@x"),
             .temporary = true,
             .status = SLICE("4.3.0")},
	};
	struct buf records;

	answer(mail, 0, members, 2);
	target_conclude(
	    mail->loaded->targets[0], TARGET_DELIVERED, SLICE("2.0.0"), SLICE("x"), SLICE("250"));
	records = written(mail);
	mail = load(records);
	cr_assert_eq(mail->loaded->questions_open, 1);
	cr_assert(slice_equal(mail->loaded->questions[0].address, SLICE("list@here.test")));
	members[1] = (struct lookup_delivery){
	    .kind = LOOKUP_REMOTE, .address = SLICE("b@x"), .place = SLICE("mx:x")};
	answer(mail, 0, members, 2);
	cr_assert_eq(mail->loaded->target_count, 1, "a has it already");
	cr_assert(slice_equal(mail->loaded->targets[0]->address, SLICE("b@x")));
	mail_free(mail);
}

Test(message, a_recipient_whose_answer_did_not_come_is_not_forgotten)
{
	const char *const recipients[] = {"a@here.test", "list@here.test", NULL};
	struct mail *mail = load(records_to(recipients));
	struct lookup_delivery error = {.kind = LOOKUP_ERROR,
	    .address = SLICE("a@here.test"),
	    .temporary = true,
	    .status = SLICE("4.3.0")};
	struct buf records;

	/* The attempt was cut short by an administrator before the list was answered. */
	answer(mail, 0, &error, 1);
	mail->loaded->questions[1].is_unfinished = true;
	records = written(mail);
	mail = load(records);
	cr_assert_eq(mail->loaded->questions_open, 2);
	mail_free(mail);
}

Test(message, of_more_members_than_one_attempt_takes_the_rest_is_in_the_next)
{
	enum { LISTS = 11, MEMBERS = 10000 };
	const char *const recipients[] = {"many@here.test", NULL};
	static char names[LISTS * MEMBERS][24];
	struct lookup_delivery *members = calloc(LISTS * MEMBERS, sizeof *members);
	struct lookup_expansion expansion = {LISTS * MEMBERS, members};
	struct mail *mail = load(records_to(recipients));
	struct buf records = buf_with_limit(64 << 20);

	for (int i = 0; i < LISTS * MEMBERS; i++) {
		snprintf(names[i], sizeof names[i], "u%d@x", i);
		members[i] = (struct lookup_delivery){.kind = LOOKUP_REMOTE,
		    .address = slice_string(names[i]),
		    .place = SLICE("mx:x")};
	}
	cr_assert_not(mail_take_answer(mail, &mail->loaded->questions[0], &expansion));
	mail_put_off(mail, &mail->loaded->questions[0], "too many");
	cr_assert_eq(mail_count(mail, TARGET_PENDING), MAIL_TARGETS_MAX);
	cr_assert_eq(mail_count(mail, TARGET_DEFERRED), 1);
	for (size_t i = 0; i < MAIL_TARGETS_MAX; i++)
		mail->loaded->targets[i]->state = TARGET_DELIVERED;
	cr_assert(mail_record_expansion(mail));
	for (size_t i = 0; i < mail->loaded->target_count; i++)
		cr_assert(mail_record_outcome(mail, mail->loaded->targets[i], 5));
	buf_append_slice(&records, buf_slice(&mail->loaded->records));
	buf_append_slice(&records, buf_slice(&mail->loaded->pending));
	mail_free(mail);

	mail = load(records);
	cr_assert_eq(mail->loaded->questions_open, 1);
	cr_assert(mail_take_answer(mail, &mail->loaded->questions[0], &expansion));
	cr_assert_eq(mail->loaded->target_count, LISTS * MEMBERS - MAIL_TARGETS_MAX);
	mail_free(mail);
	free(members);
}

Test(message, an_excuse_that_finds_its_address_taken_leaves_the_message_unfinished)
{
	const char *const recipients[] = {"list@here.test", NULL};
	struct mail *mail = load(records_to(recipients));
	struct lookup_delivery itself = {
	    .kind = LOOKUP_MAILBOX, .address = SLICE("list@here.test"), .place = SLICE("list")};

	answer(mail, 0, &itself, 1);
	mail_put_off(mail, &mail->loaded->questions[0], "too many");
	cr_assert(mail->loaded->is_unfinished);
	mail_free(mail);
}

Test(message, however_often_it_is_deferred_its_records_stay_below_what_can_be_read)
{
	enum { MEMBERS = 200, ATTEMPTS = 100 };
	const char *const recipients[] = {"list@here.test", NULL};
	static struct lookup_delivery members[MEMBERS];
	static char names[MEMBERS][24], words[OUTCOME_TEXT_MAX];
	struct buf records = records_to(recipients);
	struct mail *mail = NULL;

	memset(words, 'w', sizeof words);
	for (int i = 0; i < MEMBERS; i++) {
		snprintf(names[i], sizeof names[i], "u%d@x", i);
		members[i] = (struct lookup_delivery){.kind = LOOKUP_REMOTE,
		    .address = slice_string(names[i]),
		    .place = SLICE("mx:x")};
	}
	records.limit = SPOOL_RECORDS_MAX;
	for (uint32_t attempt = 0; attempt < ATTEMPTS; attempt++) {
		struct buf now = buf_with_limit(SPOOL_RECORDS_MAX);

		buf_append_slice(&now, buf_slice(&records));
		mail = load(now);
		cr_assert_eq(mail->loaded->attempts, attempt, "attempts are counted");
		for (size_t i = 0; i < mail->loaded->question_count; i++)
			cr_assert(mail_take_answer(mail, &mail->loaded->questions[i],
			    &(struct lookup_expansion){attempt == 0 ? MEMBERS : 1,
				attempt == 0 ? members
					     : &members[attempt == ATTEMPTS - 1 ? i + 1 : i]}));
		for (size_t i = 0; i < mail->loaded->target_count; i++) {
			/* In the last but one attempt one is reached, and that is not forgotten. */
			target_conclude(mail->loaded->targets[i],
			    attempt == ATTEMPTS - 2 && i == 0 ? TARGET_DELIVERED : TARGET_DEFERRED,
			    SLICE("4.0.0"), SLICE("host"), slice_of(words, sizeof words));
			cr_assert(mail_record_expansion(mail));
			cr_assert(mail_record_outcome(mail, mail->loaded->targets[i], attempt));
		}
		cr_assert(buf_append_slice(&records, buf_slice(&mail->loaded->pending)));
		if (attempt < ATTEMPTS - 1)
			mail_free(mail);
	}
	cr_assert_lt(records.len, SPOOL_RECORDS_MAX / 2);
	cr_assert_eq(mail->loaded->target_count, MEMBERS - 1);
	mail_free(mail);
	buf_free(&records);
}

Test(message, an_error_of_lookup_is_an_outcome)
{
	const char *const recipients[] = {"nobody@here.test", NULL};
	struct mail *mail = load(records_to(recipients));
	struct lookup_delivery error = {.kind = LOOKUP_ERROR,
	    .address = SLICE("nobody@here.test"),
	    .status = SLICE("5.1.1"),
	    .text = SLICE("no such user")};

	answer(mail, 0, &error, 1);
	cr_assert_eq(mail_count(mail, TARGET_FAILED), 1);
	cr_assert_str_eq(mail->loaded->targets[0]->status, "5.1.1");
	cr_assert_str_eq(mail->loaded->targets[0]->text, "no such user");
	mail_free(mail);
}

Test(message, an_address_with_a_line_break_is_a_failure_and_no_target)
{
	const char *const recipients[] = {"a@x", NULL};
	struct mail *mail = load(records_to(recipients));
	struct lookup_delivery d = {.kind = LOOKUP_REMOTE,
	    .address = SLICE("b@x\r\nRCPT TO:<c@x>"),
	    .place = SLICE("mx:x")};

	answer(mail, 0, &d, 1);
	cr_assert_eq(mail->loaded->target_count, 1);
	cr_assert_eq(mail_count(mail, TARGET_FAILED), 1);
	cr_assert(slice_equal(mail->loaded->targets[0]->address, SLICE("a@x")));
	mail_free(mail);
}

Test(message, a_reply_code_is_taken_from_another_hosts_words_only)
{
	const char *const recipients[] = {"a@x", NULL};
	struct mail *mail = load(records_to(recipients));

	answer_itself(mail);
	target_conclude(mail->loaded->targets[0], TARGET_FAILED, SLICE("5.1.1"), SLICE("mx.x"),
	    SLICE("550 5.1.1 no"));
	cr_assert_eq(mail->loaded->targets[0]->code, 550);
	target_conclude(mail->loaded->targets[0], TARGET_FAILED, SLICE("5.1.1"), SLICE(""),
	    SLICE("550 is our own text"));
	cr_assert_eq(mail->loaded->targets[0]->code, 0);
	mail_free(mail);
}

Test(message, thousands_of_targets_are_kept_apart)
{
	enum { COUNT = 5000 };
	const char *const recipients[] = {"list@here.test", NULL};
	struct mail *mail = load(records_to(recipients));
	struct lookup_delivery *members = calloc(COUNT, sizeof *members);
	static char names[COUNT][32];

	for (int i = 0; i < COUNT; i++) {
		snprintf(names[i], sizeof names[i], "user%d@x", i % (COUNT / 2));
		members[i] = (struct lookup_delivery){.kind = LOOKUP_REMOTE,
		    .address = slice_string(names[i]),
		    .place = SLICE("mx:x")};
	}
	answer(mail, 0, members, COUNT);
	cr_assert_eq(mail->loaded->target_count, COUNT / 2);
	free(members);
	mail_free(mail);
}
