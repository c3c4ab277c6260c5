/* What conf.h promises. */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <unistd.h>

#include "common/conf.h"

static char error[CONF_ERROR_MAX];

static struct conf *read_text(const char *text)
{
	struct conf *conf = conf_new();

	cr_assert_not_null(conf);
	if (conf_read_text(conf, slice_string(text), "/etc/petrel/petrel.conf", error))
		return conf;
	conf_free(conf);
	return NULL;
}

static void expect_error(const char *text, const char *expected)
{
	cr_assert_null(read_text(text), "accepted: %s", text);
	cr_assert_str_eq(error, expected);
}

Test(conf, three_settings_make_a_server)
{
	struct conf *conf = read_text("hostname  mail.example.org\n"
				      "domains   { example.org example.net }\n"
				      "tls       { certificate /etc/letsencrypt/live/mail.example.org/fullchain.pem\n"
				      "            key         /etc/letsencrypt/live/mail.example.org/privkey.pem }\n");

	cr_assert_not_null(conf, "%s", error);
	cr_assert(conf_check(conf, error));
	cr_assert_str_eq(conf->values.hostname, "mail.example.org");
	cr_assert_eq(conf->values.domains.count, 2);
	cr_assert_str_eq(conf->values.domains.words[1], "example.net");
	cr_assert_str_eq(conf->values.tls.key.words[0], "/etc/letsencrypt/live/mail.example.org/privkey.pem");
	cr_assert_eq(conf->values.queue.expire, 5 * 86400);
	cr_assert_eq(conf->values.smtp.size_limit, 50 * 1024 * 1024);
	conf_free(conf);
}

Test(conf, a_setting_may_be_named_in_one_word_or_in_its_group)
{
	struct conf *conf = read_text("queue.expire 3d\nlisten { mx 127.0.0.1:2525 [::1]:2525\n imap none }; log { level debug }\n");

	cr_assert_not_null(conf, "%s", error);
	cr_assert_eq(conf->values.queue.expire, 3 * 86400);
	cr_assert_eq(conf->values.listen[0].count, 2);
	cr_assert_eq(conf->values.listen[3].count, 0);
	cr_assert_eq(conf->values.log.level, 3);
	conf_free(conf);
}

Test(conf, an_error_names_file_line_word_and_what_was_meant)
{
	expect_error("hostname a\n\ntls {\n\n certficate /x }\n",
	    "petrel.conf:5: tls: unknown setting \"certficate\"; did you mean \"certificate\"?");
	expect_error("hostnmae a\n", "petrel.conf:1: unknown setting \"hostnmae\"; did you mean \"hostname\"?");
	expect_error("queue.exprie 5d\n", "petrel.conf:1: unknown setting \"queue.exprie\"; did you mean \"queue.expire\"?");
	expect_error("banana 5\n", "petrel.conf:1: unknown setting \"banana\"; petrel config --defaults lists them all");
	expect_error("queue.expire soon\n",
	    "petrel.conf:1: queue.expire: \"soon\" is not a duration; write 30s, 5m, 4h, 5d or 1h30m");
	expect_error("smtp.size-limit 10X\n",
	    "petrel.conf:1: smtp.size-limit: \"10X\" is not a size; write 4096, 64K, 50M or 2G");
	expect_error("smtp.size-limit 1K\n",
	    "petrel.conf:1: smtp.size-limit: 1K is out of range; it may be from 64K to 4G");
	expect_error("log.to paper\n", "petrel.conf:1: log.to: \"paper\" is not one of file, syslog, stderr");
	expect_error("tls.key privkey.pem\n", "petrel.conf:1: tls.key: \"privkey.pem\" is not an absolute path");
	expect_error("hostname\n", "petrel.conf:1: hostname: a value is missing");
	expect_error("hostname a b\n", "petrel.conf:1: hostname: unexpected \"b\" after the value");
	expect_error("\nhostname a\nhostname b\n", "petrel.conf:3: hostname: set before, at line 2 of /etc/petrel/petrel.conf");
	expect_error("domains { a\n b\n", "petrel.conf:3: domains: the list has no closing }");
	expect_error("\ntls {\n key /a\n", "petrel.conf:2: tls: the group has no closing }");
	expect_error("tls /x\n", "petrel.conf:1: tls: a group of settings wants braces: tls { ... }");
	expect_error("hostname \"a\n", "petrel.conf:1: a quoted word has no closing quote");
	expect_error("}\n", "petrel.conf:1: unexpected }");
	expect_error("include more.conf\n", "petrel.conf:1: include: \"more.conf\" is not an absolute path");
	expect_error("\ninclude /nonexistent/more.conf\n",
	    "petrel.conf:2: include: /nonexistent/more.conf: No such file or directory");
	expect_error("expire 5d\n", "petrel.conf:1: unknown setting \"expire\"; did you mean \"queue.expire\"?");
	expect_error("smtp { expire 5d }\n", "petrel.conf:1: smtp: unknown setting \"expire\"; did you mean \"queue.expire\"?");
	expect_error("TLS { key /x }\n", "petrel.conf:1: unknown setting \"TLS\"; did you mean \"tls\"?");
	expect_error("queue.expire = 5d\n",
	    "petrel.conf:1: queue.expire: nothing stands between the name and the value, not even \"=\"");
	expect_error("\"a\033[2J\"\n", "petrel.conf:1: unknown setting \"a?[2J\"; petrel config --defaults lists them all");
}

