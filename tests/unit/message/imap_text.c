/* What imap_text.h promises. */
#include <criterion/criterion.h>

#include <stdio.h>

#include "message/header.h"
#include "message/imap_text.h"
#include "message/lines.h"

static struct buf out;

static void setup(void)
{
	out = buf_with_limit(1 << 20);
}

static void teardown(void)
{
	buf_free(&out);
}

TestSuite(imap_text, .init = setup, .fini = teardown);

static void assert_out(const char *expected)
{
	cr_expect(slice_equal(buf_slice(&out), slice_string(expected)), "%.*s\n, not\n%s",
	    SLICE_PRINTF(buf_slice(&out)), expected);
	buf_clear(&out);
}

Test(imap_text, strings_are_quoted_where_they_may_be)
{
	cr_assert(imap_write_string(SLICE("a \"b\\"), &out));
	assert_out("\"a \\\"b\\\\\"");
	cr_assert(imap_write_string(SLICE("a\r\nb"), &out));
	assert_out("{4}\r\na\r\nb");
	cr_assert(imap_write_string(SLICE("\303\251"), &out));
	assert_out("{2}\r\n\303\251");
	cr_assert(imap_write_string(SLICE("a\0b"), &out));
	assert_out("{3}\r\na?b");
	cr_assert(imap_write_nstring((struct slice){NULL, 0}, &out));
	assert_out("NIL");
	cr_assert(imap_write_nstring(SLICE(""), &out));
	assert_out("\"\"");
}

/* RFC 3501, 8: the message of the sample connection. */
static const char sample[] = "Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\n"
			     "From: Terry Gray <gray@cac.washington.edu>\r\n"
			     "Subject: IMAP4rev1 WG mtg summary and minutes\r\n"
			     "To: imap@cac.washington.edu\r\n"
			     "cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\r\n"
			     "Message-Id: <B27397-0100000@cac.washington.edu>\r\n"
			     "MIME-Version: 1.0\r\n"
			     "Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\r\n"
			     "\r\n"
			     "body\r\n";

Test(imap_text, the_envelope_is_that_of_rfc_3501)
{
	cr_assert(imap_write_envelope(SLICE(sample), &out));
	assert_out(
	    "(\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" \"IMAP4rev1 WG mtg summary and minutes\" "
	    "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) "
	    "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) "
	    "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) "
	    "((NIL NIL \"imap\" \"cac.washington.edu\")) "
	    "((NIL NIL \"minutes\" \"CNRI.Reston.VA.US\")"
	    "(\"John Klensin\" NIL \"KLENSIN\" \"MIT.EDU\")) NIL NIL "
	    "\"<B27397-0100000@cac.washington.edu>\")");
}

