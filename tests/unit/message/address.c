/* What address.h promises. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <sys/socket.h>

#include "message/address.h"

static const char *canonical(const char *path, unsigned flags)
{
	static char text[1024];
	struct buf out = buf_with_limit(sizeof(text));
	struct address address;
	ssize_t consumed = address_parse_path(slice_string(path), flags, &address);

	if (consumed < 0)
		return "refused";
	cr_assert(address_write_canonical(&address, &out));
	cr_assert(slice_copy(buf_slice(&out), text, sizeof(text)));
	buf_free(&out);
	return text;
}

Test(address, a_path_is_a_mailbox_in_brackets)
{
	struct address a;

	cr_assert_eq(address_parse_path(SLICE("<Alice@Crepes.FR> SIZE=1"), 0, &a), 17);
	cr_assert(slice_equal(a.local, SLICE("Alice")));
	cr_assert(slice_equal(a.domain, SLICE("Crepes.FR")));
	cr_assert_not(a.is_null || a.is_quoted || a.is_utf8);
	cr_assert_str_eq(canonical("<Alice@Crepes.FR>", 0), "Alice@crepes.fr");
}

Test(address, the_null_path_is_an_address_unless_forbidden)
{
	struct address a;

	cr_assert_eq(address_parse_path(SLICE("<>"), 0, &a), 2);
	cr_assert(a.is_null);
	cr_assert_str_eq(canonical("<>", 0), "");
	cr_assert_str_eq(canonical("<>", ADDRESS_NOT_NULL), "refused");
}

Test(address, a_source_route_is_accepted_and_ignored)
{
	cr_assert_str_eq(canonical("<@a.example,@b.example:c@d.example>", 0), "c@d.example");
	cr_assert_str_eq(canonical("<@a.example c@d.example>", 0), "refused");
	cr_assert_str_eq(canonical("<@a.example,c@d.example>", 0), "refused");
	cr_assert_str_eq(canonical("<@-:c@d.example>", 0), "refused");
}

Test(address, a_quoted_local_part_loses_quotes_it_does_not_need)
{
	cr_assert_str_eq(canonical("<\"alice\"@a.b>", 0), "alice@a.b");
	cr_assert_str_eq(canonical("<\"a\\lice\"@a.b>", 0), "alice@a.b");
	cr_assert_str_eq(canonical("<\"a b\"@a.b>", 0), "\"a b\"@a.b");
	cr_assert_str_eq(canonical("<\"a@b\"@a.b>", 0), "\"a@b\"@a.b");
	cr_assert_str_eq(canonical("<\"\\\"\\\\\"@a.b>", 0), "\"\\\"\\\\\"@a.b");
	cr_assert_str_eq(canonical("<\"\"@a.b>", 0), "\"\"@a.b");
	cr_assert_str_eq(canonical("<\"a>b\"@a.b>", 0), "\"a>b\"@a.b");
}

Test(address, literals_are_ip_addresses)
{
	struct domain_literal ip;

	cr_assert_str_eq(canonical("<a@[192.0.2.1]>", 0), "a@[192.0.2.1]");
	cr_assert_str_eq(canonical("<a@[ipv6:2001:DB8:0::1]>", 0), "a@[IPv6:2001:db8::1]");
	cr_assert_str_eq(canonical("<a@[192.0.2.256]>", 0), "refused");
	cr_assert_str_eq(canonical("<a@[192.0.2.1>", 0), "refused");
	cr_assert_str_eq(canonical("<a@[2001:db8::1]>", 0), "refused");
	cr_assert_str_eq(canonical("<a@[x400:foo]>", 0), "refused");
	cr_assert_str_eq(canonical("<a@[]>", 0), "refused");
	cr_assert(domain_parse_literal(SLICE("[192.0.2.1]"), &ip));
	cr_assert_eq(ip.family, AF_INET);
	cr_assert_eq(memcmp(ip.octets, "\300\000\002\001", 4), 0);
	cr_assert_not(domain_parse_literal(SLICE("[192.0.2.1\0]"), &ip));
	cr_assert(domain_is_literal(SLICE("[x]")));
	cr_assert_not(domain_is_literal(SLICE("[")));
}

Test(address, utf8_is_accepted_and_flagged)
{
	struct address a;

	cr_assert_gt(address_parse_path(SLICE("<j\303\274rgen@b\303\274cher.example>"), 0, &a), 0);
	cr_assert(a.is_utf8);
	cr_assert_gt(address_parse_path(SLICE("<a@b\303\274cher.example>"), 0, &a), 0);
	cr_assert(a.is_utf8);
	/* Not UTF-8, and a C1 control. */
	cr_assert_lt(address_parse_path(SLICE("<j\374rgen@a.example>"), 0, &a), 0);
	cr_assert_lt(address_parse_path(SLICE("<a\302\233b@a.example>"), 0, &a), 0);
}

