/*
 * Which host a certificate is for: its names, a line end, and the host that a
 * client asks for.
 */
#include "common/tls.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice all = slice_of(data, size), wildcard = SLICE("*.");
	ssize_t end = slice_find(all, 0, '\n');
	struct slice names = end < 0 ? all : slice_part(all, 0, (size_t)end);
	struct slice host = end < 0 ? slice_of(NULL, 0) : slice_from(all, (size_t)end + 1);
	bool is_one_name = host.len > 0 && slice_find(host, 0, ' ') < 0;

	/* Nothing covers no host. */
	REQUIRE(!tls_names_cover(names, slice_of(NULL, 0)));
	/* A name covers itself. */
	REQUIRE(!is_one_name || slice_starts_with(host, wildcard) || tls_names_cover(host, host));
	/* What has no wildcard covers nothing that is not in it, letter by letter. */
	if (slice_find(names, 0, '*') < 0 && tls_names_cover(names, host))
		REQUIRE(host.len <= names.len);
	return 0;
}
