/* What content.h promises: where a message ends, and what of it is stored. */
#include <criterion/criterion.h>
#include <event2/buffer.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "smtpd/content.h"

enum { NO_LIMIT = 1 << 30, HOPS = 50 };

static const struct content_rules no_rules = {.size_limit = NO_LIMIT, .received_limit = HOPS};

/* What is stored of `in`, given in pieces of `piece` octets; *rest is what is left of it behind the end mark. */
static char *stored_by(const struct content_rules *rules, struct slice in, size_t piece,
    bool *ended, size_t *rest)
{
	struct evbuffer *input = evbuffer_new();
	struct content content;
	int file = memfd_create("content", MFD_CLOEXEC);
	char *out = calloc(1, in.len * 2 + 1);

	content_begin(&content, file, rules);
	*ended = false;
	while (in.len > 0 && !*ended) {
		struct slice part = slice_part(in, 0, piece);

		evbuffer_add(input, part.data, part.len);
		in = slice_from(in, part.len);
		*ended = content_take(&content, input);
	}
	*rest = in.len + evbuffer_get_length(input);
	if (*ended) {
		cr_assert_eq(content.written, content.size);
		cr_assert_eq(pread(file, out, content.size, 0), (ssize_t)content.size);
	}
	content_end(&content);
	close(file);
	evbuffer_free(input);
	return out;
}

static char *stored(struct slice in, size_t piece, bool *ended, size_t *rest)
{
	return stored_by(&no_rules, in, piece, ended, rest);
}

struct end_case {
	struct slice in;
	const char *stored; /* NULL: the message does not end */
	const char *rest;
};

static const struct end_case end_cases[] = {
    {SLICE(".\r\n"),                  "",                     ""        },
    {SLICE("a\r\n.\r\n"),             "a\r\n",                ""        },
    {SLICE("a\r\n.\r\nQUIT\r\n"),     "a\r\n",                "QUIT\r\n"},
    {SLICE("\r\n.\r\n"),              "\r\n",                 ""        },
 /* dots */
    {SLICE("..\r\n.\r\n"),            ".\r\n",                ""        },
    {SLICE("..a\r\n...b\r\n.\r\n"),   ".a\r\n..b\r\n",        ""        },
    {SLICE(".a\r\n.\r\n"),            "a\r\n",                ""        },
    {SLICE("a.\r\n.\r\n"),            "a.\r\n",               ""        },
    {SLICE("a\r\n..\r\n..\r\n.\r\n"), "a\r\n.\r\n.\r\n",      ""        },
 /* what other servers have taken for the end, and what is none */
    {SLICE("a\n.\n"),                 NULL,                   ""        },
    {SLICE("a\n.\r\n"),               NULL,                   ""        },
    {SLICE("a\r\n.\n"),               NULL,                   ""        },
    {SLICE("a\r.\r"),                 NULL,                   ""        },
    {SLICE("a\r\n.\r"),               NULL,                   ""        },
    {SLICE("a\n.\r"),                 NULL,                   ""        },
    {SLICE("a\r.\r\n"),               NULL,                   ""        },
    {SLICE("a\r\n.\r\r\n"),           NULL,                   ""        },
    {SLICE("a\r\n. \r\n"),            NULL,                   ""        },
    {SLICE("a.\r\n"),                 NULL,                   ""        },
    {SLICE("a"),		      NULL,                   ""        },
 /* the same, and what is stored of it once the end has come */
    {SLICE("a\n.\nb\r\n.\r\n"),       "a\r\n.\r\nb\r\n",      ""        },
    {SLICE("a\n.\r\nb\r\n.\r\n"),     "a\r\n.\r\nb\r\n",      ""        },
    {SLICE("a\r\n.\nb\r\n.\r\n"),     "a\r\n\r\nb\r\n",       ""        },
    {SLICE("a\r.\rb\r\n.\r\n"),       "a\r\n.\r\nb\r\n",      ""        },
    {SLICE("a\r\n.\rb\r\n.\r\n"),     "a\r\n\r\nb\r\n",       ""        },
    {SLICE("a\r\n.\r\r\nb\r\n.\r\n"), "a\r\n\r\n\r\nb\r\n",   ""        },
    {SLICE("a\n..b\r\n.\r\n"),        "a\r\n..b\r\n",         ""        },
 /* a CR or LF alone */
    {SLICE("a\nb\r\n.\r\n"),          "a\r\nb\r\n",           ""        },
    {SLICE("a\rb\r\n.\r\n"),          "a\r\nb\r\n",           ""        },
    {SLICE("a\r\r\n.\r\n"),           "a\r\n\r\n",            ""        },
    {SLICE("\n\n\r\r\r\n.\r\n"),      "\r\n\r\n\r\n\r\n\r\n", ""        },
    {SLICE("\n.\r\n.\r\n"),           "\r\n.\r\n",            ""        },
};

