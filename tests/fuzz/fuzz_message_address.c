/*
 * Paths, their canonical form, and ESMTP parameters: no octets do harm, and what
 * is accepted stays the same address when it is written and parsed again, in the
 * house's spelling and in the one that is looked up.
 */
#include "message/address.h"
#include "message/encoding.h"
#include "message/spelling.h"
#include "tests/fuzz/fuzz.h"

static void canonical_form_is_stable(const struct address *address, unsigned flags)
{
	struct buf once = buf_with_limit(4096), twice = buf_with_limit(4096);
	struct address again;

	REQUIRE(address_write_canonical(address, &once));
	/* Quotes that had to be added may lead beyond the limits of length. */
	if (once.len <= ADDRESS_PATH_MAX - 2 &&
	    address_parse(
		buf_slice(&once), (flags | ADDRESS_NO_DOMAIN) & ~ADDRESS_LENIENT, &again)) {
		REQUIRE(address_write_canonical(&again, &twice));
		REQUIRE(slice_equal(buf_slice(&once), buf_slice(&twice)));
		REQUIRE(address_equal(address, &again));
	} else {
		REQUIRE(once.len > ADDRESS_LOCAL_MAX);
	}
	buf_free(&once);
	buf_free(&twice);
}

static void spelling_is_stable(const struct address *address, unsigned flags)
{
	struct buf once = buf_with_limit(4096), twice = buf_with_limit(4096);
	struct address again;

	if (address_write_house(address, &once)) {
		ssize_t at = slice_find_last(buf_slice(&once), '@');

		REQUIRE(address->domain.len == 0 ||
			is_ascii(slice_from(buf_slice(&once), (size_t)at)));
		if (address_parse(buf_slice(&once), (flags | ADDRESS_NO_DOMAIN) & ~ADDRESS_LENIENT, &again)) {
			REQUIRE(address_write_house(&again, &twice));
			REQUIRE(slice_equal(buf_slice(&once), buf_slice(&twice)));
		}
	}
	buf_free(&once);
	buf_free(&twice);
}

static void folding_is_stable(struct slice in)
{
	struct buf once = buf_with_limit(1 << 20), twice = buf_with_limit(1 << 20);

	if (address_fold(in, &once) && address_fold(buf_slice(&once), &twice))
		REQUIRE(slice_equal(buf_slice(&once), buf_slice(&twice)));
	buf_free(&once);
	buf_free(&twice);
}

static void utf8_address_survives(struct slice in)
{
	struct buf encoded = buf_with_limit(1 << 22), decoded = buf_with_limit(1 << 20),
		   again = buf_with_limit(1 << 20);

	for (int may_be_8bit = 0; may_be_8bit < 2; may_be_8bit++) {
		buf_clear(&decoded);
		if (!utf8_address_decode(in, may_be_8bit, &decoded))
			continue;
		REQUIRE(utf8_is_printable(buf_slice(&decoded)));
		buf_clear(&encoded);
		buf_clear(&again);
		REQUIRE(utf8_address_encode(buf_slice(&decoded), false, &encoded));
		REQUIRE(is_ascii(buf_slice(&encoded)));
		REQUIRE(utf8_address_decode(buf_slice(&encoded), false, &again));
		REQUIRE(slice_equal(buf_slice(&decoded), buf_slice(&again)));
	}
	buf_free(&encoded);
	buf_free(&decoded);
	buf_free(&again);
}

static void xtext_survives(struct slice in)
{
	struct buf encoded = buf_with_limit(1 << 20), decoded = buf_with_limit(1 << 20);

	if (xtext_decode(in, &decoded)) {
		REQUIRE(xtext_encode(buf_slice(&decoded), &encoded));
		buf_clear(&decoded);
		REQUIRE(xtext_decode(buf_slice(&encoded), &decoded));
	}
	buf_free(&encoded);
	buf_free(&decoded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);
	struct esmtp_parameter parameters[ESMTP_PARAMETERS_MAX];
	struct address address;
	struct slice user, extension;

	for (unsigned flags = 0; flags < 16; flags++) {
		ssize_t consumed = address_parse_path(in, flags, &address);

		REQUIRE(consumed <= ADDRESS_PATH_MAX && consumed <= (ssize_t)size);
		if (consumed < 0)
			continue;
		canonical_form_is_stable(&address, flags);
		spelling_is_stable(&address, flags);
		address_split_extension(address.local, '+', &user, &extension);
		REQUIRE(esmtp_parameters_parse(slice_from(in, (size_t)consumed), parameters,
			    ESMTP_PARAMETERS_MAX) <= ESMTP_PARAMETERS_MAX);
	}
	if (address_parse(in, ADDRESS_STRICT, &address))
		canonical_form_is_stable(&address, ADDRESS_STRICT);
	xtext_survives(in);
	utf8_address_survives(in);
	folding_is_stable(in);
	return 0;
}
