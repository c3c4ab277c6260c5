/*
 * answers.c - answers of many lines, made piece by piece.
 *
 * Nothing is made ahead of what the channel takes: a client that reads slowly costs
 * one piece of memory, however long the answer.
 */
#include <errno.h>

#include "common/log.h"
#include "pop3d/session/maildrop.h"

enum { PIECE = 16 * 1024 };

/* The next piece of a message; true at its end. */
static bool next_of_message(struct maildrop *drop, struct buf *out)
{
	char piece[PIECE];
	ssize_t n = store_content_read(drop->content, drop->offset, piece, sizeof piece);

	if (n < 0) {
		/* The answer has begun: only breaking off tells the client that it is not whole. */
		log_error("cannot-read-message", log_errno(errno));
		maildrop_end(drop);
		return true;
	}
	drop->offset += (uint64_t)n;
	multiline_write(&drop->multiline, slice_of(piece, (size_t)n), out);
	if (n > 0 && !drop->multiline.is_complete)
		return false;
	multiline_end(&drop->multiline, out);
	return true;
}

/* One line of LIST or UIDL; a message that is gone has none. */
static void write_line(struct maildrop *drop, uint32_t seq, struct buf *out)
{
	char unique[STORE_UNIQUE_TEXT + 1];
	uint64_t size;

	if (drop->is_deleted[seq - 1])
		return;
	if (drop->answer == ANSWER_LIST) {
		if (store_view_size(drop->view, seq, &size) == STORE_OK)
			buf_printf(out, "%u %llu\r\n", seq, (unsigned long long)size);
	} else if (store_view_unique(drop->view, seq, unique) == STORE_OK) {
		buf_printf(out, "%u %s\r\n", seq, unique);
	}
}

/* The next lines of a list; true at its end. */
static bool next_of_list(struct maildrop *drop, struct buf *out)
{
	while (out->len < PIECE) {
		if (drop->next > store_view_count(drop->view)) {
			buf_append_string(out, ".\r\n");
			return true;
		}
		write_line(drop, drop->next++, out);
	}
	return false;
}

bool maildrop_go_on(struct maildrop *drop)
{
	struct buf out = buf_with_limit(MAILDROP_OUTPUT_MAX);
	bool is_whole = drop->answer == ANSWER_NONE;

	while (!is_whole && !drop->is_over && !session_is_congested(drop->session)) {
		buf_clear(&out);
		is_whole = drop->answer == ANSWER_MESSAGE ? next_of_message(drop, &out)
							  : next_of_list(drop, &out);
		if (!drop->is_over)
			session_send(drop->session, buf_slice(&out));
	}
	buf_free(&out);
	if (is_whole)
		maildrop_drop_answer(drop);
	return is_whole;
}

void maildrop_drop_answer(struct maildrop *drop)
{
	store_content_close(drop->content);
	drop->content = NULL;
	drop->answer = ANSWER_NONE;
}
