/* What channel_auth.h and channel_keys.h promise of their encodings. */
#include <criterion/criterion.h>

#include "common/channel_auth.h"
#include "common/channel_control.h"
#include "common/channel_keys.h"

static struct auth_question question = {
    .type = AUTH_PASSWORD,
    .service = SERVICE_IMAP,
    .connection = 0x123456789abcdef0,
    .mechanism = "PLAIN",
    .client = "192.0.2.1",
    .tls = true,
    .name = {"alice",    5},
    .authorize = {"",         0},
    .password = {"se\0cret", 7},
};

Test(auth_channel, a_question_is_read_as_it_was_written)
{
	struct buf b = buf_with_limit(4096);
	struct writer w = {&b};
	struct auth_question got;
	struct reader r;

	auth_question_write(&w, &question);
	r = reader_over(buf_slice(&b));
	cr_assert(auth_question_read(&r, AUTH_PASSWORD, &got));
	cr_assert(reader_finished(&r));
	cr_assert_eq(got.service, question.service);
	cr_assert_eq(got.connection, question.connection);
	cr_assert_str_eq(got.mechanism, "PLAIN");
	cr_assert_str_eq(got.client, "192.0.2.1");
	cr_assert(got.tls);
	cr_assert(slice_equal(got.name, question.name));
	cr_assert(slice_equal(got.password, question.password));
	for (size_t len = 0; len < b.len; len++) {
		r = reader_over(slice_of(b.data, len));
		cr_assert_not(auth_question_read(&r, AUTH_PASSWORD, &got) && reader_finished(&r));
	}
	buf_free(&b);
}

Test(auth_channel, each_kind_of_question_is_read_as_it_was_written)
{
	static const enum auth_type types[] = {
	    AUTH_SCRAM, AUTH_RESPONSE, AUTH_CANCEL, AUTH_EXTERNAL, AUTH_TOKEN};
	struct buf b = buf_with_limit(4096);
	struct writer w = {&b};
	struct auth_question asked = question, got;
	struct reader r;

	asked.exporter = SLICE("exporter");
	asked.end_point = SLICE("end point");
	asked.message = SLICE("n,,n=alice,r=x");
	asked.authorize = SLICE("alice");
	asked.token = SLICE("token");
	asked.transcript = SLICE("transcript");
	asked.verify = SLICE("verify");
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		buf_clear(&b);
		asked.type = types[i];
		auth_question_write(&w, &asked);
		r = reader_over(buf_slice(&b));
		cr_assert(auth_question_read(&r, types[i], &got) && reader_finished(&r));
		cr_assert_eq(got.connection, question.connection);
		if (types[i] == AUTH_SCRAM || types[i] == AUTH_RESPONSE)
			cr_assert(slice_equal(got.message, asked.message));
		if (types[i] == AUTH_EXTERNAL)
			cr_assert(slice_equal(got.transcript, asked.transcript) &&
				  slice_equal(got.verify, asked.verify) &&
				  slice_equal(got.authorize, asked.authorize));
		if (types[i] == AUTH_TOKEN)
			cr_assert(slice_equal(got.token, asked.token) &&
				  slice_equal(got.authorize, asked.authorize));
		if (types[i] == AUTH_SCRAM)
			cr_assert(slice_equal(got.exporter, asked.exporter) &&
				  slice_equal(got.end_point, asked.end_point));
	}
	r = reader_over(buf_slice(&b));
	cr_assert_not(auth_question_read(&r, AUTH_RESULT, &got));
	buf_free(&b);
}

Test(auth_channel, what_is_out_of_bounds_is_malformed)
{
	static char longer[AUTH_PASSWORD_MAX + 1];
	struct auth_question bad = question, got;
	struct auth_result result = {.verdict = AUTH_VERDICT_COUNT}, got_result;
	struct buf b = buf_with_limit(8192);
	struct writer w = {&b};
	struct reader r;

	bad.password = slice_of(longer, sizeof longer);
	auth_question_write(&w, &bad);
	r = reader_over(buf_slice(&b));
	cr_assert_not(auth_question_read(&r, AUTH_PASSWORD, &got));

	buf_clear(&b);
	bad = question;
	bad.service = SERVICE_COUNT;
	auth_question_write(&w, &bad);
	r = reader_over(buf_slice(&b));
	cr_assert_not(auth_question_read(&r, AUTH_PASSWORD, &got));

	buf_clear(&b);
	auth_result_write(&w, &result);
	r = reader_over(buf_slice(&b));
	cr_assert_not(auth_result_read(&r, &got_result));
	buf_free(&b);
}

Test(keys_channel, a_question_is_read_as_it_was_written_and_not_otherwise)
{
	struct keys_sign asked =
			     {
				 .key = {1, 2, 3},
                                   .algorithm = KEYS_ECDSA, .digest = "SHA256"
        },
			 got;
	struct buf b = buf_with_limit(16384);
	struct writer w = {&b};
	struct reader r;

	asked.input = SLICE("0123456789abcdef0123456789abcdef");
	keys_sign_write(&w, &asked);
	r = reader_over(buf_slice(&b));
	cr_assert(keys_sign_read(&r, &got));
	cr_assert(reader_finished(&r));
	cr_assert_arr_eq(got.key, asked.key, KEYS_ID_OCTETS);
	cr_assert_eq(got.algorithm, KEYS_ECDSA);
	cr_assert_str_eq(got.digest, "SHA256");
	cr_assert(slice_equal(got.input, asked.input));
	for (size_t len = 0; len < b.len; len++) {
		r = reader_over(slice_of(b.data, len));
		cr_assert_not(keys_sign_read(&r, &got) && reader_finished(&r));
	}
	buf_clear(&b);
	asked.algorithm = KEYS_ALGORITHM_COUNT;
	keys_sign_write(&w, &asked);
	r = reader_over(buf_slice(&b));
	cr_assert_not(keys_sign_read(&r, &got));
	buf_free(&b);
}
