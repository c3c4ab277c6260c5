/*
 * A policy service's reply: whatever it sends, and however it is cut, the same reply is
 * read out of it once it is whole, and nothing outside it is looked at.
 */
#include "policy/delegation.h"
#include "tests/fuzz/fuzz.h"

static void check(struct slice in, const struct delegation_reply *reply, size_t octets)
{
	REQUIRE(octets > 0 && octets <= in.len && in.data[octets - 1] == '\n');
	REQUIRE(reply->text.len <= octets && reply->word.len <= octets);
	REQUIRE(slice_find(reply->text, 0, '\n') < 0 && slice_find(reply->text, 0, '\0') < 0);
	REQUIRE(reply->code == 0 || (reply->code >= 400 && reply->code <= 599));
	REQUIRE(reply->status[0] == '\0' || reply->status[0] == '4' || reply->status[0] == '5');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);
	struct delegation_reply reply, again;
	size_t octets, octets_again;
	enum delegation_state state = delegation_read(in, &reply, &octets);

	if (state != DELEGATION_READY)
		return 0;
	check(in, &reply, octets);
	for (size_t len = 0; len < octets; len++)
		REQUIRE(delegation_read(slice_part(in, 0, len), &again, &octets_again) == DELEGATION_MORE);
	REQUIRE(delegation_read(slice_part(in, 0, octets), &again, &octets_again) == DELEGATION_READY);
	REQUIRE(octets_again == octets && again.action == reply.action && slice_equal(again.text, reply.text));
	return 0;
}
