/*
 * id.c - message identifiers.
 */
#include "common/id.h"

#include "common/clock.h"

static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";

message_id message_id_next(message_id last)
{
	message_id now = clock_wall_us();

	return now > last ? now : last + 1;
}

void message_id_format(message_id id, char text[MESSAGE_ID_TEXT + 1])
{
	for (int i = MESSAGE_ID_TEXT - 1; i >= 0; i--) {
		text[i] = alphabet[id & 31];
		id >>= 5;
	}
	text[MESSAGE_ID_TEXT] = '\0';
}

bool message_id_parse(struct slice text, message_id *id)
{
	message_id value = 0;

	if (text.len != MESSAGE_ID_TEXT)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		const char *digit = text.data[i] == '\0' ? NULL : strchr(alphabet, text.data[i]);

		if (digit == NULL || value >> 59 != 0)
			return false;
		value = value << 5 | (message_id)(digit - alphabet);
	}
	if (value == 0)
		return false;
	*id = value;
	return true;
}
