/*
 * chunk.c - BDAT: a message in chunks whose sizes are said before (RFC 3030).
 *
 * The first chunk opens the message, the last one commits it, and each is
 * answered when all of its octets have come.  A chunk that is refused is read
 * all the same and thrown away, so that nobody can have the content of a message
 * taken for commands.  With it the whole message is refused: the chunks behind
 * it find no message that they could belong to.
 */
#include "smtpd/chunk.h"

#include <stdlib.h>

#include "common/conf.h"
#include "smtpd/data.h"
#include "smtpd/reply.h"
#include "smtpd/session.h"
#include "smtpd/submit.h"

static const struct {
	unsigned code;
	const char *status;
	const char *text;
} refusals[] = {
    [CHUNK_UNGREETED] = {503, "5.5.1", "Say HELO or EHLO first"},
    [CHUNK_WITHOUT_SENDER] = {503, "5.5.1", "Give sender and recipients first"},
    [CHUNK_WITHOUT_RECIPIENTS] = {554, "5.5.1", "No valid recipients"},
    [CHUNK_TOO_LARGE] = {552, "5.3.4", "Message too large"},
    [CHUNK_WITHOUT_SPACE] = {452, "4.3.1", "Insufficient system storage, try again later"},
    [CHUNK_WITHOUT_FILE] = {451, "4.3.0", "The message could not be stored, try again later"},
};

/* --- the command -------------------------------------------------------------------- */

/* "size" or "size LAST" (RFC 3030, 2). */
static bool parse(struct slice arguments, uint64_t *size, bool *is_last)
{
	struct cursor in = cursor_over(arguments);
	struct slice digits = cursor_take_until(&in, ' ');
	struct slice word = slice_trim(cursor_rest(&in));

	*is_last = slice_equal_nocase(word, SLICE("LAST"));
	return slice_number(digits, UINT64_MAX, size) && (*is_last || word.len == 0);
}

static void file_answered(void *asker, const struct spool_file *file, bool full)
{
	struct session *s = asker;

	if (file != NULL)
		data_open(s, file, true);
	else
		s->chunk.refusal = full ? CHUNK_WITHOUT_SPACE : CHUNK_WITHOUT_FILE;
	session_unblock(s);
}

static void ask_file(struct session *s)
{
	struct spool_file file;

	s->question.asker = s;
	s->question.answered.file = file_answered;
	switch (s->house->file(&s->question, &file)) {
	case HOUSE_FILE_GIVEN:
		data_open(s, &file, true);
		break;
	case HOUSE_FILE_ASKED:
		session_block(s);
		break;
	case HOUSE_FILE_NONE:
		s->chunk.refusal = CHUNK_WITHOUT_FILE;
		break;
	}
}

static void judged(struct session *s, const struct verdict *against)
{
	if (against == NULL) {
		ask_file(s);
		return;
	}
	free(s->chunk.against);
	s->chunk.against = malloc(sizeof *against);
	if (s->chunk.against == NULL) {
		s->chunk.refusal = CHUNK_WITHOUT_FILE;
		return;
	}
	*s->chunk.against = *against;
	s->chunk.refusal = CHUNK_AGAINST_THE_GATE;
}

static void refuse(struct session *s, enum chunk_refusal refusal)
{
	/* The client may have sent the next chunks already: they are no part of a new message. */
	if (refusal == CHUNK_WITHOUT_SPACE || refusal == CHUNK_WITHOUT_FILE ||
	    refusal == CHUNK_AGAINST_THE_GATE)
		session_reset(s);
	if (refusal == CHUNK_AGAINST_THE_GATE) {
		struct verdict *against = s->chunk.against;

		s->chunk.against = NULL;
		gate_refuse(s, against);
		free(against);
		return;
	}
	reply(s, refusals[refusal].code, refusals[refusal].status, "%s", refusals[refusal].text);
}

/* More than anybody would want to have, and thrown away it would cost as much. */
static bool is_boundless(const struct session *s)
{
	if (s->transaction != NULL && s->transaction->has_content)
		return content_is_boundless(&s->transaction->content, s->chunk.size);
	return s->chunk.size / CONTENT_PATIENCE > submit_size_limit(s);
}

void chunk_begin(struct session *s, struct slice arguments)
{
	s->chunk.refusal = CHUNK_TAKEN;
	if (!parse(arguments, &s->chunk.left, &s->chunk.is_last)) {
		reply(s, 501, "5.5.4", "Syntax: BDAT size [LAST]; closing connection");
		session_close(s);
		return;
	}
	s->chunk.size = s->chunk.left;
	if (!s->has_greeted)
		s->chunk.refusal = CHUNK_UNGREETED;
	else if (s->transaction == NULL)
		s->chunk.refusal = CHUNK_WITHOUT_SENDER;
	else if (s->transaction->recipient_count == 0)
		s->chunk.refusal = CHUNK_WITHOUT_RECIPIENTS;
	if (is_boundless(s)) {
		/* Nobody reads that; and where the chunk's end is not waited for, nothing is a command any more. */
		if (s->chunk.refusal == CHUNK_TAKEN)
			s->chunk.refusal = CHUNK_TOO_LARGE;
		refuse(s, (enum chunk_refusal)s->chunk.refusal);
		session_close(s);
		return;
	}
	if (s->chunk.refusal == CHUNK_TAKEN && !s->transaction->has_content)
		gate_ask(s, GATE_DATA, judged);
	session_expect(s, PHASE_CHUNK);
}

/* --- the octets ----------------------------------------------------------------------- */

static void swallow(struct evbuffer *input, uint64_t *left)
{
	size_t len = evbuffer_get_length(input);

	if (len > *left)
		len = (size_t)*left;
	evbuffer_drain(input, len);
	*left -= len;
}

bool chunk_take(struct session *s)
{
	struct content *content = s->transaction == NULL ? NULL : &s->transaction->content;

	if (s->chunk.refusal != CHUNK_TAKEN)
		swallow(stream_input(s->stream), &s->chunk.left);
	else
		content_take_chunk(content, stream_input(s->stream), &s->chunk.left);
	if (s->chunk.left > 0)
		return false;
	session_expect(s, PHASE_COMMAND);
	if (s->chunk.refusal != CHUNK_TAKEN) {
		refuse(s, (enum chunk_refusal)s->chunk.refusal);
		return true;
	}
	if (s->chunk.is_last)
		content_finish_chunks(content);
	if (content->problem != CONTENT_GOOD)
		data_refuse(s);
	else if (s->chunk.is_last)
		data_finish(s);
	else
		reply(s, 250, "2.0.0", "%llu octets received", (unsigned long long)s->chunk.size);
	return true;
}
