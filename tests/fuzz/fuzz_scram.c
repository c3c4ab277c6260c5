/*
 * SCRAM's messages: no octets do harm, and none but the right proof is taken.  The
 * first octet says what is offered; a zero octet separates the two messages.
 */
#include <string.h>

#include "auth/scram.h"
#include "tests/fuzz/fuzz.h"

static void converse(struct scram *s, struct cursor *in, unsigned offer)
{
	static const uint8_t random[SCRAM_NONCE_OCTETS], secret[SCRAM_KEY];
	struct slice binding = SLICE("0123456789abcdef0123456789abcdef");
	struct slice none = slice_of(NULL, 0), message = cursor_take_until(in, '\0');
	struct credential decoy;
	struct buf out = buf_with_limit(AUTH_CHALLENGE_MAX);
	const char *fault = NULL;

	cursor_accept(in, '\0');
	if (scram_client_first(s, message, (offer & 1) != 0, (offer & 2) != 0 ? binding : none,
		(offer & 4) != 0 ? binding : none, &fault) != SCRAM_GOOD) {
		REQUIRE(fault != NULL);
		return;
	}
	REQUIRE(s->name[0] != '\0');
	REQUIRE((message.data[0] == 'p') == ((offer & 1) != 0));
	REQUIRE(message.data[0] != 'y' || (offer & 6) == 0);
	credential_decoy_scram(slice_string(s->name), secret, NULL, &decoy);
	REQUIRE(scram_server_first(s, &decoy, random, &out));
	REQUIRE(out.len <= AUTH_CHALLENGE_MAX);
	if (scram_client_final(s, cursor_rest(in), &fault) == SCRAM_GOOD)
		REQUIRE(!scram_verify(s, &out));
	else
		REQUIRE(fault != NULL);
	buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice input = slice_of(data, size);
	struct cursor in = cursor_over(input);
	struct scram s;

	if (size == 0 || size > 2 * AUTH_MESSAGE_MAX)
		return 0;
	s = scram_new();
	converse(&s, &in, (unsigned)cursor_next(&in));
	scram_end(&s);
	return 0;
}
