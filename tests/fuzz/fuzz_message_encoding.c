/*
 * Encodings: decoding takes any octets, and what was encoded comes back.
 */
#include "message/charset.h"
#include "message/encoding.h"
#include "message/lines.h"
#include "tests/fuzz/fuzz.h"

enum { OUTPUT_MAX = 1 << 22 };

typedef bool conversion(struct slice in, struct buf *out);

/* decode(encode(in)) is `in`. */
static void comes_back(conversion *encode, conversion *decode, struct slice in)
{
	struct buf encoded = buf_with_limit(OUTPUT_MAX), decoded = buf_with_limit(OUTPUT_MAX);

	if (encode(in, &encoded)) {
		REQUIRE(decode(buf_slice(&encoded), &decoded));
		REQUIRE(slice_equal(buf_slice(&decoded), in));
	}
	buf_free(&encoded);
	buf_free(&decoded);
}

static void is_total(conversion *convert, struct slice in)
{
	struct buf out = buf_with_limit(OUTPUT_MAX);

	REQUIRE(convert(in, &out));
	buf_free(&out);
}

static void line_ends_agree(struct slice in, size_t cut)
{
	struct buf whole = buf_with_limit(OUTPUT_MAX), parts = buf_with_limit(OUTPUT_MAX);
	struct line_state state = {0};

	REQUIRE(lines_to_crlf(slice_part(in, 0, cut), &state, &whole));
	REQUIRE(lines_to_crlf(slice_from(in, cut), &state, &whole));
	REQUIRE(whole.len == lines_crlf_size(in));
	REQUIRE(lines_to_crlf_part(in, 0, cut, &parts));
	REQUIRE(lines_to_crlf_part(in, cut, UINT64_MAX, &parts));
	REQUIRE(slice_equal(buf_slice(&whole), buf_slice(&parts)));
	buf_free(&whole);
	buf_free(&parts);
}

static void charsets_give_utf8(struct slice in)
{
	static const char *const charsets[] = {"utf-8", "us-ascii", "iso-2022-jp", "gb18030",
	    "utf-16", "shift_jis", "big5", "euc-kr", "koi8-r"};
	struct buf out = buf_with_limit(OUTPUT_MAX);
	struct slice charset = slice_string(
	    charsets[in.len == 0
			 ? 0
			 : (unsigned char)in.data[0] % (sizeof(charsets) / sizeof(charsets[0]))]);

	charset_to_utf8(charset, slice_from(in, 1), &out);
	REQUIRE(utf8_is_valid(buf_slice(&out)));
	buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);

	comes_back(base64_encode, base64_decode, in);
	comes_back(base64_encode_lines, base64_decode_lenient, in);
	comes_back(base64_decode, base64_encode, in);
	comes_back(mutf7_encode, mutf7_decode, in);
	comes_back(mutf7_decode, mutf7_encode, in);
	is_total(base64_decode_lenient, in);
	is_total(quoted_printable_decode, in);
	is_total(q_decode, in);
	is_total(fold_text, in);
	is_total(text_guess, in);
	line_ends_agree(in, size / 2);
	charsets_give_utf8(in);
	return 0;
}
