/* What oauth/cache.h promises. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "oauth/cache.h"

static struct cache *cache;

static void setup(void)
{
	cache = cache_new();
	cr_assert_not_null(cache);
}

static void teardown(void)
{
	cache_free(cache);
}

TestSuite(oauth_cache, .init = setup, .fini = teardown);

static struct cache_key key(const char *token)
{
	struct cache_key key;

	cr_assert(cache_key(cache, slice_string(token), &key));
	return key;
}

Test(oauth_cache, what_was_found_good_is_known_until_it_expires)
{
	struct cache_key one = key("one"), other = key("other");

	cr_assert_null(cache_find(cache, &one, 1));
	cache_remember(cache, &one, "alice", 1, 100);
	cr_assert_str_eq(cache_find(cache, &one, 99), "alice");
	cr_assert_null(cache_find(cache, &one, 100));
	cr_assert_null(cache_find(cache, &other, 1));
	cache_remember(cache, &other, "bob", 100, 100);
	cr_assert_null(cache_find(cache, &other, 100), "it was over when it came");
	cache_clear(cache);
	cr_assert_null(cache_find(cache, &one, 1));
}

Test(oauth_cache, where_it_is_full_the_oldest_give_way)
{
	struct cache_key k;
	char token[32];
	unsigned known = 0;

	for (unsigned i = 0; i < 2 * CACHE_ENTRIES; i++) {
		snprintf(token, sizeof token, "%u", i);
		k = key(token);
		cache_remember(cache, &k, token, 0, 1000 + i);
	}
	for (unsigned i = 0; i < 2 * CACHE_ENTRIES; i++) {
		snprintf(token, sizeof token, "%u", i);
		k = key(token);
		if (cache_find(cache, &k, 0) != NULL) {
			cr_assert_str_eq(cache_find(cache, &k, 0), token);
			known++;
		}
	}
	cr_assert(known > CACHE_ENTRIES / 2 && known <= CACHE_ENTRIES);
	cr_assert_not_null(cache_find(cache, &k, 0), "the last");
}
