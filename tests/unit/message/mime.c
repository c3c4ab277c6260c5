/* What mime.h promises. */
#include <criterion/criterion.h>

#include "common/buf.h"
#include "message/header.h"
#include "message/lines.h"
#include "message/mime.h"

/* "0:text/plain 1:..." with each part's depth, type and body. */
static const char *outline(struct slice message)
{
	static char text[8192];
	struct buf out = buf_with_limit(sizeof(text) - 1);
	struct mime mime;

	cr_assert(mime_parse(message, &mime));
	for (size_t i = 0; i < mime.count; i++) {
		const struct mime_part *part = &mime.parts[i];

		buf_printf(&out, "%s%d:%.*s/%.*s", i == 0 ? "" : " ", part->depth,
		    SLICE_PRINTF(part->type), SLICE_PRINTF(part->subtype));
		if (part->first_child == MIME_NO_PART)
			buf_printf(&out, "[%.*s]", SLICE_PRINTF(mime_body(&mime, part)));
	}
	mime_free(&mime);
	cr_assert(slice_copy(buf_slice(&out), text, sizeof(text)));
	buf_free(&out);
	return text;
}

static struct mime mime;

static const struct mime_part *parsed(struct slice message)
{
	cr_assert(mime_parse(message, &mime));
	return &mime.parts[0];
}

static void assert_slice(struct slice found, const char *expected)
{
	cr_expect(slice_equal(found, slice_string(expected)), "%.*s, not %s", SLICE_PRINTF(found),
	    expected);
}

Test(mime, a_message_without_fields_is_plain_text)
{
	const struct mime_part *part = parsed(SLICE("Subject: x\n\nhello\nworld\n"));

	cr_assert_eq(mime.count, 1);
	cr_assert_eq(part->kind, MIME_TEXT);
	assert_slice(part->type, "text");
	assert_slice(part->subtype, "plain");
	assert_slice(part->encoding, "7bit");
	cr_assert_null(part->id.data);
	assert_slice(mime_header(&mime, part), "Subject: x\n\n");
	assert_slice(mime_body(&mime, part), "hello\nworld\n");
	cr_assert_eq(part->header_octets, 14);
	cr_assert_eq(part->body_octets, 14);
	cr_assert_eq(part->body_lines, 2);
	mime_free(&mime);
}

/* RFC 2046, 5.1.1. */
static const char simple[] = "From: Nathaniel Borenstein <nsb@bellcore.com>\r\n"
			     "Subject: Sample message\r\n"
			     "MIME-Version: 1.0\r\n"
			     "Content-type: multipart/mixed; boundary=\"simple boundary\"\r\n"
			     "\r\n"
			     "This is the preamble.\r\n"
			     "\r\n"
			     "--simple boundary\r\n"
			     "\r\n"
			     "implicitly typed\r\n"
			     "no line end\r\n"
			     "--simple boundary\r\n"
			     "Content-type: text/plain; charset=us-ascii\r\n"
			     "\r\n"
			     "explicitly typed\r\n"
			     "line end\r\n"
			     "\r\n"
			     "--simple boundary--\r\n"
			     "\r\n"
			     "This is the epilogue.\r\n"
			     "--simple boundary\r\n";

Test(mime, the_line_end_before_a_delimiter_is_the_delimiters)
{
	const struct mime_part *part = parsed(SLICE(simple));

	cr_assert_eq(mime.count, 3);
	cr_assert_eq(part->kind, MIME_MULTIPART);
	cr_assert_eq(part->first_child, 1);
	cr_assert_eq(mime.parts[1].next, 2);
	cr_assert_eq(mime.parts[2].next, MIME_NO_PART);
	assert_slice(mime_body(&mime, &mime.parts[1]), "implicitly typed\r\nno line end");
	cr_assert_eq(mime.parts[1].body_lines, 1);
	assert_slice(mime_header(&mime, &mime.parts[1]), "\r\n");
	assert_slice(mime_body(&mime, &mime.parts[2]), "explicitly typed\r\nline end\r\n");
	cr_assert_eq(mime.parts[2].body_lines, 2);
	mime_free(&mime);
}

