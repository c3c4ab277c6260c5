/* What codec.h, buf.h, id.h and crc32c.h promise. */
#include <criterion/criterion.h>

#include "common/codec.h"
#include "common/crc32c.h"
#include "common/id.h"

Test(codec, what_was_written_is_read_back)
{
	struct buf b = buf_with_limit(1024);
	struct writer w = {&b};
	struct reader r;
	char text[8];

	write_u8(&w, 0xfe);
	write_u16(&w, 0xfedc);
	write_u32(&w, 0xfedcba98);
	write_u64(&w, 0xfedcba9876543210);
	write_bool(&w, true);
	write_slice(&w, SLICE("a\0b"));
	write_string(&w, "text");
	cr_assert_not(b.overflowed);

	r = reader_over(buf_slice(&b));
	cr_assert_eq(read_u8(&r), 0xfe);
	cr_assert_eq(read_u16(&r), 0xfedc);
	cr_assert_eq(read_u32(&r), 0xfedcba98);
	cr_assert_eq(read_u64(&r), 0xfedcba9876543210);
	cr_assert(read_bool(&r));
	cr_assert(slice_equal(read_slice(&r), SLICE("a\0b")));
	cr_assert(read_string(&r, text, sizeof text));
	cr_assert_str_eq(text, "text");
	cr_assert(reader_finished(&r));
	buf_free(&b);
}

Test(codec, every_truncation_of_a_record_fails)
{
	struct buf b = buf_with_limit(1024);
	struct writer w = {&b};

	write_u32(&w, 7);
	write_string(&w, "sender@example.org");
	for (size_t len = 0; len < b.len; len++) {
		struct reader r = reader_over(slice_of(b.data, len));

		read_u32(&r);
		read_slice(&r);
		cr_assert_not(reader_finished(&r), "length %zu was taken for whole", len);
	}
	buf_free(&b);
}

Test(codec, a_length_beyond_the_end_gives_an_empty_slice)
{
	struct reader r = reader_over(SLICE("\xff\xff\xff\xff" "abc"));
	struct slice s = read_slice(&r);

	cr_assert_eq(s.len, 0);
	cr_assert_not(reader_ok(&r));
	cr_assert_eq(read_u64(&r), 0, "a failed reader gives zeros");
}

Test(codec, a_string_with_a_nul_inside_is_refused)
{
	struct reader r = reader_over(SLICE("\x03\0\0\0a\0b"));
	char text[16];

	cr_assert_not(read_string(&r, text, sizeof text));
	cr_assert_str_empty(text);
}

Test(buf, never_grows_past_its_limit)
{
	struct buf b = buf_with_limit(300);

	for (int i = 0; i < 30; i++)
		cr_assert(buf_append_string(&b, "0123456789"));
	cr_assert_not(buf_append_octet(&b, 'x'));
	cr_assert(b.overflowed);
	cr_assert_eq(b.len, 300);
	cr_assert_leq(b.size, 300);
	buf_free(&b);
}

Test(crc32c, agrees_with_the_published_check_value)
{
	cr_assert_eq(crc32c(0, "123456789", 9), 0xe3069283);
	cr_assert_eq(crc32c(crc32c(0, "1234", 4), "56789", 5), 0xe3069283);
}

Test(id, text_order_is_time_order_and_no_identifier_comes_twice)
{
	message_id last = 0;
	char before[MESSAGE_ID_TEXT + 1] = "";

	for (int i = 0; i < 10000; i++) {
		message_id id = message_id_next(last), parsed;
		char text[MESSAGE_ID_TEXT + 1];

		message_id_format(id, text);
		cr_assert_gt(id, last);
		cr_assert_gt(strcmp(text, before), 0);
		cr_assert(message_id_parse(slice_string(text), &parsed));
		cr_assert_eq(parsed, id);
		last = id;
		memcpy(before, text, sizeof before);
	}
}

Test(id, what_is_not_an_identifier_is_refused)
{
	message_id id;

	cr_assert_not(message_id_parse(SLICE(""), &id));
	cr_assert_not(message_id_parse(SLICE("0000000000000"), &id));
	cr_assert_not(message_id_parse(SLICE("000000000000"), &id));
	cr_assert_not(message_id_parse(SLICE("00000000000001"), &id));
	cr_assert_not(message_id_parse(SLICE("000000000000l"), &id));
	cr_assert_not(message_id_parse(SLICE("zzzzzzzzzzzzz"), &id), "more than 64 bits");
	cr_assert_not(message_id_parse(SLICE("0000000\0000001"), &id));
}
