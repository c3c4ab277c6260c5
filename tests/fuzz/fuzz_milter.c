/*
 * fuzz_milter.c - a milter may say anything.
 *
 * The first octet says in how large pieces it comes, the rest is what the milter
 * says in a conversation about one message.  Whatever it is: the conversation goes
 * on or breaks, and what its wishes make of a header still is one.
 */
#include <event2/buffer.h>

#include "common/channel_queue.h"
#include "policy/milter_header.h"
#include "policy/milter_talk.h"
#include "tests/fuzz/fuzz.h"

enum { STEPS = 12 };

static const struct milter_facts facts = {
    .hostname = SLICE("mail.example"),
    .service = SLICE("mx"),
    .family = AF_INET6,
    .address = SLICE("2001:db8::1"),
    .client_name = SLICE("client.example"),
    .helo = SLICE("client.example"),
    .tls_version = SLICE("TLSv1.3"),
    .sender = SLICE("a@b.example"),
    .id = SLICE("0001"),
};

static size_t body_octets;

static bool take_body(struct slice piece, void *context)
{
	(void)context;
	body_octets += piece.len;
	return true;
}

/* Give the milter its next command; true where an answer is to come. */
static bool command(struct milter_talk *talk, int step, struct milter_edits *edits)
{
	switch (step) {
	case 0:
		return milter_talk_connect(talk, &facts);
	case 1:
		return milter_talk_helo(talk, &facts);
	case 2:
		return milter_talk_mail(talk, &facts);
	case 3:
	case 4:
		return milter_talk_rcpt(talk, &facts, SLICE("x@y.example"));
	case 5:
		return milter_talk_data(talk, &facts);
	case 6:
	case 7:
		return milter_talk_header(talk, SLICE("Subject"), SLICE(" a\r\n\tb"));
	case 8:
		return milter_talk_end_of_header(talk, &facts);
	case 9:
	case 10:
		return milter_talk_body(talk, SLICE("body\r\n"));
	default:
		milter_talk_end_of_body(talk, &facts, edits);
		return true;
	}
}

/* Every line begins a field or goes on with one, and the only empty line is the last. */
static void require_header(struct slice text)
{
	REQUIRE(envelope_prepend_is_clean(text) || text.len > ENVELOPE_PREPEND_MAX);
}

static void apply(const struct milter_edits *edits)
{
	struct reader list = reader_over(buf_slice(&edits->list));
	struct buf front = buf_with_limit(4 * MILTER_ADDED_MAX), content = front;
	struct milter_header header;
	struct milter_reply edit;

	REQUIRE(milter_header_begin(&header, SLICE("Received: by us\r\nDate: today\r\n"),
	    SLICE("From: a@b\r\nSubject: one\r\nX: y\r\nSubject: two\r\n\r\n")));
	while (milter_edits_next(&list, &edit)) {
		bool has_space = edit.index % 2 == 0;

		if (edit.letter == MILTER_ADD_HEADER)
			milter_header_add(&header, edit.first, edit.second, has_space);
		else if (edit.letter == MILTER_INSERT_HEADER)
			milter_header_insert(
			    &header, edit.index, edit.first, edit.second, has_space);
		else if (edit.letter == MILTER_CHANGE_HEADER)
			milter_header_change(
			    &header, edit.index, edit.first, edit.second, has_space);
	}
	REQUIRE(reader_ok(&list));
	milter_header_settle(&header);
	REQUIRE(milter_header_write_prepend(&header, &front));
	REQUIRE(milter_header_write_content(&header, &content));
	require_header(buf_slice(&front));
	REQUIRE(slice_ends_with(buf_slice(&content), SLICE("\r\n")));
	if (content.len > 2)
		require_header(buf_slice(&content));
	buf_free(&front);
	buf_free(&content);
	milter_header_free(&header);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct evbuffer *in = evbuffer_new(), *out = evbuffer_new();
	struct milter_edits edits;
	struct milter_talk talk;
	size_t at = 1, piece;
	int step = -1;

	if (size == 0 || in == NULL || out == NULL)
		goto done;
	piece = (size_t)data[0] + 1;
	milter_edits_begin(&edits);
	edits.body = take_body;
	body_octets = 0;
	milter_talk_begin(&talk, out);
	while (step < STEPS) {
		enum milter_event event = milter_talk_input(&talk, in);

		if (event == MILTER_BROKEN) {
			REQUIRE(talk.problem != NULL);
			REQUIRE(!milter_talk_end(&talk));
			break;
		}
		if (event == MILTER_WAITS) {
			size_t len = size - at < piece ? size - at : piece;

			if (len == 0)
				break;
			evbuffer_add(in, data + at, len);
			at += len;
			continue;
		}
		REQUIRE(talk.awaited == '\0');
		while (++step < STEPS && !command(&talk, step, &edits))
			;
	}
	if (step == STEPS)
		apply(&edits);
	milter_edits_free(&edits);
	milter_talk_free(&talk);
done:
	if (in != NULL)
		evbuffer_free(in);
	if (out != NULL)
		evbuffer_free(out);
	return 0;
}
