/*
 * channel_oauth.c - encoding of what oauth says of tokens.
 */
#include "common/channel_oauth.h"

void oauth_answer_write(struct writer *w, const struct oauth_answer *answer)
{
	write_u8(w, answer->verdict);
	write_string(w, answer->account);
}

bool oauth_answer_read(struct reader *r, struct oauth_answer *answer)
{
	*answer = (struct oauth_answer){.verdict = read_u8(r)};
	read_string(r, answer->account, sizeof answer->account);
	if (answer->verdict >= OAUTH_VERDICT_COUNT)
		reader_fail(r);
	return reader_ok(r);
}