static struct buf reported;

static void note(void *context, const char *text)
{
	(void)context;
	buf_printf(&reported, "%s\n", text);
}

static void expect_errors(const char *text, const char *expected)
{
	struct conf *conf = conf_new();

	reported = buf_with_limit(65536);
	buf_append_string(&reported, "");
	cr_assert_not(conf_read_text_reporting(conf, slice_string(text), "petrel.conf", note, NULL));
	buf_append_octet(&reported, '\0');
	cr_assert_str_eq(reported.data, expected);
	buf_free(&reported);
	conf_free(conf);
}

Test(conf, who_asks_for_all_errors_is_told_all_of_them)
{
	expect_errors("hostnmae a\nhostname b\nqueue.expire soon\ndomains { a.test, b.test\n c.test }\nlog.level loud; log.to paper\n",
	    "petrel.conf:1: unknown setting \"hostnmae\"; did you mean \"hostname\"?\n"
	    "petrel.conf:3: queue.expire: \"soon\" is not a duration; write 30s, 5m, 4h, 5d or 1h30m\n"
	    "petrel.conf:4: domains: no commas between the words of a list, as in \"a.test,\"\n"
	    "petrel.conf:6: log.level: \"loud\" is not one of error, warning, info, debug\n"
	    "petrel.conf:6: log.to: \"paper\" is not one of file, syslog, stderr\n");
	/* In groups, and groups that are none. */
	expect_errors("tls { certficate /x\n key privkey.pem }\nlisten {\n mx { 25\n *:26 }\n banana { a { b } c }\n imap x }\nlgo { to file }\nlog.to paper\n",
	    "petrel.conf:1: tls: unknown setting \"certficate\"; did you mean \"certificate\"?\n"
	    "petrel.conf:2: tls.key: \"privkey.pem\" is not an absolute path\n"
	    "petrel.conf:4: listen.mx: \"25\" is not address:port; write 192.0.2.1:25, [2001:db8::1]:25 or *:25\n"
	    "petrel.conf:6: listen: unknown setting \"banana\"; petrel config --defaults lists them all\n"
	    "petrel.conf:7: listen.imap: \"x\" is not address:port; write 192.0.2.1:25, [2001:db8::1]:25 or *:25\n"
	    "petrel.conf:8: unknown setting \"lgo\"; did you mean \"log\"?\n"
	    "petrel.conf:9: log.to: \"paper\" is not one of file, syslog, stderr\n");
	/* Where nobody can tell what follows, that is the last. */
	expect_errors("log.to paper\nhostname \"a\nlog.level loud\n",
	    "petrel.conf:1: log.to: \"paper\" is not one of file, syslog, stderr\n"
	    "petrel.conf:2: a quoted word has no closing quote\n");
	expect_errors("log.to paper\n}\n", "petrel.conf:1: log.to: \"paper\" is not one of file, syslog, stderr\npetrel.conf:2: unexpected }\n");
	expect_errors("\ntls {\n key a\n", "petrel.conf:3: tls.key: \"a\" is not an absolute path\npetrel.conf:2: tls: the group has no closing }\n");
	expect_errors("include /nonexistent\nlog.to paper\n",
	    "petrel.conf:1: include: /nonexistent: No such file or directory\npetrel.conf:2: log.to: \"paper\" is not one of file, syslog, stderr\n");
}

