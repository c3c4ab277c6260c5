/*
 * texts.c - the finished IMAP texts of messages: made once, kept in the index.
 *
 * A client that opens a mailbox for the first time asks for the texts of thousands of
 * messages.  What is made waits in memory and goes into the index many at a time; lost in a
 * crash, it is made again.
 */
#include <stdlib.h>

#include "message/imap_text.h"
#include "message/mime.h"
#include "store/private.h"

enum {
	WAITING_MAX = 1 << 20, /* octets of texts that wait */
};

struct texts_waiting {
	LIST_ENTRY(texts_waiting) entry;
	uint32_t folder;
	uint32_t uid;
	struct store_texts texts; /* in `memory` */
	struct buf memory;
};

/* ---- making them ---- */

/* The one place where the store asks what a message means. */
static bool make(struct slice message, struct buf *memory, struct store_texts *out)
{
	struct mime mime;
	size_t body_at, bodystructure_at;
	bool complete = mime_parse(message, &mime);

	complete = complete && imap_write_envelope(message, memory);
	body_at = memory->len;
	complete = complete && imap_write_body(&mime, memory);
	bodystructure_at = memory->len;
	complete = complete && imap_write_bodystructure(&mime, memory);
	mime_free(&mime);
	out->envelope = slice_part(buf_slice(memory), 0, body_at);
	out->body = slice_part(buf_slice(memory), body_at, bodystructure_at - body_at);
	out->bodystructure = slice_from(buf_slice(memory), bodystructure_at);
	return complete && !memory->overflowed;
}

/* ---- keeping them ---- */

static void drop(struct store *store, struct texts_waiting *waiting)
{
	LIST_REMOVE(waiting, entry);
	store->waiting_octets -= waiting->memory.len;
	buf_free(&waiting->memory);
	free(waiting);
}

static enum store_error put_waiting(struct index_txn *txn, const struct texts_waiting *waiting)
{
	struct mail mail;
	enum store_error result = index_get_mail(txn, waiting->folder, waiting->uid, &mail);

	/* Expunged meanwhile. */
	if (result == STORE_GONE)
		return STORE_OK;
	return result == STORE_OK
		   ? index_put_texts(txn, waiting->folder, waiting->uid, &waiting->texts)
		   : result;
}

void texts_flush(struct store *store)
{
	struct texts_waiting *waiting;
	struct index_txn txn;
	enum store_error result;

	if (store->waiting_octets == 0)
		return;
	/* What cannot be kept is made again another time. */
	result = index_begin_write(&store->index, 2 * store->waiting_octets, &txn);
	for (size_t i = 0; i < WAITING_LISTS; i++) {
		while ((waiting = LIST_FIRST(&store->waiting[i])) != NULL) {
			if (result == STORE_OK)
				result = put_waiting(&txn, waiting);
			drop(store, waiting);
		}
	}
	if (result == STORE_OK)
		index_commit(&txn, false);
	index_end(&txn);
}

void texts_free(struct store *store)
{
	texts_flush(store);
	buf_free(&store->texts_memory);
}

static void keep(struct store *store, uint32_t folder, uint32_t uid, struct buf *memory,
    const struct store_texts *texts)
{
	struct texts_waiting *waiting = calloc(1, sizeof *waiting);

	if (waiting == NULL) {
		buf_free(memory);
		return;
	}
	waiting->folder = folder;
	waiting->uid = uid;
	waiting->texts = *texts;
	waiting->memory = *memory;
	LIST_INSERT_HEAD(&store->waiting[uid % WAITING_LISTS], waiting, entry);
	store->waiting_octets += waiting->memory.len;
}

/* Texts of a message opened a moment ago, that are not in the index yet. */
static bool find_waiting(
    struct store *store, uint32_t folder, uint32_t uid, struct store_texts *out)
{
	struct texts_waiting *waiting;

	LIST_FOREACH (waiting, &store->waiting[uid % WAITING_LISTS], entry) {
		if (waiting->uid != uid || waiting->folder != folder)
			continue;
		*out = waiting->texts;
		return true;
	}
	return false;
}

/* From the index, copied: the transaction ends here. */
static enum store_error from_index(
    struct store *store, uint32_t folder, uint32_t uid, struct store_texts *out)
{
	struct buf *memory = &store->texts_memory;
	struct store_texts texts;
	struct index_txn txn;
	enum store_error result = index_begin_read(&store->index, &txn);

	if (result != STORE_OK)
		return result;
	result = index_get_texts(&txn, folder, uid, &texts);
	if (result == STORE_OK) {
		size_t all = texts.envelope.len + texts.body.len + texts.bodystructure.len;

		buf_clear(memory);
		if (buf_append_slice(memory, texts.envelope) &&
		    buf_append_slice(memory, texts.body) &&
		    buf_append_slice(memory, texts.bodystructure) && memory->len == all) {
			struct slice whole = buf_slice(memory);

			out->envelope = slice_part(whole, 0, texts.envelope.len);
			out->body = slice_part(whole, texts.envelope.len, texts.body.len);
			out->bodystructure = slice_from(whole, texts.envelope.len + texts.body.len);
		} else {
			result = STORE_LIMIT;
		}
	}
	index_end(&txn);
	return result;
}

static enum store_error from_file(struct store_view *view, uint32_t seq, struct store_texts *out)
{
	struct store *store = view->store;
	struct buf memory = buf_with_limit(STORE_TEXTS_MAX);
	struct store_content *content;
	struct slice message;
	bool is_whole;
	enum store_error result = store_content_open(view, seq, &content);

	if (result != STORE_OK)
		return result;
	result = store_content_map(content, &message);
	is_whole = content_is_whole(content);
	if (result == STORE_OK && !make(message, &memory, out))
		result = STORE_LIMIT;
	store_content_close(content);
	if (result != STORE_OK) {
		buf_free(&memory);
		return result;
	}
	if (is_whole) {
		keep(store, view->folder, view->messages[seq - 1].uid, &memory, out);
		return STORE_OK;
	}
	/* A file cut short by a crash, that a replay will make whole: shown, not kept. */
	buf_free(&store->texts_memory);
	store->texts_memory = memory;
	return STORE_OK;
}

enum store_error store_view_texts(struct store_view *view, uint32_t seq, struct store_texts *out)
{
	const struct store_message *message = &view->messages[seq - 1];
	struct store *store = view->store;
	enum store_error result;

	*out = (struct store_texts){
	    {NULL, 0},
            {NULL, 0},
            {NULL, 0}
        };
	if ((message->flags & STORE_EXPUNGED) != 0)
		return STORE_GONE;
	if (store->waiting_octets > WAITING_MAX)
		texts_flush(store);
	if (find_waiting(store, view->folder, message->uid, out))
		return STORE_OK;
	result = from_index(store, view->folder, message->uid, out);
	return result == STORE_GONE ? from_file(view, seq, out) : result;
}
