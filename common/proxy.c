/*
 * proxy.c - the PROXY protocol: reading a header.
 */
#include "common/proxy.h"

#include <string.h>

#include "common/crc32c.h"

static const struct slice line_start = SLICE("PROXY ");
static const struct slice signature = SLICE("\r\n\r\n\0\r\nQUIT\n");

enum {
	FIXED_PART = 16, /* octets of version 2 in front of the addresses */
	COMMAND_LOCAL = 0x20,
	COMMAND_PROXY = 0x21,
	FAMILY_UNSPECIFIED = 0x0,
	FAMILY_INET = 0x1,
	FAMILY_INET6 = 0x2,
	FAMILY_UNIX = 0x3,
	TRANSPORT_STREAM = 0x1,
	FIELD_CRC32C = 0x03
};

static enum proxy_answer malformed(struct proxy_header *header, const char *problem)
{
	header->problem = problem;
	return PROXY_MALFORMED;
}

/* --- version 1: a line ------------------------------------------------------------ */

/* No sign, no zeros in front. */
static bool read_port(struct slice text, uint16_t *port)
{
	uint64_t number;

	if (!slice_number(text, UINT16_MAX, &number) || (text.len > 1 && text.data[0] == '0'))
		return false;
	*port = (uint16_t)number;
	return true;
}

static bool read_address(struct slice text, uint8_t family, struct host_address *address)
{
	bool is_colon = slice_find(text, 0, ':') >= 0;

	/* Written as IPv6, an IPv4 address is an IPv4 address; the line says how it is written. */
	return host_address_parse(text, address) && is_colon == (family == AF_INET6);
}

static struct slice next_word(struct cursor *in)
{
	struct slice word = cursor_take_until(in, ' ');

	cursor_skip(in, 1);
	return word;
}

static enum proxy_answer read_line(struct slice line, struct proxy_header *header)
{
	struct cursor in = cursor_over(slice_from(line, line_start.len));
	struct slice protocol = next_word(&in);
	struct slice source = next_word(&in), destination = next_word(&in);
	struct slice source_port = next_word(&in), destination_port = cursor_rest(&in);
	uint8_t family = slice_equal(protocol, SLICE("TCP4")) ? AF_INET : AF_INET6;

	if (slice_equal(protocol, SLICE("UNKNOWN"))) {
		header->is_anonymous = true;
		return PROXY_COMPLETE;
	}
	if (family == AF_INET6 && !slice_equal(protocol, SLICE("TCP6")))
		return malformed(header, "neither TCP4, TCP6 nor UNKNOWN");
	if (!read_address(source, family, &header->source) ||
	    !read_address(destination, family, &header->destination))
		return malformed(header, "not an address");
	if (!read_port(source_port, &header->source_port) ||
	    !read_port(destination_port, &header->destination_port))
		return malformed(header, "not a port");
	return PROXY_COMPLETE;
}

static enum proxy_answer read_version_1(struct slice octets, struct proxy_header *header)
{
	ssize_t end = slice_find(slice_part(octets, 0, PROXY_LINE_MAX), 0, '\n');

	if (end < 0 && octets.len >= PROXY_LINE_MAX)
		return malformed(header, "the line is too long");
	if (end < 0)
		return PROXY_MORE;
	if (octets.data[end - 1] != '\r')
		return malformed(header, "the line does not end with CR LF");
	header->len = (size_t)end + 1;
	return read_line(slice_part(octets, 0, (size_t)end - 1), header);
}

/* --- version 2: octets ------------------------------------------------------------- */

static uint16_t take_u16(struct cursor *in)
{
	int high = cursor_next(in), low = cursor_next(in);

	return (uint16_t)((high & 0xff) << 8 | (low & 0xff));
}

