/* What scram.h promises (RFC 5802, 7677, 9266). */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "auth/scram.h"
#include "message/encoding.h"

static struct scram s;
static struct credential pencil; /* RFC 7677, 3: the password "pencil" */
static struct slice exporter = {"0123456789abcdef0123456789abcdef", 32};
static const struct slice none = {NULL, 0};
static const char *fault;

static void setup(void)
{
	const char *why;

	s = scram_new();
	fault = NULL;
	cr_assert(credential_parse(
	    SLICE("{SCRAM-SHA-256}4096$W22ZaJ0SNY7soEsUEjb6gQ==$"
		  "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
		  "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="),
	    &pencil, &why), "%s", why);
}

static void teardown(void)
{
	scram_end(&s);
}

TestSuite(scram, .init = setup, .fini = teardown);

/* The randomness behind a nonce. */
static void server_nonce(const char *text, uint8_t random[SCRAM_NONCE_OCTETS])
{
	struct buf decoded = buf_with_limit(64);

	cr_assert(base64_decode(slice_string(text), &decoded));
	cr_assert_eq(decoded.len, (size_t)SCRAM_NONCE_OCTETS);
	memcpy(random, decoded.data, decoded.len);
	buf_free(&decoded);
}

static enum scram_status first(const char *message, bool is_plus, struct slice binding)
{
	scram_end(&s);
	s = scram_new();
	return scram_client_first(&s, slice_string(message), is_plus, binding, none, &fault);
}

static enum scram_status final(const char *message)
{
	return scram_client_final(&s, slice_string(message), &fault);
}

static void begin(const char *message, bool is_plus, struct slice binding, struct buf *out)
{
	static const uint8_t random[SCRAM_NONCE_OCTETS];

	cr_assert_eq(first(message, is_plus, binding), SCRAM_GOOD, "%s", fault);
	cr_assert(scram_server_first(&s, &pencil, random, out));
}

/* What a client does that knows the password: the proof over the messages. */
static void prove(struct slice bare, struct slice server_first, struct slice without_proof,
    struct buf *out)
{
	struct buf text = buf_with_limit(4096), made = buf_with_limit(1024);
	uint8_t client_key[SCRAM_KEY], signature[SCRAM_KEY];

	buf_printf(&text, "%.*s,%.*s,%.*s", SLICE_PRINTF(bare), SLICE_PRINTF(server_first),
	    SLICE_PRINTF(without_proof));
	/* ClientKey of "pencil" with the salt of RFC 7677. */
	cr_assert(base64_decode(SLICE("pg/JI9Z+hkSpLRa5btpe9GVrDHJcSEN0viVTVXaZbos="), &made));
	memcpy(client_key, made.data, SCRAM_KEY);
	scram_hmac(pencil.scram.stored_key, buf_slice(&text), signature);
	for (size_t i = 0; i < SCRAM_KEY; i++)
		signature[i] ^= client_key[i];
	buf_append_slice(out, without_proof);
	buf_append_string(out, ",p=");
	base64_encode(slice_of(signature, sizeof signature), out);
	buf_append_octet(out, '\0');
	buf_free(&text);
	buf_free(&made);
}

