/* What sasl.h promises, of every mechanism. */
#include <criterion/criterion.h>
#include <string.h>

#include "message/encoding.h"
#include "message/sasl.h"

static struct sasl s;
static struct auth_question question;
static struct buf encoded;

static void setup(void)
{
	encoded = buf_with_limit(1 << 20);
}

static void teardown(void)
{
	sasl_wipe(&s);
	buf_free(&encoded);
}

TestSuite(sasl, .init = setup, .fini = teardown);

static struct slice base64(struct slice text)
{
	buf_clear(&encoded);
	base64_encode(text, &encoded);
	return buf_slice(&encoded);
}

/* With an initial response; one that is empty is "=". */
static enum sasl_next begin(enum sasl_mechanism mechanism, struct slice initial)
{
	sasl_wipe(&s);
	return sasl_begin(
	    &s, mechanism, initial.len == 0 ? SLICE("=") : base64(initial), &question);
}

static enum sasl_next begin_bare(enum sasl_mechanism mechanism)
{
	sasl_wipe(&s);
	return sasl_begin(&s, mechanism, slice_of(NULL, 0), &question);
}

static enum sasl_next take(struct slice text)
{
	return sasl_take(&s, base64(text), &question);
}

#define TOKEN(text) begin(SASL_OAUTHBEARER, SLICE(text))

Test(sasl, mechanisms_are_found_by_name_in_any_case)
{
	for (unsigned i = 0; i < SASL_MECHANISM_COUNT; i++)
		cr_assert_eq(sasl_find(slice_string(sasl_name((enum sasl_mechanism)i))), i);
	cr_assert_eq(sasl_find(SLICE("oAuthBearer")), SASL_OAUTHBEARER);
	cr_assert_eq(sasl_find(SLICE("")), SASL_MECHANISM_COUNT);
	cr_assert_eq(sasl_find(SLICE("PLAINER")), SASL_MECHANISM_COUNT);
	cr_assert_eq(sasl_find(SLICE("SCRAM-SHA-256-PLU")), SASL_MECHANISM_COUNT);
}

Test(sasl, what_is_offered_is_listed_the_strongest_first)
{
	struct buf out = buf_with_limit(256);

	sasl_list(&out, " ", 1u << SASL_PLAIN | 1u << SASL_SCRAM_SHA_256 | 1u << SASL_EXTERNAL);
	cr_assert(slice_equal(buf_slice(&out), SLICE(" EXTERNAL SCRAM-SHA-256 PLAIN")));
	cr_assert_not(sasl_is_offered(SASL_LOGIN, 1u << SASL_PLAIN));
	cr_assert_not(sasl_is_offered(SASL_MECHANISM_COUNT, ~0u));
	buf_free(&out);
}

/* RFC 4422, 4: the first challenge is empty where the client begins. */
Test(sasl, without_an_initial_response_each_asks_for_one)
{
	for (unsigned i = 0; i < SASL_MECHANISM_COUNT; i++) {
		cr_assert_eq(begin_bare((enum sasl_mechanism)i), SASL_CHALLENGE);
		cr_assert(slice_equal(
		    buf_slice(&s.challenge), i == SASL_LOGIN ? SLICE("VXNlcm5hbWU6") : SLICE("")));
	}
}

/* RFC 4954, 4, RFC 4959, 3, RFC 5034, 4: "=" is an initial response of no octets. */
Test(sasl, an_equals_sign_is_an_empty_initial_response)
{
	static const enum sasl_next expected[SASL_MECHANISM_COUNT] = {
	    [SASL_EXTERNAL] = SASL_ASK,
	    [SASL_SCRAM_SHA_256_PLUS] = SASL_ASK, /* auth says that it is malformed */
	    [SASL_SCRAM_SHA_256] = SASL_ASK,
	    [SASL_OAUTHBEARER] = SASL_MALFORMED,
	    [SASL_XOAUTH2] = SASL_MALFORMED,
	    [SASL_PLAIN] = SASL_MALFORMED,
	    [SASL_LOGIN] = SASL_CHALLENGE,
	};

	for (unsigned i = 0; i < SASL_MECHANISM_COUNT; i++)
		cr_assert_eq(begin((enum sasl_mechanism)i, SLICE("")), expected[i], "%s",
		    sasl_name((enum sasl_mechanism)i));
}

