/* What charset.h promises. */
#include <criterion/criterion.h>

#include "message/charset.h"
#include "message/encoding.h"

static const char *decoded(const char *value)
{
	static char text[1024];
	struct buf out = buf_with_limit(sizeof(text) - 1);

	cr_assert(header_decode(slice_string(value), &out));
	cr_assert(utf8_is_valid(buf_slice(&out)));
	cr_assert(slice_copy(buf_slice(&out), text, sizeof(text)));
	buf_free(&out);
	return text;
}

Test(charset, the_examples_of_rfc_2047_are_decoded)
{
	static const char *const pairs[][2] = {
	    {"=?ISO-8859-1?Q?a?=",						 "a"					       },
	    {"=?ISO-8859-1?Q?a?= b",					       "a b"					     },
	    {"=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=",                              "ab"                                              },
	    {"=?ISO-8859-1?Q?a?=  =?ISO-8859-2?Q?b?=",                             "ab"                                              },
	    {"=?ISO-8859-1?Q?a?=\r\n    =?ISO-8859-1?Q?b?=",                       "ab"                                              },
	    {"=?ISO-8859-1?Q?a_b?=",					       "a b"					     },
	    {"=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=",                             "a b"                                             },
	    {"=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?= "
	     "=?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?=", "If you can read this you understand the example."},
	    {"=?iso-8859-1?q?J=F8rn?= <x@y>",                                      "J\303\270rn <x@y>"                               },
	    {"=?utf-8*en?q?x?=",						   "x"					       },
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		cr_expect_str_eq(decoded(pairs[i][0]), pairs[i][1], "%s", pairs[i][0]);
}

Test(charset, a_character_split_between_encoded_words_is_put_together)
{
	cr_assert_str_eq(decoded("=?utf-8?B?w?= =?utf-8?B?6k=?="), "\357\277\275");
	cr_assert_str_eq(decoded("=?utf-8?Q?=C3?= =?utf-8?Q?=A9?="), "\303\251");
	cr_assert_str_eq(decoded("=?utf-8?B?ww==?=\r\n =?UTF-8?B?qQ==?="), "\303\251");
}

Test(charset, what_cannot_be_decoded_stays_as_written)
{
	cr_assert_str_eq(decoded("=?x-nonsense?q?a?= =?x-nonsense?q?b?= c"),
	    "=?x-nonsense?q?a?= =?x-nonsense?q?b?= c");
	cr_assert_str_eq(decoded("=?utf-8?x?a?="), "=?utf-8?x?a?=");
	cr_assert_str_eq(decoded("=?utf-8?q?a"), "=?utf-8?q?a");
	cr_assert_str_eq(decoded("=?utf-8?q?a b?="), "=?utf-8?q?a b?=");
	cr_assert_str_eq(decoded("=?=?utf-8?q?a?="), "=?a");
	cr_assert_str_eq(decoded("=?/etc/passwd?q?a?="), "=?/etc/passwd?q?a?=");
}

Test(charset, octets_without_a_charset_are_utf8_or_western)
{
	cr_assert_str_eq(decoded("Gr\303\274\303\237e"), "Gr\303\274\303\237e");
	cr_assert_str_eq(decoded("Gr\374\337e \200"), "Gr\303\274\303\237e \342\202\254");
}

Test(charset, charsets_of_the_world_are_known)
{
	static const struct {
		const char *charset, *in, *out;
	} examples[] = {
	    {"koi8-r",       "\360\322\311\327\305\324",
             "\320\237\321\200\320\270\320\262\320\265\321\202"                    },
	    {"Windows-1251", "\317\360",                 "\320\237\321\200"        },
	    {"ISO-8859-15",  "\244",                     "\342\202\254"            },
	    {"gb2312",       "\304\343\272\303",         "\344\275\240\345\245\275"},
	    {"big5",         "\247A\246n",               "\344\275\240\345\245\275"},
	    {"ISO-2022-JP",  "\033$B$3\033(B",           "\343\201\223"            },
	    {"shift_jis",    "\202\261",                 "\343\201\223"            },
	    {"euc-kr",       "\276\310",                 "\354\225\210"            },
	    {"utf-16le",     "a",                        "\357\277\275"            },
	    {"us-ascii",     "\344",                     "\303\244"                },
	};

	charset_preload();
	for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
		struct buf out = buf_with_limit(100);

		cr_expect(charset_to_utf8(
		    slice_string(examples[i].charset), slice_string(examples[i].in), &out));
		cr_expect(slice_equal(buf_slice(&out), slice_string(examples[i].out)), "%s",
		    examples[i].charset);
		buf_free(&out);
	}
}

Test(charset, nothing_is_appended_for_an_unknown_charset)
{
	struct buf out = buf_with_limit(100);

	buf_append_string(&out, "x");
	cr_assert_not(charset_to_utf8(SLICE("utf-7"), SLICE("+AGE-"), &out));
	cr_assert_not(charset_to_utf8(SLICE(""), SLICE("a"), &out));
	cr_assert_not(charset_to_utf8(SLICE("utf-8\0"), SLICE("a"), &out));
	cr_assert_eq(out.len, 1);
	buf_free(&out);
}

static const char *folded(bool (*fold)(struct slice, struct buf *), struct slice in)
{
	static char text[256];
	struct buf out = buf_with_limit(sizeof(text) - 1);

	cr_assert(fold(in, &out));
	cr_assert(slice_copy(buf_slice(&out), text, sizeof(text)));
	buf_free(&out);
	return text;
}

Test(charset, ascii_casemap_touches_ascii_letters_only)
{
	cr_assert_str_eq(folded(fold_ascii, SLICE("az[{\303\244")), "AZ[{\303\244");
}

Test(charset, searches_fold_the_letters_of_europe)
{
	cr_assert_str_eq(folded(fold_text, SLICE("\303\204RGER \305\201\303\223D\305\271")),
	    "\303\244rger \305\202\303\263d\305\272");
	cr_assert_str_eq(folded(fold_text, SLICE("\316\243\317\202 \320\237\320\201")),
	    "\317\203\317\203 \320\277\321\221");
	cr_assert_str_eq(folded(fold_text, SLICE("\377x")), "\357\277\275x");
}

Test(charset, folding_twice_is_folding_once)
{
	for (uint32_t code_point = 0; code_point <= UNICODE_MAX; code_point++)
		cr_assert_eq(fold_code_point(fold_code_point(code_point)),
		    fold_code_point(code_point), "U+%04X", code_point);
}
