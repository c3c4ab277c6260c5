/* What expand.h and resolve.h promise. */
#include "tests/unit/lookup/world.h"

#include "common/channel_control.h"
#include "lookup/expand.h"

static struct world world;

static void set_up(void)
{
	world = world_new();
	test_directory_write(&world.files, "accounts",
	    "alice@example.org quota=1G\nbob@example.org\ncarol@example.com\n\"\\\"d "
	    "e\\\"@example.org\"\n");
}

static void tear_down(void)
{
	world_end(&world);
}

TestSuite(expand, .init = set_up, .fini = tear_down);

/* The deliveries, each as "mailbox account path", "remote address site" or "error address status", separated by "; ". */
static void expect(const char *address, const char *expected)
{
	static const char *const kinds[] = {"mailbox", "remote", "error"};
	struct buf found = buf_with_limit(1 << 20);
	struct expansion e;

	expand(&world.directory, slice_string(address), &e);
	for (uint32_t i = 0; i < e.result.count; i++) {
		const struct lookup_delivery *d = &e.result.deliveries[i];

		buf_printf(&found, "%s%s %.*s %.*s%s", i == 0 ? "" : "; ", kinds[d->kind],
		    SLICE_PRINTF(d->address),
		    SLICE_PRINTF(d->kind == LOOKUP_ERROR ? d->status : d->place),
		    d->temporary ? " temporary" : "");
	}
	cr_assert(slice_equal(buf_slice(&found), slice_string(expected)), "%s: %.*s", address,
	    SLICE_PRINTF(buf_slice(&found)));
	buf_free(&found);
	expansion_free(&e);
}

static void aliases(const char *text)
{
	test_directory_write(&world.files, "aliases", text);
	world_begin(&world);
}

Test(expand, an_account_is_its_mailbox)
{
	world_begin(&world);
	expect("alice@example.org", "mailbox alice@example.org example.org/alice");
	expect("ALICE@Example.Org", "mailbox alice@example.org example.org/alice");
	expect("\"d e\"@example.org", "mailbox \"d e\"@example.org example.org/d%20e");
	expect("nobody@example.org", "error nobody@example.org 5.1.1");
	expect("carol@example.org", "error carol@example.org 5.1.1");
}

Test(expand, an_address_without_a_domain_belongs_to_the_first_one)
{
	world_begin(&world);
	expect("alice", "mailbox alice@example.org example.org/alice");
}

Test(expand, an_extension_leads_to_the_user)
{
	aliases("bob+lists@example.org: carol@example.com\nsales: alice\n");
	expect("alice+anything@example.org", "mailbox alice@example.org example.org/alice");
	expect("bob+lists@example.org", "mailbox carol@example.com example.com/carol");
	expect("bob+other@example.org", "mailbox bob@example.org example.org/bob");
	expect("sales+x@example.org", "mailbox alice@example.org example.org/alice");
	expect("+alice@example.org", "error +alice@example.org 5.1.1");
}

Test(expand, without_a_delimiter_there_are_no_extensions)
{
	world.settings.recipient_delimiter = NULL;
	world_begin(&world);
	expect("alice+x@example.org", "error alice+x@example.org 5.1.1");
}

Test(expand, a_name_without_a_domain_holds_in_every_local_domain)
{
	aliases("sales: alice@example.org\ninfo: bob\n");
	expect("sales@example.org", "mailbox alice@example.org example.org/alice");
	expect("Sales@example.com", "mailbox alice@example.org example.org/alice");
	expect("info@example.org", "mailbox bob@example.org example.org/bob");
	expect("info@example.com", "error bob@example.com 5.1.1");
	expect("sales@elsewhere.test", "remote sales@elsewhere.test mx:elsewhere.test");
}

Test(expand, a_whole_address_goes_before_a_bare_name)
{
	aliases("sales: alice@example.org\nsales@example.com: carol@example.com\n");
	expect("sales@example.org", "mailbox alice@example.org example.org/alice");
	expect("sales@example.com", "mailbox carol@example.com example.com/carol");
}

Test(expand, an_alias_reaches_all_its_members_nested_ones_too)
{
	aliases("sales@example.org: alice, team@example.org,\n  outside@elsewhere.test\n"
		"team: bob, carol@example.com, alice\n");
	expect("sales@example.org",
	    "mailbox alice@example.org example.org/alice; "
	    "remote outside@elsewhere.test mx:elsewhere.test; "
	    "mailbox bob@example.org example.org/bob; mailbox carol@example.com example.com/carol");
}

Test(expand, a_member_that_does_not_exist_is_an_error_beside_the_others)
{
	aliases("sales@example.org: alice, gone\n");
	expect(
	    "sales@example.org", "mailbox alice@example.org example.org/alice; error gone@example.org 5.1.1");
}