/* The checksum is that of the whole header with zeros in the checksum's place. */
static bool is_intact(struct slice header, size_t at)
{
	static const char zeros[4] = {0};
	const unsigned char *sum = (const unsigned char *)header.data + at;
	uint32_t expected =
	    (uint32_t)sum[0] << 24 | (uint32_t)sum[1] << 16 | (uint32_t)sum[2] << 8 | sum[3];
	struct slice behind = slice_from(header, at + sizeof zeros);
	uint32_t crc = crc32c(crc32c(0, header.data, at), zeros, sizeof zeros);

	return crc32c(crc, behind.data, behind.len) == expected;
}

static enum proxy_answer read_fields(
    struct cursor *in, struct slice whole, struct proxy_header *header)
{
	while (!cursor_done(in)) {
		int kind = cursor_next(in);
		size_t len;
		const char *value;

		if (cursor_left(in) < 2)
			return malformed(header, "a field is cut off");
		len = take_u16(in);
		value = in->at;
		if (cursor_left(in) < len)
			return malformed(header, "a field is cut off");
		cursor_skip(in, len);
		if (kind != FIELD_CRC32C)
			continue;
		if (len != 4 || !is_intact(whole, (size_t)(value - whole.data)))
			return malformed(header, "the checksum is wrong");
	}
	return PROXY_COMPLETE;
}

static enum proxy_answer read_addresses(
    struct cursor *in, unsigned family, struct proxy_header *header)
{
	size_t len = family == FAMILY_INET ? 4 : 16;
	uint8_t af = family == FAMILY_INET ? AF_INET : AF_INET6;

	if (cursor_left(in) < 2 * len + 4)
		return malformed(header, "the addresses are cut off");
	host_address_from_octets(&header->source, af, cursor_take(in, len).data);
	host_address_from_octets(&header->destination, af, cursor_take(in, len).data);
	header->source_port = take_u16(in);
	header->destination_port = take_u16(in);
	return PROXY_COMPLETE;
}

static enum proxy_answer read_version_2(struct slice octets, struct proxy_header *header)
{
	struct cursor in = cursor_over(octets);
	struct slice whole;
	int command, protocol;
	unsigned family;

	cursor_skip(&in, signature.len);
	command = cursor_next(&in);
	protocol = cursor_next(&in);
	if (command != -1 && command != COMMAND_LOCAL && command != COMMAND_PROXY)
		return malformed(header, "another version, or an unknown command");
	if (cursor_left(&in) < 2)
		return PROXY_MORE;
	header->len = FIXED_PART + (size_t)take_u16(&in);
	if (header->len > PROXY_HEADER_MAX)
		return malformed(header, "the header is too long");
	if (octets.len < header->len)
		return PROXY_MORE;
	whole = slice_part(octets, 0, header->len);
	in = cursor_over(slice_from(whole, FIXED_PART));
	family = (unsigned)protocol >> 4;
	header->is_anonymous =
	    command == COMMAND_LOCAL || family == FAMILY_UNSPECIFIED || family == FAMILY_UNIX;
	/* What stands behind is not for us then, whatever it is. */
	if (header->is_anonymous)
		return PROXY_COMPLETE;
	if ((protocol & 0xf) != TRANSPORT_STREAM || family > FAMILY_UNIX)
		return malformed(header, "not the address of a TCP connection");
	if (read_addresses(&in, family, header) != PROXY_COMPLETE)
		return PROXY_MALFORMED;
	return read_fields(&in, whole, header);
}

/* As far as both go, they are the same. */
static bool may_begin_with(struct slice octets, struct slice start)
{
	return slice_starts_with(octets, slice_part(start, 0, octets.len));
}

enum proxy_answer proxy_header_read(struct slice octets, struct proxy_header *header)
{
	*header = (struct proxy_header){0};
	if (slice_starts_with(octets, line_start))
		return read_version_1(octets, header);
	if (slice_starts_with(octets, signature))
		return read_version_2(octets, header);
	if (may_begin_with(octets, line_start) || may_begin_with(octets, signature))
		return PROXY_MORE;
	return malformed(header, "there is no header");
}
