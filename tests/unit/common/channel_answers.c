/* What channel_lookup.h and channel_resolver.h promise of their encodings. */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <sys/socket.h>

#include "common/channel_lookup.h"
#include "common/channel_resolver.h"

Test(channel_lookup, a_verdict_is_read_back_as_it_was_written)
{
	struct lookup_verdict verdict = {LOOKUP_REFUSED, 550, "5.1.1", "No such user here"}, read;
	struct buf b = buf_with_limit(4096);
	struct writer w = {&b};
	struct reader r;

	lookup_verdict_write(&w, &verdict);
	r = reader_over(buf_slice(&b));
	cr_assert(lookup_verdict_read(&r, &read));
	cr_assert_eq(read.answer, LOOKUP_REFUSED);
	cr_assert_eq(read.code, 550);
	cr_assert_str_eq(read.status, "5.1.1");
	cr_assert_str_eq(read.text, "No such user here");
	b.data[0] = LOOKUP_ANSWER_COUNT;
	r = reader_over(buf_slice(&b));
	cr_assert_not(lookup_verdict_read(&r, &read));
	buf_free(&b);
}

static struct lookup_delivery deliveries[] = {
    {LOOKUP_MAILBOX, {"alice@example.org", 17}, {"example.org/alice", 17}, false, {"", 0},      {"", 0}  },
    {LOOKUP_REMOTE,  {"bob@example.net", 15},   {"mx:example.net", 14},    false, {"", 0},      {"", 0}  },
    {LOOKUP_ERROR,   {"carol@example.org", 17}, {"", 0},                   true,  {"4.3.0", 5}, {"no", 2}},
};

Test(channel_lookup, an_expansion_is_read_back_and_every_truncation_fails)
{
	struct lookup_expansion expansion = {3, deliveries}, read;
	struct buf b = buf_with_limit(4096);
	struct writer w = {&b};
	struct reader r;

	lookup_expansion_write(&w, &expansion);
	r = reader_over(buf_slice(&b));
	cr_assert(lookup_expansion_read(&r, &read));
	cr_assert_eq(read.count, 3);
	cr_assert(slice_equal(read.deliveries[1].place, deliveries[1].place));
	cr_assert(slice_equal(read.deliveries[2].status, deliveries[2].status));
	cr_assert(read.deliveries[2].temporary);
	lookup_expansion_free(&read);
	for (size_t len = 0; len < b.len; len++) {
		r = reader_over(slice_of(b.data, len));
		cr_assert_not(lookup_expansion_read(&r, &read));
		cr_assert_null(read.deliveries);
	}
	buf_free(&b);
}

Test(channel_lookup, an_expansion_to_nothing_or_to_too_much_is_malformed)
{
	struct lookup_expansion read;
	struct reader r = reader_over(SLICE("\0\0\0\0"));

	cr_assert_not(lookup_expansion_read(&r, &read));
	r = reader_over(SLICE("\xff\xff\xff\xff"));
	cr_assert_not(lookup_expansion_read(&r, &read));
}

Test(channel_resolver, hosts_are_read_back_and_every_truncation_fails)
{
	static struct resolver_hosts hosts, read;
	struct buf b = buf_with_limit(65536);
	struct writer w = {&b};
	struct reader r;

	hosts = (struct resolver_hosts){.status = RESOLVER_OK, .secure = true, .count = 2};
	hosts.hosts[0] =
	    (struct resolver_host){.name = "mx.example.org", .preference = 10, .address_count = 2};
	hosts.hosts[0].addresses[0] = (struct resolver_address){
	    AF_INET, {192, 0, 2, 1}
        };
	hosts.hosts[0].addresses[1] = (struct resolver_address){
	    AF_INET6, {0x20, 1}
        };
	hosts.hosts[1] = (struct resolver_host){
	    .name = "mx2.example.org", .preference = 20, .status = RESOLVER_TEMPORARY};
	resolver_hosts_write(&w, &hosts);
	r = reader_over(buf_slice(&b));
	cr_assert(resolver_hosts_read(&r, &read));
	cr_assert_eq(read.count, 2);
	cr_assert(read.secure);
	cr_assert_str_eq(read.hosts[0].name, "mx.example.org");
	cr_assert_eq(read.hosts[0].address_count, 2);
	cr_assert_arr_eq(read.hosts[0].addresses[1].octets, hosts.hosts[0].addresses[1].octets, 16);
	cr_assert_eq(read.hosts[1].status, RESOLVER_TEMPORARY);
	for (size_t len = 0; len < b.len; len++) {
		r = reader_over(slice_of(b.data, len));
		cr_assert_not(resolver_hosts_read(&r, &read));
	}
	buf_free(&b);
}

Test(channel_resolver, more_hosts_or_addresses_than_there_is_room_for_are_malformed)
{
	static struct resolver_hosts read;
	struct resolver_address address;
	struct reader r = reader_over(SLICE("\0\0\0\x21"));

	cr_assert_not(resolver_hosts_read(&r, &read));
	r = reader_over(SLICE("\0\0\0\x01\0\0\0\0\0\0\0\x11"));
	cr_assert_not(resolver_hosts_read(&r, &read));
	r = reader_over(SLICE("\x02\x05\0\0\0abcde"));
	cr_assert_not(resolver_address_read(&r, &address));
	r = reader_over(SLICE("\x07\x04\0\0\0abcd"));
	cr_assert_not(resolver_address_read(&r, &address));
}
