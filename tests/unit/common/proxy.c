/* What proxy.h promises. */
#include "common/proxy.h"

#include <criterion/criterion.h>
#include <string.h>

#include "common/crc32c.h"

#define V2(command, family, length) "\r\n\r\n\0\r\nQUIT\n" command family length
#define INET_ADDRESSES              "\xc0\x00\x02\x01\xc6\x33\x64\x02\x30\x39\x00\x19"

static void expect_source(struct slice octets, const char *address, unsigned port)
{
	struct proxy_header header;
	char text[HOST_ADDRESS_TEXT];

	cr_assert_eq(proxy_header_read(octets, &header), PROXY_COMPLETE);
	cr_assert_not(header.is_anonymous);
	host_address_print(&header.source, text);
	cr_assert_str_eq(text, address);
	cr_assert_eq(header.source_port, port);
}

static void expect_anonymous(struct slice octets, size_t len)
{
	struct proxy_header header;

	cr_assert_eq(proxy_header_read(octets, &header), PROXY_COMPLETE);
	cr_assert(header.is_anonymous);
	cr_assert_eq(header.len, len);
}

static void expect_malformed(struct slice octets)
{
	struct proxy_header header;

	cr_assert_eq(
	    proxy_header_read(octets, &header), PROXY_MALFORMED, "%.*s", SLICE_PRINTF(octets));
	cr_assert_not_null(header.problem);
}

Test(proxy, a_line_names_the_client_and_ends_where_it_ends)
{
	struct proxy_header header;
	struct slice line = SLICE("PROXY TCP4 192.0.2.1 198.51.100.2 12345 25\r\nEHLO x\r\n");

	expect_source(line, "192.0.2.1", 12345);
	proxy_header_read(line, &header);
	cr_assert_eq(header.len, 44);
	cr_assert_eq(header.destination_port, 25);
	expect_source(SLICE("PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n"), "2001:db8::1", 1);
	expect_source(SLICE("PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n"), "192.0.2.1", 1);
}

Test(proxy, octets_name_the_client_and_end_where_their_length_says)
{
	struct proxy_header header;
	struct slice octets = SLICE(V2("\x21", "\x11", "\x00\x0c") INET_ADDRESSES "EHLO");

	expect_source(octets, "192.0.2.1", 12345);
	proxy_header_read(octets, &header);
	cr_assert_eq(header.len, 28);
	expect_source(
	    SLICE(V2("\x21", "\x21", "\x00\x24") "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"
						 "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\2"
						 "\x00\x01\x00\x19"),
	    "2001:db8::1", 1);
	/* Fields that nobody here knows are stepped over. */
	expect_source(SLICE(V2("\x21", "\x11", "\x00\x11") INET_ADDRESSES "\x05\x00\x02xy"),
	    "192.0.2.1", 12345);
}

Test(proxy, a_balancer_may_speak_for_itself)
{
	expect_anonymous(SLICE("PROXY UNKNOWN\r\nEHLO"), 15);
	expect_anonymous(SLICE("PROXY UNKNOWN what ever\r\n"), 25);
	expect_anonymous(SLICE(V2("\x20", "\x00", "\x00\x00")), 16);
	expect_anonymous(SLICE(V2("\x20", "\x11", "\x00\x0c") INET_ADDRESSES), 28);
	expect_anonymous(SLICE(V2("\x21", "\x00", "\x00\x03") "abc"), 19);
}

Test(proxy, a_part_of_a_header_may_become_one_and_nothing_else_does)
{
	static const struct slice headers[] = {
	    SLICE("PROXY TCP4 192.0.2.1 198.51.100.2 12345 25\r\n"),
	    SLICE(V2("\x21", "\x11", "\x00\x0c") INET_ADDRESSES)};
	struct proxy_header header;

	for (size_t i = 0; i < 2; i++)
		for (size_t len = 0; len < headers[i].len; len++)
			cr_assert_eq(proxy_header_read(slice_part(headers[i], 0, len), &header),
			    PROXY_MORE, "%zu of header %zu", len, i);
}

Test(proxy, what_is_no_header_is_known_by_its_first_wrong_octet)
{
	expect_malformed(SLICE("E"));
	expect_malformed(SLICE("PROXIES"));
	expect_malformed(SLICE("proxy TCP4"));
	expect_malformed(SLICE("\r\n\r\n\r"));
	expect_malformed(SLICE(V2("\x11", "", "")));
	expect_malformed(SLICE(V2("\x22", "", "")));
	expect_malformed(SLICE(V2("\x21", "\x11", "\xff\xff")));
}

Test(proxy, a_header_that_is_wrong_anywhere_is_refused_whole)
{
	static const struct slice wrong[] = {
	    SLICE("PROXY TCP4 192.0.2.1 198.51.100.2 12345 25\n"),
	    SLICE("PROXY TCP4 192.0.2.1 198.51.100.2 12345\r\n"),
	    SLICE("PROXY TCP4 192.0.2.1 198.51.100.2 12345 25 \r\n"),
	    SLICE("PROXY TCP4  192.0.2.1 198.51.100.2 12345 25\r\n"),
	    SLICE("PROXY TCP4 192.0.2.1 198.51.100.2 012345 25\r\n"),
	    SLICE("PROXY TCP4 192.0.2.1 198.51.100.2 65536 25\r\n"),
	    SLICE("PROXY TCP4 192.0.2.256 198.51.100.2 1 25\r\n"),
	    SLICE("PROXY TCP4 2001:db8::1 2001:db8::2 1 25\r\n"),
	    SLICE("PROXY TCP6 192.0.2.1 198.51.100.2 1 25\r\n"),
	    SLICE("PROXY UDP4 192.0.2.1 198.51.100.2 1 25\r\n"),
	    SLICE("PROXY \r\n"),
	    SLICE(V2("\x21", "\x12", "\x00\x0c") INET_ADDRESSES),
	    SLICE(V2("\x21", "\x41", "\x00\x0c") INET_ADDRESSES),
	    SLICE(V2("\x21", "\x11", "\x00\x0b") INET_ADDRESSES),
	    SLICE(V2("\x21", "\x21", "\x00\x0c") INET_ADDRESSES),
	    SLICE(V2("\x21", "\x11", "\x00\x0e") INET_ADDRESSES "\x05\x00"),
	    SLICE(V2("\x21", "\x11", "\x00\x0f") INET_ADDRESSES "\x05\x00\x01"),
	};
	char longest[PROXY_LINE_MAX + 1] = "PROXY UNKNOWN ";

	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		expect_malformed(wrong[i]);
	memset(longest + 14, 'x', sizeof longest - 14);
	expect_malformed(slice_of(longest, sizeof longest));
}

Test(proxy, a_checksum_is_held_against_the_header)
{
	char octets[] = V2("\x21", "\x11", "\x00\x13") INET_ADDRESSES "\x03\x00\x04\0\0\0";
	struct slice header = slice_of(octets, sizeof octets);
	uint32_t crc = crc32c(0, octets, sizeof octets);

	for (int i = 0; i < 4; i++)
		octets[sizeof octets - 4 + (size_t)i] = (char)(crc >> (24 - 8 * i));
	expect_source(header, "192.0.2.1", 12345);
	octets[16] ^= 1;
	expect_malformed(header);
}