Test(mime, sizes_are_those_of_crlf_however_it_is_stored)
{
	struct buf lf = buf_with_limit(sizeof(simple));
	struct line_state state = {0};
	struct mime stored;

	cr_assert(lines_to_lf(SLICE(simple), &state, &lf));
	parsed(SLICE(simple));
	cr_assert(mime_parse(buf_slice(&lf), &stored));
	cr_assert_eq(stored.count, mime.count);
	for (size_t i = 0; i < mime.count; i++) {
		const struct mime_part *a = &mime.parts[i], *b = &stored.parts[i];

		cr_assert_eq(a->header_octets, mime_header(&mime, a).len);
		cr_assert_eq(a->body_octets, mime_body(&mime, a).len);
		cr_assert_eq(a->header_octets, b->header_octets);
		cr_assert_eq(a->body_octets, b->body_octets);
		cr_assert_eq(a->body_lines, b->body_lines);
		cr_assert_eq(b->body_octets, lines_crlf_size(mime_body(&stored, b)));
	}
	mime_free(&mime);
	mime_free(&stored);
	buf_free(&lf);
}

Test(mime, messages_and_multiparts_nest)
{
	cr_assert_str_eq(
	    outline(SLICE("Content-Type: multipart/mixed; boundary=a\n\n"
			  "--a\nContent-Type: message/rfc822\n\n"
			  "Subject: in\nContent-Type: multipart/alternative; boundary=ab\n\n"
			  "--ab\n\none\n--ab\nContent-Type: text/html\n\ntwo\n--ab--\n"
			  "--a\n\nthree\n--a--\n")),
	    "0:multipart/mixed 1:message/rfc822 2:multipart/alternative 3:text/plain[one] "
	    "3:text/html[two] 1:text/plain[three]");
}

Test(mime, an_outer_delimiter_ends_what_was_not_closed)
{
	cr_assert_str_eq(outline(SLICE("Content-Type: multipart/mixed; boundary=a\n\n"
				       "--a\nContent-Type: multipart/mixed; boundary=b\n\n"
				       "--b\n\none\n--a\n\ntwo\n")),
	    "0:multipart/mixed 1:multipart/mixed 2:text/plain[one] 1:text/plain[two\n]");
	cr_assert_str_eq(outline(SLICE("Content-Type: multipart/mixed; boundary=a\n\n"
				       "--a\nContent-Type: message/rfc822\n\nSubject: x\n--a--\n")),
	    "0:multipart/mixed 1:message/rfc822 2:text/plain[]");
}

Test(mime, parts_of_a_digest_are_messages)
{
	cr_assert_str_eq(
	    outline(SLICE("Content-Type: multipart/digest; boundary=a\n\n"
			  "--a\n\nSubject: x\n\none\n--a\nContent-Type: text/x\n\ntwo\n--a--\n")),
	    "0:multipart/digest 1:message/rfc822 2:text/plain[one] 1:text/x[two]");
}

Test(mime, a_delimiter_is_a_whole_line)
{
	cr_assert_str_eq(outline(SLICE("Content-Type: multipart/mixed; boundary=a\n\n"
				       "--a \t\n\n--ab\n --a\n--a-\nx--a\n--a b\n--a--  \n--a\n")),
	    "0:multipart/mixed 1:text/plain[--ab\n --a\n--a-\nx--a\n--a b]");
}

Test(mime, headers_and_bodies_may_be_missing)
{
	cr_assert_str_eq(outline(SLICE("")), "0:text/plain[]");
	cr_assert_str_eq(outline(SLICE("\n")), "0:text/plain[]");
	cr_assert_str_eq(outline(SLICE("Content-Type: text/html")), "0:text/html[]");
	cr_assert_str_eq(
	    outline(SLICE("Content-Type: message/rfc822\n\n")), "0:message/rfc822 1:text/plain[]");
	cr_assert_str_eq(outline(SLICE("Content-Type: multipart/mixed; boundary=a\n\n--a--\n")),
	    "0:multipart/mixed[--a--\n]");
	cr_assert_str_eq(
	    outline(
		SLICE("Content-Type: multipart/mixed; boundary=a\n\n--a\n--a\nx: y\n--a\n--a--")),
	    "0:multipart/mixed 1:text/plain[] 1:text/plain[] 1:text/plain[]");
}

Test(mime, what_cannot_be_opened_is_still_shown)
{
	cr_assert_str_eq(outline(SLICE("Content-Type: multipart/mixed\n\nx")), "0:text/plain[x]");
	cr_assert_str_eq(
	    outline(SLICE("Content-Type: multipart/mixed; boundary=\"\"\n\nx")), "0:text/plain[x]");
	cr_assert_str_eq(outline(SLICE("Content-Type: rubbish\n\nx")), "0:text/plain[x]");
	cr_assert_str_eq(outline(SLICE("Content-Type: \n\nx")), "0:text/plain[x]");
	cr_assert_str_eq(
	    outline(SLICE("Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nx")),
	    "0:application/octet-stream[x]");
}