Test(sasl, what_is_not_base64_is_malformed_in_every_mechanism)
{
	static const char *const lines[] = {"!", "AAA", "AA=A", "QUJD ", "QR==", "*", "===="};

	for (unsigned i = 0; i < SASL_MECHANISM_COUNT; i++)
		for (size_t k = 0; k < sizeof lines / sizeof lines[0]; k++) {
			sasl_wipe(&s);
			cr_assert_eq(sasl_begin(&s, (enum sasl_mechanism)i, slice_string(lines[k]),
					 &question),
			    SASL_MALFORMED, "%s", lines[k]);
			begin_bare((enum sasl_mechanism)i);
			cr_assert_eq(
			    sasl_take(&s, slice_string(lines[k]), &question), SASL_MALFORMED);
		}
}

Test(sasl, a_response_that_is_too_long_is_malformed_in_every_mechanism)
{
	static char octets[AUTH_TOKEN_MAX + 4096];

	memset(octets, 'a', sizeof octets);
	for (unsigned i = 0; i < SASL_MECHANISM_COUNT; i++)
		cr_assert_eq(
		    begin((enum sasl_mechanism)i, slice_of(octets, sizeof octets)), SASL_MALFORMED);
}

Test(sasl, plain_has_three_parts)
{
	cr_assert_eq(begin(SASL_PLAIN, SLICE("bob\0alice\0secret")), SASL_ASK);
	cr_assert_eq(question.type, AUTH_PASSWORD);
	cr_assert_str_eq(question.mechanism, "PLAIN");
	cr_assert(slice_equal(question.authorize, SLICE("bob")));
	cr_assert(slice_equal(question.name, SLICE("alice")));
	cr_assert(slice_equal(question.password, SLICE("secret")));
	cr_assert_eq(begin(SASL_PLAIN, SLICE("alice\0secret")), SASL_MALFORMED);
	cr_assert_eq(begin(SASL_PLAIN, SLICE("\0alice\0")), SASL_MALFORMED);
	cr_assert_eq(begin(SASL_PLAIN, SLICE("\0\0secret")), SASL_MALFORMED);
	cr_assert_eq(begin(SASL_PLAIN, SLICE("\0alice\0sec\0ret")), SASL_MALFORMED);
}

Test(sasl, login_takes_a_name_and_then_a_password)
{
	cr_assert_eq(begin_bare(SASL_LOGIN), SASL_CHALLENGE);
	cr_assert_eq(take(SLICE("alice")), SASL_CHALLENGE);
	cr_assert(slice_equal(buf_slice(&s.challenge), SLICE("UGFzc3dvcmQ6")));
	cr_assert_eq(take(SLICE("secret")), SASL_ASK);
	cr_assert(slice_equal(question.name, SLICE("alice")));
	cr_assert(slice_equal(question.password, SLICE("secret")));
	cr_assert_eq(begin(SASL_LOGIN, SLICE("alice")), SASL_CHALLENGE);
	cr_assert_eq(take(SLICE("")), SASL_MALFORMED);
	cr_assert_eq(begin(SASL_LOGIN, SLICE("al\0ice")), SASL_MALFORMED);
}

Test(sasl, scram_is_begun_once_and_goes_on)
{
	cr_assert_eq(begin(SASL_SCRAM_SHA_256_PLUS, SLICE("first")), SASL_ASK);
	cr_assert_eq(question.type, AUTH_SCRAM);
	cr_assert_str_eq(question.mechanism, "SCRAM-SHA-256-PLUS");
	cr_assert(slice_equal(question.message, SLICE("first")));
	cr_assert(s.is_known);
	cr_assert(sasl_challenged(&s, SLICE("server")));
	cr_assert(slice_equal(buf_slice(&s.challenge), SLICE("c2VydmVy")));
	cr_assert_eq(take(SLICE("final")), SASL_ASK);
	cr_assert_eq(question.type, AUTH_RESPONSE);
	cr_assert_not(sasl_refused(&s, SLICE("")), "there is nothing to tell");
}

Test(sasl, external_names_an_identity_or_none)
{
	cr_assert_eq(begin(SASL_EXTERNAL, SLICE("alice@example.org")), SASL_ASK);
	cr_assert_eq(question.type, AUTH_EXTERNAL);
	cr_assert(slice_equal(question.authorize, SLICE("alice@example.org")));
	cr_assert_eq(begin(SASL_EXTERNAL, SLICE("")), SASL_ASK);
	cr_assert_eq(question.authorize.len, 0u);
	cr_assert_eq(begin(SASL_EXTERNAL, SLICE("al\0ice")), SASL_MALFORMED);
}

