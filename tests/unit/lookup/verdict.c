/* What verdict.h promises. */
#include "tests/unit/lookup/world.h"

#include "lookup/verdict.h"

static struct world world;

static void set_up(void)
{
	world = world_new();
	test_directory_write(&world.files, "accounts", "alice@example.org\nbob@example.org\n");
	test_directory_write(&world.files, "aliases",
	    "sales: alice\nold: gone@example.org\nout: x@elsewhere.test\ncircle: circle\n");
}

static void tear_down(void)
{
	world_end(&world);
}

TestSuite(verdict, .init = set_up, .fini = tear_down);

static void expect_recipient(const char *address, bool may_relay, int code, const char *status)
{
	struct lookup_verdict verdict;

	verdict_on_recipient(&world.directory, slice_string(address), may_relay, &verdict);
	cr_assert_eq(verdict.code, code, "%s: %u", address, verdict.code);
	cr_assert_str_eq(verdict.status, status, "%s: %s", address, verdict.status);
	cr_assert_eq(verdict.answer, code == 250   ? LOOKUP_ACCEPTED
				     : code == 451 ? LOOKUP_TEMPORARY
						   : LOOKUP_REFUSED);
	cr_assert_str_not_empty(verdict.text);
}

static void expect_sender(const char *login, const char *sender, int code)
{
	struct lookup_verdict verdict;

	verdict_on_sender(&world.directory, slice_string(login), slice_string(sender), &verdict);
	cr_assert_eq(verdict.code, code, "%s as %s: %u", login, sender, verdict.code);
}

Test(verdict, users_and_aliases_are_taken_from_anybody)
{
	world_begin(&world);
	expect_recipient("alice@example.org", false, 250, "2.1.5");
	expect_recipient("alice+tag@example.org", false, 250, "2.1.5");
	expect_recipient("sales@example.org", false, 250, "2.1.5");
	expect_recipient("out@example.com", false, 250, "2.1.5");
	expect_recipient("postmaster", false, 250, "2.1.5");
}

Test(verdict, an_unknown_user_is_refused_to_anybody)
{
	world_begin(&world);
	expect_recipient("nobody@example.org", false, 550, "5.1.1");
	expect_recipient("nobody@example.org", true, 550, "5.1.1");
}

Test(verdict, strangers_may_not_relay)
{
	world_begin(&world);
	expect_recipient("x@elsewhere.test", false, 554, "5.7.1");
	expect_recipient("x@elsewhere.test", true, 250, "2.1.5");
	expect_recipient("x%elsewhere.test@relay.test", false, 554, "5.7.1");
	expect_recipient("alice%elsewhere.test@example.org", false, 550, "5.1.1");
	expect_recipient("\"x@elsewhere.test\"@example.org", false, 550, "5.1.1");
	expect_recipient("alice@[192.0.2.1]", false, 554, "5.7.1");
}

Test(verdict, an_alias_that_leads_nowhere_is_refused_before_it_bounces)
{
	world_begin(&world);
	expect_recipient("old@example.org", false, 550, "5.1.1");
	expect_recipient("circle@example.org", false, 550, "5.4.6");
}

Test(verdict, what_cannot_be_read_now_is_temporary)
{
	unlinkat(world.files.fd, "accounts", 0);
	world_begin(&world);
	expect_recipient("alice@example.org", false, 451, "4.3.0");
	expect_recipient("x@elsewhere.test", false, 554, "5.7.1");
	expect_sender("alice@example.org", "bob@example.org", 451);
}

Test(verdict, a_malformed_recipient_is_refused)
{
	world_begin(&world);
	expect_recipient("", true, 553, "5.1.3");
	expect_recipient("a@b@c", true, 553, "5.1.3");
	expect_recipient("a\nb@example.org", true, 553, "5.1.3");
}

Test(verdict, a_user_sends_as_himself_and_as_the_aliases_that_reach_him)
{
	test_directory_write(
	    &world.files, "senders", "bob@example.org press@example.net, @example.com\n");
	world_begin(&world);
	expect_sender("alice@example.org", "Alice@Example.ORG", 250);
	expect_sender("alice@example.org", "alice+lists@example.org", 250);
	expect_sender("alice@example.org", "sales@example.com", 553);
	expect_sender("alice@example.org", "sales@example.org", 250);
	expect_sender("alice@example.org", "bob@example.org", 553);
	expect_sender("alice@example.org", "alice@elsewhere.test", 553);
	expect_sender("alice@example.org", "", 250);
}

Test(verdict, the_table_of_senders_grants_more)
{
	test_directory_write(
	    &world.files, "senders", "bob@example.org press@example.net, @example.com\n");
	world_begin(&world);
	expect_sender("bob@example.org", "press@example.net", 250);
	expect_sender("bob@example.org", "anything@example.com", 250);
	expect_sender("bob@example.org", "other@example.net", 553);
	expect_sender("alice@example.org", "press@example.net", 553);
	test_directory_write(&world.files, "senders", "bob@example.org *\n");
	directory_refresh(&world.directory, false);
	expect_sender("bob@example.org", "whoever@elsewhere.test", 250);
}

Test(verdict, without_a_table_of_senders_everybody_has_his_own)
{
	world_begin(&world);
	expect_sender("alice@example.org", "alice@example.org", 250);
	expect_sender("alice@example.org", "bob@example.org", 553);
}
