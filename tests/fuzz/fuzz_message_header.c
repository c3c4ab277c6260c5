/*
 * Headers: any octets are a sequence of fields that lie end to end; address
 * lists, dates and encoded words make something of any value; what we write is
 * one field, whatever the value.
 */
#include "message/charset.h"
#include "message/date.h"
#include "message/encoding.h"
#include "message/header.h"
#include "tests/fuzz/fuzz.h"

enum { OUTPUT_MAX = 1 << 22 };

static void lists_are_bounded(struct slice value)
{
	struct address_list list = address_list_empty();
	struct buf out = buf_with_limit(OUTPUT_MAX);
	int open_groups = 0;

	REQUIRE(address_list_add(&list, value));
	REQUIRE(list.count <= ADDRESS_LIST_MAX);
	for (size_t i = 0; i < list.count; i++) {
		open_groups += list.items[i].kind == HEADER_ADDRESS_GROUP_START;
		open_groups -= list.items[i].kind == HEADER_ADDRESS_GROUP_END;
		REQUIRE(open_groups == 0 || open_groups == 1);
		header_address_write(&list.items[i], &out);
	}
	REQUIRE(open_groups == 0 || list.truncated);
	buf_free(&out);
	address_list_free(&list);
}

static void dates_survive(struct slice value)
{
	struct buf out = buf_with_limit(DATE_TEXT_MAX);
	struct date date, again;
	int64_t day;

	date_parse_internal(value, &date);
	date_parse_day(value, &day);
	if (date_parse_timestamp(value, &date)) {
		int64_t seconds = date.seconds;

		REQUIRE(date_write_timestamp(&date, &out));
		REQUIRE(date_parse_timestamp(buf_slice(&out), &again));
		REQUIRE(again.seconds == seconds);
		buf_clear(&out);
	}
	if (!date_parse(value, &date) || !date_write(&date, &out))
		return;
	REQUIRE(date_parse(buf_slice(&out), &again));
	REQUIRE(date.seconds == again.seconds && date.zone_minutes == again.zone_minutes);
	buf_clear(&out);
	REQUIRE(date_write_internal(&date, &out));
	REQUIRE(date_parse_internal(buf_slice(&out), &again));
	REQUIRE(date.seconds == again.seconds && date.zone_minutes == again.zone_minutes);
	buf_free(&out);
}

static void what_we_write_is_one_field(struct slice value)
{
	bool (*const writers[])(struct buf *, const char *, struct slice) = {
	    header_write, header_write_text};

	for (size_t i = 0; i < 2; i++) {
		struct buf out = buf_with_limit(OUTPUT_MAX);
		struct header_field field;

		if (writers[i](&out, "X", value)) {
			REQUIRE(header_find(buf_slice(&out), SLICE("X"), &field));
			REQUIRE(field.whole.len == out.len);
			REQUIRE(header_end(buf_slice(&out)) == out.len);
			REQUIRE(utf8_is_valid(buf_slice(&out)));
		}
		buf_free(&out);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);
	struct header_walk walk = header_walk_over(in);
	struct header_field field;
	struct cursor ids = cursor_over(in);
	struct slice id;
	size_t at = 0;

	while (header_next(&walk, &field)) {
		struct buf out = buf_with_limit(OUTPUT_MAX);

		REQUIRE(field.whole.data == in.data + at);
		at += field.whole.len;
		header_decode(field.value, &out);
		REQUIRE(utf8_is_valid(buf_slice(&out)));
		buf_free(&out);
		lists_are_bounded(field.value);
		dates_survive(field.value);
		what_we_write_is_one_field(field.value);
	}
	REQUIRE(walk.body == header_end(in));
	while (header_next_message_id(&ids, &id))
		REQUIRE(id.len > 2);
	return 0;
}
