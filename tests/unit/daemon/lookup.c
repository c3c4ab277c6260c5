/* What lookup promises to its askers: the real process, in its sandbox. */
#include "common/channel_lookup.h"
#include "table/entry.h"
#include "tests/unit/daemon/daemon.h"
#include "tests/unit/table/directory.h"

static struct test_directory files;
static char conf[256];
static struct daemon d;
static struct channel *smtpd, *qmgr;
static struct peer_end smtpd_end;

static void setup(void)
{
	files = test_directory_new();
	test_directory_write(&files, "accounts", "alice@example.org\nbob@example.org\n");
	test_directory_write(&files, "aliases", "sales: alice, bob, x@elsewhere.test\n");
	snprintf(conf, sizeof conf,
	    "hostname mail.example.org\ndomains example.org\ndirectory.tables %s\n"
	    "access { refuse from <bad>; refuse to <none>; accept helo <broken> }\n", files.path);
	test_directory_write(&files, "bad", "evil@elsewhere.test\n*@*.worse.test because\n");
	test_directory_write(&files, "broken", "twice\ntwice\n");
	daemon_start(&d, "lookup/lookup", ROLE_LOOKUP, conf);
	smtpd = daemon_peer(&d, ROLE_SMTPD, 0, &smtpd_end);
	qmgr = daemon_peer(&d, ROLE_QMGR, 0, NULL);
}

static void teardown(void)
{
	if (!smtpd_end.closed)
		channel_free(smtpd);
	channel_free(qmgr);
	cr_assert_eq(daemon_stop(&d), 0);
	test_directory_remove(&files);
}

TestSuite(lookup_daemon, .init = setup, .fini = teardown, .timeout = 30);

static unsigned recipient_of(const char *login, const char *address, bool may_relay)
{
	struct reply reply = {0};
	struct writer *w = channel_call(smtpd, LOOKUP_RECIPIENT, daemon_reply, &reply, NULL);
	struct lookup_verdict verdict;
	struct reader r;

	write_string(w, address);
	write_bool(w, may_relay);
	write_string(w, login);
	cr_assert(channel_end(smtpd));
	daemon_run_until(&d, &reply.came);
	r = reader_over(slice_of(reply.body, reply.len));
	cr_assert_eq(reply.type, LOOKUP_VERDICT);
	cr_assert(lookup_verdict_read(&r, &verdict));
	return verdict.code;
}

static unsigned recipient(const char *address, bool may_relay)
{
	return recipient_of("", address, may_relay);
}

Test(lookup_daemon, counts_what_a_user_sends_and_only_what_is_accepted)
{
	char limited[320];

	snprintf(limited, sizeof limited, "%ssubmission.recipients-per-hour 2\n", conf);
	daemon_reload(&d, limited);
	cr_assert_eq(recipient_of("alice@example.org", "nobody@example.org", true), 550);
	for (unsigned i = 0; i < 2; i++)
		cr_assert_eq(recipient_of("alice@example.org", "x@elsewhere.test", true), 250);
	cr_assert_eq(recipient_of("alice@example.org", "x@elsewhere.test", true), 450);
	cr_assert_eq(recipient_of("bob@example.org", "x@elsewhere.test", true), 250);
	cr_assert_eq(recipient("x@elsewhere.test", true), 250);
}

Test(lookup_daemon, answers_smtpd_about_recipients)
{
	cr_assert_eq(recipient("alice@example.org", false), 250);
	cr_assert_eq(recipient("nobody@example.org", false), 550);
	cr_assert_eq(recipient("x@elsewhere.test", false), 554);
	cr_assert_eq(recipient("x@elsewhere.test", true), 250);
}

Test(lookup_daemon, answers_qmgr_with_deliveries)
{
	struct reply reply = {0};
	struct lookup_expansion expansion;
	struct reader r;

	write_string(
	    channel_call(qmgr, LOOKUP_EXPAND, daemon_reply, &reply, NULL), "sales@example.org");
	cr_assert(channel_end(qmgr));
	daemon_run_until(&d, &reply.came);
	r = reader_over(slice_of(reply.body, reply.len));
	cr_assert(lookup_expansion_read(&r, &expansion));
	cr_assert_eq(expansion.count, 3);
	cr_assert(slice_equal(expansion.deliveries[0].place, SLICE("example.org/alice")));
	cr_assert(slice_equal(expansion.deliveries[2].place, SLICE("mx:elsewhere.test")));
	lookup_expansion_free(&expansion);
}