Test(conf, a_word_that_cannot_be_meant_is_refused_where_it_stands)
{
	static const char *const refused[] = {
	    "hostname mail..example.org", "hostname -mail.example.org", "hostname \"\"", "domains *.example.org",
	    "domains alice@example.org", "postmaster alice@", "postmaster \"alice smith\"", "recipient-delimiter +-",
	    "recipient-delimiter a", "relay smtp.example.net:x", "relay smtp.example.net:70000", "relay smtp.example.net:",
	    "relay [1.2.3]:25", "relay 2001:db8::1", "relay \"smtp example\"", "listen.mx 25", "listen.mx 127.0.0.1:65993",
	    "listen.mx ::1:25", "listen.mx mail.example.org:25", "listen.mx 127.0.0.1:0", "smtp.relay-networks 10.0.0.0/33",
	    "smtp.relay-networks localhost", "smtp.relay-networks 10.0.0.0/", "resolver.forward 127.0.0.1:53",
	    "resolver.forward dns.example.org", "resolver.forward 127.0.0.1@"};
	static const char *const taken[] = {
	    "hostname mail_1.example-2.org", "domains m\303\274ller.example", "postmaster alice", "postmaster alice@example.org",
	    "recipient-delimiter -", "recipient-delimiter \"\"", "relay smtp.example.net", "relay smtp.example.net:587",
	    "relay 192.0.2.1:25", "relay [2001:db8::1]:25", "relay [192.0.2.1]", "listen.mx *:25 [::1]:25 127.0.0.1:25",
	    "smtp.relay-networks { 10.0.0.0/8 192.0.2.1 2001:db8::/32 ::1 }", "resolver.forward 127.0.0.1@5353 ::1 fe80::1%eth0"};

	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
		cr_assert_null(read_text(refused[i]), "taken: %s", refused[i]);
		cr_assert_not_null(strstr(error, " is not "), "%s: %s", refused[i], error);
	}
	for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++) {
		struct conf *conf = read_text(taken[i]);

		cr_assert_not_null(conf, "%s: %s", taken[i], error);
		conf_free(conf);
	}
}

Test(conf, none_is_the_empty_list_and_stands_alone)
{
	struct conf *conf = read_text("listen { imap none\n pop3 { none } }\n");

	cr_assert_not_null(conf, "%s", error);
	cr_assert_eq(conf->values.listen[3].count, 0);
	cr_assert_eq(conf->values.listen[5].count, 0);
	conf_free(conf);
	expect_error("listen.mx none *:25\n", "petrel.conf:1: listen.mx: \"none\" is the empty list; no other word can stand beside it");
	expect_error("listen.mx *:25 none\n", "petrel.conf:1: listen.mx: \"none\" is the empty list; no other word can stand beside it");
	expect_error("domains { a.test, b.test }\n", "petrel.conf:1: domains: no commas between the words of a list, as in \"a.test,\"");
}

Test(conf, every_truncation_of_a_file_is_read_or_refused_with_a_message)
{
	static const char text[] = "tls { certificate \"/a b\" \\\n key /b }\nlisten.mx { a:1 # c\n b:2 }\nqueue.expire 1h30m\n";

	for (size_t len = 0; len < sizeof text; len++) {
		struct conf *conf = conf_new();

		if (!conf_read_text(conf, slice_of(text, len), "x", error))
			cr_assert_gt(strlen(error), 0);
		conf_free(conf);
	}
}

Test(conf, included_files_are_read_in_place_and_their_errors_name_them)
{
	char path[] = "/tmp/petrel-conf-XXXXXX";
	char text[256];
	int file = mkstemp(path);
	struct conf *conf;

	cr_assert_neq(file, -1);
	dprintf(file, "domains { example.org }\n");
	snprintf(text, sizeof text, "include %s\nhostname a\n", path);
	conf = read_text(text);
	cr_assert_not_null(conf, "%s", error);
	cr_assert_str_eq(conf->values.domains.words[0], "example.org");
	cr_assert_str_eq(conf->origins[conf_row(SLICE("domains"))].file, path);
	conf_free(conf);
	dprintf(file, "nonsense\n");
	cr_assert_null(read_text(text));
	cr_assert_not_null(strstr(error, ":2: unknown setting \"nonsense\""), "%s", error);
	cr_assert_eq(ftruncate(file, 0), 0);
	lseek(file, 0, SEEK_SET);
	dprintf(file, "include %s\n", path);
	cr_assert_null(read_text(text));
	cr_assert_not_null(strstr(error, "include each other"), "%s", error);
	unlink(path);
	close(file);
}

