/*
 * A client's lines in a SASL exchange, of all mechanisms: whatever they are, a
 * question that comes of them is one that auth takes.
 *
 * The first octet says which mechanism, the second how: 1, the lines are in base64
 * as they stand (otherwise they are put into it); 2, the first is an initial
 * response; 4, auth refuses and says why.  A newline separates lines.
 */
#include <string.h>

#include "message/encoding.h"
#include "message/sasl.h"
#include "tests/fuzz/fuzz.h"

enum { RAW = 1, INITIAL = 2, REFUSES = 4 };

static void check_question(const struct auth_question *question)
{
	struct buf encoded = buf_with_limit(AUTH_TOKEN_MAX + 65536);
	struct writer w = {&encoded};
	struct auth_question got;
	struct reader r;

	auth_question_write(&w, question);
	REQUIRE(!encoded.overflowed);
	r = reader_over(buf_slice(&encoded));
	REQUIRE(auth_question_read(&r, question->type, &got) && reader_finished(&r));
	REQUIRE(slice_equal(got.name, question->name));
	REQUIRE(slice_equal(got.authorize, question->authorize));
	REQUIRE(slice_equal(got.password, question->password));
	REQUIRE(slice_equal(got.token, question->token));
	REQUIRE(slice_equal(got.message, question->message));
	REQUIRE(slice_find(got.authorize, 0, '\0') < 0 || question->type == AUTH_PASSWORD);
	REQUIRE(slice_find(got.token, 0, '\0') < 0 && slice_find(got.password, 0, '\0') < 0);
	buf_free(&encoded);
}

/* False: the exchange is over. */
static bool answer(
    struct sasl *s, enum sasl_next next, const struct auth_question *question, int how)
{
	if (next == SASL_CHALLENGE)
		return true;
	if (next != SASL_ASK) {
		REQUIRE(next == SASL_MALFORMED || s->is_refused);
		return false;
	}
	check_question(question);
	if ((how & REFUSES) != 0)
		return sasl_refused(s, SLICE("{\"status\":\"invalid_token\"}"));
	return s->is_known && sasl_challenged(s, SLICE("server's"));
}

static struct slice next_line(struct cursor *in, int how, struct buf *encoded)
{
	struct slice line = cursor_take_until(in, '\n');

	cursor_accept(in, '\n');
	if ((how & RAW) != 0)
		return line;
	buf_clear(encoded);
	base64_encode(line, encoded);
	return buf_slice(encoded);
}

static void converse(enum sasl_mechanism mechanism, int how, struct slice lines)
{
	struct cursor in = cursor_over(lines);
	struct buf encoded = buf_with_limit(1 << 20);
	struct slice initial =
	    (how & INITIAL) != 0 ? next_line(&in, how, &encoded) : slice_of(NULL, 0);
	struct auth_question question;
	struct sasl s;
	bool goes_on = answer(&s, sasl_begin(&s, mechanism, initial, &question), &question, how);

	for (int i = 0; goes_on && i < 8; i++)
		goes_on = answer(
		    &s, sasl_take(&s, next_line(&in, how, &encoded), &question), &question, how);
	sasl_forget_response(&s);
	sasl_wipe(&s);
	buf_free(&encoded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);

	if (size < 2)
		return 0;
	REQUIRE(sasl_find(in) <= SASL_MECHANISM_COUNT);
	converse((enum sasl_mechanism)(data[0] % SASL_MECHANISM_COUNT), data[1], slice_from(in, 2));
	return 0;
}
