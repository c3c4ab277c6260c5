/*
 * Answers of the DNS: whatever the records hold, names that come out can be
 * asked for, and counts keep to their limits.  The input is cut into records, a
 * length before each.
 */
#include <sys/socket.h>

#include "resolver/answer.h"
#include "tests/fuzz/fuzz.h"

static uint32_t middle_below(uint32_t bound)
{
	return bound / 2;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct resolver_hosts hosts;
	struct dns_answer answer = {.status = RESOLVER_OK};
	struct cursor c = cursor_over(slice_of(data, size));
	struct address_list v4, v6;
	char name[RESOLVER_NAME_MAX + 1], text[64];

	while (!cursor_done(&c) && answer.count < DNS_RECORDS_MAX) {
		size_t len = (size_t)cursor_next(&c);
		struct slice record = slice_part(cursor_rest(&c), 0, len);

		cursor_skip(&c, len);
		answer.records[answer.count++] = record;
		if (dns_name_text(record, name))
			REQUIRE(name[0] == '\0' || dns_name_is_valid(slice_string(name)));
		len = dns_text(record, text, sizeof text);
		REQUIRE(len <= sizeof text && len <= record.len);
		for (size_t i = 0; i < len; i++)
			REQUIRE(text[i] >= ' ' && text[i] <= '~');
	}
	answer_take_mx(&answer, middle_below, &hosts);
	REQUIRE(hosts.count <= RESOLVER_HOSTS_MAX);
	for (unsigned i = 0; i < hosts.count; i++) {
		REQUIRE(dns_name_is_valid(slice_string(hosts.hosts[i].name)));
		REQUIRE(i == 0 || hosts.hosts[i - 1].preference <= hosts.hosts[i].preference);
	}
	answer_take_addresses(&answer, AF_INET, middle_below, &v4);
	answer_take_addresses(&answer, AF_INET6, middle_below, &v6);
	host_take_addresses(&hosts.hosts[0], &v4, &v6);
	REQUIRE(hosts.hosts[0].address_count <= RESOLVER_ADDRESSES_MAX);
	return 0;
}