Test(scram, the_conversation_of_rfc_7677_is_followed_to_the_octet)
{
	/* Its nonce is no base64 of ours, so it stands in the client's part as a whole. */
	struct buf out = buf_with_limit(1024);

	cr_assert_eq(first("n,,n=user,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", false, none),
	    SCRAM_GOOD);
	cr_assert_str_eq(s.name, "user");
	cr_assert_str_eq(s.authorize, "");
	/* What scram_server_first would have done with the nonce of the document. */
	s.credential = pencil;
	buf_clear(&s.auth_message);
	buf_append_string(&s.auth_message,
	    "n=user,r=rOprNGfwEbeRWgbNEkqO,"
	    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
	    "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
	cr_assert_eq(final("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
			   "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="),
	    SCRAM_GOOD);
	cr_assert(scram_verify(&s, &out));
	cr_assert(slice_equal(
	    buf_slice(&out), SLICE("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")));
	buf_free(&out);
}

Test(scram, the_servers_first_message_has_both_nonces_the_salt_and_the_iterations)
{
	uint8_t random[SCRAM_NONCE_OCTETS];
	struct buf out = buf_with_limit(1024);

	server_nonce("abcdefghijklmnopqrstuvwx", random);
	cr_assert_eq(first("n,,n=user,r=client", false, none), SCRAM_GOOD);
	cr_assert(scram_server_first(&s, &pencil, random, &out));
	cr_assert(slice_equal(buf_slice(&out),
	    SLICE("r=clientabcdefghijklmnopqrstuvwx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")));
	buf_free(&out);
}

Test(scram, a_wrong_proof_gets_nothing)
{
	struct buf out = buf_with_limit(1024), answer = buf_with_limit(1024);

	begin("n,,n=user,r=c", false, none, &out);
	cr_assert_eq(final("c=biws,r=cAAAAAAAAAAAAAAAAAAAAAAAA,"
			   "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="),
	    SCRAM_GOOD);
	cr_assert_not(scram_verify(&s, &answer));
	cr_assert_eq(answer.len, 0u);
	buf_free(&out);
}

Test(scram, a_right_proof_over_the_channels_binding_is_taken)
{
	struct buf first_out = buf_with_limit(1024), proof = buf_with_limit(2048),
		   answer = buf_with_limit(128), plain = buf_with_limit(256),
		   without = buf_with_limit(1024);

	begin("p=tls-exporter,,n=user,r=c", true, exporter, &first_out);
	buf_append_string(&plain, "p=tls-exporter,,");
	buf_append_slice(&plain, exporter);
	buf_append_string(&without, "c=");
	base64_encode(buf_slice(&plain), &without);
	buf_append_string(&without, ",r=cAAAAAAAAAAAAAAAAAAAAAAAA");
	prove(SLICE("n=user,r=c"), buf_slice(&first_out), buf_slice(&without), &proof);
	cr_assert_eq(final(proof.data), SCRAM_GOOD, "%s", fault);
	cr_assert(scram_verify(&s, &answer));
	buf_free(&first_out);
	buf_free(&proof);
	buf_free(&answer);
	buf_free(&plain);
	buf_free(&without);
}

Test(scram, another_channels_binding_is_refused)
{
	struct buf out = buf_with_limit(1024);

	begin("p=tls-exporter,,n=user,r=c", true, exporter, &out);
	/* the header alone */
	cr_assert_eq(final("c=cD10bHMtZXhwb3J0ZXIsLA==,r=cAAAAAAAAAAAAAAAAAAAAAAAA,"
			   "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="),
	    SCRAM_REFUSED);
	buf_free(&out);
}

Test(scram, another_conversations_nonce_is_refused)
{
	struct buf out = buf_with_limit(1024);

	begin("n,,n=user,r=c", false, none, &out);
	cr_assert_eq(final("c=biws,r=cBAAAAAAAAAAAAAAAAAAAAAAA,"
			   "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="),
	    SCRAM_REFUSED);
	buf_free(&out);
}

Test(scram, a_client_that_was_not_shown_the_offer_of_binding_is_refused)
{
	cr_assert_eq(first("y,,n=user,r=c", false, exporter), SCRAM_REFUSED);
	cr_assert_str_eq(s.name, "user", "the log wants the name");
	cr_assert_eq(first("y,,n=user,r=c", false, none), SCRAM_GOOD);
	cr_assert_eq(first("n,,n=user,r=c", false, exporter), SCRAM_GOOD);
}

Test(scram, the_mechanism_and_the_binding_have_to_agree)
{
	cr_assert_eq(first("n,,n=user,r=c", true, exporter), SCRAM_MALFORMED);
	cr_assert_eq(first("y,,n=user,r=c", true, exporter), SCRAM_MALFORMED);
	cr_assert_eq(first("p=tls-exporter,,n=user,r=c", false, exporter), SCRAM_MALFORMED);
	cr_assert_eq(first("p=tls-unique,,n=user,r=c", true, exporter), SCRAM_REFUSED);
	cr_assert_eq(first("p=tls-server-end-point,,n=user,r=c", true, exporter), SCRAM_REFUSED);
	cr_assert_eq(scram_client_first(&s, SLICE("p=tls-server-end-point,,n=user,r=c"), true, none,
			 exporter, &fault),
	    SCRAM_GOOD);
}

Test(scram, names_are_decoded)
{
	cr_assert_eq(first("n,a=b=3Dc,n=a=2Cb=3dc,r=x", false, none), SCRAM_GOOD);
	cr_assert_str_eq(s.name, "a,b=c");
	cr_assert_str_eq(s.authorize, "b=c");
}

Test(scram, extensions_are_passed_over_but_not_the_mandatory_one)
{
	cr_assert_eq(first("n,,n=user,r=c,z=1,y=", false, none), SCRAM_GOOD);
	cr_assert_eq(first("n,,m=1,n=user,r=c", false, none), SCRAM_REFUSED);
}

Test(scram, malformed_first_messages_are_refused)
{
	static const char *const messages[] = {"", "n", "n,", "n,,", "x,,n=user,r=c",
	    "n,,n=,r=c", "n,,n=a=b,r=c", "n,,n=a=2,r=c", "n,,n=user", "n,,n=user,r=",
	    "n,,n=user,r=a b", "n,,n=user,r=\x7f", "n,,r=c,n=user", "n,a=,n=user,r=c",
	    "n,b=x,n=user,r=c", "n,,n=user,r=c,", "n,,n=user,r=c,1=2", "n,,n=user,r=c,zz",
	    "n,,n=\xff,r=c", "n,n=user,r=c", "p,,n=user,r=c", "p=,,n=user,r=c"};

	for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++)
		cr_assert_eq(first(messages[i], messages[i][0] == 'p', exporter),
		    i == sizeof messages / sizeof messages[0] - 1 ? SCRAM_REFUSED : SCRAM_MALFORMED,
		    "%s", messages[i]);
}

