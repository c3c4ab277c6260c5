/*
 * Packets of the milter protocol.
 */
#include "policy/milter_protocol.h"

#include <criterion/criterion.h>
#include <event2/buffer.h>

static struct slice octets(struct evbuffer *buffer)
{
	size_t len = evbuffer_get_length(buffer);

	return slice_of(evbuffer_pullup(buffer, -1), len);
}

Test(milter_protocol, a_command_is_a_length_a_letter_and_its_fields)
{
	struct evbuffer *out = evbuffer_new();
	struct milter_packet packet = milter_packet_begin(out, MILTER_CONNECT);

	milter_put_text(&packet, SLICE("mail"));
	milter_put_octet(&packet, '4');
	milter_put_u16(&packet, 0x1234);
	milter_put_text(&packet, SLICE("192.0.2.1"));
	cr_assert(milter_packet_end(&packet));
	cr_assert(slice_equal(octets(out), SLICE("\0\0\0\x13"
						 "Cmail\0"
						 "4\x12\x34"
						 "192.0.2.1\0")));
	evbuffer_free(out);
}

Test(milter_protocol, a_text_ends_at_its_first_nul)
{
	struct evbuffer *out = evbuffer_new();
	struct milter_packet packet = milter_packet_begin(out, MILTER_HELO);

	milter_put_text(&packet, SLICE("a\0b"));
	cr_assert(milter_packet_end(&packet));
	cr_assert(slice_equal(octets(out), SLICE("\0\0\0\3Ha\0")));
	evbuffer_free(out);
}

Test(milter_protocol, replies_have_the_fields_of_their_letter)
{
	struct milter_reply reply;

	cr_assert(milter_parse_reply(SLICE("hX-A\0b c\0"), &reply));
	cr_assert(
	    slice_equal(reply.first, SLICE("X-A")) && slice_equal(reply.second, SLICE("b c")));
	cr_assert(milter_parse_reply(SLICE("m\0\0\1\2Subject\0\0"), &reply));
	cr_assert_eq(reply.index, 0x102);
	cr_assert(slice_equal(reply.first, SLICE("Subject")) && reply.second.len == 0);
	cr_assert(milter_parse_reply(SLICE("2<a@b>\0NOTIFY=NEVER\0"), &reply));
	cr_assert(slice_equal(reply.second, SLICE("NOTIFY=NEVER")));
	cr_assert(milter_parse_reply(SLICE("e<>\0"), &reply));
	cr_assert(slice_equal(reply.first, SLICE("<>")));
	cr_assert(milter_parse_reply(SLICE("bsome\0octets"), &reply));
	cr_assert_eq(reply.first.len, 11);
	cr_assert(milter_parse_reply(SLICE("O\0\0\0\6\0\0\1\xff\0\x1f\xff\xff"), &reply));
	cr_assert_eq(reply.version, 6);
	cr_assert_eq(reply.actions, 0x1ff);
	cr_assert_eq(reply.steps, 0x1fffff);
}

Test(milter_protocol, a_reply_that_is_cut_off_or_has_too_much_is_none)
{
	static const struct slice wrong[] = {SLICE(""), SLICE("h"), SLICE("hX"), SLICE("h\0b\0"),
	    SLICE("hX\0b\0c"), SLICE("hX Y\0b\0"), SLICE("hX:\0b\0"), SLICE("h\xc3\xbc\0b\0"),
	    SLICE("i\0\0\1"), SLICE("m\0\0\0\1"), SLICE("+"), SLICE("+\0"), SLICE("+a\0b\0"),
	    SLICE("2a"), SLICE("2a\0b\0c\0"), SLICE("y\0"), SLICE("O\0\0\0\6"), SLICE("Z"),
	    SLICE("\0")};
	struct milter_reply reply;

	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		cr_assert_not(milter_parse_reply(wrong[i], &reply), "%zu", i);
}

Test(milter_protocol, lists_of_macros_are_taken_one_by_one)
{
	struct slice lists = SLICE("\0\0\0\0j {client_addr}\0\0\0\0\5i\0"), names;
	enum milter_stage stage;
	bool is_good;

	cr_assert(milter_next_list(&lists, &stage, &names, &is_good));
	cr_assert(stage == MILTER_AT_CONNECT && slice_equal(names, SLICE("j {client_addr}")));
	cr_assert(milter_next_list(&lists, &stage, &names, &is_good));
	cr_assert(stage == MILTER_AT_END_OF_BODY && slice_equal(names, SLICE("i")));
	cr_assert_not(milter_next_list(&lists, &stage, &names, &is_good));
	cr_assert(is_good);
	for (size_t i = 0; i < 3; i++) {
		static const struct slice wrong[] = {
		    SLICE("\0\0\0\7j\0"), SLICE("\0\0\0\0j"), SLICE("\0\0\0")};

		lists = wrong[i];
		cr_assert_not(milter_next_list(&lists, &stage, &names, &is_good));
		cr_assert_not(is_good);
	}
}