Test(content, only_crlf_dot_crlf_ends_a_message_however_it_is_cut_into_pieces)
{
	for (size_t i = 0; i < sizeof end_cases / sizeof end_cases[0]; i++) {
		const struct end_case *c = &end_cases[i];

		for (size_t piece = 1; piece <= c->in.len; piece++) {
			bool ended;
			size_t rest;
			char *out = stored(c->in, piece, &ended, &rest);

			cr_assert_eq(
			    ended, c->stored != NULL, "case %zu in pieces of %zu", i, piece);
			if (ended) {
				cr_assert_str_eq(
				    out, c->stored, "case %zu in pieces of %zu", i, piece);
				cr_assert_eq(
				    rest, strlen(c->rest), "case %zu in pieces of %zu", i, piece);
			}
			free(out);
		}
	}
}

static struct content read_text(struct slice in, uint64_t size_limit, unsigned hops)
{
	struct content content;
	struct evbuffer *input = evbuffer_new();

	content_begin(&content, -1, &(struct content_rules){.size_limit = size_limit, .received_limit = hops});
	evbuffer_add(input, in.data, in.len);
	content_take(&content, input);
	content_end(&content);
	evbuffer_free(input);
	return content;
}

Test(content, a_message_is_too_large_when_what_is_stored_of_it_is)
{
	cr_assert_eq(read_text(SLICE("123456\r\n.\r\n"), 8, HOPS).problem, CONTENT_GOOD);
	cr_assert_eq(read_text(SLICE("123456\r\n.\r\n"), 7, HOPS).problem, CONTENT_TOO_LARGE);
	/* Dots that are not stored do not count, line ends that are made whole do. */
	cr_assert_eq(read_text(SLICE("..345\r\n.\r\n"), 6, HOPS).problem, CONTENT_GOOD);
	cr_assert_eq(read_text(SLICE("1\n2\r\n.\r\n"), 5, HOPS).problem, CONTENT_TOO_LARGE);
}

Test(content, the_end_of_a_message_that_is_too_large_is_found_all_the_same)
{
	struct content content =
	    read_text(SLICE("123456789\r\n..\r\nabc\n.\n\r\n.\r\nRSET\r\n"), 4, HOPS);

	cr_assert_eq(content.problem, CONTENT_TOO_LARGE);
	cr_assert(content.has_ended);
}

Test(content, nul_octets_are_a_problem_of_the_message_they_are_in_and_of_no_other)
{
	struct content content = read_text(SLICE("a\0b\r\n.\r\n"), NO_LIMIT, HOPS);

	cr_assert_eq(content.problem, CONTENT_HAS_NUL);
	cr_assert(content.has_ended);
	content = read_text(SLICE("\0\r\n.\r\n"), NO_LIMIT, HOPS);
	cr_assert_eq(content.problem, CONTENT_HAS_NUL);
	content = read_text(SLICE("ab\r\n.\r\n\0"), NO_LIMIT, HOPS);
	cr_assert_eq(content.problem, CONTENT_GOOD);
	cr_assert(content.has_ended);
	/* A NUL breaks the end mark like any other octet. */
	cr_assert_not(read_text(SLICE("ab\r\n.\0\r\n"), NO_LIMIT, HOPS).has_ended);
}

