/*
 * channel_keys.c - encoding of what is asked of keys.
 */
#include "common/channel_keys.h"

void keys_sign_write(struct writer *w, const struct keys_sign *question)
{
	write_slice(w, slice_of(question->key, sizeof question->key));
	write_u8(w, question->algorithm);
	write_string(w, question->digest);
	write_slice(w, question->input);
}

bool keys_sign_read(struct reader *r, struct keys_sign *question)
{
	struct slice key = read_slice_max(r, KEYS_ID_OCTETS);

	*question = (struct keys_sign){.algorithm = read_u8(r)};
	read_string(r, question->digest, sizeof question->digest);
	question->input = read_slice_max(r, KEYS_INPUT_MAX);
	if (key.len != KEYS_ID_OCTETS || question->algorithm >= KEYS_ALGORITHM_COUNT) {
		reader_fail(r);
		return false;
	}
	memcpy(question->key, key.data, KEYS_ID_OCTETS);
	return reader_ok(r);
}