Test(address, malformed_paths_are_refused)
{
	static const char *const malformed[] = {"", "<", "<a@b", "a@b>", "<a@>", "<@b>", "<a@@b>",
	    "<a b@c>", "<a@b>x", "<a..b@c>", "<.a@c>", "<a.@c>", "<a@b.>", "<a@.b>", "<a@b..c>",
	    "<a@-b>", "<a@b->", "<\"a@b>", "<\"a\\", "<a\r\n@b>", "<a@b\r\n>", "<a@b c>", "<a>",
	    "<a\"b\"@c>", "<\"a\"b@c>", "<\"a\tb\"@c>", "<a@b,c@d>", "<a(x)@b>", "< a@b>",
	    "<a@b >"};

	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++)
		cr_expect_str_eq(canonical(malformed[i], 0), "refused", "%s", malformed[i]);
}

Test(address, a_nul_does_not_end_an_address)
{
	struct address a;

	cr_assert_lt(address_parse_path(SLICE("<a\0@b>"), 0, &a), 0);
	cr_assert_lt(address_parse_path(SLICE("<a@b\0>"), 0, &a), 0);
	cr_assert_lt(address_parse_path(SLICE("<\"a\0\"@b>"), 0, &a), 0);
}

Test(address, leniency_takes_missing_brackets_and_stray_dots)
{
	struct address a;

	cr_assert_eq(address_parse_path(SLICE("a@b.c SIZE=3"), ADDRESS_LENIENT, &a), 5);
	cr_assert_eq(address_parse_path(SLICE("a@b.c"), ADDRESS_STRICT, &a), -1);
	cr_assert_str_eq(canonical("<a..b.@c.d>", ADDRESS_LENIENT), "\"a..b.\"@c.d");
	cr_assert_str_eq(canonical("", ADDRESS_LENIENT), "refused");
	cr_assert_str_eq(canonical("a@b.c>", ADDRESS_LENIENT), "refused");
}

Test(address, postmaster_needs_no_domain)
{
	cr_assert_str_eq(canonical("<PostMaster>", ADDRESS_POSTMASTER), "PostMaster");
	cr_assert_str_eq(canonical("<bob>", ADDRESS_POSTMASTER), "refused");
	cr_assert_str_eq(canonical("<bob>", ADDRESS_NO_DOMAIN), "bob");
}