Test(content, hops_are_counted_in_the_header_and_nowhere_else)
{
	cr_assert_eq(
	    read_text(SLICE("Received: a\r\nreceived: b\r\nX: c\r\n\r\n.\r\n"), NO_LIMIT, 3)
		.problem,
	    CONTENT_GOOD);
	cr_assert_eq(
	    read_text(SLICE("Received: a\r\nreceived: b\r\nRECEIVED: c\r\n\r\n.\r\n"), NO_LIMIT, 3)
		.problem,
	    CONTENT_LOOPS);
	cr_assert_eq(
	    read_text(SLICE("Received: a\r\n\r\nReceived: b\r\nReceived: c\r\n.\r\n"), NO_LIMIT, 2)
		.problem,
	    CONTENT_GOOD);
	cr_assert_eq(
	    read_text(SLICE("Received: a\r\n Received: b\r\n\r\n.\r\n"), NO_LIMIT, 2).problem,
	    CONTENT_GOOD);
	/* A header whose lines end in LF alone is stored as a header all the same. */
	cr_assert_eq(read_text(SLICE("Received: a\nReceived: b\n\n.\r\n"), NO_LIMIT, 2).problem,
	    CONTENT_LOOPS);
}

Test(content, the_fields_that_a_submission_may_lack_are_noticed)
{
	struct content content = read_text(
	    SLICE(
		"Subject: x\r\ndate: today\r\nMESSAGE-ID: <a@b>\r\n\r\nFrom: not a field\r\n.\r\n"),
	    NO_LIMIT, HOPS);

	cr_assert_eq(content.fields.seen, FIELD_DATE | FIELD_MESSAGE_ID);
}

Test(content, a_message_that_begins_with_its_text_is_told_from_one_with_a_header)
{
	cr_assert(
	    read_text(SLICE("Subject: x\r\n\r\nabc\r\n.\r\n"), NO_LIMIT, HOPS).fields.starts_with_header);
	cr_assert(read_text(SLICE("\r\nabc\r\n.\r\n"), NO_LIMIT, HOPS).fields.starts_with_header);
	cr_assert(read_text(SLICE("X-Odd : y\r\n\r\n.\r\n"), NO_LIMIT, HOPS).fields.starts_with_header);
	cr_assert(read_text(SLICE(".\r\n"), NO_LIMIT, HOPS).fields.starts_with_header);
	cr_assert_not(
	    read_text(SLICE("Do you like ketchup?\r\n.\r\n"), NO_LIMIT, HOPS).fields.starts_with_header);
	cr_assert_not(
	    read_text(SLICE("Dear all: hello\r\n.\r\n"), NO_LIMIT, HOPS).fields.starts_with_header);
	cr_assert_not(read_text(SLICE(" Subject: x\r\n.\r\n"), NO_LIMIT, HOPS).fields.starts_with_header);
	cr_assert_not(read_text(SLICE(": x\r\n.\r\n"), NO_LIMIT, HOPS).fields.starts_with_header);
}

/* Lines of every length and kind, much larger than one write. */
static struct buf large_text(void)
{
	struct buf text = buf_with_limit(1 << 22);

	for (unsigned i = 0; i < 20000; i++) {
		if (i % 7 == 0)
			buf_append_octet(&text, '.');
		buf_printf(&text, "%u %.*s%s", i, (int)(i % 97),
		    ".............................................................................."
		    "................",
		    i % 11 == 0 ? "\n" : "\r\n");
	}
	return text;
}

Test(content, what_is_stored_of_a_large_message_does_not_depend_on_how_it_arrives)
{
	static const size_t pieces[] = {1 << 22, 65537, 16384, 4096, 1460, 613};
	struct buf text = large_text();
	char *first = NULL;

	buf_append_string(&text, "\r\n.\r\n");
	for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
		bool ended;
		size_t rest;
		char *out = stored(buf_slice(&text), pieces[i], &ended, &rest);

		cr_assert(ended);
		if (first == NULL) {
			first = out;
			continue;
		}
		cr_assert_str_eq(out, first);
		free(out);
	}
	free(first);
	buf_free(&text);
}

Test(content, a_small_piece_waits_in_memory_and_the_rest_goes_straight_to_the_file)
{
	struct evbuffer *input = evbuffer_new();
	struct content content;
	static char piece[CONTENT_WRITE_WANTED];
	int file = memfd_create("content", MFD_CLOEXEC);

	memset(piece, 'x', sizeof piece);
	content_begin(&content, file, &no_rules);
	evbuffer_add(input, "abc\r\n", 5);
	cr_assert_not(content_take(&content, input));
	cr_assert_eq(content.written, 0);
	cr_assert_eq(content.waiting.len, 5);
	evbuffer_add(input, piece, sizeof piece);
	cr_assert_not(content_take(&content, input));
	cr_assert_eq(content.written, 5 + sizeof piece);
	cr_assert_eq(content.waiting.len, 0);
	content_end(&content);
	close(file);
	evbuffer_free(input);
}

