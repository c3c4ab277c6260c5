/*
 * channel_auth.c - encoding of what is asked of auth, and of its answers.
 */
#include "common/channel_auth.h"

#include "common/channel_control.h"

void auth_password_write(struct writer *w, const struct auth_password *question)
{
	write_u32(w, question->service);
	write_u64(w, question->connection);
	write_string(w, question->mechanism);
	write_string(w, question->client);
	write_bool(w, question->tls);
	write_slice(w, question->name);
	write_slice(w, question->authorize);
	write_slice(w, question->password);
}

bool auth_password_read(struct reader *r, struct auth_password *question)
{
	*question = (struct auth_password){.service = read_u32(r), .connection = read_u64(r)};
	read_string(r, question->mechanism, sizeof question->mechanism);
	read_string(r, question->client, sizeof question->client);
	question->tls = read_bool(r);
	question->name = read_slice_max(r, AUTH_NAME_MAX);
	question->authorize = read_slice_max(r, AUTH_NAME_MAX);
	question->password = read_slice_max(r, AUTH_PASSWORD_MAX);
	if (question->service >= SERVICE_COUNT)
		reader_fail(r);
	return reader_ok(r);
}

void auth_result_write(struct writer *w, const struct auth_result *result)
{
	write_u8(w, result->verdict);
	write_string(w, result->account);
}

bool auth_result_read(struct reader *r, struct auth_result *result)
{
	*result = (struct auth_result){.verdict = read_u8(r)};
	read_string(r, result->account, sizeof result->account);
	if (result->verdict >= AUTH_VERDICT_COUNT)
		reader_fail(r);
	return reader_ok(r);
}
