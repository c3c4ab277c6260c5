/* What entry.h promises. */
#include <criterion/criterion.h>

#include "table/entry.h"

static void expect_good(const struct table_schema *schema, const char *key, const char *value)
{
	struct buf why = buf_with_limit(1024);

	cr_assert(schema->valid(slice_string(key), slice_string(value), &why), "%s %s: %.*s", key,
	    value, SLICE_PRINTF(buf_slice(&why)));
	buf_free(&why);
}

static void expect_refused(
    const struct table_schema *schema, const char *key, const char *value, const char *message)
{
	struct buf why = buf_with_limit(1024);

	cr_assert_not(
	    schema->valid(slice_string(key), slice_string(value), &why), "%s %s", key, value);
	cr_assert(slice_equal(buf_slice(&why), slice_string(message)), "%.*s",
	    SLICE_PRINTF(buf_slice(&why)));
	buf_free(&why);
}

Test(accounts, are_addresses_with_options)
{
	struct account_options options;

	expect_good(&table_schema_accounts, "alice@example.org", "");
	expect_good(&table_schema_accounts, "alice@example.org", "quota=1G");
	expect_refused(
	    &table_schema_accounts, "alice", "", "\"alice\": not an address (user@domain)");
	expect_refused(&table_schema_accounts, "alice@example.org", "quoat=1G",
	    "\"quoat=1G\": unknown account option (there is quota=SIZE)");
	expect_refused(&table_schema_accounts, "alice@example.org", "quota=much",
	    "\"quota=much\": not a size (such as 500M or 2G)");
	expect_refused(&table_schema_accounts, "alice@example.org", "quota=9999999999999999T",
	    "\"quota=9999999999999999T\": not a size (such as 500M or 2G)");
	cr_assert(account_options_parse(SLICE("quota=1G"), &options, NULL));
	cr_assert_eq(options.quota_octets, 1 << 30);
	cr_assert(account_options_parse(SLICE(" quota=500m "), &options, NULL));
	cr_assert_eq(options.quota_octets, 500 << 20);
}

Test(accounts, an_address_must_be_written_as_it_is_looked_up)
{
	expect_refused(&table_schema_accounts, "\"alice\"@example.org", "",
	    "\"\"alice\"@example.org\": write this address as \"alice@example.org\"");
	expect_good(&table_schema_accounts, "\"alice b\"@example.org", "");
}

static void expect_path(const char *account, const char *expected)
{
	char path[MAILBOX_PATH_MAX];

	cr_assert(account_mailbox_path(slice_string(account), path), "%s", account);
	cr_assert_str_eq(path, expected);
}

Test(mailbox_path, is_domain_and_name_in_lower_case)
{
	expect_path("alice@example.org", "example.org/alice");
	expect_path("Alice.B-c_d+e=f~1@Example.ORG", "example.org/alice.b-c_d+e=f~1");
}

Test(mailbox_path, never_leaves_its_directory)
{
	expect_path("..@example.org", "example.org/%2e.");
	expect_path(".ssh@example.org", "example.org/%2essh");
	expect_path("\"../../etc/passwd\"@example.org", "example.org/%2e.%2f..%2fetc%2fpasswd");
	expect_path("a/b@example.org", "example.org/a%2fb");
	expect_path("a@[192.0.2.1]", "%5b192.0.2.1%5d/a");
	expect_path("a@[IPv6:::1]", "%5bipv6%3a%3a%3a1%5d/a");
}

Test(mailbox_path, two_accounts_never_share_one)
{
	expect_path("a%2fb@example.org", "example.org/a%252fb");
	expect_path("\"a b\"@example.org", "example.org/a%20b");
	expect_path("\"a\\\"b\"@example.org", "example.org/a%22b");
	expect_path("j\xc3\xbcrgen@example.org", "example.org/j%c3%bcrgen");
}

