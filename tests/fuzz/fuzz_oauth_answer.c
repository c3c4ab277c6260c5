/* What a server says of a token: no octets do harm, and none is good that is not active. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "oauth/answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char *words[] = {(char *)"mail", (char *)"petrel"};
	struct settings wanted = {0};
	struct answer answer;
	const char *fault = NULL;

	wanted.oauth.account = (int)(size % 3);
	if (size % 2 == 0) {
		wanted.oauth.scope = (struct conf_list){1, &words[0]};
		wanted.oauth.audience = (struct conf_list){1, &words[1]};
	}
	if (!answer_read(slice_of(data, size), &wanted, 1700000000, &answer, &fault)) {
		REQUIRE(fault != NULL);
		return 0;
	}
	REQUIRE(answer.said.verdict != OAUTH_GOOD ||
		(answer.said.account[0] != '\0' && memmem(data, size, "true", 4) != NULL &&
		    (answer.expires == 0 || answer.expires > 1700000000)));
	return 0;
}
