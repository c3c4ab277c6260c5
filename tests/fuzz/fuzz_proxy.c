/*
 * PROXY headers: no octets do harm, what is complete is complete however much
 * follows, and what is malformed does not become better by what follows.
 */
#include "common/proxy.h"

#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);
	enum proxy_answer before = PROXY_MORE;
	struct proxy_header header;

	for (size_t len = 0; len <= size && len <= PROXY_HEADER_MAX; len++) {
		enum proxy_answer now = proxy_header_read(slice_part(in, 0, len), &header);

		REQUIRE(now != PROXY_COMPLETE || (header.len > 0 && header.len <= len));
		REQUIRE(now != PROXY_MALFORMED || header.problem != NULL);
		REQUIRE(now != PROXY_COMPLETE || header.is_anonymous || header.source.family != 0);
		REQUIRE(before == PROXY_MORE || now == before);
		REQUIRE(before == PROXY_MORE || now != PROXY_COMPLETE || header.len < len);
		before = now;
	}
	return 0;
}
