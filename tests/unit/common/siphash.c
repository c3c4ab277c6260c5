/* What siphash.h promises. */
#include <criterion/criterion.h>

#include "common/siphash.h"

Test(siphash, agrees_with_the_published_vectors)
{
	struct siphash_key key = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
	char input[15];

	for (size_t i = 0; i < sizeof input; i++)
		input[i] = (char)i;
	cr_assert_eq(siphash(key, SLICE("")), 0x726fdb47dd0e0e31);
	cr_assert_eq(siphash(key, slice_of(input, 8)), 0x93f5f5799a932462);
	cr_assert_eq(siphash(key, slice_of(input, 15)), 0xa129ca6149be45e5);
}

Test(siphash, another_key_gives_another_hash)
{
	cr_assert_neq(siphash(siphash_key_random(), SLICE("alice@example.org")),
	    siphash(siphash_key_random(), SLICE("alice@example.org")));
}