Test(mailbox_path, is_refused_where_there_is_none)
{
	char path[MAILBOX_PATH_MAX];
	char name[512];

	cr_assert_not(account_mailbox_path(SLICE("alice"), path));
	cr_assert_not(account_mailbox_path(SLICE(""), path));
	cr_assert_not(account_mailbox_path(SLICE("@example.org"), path));
	memset(name, 'a', 300);
	memcpy(name + 300, "@example.org", 13);
	cr_assert_not(account_mailbox_path(slice_string(name), path));
}

Test(aliases, name_addresses)
{
	expect_good(&table_schema_aliases, "postmaster", "alice@example.org");
	expect_good(&table_schema_aliases, "sales@example.org",
	    "alice, bob@example.org,, \"c, d\"@elsewhere.test,");
	expect_good(&table_schema_aliases, "@example.org", "alice@example.org");
	expect_refused(&table_schema_aliases, "a", " , ", "\"a\": the alias names nobody");
	expect_refused(&table_schema_aliases, "a", "b c", "\"b c\": not an address");
	expect_refused(&table_schema_aliases, "@", "b", "\"\": not a domain name");
}

Test(aliases, pipes_files_and_lists_are_refused_in_words)
{
	expect_refused(&table_schema_aliases, "a", "b, \"|/bin/cat, x\"",
	    "\"\"|/bin/cat, x\"\": an alias cannot run a command; it may name addresses only");
	expect_refused(&table_schema_aliases, "a", "/var/mail/a",
	    "\"/var/mail/a\": an alias cannot append to a file; it may name addresses only");
	expect_refused(&table_schema_aliases, "a", ":include:/etc/list",
	    "\":include:/etc/list\": an alias cannot include a list; it may name addresses only");
}

Test(routes, lead_to_a_host_or_to_the_mx_of_a_domain)
{
	struct route route;

	cr_assert(route_parse(SLICE("smtp:[10.0.0.1]:2525"), &route, NULL));
	cr_assert_eq(route.kind, ROUTE_HOST);
	cr_assert(route.is_address);
	cr_assert(slice_equal(route.host, SLICE("10.0.0.1")));
	cr_assert_eq(route.port, 2525);

	cr_assert(route_parse(SLICE("smtp:[IPv6:2001:db8::1]"), &route, NULL));
	cr_assert(slice_equal(route.host, SLICE("2001:db8::1")));
	cr_assert_eq(route.port, 0);

	cr_assert(route_parse(SLICE("mx:other.test"), &route, NULL));
	cr_assert_eq(route.kind, ROUTE_MX);
	cr_assert(slice_equal(route.host, SLICE("other.test")));

	cr_assert(route_parse_host(SLICE("relay.example.net:587"), &route, NULL));
	cr_assert_eq(route.port, 587);
	cr_assert_not(route.is_address);
}

Test(routes, anything_else_is_refused)
{
	expect_good(&table_schema_routes, ".example.net", "mx:other.test");
	expect_good(&table_schema_routes, "*", "smtp:relay.test");
	expect_refused(&table_schema_routes, "example.net", "uucp:x",
	    "\"uucp:x\": not a route (smtp:host, smtp:host:port, smtp:[address]:port or "
	    "mx:domain)");
	expect_refused(
	    &table_schema_routes, "example.net", "smtp:a b", "\"a b\": not a domain name");
	expect_refused(
	    &table_schema_routes, "example.net", "smtp:relay.test:0", "\"0\": not a port number");
	expect_refused(&table_schema_routes, "example.net", "smtp:relay.test:65536",
	    "\"65536\": not a port number");
	expect_refused(&table_schema_routes, "example.net", "smtp:[::1]25",
	    "\"[::1]25\": nothing but a port may follow the host");
	expect_refused(
	    &table_schema_routes, "exa mple", "mx:a.test", "\"exa mple\": not a domain name");
}

Test(senders, may_be_addresses_domains_or_all)
{
	expect_good(
	    &table_schema_senders, "alice@example.org", "press@example.org, @example.net, *");
	expect_refused(&table_schema_senders, "alice@example.org", "press",
	    "\"press\": not an address (user@domain)");
	expect_refused(
	    &table_schema_senders, "alice@example.org", "@a b", "\"a b\": not a domain name");
}