Test(conf, durations_and_sizes_print_as_they_are_read)
{
	static const char *const durations[] = {"0", "30s", "5m", "1h30m", "5d", "1w", "1w1d1h1m1s"};
	static const char *const sizes[] = {"0", "4096", "64K", "50M", "3G"};
	int64_t n;

	for (size_t i = 0; i < sizeof durations / sizeof durations[0]; i++) {
		struct buf out = buf_with_limit(64);

		cr_assert(conf_parse_duration(slice_string(durations[i]), &n));
		conf_print_duration(&out, n);
		cr_assert(slice_equal(buf_slice(&out), slice_string(durations[i])), "%s", durations[i]);
		buf_free(&out);
	}
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		struct buf out = buf_with_limit(64);
		int64_t again;

		cr_assert(conf_parse_size(slice_string(sizes[i]), &n));
		conf_print_size(&out, n);
		cr_assert(conf_parse_size(buf_slice(&out), &again));
		cr_assert_eq(n, again);
		buf_free(&out);
	}
	cr_assert_not(conf_parse_duration(SLICE("5"), &n), "a duration has a unit");
	cr_assert_not(conf_parse_duration(SLICE("m"), &n));
	cr_assert_not(conf_parse_size(SLICE("9999999999999G"), &n));
}

Test(conf, settings_arrive_in_another_process_as_they_were)
{
	struct conf *conf = read_text("hostname a\nrecipient-delimiter \"\"\ndomains { a b }\nuser.keys \"b c\"\nqueue.retry-first 7m\nlisten.imap none\nlog.to stderr\n");
	struct buf encoded = buf_with_limit(65536);
	struct writer w = {&encoded};
	struct conf *copy;

	cr_assert_not_null(conf, "%s", error);
	conf_encode(&w, conf);
	copy = conf_decode(buf_slice(&encoded));
	cr_assert_not_null(copy);
	for (size_t row = 0; row < conf_table_size; row++) {
		struct buf before = buf_with_limit(4096), after = buf_with_limit(4096);

		conf_value_print(&before, conf, row);
		conf_value_print(&after, copy, row);
		cr_assert(slice_equal(buf_slice(&before), buf_slice(&after)), "%s", conf_table[row].name);
		buf_free(&before);
		buf_free(&after);
	}
	for (size_t len = 0; len < encoded.len; len++)
		cr_assert_null(conf_decode(slice_of(encoded.data, len)));
	conf_free(conf);
	conf_free(copy);
	buf_free(&encoded);
}

Test(conf, every_row_of_the_table_has_a_sentence_and_a_default_that_parses)
{
	struct conf *conf = conf_new();

	cr_assert_not_null(conf);
	for (size_t row = 0; row < conf_table_size; row++) {
		size_t len = strlen(conf_table[row].about);

		cr_assert_eq(conf_table[row].about[len - 1], '.', "%s", conf_table[row].name);
		cr_assert_eq(conf_row(slice_string(conf_table[row].name)), (ssize_t)row, "%s stands twice", conf_table[row].name);
	}
	conf_free(conf);
}

static bool reads_words(const char *word, unsigned count)
{
	struct conf *conf = conf_new();
	struct buf text = buf_with_limit(CONF_FILE_MAX);
	bool read;

	buf_append_string(&text, "smtp.relay-networks {");
	for (unsigned i = 0; i < count; i++)
		buf_printf(&text, " %s", word);
	buf_append_string(&text, " }\n");
	cr_assert_not(text.overflowed);
	read = conf_read_text(conf, buf_slice(&text), "test", error) && conf_check(conf, error);
	buf_free(&text);
	conf_free(conf);
	return read;
}

