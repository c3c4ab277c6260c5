/*
 * The file credentials: no octets do harm; every account of a file that parses is
 * found in it; and an edit of it parses again.
 */
#include "auth/credentials.h"
#include "tests/fuzz/fuzz.h"

static const char hash[] = "$6$saltsalt$aaaaaaaaaaaaaaaaaaaaaaaa";

static void edits_parse(struct slice text, const struct credentials *c)
{
	struct buf edited = buf_with_limit(1 << 20), error = buf_with_limit(4096);
	struct credentials *again;
	struct credential found;

	REQUIRE(credentials_edit(text, SLICE("new@example.org"), SLICE(hash), &edited) ==
		CREDENTIALS_CHANGED);
	again = credentials_parse(buf_slice(&edited), "edited", &error);
	REQUIRE(again != NULL);
	REQUIRE(credentials_find(again, SLICE("NEW@example.org"), &found));
	for (size_t i = 0; i < credentials_count(c); i++)
		REQUIRE(credentials_find(again, credentials_account(c, i), &found));
	credentials_free(again);
	buf_free(&edited);
	buf_free(&error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);
	struct buf error = buf_with_limit(4096);
	struct credentials *c = credentials_parse(in, "fuzzed", &error);
	struct credential found;

	REQUIRE((c == NULL) == (error.len > 0));
	if (c != NULL) {
		for (size_t i = 0; i < credentials_count(c); i++)
			REQUIRE(credentials_find(c, credentials_account(c, i), &found));
		edits_parse(in, c);
	}
	credentials_free(c);
	buf_free(&error);
	return 0;
}