Test(address, lengths_are_those_of_rfc_5321)
{
	char path[512];
	struct address a;
	char label[64];

	memset(label, 'x', 63);
	label[63] = '\0';
	snprintf(path, sizeof(path), "<%sy@d.e>", label);
	cr_assert_gt(address_parse_path(slice_string(path), 0, &a), 0, "64 octets of local part");
	snprintf(path, sizeof(path), "<%syy@d.e>", label);
	cr_assert_eq(address_parse_path(slice_string(path), 0, &a), -1, "65 octets of local part");
	snprintf(path, sizeof(path), "<a@%s.%s.%s.%.60s>", label, label, label, label);
	cr_assert_eq(strlen(path), 256);
	cr_assert_eq(address_parse_path(slice_string(path), 0, &a), 256);
	snprintf(path, sizeof(path), "<a@%s.%s.%s.%.61s>", label, label, label, label);
	cr_assert_eq(address_parse_path(slice_string(path), 0, &a), -1, "a path of 257 octets");
	snprintf(path, sizeof(path), "<a@%sx.example>", label);
	cr_assert_eq(address_parse_path(slice_string(path), 0, &a), -1, "a label of 64 octets");
}

Test(address, equality_ignores_quoting_and_the_case_of_the_domain)
{
	struct address a, b;

	cr_assert(address_parse(SLICE("\"al\\ice\"@EXAMPLE.org"), 0, &a));
	cr_assert(address_parse(SLICE("alice@example.ORG"), 0, &b));
	cr_assert(address_equal(&a, &b));
	cr_assert(address_parse(SLICE("Alice@example.org"), 0, &b));
	cr_assert_not(address_equal(&a, &b));
	cr_assert(address_parse(SLICE(""), 0, &b));
	cr_assert_not(address_equal(&a, &b));
	cr_assert(address_parse(SLICE("a@[IPv6:::1]"), 0, &a));
	cr_assert(address_parse(SLICE("a@[IPv6:0::0:1]"), 0, &b));
	cr_assert(address_equal(&a, &b));
}

Test(address, an_extension_is_split_off_at_the_first_separator)
{
	struct slice user, extension;

	cr_assert(address_split_extension(SLICE("bob+list+x"), '+', &user, &extension));
	cr_assert(slice_equal(user, SLICE("bob")));
	cr_assert(slice_equal(extension, SLICE("list+x")));
	cr_assert_not(address_split_extension(SLICE("+bob"), '+', &user, &extension));
	cr_assert(slice_equal(user, SLICE("+bob")));
	cr_assert_not(address_split_extension(SLICE("bob"), '+', &user, &extension));
	cr_assert_eq(extension.len, 0);
}

Test(address, a_local_part_is_quoted_where_it_has_to_be)
{
	struct buf out = buf_with_limit(100);

	cr_assert(address_quote_local(SLICE("a\\b \"c\""), &out));
	cr_assert(slice_equal(buf_slice(&out), SLICE("\"a\\\\b \\\"c\\\"\"")));
	buf_clear(&out);
	cr_assert(address_quote_local(SLICE("a.b"), &out));
	cr_assert(slice_equal(buf_slice(&out), SLICE("a.b")));
	buf_free(&out);
}

Test(address, esmtp_parameters_are_keywords_with_or_without_values)
{
	struct esmtp_parameter p[3];
	const struct esmtp_parameter *size;

	cr_assert_eq(esmtp_parameters_parse(SLICE(" SIZE=100  SMTPUTF8 AUTH=<>"), p, 3), 3);
	size = esmtp_parameter_find(p, 3, SLICE("size"));
	cr_assert_not_null(size);
	cr_assert(slice_equal(size->value, SLICE("100")));
	cr_assert_not(p[1].has_value);
	cr_assert_null(esmtp_parameter_find(p, 3, SLICE("RET")));
	cr_assert_eq(esmtp_parameters_parse(SLICE(""), p, 3), 0);
	cr_assert_eq(esmtp_parameters_parse(SLICE("  "), p, 3), 0);
}

