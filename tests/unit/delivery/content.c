/* What content.h promises. */
#include <criterion/criterion.h>
#include <event2/buffer.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "delivery/smtp/content.h"

static char *text_of(struct evbuffer *b)
{
	size_t len = evbuffer_get_length(b);
	char *text = calloc(1, len + 1);

	evbuffer_remove(b, text, len);
	return text;
}

/* `in` cut into pieces of `piece` octets. */
static char *encoded(struct slice in, size_t piece)
{
	struct evbuffer *out = evbuffer_new();
	struct content content;
	char *text;

	content_begin(&content, -1, 0, 0, SLICE(""));
	for (size_t at = 0; at < in.len; at += piece)
		content_encode(&content, slice_part(in, at, piece), out);
	content_encode_end(&content, out);
	text = text_of(out);
	evbuffer_free(out);
	return text;
}

static void becomes(struct slice in, const char *wanted)
{
	for (size_t piece = 1; piece <= in.len + 1; piece++) {
		char *got = encoded(in, piece);

		cr_assert_str_eq(got, wanted, "in pieces of %zu", piece);
		free(got);
	}
}

Test(smtp_content, clean_lines_stay_as_they_are)
{
	becomes(SLICE("A: b\r\n\r\nc\r\n"), "A: b\r\n\r\nc\r\n.\r\n");
	becomes(SLICE(""), ".\r\n");
}

Test(smtp_content, a_dot_at_the_beginning_of_a_line_is_doubled_and_no_other)
{
	becomes(SLICE(".\r\n..\r\na.b.\r\n."), "..\r\n...\r\na.b.\r\n..\r\n.\r\n");
}

Test(smtp_content, the_last_line_gets_its_end)
{
	becomes(SLICE("a"), "a\r\n.\r\n");
	becomes(SLICE("a\r"), "a\r\n.\r\n");
	becomes(SLICE("\r"), "\r\n.\r\n");
}

Test(smtp_content, a_bare_cr_or_lf_is_never_sent)
{
	becomes(SLICE("a\nb\r\n"), "a\r\nb\r\n.\r\n");
	becomes(SLICE("a\rb\r\n"), "a b\r\n.\r\n");
	becomes(SLICE("a\r\r\nb"), "a \r\nb\r\n.\r\n");
	becomes(SLICE("\n\r"), "\r\n\r\n.\r\n");
}

Test(smtp_content, no_spelling_of_a_lone_dot_ends_the_message_early)
{
#define SPELLING(text)                                                                             \
	{                                                                                          \
		text, sizeof text - 1                                                              \
	}
	static const struct slice smuggled[] = {
	    SPELLING("a\r\n.\r\nMAIL"),
	    SPELLING("a\n.\nMAIL"),
	    SPELLING("a\n.\r\nMAIL"),
	    SPELLING("a\r\n.\nMAIL"),
	    SPELLING("a\r.\rMAIL"),
	    SPELLING("a\r\n.\rMAIL"),
	    SPELLING("a\r.\r\nMAIL"),
	    SPELLING("a\n\r.\r\nMAIL"),
	    SPELLING("a\r\n\r.\r\nMAIL"),
	};

	for (size_t i = 0; i < sizeof smuggled / sizeof smuggled[0]; i++) {
		char *got = encoded(smuggled[i], SIZE_MAX / 2), *end = strstr(got, "\r\n.\r\n");

		cr_assert_not_null(end);
		cr_assert_str_eq(
		    end, "\r\n.\r\n", "spelling %zu ends the message early: %s", i, got);
		for (const char *c = got; *c != '\0'; c++)
			cr_assert((*c != '\r' || c[1] == '\n') &&
				  (*c != '\n' || (c > got && c[-1] == '\r')));
		free(got);
	}
}

static int file_of(size_t size)
{
	FILE *f = tmpfile();
	int fd = dup(fileno(f));

	for (size_t i = 0; i < size; i++)
		fputc(i % 50 == 48 ? '\r' : i % 50 == 49 ? '\n' : 'x', f);
	fclose(f);
	return fd;
}

Test(smtp_content, a_large_message_is_read_a_block_at_a_time)
{
	const size_t size = 50 * 100000;
	struct evbuffer *out = evbuffer_new();
	struct content content;
	enum content_progress progress;
	size_t total = 0;
	int fd = file_of(size);

	content_begin(&content, fd, 0, size, SLICE("Received: x\r\n"));
	do {
		progress = content_send(&content, out);
		cr_assert_leq(evbuffer_get_length(out), CONTENT_BLOCK * 2 + 64);
		total += evbuffer_get_length(out);
		evbuffer_drain(out, evbuffer_get_length(out));
	} while (progress == CONTENT_MORE);
	cr_assert_eq(progress, CONTENT_SENT);
	cr_assert_eq(total, 13 + size + 3);
	close(fd);
	evbuffer_free(out);
}

Test(smtp_content, a_file_that_ends_too_early_gets_no_end_of_data)
{
	struct evbuffer *out = evbuffer_new();
	struct content content;
	int fd = file_of(100);
	char *text;

	content_begin(&content, fd, 0, 101, SLICE(""));
	cr_assert_eq(content_send(&content, out), CONTENT_MORE);
	cr_assert_eq(content_send(&content, out), CONTENT_FAILED);
	text = text_of(out);
	cr_assert_null(strstr(text, "\r\n.\r\n"));
	cr_assert_eq(strlen(text), 100);
	free(text);
	close(fd);
	evbuffer_free(out);
}

static struct content_facts facts_of(const char *text)
{
	FILE *f = tmpfile();
	struct content_facts facts;

	fputs(text, f);
	fflush(f);
	cr_assert(content_examine(fileno(f), 0, strlen(text), SLICE("Received: x\r\n"), &facts));
	fclose(f);
	return facts;
}

Test(smtp_content, what_is_8_bit_and_where_is_found)
{
	cr_assert_not(facts_of("Subject: a\r\n\r\nb\r\n").header_is_8bit);
	cr_assert_not(facts_of("Subject: a\r\n\r\nb\r\n").body_is_8bit);
	cr_assert(facts_of("Subject: \xc3\xa9\r\n\r\nb\r\n").header_is_8bit);
	cr_assert_not(facts_of("Subject: \xc3\xa9\r\n\r\nb\r\n").body_is_8bit);
	cr_assert(facts_of("Subject: a\r\n\r\n\xe9\r\n").body_is_8bit);
	cr_assert_not(facts_of("Subject: a\r\n\r\n\xe9\r\n").header_is_8bit);
}
