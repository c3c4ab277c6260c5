#include <criterion/criterion.h>

#include "message/address.h"
#include "message/spelling.h"

static void domain_becomes(const char *domain, const char *expected)
{
	char ascii[DOMAIN_TEXT_MAX];

	cr_assert(domain_to_ascii(slice_string(domain), ascii), "%s", domain);
	cr_expect_str_eq(ascii, expected);
}

Test(spelling, a_domain_has_one_spelling)
{
	domain_becomes("Example.ORG", "example.org");
	domain_becomes("b\303\274cher.example", "xn--bcher-kva.example");
	domain_becomes("B\303\234CHER.Example", "xn--bcher-kva.example");
	/* Composed and decomposed. */
	domain_becomes("bu\314\210cher.example", "xn--bcher-kva.example");
	domain_becomes("XN--BCHER-KVA.example", "xn--bcher-kva.example");
	/* IDNA2008, not 2003: sharp s is a letter of its own. */
	domain_becomes("stra\303\237e.example", "xn--strae-oqa.example");
	domain_becomes("\320\277\320\276\321\207\321\202\320\260.\321\200\321\204", "xn--80a1acny.xn--p1ai");
	/* An ideographic full stop separates labels too. */
	domain_becomes("b\303\274cher\343\200\202example", "xn--bcher-kva.example");
}

Test(spelling, what_has_no_a_label_is_no_domain)
{
	static const char *const bad[] = {"", "a..b", "-a.example", "a b.example", "\303.example",
	    "\303\274-.example", "\342\230\203\302\200.example",
	    /* a slash that UTS 46 would make of a letter-like sign */
	    "\342\204\200.example", "\342\200\256abc.example", "\314\201a.example"};
	char ascii[DOMAIN_TEXT_MAX];

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		cr_expect_not(domain_to_ascii(slice_string(bad[i]), ascii), "%zu", i);
}

Test(spelling, a_label_is_measured_as_an_a_label)
{
	char ascii[DOMAIN_TEXT_MAX], name[256];
	size_t len = 0;

	for (int i = 0; i < 60; i++)
		len += (size_t)sprintf(name + len, "\303\274");
	strcpy(name + len, ".example");
	cr_expect_not(domain_to_ascii(slice_string(name), ascii), "60 letters make more than 63 octets");
}

static void address_becomes(const char *text, const char *expected)
{
	struct buf out = buf_with_limit(1024);
	struct address address;

	cr_assert(address_parse(slice_string(text), ADDRESS_STRICT, &address), "%s", text);
	cr_assert(address_write_house(&address, &out), "%s", text);
	cr_expect(slice_equal(buf_slice(&out), slice_string(expected)), "%.*s", (int)out.len, out.data);
	buf_free(&out);
}

Test(spelling, inside_the_house_the_domain_is_ascii_and_the_local_part_as_written)
{
	address_becomes("Bob@B\303\274cher.Example", "Bob@xn--bcher-kva.example");
	address_becomes("J\303\226RG@b\303\274cher.example", "J\303\226RG@xn--bcher-kva.example");
	address_becomes("\"j\303\266 rg\"@b\303\274cher.example", "\"j\303\266 rg\"@xn--bcher-kva.example");
	address_becomes("a@[192.0.2.1]", "a@[192.0.2.1]");
}

static void folds_to(const char *text, const char *expected)
{
	struct buf out = buf_with_limit(1024);

	cr_assert(address_fold(slice_string(text), &out));
	cr_expect(slice_equal(buf_slice(&out), slice_string(expected)), "%.*s", (int)out.len, out.data);
	buf_free(&out);
}

Test(spelling, where_an_address_is_looked_up_case_and_composition_do_not_count)
{
	folds_to("Bob@Example.ORG", "bob@example.org");
	folds_to("J\303\226RG@B\303\234CHER.example", "j\303\266rg@xn--bcher-kva.example");
	folds_to("jo\314\210rg@example.org", "j\303\266rg@example.org");
	folds_to("\320\220\320\235\320\235\320\220", "\320\260\320\275\320\275\320\260");
	/* Not the same letter, and not the same name. */
	folds_to("stra\303\237e@example.org", "stra\303\237e@example.org");
	folds_to("@b\303\274cher.example", "@xn--bcher-kva.example");
	folds_to("a@b\303\274cher..example", "a@b\303\274cher..example");
	folds_to("\"\303\234@\303\234\"", "\"\303\274@\303\274\"");
	folds_to("\"\303\234@\303\234\"@\303\234.example", "\"\303\274@\303\274\"@xn--tda.example");
	folds_to("\377A@example.org", "\377a@example.org");
}

static void pattern_becomes(const char *text, const char *expected)
{
	struct buf out = buf_with_limit(1024);

	cr_expect_eq(address_pattern_fold(slice_string(text), &out), expected != NULL, "%s", text);
	if (expected != NULL)
		cr_expect(slice_equal(buf_slice(&out), slice_string(expected)), "%.*s", (int)out.len, out.data);
	buf_free(&out);
}

Test(spelling, a_pattern_is_spelled_like_what_it_is_to_match)
{
	pattern_becomes("*@Example.org", "*@example.org");
	pattern_becomes("J\303\226*@example.org", "j\303\266*@example.org");
	pattern_becomes("*@B\303\274cher.example", "*@xn--bcher-kva.example");
	pattern_becomes("*@*.b\303\274cher.example", "*@*.xn--bcher-kva.example");
	pattern_becomes("*@*", "*@*");
	pattern_becomes("*@*\303\274.example", NULL);
	pattern_becomes("*@b\303\274*.example", NULL);
	pattern_becomes("*@\303\274..example", NULL);
}

Test(spelling, folding_twice_is_folding_once)
{
	static const char *const names[] = {"\304\260stanbul", "\316\243\316\221\316\243", "\307\205",
	    "\341\272\236", "\342\204\252"};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		struct buf once = buf_with_limit(64), twice = buf_with_limit(64);

		cr_assert(local_part_fold(slice_string(names[i]), &once));
		cr_assert(local_part_fold(buf_slice(&once), &twice));
		cr_expect(slice_equal(buf_slice(&once), buf_slice(&twice)), "%s", names[i]);
		buf_free(&once);
		buf_free(&twice);
	}
}
