/*
 * MIME trees and IMAP's view of them: any octets give a bounded tree whose parts
 * lie within each other, whose sizes do not depend on how line ends are stored,
 * and whose texts IMAP can read.
 */
#include "message/header.h"
#include "message/imap_text.h"
#include "message/lines.h"
#include "message/mime.h"
#include "tests/fuzz/fuzz.h"

enum { OUTPUT_MAX = 1 << 24 };

static void parts_lie_within_each_other(const struct mime *mime)
{
	REQUIRE(mime->count >= 1 && mime->count <= MIME_PARTS_MAX);
	for (size_t i = 0; i < mime->count; i++) {
		const struct mime_part *part = &mime->parts[i];

		REQUIRE(part->depth <= MIME_DEPTH_MAX);
		REQUIRE(
		    part->header_start <= part->body_start && part->body_start <= part->body_end);
		REQUIRE(part->body_end <= mime->message.len);
		REQUIRE(part->header_octets == lines_crlf_size(mime_header(mime, part)));
		REQUIRE(part->body_octets == lines_crlf_size(mime_body(mime, part)));
		REQUIRE((part->kind == MIME_MESSAGE) <= (part->first_child != MIME_NO_PART));
		if (part->parent != MIME_NO_PART) {
			const struct mime_part *parent = &mime->parts[part->parent];

			REQUIRE(part->parent < (int)i && parent->depth + 1 == part->depth);
			REQUIRE(part->header_start >= parent->body_start);
		}
		if (part->next != MIME_NO_PART)
			REQUIRE(mime->parts[part->next].parent == part->parent);
	}
	REQUIRE(mime->parts[0].body_start == header_end(mime->message));
}

/* Parentheses match outside of strings, and strings end: what a client's parser needs. */
static void imap_can_be_read(struct slice text)
{
	struct cursor c = cursor_over(text);
	long depth = 0;
	int octet;

	while ((octet = cursor_next(&c)) >= 0) {
		REQUIRE(octet != 0);
		if (octet == '"') {
			while ((octet = cursor_next(&c)) != '"') {
				REQUIRE(octet > 0 && octet < 128 && octet != '\r' && octet != '\n');
				if (octet == '\\')
					cursor_skip(&c, 1);
			}
		} else if (octet == '{') {
			uint64_t len;

			REQUIRE(slice_number(cursor_take_until(&c, '}'), SIZE_MAX, &len));
			REQUIRE(slice_equal(cursor_take(&c, 3), SLICE("}\r\n")));
			REQUIRE(cursor_left(&c) >= len);
			cursor_skip(&c, len);
		}
		depth += octet == '(';
		depth -= octet == ')';
		REQUIRE(depth > 0 || cursor_done(&c));
	}
	REQUIRE(depth == 0);
}

static void sections_are_found(const struct mime *mime)
{
	static const char *const specifications[] = {
	    "", "1", "HEADER", "TEXT", "1.MIME", "2.HEADER", "1.1.TEXT", "2.1", "1.2.1.1"};

	for (size_t i = 0; i < sizeof(specifications) / sizeof(specifications[0]); i++) {
		struct imap_section section;
		struct slice found;

		REQUIRE(imap_section_parse(slice_string(specifications[i]), &section));
		if (imap_section_find(mime, &section, &found) && found.len > 0)
			REQUIRE(found.data >= mime->message.data &&
				found.len <=
				    mime->message.len - (size_t)(found.data - mime->message.data));
	}
}

static void parts_are_decoded(const struct mime *mime)
{
	for (size_t i = 0; i < mime->count; i++) {
		const struct mime_part *part = &mime->parts[i];
		struct buf out = buf_with_limit(OUTPUT_MAX);

		mime_decode_text(mime, part, &out);
		mime_parameter_text(&part->parameters, SLICE("name"), &out);
		mime_parameter_text(&part->disposition_parameters, SLICE("filename"), &out);
		buf_free(&out);
	}
}

/* BODYSTRUCTURE of `message`, for the caller to free. */
static struct buf structure_of(struct slice message)
{
	struct buf out = buf_with_limit(OUTPUT_MAX);
	struct mime mime;

	REQUIRE(mime_parse(message, &mime));
	parts_lie_within_each_other(&mime);
	sections_are_found(&mime);
	parts_are_decoded(&mime);
	REQUIRE(imap_write_bodystructure(&mime, &out));
	imap_can_be_read(buf_slice(&out));
	mime_free(&mime);
	return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);
	struct buf crlf = buf_with_limit(OUTPUT_MAX), envelope = buf_with_limit(OUTPUT_MAX);
	struct line_state state = {0};
	struct imap_section section;
	struct buf stored, sent;

	imap_section_parse(in, &section);
	REQUIRE(imap_write_envelope(in, &envelope));
	imap_can_be_read(buf_slice(&envelope));
	lines_to_crlf(in, &state, &crlf);
	stored = structure_of(in);
	sent = structure_of(buf_slice(&crlf));
	/* Texts that keep their folding as blanks are the same; nothing may depend on CR. */
	REQUIRE(slice_equal(buf_slice(&stored), buf_slice(&sent)));
	buf_free(&stored);
	buf_free(&sent);
	buf_free(&envelope);
	buf_free(&crlf);
	return 0;
}
