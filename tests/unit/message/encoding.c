/* What encoding.h promises. */
#include <criterion/criterion.h>

#include "message/encoding.h"

static const char *const REFUSED = "refused";

static const char *through(bool (*function)(struct slice, struct buf *), struct slice in)
{
	static char text[1024];
	struct buf out = buf_with_limit(sizeof(text) - 1);
	bool done = function(in, &out);

	cr_assert(slice_copy(buf_slice(&out), text, sizeof(text)));
	buf_free(&out);
	return done ? text : REFUSED;
}

Test(encoding, base64_is_that_of_rfc_4648)
{
	static const char *const pairs[][2] = {
	    {"",         ""        },
            {"f",        "Zg=="    },
            {"fo",       "Zm8="    },
            {"foo",      "Zm9v"    },
            {"foob",     "Zm9vYg=="},
	    {"fooba",    "Zm9vYmE="},
            {"foobar",   "Zm9vYmFy"},
            {"\377\376", "//4="    },
	    {"\373\360", "+/A="    }
        };

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		cr_expect_str_eq(through(base64_encode, slice_string(pairs[i][0])), pairs[i][1]);
		cr_expect_str_eq(through(base64_decode, slice_string(pairs[i][1])), pairs[i][0]);
		cr_expect_str_eq(
		    through(base64_decode_lenient, slice_string(pairs[i][1])), pairs[i][0]);
	}
}

Test(encoding, strict_base64_takes_one_spelling_only)
{
	static const char *const malformed[] = {"Zg",
	    "Zg=", "Zg===", "Zg==Zg==", "Zh==", "Zm9=", "Zm 9v", "Zm9v\r\n", "====", "=",
	    "Z===", "Zm-v"};

	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++)
		cr_expect_str_eq(through(base64_decode, slice_string(malformed[i])), REFUSED, "%s",
		    malformed[i]);
}

Test(encoding, lenient_base64_makes_the_best_of_anything)
{
	cr_assert_str_eq(through(base64_decode_lenient, SLICE("Zm9v\r\n Ym!Fy")), "foobar");
	cr_assert_str_eq(through(base64_decode_lenient, SLICE("Zg==Zm9v")), "ffoo");
	cr_assert_str_eq(through(base64_decode_lenient, SLICE("Zm8")), "fo");
	cr_assert_str_eq(through(base64_decode_lenient, SLICE("Z")), "");
}

Test(encoding, base64_bodies_have_lines_of_76)
{
	char in[58];

	memset(in, 0, sizeof(in));
	cr_assert_str_eq(through(base64_encode_lines, slice_of(in, sizeof(in))),
	    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n"
	    "AA==\r\n");
}

Test(encoding, quoted_printable_lines_end_softly_or_hard)
{
	cr_assert_str_eq(through(quoted_printable_decode, SLICE("a=\r\nb\r\nc")), "ab\r\nc");
	cr_assert_str_eq(through(quoted_printable_decode, SLICE("a=\nb\nc\n")), "ab\nc\n");
	cr_assert_str_eq(through(quoted_printable_decode, SLICE("a= \t\r\nb")), "ab");
	cr_assert_str_eq(through(quoted_printable_decode, SLICE("a \t\r\nb  ")), "a\r\nb");
	cr_assert_str_eq(through(quoted_printable_decode, SLICE("a=20=\r\n")), "a ");
	cr_assert_str_eq(through(quoted_printable_decode, SLICE("=3D=3d=e4")), "==\344");
}

Test(encoding, what_is_no_escape_stays_as_it_is)
{
	cr_assert_str_eq(through(quoted_printable_decode, SLICE("1=2=G3=4")), "1=2=G3=4");
	cr_assert_str_eq(through(quoted_printable_decode, SLICE("a=")), "a");
	cr_assert_str_eq(through(q_decode, SLICE("a_b=5F=2=")), "a b_=2=");
}