Test(address, malformed_repeated_and_too_many_esmtp_parameters_are_refused)
{
	struct esmtp_parameter p[3];

	cr_assert_eq(esmtp_parameters_parse(SLICE(" SIZE="), p, 3), -1);
	cr_assert_eq(esmtp_parameters_parse(SLICE(" =1"), p, 3), -1);
	cr_assert_eq(esmtp_parameters_parse(SLICE(" -A=1"), p, 3), -1);
	cr_assert_eq(esmtp_parameters_parse(SLICE(" A,B"), p, 3), -1);
	cr_assert_eq(esmtp_parameters_parse(SLICE(" A=\001"), p, 3), -1);
	cr_assert_eq(esmtp_parameters_parse(SLICE(" A=\377"), p, 3), -1);
	cr_assert_eq(esmtp_parameters_parse(SLICE(" size=1 SIZE=2"), p, 3), -1);
	cr_assert_eq(esmtp_parameters_parse(SLICE(" A B C D"), p, 3), -1);
}

Test(address, xtext_hides_what_a_parameter_cannot_hold)
{
	struct buf out = buf_with_limit(100);

	cr_assert(xtext_encode(SLICE("a+b=c d\377"), &out));
	cr_assert(slice_equal(buf_slice(&out), SLICE("a+2Bb+3Dc+20d+FF")));
	buf_clear(&out);
	cr_assert(xtext_decode(SLICE("a+2Bb+3Dc"), &out));
	cr_assert(slice_equal(buf_slice(&out), SLICE("a+b=c")));
	buf_clear(&out);
	cr_assert_not(xtext_decode(SLICE("a+2"), &out));
	cr_assert_not(xtext_decode(SLICE("a+2b"), &out), "lower case is no xtext");
	cr_assert_not(xtext_decode(SLICE("a=b"), &out));
	cr_assert_not(xtext_decode(SLICE("a+0D+0Ab"), &out), "no line break comes in encoded");
	buf_free(&out);
}

static void utf8_address_is(const char *written, bool may_be_8bit, const char *address)
{
	struct buf out = buf_with_limit(100);
	bool good = utf8_address_decode(slice_string(written), may_be_8bit, &out);

	cr_expect_eq(good, address != NULL, "%s", written);
	if (address != NULL)
		cr_expect(slice_equal(buf_slice(&out), slice_string(address)), "%s", written);
	buf_free(&out);
}

Test(address, one_of_type_utf8_has_escapes_of_its_own)
{
	struct buf out = buf_with_limit(100);

	utf8_address_is("j\\x{F6}rg@b.test", false, "j\303\266rg@b.test");
	utf8_address_is("j\\x{f6}rg@b.test", false, "j\303\266rg@b.test");
	utf8_address_is("\\x{1F426}\\x{2B}\\x{3D}\\x{5C}\\x{20}", false, "\360\237\220\246+=\\ ");
	utf8_address_is("j\303\266rg@b.test", true, "j\303\266rg@b.test");
	utf8_address_is("j\303\266rg@b.test", false, NULL);
	cr_assert(utf8_address_encode(SLICE("j\303\266 +x@b.test"), false, &out));
	cr_assert(slice_equal(buf_slice(&out), SLICE("j\\x{F6}\\x{20}\\x{2B}x@b.test")));
	buf_clear(&out);
	cr_assert(utf8_address_encode(SLICE("j\303\266 +x@b.test"), true, &out));
	cr_assert(slice_equal(buf_slice(&out), SLICE("j\303\266\\x{20}\\x{2B}x@b.test")));
	cr_assert_not(utf8_address_encode(SLICE("\377"), true, &out));
	buf_free(&out);
}

Test(address, nothing_comes_in_by_those_escapes)
{
	static const char *const bad[] = {"a+b", "a=b", "a\\b", "\\x{A}", "\\x{0A}", "\\x{0D}\\x{0A}",
	    "\\x{00}", "\\x{7F}", "\\x{85}", "\\x{D800}", "\\x{110000}", "\\x{00F6}", "\\x{F6", "\\x{}",
	    "\\x", "\\", "\\x{G1}", "\\u{F6}", "a b", "\\x{1234567}", "\300\257"};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		utf8_address_is(bad[i], true, NULL);
}
