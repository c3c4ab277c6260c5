/* What cache.h promises. */
#include <criterion/criterion.h>

#include "auth/cache.h"

Test(auth_cache, only_the_same_account_and_password_are_known)
{
	struct cache *cache = cache_new();
	struct cache_proof proof, other;

	cr_assert(cache_prove(cache, SLICE("a@b"), SLICE("pencil"), &proof));
	cr_assert_not(cache_knows(cache, &proof, 1));
	cache_remember(cache, &proof, 1, 100);
	cr_assert(cache_knows(cache, &proof, 2));
	cache_prove(cache, SLICE("a@b"), SLICE("pencil"), &other);
	cr_assert(cache_knows(cache, &other, 2));
	cache_prove(cache, SLICE("a@b"), SLICE("pencil2"), &other);
	cr_assert_not(cache_knows(cache, &other, 2));
	cache_prove(cache, SLICE("a@bp"), SLICE("encil"), &other);
	cr_assert_not(cache_knows(cache, &other, 2));
	cache_free(cache);
}

Test(auth_cache, a_password_is_forgotten_in_time_and_by_order)
{
	struct cache *cache = cache_new();
	struct cache_proof proof;

	cache_prove(cache, SLICE("a@b"), SLICE("pencil"), &proof);
	cache_remember(cache, &proof, 1, 100);
	cr_assert(cache_knows(cache, &proof, 99));
	cr_assert_not(cache_knows(cache, &proof, 100));
	cache_remember(cache, &proof, 100, 200);
	cr_assert(cache_knows(cache, &proof, 150));
	cache_clear(cache);
	cr_assert_not(cache_knows(cache, &proof, 150));
	/* A lifetime of nothing remembers nothing. */
	cache_remember(cache, &proof, 100, 100);
	cr_assert_not(cache_knows(cache, &proof, 100));
	cache_free(cache);
}

Test(auth_cache, more_than_it_holds_is_held_in_part)
{
	struct cache *cache = cache_new();
	struct cache_proof proof;
	char name[32];
	int known = 0;

	for (int i = 0; i < 2 * CACHE_ENTRIES; i++) {
		snprintf(name, sizeof name, "user%d@b", i);
		cache_prove(cache, slice_string(name), SLICE("x"), &proof);
		cache_remember(cache, &proof, 1, 1000 + (uint64_t)i);
	}
	/* The last is there in any case. */
	cr_assert(cache_knows(cache, &proof, 2));
	for (int i = 0; i < 2 * CACHE_ENTRIES; i++) {
		snprintf(name, sizeof name, "user%d@b", i);
		cache_prove(cache, slice_string(name), SLICE("x"), &proof);
		known += cache_knows(cache, &proof, 2);
	}
	cr_assert(known > CACHE_ENTRIES / 2 && known <= CACHE_ENTRIES);
	cache_free(cache);
}

Test(auth_cache, each_process_proves_differently)
{
	struct cache *one = cache_new(), *other = cache_new();
	struct cache_proof a, b;

	cache_prove(one, SLICE("a@b"), SLICE("pencil"), &a);
	cache_prove(other, SLICE("a@b"), SLICE("pencil"), &b);
	cr_assert_arr_neq(a.octets, b.octets, CACHE_PROOF);
	cache_free(one);
	cache_free(other);
}