Test(lookup_daemon, a_new_account_is_there_at_once)
{
	cr_assert_eq(recipient("carol@example.org", false), 550);
	test_directory_write(
	    &files, "accounts", "alice@example.org\nbob@example.org\ncarol@example.org\n");
	cr_assert_eq(recipient("carol@example.org", false), 250);
}

Test(lookup_daemon, a_database_that_is_built_meanwhile_answers)
{
	struct table_error error;
	size_t entries;

	cr_assert_eq(recipient("alice@example.org", false), 250);
	cr_assert(table_build_db(
	    files.fd, "accounts", TABLE_DB_BTREE, &table_schema_accounts, &entries, &error));
	unlinkat(files.fd, "accounts", 0);
	cr_assert_eq(recipient("nobody@example.org", false), 550);
	cr_assert_eq(recipient("alice@example.org", false), 250);
}

Test(lookup_daemon, a_table_that_is_broken_meanwhile_changes_nothing)
{
	test_directory_write(&files, "accounts", "alice@example.org\nbroken\n");
	cr_assert_eq(recipient("nobody@example.org", false), 550);
	cr_assert_eq(recipient("bob@example.org", false), 250);
}

Test(lookup_daemon, a_reload_takes_new_domains_over)
{
	char more[300];

	cr_assert_eq(recipient("sales@example.net", false), 554);
	snprintf(more, sizeof more,
	    "hostname mail.example.org\ndomains { example.org example.net }\ndirectory.tables %s\n",
	    files.path);
	daemon_reload(&d, more);
	/* The order between two channels is nobody's promise. */
	daemon_run_for(&d, 100);
	cr_assert_eq(recipient("sales@example.net", false), 250);
	cr_assert_eq(recipient("nobody@example.net", false), 550);
	cr_assert_eq(recipient("postmaster@example.net", false), 250);
}

static void ask_list(struct writer *w, const char *table, const char *key)
{
	write_string(w, table);
	write_u32(w, 2);
	write_string(w, "not@there.test");
	write_string(w, key);
}

Test(lookup_daemon, says_which_tables_of_the_rules_hold_somebody)
{
	struct reply reply = {0};
	struct writer *w = channel_call(smtpd, LOOKUP_LISTED, daemon_reply, &reply, NULL);
	struct reader r;

	write_u32(w, 6);
	ask_list(w, "bad", "EVIL@elsewhere.test");
	ask_list(w, "bad", "*@*.worse.test");
	ask_list(w, "bad", "good@elsewhere.test");
	ask_list(w, "none", "evil@elsewhere.test"); /* has no file: nobody is in it */
	ask_list(w, "broken", "twice");             /* nobody can say */
	ask_list(w, "accounts", "alice@example.org"); /* no rule names it */
	cr_assert(channel_end(smtpd));
	daemon_run_until(&d, &reply.came);
	cr_assert_eq(reply.type, LOOKUP_LISTS);
	r = reader_over(slice_of(reply.body, reply.len));
	cr_assert_eq(read_u32(&r), 0x3);
	cr_assert_eq(read_u32(&r), 0xc);
	cr_assert(reader_finished(&r));
}

Test(lookup_daemon, a_malformed_question_ends_the_asker_alone)
{
	struct reply reply = {0};

	write_u8(channel_call(smtpd, LOOKUP_RECIPIENT, daemon_reply, &reply, NULL), 7);
	cr_assert(channel_end(smtpd));
	daemon_run_until(&d, &smtpd_end.closed);
	cr_assert(reply.lost);
	smtpd = daemon_peer(&d, ROLE_SMTPD, 0, &smtpd_end);
	smtpd_end.closed = false;
	cr_assert_eq(recipient("alice@example.org", false), 250);
}