/* All replies of a stream that comes `step` octets at a time, their letters in a row. */
static const char *letters(struct slice stream, size_t step)
{
	static char found[256];
	struct evbuffer *in = evbuffer_new();
	struct milter_reader reader = {0};
	size_t count = 0;

	for (size_t at = 0; at < stream.len; at += step) {
		struct slice part = slice_part(stream, at, step);
		struct milter_reply reply;
		enum milter_read read;

		evbuffer_add(in, part.data, part.len);
		while ((read = milter_read_reply(&reader, in, &reply)) == MILTER_READ_REPLY)
			if (count < 200 &&
			    (count == 0 || reply.letter != 'b' || found[count - 1] != 'b'))
				found[count++] = reply.letter;
		if (read == MILTER_READ_BROKEN) {
			found[count++] = '!';
			break;
		}
	}
	found[count] = '\0';
	evbuffer_free(in);
	return found;
}

Test(milter_protocol, replies_are_the_same_however_they_are_cut)
{
	struct slice stream =
	    SLICE("\0\0\0\1c\0\0\0\1p\0\0\0\6hX\0ab\0\0\0\0\6bbody\n\0\0\0\1b\0\0\0\1a");

	for (size_t step = 1; step <= stream.len; step++)
		cr_assert_str_eq(letters(stream, step), "cphba", "%zu", step);
}

Test(milter_protocol, a_length_that_cannot_be_breaks_the_stream)
{
	cr_assert_str_eq(letters(SLICE("\0\0\0\0"), 4), "!");
	cr_assert_str_eq(letters(SLICE("\0\1\0\1h"), 5), "!");
	cr_assert_str_eq(letters(SLICE("\xff\xff\xff\xff"
				       "c"),
			     5),
	    "!");
	cr_assert_str_eq(letters(SLICE("\x7f\xff\xff\xff"
				       "b"),
			     5),
	    "!");
	cr_assert_str_eq(letters(SLICE("HTTP/1.1 400\r\n"), 1), "!");
}

Test(milter_protocol, a_reply_code_is_taken_apart)
{
	struct milter_code code;

	cr_assert(milter_parse_code(SLICE("554 5.7.1 Go away"), &code));
	cr_assert_eq(code.code, 554);
	cr_assert_str_eq(code.status, "5.7.1");
	cr_assert_str_eq(code.text, "Go away");
	cr_assert(milter_parse_code(SLICE("450"), &code));
	cr_assert(code.status[0] == '\0' && code.text[0] == '\0');
	cr_assert(milter_parse_code(SLICE("550 No status here"), &code));
	cr_assert_str_eq(code.text, "No status here");
	cr_assert(milter_parse_code(SLICE("550 4.2.1 two minds"), &code));
	cr_assert_str_eq(code.status, "", "a status of another class is none");
	cr_assert(
	    milter_parse_code(SLICE("550-5.7.1 one\r\n550-5.7.1 two\n550 5.7.1 three"), &code));
	cr_assert_str_eq(code.text, "one two three");
}

Test(milter_protocol, what_is_no_reply_code_is_not_taken)
{
	static const char *const wrong[] = {"", "250 ok", "55 x", "5501 x", "abc", "600 x", "550x",
	    "550-a\r\n551 b", "550 a\001b", "550 a\r\nRCPT TO:<x>", "550 a\rb"};
	struct milter_code code;

	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		cr_assert_not(milter_parse_code(slice_string(wrong[i]), &code), "%s", wrong[i]);
}

Test(milter_protocol, a_long_text_of_a_code_is_cut)
{
	char text[2000];
	struct milter_code code;

	memset(text, 'x', sizeof text);
	memcpy(text, "550 ", 4);
	cr_assert(milter_parse_code(slice_of(text, sizeof text), &code));
	cr_assert_eq(strlen(code.text), sizeof code.text - 1);
	memcpy(text + 1000, "\n550 ", 5);
	cr_assert(milter_parse_code(slice_of(text, sizeof text), &code));
	cr_assert_eq(strlen(code.text), sizeof code.text - 1);
}
