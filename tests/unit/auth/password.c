/* What password.h promises. */
#include <criterion/criterion.h>

#include "auth/credentials.h"
#include "auth/password.h"
#include "common/channel_auth.h"

static const char *prepared(const char *password)
{
	static char text[4 * AUTH_PASSWORD_MAX + 1];
	struct buf out = buf_with_limit(4 * AUTH_PASSWORD_MAX);
	bool good = password_prepare(slice_string(password), &out);

	if (good)
		slice_copy(buf_slice(&out), text, sizeof text);
	buf_wipe(&out);
	return good ? text : NULL;
}

/* RFC 4013, 3. */
Test(password, the_examples_of_saslprep_are_prepared_as_they_are_there)
{
	cr_assert_str_eq(prepared("I\u00adX"), "IX");
	cr_assert_str_eq(prepared("user"), "user");
	cr_assert_str_eq(prepared("USER"), "USER");
	cr_assert_str_eq(prepared("\u00aa"), "a");
	cr_assert_str_eq(prepared("\u2168"), "IX");
	cr_assert_null(prepared("\a"));
	cr_assert_null(prepared("\u0627\x31"));
}

Test(password, letters_that_look_the_same_are_the_same)
{
	cr_assert_str_eq(prepared("a\u0308\u00a0b"), "\u00e4 b");
	cr_assert_str_eq(prepared("\u00e4 b"), "\u00e4 b");
	cr_assert_str_eq(prepared("\u05d0\u05d1"), "\u05d0\u05d1");
	cr_assert_str_eq(prepared("\U0001f426"), "\U0001f426", "younger than Unicode 3.2");
}

Test(password, what_has_no_prepared_form_is_left_alone)
{
	cr_assert_null(prepared(""));
	cr_assert_null(prepared("\xff\xfe"));
	cr_assert_null(prepared("\xe4"));
	cr_assert_null(prepared("\u00ad"));
	cr_assert_null(prepared("a\u05d0"));
	cr_assert_null(prepared("\ue000"));
	cr_assert_null(prepared("\ufffd"));
	cr_assert_null(prepared("\u200e"));
}

Test(password, the_longest_password_is_prepared_and_no_longer_one)
{
	static char text[AUTH_PASSWORD_MAX + 2];

	memset(text, 'a', AUTH_PASSWORD_MAX);
	cr_assert_str_eq(prepared(text), text);
	text[AUTH_PASSWORD_MAX] = 'a';
	cr_assert_null(prepared(text));
}

static bool fits(const char *made_of, const char *password)
{
	struct buf text = buf_with_limit(1024);
	struct credential credential;
	const char *fault;
	bool right;

	cr_assert(credential_make(slice_string(made_of), SCRAM_ITERATIONS_MIN, &text));
	cr_assert(credential_parse(buf_slice(&text), &credential, &fault));
	right = credential_verify(&credential, slice_string(password));
	buf_free(&text);
	return right;
}

Test(password, a_verifier_fits_every_spelling_of_its_password)
{
	cr_assert(fits("a\u0308", "\u00e4"));
	cr_assert(fits("\u00e4", "a\u0308"));
	cr_assert(fits("I\u00adX", "\u2168"));
	cr_assert_not(fits("\u00e4", "a"));
	cr_assert(fits("\xe4", "\xe4"), "what is not UTF-8 is compared as it is");
	cr_assert_not(fits("\xe4", "\u00e4"));
}

/* As petrel made them before it prepared passwords, and as others may make them. */
Test(password, a_verifier_of_a_password_as_it_was_written_still_fits)
{
	/* Of "a" and U+0308, unprepared: salt 0123456789abcdef, 4096 iterations. */
	struct credential credential = {.kind = CREDENTIAL_SCRAM_SHA_256};
	const char *fault;

	cr_assert(credential_parse(SLICE("{SCRAM-SHA-256}4096$MDEyMzQ1Njc4OWFiY2RlZg==$"
					 "9zKdE83AZIzYHavpOeJp+fd76Cp2GaKPbKvrc5Xisko=:"
					 "1HuaHI8NDyUtTNL9hz3+wte5kR/yMW2nl6eQjghaOiQ="),
		      &credential, &fault),
	    "%s", fault);
	cr_assert(credential_verify(&credential, SLICE("a\u0308")));
	cr_assert_not(credential_verify(&credential, SLICE("\u00e4")));
}