Test(encoding, a_full_buf_is_an_error_and_not_an_overrun)
{
	struct buf out = buf_with_limit(5);

	cr_assert_not(base64_decode_lenient(SLICE("Zm9vYmFy"), &out));
	cr_assert_leq(out.len, 5);
	buf_clear(&out);
	cr_assert_not(quoted_printable_decode(SLICE("=41=42=43=44=45=46"), &out));
	buf_free(&out);
}

Test(encoding, utf8_has_shortest_forms_and_no_surrogates)
{
	cr_assert(utf8_is_valid(SLICE("a\303\251\342\202\254\360\237\230\200")));
	cr_assert(utf8_is_valid(SLICE("\364\217\277\277")));
	cr_assert(utf8_is_valid(SLICE("")));
	cr_assert_not(utf8_is_valid(SLICE("\300\257")), "overlong slash");
	cr_assert_not(utf8_is_valid(SLICE("\340\200\257")));
	cr_assert_not(utf8_is_valid(SLICE("\360\200\200\257")));
	cr_assert_not(utf8_is_valid(SLICE("\355\240\200")), "surrogate");
	cr_assert_not(utf8_is_valid(SLICE("\364\220\200\200")), "above U+10FFFF");
	cr_assert_not(utf8_is_valid(SLICE("\303")));
	cr_assert_not(utf8_is_valid(SLICE("\200")));
	cr_assert_not(utf8_is_valid(SLICE("\377")));
}

Test(encoding, malformed_octets_become_replacements)
{
	struct buf out = buf_with_limit(100);

	cr_assert(utf8_append_clean(&out, SLICE("a\377\303\251\303")));
	cr_assert(slice_equal(buf_slice(&out), SLICE("a\357\277\275\303\251\357\277\275")));
	buf_free(&out);
}

Test(encoding, every_code_point_survives_utf8)
{
	for (uint32_t code_point = 0; code_point <= UNICODE_MAX; code_point += 17) {
		struct buf out = buf_with_limit(8);
		struct cursor c;

		utf8_append(&out, code_point);
		c = cursor_over(buf_slice(&out));
		if (code_point < 0xd800 || code_point > 0xdfff)
			cr_assert_eq(utf8_next(&c), (int32_t)code_point);
		buf_free(&out);
	}
}

Test(encoding, mailbox_names_are_in_modified_utf7)
{
	static const char *const pairs[][2] = {
	    {"INBOX",								     "INBOX"       },
            {"A&B",								       "A&-B"        },
	    {"~peter/mail/\345\217\260\345\214\227/\346\227\245\346\234\254\350\252\236",
             "~peter/mail/&U,BTFw-/&ZeVnLIqe-"							  },
	    {"Entw\303\274rfe",							   "Entw&APw-rfe"},
            {"\360\237\230\200",                                                          "&2D3eAA-"    },
            {"&&",                                                                        "&-&-"        },
	    {"\303\251&",								 "&AOk-&-"     },
            {"",									  ""            }
        };

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		cr_expect_str_eq(through(mutf7_encode, slice_string(pairs[i][0])), pairs[i][1]);
		cr_expect_str_eq(through(mutf7_decode, slice_string(pairs[i][1])), pairs[i][0]);
	}
	cr_assert_str_eq(through(mutf7_encode, SLICE("\377")), REFUSED);
}

Test(encoding, a_mailbox_name_has_one_spelling)
{
	static const char *const malformed[] = {"&AAA-", "a&AAA-b", "&", "&AP", "&APw", "&AGE-", "&APx-", "&AP-",
	    "&2D0-", "&3gA-", "&APw-&APw-", "\303\274", "a\tb", "&A/w-", "&APwA-", "&APwAAA-x&APw",
	    "&2D3gPQ-"};

	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++)
		cr_expect_str_eq(
		    through(mutf7_decode, slice_string(malformed[i])), REFUSED, "%s", malformed[i]);
}
