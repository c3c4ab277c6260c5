/* What a client that sends chunks may rely on, and what nobody can make of them. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "tests/unit/smtpd/dialogue.h"

static void greeted(void)
{
	fake_open();
	fake_connect(SERVICE_MX, "192.0.2.1");
	fake_heard();
	fake_set("smtp.errors-limit 100\nsmtp.size-limit 64K");
	fake_say("EHLO client.example\r\n");
}

TestSuite(chunk, .init = greeted, .fini = fake_close);

#define ENVELOPE "MAIL FROM:<alice@crepes.fr>\r\nRCPT TO:<bob@hamburger.edu>\r\n"
#define ENVELOPE_OK "250 2.1.0\n250 2.1.5\n"

Test(chunk, a_message_is_what_its_chunks_are_together)
{
	expect(ENVELOPE, ENVELOPE_OK);
	expect("BDAT 12\r\nSubject: x\r\n", "250 2.0.0 12 octets received\n");
	expect("bdat 3\r\n\r\na", "250 2.0.0 3 octets received\n");
	expect("BDAT 3 last\r\nb\r\n", "250 2.0.0 Ok: queued as \n");
	cr_assert_eq(fake.commits_count, 1);
	cr_assert_str_eq(fake.commits[0].content, "Subject: x\r\n\r\nab\r\n");
}

Test(chunk, the_last_one_may_be_empty)
{
	expect(ENVELOPE "BDAT 5\r\nx: y\r", ENVELOPE_OK "250 2.0.0\n");
	expect("BDAT 1\r\n\nBDAT 0\r\nBDAT 0 LAST\r\n", "250 2.0.0\n250 2.0.0\n250 2.0.0 Ok\n");
	cr_assert_str_eq(fake.commits[0].content, "x: y\r\n");
	expect(ENVELOPE "BDAT 0 LAST\r\n", ENVELOPE_OK "250 2.0.0 Ok\n");
	cr_assert_eq(fake.commits[1].size, 0);
}

Test(chunk, a_dot_means_nothing)
{
	expect(ENVELOPE "BDAT 18 LAST\r\n.\r\n..a\r\n.\r\nQUIT\r\n.", ENVELOPE_OK "250 2.0.0 Ok\n");
	cr_assert_str_eq(fake.commits[0].content, ".\r\n..a\r\n.\r\nQUIT\r\n.\r\n");
}

Test(chunk, line_ends_are_the_same_as_after_data)
{
	static const struct {
		const char *in;
		const char *stored;
	} cases[] = {
	    {"a\nb\r\n", "a\r\nb\r\n"},
	    {"a\rb\r\n", "a\r\nb\r\n"},
	    {"a\n",      "a\r\n"    },
	    {"a\r",      "a\r\n"    },
	    {"a",        "a\r\n"    },
	    {"a\r\r\n",  "a\r\n\r\n"},
	    {"\n.\n",    "\r\n.\r\n"},
	    {"a\r\n.",   "a\r\n.\r\n"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		size_t len = strlen(cases[i].in);
		char text[256];

		/* All at once, and an octet in each chunk. */
		snprintf(text, sizeof text, ENVELOPE "BDAT %zu LAST\r\n%s", len, cases[i].in);
		expect(text, ENVELOPE_OK "250 2.0.0 Ok\n");
		cr_assert_str_eq(fake.commits[2 * i].content, cases[i].stored);
		expect(ENVELOPE, ENVELOPE_OK);
		for (size_t at = 0; at < len; at++) {
			snprintf(text, sizeof text, "BDAT 1\r\n%c", cases[i].in[at]);
			expect(text, "250 2.0.0 1 octets\n");
		}
		expect("BDAT 0 LAST\r\n", "250 2.0.0 Ok\n");
		cr_assert_str_eq(fake.commits[2 * i + 1].content, cases[i].stored);
	}
}

Test(chunk, whole_messages_may_be_pipelined)
{
	expect(ENVELOPE "BDAT 2\r\na\rBDAT 1\r\n\nBDAT 2 LAST\r\nb\n" ENVELOPE
			"BDAT 3 LAST\r\nc\r\nQUIT\r\n",
	    ENVELOPE_OK "250 2.0.0 2\n250 2.0.0 1\n250 2.0.0 Ok\n" ENVELOPE_OK
			"250 2.0.0 Ok\n221 2.0.0\n");
	cr_assert_str_eq(fake.commits[0].content, "a\r\nb\r\n");
	cr_assert_str_eq(fake.commits[1].content, "c\r\n");
}

Test(chunk, the_octets_of_a_refused_chunk_are_never_commands)
{
	PLAY({"BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n", "503 5.5.1\n250 2.0.0\n"},
	    {"MAIL FROM:<a@b.example>\r\nRCPT TO:<nobody@hamburger.edu>\r\nBDAT 6\r\nQUIT\r\n",
		"250 2.1.0\n550 5.1.1\n554 5.5.1 No valid recipients\n"},
	    {"BDAT 0 LAST\r\n", "554 5.5.1\n"}, {"RSET\r\n", "250 2.0.0\n"});
	fake_close();
	fake_open();
	fake_connect(SERVICE_MX, "192.0.2.1");
	fake_heard();
	expect("BDAT 6\r\nQUIT\r\nNOOP\r\n", "503 5.5.1 Say HELO\n250 2.0.0\n");
}

