/* What record.h and outcome.h promise. */
#include <criterion/criterion.h>

#include "qmgr/outcome.h"
#include "qmgr/record.h"

static struct buf two_records(void)
{
	struct buf records = buf_with_limit(4096);

	cr_assert(record_append(&records, RECORD_ENVELOPE, SLICE("who\0and whom")));
	cr_assert(record_append(&records, RECORD_OUTCOME, SLICE("what came of it")));
	return records;
}

Test(record, what_was_appended_is_read_back_in_order)
{
	struct buf records = two_records();
	struct cursor in = cursor_over(buf_slice(&records));
	struct record record;

	cr_assert_eq(record_next(&in, &record), RECORD_WHOLE);
	cr_assert_eq(record.type, RECORD_ENVELOPE);
	cr_assert(slice_equal(record.payload, SLICE("who\0and whom")));
	cr_assert_eq(record_next(&in, &record), RECORD_WHOLE);
	cr_assert_eq(record.type, RECORD_OUTCOME);
	cr_assert_eq(record_next(&in, &record), RECORD_END);
	buf_free(&records);
}

Test(record, a_torn_last_record_is_ignored_wherever_it_is_torn)
{
	struct buf records = two_records();
	struct cursor in = cursor_over(buf_slice(&records));
	struct record record;
	size_t first;

	record_next(&in, &record);
	first = cursor_since(&in, records.data).len;
	for (size_t len = first; len < records.len; len++)
		cr_assert_eq(
		    record_whole_part(slice_of(records.data, len)).len, first, "cut at %zu", len);
	cr_assert_eq(record_whole_part(buf_slice(&records)).len, records.len);
	buf_free(&records);
}

Test(record, one_changed_octet_anywhere_is_found)
{
	struct buf records = two_records();

	for (size_t i = 0; i < records.len; i++) {
		records.data[i] ^= 0x10;
		cr_assert_lt(
		    record_whole_part(buf_slice(&records)).len, records.len, "octet %zu", i);
		records.data[i] ^= 0x10;
	}
	buf_free(&records);
}

Test(record, a_file_that_grew_by_zeros_has_no_records_there)
{
	char zeros[64] = {0};

	cr_assert_eq(record_whole_part(slice_of(zeros, sizeof zeros)).len, 0);
}

Test(record, a_length_beyond_the_end_is_torn)
{
	struct cursor in = cursor_over(SLICE("\xff\xff\xff\x7f\x01"
					     "abcdefgh"));
	struct record record;

	cr_assert_eq(record_next(&in, &record), RECORD_TORN);
	cr_assert_eq(cursor_left(&in), 13, "nothing was taken");
}

Test(outcome, what_was_said_is_read_back)
{
	struct buf records = buf_with_limit(4096);
	struct outcome said = {
	    .address = SLICE("bob@example.org"),
	    .status = OUTCOME_DEFERRED,
	    .in_mailbox = true,
	    .attempts = 3,
	    .at_us = 1234567890123456,
	    .code = 451,
	    .enhanced = SLICE("4.7.1"),
	    .host = SLICE("mx.example.org"),
	    .text = SLICE("come back later\r\n"),
	};
	struct outcome read;
	struct cursor in;
	struct record record;

	cr_assert(outcome_append(&records, &said));
	in = cursor_over(buf_slice(&records));
	cr_assert_eq(record_next(&in, &record), RECORD_WHOLE);
	cr_assert_eq(record.type, RECORD_OUTCOME);
	cr_assert(outcome_decode(record.payload, &read));
	cr_assert(slice_equal(read.address, said.address));
	cr_assert_eq(read.status, OUTCOME_DEFERRED);
	cr_assert(read.in_mailbox);
	cr_assert_eq(read.attempts, 3);
	cr_assert_eq(read.at_us, said.at_us);
	cr_assert_eq(read.code, 451);
	cr_assert(slice_equal(read.enhanced, said.enhanced));
	cr_assert(slice_equal(read.host, said.host));
	cr_assert(slice_equal(read.text, said.text));
	for (size_t len = 0; len < record.payload.len; len++)
		cr_assert_not(outcome_decode(slice_part(record.payload, 0, len), &read));
	buf_free(&records);
}

Test(record, equal_ones_are_found_among_a_hundred_thousand)
{
	enum { COUNT = 100000 };
	struct buf records = buf_with_limit(16 << 20);
	struct record_index index;
	uint32_t number;
	size_t half;

	for (number = 0; number < COUNT; number++)
		record_append(&records, RECORD_OUTCOME, slice_of((char *)&number, sizeof number));
	half = records.len / 2;
	cr_assert(record_index_make(&index, slice_part(buf_slice(&records), 0, half),
	    slice_from(buf_slice(&records), half)));
	for (size_t at = 0; at < records.len; at += records.len / COUNT)
		cr_assert_eq(record_index_add(&index, buf_slice(&records), at), at >= half);
	for (size_t at = 0; at < records.len; at += records.len / COUNT)
		cr_assert_not(record_index_add(&index, buf_slice(&records), at));
	/* The same payload of another type is another record. */
	half = records.len;
	number = 0;
	record_append(&records, RECORD_EXPANSION, slice_of((char *)&number, sizeof number));
	cr_assert(record_index_add(&index, buf_slice(&records), half));
	record_index_free(&index);
	buf_free(&records);
}

Test(record, of_a_record_that_does_not_fit_nothing_stays)
{
	struct buf records = buf_with_limit(100);

	cr_assert(record_append(&records, RECORD_OUTCOME, SLICE("it fits")));
	for (size_t room = 0; room < 40; room++) {
		struct buf full = buf_with_limit(records.len + room);

		buf_append_slice(&full, buf_slice(&records));
		record_append(&full, RECORD_OUTCOME, SLICE("does it fit, or does it not?"));
		cr_assert_eq(record_whole_part(buf_slice(&full)).len, full.len);
		buf_free(&full);
	}
	buf_free(&records);
}

Test(outcome, a_long_diagnostic_is_cut_off_and_still_read_back)
{
	char text[OUTCOME_TEXT_MAX * 2];
	struct buf records = buf_with_limit(8192);
	struct outcome said = {.address = SLICE("a@b"), .status = OUTCOME_FAILED}, read;
	struct cursor in;
	struct record record;

	memset(text, 'x', sizeof text);
	said.text = slice_of(text, sizeof text);
	cr_assert(outcome_append(&records, &said));
	in = cursor_over(buf_slice(&records));
	cr_assert_eq(record_next(&in, &record), RECORD_WHOLE);
	cr_assert(outcome_decode(record.payload, &read));
	cr_assert_eq(read.text.len, OUTCOME_TEXT_MAX);
	buf_free(&records);
}

Test(outcome, a_status_that_does_not_exist_is_refused)
{
	struct buf records = buf_with_limit(4096);
	struct outcome said = {.address = SLICE("a@b"), .status = 9}, read;
	struct cursor in;
	struct record record;

	cr_assert(outcome_append(&records, &said));
	in = cursor_over(buf_slice(&records));
	cr_assert_eq(record_next(&in, &record), RECORD_WHOLE);
	cr_assert_not(outcome_decode(record.payload, &read));
	buf_free(&records);
}
