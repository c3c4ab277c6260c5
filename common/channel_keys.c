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

void keys_tickets_write(struct writer *w, const struct keys_ticket *tickets, size_t count)
{
	write_u8(w, (uint8_t)count);
	for (size_t i = 0; i < count; i++) {
		write_slice(w, slice_of(tickets[i].name, sizeof tickets[i].name));
		write_slice(w, slice_of(tickets[i].cipher, sizeof tickets[i].cipher));
		write_slice(w, slice_of(tickets[i].mac, sizeof tickets[i].mac));
	}
}

static void read_octets(struct reader *r, uint8_t *out, size_t len)
{
	struct slice octets = read_slice_max(r, len);

	if (octets.len == len)
		memcpy(out, octets.data, len);
	else
		reader_fail(r);
}

size_t keys_tickets_read(struct reader *r, struct keys_ticket tickets[KEYS_TICKETS_MAX])
{
	size_t count = read_u8(r);

	if (count > KEYS_TICKETS_MAX)
		reader_fail(r);
	for (size_t i = 0; i < count && reader_ok(r); i++) {
		read_octets(r, tickets[i].name, sizeof tickets[i].name);
		read_octets(r, tickets[i].cipher, sizeof tickets[i].cipher);
		read_octets(r, tickets[i].mac, sizeof tickets[i].mac);
	}
	return reader_finished(r) ? count : 0;
}