/* The example of RFC 7628, 4.1. */
Test(sasl, oauthbearer_has_a_header_and_pairs)
{
	cr_assert_eq(TOKEN("n,a=user@example.com,\1host=server.example.com\1port=143\1"
			   "auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\1\1"),
	    SASL_ASK);
	cr_assert_eq(question.type, AUTH_TOKEN);
	cr_assert(slice_equal(question.authorize, SLICE("user@example.com")));
	cr_assert(slice_equal(question.token, SLICE("vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==")));
	cr_assert_eq(TOKEN("y,a=a=2Cb=3Dc,\1AUTH=bearer x\1\1"), SASL_ASK);
	cr_assert(slice_equal(question.authorize, SLICE("a,b=c")));
	cr_assert(slice_equal(question.token, SLICE("x")));
	cr_assert_eq(TOKEN("n,,\1auth=\1\1"), SASL_ASK);
	cr_assert_eq(question.token.len, 0u);
	cr_assert_eq(question.authorize.len, 0u);
}

Test(sasl, oauthbearer_that_is_not_as_it_has_to_be_is_malformed)
{
	cr_assert_eq(TOKEN("\1"), SASL_MALFORMED);
	cr_assert_eq(TOKEN("n,,\1\1"), SASL_MALFORMED);
	cr_assert_eq(TOKEN("n,,auth=Bearer x\1\1"), SASL_MALFORMED);
	cr_assert_eq(TOKEN("p=x,,\1auth=Bearer x\1\1"), SASL_MALFORMED);
	cr_assert_eq(TOKEN("n,a=b=c,\1auth=Bearer x\1\1"), SASL_MALFORMED);
	cr_assert_eq(TOKEN("n,,\1auth=Bearer x\1"), SASL_MALFORMED);
	cr_assert_eq(TOKEN("n,,\1auth=Bearer x\1\1\1"), SASL_MALFORMED);
	cr_assert_eq(TOKEN("n,,\1auth=Bearer x\1auth=Bearer y\1\1"), SASL_MALFORMED);
	cr_assert_eq(TOKEN("n,,\1auth=Basic x\1\1"), SASL_MALFORMED);
	cr_assert_eq(TOKEN("n,,\1auth=Bearer x y\1\1"), SASL_MALFORMED);
	cr_assert_eq(TOKEN("n,,\1auth=Bearerx\1\1"), SASL_MALFORMED);
	cr_assert_eq(TOKEN("n,,\1auth=Bearer ==\1\1"), SASL_MALFORMED);
	cr_assert_eq(TOKEN("n,,\1auth=Bearer x=y\1\1"), SASL_MALFORMED);
	cr_assert_eq(TOKEN("n,,\1auth=Bearer x\0\1\1"), SASL_MALFORMED);
	cr_assert_eq(TOKEN("n,,\1port\1auth=Bearer x\1\1"), SASL_MALFORMED);
}

Test(sasl, xoauth2_has_pairs_alone)
{
	cr_assert_eq(
	    begin(SASL_XOAUTH2, SLICE("user=alice\1auth=Bearer ya29.x-y_z\1\1")), SASL_ASK);
	cr_assert_eq(question.type, AUTH_TOKEN);
	cr_assert_str_eq(question.mechanism, "XOAUTH2");
	cr_assert(slice_equal(question.authorize, SLICE("alice")));
	cr_assert(slice_equal(question.token, SLICE("ya29.x-y_z")));
	cr_assert_eq(
	    begin(SASL_XOAUTH2, SLICE("n,,\1user=alice\1auth=Bearer x\1\1")), SASL_MALFORMED);
	cr_assert_eq(begin(SASL_XOAUTH2, SLICE("user=alice\1\1")), SASL_MALFORMED);
}

/* RFC 7628, 3.2.3. */
Test(sasl, a_client_that_is_told_why_it_was_refused_says_something_and_is_refused)
{
	static const char *const lines[] = {"AQ==", "", "not base64!"};

	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
		cr_assert_eq(TOKEN("n,,\1auth=Bearer x\1\1"), SASL_ASK);
		cr_assert(sasl_refused(&s, SLICE("{}")));
		cr_assert(slice_equal(buf_slice(&s.challenge), SLICE("e30=")));
		cr_assert_eq(sasl_take(&s, slice_string(lines[i]), &question), SASL_REFUSED);
	}
}

Test(sasl, nothing_of_a_response_is_kept_once_it_is_forgotten)
{
	cr_assert_eq(begin(SASL_PLAIN, SLICE("\0alice\0secret")), SASL_ASK);
	sasl_forget_response(&s);
	cr_assert_null(s.response.data);
	sasl_wipe(&s);
	cr_assert_null(s.name.data);
	cr_assert_null(s.challenge.data);
}