Test(content, a_full_disk_is_told_from_other_failures)
{
	struct evbuffer *input = evbuffer_new();
	struct content content;
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	int reading = open("/dev/null", O_RDONLY | O_CLOEXEC);

	content_begin(&content, full, &no_rules);
	evbuffer_add(input, "abc\r\n.\r\n", 8);
	cr_assert(content_take(&content, input));
	cr_assert_eq(content.problem, CONTENT_NO_SPACE);
	content_end(&content);
	content_begin(&content, reading, &no_rules);
	evbuffer_add(input, "abc\r\n.\r\n", 8);
	cr_assert(content_take(&content, input));
	cr_assert_eq(content.problem, CONTENT_NOT_STORED);
	content_end(&content);
	close(full);
	close(reading);
	evbuffer_free(input);
}

/* --- fields that are not stored ------------------------------------------------------ */

static const struct content_rules submission_rules = {
    .size_limit = NO_LIMIT,
    .received_limit = HOPS,
    .dropped = FIELD_BCC | FIELD_RESENT_BCC,
    .keeps_from = true,
};

#define END "\r\n.\r\n"
#define BLANKS "                                                                                "

static const struct {
	struct slice in;
	const char *stored;
} bcc_cases[] = {
    {SLICE("Bcc: a@b\r\nTo: c" END),                          "To: c\r\n"                    },
    {SLICE("To: c\r\nbcc:a@b\r\n\r\nx" END),                  "To: c\r\n\r\nx\r\n"           },
    {SLICE("To: c\r\nBCC : a\r\n  b,\r\n\tc\r\nCc: d" END),    "To: c\r\nCc: d\r\n"           },
    {SLICE("Resent-Bcc: a\r\nX: y" END),                      "X: y\r\n"                     },
    {SLICE("Bcc: a\r\nBcc: b\r\nbcc:" END),                   ""			},
    {SLICE("..Bcc: a" END),				    ".Bcc: a\r\n"                  },
    {SLICE(".Bcc: a\r\nX: y" END),			    "X: y\r\n"                     },
    {SLICE("Bcc: a\nX: y\rBcc: b\rZ: z" END),		    "X: y\r\nZ: z\r\n"             },
    {SLICE("Bcc:\r\n \r\n a\r\nX: y" END),                    "X: y\r\n"                     },
    {SLICE("X: y\r\nBcc" BLANKS ": a\r\nZ: z" END),           "X: y\r\nZ: z\r\n"             },
 /* what only looks like it */
    {SLICE("Bccx: a\r\nBc: b\r\nB: c" END),                   "Bccx: a\r\nBc: b\r\nB: c\r\n" },
    {SLICE("X-Bcc: a\r\nBcc" END),			    "X-Bcc: a\r\nBcc\r\n"          },
    {SLICE("X: y\r\n Bcc: a" END),			    "X: y\r\n Bcc: a\r\n"          },
    {SLICE("X: y\r\n\r\nBcc: a\r\nb" END),		    "X: y\r\n\r\nBcc: a\r\nb\r\n"  },
    {SLICE("\r\nBcc: a" END),				    "\r\nBcc: a\r\n"		     },
    {SLICE("Dear all\r\nBcc: a" END),			    "Dear all\r\nBcc: a\r\n"       },
    {SLICE("Resent-Bc\rc: a" END),			    "Resent-Bc\r\nc: a\r\n"	     },
    {SLICE("Resent-B" END),				    "Resent-B\r\n"		     },
};

Test(content, bcc_is_not_stored_of_a_submission_however_it_is_cut_into_pieces)
{
	for (size_t i = 0; i < sizeof bcc_cases / sizeof bcc_cases[0]; i++) {
		for (size_t piece = 1; piece <= bcc_cases[i].in.len; piece++) {
			bool ended;
			size_t rest;
			char *out = stored_by(
			    &submission_rules, bcc_cases[i].in, piece, &ended, &rest);

			cr_assert(ended);
			cr_assert_str_eq(out, bcc_cases[i].stored,
			    "case %zu in pieces of %zu:\n%s", i, piece, out);
			free(out);
		}
	}
}