Test(expand, an_alias_that_contains_itself_stands_for_the_account)
{
	aliases("alice: alice, bob\n");
	expect("alice@example.org",
	    "mailbox alice@example.org example.org/alice; mailbox bob@example.org example.org/bob");
	expect("alice+tag@example.org",
	    "mailbox bob@example.org example.org/bob; mailbox alice@example.org example.org/alice");
}

Test(expand, a_circle_ends)
{
	aliases("a: b\nb: c\nc: a\nx: y, alice\ny: x\n");
	expect("a@example.org", "error a@example.org 5.4.6");
	expect("x@example.org", "mailbox alice@example.org example.org/alice");
}

Test(expand, an_alias_is_not_passed_over_because_it_was_named_before)
{
	/* alice forwards and keeps nothing; that she is named twice must not bring mail to her mailbox. */
	aliases("alice: bob\nlist: alice, sub\nsub: alice\n");
	expect("list@example.org", "mailbox bob@example.org example.org/bob");
}

Test(expand, depth_has_a_limit)
{
	world.settings.queue.aliases_depth = 3;
	aliases("a: b\nb: c\nc: alice\nz: a\n");
	expect("a@example.org", "mailbox alice@example.org example.org/alice");
	expect("z@example.org", "error z@example.org 5.2.4");
}

Test(expand, the_number_of_deliveries_has_a_limit)
{
	world.settings.queue.aliases_fanout = 3;
	aliases("a: a1@x.test, a2@x.test, a3@x.test\nb: a, a4@x.test\n");
	expect("a@example.org",
	    "remote a1@x.test mx:x.test; remote a2@x.test mx:x.test; remote a3@x.test mx:x.test");
	expect("b@example.org", "error b@example.org 5.2.4");
}

Test(expand, aliases_that_multiply_are_opened_once_each, .timeout = 10)
{
	struct buf text = buf_with_limit(1 << 20);

	/* 2^60 ways lead to alice. */
	for (int i = 0; i < 60; i++)
		buf_printf(&text, "l%d: l%d, m%d\nm%d: l%d\n", i, i + 1, i, i, i + 1);
	buf_printf(&text, "l60: alice\n");
	buf_append_octet(&text, '\0');
	world.settings.queue.aliases_depth = 100;
	aliases(text.data);
	expect("l0@example.org", "mailbox alice@example.org example.org/alice");
	buf_free(&text);
}

Test(expand, a_catch_all_takes_what_nobody_else_does)
{
	aliases("@example.org: alice@example.org\n");
	expect("whoever@example.org", "mailbox alice@example.org example.org/alice");
	expect("bob@example.org", "mailbox bob@example.org example.org/bob");
	expect("whoever@example.com", "error whoever@example.com 5.1.1");
}

Test(expand, there_is_always_a_postmaster)
{
	world_begin(&world);
	expect("postmaster", "mailbox alice@example.org example.org/alice");
	expect("Postmaster@example.com", "mailbox alice@example.org example.org/alice");
	expect("postmaster@mail.example.org", "mailbox alice@example.org example.org/alice");
}

Test(expand, the_postmaster_is_an_alias_an_account_or_the_setting_in_this_order)
{
	char setting[] = "bob@example.org";

	world.settings.postmaster = setting;
	test_directory_write(&world.files, "accounts",
	    "alice@example.org\nbob@example.org\npostmaster@example.com\n");
	aliases("postmaster@example.org: alice@example.org\n");
	expect("postmaster@example.org", "mailbox alice@example.org example.org/alice");
	expect("postmaster@example.com", "mailbox postmaster@example.com example.com/postmaster");
	expect("postmaster@mail.example.org", "mailbox bob@example.org example.org/bob");
}

Test(expand, a_domain_may_stand_in_a_table)
{
	test_directory_write(&world.files, "domains", "table.example\n");
	aliases("sales: alice@example.org\n");
	expect("sales@Table.Example", "mailbox alice@example.org example.org/alice");
	expect("x@table.example", "error x@table.example 5.1.1");
}

Test(expand, an_international_domain_is_known_by_its_a_labels)
{
	aliases("sales@xn--bcher-kva.example: alice@example.org\n");
	expect("a@b\xc3\xbc"
	       "cher.test",
	    "remote a@xn--bcher-kva.test mx:xn--bcher-kva.test");
	expect("J\xc3\x96rg@b\xc3\xbc"
	       "cher.test",
	    "remote J\xc3\x96rg@xn--bcher-kva.test mx:xn--bcher-kva.test");
	test_directory_write(&world.files, "domains", "xn--bcher-kva.example\n");
	directory_refresh(&world.directory, false);
	expect("sales@B\xc3\xbc"
	       "cher.example",
	    "mailbox alice@example.org example.org/alice");
}

