/*
 * A whole SMTP session against a house of a few lines: whatever a client sends,
 * and however it is cut into pieces, replies are replies, and what is stored has
 * no line end but CR LF.
 *
 * The input's first octet chooses the port and the mood of the house, the second
 * the size of the pieces.
 */
#include <unistd.h>

#include "message/header.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/smtpd/fake_house.h"

enum {
	IS_SUBMISSION = 1,
	IS_LOCAL = 2,
	LOSES_ANSWERS = 4,
	HOLDS_ANSWERS = 8,
	QUEUE_IS_FULL = 16,
	IS_RELAY = 32,
	HAS_POLICY = 64,
	HAS_RULES = 128 /* and speaks for others by XCLIENT */
};

static void check_replies(void)
{
	struct cursor said = cursor_over(buf_slice(&fake.said));

	while (!cursor_done(&said)) {
		struct slice line = cursor_take_until(&said, '\n');

		REQUIRE(cursor_accept(&said, '\n'));
		REQUIRE(line.len >= 5 && line.len <= 511 && line.data[line.len - 1] == '\r');
		REQUIRE(octet_is_digit(line.data[0]) && octet_is_digit(line.data[1]) &&
			octet_is_digit(line.data[2]));
		REQUIRE(line.data[3] == ' ' || line.data[3] == '-');
		for (size_t i = 0; i + 1 < line.len; i++)
			REQUIRE(!octet_is_control((unsigned char)line.data[i]));
	}
	buf_clear(&fake.said);
}

static void check_commit(const struct fake_commit *commit)
{
	size_t len = strlen(commit->content);

	/* No NUL got in. */
	REQUIRE(len == commit->size || len == sizeof commit->content - 1);
	for (size_t i = 0; i < len; i++) {
		if (commit->content[i] == '\n')
			REQUIRE(i > 0 && commit->content[i - 1] == '\r');
		if (commit->content[i] == '\r' && i + 1 < sizeof commit->content - 1)
			REQUIRE(commit->content[i + 1] == '\n');
	}
	/* However it came, its last line has an end. */
	if (len > 0 && len == commit->size)
		REQUIRE(commit->content[len - 1] == '\n');
	REQUIRE(commit->recipients[0] != '\0');
	REQUIRE(commit->priority >= PRIORITY_LOWEST &&
		commit->priority <= settings->submission.priority_limit);
	REQUIRE(commit->tls <= TLS_NOT_REQUIRED);
	REQUIRE(envelope_text_is_clean(slice_string(commit->envid), ENVELOPE_TEXT_MAX));
	for (size_t i = 0; i < FAKE_RECIPIENTS_SEEN; i++) {
		REQUIRE(envelope_notify_is_valid(commit->notify[i]));
		REQUIRE(envelope_text_is_clean(slice_string(commit->original[i]), ENVELOPE_TEXT_MAX));
	}
	REQUIRE(strncmp(commit->prepend, "Received: ", 10) == 0 ||
		strncmp(commit->prepend, "X-Fake: yes\r\n", 13) == 0);
}

/* A user's message, as its readers get it, says once whom it is from, and shows no Bcc. */
static void check_submission(const struct fake_commit *commit)
{
	struct buf whole = buf_with_limit(sizeof commit->prepend + sizeof commit->content);
	bool is_account = strchr(commit->login, '@') != NULL;
	struct header_field field;
	struct header_walk walk;
	size_t authors = 0;

	if (commit->login[0] == '\0')
		return;
	buf_append_string(&whole, commit->prepend);
	buf_append_string(&whole, commit->content);
	walk = header_walk_over(buf_slice(&whole));
	while (header_next(&walk, &field)) {
		authors += slice_equal_nocase(field.name, SLICE("From"));
		REQUIRE(!slice_equal_nocase(field.name, SLICE("Bcc")));
		REQUIRE(!slice_equal_nocase(field.name, SLICE("Resent-Bcc")));
	}
	REQUIRE(authors == 1 || (authors > 1 && !is_account));
	buf_free(&whole);
}

static void send_pieces(const uint8_t *data, size_t size, size_t piece)
{
	while (size > 0 && fake.session_is_open) {
		size_t len = size < piece ? size : piece;
		ssize_t n = send(fake.client, data, len, MSG_NOSIGNAL);

		if (n <= 0)
			break;
		data += n;
		size -= (size_t)n;
		fake_run();
		if (fake.holds_answers)
			fake_answer(1, true);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned mood;
	size_t piece;

	if (size < 2)
		return 0;
	mood = data[0];
	piece = data[1] == 0 ? size : data[1];
	fake_open();
	fake_set("auth.cleartext always\nsmtp.size-limit 64K\nsmtp.recipients-limit "
		 "100\nsmtp.received-limit 5");
	if ((mood & HAS_RULES) != 0)
		fake_set("smtp { xclient-networks { 192.0.2.0/24 203.0.113.0/24 127.0.0.0/8 }\n"
			 " unknown-recipients-limit 3\n refuse-at earliest }\n"
			 "access { accept helo accept.example; disconnect helo bye.example\n"
			 " refuse from <bad>; defer client unknown; note pipelining\n"
			 " discard to carol@*; hold not tls }");
	if ((mood & HAS_POLICY) != 0)
		fake_set("policy.services { inet:127.0.0.1:1,for=all inet:127.0.0.1:2,for=all,stage=data "
			 "inet:127.0.0.1:3,for=all,stage=message }");
	fake.loses_answers = (mood & LOSES_ANSWERS) != 0;
	fake.holds_answers = (mood & HOLDS_ANSWERS) != 0;
	fake.verdict = (mood & QUEUE_IS_FULL) != 0 ? QUEUE_FULL : QUEUE_ACCEPTED;
	if ((mood & IS_LOCAL) != 0)
		fake_connect_user(1000, "carol");
	else
		fake_connect((mood & IS_SUBMISSION) != 0 ? SERVICE_SUBMISSION : SERVICE_MX,
		    (mood & IS_RELAY) != 0 ? "127.0.0.1" : "192.0.2.1");
	send_pieces(data + 2, size - 2, piece);
	fake_end_input();
	fake.holds_answers = false;
	fake_run();
	check_replies();
	for (unsigned i = 0; i < fake.commits_count && i < FAKE_COMMITS_MAX; i++) {
		check_commit(&fake.commits[i]);
		check_submission(&fake.commits[i]);
	}
	fake_close();
	REQUIRE(!fake.session_is_open);
	return 0;
}