Test(scram, what_is_too_long_is_malformed)
{
	char message[1024];

	snprintf(message, sizeof message, "n,,n=user,r=%0*d", SCRAM_NONCE_MAX, 7);
	cr_assert_eq(first(message, false, none), SCRAM_GOOD);
	snprintf(message, sizeof message, "n,,n=user,r=%0*d", SCRAM_NONCE_MAX + 1, 7);
	cr_assert_eq(first(message, false, none), SCRAM_MALFORMED);
	snprintf(message, sizeof message, "n,,n=%0*d,r=c", SCRAM_NAME_OCTETS_MAX, 7);
	cr_assert_eq(first(message, false, none), SCRAM_GOOD);
	snprintf(message, sizeof message, "n,,n=%0*d,r=c", SCRAM_NAME_OCTETS_MAX + 1, 7);
	cr_assert_eq(first(message, false, none), SCRAM_MALFORMED);
}

Test(scram, malformed_final_messages_are_refused)
{
	static const char proof[] = "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
	static const char *const messages[] = {"", "c=biws", "c=biws,r=x", "c=biws,r=x,p=",
	    "c=biws,r=x,p=AAAA", "c=biws,r=x,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ",
	    "c=biws,r=x,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=,x=y"};
	struct buf out = buf_with_limit(1024);
	char message[256];

	begin("n,,n=user,r=c", false, none, &out);
	for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++)
		cr_assert_eq(final(messages[i]), SCRAM_MALFORMED, "%s", messages[i]);
	snprintf(message, sizeof message, "r=x,c=biws,%s", proof);
	cr_assert_eq(final(message), SCRAM_MALFORMED);
	snprintf(message, sizeof message, "%s,%s", proof, proof);
	cr_assert_eq(final(message), SCRAM_MALFORMED);
	buf_free(&out);
}

Test(scram, who_does_not_exist_has_a_salt_that_stays_and_looks_like_the_others)
{
	static const uint8_t secret[SCRAM_KEY] = {1}, other_secret[SCRAM_KEY] = {2};
	static const char file[] =
	    "crypt@example.org $6$saltsalt$aaaaaaaaaaaaaaaaaaaaaaaa\n"
	    "user@example.org {SCRAM-SHA-256}5000$W22ZaJ0SNY7soEsUEjb6gQ==$"
	    "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
	    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=\n";
	struct buf error = buf_with_limit(256);
	struct credentials *c = credentials_parse(slice_string(file), "file", &error);
	struct credential a, again, b, crypt, elsewhere, real;

	cr_assert_not_null(c);
	cr_assert_not(credentials_scram(c, SLICE("a@example.org"), secret, &a));
	cr_assert_not(credentials_scram(c, SLICE("a@example.org"), secret, &again));
	cr_assert_not(credentials_scram(c, SLICE("b@example.org"), secret, &b));
	cr_assert_not(credentials_scram(c, SLICE("crypt@example.org"), secret, &crypt));
	cr_assert_not(credentials_scram(c, SLICE("a@example.org"), other_secret, &elsewhere));
	cr_assert(credentials_scram(c, SLICE("user@example.org"), secret, &real));
	cr_assert_eq(a.kind, CREDENTIAL_SCRAM_SHA_256);
	cr_assert_eq(crypt.kind, CREDENTIAL_SCRAM_SHA_256);
	cr_assert_eq(a.scram.iterations, real.scram.iterations);
	cr_assert_eq(a.scram.salt_len, real.scram.salt_len);
	cr_assert_arr_eq(a.scram.salt, again.scram.salt, a.scram.salt_len);
	cr_assert_arr_neq(a.scram.salt, b.scram.salt, a.scram.salt_len);
	cr_assert_arr_neq(a.scram.salt, elsewhere.scram.salt, a.scram.salt_len);
	cr_assert_arr_neq(a.scram.salt, real.scram.salt, a.scram.salt_len);
	credentials_free(c);
	buf_free(&error);
}
