/*
 * dialogue.c - what a client says, and what it expects to hear.
 */
#include "tests/unit/smtpd/dialogue.h"

#include <criterion/criterion.h>

void expect_heard(const char *text, const char *heard, const char *expected)
{
	struct cursor want = cursor_over(slice_string(expected));
	struct cursor got = cursor_over(slice_string(heard));

	while (!cursor_done(&want) || !cursor_done(&got)) {
		struct slice wanted = cursor_take_until(&want, '\n');
		struct slice line = slice_trim(cursor_take_until(&got, '\n'));

		cursor_skip(&want, 1);
		cursor_skip(&got, 1);
		cr_assert(wanted.len > 0 && slice_starts_with(line, wanted),
		    "after \"%s\" the server said:\n%s\nand this was expected:\n%s", text, heard,
		    expected);
	}
}

void expect(const char *text, const char *expected)
{
	expect_heard(text, fake_say(text), expected);
}

void play(const struct exchange *exchanges, size_t count)
{
	for (size_t i = 0; i < count; i++)
		expect(exchanges[i].say, exchanges[i].hear);
}

void start_message(void)
{
	fake_connect(SERVICE_MX, "192.0.2.1");
	fake_heard();
	expect("EHLO client.example\r\n",
	    "250-\n250-PIPELINING\n250-SIZE \n250-8BITMIME\n250-CHUNKING\n250-DSN\n250-SMTPUTF8\n250-LIMITS RCPTMAX=\n250 ENHANCEDSTATUSCODES\n");
	expect("MAIL FROM:<alice@crepes.fr>\r\n", "250 2.1.0\n");
	expect("RCPT TO:<bob@hamburger.edu>\r\n", "250 2.1.5\n");
	expect("DATA\r\n", "354 \n");
}