Test(imap_text, an_envelope_of_nothing_is_all_nil)
{
	cr_assert(imap_write_envelope(SLICE("\n"), &out));
	assert_out("(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
}

Test(imap_text, envelopes_hold_groups_routes_and_odd_octets)
{
	cr_assert(
	    imap_write_envelope(SLICE("From: <@a,@b:c@d>\nReply-To:\nTo: g: x@y (z);, bob\n"
				      "Cc: \303\251 <e@f>\nSubject:\n folded\n \"subject\"\n\n"),
		&out));
	assert_out(
	    "(NIL \"folded \\\"subject\\\"\" ((NIL \"@a,@b\" \"c\" \"d\")) ((NIL \"@a,@b\" \"c\" "
	    "\"d\")) "
	    "((NIL \"@a,@b\" \"c\" \"d\")) "
	    "((NIL NIL \"g\" NIL)(\"z\" NIL \"x\" \"y\")(NIL NIL NIL NIL)(NIL NIL \"bob\" \"\")) "
	    "(({2}\r\n\303\251 NIL \"e\" \"f\")) NIL NIL NIL)");
}

static const char nested[] = "From: a@b\n"
			     "Content-Type: multipart/mixed; boundary=\"o\"\n"
			     "\n"
			     "preamble\n"
			     "--o\n"
			     "Content-Type: text/plain; charset=utf-8\n"
			     "Content-Disposition: inline\n"
			     "Content-Language: en, de\n"
			     "\n"
			     "one\n"
			     "two\n"
			     "\n"
			     "--o\n"
			     "Content-Type: message/rfc822\n"
			     "Content-Description: forwarded\n"
			     "\n"
			     "Subject: inner\n"
			     "Content-Type: multipart/alternative; boundary=i\n"
			     "\n"
			     "--i\n"
			     "\n"
			     "plain\n"
			     "--i\n"
			     "Content-Type: text/html\n"
			     "\n"
			     "<p>\n"
			     "--i--\n"
			     "--o\n"
			     "Content-Type: image/png; name=\"x.png\"\n"
			     "Content-Transfer-Encoding: base64\n"
			     "Content-ID: <i@x>\n"
			     "Content-MD5: Q2hlY2s=\n"
			     "Content-Location: x.png\n"
			     "Content-Disposition: attachment; filename=\"x.png\"\n"
			     "\n"
			     "iVBORw==\n"
			     "--o\n"
			     "Content-Type: message/rfc822\n"
			     "\n"
			     "Subject: flat\n"
			     "\n"
			     "text\n"
			     "--o--\n"
			     "epilogue\n";

#define SAMPLE_STRUCTURE_END "\"CHARSET\" \"US-ASCII\") NIL NIL \"7bit\" 6 1"

Test(imap_text, a_flat_body_is_told_with_octets_and_lines)
{
	struct mime mime;

	cr_assert(mime_parse(SLICE(sample), &mime));
	cr_assert(imap_write_body(&mime, &out));
	assert_out("(\"TEXT\" \"PLAIN\" (" SAMPLE_STRUCTURE_END ")");
	cr_assert(imap_write_bodystructure(&mime, &out));
	assert_out("(\"TEXT\" \"PLAIN\" (" SAMPLE_STRUCTURE_END " NIL NIL NIL NIL)");
	mime_free(&mime);
}

Test(imap_text, a_body_structure_tells_every_part)
{
	struct mime mime;

	cr_assert(mime_parse(SLICE(nested), &mime));
	cr_assert(imap_write_bodystructure(&mime, &out));
	assert_out(
	    "((\"text\" \"plain\" (\"charset\" \"utf-8\") NIL NIL \"7bit\" 10 2 NIL (\"inline\" "
	    "NIL) "
	    "(\"en\" \"de\") NIL)"
	    "(\"message\" \"rfc822\" NIL NIL \"forwarded\" \"7bit\" 123 "
	    "(NIL \"inner\" NIL NIL NIL NIL NIL NIL NIL NIL) "
	    "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 5 0 NIL NIL NIL NIL)"
	    "(\"text\" \"html\" NIL NIL NIL \"7bit\" 3 0 NIL NIL NIL NIL) "
	    "\"alternative\" (\"boundary\" \"i\") NIL NIL NIL) 10 NIL NIL NIL NIL)"
	    "(\"image\" \"png\" (\"name\" \"x.png\") \"<i@x>\" NIL \"base64\" 8 \"Q2hlY2s=\" "
	    "(\"attachment\" (\"filename\" \"x.png\")) NIL \"x.png\")"
	    "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 21 "
	    "(NIL \"flat\" NIL NIL NIL NIL NIL NIL NIL NIL) "
	    "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 4 0 NIL NIL NIL NIL) "
	    "2 NIL NIL NIL NIL) "
	    "\"mixed\" (\"boundary\" \"o\") NIL NIL NIL)");
	cr_assert(imap_write_body(&mime, &out));
	cr_assert(slice_search(buf_slice(&out), SLICE("inline")) < 0, "no extension data in BODY");
	mime_free(&mime);
}

Test(imap_text, a_multipart_without_parts_has_an_empty_one)
{
	struct mime mime;

	cr_assert(mime_parse(SLICE("Content-Type: multipart/mixed; boundary=x\n\n"), &mime));
	cr_assert(imap_write_body(&mime, &out));
	assert_out(
	    "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0) \"mixed\")");
	mime_free(&mime);
}

Test(imap_text, structures_are_the_same_for_lf_and_crlf)
{
	struct buf crlf = buf_with_limit(1 << 16), other = buf_with_limit(1 << 16);
	struct line_state state = {0};
	struct mime a, b;

	cr_assert(lines_to_crlf(SLICE(nested), &state, &crlf));
	cr_assert(mime_parse(SLICE(nested), &a));
	cr_assert(mime_parse(buf_slice(&crlf), &b));
	cr_assert(imap_write_bodystructure(&a, &out));
	cr_assert(imap_write_bodystructure(&b, &other));
	cr_assert(slice_equal(buf_slice(&out), buf_slice(&other)));
	mime_free(&a);
	mime_free(&b);
	buf_free(&crlf);
	buf_free(&other);
}

/* ---- sections ----------------------------------------------------------- */

static const char *section(const struct mime *mime, const char *specification)
{
	static char text[4096];
	struct imap_section parsed;
	struct slice found = {0};

	cr_assert(imap_section_parse(slice_string(specification), &parsed), "%s", specification);
	if (!imap_section_find(mime, &parsed, &found))
		return "NIL";
	cr_assert(slice_copy(found, text, sizeof(text)));
	return text;
}

Test(imap_text, sections_name_parts_by_number)
{
	struct mime mime;
	static const char *const pairs[][2] = {
	    {"",                nested							       },
	    {"1",               "one\ntwo\n"							 },
	    {"1.MIME",          "Content-Type: text/plain; charset=utf-8\nContent-Disposition: inline\n"
		       "Content-Language: en, de\n\n"                          },
	    {"2.MIME",          "Content-Type: message/rfc822\nContent-Description: forwarded\n\n"   },
	    {"2.HEADER",        "Subject: inner\nContent-Type: multipart/alternative; boundary=i\n\n"},
	    {"2.header.fields",
             "Subject: inner\nContent-Type: multipart/alternative; boundary=i\n\n"                   },
	    {"2.TEXT",          "--i\n\nplain\n--i\nContent-Type: text/html\n\n<p>\n--i--"           },
	    {"2.1",             "plain"							      },
	    {"2.2",             "<p>"								},
	    {"2.2.MIME",        "Content-Type: text/html\n\n"                                        },
	    {"2.3",             "NIL"								},
	    {"2.1.1",           "NIL"								},
	    {"3",               "iVBORw=="							   },
	    {"3.HEADER",        "NIL"								},
	    {"3.TEXT",          "NIL"								},
	    {"4",               "Subject: flat\n\ntext"					      },
	    {"4.HEADER",        "Subject: flat\n\n"						  },
	    {"4.TEXT",          "text"							       },
	    {"4.1",             "text"							       },
	    {"4.1.MIME",        "Subject: flat\n\n"						  },
	    {"4.1.1",           "NIL"								},
	    {"4.2",             "NIL"								},
	    {"5",               "NIL"								},
	    {"4294967295",      "NIL"								},
	};

	cr_assert(mime_parse(SLICE(nested), &mime));
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		cr_expect_str_eq(section(&mime, pairs[i][0]), pairs[i][1], "[%s] is %s",
		    pairs[i][0], section(&mime, pairs[i][0]));
	cr_assert_str_eq(section(&mime, "HEADER"),
	    "From: a@b\nContent-Type: multipart/mixed; boundary=\"o\"\n\n");
	cr_assert_eq(strncmp(section(&mime, "TEXT"), "preamble\n", 9), 0);
	mime_free(&mime);
}

Test(imap_text, a_flat_message_is_its_own_first_part)
{
	struct mime mime;

	cr_assert(mime_parse(SLICE(sample), &mime));
	cr_assert_str_eq(section(&mime, "1"), "body\r\n");
	cr_assert_str_eq(section(&mime, "TEXT"), "body\r\n");
	cr_assert_str_eq(section(&mime, "1.1"), "NIL");
	cr_assert_str_eq(section(&mime, "2"), "NIL");
	cr_assert_str_eq(section(&mime, "1.TEXT"), "NIL");
	mime_free(&mime);
}

Test(imap_text, malformed_sections_are_refused)
{
	static const char *const malformed[] = {"0", "01", "1.", ".1", "1..2", "MIME", "1 ", "1.X",
	    "HEADERS", "4294967296", "1.HEADER.FIELDS ", "TEXT.1", "-1"};
	struct imap_section parsed;
	char deep[4 * IMAP_SECTION_DEPTH_MAX];
	size_t len = 0;

	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++)
		cr_expect_not(
		    imap_section_parse(slice_string(malformed[i]), &parsed), "%s", malformed[i]);
	for (int i = 0; i < IMAP_SECTION_DEPTH_MAX; i++)
		len += (size_t)snprintf(deep + len, sizeof(deep) - len, "%s1", i == 0 ? "" : ".");
	cr_assert(imap_section_parse(slice_string(deep), &parsed));
	snprintf(deep + len, sizeof(deep) - len, ".1");
	cr_assert_not(imap_section_parse(slice_string(deep), &parsed));
}

Test(imap_text, header_fields_are_picked_by_name)
{
	const struct slice names[] = {SLICE("SUBJECT"), SLICE("X-None"), SLICE("to")};
	struct slice header = SLICE("From: a\nTo: b,\n c\nSubject: x\nTo: d");

	cr_assert(imap_write_header_fields(header, names, 3, false, &out));
	assert_out("To: b,\r\n c\r\nSubject: x\r\nTo: d\r\n\r\n");
	cr_assert(imap_write_header_fields(header, names, 3, true, &out));
	assert_out("From: a\r\n\r\n");
	cr_assert(imap_write_header_fields(SLICE(""), names, 3, false, &out));
	assert_out("\r\n");
	cr_assert_not(
	    imap_write_header_fields(header, names, IMAP_FIELD_NAMES_MAX + 1, false, &out));
}
