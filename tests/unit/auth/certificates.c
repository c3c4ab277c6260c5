/* What certificates.h promises. */
#include <criterion/criterion.h>
#include <string.h>

#include "auth/certificates.h"

#define ONES "1111111111111111111111111111111111111111111111111111111111111111"

static struct buf error;

static struct certificates *parse(const char *text)
{
	error = buf_with_limit(256);
	return certificates_parse(slice_string(text), "certificates", &error);
}

static char found[256];

static void add(const char *account, void *context)
{
	(void)context;
	strcat(found, account);
	strcat(found, " ");
}

static const char *find(const struct certificates *c, enum certificate_kind kind, uint8_t octet)
{
	uint8_t digest[CERTIFICATE_DIGEST];

	memset(digest, octet, sizeof digest);
	found[0] = '\0';
	certificates_find(c, kind, digest, add, NULL);
	return found;
}

Test(certificates, a_digest_is_listed_for_one_or_several_accounts)
{
	struct certificates *c =
	    parse("# comment\n\nAlice@Example.org  certificate\t" ONES "\r\n"
		  "bob@example.org key 22:22:22:22:22:22:22:22:22:22:22:22:22:22:22:22:22:22:22:22:"
		  "22:22:22:22:22:22:22:22:22:22:22:22\n"
		  "carol@example.org certificate " ONES);

	cr_assert_not_null(c, "%.*s", SLICE_PRINTF(buf_slice(&error)));
	cr_assert_eq(certificates_count(c), 3u);
	cr_assert_not_null(strstr(find(c, CERTIFICATE_WHOLE, 0x11), "alice@example.org "));
	cr_assert_not_null(strstr(found, "carol@example.org "));
	cr_assert_str_eq(find(c, CERTIFICATE_KEY, 0x11), "");
	cr_assert_str_eq(find(c, CERTIFICATE_KEY, 0x22), "bob@example.org ");
	cr_assert_str_eq(find(c, CERTIFICATE_WHOLE, 0x22), "");
	cr_assert_str_eq(find(c, CERTIFICATE_WHOLE, 0x33), "");
	certificates_free(c);
}

Test(certificates, an_empty_file_lists_nobody)
{
	struct certificates *c = parse("");

	cr_assert_not_null(c);
	cr_assert_str_eq(find(c, CERTIFICATE_WHOLE, 0x11), "");
	certificates_free(c);
}

Test(certificates, a_line_is_added_and_an_accounts_lines_are_removed_and_all_else_stays)
{
	struct buf with = buf_with_limit(4096), without = buf_with_limit(4096);
	uint8_t digest[CERTIFICATE_DIGEST];
	struct slice old = SLICE("# comment\n\nbob@example.org key " ONES "\nnonsense");

	memset(digest, 0x11, sizeof digest);
	cr_assert(certificates_add(old, SLICE("alice@example.org"), digest, &with));
	cr_assert(slice_equal(buf_slice(&with),
	    SLICE("# comment\n\nbob@example.org key " ONES
		  "\nnonsense\nalice@example.org certificate " ONES "\n")));
	cr_assert(certificates_remove(buf_slice(&with), SLICE("BOB@example.org"), &without));
	cr_assert(slice_equal(buf_slice(&without),
	    SLICE("# comment\n\nnonsense\nalice@example.org certificate " ONES "\n")));
	buf_free(&with);
	buf_free(&without);
}

Test(certificates, an_error_names_its_line)
{
	static const char *const lines[] = {
	    "alice certificate " ONES,
	    "alice@example.org " ONES,
	    "alice@example.org",
	    "alice@example.org certificate",
	    "alice@example.org certificate 11",
	    "alice@example.org certificate " ONES "11",
	    "alice@example.org certificate " ONES " x",
	    "alice@example.org certificate :" ONES,
	    "alice@example.org fingerprint " ONES,
	    "alice@example.org certificate zz" ONES,
	};

	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
		char text[256];

		snprintf(text, sizeof text, "\n%s\n", lines[i]);
		cr_assert_null(parse(text), "%s", lines[i]);
		cr_assert(slice_starts_with(buf_slice(&error), SLICE("certificates:2: ")));
		buf_free(&error);
	}
}