Test(conf, words_are_counted_whether_they_are_quoted_or_not)
{
	cr_assert(reads_words("192.0.2.0/24", 9000));
	cr_assert(reads_words("\"192.0.2.0/24\"", 9000));
	cr_assert_not(reads_words("192.0.2.0/24", 10000));
	cr_assert_not(reads_words("\"192.0.2.0/24\"", 10000));
}

/* --- statements ---------------------------------------------------------------- */

Test(conf, a_statement_ends_with_its_line_and_knows_where_it_stands)
{
	struct conf *conf = read_text("access {\n"
				      "  accept client 192.0.2.1   # one\n"
				      "\n"
				      "  refuse helo \"a b\" say \"x \\\" y\" ; defer\n"
				      "  refuse from \\\n    a@b\n"
				      "}\nqueue.expire 3d\n");
	const struct conf_lines *lines;

	cr_assert_not_null(conf, "%s", error);
	lines = &conf->values.access;
	cr_assert_eq(lines->count, 4);
	cr_assert_str_eq(lines->lines[0].text, "accept client 192.0.2.1");
	cr_assert_str_eq(lines->lines[0].file, "petrel.conf");
	cr_assert_eq(lines->lines[0].line, 2);
	cr_assert_str_eq(lines->lines[1].text, "refuse helo \"a b\" say \"x \\\" y\"");
	cr_assert_eq(lines->lines[1].line, 4);
	cr_assert_str_eq(lines->lines[2].text, "defer");
	cr_assert_eq(lines->lines[2].line, 4);
	cr_assert_str_eq(lines->lines[3].text, "refuse from a@b");
	cr_assert_eq(lines->lines[3].line, 5);
	cr_assert_eq(conf->values.queue.expire, 3 * 86400);
	conf_free(conf);
}

Test(conf, the_words_of_a_statement_are_taken_as_they_were_written)
{
	struct cursor in = cursor_over(SLICE("refuse \"a b\" \"\" \"\\\"\\\\\" x\\y"));
	struct {
		const char *word;
		bool is_quoted;
	} expected[] = {{"refuse", false}, {"a b", true}, {"", true}, {"\"\\", true}, {"x\\y", false}};
	struct buf word = buf_with_limit(CONF_LINE_MAX);
	bool is_quoted;

	for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
		cr_assert(conf_line_word(&in, &word, &is_quoted));
		cr_assert(slice_equal(buf_slice(&word), slice_string(expected[i].word)));
		cr_assert_eq(is_quoted, expected[i].is_quoted);
	}
	cr_assert_not(conf_line_word(&in, &word, &is_quoted));
	buf_free(&word);
}

Test(conf, statements_survive_the_way_to_another_process)
{
	struct conf *conf = read_text("access { accept; refuse say \"no: {\" }\n"), *there;
	struct buf encoded = buf_with_limit(CONF_ENCODED_MAX), printed = buf_with_limit(1000);
	struct writer w = {&encoded};

	cr_assert_not_null(conf, "%s", error);
	conf_encode(&w, conf);
	there = conf_decode(buf_slice(&encoded));
	cr_assert_not_null(there);
	cr_assert_eq(there->values.access.count, 2);
	cr_assert_str_eq(there->values.access.lines[1].text, "refuse say \"no: {\"");
	cr_assert_eq(there->values.access.lines[1].line, 1);
	conf_value_print(&printed, there, (size_t)conf_row(SLICE("access")));
	cr_assert(slice_equal(buf_slice(&printed), SLICE("{\n    accept\n    refuse say \"no: {\"\n}")));
	conf_free(conf);
	conf_free(there);
	buf_free(&encoded);
	buf_free(&printed);
}

Test(conf, what_is_wrong_with_a_statement_is_said_with_its_line)
{
	expect_error("access accept\n", "petrel.conf:1: access: statements stand in braces, a line each: access { ... }");
	expect_error("access {\n accept\n refuse client { x }\n}\n", "petrel.conf:3: access: unexpected { in a statement");
	expect_error("access {\n accept\n", "petrel.conf:1: access: the statements have no closing }");
	expect_error("access { accept }\naccess { refuse }\n",
	    "petrel.conf:2: access: set before, at line 1 of /etc/petrel/petrel.conf");
}

/* --- groups with names ---------------------------------------------------------------- */

