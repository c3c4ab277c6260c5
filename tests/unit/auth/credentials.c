/* What credentials.h promises. */
#include <criterion/criterion.h>

#include "auth/credentials.h"

/* RFC 7677's example: the password is "pencil". */
#define SCRAM_PENCIL                                                                               \
	"{SCRAM-SHA-256}4096$W22ZaJ0SNY7soEsUEjb6gQ==$"                                            \
	"WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"                                            \
	"wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
#define SHA512_PENCIL                                                                              \
	"$6$rounds=1000$saltsalt$bbY.T.ZpN43KapLdmlSbP6MmxBlkMSbhrh.Y1rmY0fYaRO/"                  \
	"t.4sKqUiU.Z8byKf8Oa1yagMn/0fncuHSYrb9h."

static struct buf error;

static void setup(void)
{
	error = buf_with_limit(1024);
}

static void teardown(void)
{
	buf_free(&error);
}

TestSuite(credentials, .init = setup, .fini = teardown);

static struct credentials *parse(struct slice text)
{
	return credentials_parse(text, "credentials", &error);
}

static void faulty(struct slice text, const char *message)
{
	buf_clear(&error);
	cr_assert_null(parse(text));
	cr_assert(slice_equal(buf_slice(&error), slice_string(message)), "%.*s",
	    SLICE_PRINTF(buf_slice(&error)));
}

static bool verifies(struct slice text, struct slice password)
{
	struct credential c;
	const char *fault;

	cr_assert(credential_parse(text, &c, &fault), "%.*s: %s", SLICE_PRINTF(text), fault);
	return credential_verify(&c, password);
}

Test(credentials, the_right_password_verifies_and_no_other)
{
	static const char *const all[] = {SCRAM_PENCIL, SHA512_PENCIL, "{CRYPT}" SHA512_PENCIL};

	for (size_t i = 0; i < 3; i++) {
		cr_assert(verifies(slice_string(all[i]), SLICE("pencil")));
		cr_assert_not(verifies(slice_string(all[i]), SLICE("pencils")));
		cr_assert_not(verifies(slice_string(all[i]), SLICE("penci")));
		cr_assert_not(verifies(slice_string(all[i]), SLICE("Pencil")));
		cr_assert_not(verifies(slice_string(all[i]), SLICE("")));
	}
}

Test(credentials, a_nul_does_not_end_a_password)
{
	cr_assert_not(verifies(slice_string(SHA512_PENCIL), SLICE("pencil\0x")));
	cr_assert_not(verifies(slice_string(SCRAM_PENCIL), SLICE("pencil\0")));
	cr_assert_not(verifies(slice_string(SHA512_PENCIL), SLICE("not this one")));
}

Test(credentials, what_was_made_verifies)
{
	struct buf text = buf_with_limit(512), again = buf_with_limit(512);

	cr_assert(credential_make(SLICE("correct horse"), 4096, &text));
	cr_assert(verifies(buf_slice(&text), SLICE("correct horse")));
	cr_assert_not(verifies(buf_slice(&text), SLICE("battery staple")));
	cr_assert(credential_make(SLICE("correct horse"), 4096, &again));
	cr_assert_not(slice_equal(buf_slice(&text), buf_slice(&again)), "the salt must differ");
	buf_free(&text);
	buf_free(&again);
}

Test(credentials, empty_and_unprintable_passwords_are_not_made)
{
	struct buf text = buf_with_limit(512);

	cr_assert_not(credential_make(SLICE(""), 4096, &text));
	cr_assert_not(credential_make(SLICE("line\nbreak"), 4096, &text));
	cr_assert_not(credential_make(SLICE("nul\0"), 4096, &text));
	cr_assert_not(credential_make(SLICE("x"), 1000, &text));
	cr_assert_eq(text.len, 0);
	buf_free(&text);
}

Test(credentials, accounts_are_found_in_any_case)
{
	struct credentials *c = parse(SLICE("# who has which password\n\n"
					    "Alice@Example.ORG " SCRAM_PENCIL "\r\n"
					    "\tbob@example.org\t" SHA512_PENCIL));
	struct credential found;

	cr_assert_not_null(c);
	cr_assert_eq(credentials_count(c), 2);
	cr_assert(credentials_find(c, SLICE("alice@example.org"), &found));
	cr_assert_eq(found.kind, CREDENTIAL_SCRAM_SHA_256);
	cr_assert_eq(found.scram.iterations, 4096);
	cr_assert(credentials_find(c, SLICE("BOB@example.org"), &found));
	cr_assert_eq(found.kind, CREDENTIAL_CRYPT);
	cr_assert_not(credentials_find(c, SLICE("carol@example.org"), &found));
	cr_assert_not(credentials_find(c, SLICE(""), &found));
	cr_assert(slice_equal(credentials_account(c, 0), SLICE("alice@example.org")));
	cr_assert(slice_is_empty(credentials_account(c, 2)));
	credentials_free(c);
}

