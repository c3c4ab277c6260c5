/*
 * logger.c - the real logger, with the test in the place of those who log.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/channel_log.h"
#include "common/log.h"
#include "tests/unit/daemon/daemon.h"

static struct daemon d;
static char root[] = "/tmp/petrel-logger-XXXXXX";
static struct peer_end qmgr_end, smtpd_end;
static struct channel *qmgr, *smtpd;

static void start(void)
{
	char conf[256];

	cr_assert_not_null(mkdtemp(root));
	snprintf(conf, sizeof conf, "hostname mail.example.org\ndirectory.log %s\n", root);
	daemon_start(&d, "logger/logger", ROLE_LOGGER, conf);
	qmgr = daemon_peer(&d, ROLE_QMGR, 0, &qmgr_end);
	smtpd = daemon_peer(&d, ROLE_SMTPD, 1, &smtpd_end);
}

static void stop(void)
{
	char path[64];

	cr_assert_eq(daemon_stop(&d), 0);
	snprintf(path, sizeof path, "%s/petrel.log", root);
	unlink(path);
	rmdir(root);
}

TestSuite(logger_daemon, .init = start, .fini = stop, .timeout = 20);

static void say(struct channel *from, uint64_t wall_us, const char *text)
{
	struct writer *w = channel_begin(from, LOG_LINE, 0);

	write_u8(w, LEVEL_INFO);
	write_u64(w, wall_us);
	write_string(w, text);
	channel_end(from);
	channel_flush(from);
}

/* What the file holds once it ends with this text. */
static const char *file_up_to(const char *end)
{
	static char text[65536];
	char path[64];

	snprintf(path, sizeof path, "%s/petrel.log", root);
	for (int i = 0; i < 300; i++) {
		FILE *file = fopen(path, "r");
		size_t len = file == NULL ? 0 : fread(text, 1, sizeof text - 1, file);

		if (file != NULL)
			fclose(file);
		text[len] = '\0';
		if (len > strlen(end) && strcmp(text + len - strlen(end), end) == 0)
			return text;
		daemon_run_for(&d, 10);
	}
	cr_assert_fail("the log does not end with \"%s\" but is:\n%s", end, text);
	return NULL;
}

Test(logger_daemon, lines_that_gathered_are_written_in_the_order_of_their_times)
{
	say(smtpd, 1, "begin");
	file_up_to("begin\n");
	daemon_pause(&d); /* it reads all of them in one turn */
	say(smtpd, 1000002, "two");
	say(smtpd, 1000004, "four");
	say(qmgr, 1000001, "one");
	say(qmgr, 1000003, "three");
	say(qmgr, 1000003, "and a half");
	say(qmgr, 1000005, "five");
	kill(d.pid, SIGCONT);
	cr_assert_not_null(strstr(file_up_to("five\n"),
	    "1970-01-01T00:00:01.000001Z mail.example.org qmgr[0]: one\n"
	    "1970-01-01T00:00:01.000002Z mail.example.org smtpd[1]: two\n"
	    "1970-01-01T00:00:01.000003Z mail.example.org qmgr[0]: three\n"
	    "1970-01-01T00:00:01.000003Z mail.example.org qmgr[0]: and a half\n"
	    "1970-01-01T00:00:01.000004Z mail.example.org smtpd[1]: four\n"
	    "1970-01-01T00:00:01.000005Z mail.example.org qmgr[0]: five\n"));
}

/* Octets of the file once it has that many, or after a while. */
static size_t file_of(size_t wanted)
{
	char path[64];
	struct stat st = {0};

	snprintf(path, sizeof path, "%s/petrel.log", root);
	for (int i = 0; i < 500 && (size_t)st.st_size < wanted; i++) {
		daemon_run_for(&d, 10);
		stat(path, &st);
	}
	return (size_t)st.st_size;
}

Test(logger_daemon, more_lines_than_may_gather_are_all_written)
{
	enum { COUNT = 10000 };
	static const char line[] = "1970-01-01T00:00:01.000000Z mail.example.org qmgr[0]: x\n";

	daemon_pause(&d);
	for (int i = 0; i < COUNT; i++)
		say(qmgr, 1000000, "x");
	kill(d.pid, SIGCONT);
	cr_assert_eq(file_of(COUNT * (sizeof line - 1)), COUNT * (sizeof line - 1));
}

Test(logger_daemon, the_name_before_a_line_is_that_of_the_process_at_the_other_end)
{
	say(smtpd, 1000000, "hello");
	cr_assert_str_eq(file_up_to("hello\n"),
	    "1970-01-01T00:00:01.000000Z mail.example.org smtpd[1]: hello\n");
}

Test(logger_daemon, a_line_that_would_be_two_ends_its_channel_and_no_other)
{
	say(smtpd, 1000000, "one\nqmgr[0]: two");
	daemon_run_until(&d, &smtpd_end.closed);
	cr_assert(smtpd_end.closed);
	say(qmgr, 2000000, "still here");
	cr_assert_null(strstr(file_up_to("still here\n"), "two"));
}