Test(mime, depth_has_a_limit_and_what_lies_deeper_is_unopened)
{
	struct buf message = buf_with_limit(1 << 20);

	for (int i = 0; i < MIME_DEPTH_MAX + 20; i++)
		buf_printf(
		    &message, "Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n", i, i);
	parsed(buf_slice(&message));
	cr_assert(mime.truncated);
	cr_assert_eq(mime.count, MIME_DEPTH_MAX + 1);
	cr_assert_eq(mime.parts[mime.count - 1].kind, MIME_LEAF);
	mime_free(&mime);
	buf_clear(&message);
	for (int i = 0; i < 10000; i++)
		buf_append_string(&message, "Content-Type: message/rfc822\n\n");
	parsed(buf_slice(&message));
	cr_assert(mime.truncated);
	cr_assert_eq(mime.count, MIME_DEPTH_MAX + 1);
	mime_free(&mime);
	buf_free(&message);
}

Test(mime, parts_have_a_limit_and_the_rest_is_the_last_parts)
{
	struct buf message = buf_with_limit(1 << 20);

	buf_append_string(&message, "Content-Type: multipart/mixed; boundary=a\n\n");
	for (int i = 0; i < MIME_PARTS_MAX + 10; i++)
		buf_append_string(&message, "--a\n\nx\n");
	parsed(buf_slice(&message));
	cr_assert(mime.truncated);
	cr_assert_eq(mime.count, MIME_PARTS_MAX);
	cr_assert_eq(mime.parts[MIME_PARTS_MAX - 1].body_end, message.len);
	mime_free(&mime);
	buf_free(&message);
}

Test(mime, boundaries_made_to_collide_take_linear_time, .timeout = 20)
{
	struct buf message = buf_with_limit(32 << 20);
	char dashes[200];

	memset(dashes, '-', sizeof(dashes));
	for (int i = 0; i < MIME_DEPTH_MAX; i++)
		buf_printf(&message,
		    "Content-Type: multipart/mixed; boundary=\"%.200sx%d\"\n\n--%.200sx%d\n",
		    dashes, i, dashes, i);
	while (message.len < (16 << 20))
		buf_printf(&message, "%.199s\n", dashes);
	parsed(buf_slice(&message));
	mime_free(&mime);
	buf_free(&message);
}

Test(mime, fields_are_read_with_comments_folding_and_quotes)
{
	const struct mime_part *part =
	    parsed(SLICE("Content-Type: (c) text / (c) HTML (c);\r\n"
			 " charset (c) = (c) \"us-\\a\\\"scii\" ; name=x.y (c)\r\n"
			 "Content-Transfer-Encoding: (c) Base64 (c)\r\n"
			 "Content-Disposition: attachment; filename=\"a\r\n b\"; size=3\r\n"
			 "Content-ID: <1@x>\r\n"
			 "Content-Description: some\r\n  words\r\n"
			 "Content-MD5: Q2hlY2s=\r\n"
			 "Content-Language: en, de (c) , , x-y\r\n"
			 "Content-Location: http://x/\r\n  y\r\n\r\n"));

	assert_slice(part->type, "text");
	assert_slice(part->subtype, "HTML");
	cr_assert_eq(part->parameters.count, 2);
	assert_slice(mime_parameter_find(&part->parameters, SLICE("CHARSET"))->value, "us-a\"scii");
	assert_slice(mime_parameter_find(&part->parameters, SLICE("name"))->value, "x.y");
	assert_slice(part->encoding, "Base64");
	assert_slice(part->disposition, "attachment");
	assert_slice(
	    mime_parameter_find(&part->disposition_parameters, SLICE("filename"))->value, "a b");
	assert_slice(part->id, "<1@x>");
	assert_slice(part->description, "some  words");
	assert_slice(part->md5, "Q2hlY2s=");
	cr_assert_eq(part->language_count, 3);
	assert_slice(part->languages[2], "x-y");
	assert_slice(part->location, "http://x/y");
	mime_free(&mime);
}