Test(credentials, faults_name_the_file_the_line_and_the_word)
{
	faulty(SLICE("\n#\nalice " SCRAM_PENCIL "\n"),
	    "credentials:3: alice: not an account's name (local@domain)");
	faulty(SLICE("alice@example.org\n"),
	    "credentials:1: alice@example.org: a password is missing behind the account's name");
	faulty(SLICE("a@b {MD5}xyz\n"), "credentials:1: a@b: an unknown kind of password: "
					"{SCRAM-SHA-256} and {CRYPT} are known");
	faulty(SLICE("a@b secret\n"), "credentials:1: a@b: neither {SCRAM-SHA-256}, nor {CRYPT}, "
				      "nor a hash of crypt(3)");
	faulty(SLICE("a@b {SCRAM-SHA-256}1000$AAAA$A:A\n"),
	    "credentials:1: a@b: the number of iterations is not one from 4096 to 10000000");
	faulty(SLICE("a@b {SCRAM-SHA-256}4096$AAAA$A:A\n"),
	    "credentials:1: a@b: the salt is not 8 to 64 octets in base64");
	faulty(SLICE("a@b {SCRAM-SHA-256}4096$W22ZaJ0SNY7soEsUEjb6gQ==$AAAA:AAAA\n"),
	    "credentials:1: a@b: the keys are not StoredKey:ServerKey, each 32 octets in base64");
	faulty(SLICE("a@b $1$\n"), "credentials:1: a@b: not a hash of crypt(3) with a method and a "
				   "salt, such as $y$... or $6$...");
	faulty(SLICE("a@b {CRYPT}XXJ1QuHL9p4VA\n"), "credentials:1: a@b: not a hash of crypt(3) "
						    "with a method and a salt, such as $y$... or "
						    "$6$...");
	faulty(SLICE("a@b $unheard$saltsaltsaltsalt$hashhash\n"),
	    "credentials:1: a@b: a method of crypt(3) that this system does not know");
	faulty(SLICE("a@b " SCRAM_PENCIL "\n\nA@B " SHA512_PENCIL "\n"),
	    "credentials:3: a@b: stands in line 1 already");
	faulty(SLICE("\x1b[31m@x y\n"),
	    "credentials:1: ?[31m@x: not an account's name (local@domain)");
}

Test(credentials, many_accounts_are_all_found)
{
	struct buf text = buf_with_limit(1 << 20);
	struct credential found;
	struct credentials *c;
	char name[64];

	for (int i = 0; i < 1000; i++)
		buf_printf(&text, "user%d@example.org %s\n", i, SHA512_PENCIL);
	c = parse(buf_slice(&text));
	cr_assert_not_null(c);
	cr_assert_eq(credentials_count(c), 1000);
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof name, "user%d@example.org", i);
		cr_assert(credentials_find(c, slice_string(name), &found));
	}
	cr_assert_not(credentials_find(c, SLICE("user1000@example.org"), &found));
	credentials_free(c);
	buf_free(&text);
}

Test(credentials, the_decoy_of_a_name_is_always_the_same)
{
	struct credentials *c = parse(SLICE("a@b " SCRAM_PENCIL "\nc@d " SHA512_PENCIL "\n"));
	struct siphash_key key = siphash_key_random();
	struct credential one, other;
	bool kinds[2] = {false, false};
	char name[64];

	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof name, "nobody%d@example.org", i);
		credentials_decoy(c, slice_string(name), key, &one);
		credentials_decoy(c, slice_string(name), key, &other);
		cr_assert_eq(one.kind, other.kind);
		kinds[one.kind] = true;
	}
	cr_assert(kinds[0] && kinds[1], "decoys are as mixed as the file");
	credentials_free(c);
	c = parse(SLICE(""));
	credentials_decoy(c, SLICE("nobody@example.org"), key, &one);
	cr_assert_not(credential_verify(&one, SLICE("")));
	credentials_free(c);
}

static void edited(
    const char *before, const char *account, const char *credential, const char *after)
{
	struct buf out = buf_with_limit(4096);

	cr_assert_eq(credentials_edit(slice_string(before), slice_string(account),
			 slice_string(credential), &out),
	    CREDENTIALS_CHANGED);
	cr_assert(slice_equal(buf_slice(&out), slice_string(after)), "%.*s",
	    SLICE_PRINTF(buf_slice(&out)));
	buf_free(&out);
}

Test(credentials, an_edit_changes_one_line_only)
{
	struct buf out = buf_with_limit(4096);

	edited("", "Alice@B", SHA512_PENCIL, "alice@b " SHA512_PENCIL "\n");
	edited("# c\na@b $1$\nd@e x", "f@g", SHA512_PENCIL,
	    "# c\na@b $1$\nd@e x\nf@g " SHA512_PENCIL "\n");
	edited(
	    "# c\n  A@b $1$\nd@e x\n", "a@b", SCRAM_PENCIL, "# c\na@b " SCRAM_PENCIL "\nd@e x\n");
	edited("# c\na@b $1$\nd@e x\n", "a@b", "", "# c\nd@e x\n");
	cr_assert_eq(
	    credentials_edit(SLICE("a@b x\n"), SLICE("c@d"), SLICE(""), &out), CREDENTIALS_ABSENT);
	cr_assert_eq(
	    credentials_edit(SLICE(""), SLICE("c@d"), SLICE("plain"), &out), CREDENTIALS_REFUSED);
	cr_assert_eq(credentials_edit(SLICE(""), SLICE("c@d\ne@f"), SLICE(SHA512_PENCIL), &out),
	    CREDENTIALS_REFUSED);
	cr_assert_eq(credentials_edit(SLICE(""), SLICE("nobody"), SLICE(SHA512_PENCIL), &out),
	    CREDENTIALS_REFUSED);
	buf_free(&out);
}