Test(expand, a_name_that_is_not_ascii_is_found_however_it_is_spelled)
{
	test_directory_write(&world.files, "accounts", "J\xc3\x96RG@example.org\n");
	aliases("b\xc3\xbcro: jo\xcc\x88rg\n@B\xc3\x9c"
		"CHER.example: j\xc3\xb6rg@example.org\n");
	test_directory_write(&world.files, "domains", "b\xc3\xbc"
						      "cher.example\n");
	directory_refresh(&world.directory, false);
	expect("j\xc3\xb6rg@example.org", "mailbox j\xc3\xb6rg@example.org example.org/j%c3%b6rg");
	expect("JO\xcc\x88RG+tag@example.org", "mailbox j\xc3\xb6rg@example.org example.org/j%c3%b6rg");
	expect("B\xc3\x9cRO@example.org", "mailbox j\xc3\xb6rg@example.org example.org/j%c3%b6rg");
	expect("x@xn--bcher-kva.example", "mailbox j\xc3\xb6rg@example.org example.org/j%c3%b6rg");
	expect("jorg@example.org", "error jorg@example.org 5.1.1");
}

Test(expand, an_address_of_this_host_is_its_first_domain)
{
	static char here[] = "192.0.2.7:25", six[] = "[2001:db8::7]:25", any[] = "*:587";
	static char *words[] = {here, six, any};

	world.settings.listen[SERVICE_MX] = (struct conf_list){3, words};
	world_begin(&world);
	expect("alice@[192.0.2.7]", "mailbox alice@example.org example.org/alice");
	expect("alice+x@[IPv6:2001:DB8:0::7]", "mailbox alice@example.org example.org/alice");
	expect("alice@[127.0.0.1]", "mailbox alice@example.org example.org/alice");
	expect("alice@[IPv6:::1]", "mailbox alice@example.org example.org/alice");
	expect("alice@[IPv6:::ffff:192.0.2.7]", "mailbox alice@example.org example.org/alice");
	expect("alice@[0.0.0.0]", "mailbox alice@example.org example.org/alice");
	expect("nobody@[192.0.2.7]", "error nobody@example.org 5.1.1");
	expect("alice@[192.0.2.8]", "remote alice@[192.0.2.8] host:[192.0.2.8]:25");
}

Test(expand, other_hosts_are_reached_by_mx_or_by_route)
{
	test_directory_write(&world.files, "routes",
	    "example.net smtp:[10.0.0.1]:2525\n"
	    ".example.net smtp:inner.example.net\n"
	    "six.test smtp:[2001:db8::1]\n"
	    "moved.test mx:other.test\n");
	world_begin(&world);
	expect("x@example.net", "remote x@example.net host:[10.0.0.1]:2525");
	expect("x@a.b.example.net", "remote x@a.b.example.net host:inner.example.net:25");
	expect("x@six.test", "remote x@six.test host:[IPv6:2001:db8::1]:25");
	expect("x@moved.test", "remote x@moved.test mx:other.test");
	expect("x@elsewhere.test", "remote x@elsewhere.test mx:elsewhere.test");
	expect("x@[192.0.2.7]", "remote x@[192.0.2.7] host:[192.0.2.7]:25");
	expect("x@[IPv6:2001:db8::7]", "remote x@[IPv6:2001:db8::7] host:[IPv6:2001:db8::7]:25");
}

Test(expand, a_smarthost_takes_all_that_no_route_speaks_of)
{
	char relay[] = "smart.example.net:587";

	world.settings.relay = relay;
	test_directory_write(&world.files, "routes", "example.net mx:example.net\n");
	world_begin(&world);
	expect("x@elsewhere.test", "remote x@elsewhere.test host:smart.example.net:587");
	expect("x@[192.0.2.7]", "remote x@[192.0.2.7] host:smart.example.net:587");
	expect("x@example.net", "remote x@example.net mx:example.net");
	expect("alice@example.org", "mailbox alice@example.org example.org/alice");
}

Test(expand, a_smarthost_that_is_misspelt_makes_mail_wait)
{
	char relay[] = "smart host";

	world.settings.relay = relay;
	world_begin(&world);
	expect("x@elsewhere.test", "error x@elsewhere.test 4.3.0 temporary");
}

Test(expand, without_accounts_mail_waits)
{
	unlinkat(world.files.fd, "accounts", 0);
	world_begin(&world);
	expect("alice@example.org", "error alice@example.org 4.3.0 temporary");
}

Test(expand, an_alias_table_that_does_not_parse_makes_mail_wait_for_the_whole_list)
{
	aliases("sales: |/bin/sh\n");
	expect("sales@example.org", "error sales@example.org 4.3.0 temporary");
	expect("alice@example.org", "error alice@example.org 4.3.0 temporary");
}

Test(expand, what_is_no_address_is_an_error)
{
	world_begin(&world);
	expect("", "error  5.1.3");
	expect("a b@example.org", "error a b@example.org 5.1.3");
	expect("a@", "error a@ 5.1.3");
	expect("a@-x-", "error a@-x- 5.1.3");
}