static const char two_milters[] =
    "milter opendkim { address unix:/run/opendkim/opendkim.sock\n services submission local }\n"
    "milter rspamd {\n  address inet:127.0.0.1:11332; on-failure accept\n  end-timeout 2m\n}\n";

Test(conf, groups_with_names_keep_their_order_and_their_defaults)
{
	struct conf *conf = read_text(two_milters);
	struct conf_milter milter;

	cr_assert_not_null(conf, "%s", error);
	cr_assert_eq(conf->values.milters.count, 2);
	cr_assert(conf_group_read(&conf_milter_group, conf->values.milters.words[0], &milter));
	cr_assert_str_eq(milter.name, "opendkim");
	cr_assert_str_eq(milter.address, "unix:/run/opendkim/opendkim.sock");
	cr_assert_eq(milter.services.count, 2);
	cr_assert_str_eq(milter.services.words[1], "local");
	cr_assert_eq(milter.on_failure, MILTER_FAILURE_TEMPFAIL);
	cr_assert_eq(milter.command_timeout, 30);
	conf_group_free(&conf_milter_group, &milter);
	cr_assert(conf_group_read(&conf_milter_group, conf->values.milters.words[1], &milter));
	cr_assert_str_eq(milter.name, "rspamd");
	cr_assert_eq(milter.services.count, 3);
	cr_assert_eq(milter.on_failure, MILTER_FAILURE_ACCEPT);
	cr_assert_eq(milter.end_timeout, 120);
	conf_group_free(&conf_milter_group, &milter);
	conf_free(conf);
}

Test(conf, groups_arrive_in_another_process_and_are_printed_as_they_could_be_written)
{
	struct conf *conf = read_text(two_milters), *copy, *again;
	struct buf encoded = buf_with_limit(65536), text = buf_with_limit(4096);
	struct writer w = {&encoded};
	size_t row = (size_t)conf_row(SLICE("milter"));

	cr_assert_not_null(conf, "%s", error);
	conf_encode(&w, conf);
	copy = conf_decode(buf_slice(&encoded));
	cr_assert_not_null(copy);
	buf_append_string(&text, "milter ");
	conf_value_print(&text, copy, row);
	buf_append_octet(&text, '\0');
	again = read_text(text.data);
	cr_assert_not_null(again, "%s in %s", error, text.data);
	cr_assert_eq(again->values.milters.count, 2);
	for (size_t i = 0; i < 2; i++)
		cr_assert_str_eq(again->values.milters.words[i], conf->values.milters.words[i]);
	conf_free(conf);
	conf_free(copy);
	conf_free(again);
	buf_free(&encoded);
	buf_free(&text);
}

Test(conf, an_error_in_a_group_names_its_line_and_what_is_wrong)
{
	static const struct {
		const char *text, *says;
	} wrong[] = {
	    {"milter { address unix:/a }", "wants a name"},
	    {"milter a/b { address unix:/a }", "wants a name"},
	    {"milter a address unix:/a", "wants braces"},
	    {"milter a { services mx }", "milter a: address is missing"},
	    {"milter a { address unix:a }", "address: \"unix:a\" is not a socket"},
	    {"milter a { address inet:*:25 }", "is not a socket"},
	    {"milter a { adress unix:/a }", "unknown setting \"adress\""},
	    {"milter a { address unix:/a; address unix:/b }", "set before"},
	    {"milter a { address unix:/a; services imap }", "is not one of mx"},
	    {"milter a { address unix:/a; command-timeout 0 }", "out of range"},
	    {"milter a { address unix:/a", "no closing }"},
	    {"milter a { address unix:/a }\nmilter a { address unix:/b }", ":2: milter a: there is one"},
	    {"milter a { address unix:/a { } }", "unexpected {"},
	};

	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		cr_assert_null(read_text(wrong[i].text), "%s", wrong[i].text);
		cr_assert_not_null(strstr(error, wrong[i].says), "%s: %s", wrong[i].text, error);
	}
}

Test(conf, a_group_that_makes_no_sense_is_not_read)
{
	static const char *const wrong[] = {"", "a", "a {", "a { }", "a { address unix:/a } b",
	    "a { address unix:/a; services { mx }", "{ address unix:/a }"};
	struct conf_milter milter;

	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		cr_assert_not(conf_group_read(&conf_milter_group, wrong[i], &milter), "%s", wrong[i]);
}