Test(mime, broken_parameters_are_read_as_they_were_meant)
{
	static const char *const pairs[][2] = {
	    {"text/html charset=utf-8",           "charset=utf-8"        },
	    {"text/html;;; charset=utf-8;",       "charset=utf-8"        },
	    {"text/html; charset",                ""                     },
	    {"text/html; =x; charset=utf-8",      "charset=utf-8"        },
	    {"text/html; charset=\"utf-8",        "charset=utf-8"        },
	    {"text/html; name=My File (1).pdf",   "name=My File"         },
	    {"text/html; name=File(1).pdf",       "name=File(1).pdf"     },
	    {"text/html; name=\"a\"b; charset=x", "name=a charset=x"     },
	    {"text/html; name=; charset=x",       "name= charset=x"      },
	    {"text/html; name=\"\\",              "name=\\"              },
	    {"text/html; boundary=----=_Part_1",  "boundary=----=_Part_1"},
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		struct arena text = arena_with_limit(10000);
		struct mime_parameters parameters;
		struct buf out = buf_with_limit(1000);
		struct slice value;

		cr_assert(mime_parse_field(slice_string(pairs[i][0]), &text, &value, &parameters));
		assert_slice(value, "text/html");
		for (size_t j = 0; j < parameters.count; j++)
			buf_printf(&out, "%s%.*s=%.*s", j == 0 ? "" : " ",
			    SLICE_PRINTF(parameters.items[j].name),
			    SLICE_PRINTF(parameters.items[j].value));
		assert_slice(buf_slice(&out), pairs[i][1]);
		buf_free(&out);
		arena_free(&text);
	}
}

static const char *parameter(const char *field)
{
	static char shown[1024];
	struct arena text = arena_with_limit(100000);
	struct mime_parameters parameters;
	struct buf out = buf_with_limit(sizeof(shown) - 1);
	struct slice value;
	bool found;

	cr_assert(mime_parse_field(slice_string(field), &text, &value, &parameters));
	found = mime_parameter_text(&parameters, SLICE("name"), &out);
	cr_assert(slice_copy(buf_slice(&out), shown, sizeof(shown)));
	buf_free(&out);
	arena_free(&text);
	return found ? shown : "none";
}

Test(mime, parameters_continue_and_name_their_charset_as_rfc_2231_says)
{
	static const char *const pairs[][2] = {
	    {"x/y; NAME*0=\"ftp://\"; name*1=\"x.edu/pub\"",                "ftp://x.edu/pub"                      },
	    {"x/y; name*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A", "This is ***fun***"                    },
	    {"x/y; name*0*=us-ascii'en'This%20is%20even%20more%20;\r\n "
	     "name*1*=%2A%2A%2Afun%2A%2A%2A%20;\r\n"
	     " name*2=\"isn't it!\"",			  "This is even more ***fun*** isn't it!"},
	    {"x/y; name*1=b; name*0=a; name*3=d",                           "ab"                                   },
	    {"x/y; name*=iso-8859-1''%e4; name=plain",                      "\303\244"                             },
	    {"x/y; name*0*=utf-8''%c3; name*1*=%a9",                        "\303\251"                             },
	    {"x/y; name=\"=?utf-8?q?=C3=A9?=\"",                            "\303\251"                             },
	    {"x/y; name*=nonsense''%e4",                                    "\303\244"                             },
	    {"x/y; name*=%zz%4",					    "%zz%4"                                },
	    {"x/y; name*1=b",					       "none"                                 },
	    {"x/y; names=b; name**=c; name*x=d",                            "none"                                 },
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		cr_expect_str_eq(parameter(pairs[i][0]), pairs[i][1], "%s", pairs[i][0]);
}

Test(mime, bodies_are_decoded)
{
	struct buf out = buf_with_limit(100);
	const struct mime_part *part =
	    parsed(SLICE("Content-Type: text/plain; charset=iso-8859-1\n"
			 "Content-Transfer-Encoding: quoted-printable\n\n=E4=\n=F6\n"));

	cr_assert(mime_decode_body(&mime, part, &out));
	assert_slice(buf_slice(&out), "\344\366\n");
	buf_clear(&out);
	cr_assert(mime_decode_text(&mime, part, &out));
	assert_slice(buf_slice(&out), "\303\244\303\266\n");
	mime_free(&mime);
	buf_clear(&out);
	part = parsed(SLICE("Content-Transfer-Encoding: BASE64\n\naGFs\nbG8=\n"));
	cr_assert(mime_decode_text(&mime, part, &out));
	assert_slice(buf_slice(&out), "hallo");
	mime_free(&mime);
	buf_free(&out);
}
