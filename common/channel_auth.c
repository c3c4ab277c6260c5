/*
 * channel_auth.c - encoding of what is asked of auth, and of its answers.
 */
#include "common/channel_auth.h"

#include "common/channel_control.h"

/* --- who asks about whom --------------------------------------------------------- */

static void write_client(struct writer *w, const struct auth_question *question)
{
	write_u32(w, question->service);
	write_string(w, question->mechanism);
	write_string(w, question->client);
	write_bool(w, question->tls);
}

static void read_client(struct reader *r, struct auth_question *question)
{
	question->service = read_u32(r);
	read_string(r, question->mechanism, sizeof question->mechanism);
	read_string(r, question->client, sizeof question->client);
	question->tls = read_bool(r);
	if (question->service >= SERVICE_COUNT)
		reader_fail(r);
}

/* --- questions --------------------------------------------------------------------- */

void auth_question_write(struct writer *w, const struct auth_question *question)
{
	write_u64(w, question->connection);
	if (question->type != AUTH_RESPONSE && question->type != AUTH_CANCEL)
		write_client(w, question);
	if (question->type == AUTH_PASSWORD) {
		write_slice(w, question->name);
		write_slice(w, question->authorize);
		write_slice(w, question->password);
	}
	if (question->type == AUTH_TOKEN) {
		write_slice(w, question->authorize);
		write_slice(w, question->token);
	}
	if (question->type == AUTH_EXTERNAL) {
		write_slice(w, question->authorize);
		write_slice(w, question->transcript);
		write_slice(w, question->verify);
	}
	if (question->type == AUTH_SCRAM) {
		write_slice(w, question->exporter);
		write_slice(w, question->end_point);
	}
	if (question->type == AUTH_SCRAM || question->type == AUTH_RESPONSE)
		write_slice(w, question->message);
}

bool auth_question_read(struct reader *r, unsigned type, struct auth_question *question)
{
	*question = (struct auth_question){.type = (enum auth_type)type};
	question->connection = read_u64(r);
	switch (type) {
	case AUTH_PASSWORD:
		read_client(r, question);
		question->name = read_slice_max(r, AUTH_NAME_MAX);
		question->authorize = read_slice_max(r, AUTH_NAME_MAX);
		question->password = read_slice_max(r, AUTH_PASSWORD_MAX);
		break;
	case AUTH_TOKEN:
		read_client(r, question);
		question->authorize = read_slice_max(r, AUTH_NAME_MAX);
		question->token = read_slice_max(r, AUTH_TOKEN_MAX);
		break;
	case AUTH_EXTERNAL:
		read_client(r, question);
		question->authorize = read_slice_max(r, AUTH_NAME_MAX);
		question->transcript = read_slice_max(r, TLS_TRANSCRIPT_MAX);
		question->verify = read_slice_max(r, TLS_SIGNATURE_MAX);
		break;
	case AUTH_SCRAM:
		read_client(r, question);
		question->exporter = read_slice_max(r, AUTH_BINDING_MAX);
		question->end_point = read_slice_max(r, AUTH_BINDING_MAX);
		question->message = read_slice_max(r, AUTH_MESSAGE_MAX);
		break;
	case AUTH_RESPONSE:
		question->message = read_slice_max(r, AUTH_MESSAGE_MAX);
		break;
	case AUTH_CANCEL:
		break;
	default:
		reader_fail(r);
	}
	return reader_ok(r);
}

/* --- answers ----------------------------------------------------------------------- */

void auth_result_write(struct writer *w, const struct auth_result *result)
{
	write_u8(w, result->verdict);
	write_string(w, result->account);
	write_slice(w, result->challenge);
}

bool auth_result_read(struct reader *r, struct auth_result *result)
{
	*result = (struct auth_result){.verdict = read_u8(r)};
	read_string(r, result->account, sizeof result->account);
	result->challenge = read_slice_max(r, AUTH_CHALLENGE_MAX);
	if (result->verdict >= AUTH_VERDICT_COUNT)
		reader_fail(r);
	return reader_ok(r);
}
