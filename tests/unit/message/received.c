/* What received.h promises. */
#include <criterion/criterion.h>

#include "message/header.h"
#include "message/received.h"

static const char *written(struct received received)
{
	static char text[RECEIVED_MAX + 1];
	struct buf out = buf_with_limit(RECEIVED_MAX);

	received.date = (struct date){855889374, -210};
	cr_assert(received_write(&received, &out));
	cr_assert_eq(header_end(buf_slice(&out)), out.len, "it is one header field");
	cr_assert_eq(header_count(buf_slice(&out), SLICE("Received")), 1);
	cr_assert(slice_copy(buf_slice(&out), text, sizeof(text)));
	buf_free(&out);
	return text;
}

Test(received, a_hop_is_told_as_rfc_5321_asks)
{
	struct received r = {
	    .helo = SLICE("crepes.fr"),
	    .client_name = SLICE("mail.crepes.fr"),
	    .client_address = SLICE("192.0.2.1"),
	    .by = SLICE("hamburger.edu"),
	    .protocol = RECEIVED_EXTENDED | RECEIVED_TLS,
	    .id = SLICE("3QK7ABCDEFGH"),
	    .tls = SLICE("TLSv1.3 TLS_AES_256_GCM_SHA384"),
	    .recipient = SLICE("bob@hamburger.edu"),
	};

	cr_assert_str_eq(written(r),
	    "Received: from crepes.fr (mail.crepes.fr [192.0.2.1])\r\n"
	    "\tby hamburger.edu with ESMTPS id 3QK7ABCDEFGH\r\n"
	    "\t(TLSv1.3 TLS_AES_256_GCM_SHA384)\r\n"
	    "\tfor <bob@hamburger.edu>; Thu, 13 Feb 1997 23:32:54 -0330\r\n");
}

Test(received, what_is_not_known_is_left_out)
{
	cr_assert_str_eq(
	    written((struct received){.helo = SLICE("a"), .by = SLICE("b"), .id = SLICE("c")}),
	    "Received: from a\r\n\tby b with SMTP id c; Thu, 13 Feb 1997 23:32:54 -0330\r\n");
	cr_assert_str_eq(written((struct received){
			     .by = SLICE("b"), .id = SLICE("c"), .comment = SLICE("userid 1000")}),
	    "Received: by b (userid 1000) id c; Thu, 13 Feb 1997 23:32:54 -0330\r\n");
	cr_assert_str_eq(
	    written((struct received){
		.client_address = SLICE("2001:db8::1"), .by = SLICE("b"), .id = SLICE("c")}),
	    "Received: from unknown (unknown [IPv6:2001:db8::1])\r\n"
	    "\tby b with SMTP id c; Thu, 13 Feb 1997 23:32:54 -0330\r\n");
}

Test(received, a_priority_that_is_not_the_normal_one_is_told)
{
	struct received r = {.helo = SLICE("a"), .by = SLICE("b"), .id = SLICE("c"), .priority = -4};

	cr_assert_str_eq(written(r),
	    "Received: from a\r\n\tby b with SMTP id c PRIORITY -4; Thu, 13 Feb 1997 23:32:54 -0330\r\n");
}

Test(received, nothing_from_outside_becomes_syntax)
{
	struct received r = {
	    .helo = SLICE("x\r\nBcc: eve (\\) by fake;"),
	    .client_name = SLICE("y]) by z"),
	    .client_address = SLICE("192.0.2.1"),
	    .by = SLICE("b"),
	    .id = SLICE("c"),
	    .tls = SLICE("TLSv1.3) for <x>"),
	    .recipient = SLICE("\"a\r\n>b\"@c\377"),
	};

	cr_assert_str_eq(written(r),
	    "Received: from x??Bcc:?eve?????by?fake? (y]??by?z [192.0.2.1])\r\n"
	    "\tby b with SMTP id c (TLSv1.3? for <x>)\r\n"
	    "\tfor <\"a???b\"@c?>; Thu, 13 Feb 1997 23:32:54 -0330\r\n");
}

Test(received, utf8_stands_only_where_it_was_agreed_upon)
{
	struct received r = {
	    .helo = SLICE("b\303\274cher.example"), .by = SLICE("b"), .id = SLICE("c")};

	cr_assert_not_null(strstr(written(r), "from b??cher.example"));
	r.protocol = RECEIVED_EXTENDED | RECEIVED_UTF8;
	cr_assert_not_null(strstr(written(r), "from b\303\274cher.example"));
	cr_assert_not_null(strstr(written(r), "with UTF8SMTP "));
}

Test(received, the_longest_texts_stay_within_lines_and_field)
{
	char long_text[4096];
	struct slice s = slice_of(long_text, sizeof(long_text));
	struct cursor c;

	memset(long_text, 'x', sizeof(long_text));
	c = cursor_over(slice_string(written((struct received){.helo = s,
	    .client_name = s,
	    .client_address = s,
	    .by = s,
	    .id = s,
	    .tls = s,
	    .recipient = s})));
	while (!cursor_done(&c)) {
		cr_assert_leq(cursor_take_until(&c, '\n').len, HEADER_LINE_MAX);
		cursor_skip(&c, 1);
	}
}

Test(received, the_name_never_stands_alone_on_its_line)
{
	struct buf out = buf_with_limit(RECEIVED_MAX);
	char helo[200];

	memset(helo, 'x', sizeof helo);
	received_write(&(struct received){.helo = slice_of(helo, sizeof helo),
			   .by = SLICE("mail.example.org"),
			   .id = SLICE("1")},
	    &out);
	cr_assert_eq(strncmp(out.data, "Received: from x", 16), 0);
	buf_free(&out);
}

Test(received, protocols_are_called_by_their_registered_names)
{
	cr_assert_str_eq(received_protocol_name(RECEIVED_SMTP), "SMTP");
	cr_assert_str_eq(received_protocol_name(RECEIVED_EXTENDED), "ESMTP");
	cr_assert_str_eq(received_protocol_name(RECEIVED_EXTENDED | RECEIVED_AUTH), "ESMTPA");
	cr_assert_str_eq(
	    received_protocol_name(RECEIVED_EXTENDED | RECEIVED_TLS | RECEIVED_AUTH), "ESMTPSA");
	cr_assert_str_eq(received_protocol_name(RECEIVED_LMTP | RECEIVED_TLS), "LMTPS");
	cr_assert_str_eq(received_protocol_name(RECEIVED_LMTP | RECEIVED_UTF8), "UTF8LMTP");
}