Test(chunk, a_size_that_cannot_be_read_ends_the_session)
{
	static const char *const bad[] = {"BDAT\r\n", "BDAT LAST\r\n", "BDAT x\r\n", "BDAT -1\r\n",
	    "BDAT 1 FIRST\r\n", "BDAT 1 LAST LAST\r\n", "BDAT 99999999999999999999\r\n",
	    "BDAT 0x10\r\n", "BDAT 1LAST\r\n"};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		fake_close();
		fake_open();
		fake_connect(SERVICE_MX, "192.0.2.1");
		fake_say("EHLO x\r\n" ENVELOPE);
		expect(bad[i], "501 5.5.4 Syntax\n");
		cr_assert(fake_is_closed(), "%s", bad[i]);
	}
}

Test(chunk, data_and_bdat_do_not_mix)
{
	PLAY({ENVELOPE "BDAT 3\r\na\r\n", ENVELOPE_OK "250 2.0.0\n"},
	    {"DATA\r\n", "503 5.5.1 The message was begun with BDAT\n"},
	    {"RCPT TO:<carol@hamburger.edu>\r\n", "503 5.5.1\n"},
	    {"MAIL FROM:<a@b.example>\r\n", "503 5.5.1\n"},
	    {"BDAT 3 LAST\r\nb\r\n", "250 2.0.0 Ok\n"});
	cr_assert_str_eq(fake.commits[0].content, "a\r\nb\r\n");
	cr_assert_str_eq(fake.commits[0].recipients, "bob@hamburger.edu");
}

Test(chunk, rset_and_a_greeting_forget_the_message_and_its_file)
{
	PLAY({ENVELOPE "BDAT 3\r\na\r\n", ENVELOPE_OK "250 2.0.0\n"}, {"RSET\r\n", "250 2.0.0\n"},
	    {"BDAT 3 LAST\r\nb\r\n", "503 5.5.1\n"},
	    {ENVELOPE "BDAT 3\r\na\r\n", ENVELOPE_OK "250 2.0.0\n"}, {"HELO x\r\n", "250 \n"},
	    {"BDAT 3 LAST\r\nb\r\n", "503 5.5.1\n"});
	cr_assert_eq(fake.commits_count, 0);
	cr_assert_eq(fake.aborted, 2);
}

Test(chunk, a_message_is_too_large_when_its_chunks_are_together)
{
	char *octets = calloc(1, 40001);
	char *text = calloc(1, 100000);

	memset(octets, 'x', 40000);
	sprintf(text, ENVELOPE "BDAT 40000\r\n%s", octets);
	expect(text, ENVELOPE_OK "250 2.0.0 40000\n");
	sprintf(text, "BDAT 40000\r\n%sBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n", octets);
	expect(text, "552 5.3.4 Message too large\n503 5.5.1\n250 2.0.0\n");
	expect(ENVELOPE "BDAT 3 LAST\r\na\r\n", ENVELOPE_OK "250 2.0.0 Ok\n");
	cr_assert_eq(fake.commits_count, 1);
	cr_assert_eq(fake.aborted, 1);
	free(octets);
	free(text);
}

Test(chunk, a_nul_octet_is_refused_with_its_chunk)
{
	static const char text[] = ENVELOPE "BDAT 3\r\na\0bBDAT 1 LAST\r\nxNOOP\r\n";

	expect_heard(ENVELOPE, fake_send(text, sizeof text - 1),
	    ENVELOPE_OK "550 5.6.0\n503 5.5.1\n250 2.0.0\n");
	cr_assert_eq(fake.commits_count, 0);
}

Test(chunk, a_queue_without_room_is_told_when_the_chunk_is_over)
{
	fake.has_no_file = true;
	expect(ENVELOPE "BDAT 6\r\nQUI", ENVELOPE_OK);
	expect("T\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n", "452 4.3.1\n503 5.5.1\n250 2.0.0\n");
	fake.has_no_file = false;
	expect(ENVELOPE "BDAT 3 LAST\r\na\r\n", ENVELOPE_OK "250 2.0.0 Ok\n");
}

Test(chunk, octets_may_come_one_by_one)
{
	static const char text[] = ENVELOPE "BDAT 4\r\na\r\nbBDAT 3 LAST\r\nc\r\nNOOP\r\n";

	for (size_t i = 0; i + 1 < sizeof text; i++) {
		cr_assert_eq(send(fake.client, text + i, 1, 0), 1);
		fake_run();
	}
	expect_heard(text, fake_heard(), ENVELOPE_OK "250 2.0.0 4\n250 2.0.0 Ok\n250 2.0.0\n");
	cr_assert_str_eq(fake.commits[0].content, "a\r\nbc\r\n");
}

Test(chunk, a_client_that_leaves_in_the_middle_of_a_chunk_leaves_nothing_behind)
{
	expect(ENVELOPE "BDAT 10 LAST\r\nabc", ENVELOPE_OK);
	fake_end_input();
	fake_run();
	cr_assert(fake_is_closed());
	cr_assert_eq(fake.commits_count, 0);
	cr_assert_eq(fake.aborted, 1);
}

Test(chunk, one_that_nobody_would_read_is_not_waited_for)
{
	expect(ENVELOPE "BDAT 18446744073709551615 LAST\r\nQUIT\r\n", ENVELOPE_OK "552 5.3.4\n");
	cr_assert(fake_is_closed());
	fake_close();
	greeted();
	expect("BDAT 1000000000000\r\nQUIT\r\n", "503 5.5.1\n");
	cr_assert(fake_is_closed());
	fake_close();
	greeted();
	expect(ENVELOPE "BDAT 5\r\nx: y\r", ENVELOPE_OK "250 2.0.0\n");
	expect("BDAT 131070\r\n", "552 5.3.4\n");
	cr_assert(fake_is_closed());
	cr_assert_eq(fake.aborted, 1);
}