/* Many small pieces before anything is written: what was held back keeps its place. */
Test(content, lines_that_had_to_wait_are_stored_in_their_order)
{
	struct buf text = buf_with_limit(1 << 20);
	struct buf expected = buf_with_limit(1 << 20);

	for (unsigned i = 0; i < 3000; i++) {
		buf_printf(&text, "%s: %u\r\n", i % 3 == 0 ? "Bcc" : i % 3 == 1 ? "Bccc" : "Resent", i);
		if (i % 3 != 0)
			buf_printf(&expected, "%s: %u\r\n", i % 3 == 1 ? "Bccc" : "Resent", i);
	}
	buf_append_string(&text, ".\r\n");
	buf_append_octet(&expected, '\0');
	for (size_t piece = 1; piece < 40; piece++) {
		bool ended;
		size_t rest;
		char *out = stored_by(&submission_rules, buf_slice(&text), piece, &ended, &rest);

		cr_assert(ended);
		cr_assert_str_eq(out, expected.data, "in pieces of %zu", piece);
		free(out);
	}
	buf_free(&text);
	buf_free(&expected);
}

static void expect_from(struct slice in, unsigned count, const char *value)
{
	for (size_t piece = 1; piece <= in.len; piece++) {
		struct evbuffer *input = evbuffer_new();
		struct content content;

		content_begin(&content, -1, &submission_rules);
		for (struct slice left = in; left.len > 0; left = slice_from(left, piece)) {
			evbuffer_add(input, left.data, left.len < piece ? left.len : piece);
			content_take(&content, input);
		}
		cr_assert_eq(content.fields.from_count, count);
		cr_assert(slice_equal(buf_slice(&content.fields.from), slice_string(value)),
		    "in pieces of %zu: %.*s", piece, SLICE_PRINTF(buf_slice(&content.fields.from)));
		content_end(&content);
		evbuffer_free(input);
	}
}

Test(content, the_value_of_from_is_kept_with_its_folding)
{
	expect_from(SLICE("From: a@b" END), 1, " a@b");
	expect_from(SLICE("X: y\r\nfrom :A\r\n <a@b>\r\nTo: c\r\n d" END), 1, "A\r\n <a@b>");
	expect_from(SLICE("From: \"" BLANKS "\"\r\n <a@b>" END), 1, " \"" BLANKS "\"\r\n <a@b>");
	expect_from(SLICE("From: a\r\nBcc: x\r\n From: y\r\nFROM: b" END), 2, " a b");
	expect_from(SLICE("X: y\r\n From: a\r\nFromage: b\r\n\r\nFrom: c" END), 0, "");
	/* Nobody's field is overlooked for its blanks. */
	expect_from(SLICE("From" BLANKS ": a" END), 1, "    : a");
}

Test(content, a_cr_or_lf_alone_is_a_problem_where_the_setting_says_so)
{
	static const struct {
		struct slice in;
		enum content_problem problem;
	} cases[] = {
	    {SLICE("a\r\nb\r\n.\r\n"),        CONTENT_GOOD    },
	    {SLICE("a\nb\r\n.\r\n"),          CONTENT_HAS_BARE},
	    {SLICE("a\rb\r\n.\r\n"),          CONTENT_HAS_BARE},
	    {SLICE("a\r\r\n.\r\n"),          CONTENT_HAS_BARE},
	    {SLICE("a\n.\n\r\n.\r\n"),       CONTENT_HAS_BARE},
	    {SLICE("a\r\n.\rx\r\n.\r\n"),     CONTENT_HAS_BARE},
	    {SLICE("X: y\r\n\r\na\nb\r\n.\r\n"), CONTENT_HAS_BARE},
	};
	struct content_rules rules = submission_rules;

	rules.refuses_bare = true;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		for (size_t piece = 1; piece <= cases[i].in.len; piece++) {
			struct evbuffer *input = evbuffer_new();
			struct content content;

			content_begin(&content, -1, &rules);
			for (struct slice in = cases[i].in; in.len > 0; in = slice_from(in, piece)) {
				evbuffer_add(input, in.data, in.len < piece ? in.len : piece);
				content_take(&content, input);
			}
			cr_assert(content.has_ended);
			cr_assert_eq(content.problem, cases[i].problem, "case %zu", i);
			content_end(&content);
			evbuffer_free(input);
		}
	}
}
